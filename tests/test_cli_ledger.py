"""`ledger` at the command line: what it prints, refuses and keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from greensched.cli.main import main
from greensched.ledger import Ledger, read_kept
from greensched.ledger.note import new_key
from tests.conftest import ROOT
from tests.ledger import verifier
from tests.ledger.cases import ORIGIN, job
from tests.report_cases import write_scenario
from tests.test_cli import call


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep keys and the user's ledger in a folder of the test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def made(name: str = "l.sqlite", kind: str = "operated") -> dict[str, Any]:
    """Return what `init -o json` prints of a new ledger."""
    told = call("ledger", "init", name, "--origin", ORIGIN, "--kind", kind, "-o", "json")
    assert 0 == told.exit_code, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def appended(text: str, *arguments: str) -> Any:
    """Append what is given on stdin."""
    words = ["ledger", "append", *arguments]
    return CliRunner().invoke(main, words, prog_name="greensched", input=text)


def lines(*records: dict[str, Any]) -> str:
    """Return records as JSON Lines."""
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(
    "command", ["init", "append", "rotate", "verify", "prove", "anchor", "export"]
)
def test_every_command_has_help(command: str) -> None:
    """Each command of the group is listed with a line, and explains itself."""
    assert f"  {command} " in call("ledger", "--help").stdout
    assert f"Usage: greensched ledger {command}" in call("ledger", command, "--help").stdout


def test_doctor_looks_at_the_user_s_ledger() -> None:
    """Doctor says where the user's ledger is, and finds one that cannot be appended to."""
    assert "ok   ledger             none at" in call("doctor").stdout
    told = call("ledger", "init", "--origin", ORIGIN, "--kind", "operated", "-o", "json")
    assert f"({ORIGIN}, operated)" in call("doctor").stdout
    Path(json.loads(told.stdout)["key_file"]).chmod(0o644)
    told = call("doctor")
    assert (1, True) == (told.exit_code, "BAD  ledger" in told.stdout)


def test_init_prints_the_public_key() -> None:
    """`init -o json` prints verifier key and checkpoint; the table says where the key is."""
    found = made()
    keys = ["ledger", "origin", "kind", "key_file", "verifier_key", "checkpoint"]
    assert keys == list(found)
    assert (ORIGIN, 1) == verifier.checkpoint(found["verifier_key"], found["checkpoint"])[:2]
    told = call("ledger", "init", "m.sqlite", "--origin", ORIGIN, "--kind", "simulated")
    assert f"verifier key  {ORIGIN}+" in told.stdout
    assert "keep the verifier key elsewhere" in told.stderr
    again = call("ledger", "init", "m.sqlite", "--origin", ORIGIN, "--kind", "simulated")
    assert (2, "") == (again.exit_code, again.stdout)
    assert "m.sqlite: is there already and is left as it is" in again.stderr


def test_init_asks_for_origin_and_kind() -> None:
    """A ledger without origin, without kind, or of an unknown kind is a usage error."""
    assert 2 == call("ledger", "init", "l", "--kind", "operated").exit_code
    assert 2 == call("ledger", "init", "l", "--origin", ORIGIN).exit_code
    assert 2 == call("ledger", "init", "l", "--origin", ORIGIN, "--kind", "real").exit_code


def test_the_user_s_own_ledger(tmp_path: Path) -> None:
    """Without FILE, the ledger in the user's state folder is meant, by every command."""
    told = call("ledger", "export")
    assert 2 == told.exit_code
    assert "is not there; greensched ledger init" in told.stderr
    told = call("ledger", "init", "--origin", ORIGIN, "--kind", "operated", "-o", "json")
    assert str(tmp_path / "state/greensched/ledger.sqlite") == json.loads(told.stdout)["ledger"]
    assert "appended rows 1 to 2\n" == appended(lines(job(1), job(2))).stdout
    assert 3 == json.loads(call("ledger", "export").stdout)["size"]


