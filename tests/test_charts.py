"""The charts of a result: their words, their data, and the pictures drawn of them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from greensched.report.charts import Chart, of_result
from greensched.report.charts.service import judged, objectives_sentence
from greensched.report.charts.tide import ON_COLUMN, tide
from greensched.report.charts.timeline import ROWS_MAX, thinned
from tests.report_cases import series, summary

if TYPE_CHECKING:
    from collections.abc import Mapping

OFFSET_MS = 8 * 3_600_000


@pytest.fixture(scope="module")
def drawn() -> Mapping[str, Chart]:
    """Return the charts of the hand-made result."""
    return of_result(summary(), series(), _jobs())


def _jobs() -> pd.DataFrame:
    """Return four jobs: one begins at once, two later by choice, one never."""
    start = [0.0, 7200.0, 14400.0, np.nan]
    base = [0.0, 0.0, 3600.0, 3600.0]
    return pd.DataFrame({"submit_s": [0.0] * 4, "start_s": start, "start_baseline_s": base})


def test_every_chart_has_words_and_data(drawn: Mapping[str, Chart]) -> None:
    """Each chart says what to see and how to read it, and its CSV has the rows of its data."""
    expected = {"overview", "tide", "power", "intensity", "objectives", "services", "waits"}
    assert expected <= set(drawn)
    for chart in drawn.values():
        assert chart.title
        assert chart.caption.endswith(".")
        assert chart.sees.endswith(".")
        rows = list(csv.DictReader(io.StringIO(chart.csv)))
        assert len(chart.data) == len(rows)
        assert list(chart.data.columns) == list(rows[0])


def test_tide_shows_each_role_that_occurs(drawn: Mapping[str, Chart]) -> None:
    """The picture names roles, baseline and days, in the surroundings' ink, always the same."""
    picture = drawn["tide"].svg
    for label in ("services", "lent to batch", "sleeping", "on under autoscaled", "machines"):
        assert f">{label}<" in picture
    assert ">Tue  7 Mar<" in picture
    assert "currentColor" in picture
    assert picture == tide(series(), OFFSET_MS, "autoscaled").svg


def test_tide_leaves_out_what_does_not_occur() -> None:
    """A role that no machine has in either run is neither drawn nor in the data."""
    short = series(3)
    short["machines_lent"] = 0.0
    chart = tide(short, 0, "as-recorded")
    assert "machines_lent" not in chart.data
    assert ">lent to batch<" not in chart.svg
    assert ">on under as-recorded<" in chart.svg


def test_tide_counts_machines_that_are_on() -> None:
    """The mean is weighted by time: 6 machines for an hour and 2 for three hours are 3."""
    rows = series(2)
    rows["interval_s"] = [3600.0, 10_800.0] * 3
    machines = [c for c in rows.columns if c.startswith("machines_")]
    rows[machines] = 0.0
    rows["machines_online"] = [9.0, 9.0] * 2 + [6.0, 2.0]
    assert (
        "On average 3.00 machines are on, 6.00 fewer than under autoscaled (9.00); "
        "between 2 and 6 over time"
    ) in tide(rows, 0, "autoscaled").sees
    rows["machines_online"] = 5.0
    assert (
        "5.00 machines are on, as many as under autoscaled (5.00)"
        in tide(rows, 0, "autoscaled").sees
    )


def test_power_tells_what_was_moved() -> None:
    """One kWh more at 200 g/kWh and three less at 600: two less in all, with their intensity."""
    rows = series(2)
    rows["intensity_g_per_kwh"] = [200.0, 600.0] * 3
    rows["power_facility_w"] = [4000.0, 4000.0] * 2 + [5000.0, 1000.0]
    chart = of_result(summary(), rows)["power"]
    assert (
        "The scenario takes 1.00 kWh more than autoscaled at 200 g/kWh on average, and 3.00 kWh "
        "less than autoscaled at 600 g/kWh on average: 2.00 kWh less in all."
    ) == chart.sees


