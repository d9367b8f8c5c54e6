"""One figure is told in many places: everywhere the same, and parts sum to what is below them."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.report import heading
from greensched.report.attribution import shares
from greensched.report.charts import of_result
from greensched.report.difference import by_key
from greensched.report.evidence import Evidence
from greensched.report.marked import result_markdown
from greensched.report.page import page
from greensched.report.terminal import result_text
from greensched.report.words import digits_apart, fitted
from tests.report_cases import MANIFEST, series, summary

if TYPE_CHECKING:
    import pandas as pd

# Figures that were once told as 1.25 and 1.26, as 0.74, 0.75 and 750, as 56.6 and 56.7.
TOTALS = {
    "energy_facility_kwh": (16_293.163605, 15_039.72874),
    "scope2_location_kg": (9_150.30471, 8_405.161088),
    "machines_on_mean": (261.9737396538751, 205.33183027464258),
}
PARTS = {
    "machines_on_mean_milli": (-97_026, 114_916, 17_004, 11_652, 7_944, 2_152),
    "energy_facility_mwh": (
        *(-2_789_450_175, 3_136_134_593, 442_043_532),
        *(308_869_976, 99_459_897, 56_377_042),
    ),
    "scope2_location_mg": (
        *(-1_622_515_796, 1_806_664_229, 259_981_610),
        *(185_701_163, 56_561_838, 58_750_578),
    ),
}
NAMES = ("without autoscaled", "elastic", "tidal", "colocation", "consolidation", "shifting")
INPUTS = ("PUE", "carbon intensity")


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """Return a summary whose savings round apart, attributed, with a drain of 53.5 h."""
    told = summary()
    for key, (before, after) in TOTALS.items():
        told["baseline"][key], told["scenario"][key] = before, after
        told["savings"][key] = before - after
        told["savings"]["share"][key] = (before - after) / before
    told["savings"]["in_window"] = {
        "energy_facility_kwh": 1_017.495932,
        "scope2_location_kg": 587.046208,
    }
    told["window"]["end_s"] = told["window"]["length_s"] + 192_600.0
    told["attribution"] = {
        "method": "exact",
        "sentence": "No two technologies interact.",
        "quantities": {key: _quantity(parts) for key, parts in PARTS.items()},
    }
    return told


def _quantity(parts: tuple[int, ...]) -> dict[str, Any]:
    technologies = [
        {"name": name, "switches": [name][i == 0 :], "why": "", "standard_error": 0}
        | dict.fromkeys(("alone", "last_in", "shapley"), part)
        for i, (name, part) in enumerate(zip(NAMES, parts, strict=True))
    ]
    return {"unit": "", "total": sum(parts), "technologies": technologies, "interactions": []}


def _ranges(told: dict[str, Any]) -> dict[str, Any]:
    """Return a sensitivity in whose range the middle has fewer digits than the tables have."""
    kg = told["savings"]["scope2_location_kg"]
    wide = {"least": 643.8, "mid": kg, "most": 852.4}
    figures = {f"savings.{k}": wide for k in ("scope2_location_kg", "scope2_and_embodied_kg")}
    ends = {"setting": "x", "values": {"savings.scope2_and_embodied_kg": kg}}
    axes = [{"name": name, "basis": "assumed", "low": ends, "high": ends} for name in INPUTS]
    return {"figures": figures, "axes": axes}


def _series() -> pd.DataFrame:
    """Return a series whose energy and machines are those of the summary."""
    rows = series(100)
    for run, at in (("baseline", 0), ("scenario", 1)):
        own = rows["run"] == run
        rows.loc[own, "power_facility_w"] = TOTALS["energy_facility_kwh"][at] * 1000 / 100
        rows.loc[own, [c for c in rows.columns if c.startswith("machines_")]] = 0.0
        rows.loc[own, "machines_online"] = TOTALS["machines_on_mean"][at]
    return rows


@pytest.fixture(scope="module")
def told(made: dict[str, Any]) -> str:
    """Return all that people read of it: terminal, Markdown, page and what charts say."""
    given = Evidence(summary=made, manifest=MANIFEST, series=_series(), sensitivity=_ranges(made))
    html = re.sub(r"<(script|style).*?</\1>", " ", page(given), flags=re.DOTALL)
    plain = unescape(re.sub(r"<[^>]+>", " ", html))
    texts = (result_text(made, columns=100), result_markdown(made), plain)
    return " ".join(" ".join(texts).split())


@pytest.mark.parametrize(
    ("expected", "patterns"),
    [
        (
            {"1.25"},
            (
                r"([\d.,]+) MWh \(7\.7 %\)",
                r"([\d.,]+) MWh are saved in all",
                r"in all: \+([\d.,]+)",
                r"([\d.,]+) MWh less in all",
                r"energy, MWh \(facility\) (?:\| )?(?:[\d.,]+ (?:\| )?){3}-([\d.,]+)",
                r"the saving above (?:[\d.,| ]+ )?(1\.2\d+)",
            ),
        ),
        (
            {"0.745"},
            (
                r"([\d.,]+) tCO2e less",
                r"Saved: ([\d.,]+) tCO2e, between 0\.64 and 0\.85;",
                r"scope 2, location-based 9\.150 8\.405 -([\d.,]+)",
                r"([\d.,]+) t less than under autoscaled",
                r"saved: scope 2, location, tCO2e 0\.64 ([\d.,]+) 0\.85",
                r"tCO2e, scope 2, location (?:\| )?(?:[\d.,]+ (?:\| )?){3}-([\d.,]+)",
            ),
        ),
        (
            {"56.64"},
            (
                r"([\d.,]+) (?:machines )?fewer (?:machines|than)",
                r"on, on average: -(\d+\.\d+)",
                r"machines on, mean (?:\| )?(?:[\d.,]+ (?:\| )?){3}-([\d.,]+)",
            ),
        ),
        ({"3.13"}, (r"most \(([\d.,]+) MWh\)", r"elastic: \+(\d+\.\d+)")),
    ],
)
def test_a_figure_is_the_same_wherever_it_is_told(
    told: str, expected: set[str], patterns: tuple[str, ...]
) -> None:
    """Table, sentence, cards, charts and tables of the page show one saving with one rounding."""
    for pattern in patterns:
        assert expected == set(re.findall(pattern, told)), pattern


def test_parts_sum_to_what_stands_below_them(made: dict[str, Any]) -> None:
    """Bars of the waterfall and cells of the table are the same, and sum to the total shown."""
    found = shares(made)
    assert found is not None
    bars = of_result(made, _series())["waterfall"].data
    for one, (name, rows) in zip(
        (found.quantities[i] for i in (1, 2, 0)), bars.groupby("quantity", sort=False), strict=True
    ):
        assert float(one.cells[-1][-1]) == pytest.approx(sum(one.fair)), name
        cells = [float(row[-1]) for row in one.cells]
        assert cells == pytest.approx(rows["shown"].tolist()), name


def test_differences_can_be_checked_by_hand(made: dict[str, Any]) -> None:
    """What is shown of both runs differs by the difference shown, which is the true one."""
    for key, (before, after) in TOTALS.items():
        row = by_key(made)[key]
        assert float(row.delta) == pytest.approx(
            float(row.cells[-1].replace(",", "")) - float(row.cells[0].replace(",", ""))
        )
        assert row.shown(before - after) == f"{row.delta[1:]} {row.unit}".strip()


@given(
    st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=8),
    st.integers(0, 3),
)
def test_fitted_parts_sum_and_stay_near(values: list[float], digits: int) -> None:
    """Rounded parts sum to their rounded sum, and none is a whole last digit off."""
    total = sum(values)
    found = fitted(values, total, digits)
    assert round(total, digits) == pytest.approx(sum(found), abs=1e-6)
    for value, shown in zip(values, found, strict=True):
        assert value == pytest.approx(shown, abs=10**-digits + 1e-9)


def test_digits_are_added_until_a_difference_is_seen() -> None:
    """9.150 less 8.405 is 0.745; with two decimals it would read 0.74 beside 0.75."""
    assert 3 == digits_apart(9.15030471, 8.405161088, 2)
    assert 2 == digits_apart(16.293163605, 15.03972874, 2)
    assert 2 == digits_apart(None, 1.0, 2)


def test_time_after_the_window_is_told(made: dict[str, Any], told: str) -> None:
    """Headline, sentence and quality say how long runs go on, and what is saved before that."""
    assert told.count("tidal-week: 7 days and 53.5 h until the last job ended, 40 services") == 3
    assert "ithin the window of 7 days it saves 1.02 MWh (81 %) and 0.587 tCO2e (79 %)" in told
    assert "the rest in the 53.5 h after it" in told
    assert (
        "only what is said to be within the window is of it alone; every other figure is of the "
        "window and of 53.5 h after it, until the last job ended"
    ) in told
    made["scenario"]["batch"]["unfinished"] = 1
    assert "7 days and 53.5 h until the drain was cut" in heading.headline(made)
    made["scenario"]["batch"]["unfinished"] = 0


def test_saving_that_lies_in_the_window_is_not_split() -> None:
    """Where all but 1 % is saved by the window's end, or nothing follows it, no word is lost."""
    told = summary()
    assert "7 days and 1.0 h until the last job ended" in heading.headline(told)
    assert not heading.in_window(told)
    assert any(
        one.startswith("every figure is of the window and of 1.0 h after it")
        for one in heading.quality(told)
    )
    told["savings"]["in_window"]["energy_facility_kwh"] *= 0.98
    assert heading.in_window(told).startswith(
        "within the window of 7 days it saves 1.65 MWh (98 %) and"
    )
    told["window"]["end_s"] = told["window"]["length_s"]
    assert not heading.in_window(told)
    assert heading.headline(told).startswith("tidal-week: 7 days, 40 services")


