"""`attribute`, and `run` with and without attribution: what they print and write."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from greensched.report.outputs import read_result
from greensched.report.schema import attribution_schema, summary_schema
from tests.conftest import ROOT
from tests.test_attribute import three_switches
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a scenario with three switches, run as `r` with what it printed."""
    folder = tmp_path_factory.mktemp("cli-attributed")
    three_switches(folder)
    told = call("run", folder / "small.yaml", "--no-sizing", "--out", folder / "r")
    assert 0 == told.exit_code, told.stderr
    (folder / "printed.txt").write_text(told.stdout, encoding="utf-8")
    told = call("attribute", folder / "small.yaml", "-o", "json", "-q")
    assert 0 == told.exit_code, told.stderr
    (folder / "printed.json").write_text(told.stdout, encoding="utf-8")
    return folder


def _printed(folder: Path) -> dict[str, Any]:
    """Return what `attribute -o json` printed."""
    found: dict[str, Any] = json.loads((folder / "printed.json").read_text(encoding="utf-8"))
    return found


def test_run_prints_who_saves_what(folder: Path) -> None:
    """The table of `run` has alone, last in and Shapley for three quantities, and a sentence."""
    text = (folder / "printed.txt").read_text(encoding="utf-8")
    (head,) = re.findall(r"^where the saving comes from .*$", text, re.MULTILINE)
    assert ["alone", "last in", "Shapley"] * 3 == re.findall(r"alone|last in|Shapley", head)
    for name in ("without autoscaled", "elastic-reactive", "tidal-timetable", "the saving above"):
        assert re.search(rf"^{name} ", text, re.MULTILINE)
    assert "machines on, mean" in text
    assert re.search(r"compete for the same idle machines: together \d", text)


def test_summary_and_command_agree(folder: Path) -> None:
    """`attribute -o json` prints what `run` wrote in its summary, with whose it is."""
    summary = read_result(folder / "r").summary
    found = _printed(folder)
    assert summary["attribution"] == {k: found[k] for k in summary["attribution"]}
    assert summary["savings"]["baseline_id"] == found["baseline_id"]
    assert summary["scenario_sha256"] == found["scenario_sha256"]


def test_orders_without_effect_are_told(folder: Path) -> None:
    """Of three switches orders take all eight runs: values are exact, and that is said."""
    told = call("attribute", folder / "small.yaml", "-o", "json", "--orders", "5")
    assert json.loads(told.stdout) == _printed(folder)
    assert "--orders 5 has no effect: it takes all combinations" in told.stderr


def test_what_is_printed_satisfies_its_schema(folder: Path) -> None:
    """The JSON is what `schema attribution` says, as the summary is what `schema summary` says."""
    told = json.loads(call("schema", "attribution").stdout)
    assert told == json.loads(json.dumps(attribution_schema()))
    Draft202012Validator.check_schema(told)
    assert [] == [e.message for e in Draft202012Validator(told).iter_errors(_printed(folder))]
    summary = read_result(folder / "r").summary
    assert [] == [e.message for e in Draft202012Validator(summary_schema()).iter_errors(summary)]
    wrong = _printed(folder)
    wrong["quantities"]["energy_facility_mwh"]["technologies"][0]["shapley"] = 0.5
    assert 1 == len(list(Draft202012Validator(told).iter_errors(wrong)))


def test_keys_are_documented(folder: Path) -> None:
    """Each key of an attribution is a row of its reference, and each row is a key."""
    text = (ROOT / "docs/reference/attribution.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))
    assert _keys(_printed(folder)) == rows


def _keys(found: dict[str, Any]) -> set[str]:
    """Return the paths of a document as the reference writes them."""
    quantity = found["quantities"]["energy_facility_mwh"]
    one = found["combinations"][0]
    paths = set(found) - {"stamp", "quantities", "combinations"}
    paths |= {f"stamp.{k}" for k in found["stamp"]}
    paths |= {f"quantities.{k}" for k in found["quantities"]}
    paths |= {k for k in quantity if k not in ("technologies", "interactions")}
    paths |= {f"technologies[].{k}" for k in quantity["technologies"][0]}
    paths |= {f"interactions[].{k}" for k in quantity["interactions"][0]}
    paths |= {f"combinations[].{k}" for k in one}
    return paths


@pytest.mark.slow
def test_other_forms(folder: Path) -> None:
    """CSV has whole units, a row a quantity and part; the table and Markdown have the sentence."""
    rows = call("attribute", folder / "small.yaml", "-o", "csv", "-q").stdout.splitlines()
    assert "quantity,unit,technology,alone,last_in,shapley,standard_error,why" == rows[0]
    assert 12 == len(rows) - 1
    sentence = _printed(folder)["sentence"]
    for form in ("table", "md"):
        told = call("attribute", folder / "small.yaml", "-o", form, "-q").stdout
        assert sentence in " ".join(told.split())


def test_attribution_can_be_skipped(folder: Path) -> None:
    """Where it is skipped it is null, nothing of it is printed, and the command says so."""
    out = folder / "skipped"
    words = ("--no-attribution", "--no-sizing")
    told = call("run", folder / "small.yaml", *words, "--out", out)
    assert 0 == told.exit_code, told.stderr
    assert "where the saving" not in told.stdout
    stored = read_result(out)
    assert stored.summary["attribution"] is None
    assert "--no-attribution" in stored.manifest["command"]
    assert "--no-attribution" not in read_result(folder / "r").manifest["command"]
    whole = read_result(folder / "r").summary
    del stored.summary["attribution"], whole["attribution"]
    assert whole == stored.summary


def test_groups_are_told_at_once(folder: Path) -> None:
    """An empty group and one of an unknown switch exit with 2 and say what is on."""
    told = call("attribute", folder / "small.yaml", "--group", ",")
    assert 2 == told.exit_code
    assert "--group ',': names no switch" in told.stderr
    told = call("attribute", folder / "small.yaml", "--group", "tide,elastic")
    assert 2 == told.exit_code
    assert "on are: elastic-reactive, tidal-timetable, colocation-nsigma" in told.stderr


def test_a_scenario_without_switches_is_told(folder: Path) -> None:
    """Without a switch against a static baseline there is nothing to attribute, and it is said."""
    off = [f"policies.{i}.enabled=false" for i in range(3)]
    sets = [word for path in (*off, "baseline.kind=static-peak") for word in ("--set", path)]
    told = call("attribute", folder / "small.yaml", *sets, "-q")
    assert 0 == told.exit_code
    assert "nothing to attribute" in told.stdout
    assert "" == call("attribute", folder / "small.yaml", *sets, "-o", "md", "-q").stdout