def test_flat_grid_is_called_flat() -> None:
    """Where intensity never changes, the chart says that no hour is cleaner."""
    rows = series(4)
    rows["intensity_g_per_kwh"] = 500.0
    sees = of_result(summary(), rows)["intensity"].sees
    assert "The grid stays at 500 g/kWh: no hour is cleaner than another." == sees


def test_waits_count_jobs_that_never_began(drawn: Mapping[str, Chart]) -> None:
    """The curve ends at three of four jobs, and the words say that one never began."""
    waits = drawn["waits"]
    scenario = waits.data[waits.data["run"] == "scenario"]
    assert 75.0 == scenario["begun_percent"].max()
    assert [0.0, 2.0, 4.0] == scenario["wait_h"].tolist()
    assert waits.sees.endswith("1 job never began.")


def test_broken_objective_is_the_first_that_is_said() -> None:
    """A latency of twice the allowed rise uses 200 % of its limit and is called broken."""
    made = summary(factor=1.2)
    first = judged(made)[0]
    assert [0.0, pytest.approx(200.0)] == first["used_percent"]
    assert "broken: p99 latency, modelled." in objectives_sentence(made)
    assert "All 3 objectives are held" in objectives_sentence(summary())


def test_thinning_keeps_every_peak() -> None:
    """Of a year of five minutes 6,000 rows stay, with a spike and a dip of one interval each."""
    count = 105_120
    rows = pd.DataFrame({"a": np.full(count, 5.0), "b": np.arange(count) % 7.0})
    rows.loc[41_234, "a"], rows.loc[77_777, "a"] = 9.0, 1.0
    kept = thinned(rows, ["a", "b"], ROWS_MAX)
    assert ROWS_MAX >= len(kept) > ROWS_MAX / 4
    assert {41_234, 77_777, 0, count - 1} <= set(kept.index)
    assert kept.index.is_monotonic_increasing
    parts = np.arange(count) * 1200 // count
    most = rows["b"].groupby(parts).max()
    assert most.equals(kept["b"].groupby(parts[kept.index]).max())


def test_thinning_is_said() -> None:
    """A chart that leaves intervals out says how many, and what of them stays."""
    chart = tide(series(400), OFFSET_MS, "autoscaled", rows_max=90)
    scenario = chart.data[chart.data["run"] == "scenario"]
    assert f"Drawn of {len(scenario)} of 401 intervals" in chart.caption
    assert "so that peaks stay" in chart.caption
    whole = tide(series(400), OFFSET_MS, "autoscaled").data
    assert whole[ON_COLUMN].max() == chart.data[ON_COLUMN].max()


def test_data_cannot_become_formulas() -> None:
    """A service whose name begins as a formula is told to a spreadsheet as text."""
    made = summary()
    made["scenario"]["service"]["violation_min_by_service"] = {"=1+1": 5.0}
    services = of_result(made, series())["services"]
    assert ",'=1+1," in "," + services.csv.replace("\n", "\n,")


def test_chart_in_a_notebook_has_its_data(drawn: Mapping[str, Chart]) -> None:
    """What altair draws holds the rows themselves, whatever their number."""
    made: dict[str, Any] = drawn["tide"].altair.to_dict()
    held = next(iter(made["datasets"].values()), None) if "datasets" in made else None
    values = made["data"].get("values", held)
    assert values is not None
    assert any(len(drawn["tide"].data) == len(v) for v in (values, *made["datasets"].values()))


def test_end_of_the_window_is_marked() -> None:
    """A run that is priced beyond its window has a line where that ends; another has none."""
    made = summary()
    made["window"]["length_s"] = 36 * 3600.0
    assert ">window ends<" in of_result(made, series(48))["tide"].svg
    made["window"]["length_s"] = 48 * 3600.0
    assert ">window ends<" not in of_result(made, series(48))["tide"].svg
