"""Explanations: every figure of a result, computed again from the rows that are stored."""

from __future__ import annotations

import json
import math
import shutil
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import greensched as gs
from greensched.errors import DataError, UsageError
from greensched.report.explain import Source, as_text, explain, keys
from greensched.report.outputs import read_result, write_result
from greensched.report.tables import write_parquet
from tests.properties.scenarios import drawn
from tests.report_cases import write_scenario
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.report.outputs import Stored

# What is told and not computed, each with its reason in docs/reference/explain.md.
GIVEN = ("seed", "window.length_s", "_limit", "attribution.orders", "interference.")
WITHOUT_ROWS = ("attribution.combinations", "forecasts.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the result of the small scenario, its switches attributed."""
    place = tmp_path_factory.mktemp("explained")
    told = call("run", write_scenario(place), "--out", place / "r", "--no-sizing", "-q")
    assert 0 == told.exit_code, told.stderr
    return place / "r"


@pytest.fixture(scope="module")
def stored(folder: Path) -> Stored:
    """Return that result, read back."""
    return read_result(folder)


@pytest.mark.slow
def test_every_number_is_computed_again(stored: Stored) -> None:
    """Each number of summary.json equals what its rows give; what has none is a short list."""
    different, unknown = [], []
    source = Source(stored)
    for key, value in keys(stored.summary).items():
        found = explain(source, key)
        assert found.figure.formula or found.figure.notes, key
        if found.agrees is False:
            different.append(key)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        told = any(part in key for part in (*GIVEN, *WITHOUT_ROWS))
        if found.agrees is None and is_number and not told:
            unknown.append(key)
    assert [] == different
    assert [] == unknown


def test_forecasts_are_of_the_history(stored: Stored) -> None:
    """What is told of a forecast is no word of the scenario's, and no row is behind it."""
    found = explain(stored, "forecasts.services.history_days")
    assert "history" in found.figure.formula
    assert found.agrees is None


def test_embodied_by_hand(stored: Stored) -> None:
    """8 machines for a day of 5 years, 1,000 kg each: 8 x 24 / 43,800 x 1,000 kg."""
    found = explain(stored, "scenario.embodied_kg")
    assert 8 * 24 / 43_800 * 1_000 == pytest.approx(found.figure.value, abs=1e-6)
    assert "192 h / 43,800 h x 1,000 kg" == found.figure.with_values
    assert {"embodied_kg", "lifetime_ms"} == {f.quantity for f in found.figure.factors}


def test_scope_2_by_hand(stored: Stored) -> None:
    """At 500 g/kWh and a PUE of 1.2, emissions are 0.6 kg a kWh of the machines."""
    found = explain(stored, "scope2_location_kg")  # `scenario.` may be left out
    it_kwh: Any = explain(stored, "energy_it_kwh").figure.value
    assert 0.6 * it_kwh == pytest.approx(found.figure.value, abs=1e-5)
    intensity = [f for f in found.figure.factors if f.quantity == "intensity_g_per_kwh"]
    assert [(500.0, 500.0, "here")] == [(f.low, f.high, f.of) for f in intensity]
    assert 64 == len(intensity[0].sha256)
    (rows,) = found.figure.rows
    assert rows.groups["emissions_mg"].sum() == rows.rows["emissions_mg"].sum()
    assert len(rows.rows) == rows.groups["rows"].sum()


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("machines_on_mean", 2),
        ("energy_it_kwh", 3),
        ("energy_facility_kwh", 4),
        ("scope2_location_kg", 5),
    ],
)
def test_parts_of_a_saving_sum_to_it(stored: Stored, name: str, count: int) -> None:
    """LMDI parts, as many as the figure has factors, sum to the saving; product is the figure."""
    found = explain(stored, f"savings.{name}")
    parts = found.figure.parts
    assert count == len(parts)
    assert found.stored == pytest.approx(math.fsum(p.value for p in parts), abs=1e-5)
    scale = {"machines_on_mean": 1 / 24, "scope2_location_kg": 1e-3}.get(name, 1.0)
    for run in ("before", "after"):
        product = math.prod(getattr(p, run) for p in parts) * scale
        value = stored.summary["baseline" if run == "before" else "scenario"][name]
        assert value == pytest.approx(product, rel=1e-9)
    assert stored.summary["baseline"][name] == found.figure.terms["baseline"]


def test_json_has_value_formula_factors_and_rows(folder: Path) -> None:
    """`-o json` prints one object; its rows say which and how many, in sums by group."""
    told = call("explain", folder, "savings.energy_facility_kwh", "-o", "json")
    document = json.loads(told.stdout)
    assert {"value", "formula", "factors", "rows"} <= set(document)
    assert document["value"] == pytest.approx(document["stored"])
    assert ["entries.parquet"] * 2 == [r["file"] for r in document["rows"]]
    assert all(r["count"] == sum(g["rows"] for g in r["groups"]) for r in document["rows"])