def test_append_verify_anchor_and_again() -> None:
    """From appending to a checkpoint that is kept, and the tail that it finds lost."""
    key = made()["verifier_key"]
    told = json.loads(appended(lines(job(1), job(2)), "l.sqlite", "-o", "json").stdout)
    assert (1, 2, 3) == (told["first"], told["count"], told["size"])
    Path("copy").write_bytes(Path("l.sqlite").read_bytes())
    Path("copy.checkpoint").write_bytes(Path("l.sqlite.checkpoint").read_bytes())
    assert "appended rows 3 to 3\n" == appended(lines(job(3)), "l.sqlite").stdout
    line = call("ledger", "anchor", "l.sqlite").stdout
    assert 1 == len(line.splitlines())
    assert 4 == read_kept(line).checkpoint.size
    Path("kept").write_text(line, encoding="utf-8")
    whole = call("ledger", "verify", "l.sqlite", "--key", key, "--checkpoint", "kept")
    assert f"ok   {ORIGIN} (operated): 4 rows, all as appended" in whole.stdout
    assert "continues the checkpoint of 4 rows that was kept" in whole.stdout
    assert (0, "") == (whole.exit_code, whole.stderr)
    cut = call("ledger", "verify", "copy", "--key", key)
    assert 0 == cut.exit_code
    assert "not checked: whether its tail was cut off" in cut.stderr
    cut = call("ledger", "verify", "copy", "--key", key, "--checkpoint", "kept")
    assert (3, "") == (cut.exit_code, cut.stdout)
    assert "tells of 4 rows: rows from 3 on are lost; the last good row is 2" in cut.stderr


def test_verify_as_json() -> None:
    """`verify -o json` prints what was found, and nothing where something is wrong."""
    key = made()["verifier_key"]
    appended(lines(job(1)), "l.sqlite")
    told = call("ledger", "verify", "l.sqlite", "--key", key, "--thorough", "-o", "json", "-q")
    found = json.loads(told.stdout)
    keys = ["ok", "origin", "kind", "size", "root", "verifier_key", "checkpoints"]
    assert keys == list(found)
    assert (True, 2, key, []) == (*(found[k] for k in ("ok", "size", "verifier_key")), [])
    assert "" == told.stderr
    other = new_key(ORIGIN).verifier.text
    told = call("ledger", "verify", "l.sqlite", "--key", other, "-o", "json")
    assert (3, "") == (told.exit_code, told.stdout)
    assert "is not signed with" in told.stderr


def test_the_key_may_be_in_a_file() -> None:
    """The public key is taken as text or from a file; what is none is a usage error."""
    Path("vkey").write_text(made()["verifier_key"] + "\n", encoding="utf-8")
    assert 0 == call("ledger", "verify", "l.sqlite", "--key", "vkey").exit_code
    for wrong in ("nowhere", "l.sqlite.checkpoint", "a+b+c"):
        told = call("ledger", "verify", "l.sqlite", "--key", wrong)
        assert 2 == told.exit_code, wrong
    Path("bytes").write_bytes(b"\xff+")
    assert 3 == call("ledger", "verify", "l.sqlite", "--key", "bytes").exit_code
    assert 2 == call("ledger", "verify", "l.sqlite").exit_code


def test_verify_without_the_checkpoint_beside_warns() -> None:
    """Where the checkpoint beside the ledger is gone, it is said what is not seen then."""
    key = made()["verifier_key"]
    Path("l.sqlite.checkpoint").unlink()
    told = call("ledger", "verify", "l.sqlite", "--key", key)
    assert "warning: no checkpoint stands beside it" in told.stderr


def test_proofs_are_checked_without_the_ledger() -> None:
    """Proofs of a row and of growth are printed, and checked with the public key alone."""
    key = made()["verifier_key"]
    first = call("ledger", "anchor", "l.sqlite").stdout
    Path("old").write_text(first, encoding="utf-8")
    appended(lines(job(1), job(2)), "l.sqlite")
    by_row = call("ledger", "prove", "l.sqlite", "--row", "2").stdout
    assert by_row == call("ledger", "prove", "l.sqlite", "--entry", "job/2/1").stdout
    Path("row").write_text(by_row, encoding="utf-8")
    Path("grown").write_text(
        call("ledger", "prove", "l.sqlite", "--since", "old").stdout, encoding="utf-8"
    )
    Path("l.sqlite").unlink()
    told = call("ledger", "verify", "--key", key, "--proof", "row")
    assert told.stdout.startswith("ok   row 2 of 3:\n{")
    told = call("ledger", "verify", "--key", key, "--proof", "row", "-o", "json")
    assert {"ok": True, "row": 2, "size": 3, "record": job(2)} == json.loads(told.stdout)
    told = call("ledger", "verify", "--key", key, "--proof", "grown", "--checkpoint", "old")
    assert "ok   3 rows begin with the 1 of the checkpoint\n" == told.stdout
    json_too = ("--checkpoint", "old", "-o", "json")
    told = call("ledger", "verify", "--key", key, "--proof", "grown", *json_too)
    assert {"ok": True, "old_size": 1, "size": 3} == json.loads(told.stdout)
    told = call("ledger", "verify", "--key", key, "--proof", "grown")
    assert 3 == told.exit_code
    assert "a proof of growth needs the old checkpoint" in told.stderr
    told = call("ledger", "verify", "--key", key, "--proof", "old")
    assert (3, True) == (told.exit_code, "old: proves nothing" in told.stderr)
    told = call("ledger", "verify", "--key", key, "--proof", "row", "--checkpoint", "row")
    assert (3, True) == (told.exit_code, "row: is no checkpoint" in told.stderr)


