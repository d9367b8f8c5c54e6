"""Proofs and exports, checked by a verifier that is not ours and by our own."""

from __future__ import annotations

import ast
import base64
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from greensched.errors import DataError, UsageError
from greensched.ledger import (
    GrowthProof,
    Ledger,
    RowProof,
    init_ledger,
    prove_growth,
    prove_row,
    read_checkpoint,
    read_proof,
    verifier_key,
)
from greensched.ledger.checkpoint import Checkpoint
from greensched.ledger.note import new_key, signed
from greensched.ledger.text import export_text, read_records
from greensched.ledger.tree import EMPTY_ROOT
from tests.conftest import ROOT
from tests.ledger import verifier
from tests.ledger.cases import ORIGIN, Case, case_of, job, new_case

if TYPE_CHECKING:
    from pathlib import Path

VERIFIER = ROOT / "tests" / "ledger" / "verifier.py"
LINES_MAX = 100


def test_verifier_is_short_and_uses_nothing_of_ours() -> None:
    """The verifier has at most 100 lines that are not blank, and imports nothing of greensched."""
    text = VERIFIER.read_text(encoding="utf-8")
    assert len([line for line in text.splitlines() if line.strip()]) <= LINES_MAX
    imported = {
        alias.name if isinstance(node, ast.Import) else str(node.module)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    outside = {name.partition(".")[0] for name in imported} - set(sys.stdlib_module_names)
    assert {"cryptography"} == outside


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Return a ledger of 12 rows, with letters that JSON may write in two ways."""
    made = new_case(tmp_path_factory.mktemp("proofs"), [3, 1, 6])
    made.append(job(10, note='Zürich "\\ \u2028\u0007😀', nested={"b": [1, None], "a": True}))
    return made


def run_verifier(*arguments: object) -> str:
    """Return what the verifier prints in a process where greensched cannot be imported."""
    command = [sys.executable, "-I", str(VERIFIER), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    return done.stdout + done.stderr.rpartition("\n  ")[2]


def test_every_row_is_proved_to_both_verifiers(case: Case) -> None:
    """Each row's proof holds for our verifier and for the independent one, record included."""
    key = verifier_key(case.verifier_key)
    rows = json.loads(case.export())["records"]
    assert 12 == len(rows)
    for row, record in enumerate(rows):
        proof = prove_row(case.ledger, row)
        assert proof == prove_row(case.ledger, key=record["key"]) == read_proof(proof.text)
        assert proof.holds(key)
        assert proof.record == verifier.check_row(case.verifier_key, proof.text)
        assert record == json.loads(proof.record)
        assert not proof.holds(new_key(ORIGIN).verifier)


def test_changed_proofs_prove_nothing(case: Case) -> None:
    """A proof of which one letter is another is refused by both verifiers."""
    text, key = prove_row(case.ledger, 7).text, verifier_key(case.verifier_key)
    for place in range(len(text)):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        assert not _holds(changed, case)
        try:
            verifier.check_row(case.verifier_key, changed)
        except Exception:  # noqa: BLE001, S112 whatever it raises, it refuses
            continue
        # it does not mind how base64 ends; what it read is what was signed nevertheless
        assert _decoded(text) == _decoded(changed)
    assert read_proof(text).text == text
    assert prove_row(case.ledger, 7).holds(key)


def _decoded(text: str) -> list[bytes]:
    """Return what the base64 parts of a proof's lines say."""
    parts = [line.split(" ")[-1] for line in text.split("\n")]
    return [base64.b64decode(part) for part in parts if len(part) > 40]


def _holds(text: str, case: Case) -> bool:
    """Tell whether our verifier takes a text as the proof of a row."""
    try:
        proof = read_proof(text)
        return isinstance(proof, RowProof) and proof.holds(verifier_key(case.verifier_key))
    except ValueError:
        return False


def test_growth_is_proved_to_both_verifiers(tmp_path: Path) -> None:
    """From each checkpoint that was kept, growth is proved; from another's it is not."""
    case = new_case(tmp_path)
    kept = [case.verify().checkpoint]
    for count in range(1, 6):
        case.append(*(job(100 * count + i) for i in range(count)))
        kept.append(case.verify().checkpoint)
    for old in kept:
        proof = prove_growth(case.ledger, old)
        assert proof == read_proof(proof.text)
        assert proof.holds(old, verifier_key(case.verifier_key))
        verifier.check_growth(case.verifier_key, old.text, proof.text)
    proof = prove_growth(case.ledger, kept[2])
    assert not proof.holds(kept[1], verifier_key(case.verifier_key))
    assert not proof.holds(kept[2], new_key(ORIGIN).verifier)
    other = new_case(tmp_path / "other", [30], origin="example.org/other")
    with pytest.raises(DataError, match=r"not a later state of example\.org/other with 31"):
        prove_growth(case.ledger, other.verify().checkpoint)
    rewritten = new_case(tmp_path / "rewritten", [2, 8])
    with pytest.raises(DataError, match=r"rows up to no\. 4 were others"):
        prove_growth(rewritten.ledger, kept[2])


@pytest.mark.parametrize(("origin", "size"), [(ORIGIN, 0), (ORIGIN, 13), ("example.org/x", 5)])
def test_checkpoints_that_no_growth_is_from(case: Case, origin: str, size: int) -> None:
    """From no rows, from more than there are and from another's rows no growth is proved."""
    body = Checkpoint(origin=origin, size=size, root=EMPTY_ROOT).body
    old = read_checkpoint(signed(body, new_key(origin)).text)
    with pytest.raises(DataError, match=f"not a later state of {origin} with {size}"):
        prove_growth(case.ledger, old)


def test_rows_that_are_not_there(case: Case) -> None:
    """A row or key that no ledger has is told."""
    with pytest.raises(UsageError, match="has no row 12"):
        prove_row(case.ledger, 12)
    with pytest.raises(UsageError, match="has no row with key 'x'"):
        prove_row(case.ledger, key="x")


def test_nothing_is_proved_of_a_damaged_ledger(tmp_path: Path) -> None:
    """Where rows or head are damaged there is no proof, and no export either."""
    case = new_case(tmp_path, [4])
    whole = case.ledger.read_bytes()
    kept = case.verify().checkpoint
    changes = {
        b'"job/2/1"': b'"job/2/7"',  # a record
        b"example.org/fleet\n5": b"example.org/fleet\n6",  # the head
    }
    for old, new in changes.items():
        case.ledger.write_bytes(whole.replace(old, new, 1))
        acts = [lambda: prove_row(case.ledger, 3), case.export]
        if b"fleet" in old:
            acts.append(lambda: prove_growth(case.ledger, kept))
        for act in acts:
            with pytest.raises(DataError, match="last good row"):
                act()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1\nindex 1",
        "c2sp.org/tlog-proof@v1\nindex 1\n\n{}",
        "c2sp.org/tlog-proof@v1\nextra e30=\nindex x\n\n{}",
        "c2sp.org/tlog-proof@v1\nextra e30=\nrow 1\n\n{}",
        "old 01\n\n{}",
        "new 1\n\n{}",
        "old 1\n!\n\n{}",
    ],
)
def test_what_is_no_proof(case: Case, text: str) -> None:
    """A text that is not written as proofs are is none."""
    checkpoint = case.verify().checkpoint.text
    with pytest.raises(ValueError, match=r"."):
        read_proof(text.replace("{}", checkpoint))


