"""Whole commands on a small scenario: what they print, write and repeat."""

from __future__ import annotations

import errno
import json
import re
import shlex
import shutil
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from jsonschema import Draft202012Validator

from greensched.cli.gate import read_gate
from greensched.cli.reporting import differences
from greensched.experiment import compare
from greensched.experiment.outcome import TOTALS
from greensched.report.difference import compared_lines
from greensched.report.outputs import TABLES, read_result
from greensched.report.schema import summary_schema
from tests.conftest import ROOT
from tests.report_cases import write_scenario
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    *(
        "summary.json",
        "manifest.json",
        "bounds.json",
        "sizing.json",
        "sensitivity.json",
        "report.html",
    ),
    *("series.parquet", "jobs.parquet", "entries.parquet", "parts.parquet", "factors.parquet"),
    "replicas.parquet",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the small scenario was run as `r`."""
    folder = tmp_path_factory.mktemp("ran")
    told = call("run", write_scenario(folder), "--out", folder / "r", "-o", "json", "-q")
    assert 0 == told.exit_code, told.stderr
    (folder / "printed.json").write_text(told.stdout, encoding="utf-8")
    return folder


def test_json_is_the_summary_and_nothing_else(ran: Path) -> None:
    """`run -o json` prints what summary.json holds, byte for byte, and all files are there."""
    assert FILES == {p.name for p in (ran / "r").iterdir()}
    printed = (ran / "printed.json").read_text(encoding="utf-8")
    assert (ran / "r" / "summary.json").read_text(encoding="utf-8") == printed


def test_real_summary_satisfies_its_schema(ran: Path) -> None:
    """The summary of a real run is what the schema that ships says."""
    found = Draft202012Validator(summary_schema()).iter_errors(read_result(ran / "r").summary)
    assert [] == [f"{e.json_path}: {e.message}" for e in found]


def test_tables_have_the_documented_columns(ran: Path) -> None:
    """Each column of a table, and no other, is a row of its table in the reference."""
    stored = read_result(ran / "r")
    for name in TABLES:
        assert _rows(_documented(f"{name}.parquet")) == list(stored.table(name).columns)


def test_summary_keys_are_documented(ran: Path) -> None:
    """Each key of summary.json is a row of the reference, and each such row is a key."""
    text = _documented("summary.json")
    whole, rest = text.split("`baseline`, `static_peak` and `scenario` each", 1)
    outcome, saved = rest.split("`savings` is baseline less", 1)
    summary = read_result(ran / "r").summary
    parts = {"baseline", "static_peak", "scenario", "savings"}
    nested = ("service", "batch", "databases")
    assert set(_rows(whole)) == _keys(
        {k: v for k, v in summary.items() if k not in parts},
        ("stamp", "window", "demand", "interference", "bounds"),
    )
    assert set(_rows(outcome)) == _keys(summary["static_peak"], nested)
    assert {"kind", "text", "id", "sha256"} == set(summary["baseline"]) - set(
        summary["static_peak"]
    )
    assert {"policies"} == set(summary["scenario"]) - set(summary["static_peak"])
    assert {k.removeprefix("savings.") for k in _rows(saved)} == set(summary["savings"]) - set(
        TOTALS
    )
    for part in nested:
        assert set(summary["savings"][part]) <= set(summary["static_peak"][part])


def test_manifest_keys_are_documented(ran: Path) -> None:
    """Each key of manifest.json, and no other, is a row of its table in the reference."""
    assert _rows(_documented("manifest.json")) == list(read_result(ran / "r").manifest)


def test_bounds_and_validate_keys_are_documented(ran: Path) -> None:
    """Each key of bounds.json's programs and of `validate -o json` is named in the reference."""
    bounds = json.loads((ran / "r" / "bounds.json").read_text(encoding="utf-8"))
    summary = read_result(ran / "r").summary
    assert set(bounds) == set(summary["bounds"]) - {"captured"}
    programs = [program for of_total in bounds.values() for program in of_total]
    assert all(_rows(_documented("bounds.json")) == list(program) for program in programs)
    found = json.loads(call("validate", ran / "small.yaml", "-o", "json").stdout)
    text = (ROOT / "docs/reference/outputs.md").read_text(encoding="utf-8")
    sentence = text.partition("`validate -o json`: ")[2].partition(". ")[0]
    assert re.findall(r"`(\w+)`", sentence) == list(found)


def test_manifest_names_all_that_was_written(ran: Path) -> None:
    """The manifest has the checksum of every file but its own and the page's."""
    stored = read_result(ran / "r")
    assert FILES - {"manifest.json", "report.html"} == set(stored.manifest["outputs"])