def test_csv_is_the_rows(folder: Path, stored: Stored) -> None:
    """`-o csv` prints the very rows behind a figure."""
    told = call("explain", folder, "scenario.energy_it_kwh", "-o", "csv")
    head, *rows = told.stdout.splitlines()
    column = head.split(",").index("energy_it_mwh")
    total = sum(int(row.split(",")[column]) for row in rows)
    assert round(stored.summary["scenario"]["energy_it_kwh"] * 1e6) == total


def test_text_shows_formula_factors_and_rows(stored: Stored) -> None:
    """The terminal has the formula with values, each factor's source, the rows, and why."""
    text = as_text(explain(stored, "savings.scope2_location_kg"), 100)
    for part in ("= baseline - scenario", "LMDI", "PUE", "constant:CN-EAST", "sha256", "rows: "):
        assert part in text
    assert "equal to summary.json" in text


def test_without_a_key_all_are_listed(folder: Path, stored: Stored) -> None:
    """`explain RESULT` lists every key with its value."""
    told = call("explain", folder)
    assert 0 == told.exit_code
    assert len(keys(stored.summary)) == len(told.stdout.splitlines())
    assert (
        json.loads(call("explain", folder, "-o", "json").stdout).keys()
        == keys(stored.summary).keys()
    )


@pytest.mark.parametrize(
    ("key", "words"),
    [("scenario.scope2_locaton_kg", "near: scenario.scope2_location_kg"), ("batch", "such as")],
)
def test_no_such_key(stored: Stored, key: str, words: str) -> None:
    """A key that is none is an error that names the nearest, a group one with what is in it."""
    with pytest.raises(UsageError, match=words):
        explain(stored, key)


def _copied(folder: Path, place: Path) -> Path:
    shutil.copytree(folder, place / "copy")
    return place / "copy"


def test_a_changed_summary_is_found(folder: Path, tmp_path: Path) -> None:
    """A figure that is not what its rows give is shown as different and exits with 3."""
    copy = _copied(folder, tmp_path)
    path = copy / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["scenario"]["scope2_location_kg"] *= 0.9
    path.write_text(json.dumps(summary), encoding="utf-8")
    told = call("explain", copy, "scenario.scope2_location_kg")
    assert 3 == told.exit_code
    assert "DIFFERS" in told.stdout
    assert "was changed" in told.stderr


def test_a_changed_table_is_refused(folder: Path, tmp_path: Path) -> None:
    """Rows that are not those that the run wrote explain nothing: exit 3, with the file."""
    copy = _copied(folder, tmp_path)
    entries = read_result(copy).table("entries")
    write_parquet(entries.assign(emissions_mg=0), copy / "entries.parquet")
    told = call("explain", copy, "scenario.scope2_location_kg")
    assert 3 == told.exit_code
    assert "not the file that the run wrote" in told.stderr


def test_a_missing_table_is_told(folder: Path, tmp_path: Path) -> None:
    """A result without its table says which one, and what to do."""
    copy = _copied(folder, tmp_path)
    (copy / "parts.parquet").unlink()
    with pytest.raises(DataError, match="run it again"):
        explain(read_result(copy), "scenario.moves")


def test_tables_are_of_all_distinct_runs(stored: Stored) -> None:
    """Entries and parts are of baseline, scenario and static-peak, where that is another run."""
    runs = {"baseline", "scenario", "static_peak"}
    assert runs == set(stored.table("entries")["run"]) == set(stored.table("parts")["run"])


def test_a_static_peak_that_is_the_baseline_stands_once(tmp_path: Path) -> None:
    """With static-peak as baseline its rows are kept once, and explain both."""
    path = write_scenario(tmp_path)
    call("run", path, "--set", "baseline.kind=static-peak", "--out", tmp_path / "r", "-q")
    stored = read_result(tmp_path / "r")
    assert {"baseline", "scenario"} == set(stored.table("entries")["run"])
    for key in ("static_peak.scope2_location_kg", "static_peak.batch.wait_p95_s"):
        assert explain(stored, key).agrees
    assert isinstance(stored.table("factors"), pd.DataFrame)


@pytest.mark.parametrize("name", ["energy_facility_kwh", "scope2_location_kg"])
def test_parts_of_a_share_are_shares(name: str, stored: Stored) -> None:
    """LMDI parts of a saving's share are in its unit too, and sum to it."""
    found = explain(stored, f"savings.share.{name}").figure
    assert found.parts
    assert pytest.approx(found.value, rel=1e-6) == sum(part.value for part in found.parts)


@pytest.mark.parametrize("seed", [321, 2_321])
def test_a_half_unit_is_explained_as_it_was_rounded(seed: int, tmp_path: Path) -> None:
    """Facility energy of a whole number of units and a half is rounded to even here too."""
    result = gs.run(drawn(seed, pue=1.7))
    write_result(result, tmp_path / "r", command="", page=lambda *_: "")
    stored = read_result(tmp_path / "r")
    rows = Source(stored).entries("scenario", "scope 2")
    assert int(rows["energy_it_mwh"].sum()) % 10 == 5  # times 1.7
    found = explain(stored, "balance.1.difference")
    assert found.agrees
    assert found.figure.value == 0