def test_kinds_of_proofs(case: Case) -> None:
    """What a proof is of is told from its first line."""
    kept = case.verify().checkpoint
    assert isinstance(read_proof(prove_row(case.ledger, 0).text), RowProof)
    assert isinstance(read_proof(prove_growth(case.ledger, kept).text), GrowthProof)


def test_verifier_by_hand(case: Case, tmp_path: Path) -> None:
    """The verifier, run alone by Python, says ok to export and proofs, and to no others."""
    kept = case.verify().checkpoint
    texts = {
        "checkpoint": kept.text,
        "export": case.export(),
        "row": prove_row(case.ledger, 3).text,
        "growth": prove_growth(case.ledger, kept).text,
        "changed": case.export().replace('"emissions_mg":1000003,', '"emissions_mg":1000002,'),
    }
    assert texts["export"] != texts["changed"]
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    key, at = case.verifier_key, tmp_path
    assert "ok\n" == run_verifier(key, "export", at / "checkpoint", at / "export")
    assert "ok\n" == run_verifier(key, "row", at / "row")
    assert "ok\n" == run_verifier(key, "growth", at / "checkpoint", at / "growth")
    assert "AssertionError" in run_verifier(key, "export", at / "checkpoint", at / "changed")
    other = new_key(ORIGIN).verifier.text
    assert "ok" not in run_verifier(other, "row", at / "row")


def test_export_says_nothing_of_place_and_time(tmp_path: Path) -> None:
    """Two ledgers of the same records, made elsewhere, later and with other keys, export alike."""
    first = new_case(tmp_path / "a", [3, 2])
    second = new_case(tmp_path / "b", [1, 4])
    assert first.verifier_key != second.verifier_key
    assert first.export() == second.export()
    assert str(tmp_path) not in first.export()


def imported(case: Case, folder: Path, origin: str = ORIGIN) -> Case:
    """Return a new ledger to which an export was appended."""
    made = case_of(init_ledger(folder / "l" / "l", origin, "operated", folder / "k" / "k"))
    with Ledger(made.ledger, made.key_file) as opened:
        opened.append(read_records(case.export(), "export.json", opened.origin, opened.kind))
    return made


def test_import_into_another_ledger_is_refused(case: Case, tmp_path: Path) -> None:
    """An export is appended to a ledger of its origin and kind alone."""
    assert case.export() == imported(case, tmp_path / "same").export()
    what = "is not an export of a ledger of example.org/x"
    with pytest.raises(DataError, match=what):
        imported(case, tmp_path / "other", origin="example.org/x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"key": "a", "x": 1}\n\n  {"key": "b"}\n', [{"key": "a", "x": 1}, {"key": "b"}]),
        ("", []),
        ('{"key": "a\u2028"}', [{"key": "a\u2028"}]),
    ],
)
def test_records_a_line(text: str, expected: list[Any]) -> None:
    """Records are read a line each; empty lines are left out."""
    assert expected == read_records(text, "stdin", ORIGIN, "operated")


def test_lines_that_are_no_records() -> None:
    """Each line that is no object, no JSON, or has a name twice is told with its number."""
    lines = ['{"a": 1, "a": 2}', "[1]", "x", "{}", "[" * 100_000]
    with pytest.raises(DataError) as caught:
        read_records("\n".join(lines), "f.jsonl", ORIGIN, "operated")
    assert ["f.jsonl:1", "f.jsonl:2", "f.jsonl:3", "f.jsonl:5"] == [
        f.where for f in caught.value.findings
    ]
    with pytest.raises(DataError, match="is no record"):
        read_records('{"schema": "greensched/ledger/v1", "records": [1]}', "f", ORIGIN, "operated")


def test_export_is_of_what_was_checked(case: Case, tmp_path: Path) -> None:
    """Rows that are appended while an export is read are not in it."""
    growing = case.copied(tmp_path / "growing")
    pieces = export_text(growing.ledger)
    first = next(pieces)
    growing.append(job(99))
    assert case.export() == first + "".join(pieces)