def test_prove_asks_what() -> None:
    """`prove` takes one thing to prove, and tells which rows are not there."""
    made()
    for arguments in ((), ("--row", "0", "--entry", "opening")):
        told = call("ledger", "prove", "l.sqlite", *arguments)
        assert (2, True) == (told.exit_code, "one of --row, --entry and --since" in told.stderr)
    assert 2 == call("ledger", "prove", "l.sqlite", "--row", "7").exit_code


def test_bad_records_are_told_all_at_once() -> None:
    """What is no record is told by its line, and nothing of it is appended."""
    made()
    told = appended('{"key": "a", "x": 1.5}\nnonsense\n{"x": 1}\n', "l.sqlite")
    assert 3 == told.exit_code
    assert "stdin:2: is no JSON" in told.stderr
    told = appended('{"key": "a", "x": 1.5}\n{"x": 1}\n', "l.sqlite")
    assert 3 == told.exit_code
    assert ["record 1", "record 2"] == [line[:8] for line in told.stderr.splitlines()]
    assert "appended no rows\n" == appended("", "l.sqlite").stdout


def test_sources_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that is not there or not UTF-8, or a terminal, is told."""
    made()
    Path("bytes").write_bytes(b"\xff")
    assert 2 == call("ledger", "append", "l.sqlite", "--from", "nowhere").exit_code
    assert 3 == call("ledger", "append", "l.sqlite", "--from", "bytes").exit_code
    told = call("ledger", "append", "l.sqlite", "--from", "bytes", "--supersedes", "a")
    assert (2, True) == (told.exit_code, "is of a result's folder" in told.stderr)
    monkeypatch.setattr("greensched.cli.ledger.is_terminal", lambda: True)
    told = call("ledger", "append", "l.sqlite")
    assert (2, True) == (told.exit_code, "nothing to append was named" in told.stderr)


def test_export_goes_into_another_ledger() -> None:
    """An export appended to a new ledger of the same origin and kind has the same root."""
    made()
    appended(lines(job(1), job(2, supersedes="job/1/1")), "l.sqlite")
    text = call("ledger", "export", "l.sqlite").stdout
    Path("export.json").write_text(text, encoding="utf-8")
    made("m.sqlite")
    assert 0 == call("ledger", "append", "m.sqlite", "--from", "export.json").exit_code
    assert text == call("ledger", "export", "m.sqlite").stdout
    assert [job(1), job(2, supersedes="job/1/1")] == json.loads(text)["records"][1:]


def test_export_of_several_ledgers() -> None:
    """Records of several ledgers come out once each, and go into a ledger of all."""
    for place, records in (("l.sqlite", (job(1), job(2))), ("m.sqlite", (job(2), job(3)))):
        made(place)
        appended(lines(*records), place)
    told = call("ledger", "export", "l.sqlite", "--with", "m.sqlite")
    assert [job(1), job(2), job(3)] == [json.loads(line) for line in told.stdout.splitlines()]
    made("n.sqlite")
    assert 0 == appended(told.stdout, "n.sqlite").exit_code
    told = call("ledger", "export", "l.sqlite", "--with", "m.sqlite", "-o", "csv")
    assert (2, True) == (told.exit_code, "is of one ledger" in told.stderr)


def test_ledgers_of_two_kinds_are_not_merged() -> None:
    """What was simulated is not put beside what ran; both files are named."""
    made("l.sqlite")
    made("m.sqlite", "simulated")
    told = call("ledger", "export", "l.sqlite", "--with", "m.sqlite")
    assert 3 == told.exit_code
    assert "m.sqlite: holds simulated entries, l.sqlite operated ones" in told.stderr


def test_export_as_csv() -> None:
    """The CSV has a column a name; formulas are made harmless, what is nested is JSON."""
    made()
    appended(lines({"key": "a", "note": "=1+1"}, {"key": "b", "x": [1]}), "l.sqlite")
    head, opening, first, second = call("ledger", "export", "l.sqlite", "-o", "csv").stdout.split()
    assert "row,format,key,kind,origin,type,note,x" == head
    assert f"0,1,opening,operated,{ORIGIN},opening,," == opening
    assert ("1,,a,,,,'=1+1,", "2,,b,,,,,[1]") == (first, second)


def test_rotate() -> None:
    """After `rotate` the new key is found by itself, and both public keys verify."""
    old = made()
    told = call("ledger", "rotate", "l.sqlite", "-o", "json")
    new = json.loads(told.stdout)
    assert old["verifier_key"] != new["verifier_key"]
    assert 0 == appended(lines(job(1)), "l.sqlite").exit_code
    for one in (old, new):
        told = call("ledger", "verify", "l.sqlite", "--key", one["verifier_key"])
        assert 0 == told.exit_code
    told = appended(lines(job(2)), "l.sqlite", "--key-file", old["key_file"])
    assert (2, True) == (told.exit_code, "is signed with the key" in told.stderr)


def test_progress_and_long_appends_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Appending very many entries of a result is announced."""
    monkeypatch.setattr("greensched.cli.recording.TOLD_FROM", 1)
    made(kind="simulated")
    folder = _result(tmp_path)
    told = call("ledger", "append", "l.sqlite", "--from", folder)
    assert told.stderr.startswith("appending ")


