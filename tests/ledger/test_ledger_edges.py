"""What mutants of the ledger showed that no test saw: which of several refusals it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from greensched.errors import DataError, Finding
from greensched.ledger import files, prove_row, store, verifier_key
from greensched.ledger.checkpoint import read_anchor
from greensched.ledger.files import checkpoint_file
from greensched.ledger.note import new_key, read_note, signing_key
from greensched.ledger.proof import read_proof
from greensched.ledger.record import FINDINGS_MAX, canonical, opening, raise_all, read_opening
from tests.ledger.cases import job, new_case

if TYPE_CHECKING:
    from tests.ledger.cases import Case

SIGNED = "a\n\n\N{EM DASH} example.org/a AAAA\n"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Return a ledger of five rows and its opening."""
    return new_case(tmp_path_factory.mktemp("edges"), (2, 3))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a", "an empty line and signatures after it"),
        ("a\n\n", "an empty line and signatures after it"),
        ("a\n\nb c\n", "is no signature line"),
        ("a\n\n\N{EM DASH} b\n", "is no signature line"),
        (SIGNED.replace("example.org/a", "a+b"), "has a space"),
    ],
)
def test_a_note_is_refused_for_what_is_wrong(text: str, why: str) -> None:
    """A note without signatures, with other lines or names in their place, is told as such."""
    with pytest.raises(ValueError, match=why):
        read_note(text)


def test_keys_are_refused_for_what_is_wrong() -> None:
    """A key of two parts, one of a bad name and a private one of another form are told apart."""
    with pytest.raises(ValueError, match="a key has the form"):
        verifier_key("example.org/a+00000000")
    with pytest.raises(ValueError, match="has a space"):
        verifier_key("a b+00000000+AAAA")
    with pytest.raises(ValueError, match="it does not begin with"):
        signing_key("example.org/a+00000000+AAAA")


def test_an_anchor_has_four_fields() -> None:
    """An anchor that lacks one is told its form."""
    with pytest.raises(ValueError, match="an anchor has four fields"):
        read_anchor("example.org/a 5 AAAA")


def test_a_proof_is_refused_for_what_is_wrong(case: Case) -> None:
    """A proof that lacks a line, or has another in its place, is told which."""
    text = prove_row(case.ledger, 1).text
    head, _, note = text.partition("\n\n")
    first, extra, index, *_ = head.split("\n")
    for lines, why in (
        ([first, extra], "a record and an index"),
        ([first, index, extra], "where 'extra' should be"),
        ([first, extra, "index \N{ARABIC-INDIC DIGIT ONE}"], "is no number of rows"),
        ([first, extra, "index -1"], "is no number of rows"),
    ):
        with pytest.raises(ValueError, match=why):
            read_proof("\n".join(lines) + "\n\n" + note)
    with pytest.raises(ValueError, match="ends with a checkpoint, after an empty line"):
        read_proof(head)


def test_one_finding_more_is_told() -> None:
    """Of one finding more than are shown it is said that there is one more."""
    with pytest.raises(DataError) as refused:
        raise_all([refusal(n) for n in range(FINDINGS_MAX + 1)])
    assert "and 1 more" in str(refused.value)
    with pytest.raises(DataError) as refused:
        raise_all([refusal(n) for n in range(FINDINGS_MAX)])
    assert FINDINGS_MAX == len(refused.value.findings)
    raise_all([])


def refusal(number: int) -> Finding:
    """Return a finding."""
    return Finding(where=f"record {number}", what="is none")


def test_rows_are_read_in_chunks(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of two rows give all rows in order."""
    monkeypatch.setattr(store, "CHUNK_ROWS", 2)
    with store.reading(case.ledger) as connection:
        assert [0, 2, 4] == [begin for begin, _, _ in store.chunks_of(connection)]


def test_an_opening_is_of_a_known_kind() -> None:
    """A first row of another kind, or that is no object, is no ledger's."""
    for data in (canonical({**opening("example.org/a", "operated"), "kind": "x"}), b"[]", None):
        with pytest.raises(ValueError, match="its first row is not a ledger's"):
            read_opening(data)


def test_what_stands_beside_a_ledger_is_no_program(case: Case) -> None:
    """The files beside a ledger can be read by others and be run by nobody."""
    for path in (checkpoint_file(case.ledger), files.beside(case.ledger, "lock")):
        assert 0 == path.stat().st_mode & 0o111


def test_what_is_made_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key and ledger, whole, with their folders; a checkpoint, its folder only where it is new."""
    synced: list[int] = []
    lengths: list[int] = []
    for place, name in ((os, "fsync"), (files, "sync_data")):
        real = getattr(place, name)

        def sync(descriptor: int, real: Any = real) -> None:
            synced.append(os.fstat(descriptor).st_ino)
            lengths.append(os.fstat(descriptor).st_size)
            real(descriptor)

        monkeypatch.setattr(place, name, sync)
    case = new_case(tmp_path)
    made = [case.key_file, case.key_file.parent, case.ledger, case.ledger.parent]
    checkpoint = checkpoint_file(case.ledger)
    numbers = [path.stat().st_ino for path in (*made, checkpoint, case.ledger.parent)]
    assert numbers == synced
    for path in (case.key_file, case.ledger, checkpoint):
        assert path.stat().st_size == lengths[synced.index(path.stat().st_ino)]
    synced.clear()
    case.append(job(1))
    assert [checkpoint.stat().st_ino] == synced


def test_nothing_stays_open(case: Case) -> None:
    """Verifying, proving and appending leave no file open."""
    before = len(list(Path("/dev/fd").iterdir()))
    case.verify(thorough=True)
    prove_row(case.ledger, 1)
    case.append(job(99))
    files.sync_folder(case.ledger.parent)
    assert before == len(list(Path("/dev/fd").iterdir()))


def test_the_longest_name() -> None:
    """A name of 128 bytes is a key's, one of 129 is not."""
    assert 128 == len(new_key("a" * 128).verifier.name)
    with pytest.raises(ValueError, match="1 to 128 bytes"):
        new_key("a" * 129)