def test_a_loss_is_not_called_a_saving() -> None:
    """Where the window loses, the words say what it takes more, not that it saves less than 0."""
    told = summary()
    within = told["savings"]["in_window"]
    within["energy_facility_kwh"] = -36.58
    told["savings"]["in_window"]["scope2_location_kg"] = 900.0
    before, after = heading.in_window(told).split("; in the ")
    assert before == "within the window of 7 days it takes 0.04 MWh more and 0.90 tCO2e less"
    assert after.startswith("1.0 h after it, in which the last jobs end")
    assert ", it saves 1.72 MWh and " in after


def test_more_is_not_called_less(made: dict[str, Any]) -> None:
    """A scenario that saves energy and emits more is told so in the sentence."""
    saved = made["savings"] | {"scope2_location_kg": -120.0}
    assert "0.120 tCO2e more scope 2" in heading.sentence(made | {"savings": saved})


def test_risk_tells_what_jobs_bear(made: dict[str, Any]) -> None:
    """The card of risk has the time to start with what was chosen, evictions and lost work."""
    own = made["scenario"]["batch"] | {"start_p95_s": 59_580.0, "held": 10_076}
    own |= {"held_mean_s": 21_096.0, "held_p95_s": 76_180.0}
    told = made | {"scenario": made["scenario"] | {"batch": own}}
    text = page(Evidence(summary=told, manifest=MANIFEST, series=_series()))
    assert "95 % of the jobs start within 16.55 h of their submission (0.17 h" in text
    assert (
        "50 % of all jobs are held by choice, for cleaner hours: 5.86 h on average of the held"
        in text
    )
    assert "312 evictions (312 under autoscaled) and 18.40 core-h of work lost" in text


def test_range_says_what_was_varied(made: dict[str, Any]) -> None:
    """Prices alone are not all that is unsure: the card says that machines were not varied."""
    given = _ranges(made)
    text = page(Evidence(summary=made, manifest=MANIFEST, series=_series(), sensitivity=given))
    kept = (
        "with PUE and carbon intensity from low to high, each alone and all together; what "
        "machines do is not varied."
    )
    assert text.count(kept) == 2
    given["axes"][0]["name"] = "idle power"
    text = page(Evidence(summary=made, manifest=MANIFEST, series=_series(), sensitivity=given))
    kept = (
        "with idle power and carbon intensity from low to high, each alone, and with all factors"
    )
    assert text.count(kept) == 2
    assert "what machines do is not varied" not in text


def test_embodied_range_is_no_objective(made: dict[str, Any]) -> None:
    """The range of embodied emissions stands under its own heading, objectives under theirs."""
    row = by_key(made)["embodied_kg"]
    assert ("", "1.4 .. 3.2") == (row.verdict, row.span)
    head, _, *rows = [line for line in result_markdown(made).splitlines() if line.startswith("| ")]
    assert head.endswith("| range | objective |")
    assert any(line.endswith("| 1.4 .. 3.2 |  |") for line in rows)