def _documented(name: str) -> str:
    """Return the section on a file in the reference of outputs."""
    text = (ROOT / "docs/reference/outputs.md").read_text(encoding="utf-8")
    return text.partition(f"## `{name}`")[2].partition("\n## ")[0]


def _rows(text: str) -> list[str]:
    """Return the keys in the first column of the tables in `text`."""
    return re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)


def _keys(values: dict[str, Any], opened: tuple[str, ...]) -> set[str]:
    """Return the keys of `values`, those in `opened` with the keys inside them."""
    plain = {k for k in values if k not in opened}
    return plain | {f"{k}.{inner}" for k in opened for inner in values[k]}


def test_entries_sum_to_the_totals(ran: Path) -> None:
    """The entries that are written sum to the totals that are printed, to the last unit."""
    stored = read_result(ran / "r")
    entries = stored.table("entries")
    for run in ("baseline", "scenario"):
        rows = entries[entries["run"] == run]
        total = stored.summary[run]
        assert round(total["energy_it_kwh"] * 1e6) == rows["energy_it_mwh"].sum()
        scope2 = rows[rows["scope"].str.startswith("scope 2")]
        assert round(total["scope2_location_kg"] * 1e6) == scope2["emissions_mg"].sum()


def test_same_scenario_gives_the_same_bytes(ran: Path) -> None:
    """A second run writes the same bytes, and the command in the manifest is one that runs."""
    command = shlex.split(read_result(ran / "r").manifest["command"])
    assert ["greensched", "run"] == command[:2]
    told = call(*command[1:], "--out", ran / "again", "-q")
    assert 0 == told.exit_code
    for name in FILES - {"report.html", "manifest.json"}:
        assert (ran / "r" / name).read_bytes() == (ran / "again" / name).read_bytes()


def test_default_folder_and_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results go to results/<name>-<hash>/; --set and --seed are in what repeats them."""
    write_scenario(tmp_path)
    monkeypatch.chdir(tmp_path)
    told = call("run", "small.yaml", "--set", "fleet.server.count=9", "--seed", "4")
    assert 0 == told.exit_code, told.stderr
    (folder,) = (tmp_path / "results").iterdir()
    stored = read_result(folder)
    assert f"small-{stored.summary['scenario_sha256'][:8]}" == folder.name
    expected = "greensched run small.yaml --set fleet.server.count=9 --seed 4"
    assert expected == stored.manifest["command"]
    assert "count: 9" in stored.manifest["scenario"]
    assert (9, 4) == (stored.summary["demand"]["machines"], stored.summary["seed"])
    for name in ("manifest.json", "summary.json", "report.html"):
        assert str(tmp_path) not in (folder / name).read_text(encoding="utf-8")
    assert "small: 1 day, 2 services, 40 jobs, 9 machines" in told.stdout
    assert "measured · modelled · uncalibrated" in told.stdout
    assert "written" in told.stderr
    assert "\x1b" not in told.stdout


def test_gate_fails_a_finished_run(ran: Path) -> None:
    """A gate that is true makes the exit code 1, after results were written and printed."""
    place = ran / "gated"
    scenario = ran / "small.yaml"
    told = call("run", scenario, "--out", place, "-o", "csv", "--fail-if", "batch.jobs == 40")
    assert 1 == told.exit_code
    assert "gate 'batch.jobs == 40' fails: batch.jobs is 40" in told.stderr
    assert told.stdout.startswith("key,autoscaled,static-peak,scenario")
    assert 40 == read_result(place).summary["scenario"]["batch"]["jobs"]


def test_foreign_folder_is_refused_before_the_run(ran: Path) -> None:
    """--out onto a folder of something else is refused, and it is not touched."""
    told = call("run", ran / "small.yaml", "--out", ran)
    assert 2 == told.exit_code
    assert "is not a result of greensched" in told.stderr
    assert (ran / "printed.json").exists()


def test_no_switch_saves_nothing(ran: Path) -> None:
    """A scenario without switches is its baseline's machines; the table says why it saves 0."""
    told = call(
        *("run", ran / "small.yaml", "--out", ran / "none", "--set", "baseline.kind=static-peak"),
        *("--set", "policies.elastic.enabled=false"),
    )
    assert 0 == told.exit_code, told.stderr
    assert "saves 0: no switch is on" in told.stdout
    assert 0.0 == read_result(ran / "none").summary["savings"]["energy_it_kwh"]