def _result(tmp_path: Path) -> Path:
    """Return the folder of the small scenario's result."""
    told = call("run", write_scenario(tmp_path), "--out", tmp_path / "r", "-q")
    assert 0 == told.exit_code, told.stderr
    return tmp_path / "r"


@pytest.mark.slow
def test_run_appends_its_entries(tmp_path: Path) -> None:
    """`run --ledger` appends what was run and each entry, once; they sum to the totals."""
    key = made(kind="simulated")["verifier_key"]
    scenario = write_scenario(tmp_path)
    command = ("run", scenario, "--out", tmp_path / "r", "--ledger", "l.sqlite")
    told = call(*command)
    assert 0 == told.exit_code, told.stderr
    assert "ledger    l.sqlite (rows 1 to " in told.stderr
    _, run, *entries = json.loads(call("ledger", "export", "l.sqlite").stdout)["records"]
    summary = json.loads((tmp_path / "r" / "summary.json").read_text(encoding="utf-8"))
    assert (run["entries"], summary["scenario_sha256"]) == (len(entries), run["scenario_sha256"])
    for part in ("baseline", "scenario"):
        own = [e for e in entries if e["run"] == part]
        assert round(summary[part]["energy_it_kwh"] * 1e6) == sum(e["energy_it_mwh"] for e in own)
        mg = sum(e["emissions_mg"] for e in own if e["scope"].startswith("scope 2"))
        assert round(summary[part]["scope2_location_kg"] * 1e6) == mg
    documented = (ROOT / "docs/reference/ledger.md").read_text(encoding="utf-8")
    assert [] == [n for n in (*run, *entries[0]) if f"`{n}`" not in documented]
    again = call(*command)
    assert 3 == again.exit_code
    assert "its entries are in l.sqlite already, from row 1 on; none was appended" in again.stderr
    corrects = ("--from", tmp_path / "r", "--supersedes", run["key"])
    assert 0 == call("ledger", "append", "l.sqlite", *corrects).exit_code
    assert 3 == call("ledger", "append", "l.sqlite", *corrects).exit_code
    assert 0 == call("ledger", "verify", "l.sqlite", "--key", key).exit_code


def test_run_looks_at_its_ledger_first(tmp_path: Path) -> None:
    """A ledger of operated machines, or none, is told before anything is run."""
    made()
    scenario = write_scenario(tmp_path)
    for name, what in (("l.sqlite", "holds operated entries"), ("no.sqlite", "is not there")):
        told = call("run", scenario, "--out", tmp_path / "r", "--ledger", name)
        assert (2, True) == (told.exit_code, what in told.stderr)
    assert not (tmp_path / "r").exists()


def test_ledger_is_open_only_for_its_owner(tmp_path: Path) -> None:
    """A key that others may read is refused by every command that signs, before a run too."""
    key_file = Path(made(kind="simulated")["key_file"])
    key_file.chmod(0o644)
    scenario = write_scenario(tmp_path)
    for told in (
        appended(lines(job(1)), "l.sqlite"),
        call("ledger", "rotate", "l.sqlite"),
        call("run", scenario, "--out", tmp_path / "r", "--ledger", "l.sqlite"),
    ):
        assert (2, True) == (told.exit_code, "has mode 0644" in told.stderr)


def test_python_reads_what_the_command_wrote() -> None:
    """The command's ledger is the library's: what one appends the other finds."""
    found = made()
    with Ledger(Path("l.sqlite"), Path(found["key_file"])) as ledger:
        ledger.append([job(1)])
    assert job(1) == json.loads(call("ledger", "export", "l.sqlite").stdout)["records"][1]
