"""How sure: emissions by scope with what is left out, sensitivity, bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched.report import heading, verification
from greensched.report.charts.causes import emissions_kg
from greensched.report.charts.scopes import scale
from greensched.report.difference import by_key
from greensched.report.difference_rows import ENERGY, MACHINES, SCOPE2
from greensched.report.page.html import Section, figure, links, listed, paragraph, table, text
from greensched.report.words import number, ranged, signed, unit_for
from greensched.scenario.calibration import UNCALIBRATED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from greensched.report.charts import Chart
    from greensched.report.evidence import Evidence


def sure(evidence: Evidence, charts: Mapping[str, Chart]) -> Iterator[Section]:
    """Yield the sections of scopes, sensitivity and bounds."""
    summary = evidence.summary
    yield Section(
        key="scopes",
        title="Emissions by scope",
        parts=(figure(charts["scopes"], heading=False), _scopes(summary), _apart(summary)),
    )
    yield Section(
        key="sensitivity",
        title="How sure: sensitivity",
        parts=tuple(_sensitivity(evidence, charts)),
    )
    if truth := _truth(evidence):
        yield Section(key="truth", title="Is the model right, and was it true?", parts=truth)
    best = (
        figure(charts["bounds"], heading=False)
        if "bounds" in charts
        else paragraph("No bound was made: not even a fluid finds room, or it was not asked for.")
    )
    yield Section(
        key="bounds",
        title="Bounds, and the share that was captured",
        parts=(best, listed([heading.captured(summary)])),
    )


def _truth(evidence: Evidence) -> tuple[str, ...]:
    """Return how the model stood against meters and what came; nothing where it did not yet."""
    calibration = evidence.summary["stamp"]["calibration"]
    pages = [(evidence.calibration, "What meters read, and what the model says")]
    pages = pages if evidence.calibration else []
    pages += [(to, verification.sentence(told)) for to, told in evidence.verified]
    if calibration == UNCALIBRATED and not pages:
        return ()
    fitted = (
        "Watts and PUE were not fitted to meters."
        if calibration == UNCALIBRATED
        else f"Watts and PUE were fitted to meters; on days held out: {calibration}."
    )
    return (paragraph(fitted), links(pages))


def _scopes(summary: Mapping[str, Any]) -> str:
    """Return the scopes as a table; what a run does not state says so."""
    runs = (summary["baseline"], summary["scenario"])
    kind = runs[0]["kind"]
    known = runs[1]["embodied_kg"] is not None
    both = [emissions_kg(run) for run in runs]
    divisor, unit, digits = scale(summary)

    def cells(values: list[float]) -> list[str]:
        shown = [v / divisor for v in values]
        return [*(number(v, digits) for v in shown), signed(shown[1] - shown[0], digits)]

    nothing = ["–", "–", "–"]
    made = [*nothing, "not counted: the scenario gives it for no machine type"]
    if known:
        low, high = (runs[1][k] / divisor for k in ("embodied_low_kg", "embodied_high_kg"))
        made = [
            *cells([run["embodied_kg"] for run in runs]),
            (
                f"time-linear over each machine's life; {number(low, 2)} .. {number(high, 2)} "
                "with low and high factors"
            ),
        ]
    rows = [
        ["scope 1", *nothing, "not modelled: machines burn no fuel"],
        [
            "scope 2, location-based",
            *cells([run["scope2_location_kg"] for run in runs]),
            "facility energy x the grid's average intensity, hour by hour",
        ],
        [
            "scope 2, market-based",
            *nothing,
            "a scenario has no contracts; greensched disclose states a year by both methods",
        ],
        ["scope 3, category 2, embodied share", *made],
        ["location-based and embodied" if known else "location-based", *cells(both), ""],
    ]
    heads = ["", kind, "scenario", f"Δ {kind}", "how"]
    marks = ["", "", "", "", "total"]
    return table(f"Emissions of the run, {unit}CO2e", heads, rows, words=(4,), marks=marks)


def _apart(summary: Mapping[str, Any]) -> str:
    """Return boxes of what is in no total: machines that need not be bought, and offsets."""
    given = (summary.get("sizing") or {}).get("embodied_not_bought_kg")
    bought = ""
    if given and any(given.values()):
        divisor, unit = unit_for("kg", given.values())
        low, mid, high = (given[k] / divisor for k in ("low", "mid", "high"))
        less = mid >= 0
        shown = [ranged(abs(v), low, high, 3) for v in (mid, low, high)]
        bought = (
            f'<div class="box"><h3>{"Not bought" if less else "Bought more"}</h3>'
            + paragraph(
                f"If the {'smaller' if less else 'larger'} fleet is bought next time, {shown[0]} "
                f"{unit}CO2e ({shown[1]} .. {shown[2]}) of embodied emissions "
                f"{'fall away' if less else 'come on top'} for a window as long as this. It is "
                f"{'avoided, not reduced, and ' if less else ''}in no total above."
            )
            + "</div>"
        )
    offsets = (
        '<div class="box"><h3>Offsets</h3>'
        + paragraph(
            "None. A run knows no offsets, and no figure on this page is lowered by any; a "
            "company's are kept in a book of their own (greensched disclose)."
        )
        + "</div>"
    )
    return bought + offsets


def _sensitivity(evidence: Evidence, charts: Mapping[str, Chart]) -> Iterator[str]:
    """Yield the tornado, the ranges, and what widths were assumed."""
    told = evidence.sensitivity
    if told is None or "tornado" not in charts:
        yield paragraph(
            "No range was made with this result. greensched sensitivity SCENARIO --out RESULT "
            "makes one, by runs of their own, and writes this page anew."
        )
        return
    yield figure(charts["tornado"], heading=False)
    yield table(
        "Least, middle and most over everything that was tried",
        ["", "least", "middle", "most"],
        [_range(name, found, evidence.summary) for name, found in told["figures"].items()],
    )
    basis = [
        f"{axis['name']}: {axis['low']['setting']} .. {axis['high']['setting']} ({axis['basis']})"
        for axis in told["axes"]
    ]
    yield listed(basis)
    if priced_only(told):
        yield (
            f'<p class="note">{text(PRICED_ONLY)} <code>greensched sensitivity SCENARIO --out '
            "RESULT</code> adds idle power, errors of forecasts and other seeds, by runs of their "
            "own.</p>"
        )


def varied_inputs(told: Mapping[str, Any]) -> str:
    """Return what was varied, and whether what machines do was, as the end of a sentence."""
    names = [axis["name"] for axis in told["axes"]]
    listed_names = " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
    if not priced_only(told):
        return f"with {listed_names} from low to high, each alone, and with all factors together"
    together = ", each alone and all together" if len(names) > 1 else ""
    return f"with {listed_names} from low to high{together}; what machines do is not varied"


def priced_only(told: Mapping[str, Any]) -> bool:
    """Say whether only prices and factors were varied, without runs of their own."""
    return not any(axis["name"] == "idle power" for axis in told["axes"])


PRICED_ONLY = "These inputs change factors alone; what machines do is the same."
LABELS = {
    MACHINES: "machines on, mean",
    ENERGY: "facility energy, {unit}",
    SCOPE2: "scope 2, location, {unit}CO2e",
    "embodied_kg": "embodied share, {unit}CO2e",
    "scope2_and_embodied_kg": "both, {unit}CO2e",
}


def _range(name: str, found: Mapping[str, float], summary: Mapping[str, Any]) -> list[str]:
    """Return least, middle and most of a figure, the middle as the tables show it."""
    group, _, quantity = name.partition(".")
    rows = by_key(summary)
    if quantity in rows:
        divisor, unit, digits = (
            getattr(rows[quantity], key) for key in ("divisor", "unit", "digits")
        )
    else:
        divisor, unit, digits = scale(summary)
    label = f"{'saved: ' if group == 'savings' else ''}{LABELS[quantity].format(unit=unit)}"
    low, mid, high = (found[key] / divisor for key in ("least", "mid", "most"))
    least, most = (ranged(v, low, high, digits) for v in (low, high))
    return [label, least, number(mid, digits), most]