@pytest.mark.slow
def test_report_renders_again(ran: Path) -> None:
    """`report` gives the same page and table from the folder, Markdown, and charts."""
    page = (ran / "r" / "report.html").read_bytes()
    (ran / "r" / "report.html").unlink()
    told = call("report", ran / "r")
    assert 0 == told.exit_code
    assert "this fleet, from Monday" in told.stdout
    assert page == (ran / "r" / "report.html").read_bytes()
    assert call("report", ran / "r", "--md").stdout.startswith("## small: 1 day")
    told = call("report", ran / "r", "--svg", "--out", ran / "svg")
    drawn = {p.name for p in (ran / "svg").iterdir()}
    assert {"tide.svg", "power.svg", "intensity.svg", "waits.svg"} <= drawn
    assert "<svg" in (ran / "svg" / "tide.svg").read_text(encoding="utf-8")
    told = call("report", ran / "r", "--png", "--out", ran / "png")
    assert (ran / "png" / "tide.png").read_bytes().startswith(b"\x89PNG")


def test_compare_folder_with_scenario(ran: Path) -> None:
    """A folder and a scenario are compared; the same scenario differs by nothing."""
    told = call("compare", ran / "r", ran / "small.yaml", "-o", "json")
    assert 0 == told.exit_code, told.stderr
    found = json.loads(told.stdout)
    assert [] == found["warnings"]
    assert {0} == {r["difference"] for r in found["rows"]} - {None}
    other = call("compare", ran / "r", ran / "small.yaml", "--seed", "9")
    assert "A and B have different seeds" in other.stderr
    assert "machines on, mean" in other.stdout


def test_validate_counts_what_it_read(ran: Path) -> None:
    """`validate` reads the data too and says what there is."""
    assert (
        "ok (1 day, 2 services, 40 jobs, 8 machines)"
        in call("validate", ran / "small.yaml").stdout
    )


def test_damaged_results_are_told(ran: Path, tmp_path: Path) -> None:
    """A cut table and a summary of another shape are bad data, with their place and a remedy."""
    folder = tmp_path / "r"
    shutil.copytree(ran / "r", folder)
    table = folder / "series.parquet"
    table.write_bytes(table.read_bytes()[:1000])
    told = call("report", folder)
    assert 3 == told.exit_code
    assert "series.parquet: damaged" in told.stderr
    assert "run it again" in told.stderr
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    del summary["window"]["start"]
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    told = call("report", folder)
    assert 3 == told.exit_code
    assert "$.window: 'start' is a required property" in told.stderr


def test_a_gate_that_leads_nowhere_is_told_before_the_run(ran: Path) -> None:
    """A path that no summary has is refused at once, with the nearest; nothing is written."""
    path = write_scenario(ran)
    told = call("run", path, "--out", ran / "g", "--fail-if", "service.violation_minutes > 0")
    assert 2 == told.exit_code
    assert "near: service.violation_min" in told.stderr
    assert not (ran / "g").exists()
    assert "sizing" not in told.stderr


@pytest.mark.parametrize(
    "path",
    [
        "service.violation_min_by_service.web-1.2",
        "batch.deadline_miss_ok",
        "machine_h.online",
        "savings.share.energy_it_kwh",
        "static_peak.service.energy_kwh",
        "window.end_s",
    ],
)
def test_gates_lead_to_what_summaries_may_have(path: str) -> None:
    """Paths in the scenario, at the root and under names that only a run knows are accepted."""
    read_gate(f"{path} > 0").check(summary_schema())


@pytest.mark.slow
def test_a_place_that_cannot_be_written_is_told(ran: Path, tmp_path: Path) -> None:
    """A full disk or a file in the way is the user's to mend: exit code 2, no file left."""
    (tmp_path / "file").touch()
    told = call("report", ran / "r", "--svg", "--out", tmp_path / "file" / "below")
    assert 2 == told.exit_code
    assert "cannot be written" in told.stderr
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("greensched.report.outputs.write_parquet", Mock(side_effect=full))
        told = call("run", write_scenario(tmp_path), "--out", tmp_path / "r", "-q")
    assert 2 == told.exit_code
    assert "No space left on device" in told.stderr
    assert [] == [p.name for p in tmp_path.iterdir() if p.name.startswith((".", "r"))]


def test_comparison_carries_its_stamp(ran: Path) -> None:
    """A comparison in Markdown says what is compared and of what kind the results are."""
    told = call("compare", ran / "r", ran / "r", "-o", "md")
    assert 0 == told.exit_code
    assert "modelled · uncalibrated" in told.stdout.splitlines()[2]


def test_costs_in_two_currencies_are_not_subtracted(ran: Path) -> None:
    """Results priced in different currencies are compared without their costs, and it is said."""
    a = read_result(ran / "r").summary
    a = {**a, "currency": "EUR", "scenario": {**a["scenario"], "cost": 3.0}}
    b = {**a, "currency": "CNY"}
    assert ["A is priced in EUR, B in CNY: costs are left out"] == differences(a, b)
    assert "cost" in {row.key for row in compared_lines(a, a)}
    assert "cost" not in {row.key for row in compared_lines(a, b)}
    assert "cost" not in {row["quantity"] for row in compare(a, b).rows}
