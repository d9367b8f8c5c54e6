"""`size`, and `run` with and without sizing: what they print and write."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from greensched.report.outputs import read_result
from greensched.report.schema import summary_schema
from greensched.report.sizing import block_markdown, remarks, sizing_schema, text_lines
from tests.conftest import ROOT
from tests.report_cases import write_scenario
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the small scenario, run as `r`, with what run and size printed."""
    folder = tmp_path_factory.mktemp("cli-sized")
    path = write_scenario(folder)
    for name, words in (
        ("run.txt", ("run", path, "--out", folder / "r", "--no-attribution")),
        ("size.txt", ("size", path)),
        ("size.json", ("size", path, "-o", "json", "-q")),
    ):
        told = call(*words)
        assert 0 == told.exit_code, told.stderr
        (folder / name).write_text(told.stdout, encoding="utf-8")
    return folder


def printed(folder: Path) -> dict[str, Any]:
    """Return what `size -o json` printed."""
    found: dict[str, Any] = json.loads((folder / "size.json").read_text(encoding="utf-8"))
    return found


def block(text: str) -> list[str]:
    """Return the lines of the second block."""
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("next purchase"))
    return lines[at : at + 2]


def test_run_prints_the_block_that_size_prints(folder: Path) -> None:
    """`run` shows the machines needed under the first block, as `size` does, with the bound."""
    texts = [(folder / name).read_text(encoding="utf-8") for name in ("run.txt", "size.txt")]
    assert block(texts[0]) == block(texts[1])
    head, row = block(texts[0])
    assert ["autoscaled", "static-peak", "scenario"] == head.split()[2:5]
    found = printed(folder)
    numbers = [found[k] for k in ("baseline_machines", "static_peak_machines", "machines")]
    assert [str(n) for n in numbers] == row.split()[2:5]
    assert str(found["lower_bound"]) == row.split()[-1]


def test_summary_has_what_size_says(folder: Path) -> None:
    """`machines_needed`, bound, limits and what is not bought are those of `size -o json`."""
    summary, found = read_result(folder / "r").summary, printed(folder)
    keys = {"scenario": "machines", "baseline": "baseline_machines"}
    for run, key in (*keys.items(), ("static_peak", "static_peak_machines")):
        assert found[key] == summary[run]["machines_needed"]
    for key in ("lower_bound", "limited_by", "embodied_not_bought_kg"):
        assert found[key] == summary["sizing"][key]
    assert [] == [e.message for e in Draft202012Validator(summary_schema()).iter_errors(summary)]


def test_the_document_satisfies_its_schema(folder: Path) -> None:
    """What is printed is what `schema sizing` says, and a key more is refused."""
    told = json.loads(call("schema", "sizing").stdout)
    assert told == sizing_schema()
    Draft202012Validator.check_schema(told)
    found = printed(folder)
    assert [] == [e.message for e in Draft202012Validator(told).iter_errors(found)]
    assert 1 == len(list(Draft202012Validator(told).iter_errors({**found, "more": 1})))


def test_every_key_is_documented(folder: Path) -> None:
    """Each key of the document is a row of the reference."""
    text = (ROOT / "docs/reference/sizing.md").read_text(encoding="utf-8")
    for key in printed(folder):
        assert f"| `{key}` |" in text or f"| `{key}." in text


def test_sizing_can_be_skipped(folder: Path) -> None:
    """Where it is skipped there is no second block and no number, and the command says so."""
    out = folder / "without"
    path = folder / "small.yaml"
    told = call("run", path, "--out", out, "--no-sizing")
    assert 0 == told.exit_code, told.stderr
    assert "next purchase" not in told.stdout
    stored = read_result(out)
    assert None is stored.summary["sizing"]
    assert None is stored.summary["scenario"]["machines_needed"]
    assert "--no-sizing" in stored.manifest["command"]
    assert "--no-sizing" not in read_result(folder / "r").manifest["command"]


@pytest.mark.slow
def test_a_gate_on_machines(folder: Path) -> None:
    """`--fail-if` judges the machines needed, and a number that was not sought fails it."""
    words = ("run", folder / "small.yaml", "--out", folder / "gate", "-q", "--no-attribution")
    needed = printed(folder)["machines"]
    assert 0 == call(*words, "--fail-if", f"machines_needed > {needed}").exit_code
    assert 1 == call(*words, "--fail-if", f"machines_needed >= {needed}").exit_code
    assert 1 == call(*words, "--no-sizing", "--fail-if", "machines_needed > 1000").exit_code


