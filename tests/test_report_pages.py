"""The pages of a comparison and of a sweep, and the charts that only they have."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import numpy as np
import pandas as pd
import pytest

from greensched.report.charts.causes import causes, effects_kg, emissions_kg
from greensched.report.charts.pareto import DRAWN_MAX, least, on_front, pareto, points
from greensched.report.page.compared import compared_page
from greensched.report.page.swept import swept_page
from tests.report_cases import summary

AXES = ["fleet.server.count", "policies.elastic.quantile"]
TITLES = ("before", "after")


def _outcome(
    machine_h: float, it_kwh: float, pue: float, g_per_kwh: float, embodied_kg: float = 1.0
) -> dict[str, Any]:
    """Return what of an outcome tells why it emits: 100 core-hours of work."""
    return {
        "service": {"work_core_h": 60.0},
        "batch": {"work_core_h": 40.0},
        "machine_h": {"online": machine_h, "off": 1e6},
        "energy_it_kwh": it_kwh,
        "energy_facility_kwh": it_kwh * pue,
        "scope2_location_kg": it_kwh * pue * g_per_kwh / 1000,
        "embodied_kg": embodied_kg,
    }


def test_one_cause_explains_all_where_one_thing_changed() -> None:
    """Half the intensity with all else equal is the whole difference; no other cause has any."""
    a, b = _outcome(10.0, 5.0, 1.2, 500.0), _outcome(10.0, 5.0, 1.2, 250.0)
    found = effects_kg(a, b)
    assert found is not None
    assert -1.5 == pytest.approx(found.pop("intensity_g_per_kwh"))
    assert {0.0} == set(found.values())


def test_causes_sum_to_the_difference() -> None:
    """However much changes at once, the causes sum to the difference to the milligram."""
    a, b = _outcome(10.0, 5.0, 1.2, 500.0), _outcome(7.0, 4.4, 1.5, 431.7, 1.4)
    found = effects_kg(a, b)
    assert found is not None
    assert 0.4 == pytest.approx(found["embodied_kg"])
    whole = emissions_kg(b) - emissions_kg(a)
    assert whole == pytest.approx(sum(found.values()), abs=1e-6)
    chart = causes(a, b, TITLES)
    assert chart is not None
    ends, shown = (chart.data.iloc[:, i].tolist() for i in (3, 4))
    assert ends[-2] == pytest.approx(ends[-1])
    assert shown[-1] - shown[0] == pytest.approx(sum(shown[1:-1]))
    assert (
        "after emits 0.25 kgCO2e more than before (scope 2 and embodied), +6.2 %; largest cause: "
        "machine-hours for it, -1.04 kg."
    ) == chart.sees


def test_hours_without_work_have_no_causes() -> None:
    """A run that did no work has no factors, and the page says so instead of a chart."""
    idle = _outcome(10.0, 5.0, 1.2, 500.0) | {"service": {}, "batch": {"work_core_h": 0.0}}
    assert effects_kg(idle, _outcome(10.0, 5.0, 1.2, 500.0)) is None
    made = summary()
    for run in ("service", "batch", "databases"):
        made["scenario"][run]["work_core_h"] = 0.0
    page = compared_page(made, summary(), titles=TITLES, warnings=(), scenarios=("", ""))
    assert "there is no such cause" in page
    assert "<script" not in page


def test_comparison_has_a_page() -> None:
    """The page has the table, the causes, warnings, and what differs in the scenarios, escaped."""
    page = compared_page(
        summary(),
        summary(energy_kwh=9000.0),
        titles=TITLES,
        warnings=("A and B have different seeds",),
        scenarios=("name: a\npue: 1.2\n", "name: a\npue: <b>\n"),
    )
    titles = ["Difference", "Difference by cause", "What differs in the scenarios", "Provenance"]
    assert titles == re.findall(r'<h2 id="[a-z]+">([^<]+)</h2>', page)
    assert "Not alike" in page
    assert "-pue: 1.2\n+pue: &lt;b&gt;" in page
    assert "Nothing: the two scenarios" in compared_page(
        summary(), summary(), titles=TITLES, warnings=(), scenarios=("x", "x")
    )


def _rows() -> pd.DataFrame:
    """Return a sweep of five points: two on the front, one beaten, one broken, one failed."""
    return pd.DataFrame(
        {
            "point": range(5),
            AXES[0]: [3.0, 4.0, 5.0, 6.0, 7.0],
            AXES[1]: [0.9, 0.9, 0.9, 0.95, 0.95],
            "error": [None, None, None, None, "fleet <i>too small</i>"],
            "scenario.scope2_location_kg": [5.0, 7.0, 8.0, 4.0, np.nan],
            "scenario.embodied_kg": [1.0, 1.0, 1.0, 1.0, np.nan],
            "scenario.service.violation_min": [9.0, 2.0, 3.0, 50.0, np.nan],
            "scenario.service.shortage_share_ok": [1.0, 1.0, 1.0, 0.0, np.nan],
            "scenario.batch.wait_p95_s": [np.nan] * 5,
        }
    )


def test_front_is_of_points_that_none_beats() -> None:
    """Less of both emissions and minutes beats; failed points and empty measures are left out."""
    found = points(_rows(), AXES)
    assert ["services in violation, min"] == found["measure"].unique().tolist()
    assert [0, 1, 3] == found[found["front"]]["point"].tolist()
    assert [6.0, 8.0, 9.0, 5.0] == found["emissions_kg"].tolist()
    assert "fleet.server.count=3, policies.elastic.quantile=0.9" == found["setting"].iloc[0]


def test_runs_that_end_apart_are_held_against_their_baselines() -> None:
    """A run that is priced for longer emits more and may save more: the front is of savings."""
    rows = _rows().iloc[:2].copy()
    rows["window.end_s"] = [360_000.0, 400_000.0]
    rows["savings.scope2_location_kg"], rows["savings.embodied_kg"] = [0.5, 2.0], 0.0
    rows["scenario.cost"], rows["savings.cost"] = [50.0, 60.0], [5.0, 6.0]
    found = points(rows, AXES)
    assert [-0.5, -2.0] == found["emissions_kg"].tolist()[:2]
    cost = found[found["measure"] == "cost less the baseline's"]
    assert [-5.0, -6.0] == cost["value"].tolist()
    assert "Most saved with all objectives held: point 1" in least(rows, AXES)
    chart = pareto(rows, AXES)
    assert chart is not None
    assert "Runs end after 100.0 to 111.1 h, so that each counts against its own" in chart.caption
    alike = rows.copy()
    alike["window.end_s"] = 360_000.0
    assert [6.0, 8.0] == points(alike, AXES)["emissions_kg"].tolist()[:2]
    assert "Least emissions with all objectives held: point 0" in least(alike, AXES)


def test_of_equal_points_one_stands_for_all() -> None:
    """Three points that are equal in both are one point of the front."""
    equal = pd.DataFrame({"emissions_kg": [1.0, 1.0, 1.0], "value": [2.0, 2.0, 2.0]})
    assert [True, False, False] == on_front(equal).tolist()


def test_front_is_drawn_whole_however_many_points() -> None:
    """Of 20,000 points some thousand are drawn, all of the front among them, and it is said."""
    count = 20_000
    draws = np.random.default_rng(3).uniform(1, 2, (2, count))
    rows = pd.DataFrame(
        {
            "point": range(count),
            AXES[0]: 1.0,
            "error": None,
            "scenario.scope2_location_kg": draws[0],
            "scenario.embodied_kg": 0.0,
            "scenario.cost": draws[1],
        }
    )
    chart = pareto(rows, AXES[:1])
    assert chart is not None
    front = points(rows, AXES[:1])["front"].sum()
    assert front == chart.data["front"].sum()
    assert DRAWN_MAX + front >= len(chart.data)
    assert "Every 10th of the other points is drawn." in chart.caption


def test_sweep_has_a_page() -> None:
    """The page tells the best point, copies the scenarios of the front, and lists what failed."""
    about = {
        "name": "small",
        "axes": [{"path": a, "values": [1, 2]} for a in AXES],
        "command": "greensched sweep small.yaml",
        "scenario_sha256": "a" * 64,
        "seed": 3,
    }
    page = swept_page(_rows(), about, lambda values: f"count: {values[AXES[0]]} <&>\n")
    said = "Least emissions with all objectives held: point 0 (fleet.server.count=3"
    assert said in unescape(page)
    assert "count: 3 &lt;&amp;&gt;" in page
    assert 'data-copies="scenario-1"' in page
    assert "1 objective BROKEN" in page
    assert "point 4: fleet &lt;i&gt;too small" in page
    failed = _rows().iloc[4:]
    assert "No point could be run." in swept_page(failed, about, lambda _: "")
    bare = failed[["point", *AXES, "error"]]  # where none could be run there are no numbers
    assert "No point could be run." in swept_page(bare, about, lambda _: "")