def test_other_forms(folder: Path) -> None:
    """CSV has a row for all machines and one a type, Markdown the block as a table."""
    told = call("size", folder / "small.yaml", "-o", "csv", "-q").stdout
    rows = list(csv.DictReader(io.StringIO(told)))
    found = printed(folder)
    assert ["", "server"] == [row["machine_type"] for row in rows]
    assert [str(found["machines"])] * 2 == [row["machines"] for row in rows]
    (server,) = found["by_type"]
    for key in ("serve", "compute"):
        assert [str(server[key])] * 2 == [row[key] for row in rows]
    told = call("size", folder / "small.yaml", "-o", "md", "-q").stdout
    assert "| next purchase | autoscaled | static-peak | scenario |" in told
    assert f"| machines needed | {found['baseline_machines']} |" in told


def test_static_peak_stands_once_where_it_is_the_baseline(folder: Path) -> None:
    """Of two equal columns one is left out, in text and in Markdown."""
    document = printed(folder)
    alike = document | {"baseline_kind": "static-peak"}
    for given, kinds in ((alike, ["static-peak"]), (document, ["autoscaled", "static-peak"])):
        head, row, *_ = text_lines(given)
        assert [*kinds, "scenario", "Δ", kinds[0]] == head.split()[2:-2]
        assert str(document["machines"]) == row.split()[2 + len(kinds)]
        marked = block_markdown(given).splitlines()
        assert {5 + len(kinds) + 1} == {line.count("|") for line in marked}


def test_combinations_and_reserve(folder: Path) -> None:
    """A reserve of one machine is in the number and said; one switch has no smaller set."""
    words = ("size", folder / "small.yaml", "--combinations", "--reserve", "1")
    told = call(*words).stdout
    assert "reserve: 1 machine, included above" in told
    assert str(printed(folder)["machines"] + 1) == block(told)[1].split()[4]


def test_embodied_says_which_way_it_goes(folder: Path) -> None:
    """Fewer machines are not bought, with a minus as any difference; more are bought more."""
    document = printed(folder)
    for mid, expected in ((12.5, ("not bought", "-12.50")), (-12.5, ("bought more", "+12.50"))):
        given = {"low": 0.8 * mid, "mid": mid, "high": 1.5 * mid}
        last = text_lines({**document, "embodied_not_bought_kg": given})[-1]
        assert last.startswith(f"kgCO2e embodied, {expected[0]}")
        assert expected[1] in last.split()


def test_how_near_a_size_is_to_its_limits_is_in_their_units(folder: Path) -> None:
    """Each objective that is set and measured is beside its limit: percent and minutes."""
    document = printed(folder)
    measured = {
        "latency_factor_p99": 1.25,
        "shortage_share": 0.002,
        "deadline_miss_share": None,
        "wait_p95_s": 90.0,
    }
    limits = dict(zip(measured, (1.5, 0.01, 0.02, 1_800.0), strict=True))
    runs = [{**run, "measured": measured} for run in document["runs"]]
    told = remarks({**document, "limits": limits, "runs": runs})[0]
    assert told == (
        "measured on the scenario's machines: p99 latency factor 1.250 of 1.500, "
        "work short of CPU 0.200 of 1.000 %, p95 wait 1.500 of 30.000 min"
    )
    missed = {**measured, "deadline_miss_share": 0.015}
    runs = [{**run, "measured": missed} for run in runs]
    told = remarks({**document, "limits": limits, "runs": runs})[0]
    assert "missed deadlines 1.500 of 2.000 %" in told


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "100%", "nan"])
def test_a_reserve_that_cannot_be(folder: Path, text: str) -> None:
    """What is neither a number of machines nor a share below 1 is a usage error with a remedy."""
    told = call("size", folder / "small.yaml", "--reserve", text)
    assert 2 == told.exit_code
    assert f"--reserve {text}" in told.stderr
    assert "5 %" in told.stderr
    assert "" == told.stdout
