"""Files that somebody, or something, wrote into: head, first row, rows and index."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from greensched.errors import DataError, UsageError
from greensched.ledger import (
    Ledger,
    files,
    init_ledger,
    prove_row,
    read_contents,
    store,
    verifier_key,
    verify,
)
from greensched.ledger.ledger import signed_head
from greensched.ledger.note import SigningKey, new_key, signing_key
from greensched.ledger.record import canonical, opening, rotation
from greensched.ledger.tree import Frontier, leaf_hash
from tests.conftest import ROOT
from tests.ledger.cases import ORIGIN, Case, job, new_case

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMAT_1 = ROOT / "tests" / "ledger" / "format-1.ledger.gz"
# Of the reference's example, and so known to everybody: it signs nothing but this.
PUBLIC_KEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"


def key_of(case: Case) -> SigningKey:
    """Return the private key of a ledger."""
    return signing_key(case.key_file.read_text(encoding="utf-8").strip())


def changed(case: Case, statement: str, *values: Any) -> None:
    """Carry out SQL on a ledger's file."""
    with closing(sqlite3.connect(case.ledger)) as connection:
        connection.execute(statement, values)
        connection.commit()


def forged(case: Case, rows: Sequence[bytes], key: SigningKey | None = None) -> None:
    """Write other rows into a ledger as a key's owner can: with hashes, head and signature."""
    with closing(sqlite3.connect(case.ledger)) as connection:
        connection.execute("DELETE FROM rows")
        store.add_rows(connection, 0, rows)
        leaves = [leaf_hash(row) for row in rows]
        store.put_head(connection, signed_head(Frontier().extended(leaves), key or key_of(case)))
        connection.commit()
    files.checkpoint_file(case.ledger).unlink(missing_ok=True)


def test_ledger_of_format_1_is_read(tmp_path: Path) -> None:
    """A ledger that the first version wrote is verified, exported and appended to as it is."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    case = Case(
        ledger=folder / "old.ledger",
        key_file=tmp_path / "own.key",
        verifier_key=signing_key(PUBLIC_KEY).verifier.text,
    )
    case.ledger.write_bytes(gzip.decompress(FORMAT_1.read_bytes()))
    case.key_file.write_text(PUBLIC_KEY + "\n", encoding="utf-8")
    case.key_file.chmod(0o600)
    assert "82dbb053" == read_contents(case.ledger).checkpoint.checkpoint.root.hex()[:8]
    assert [job(n) for n in range(5)] == json.loads(case.export())["records"][1:]
    assert 7 == case.append(job(5))
    assert 7 == case.verify(thorough=True).checkpoint.checkpoint.size


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DELETE FROM head", "it has no head"),
        ("UPDATE head SET size = 4", "its head is damaged"),
        ("UPDATE head SET size = 'x'", "its head is damaged"),
        ("UPDATE head SET peaks = x'00'", "its head is damaged"),
        ("UPDATE head SET peaks = zeroblob(64)", "the checkpoint is of another tree"),
        ("UPDATE head SET checkpoint = 'x'", "a note has an empty line"),
        ("UPDATE head SET checkpoint = replace(checkpoint, 'fleet', 'fleas')", "signed with"),
    ],
)
def test_damaged_heads(tmp_path: Path, statement: str, what: str) -> None:
    """A head that is gone, of another type, or of another tree is refused by all."""
    case = new_case(tmp_path, [2])
    changed(case, statement)
    for act in (case.verify, lambda: case.append(job(99))):
        with pytest.raises((DataError, UsageError), match=what):
            act()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM rows WHERE row = 2",
        "UPDATE rows SET row = 9 WHERE row = 3",
        "UPDATE rows SET leaf_hash = zeroblob(32) WHERE row = 2",
        "UPDATE rows SET record = replace(record, 'hz', 'sh') WHERE row = 2",
    ],
)
def test_changed_rows(tmp_path: Path, statement: str) -> None:
    """A row that is gone, renumbered or changed is found, with the last good row before it."""
    case = new_case(tmp_path, [5])
    changed(case, statement)
    good = 2 if "9" in statement else 1
    with pytest.raises(DataError, match=rf"a row is not what .* the last good row is {good}"):
        case.verify()


def test_changed_row_with_its_hash(tmp_path: Path) -> None:
    """A row that was changed together with its hash does not give the root that was signed."""
    case = new_case(tmp_path, [5])
    row = canonical(job(1, site="elsewhere"))
    statement = "UPDATE rows SET record = ?, leaf_hash = ? WHERE row = 2"
    changed(case, statement, row.decode(), leaf_hash(row))
    for act in (case.verify, case.export, lambda: prove_row(case.ledger, 1)):
        with pytest.raises(DataError, match=r"root .* signed"):
            act()


def test_rows_behind_an_old_checkpoint_are_looked_at(tmp_path: Path) -> None:
    """Where the checkpoint is behind, appending checks the rows that it tells of."""
    case = new_case(tmp_path, [2])
    path = files.checkpoint_file(case.ledger)
    before = path.read_bytes()
    case.append(job(7))
    path.write_bytes(before)
    changed(case, "UPDATE rows SET leaf_hash = zeroblob(32) WHERE row = 1")
    with pytest.raises(DataError, match="a row is not what was appended"):
        case.append(job(8))


def test_forged_signatures(tmp_path: Path) -> None:
    """A head that somebody without the key signed in its name is refused."""
    case = new_case(tmp_path, [2])
    line = read_contents(case.ledger).checkpoint.note.signatures[0].line
    flipped = line[:-10] + ("A" if line[-10] != "A" else "B") + line[-9:]
    changed(case, "UPDATE head SET checkpoint = replace(checkpoint, ?, ?)", line, flipped)
    for act in (case.verify, lambda: case.append(job(99))):
        with pytest.raises(DataError, match=rf"the signature of {ORIGIN} is not that key's"):
            act()


@pytest.mark.parametrize(
    "first",
    [
        b"[]",
        b'{"key":"opening"}',
        canonical({**opening(ORIGIN, "operated"), "kind": "real"}),
        canonical({**opening(ORIGIN, "operated"), "format": 9}),
    ],
)
def test_other_first_rows(tmp_path: Path, first: bytes) -> None:
    """A ledger whose row 0 is none that `init` writes is refused, though its owner signed it."""
    case = new_case(tmp_path)
    if first == b"[]":  # has no key, which the file itself refuses
        with pytest.raises(sqlite3.IntegrityError):
            forged(case, [first])
        return
    forged(case, [first, canonical(job(1))])
    for act in (case.verify, case.export, lambda: case.append(job(99))):
        with pytest.raises(DataError, match="its first row is not a ledger's"):
            act()


@pytest.mark.parametrize(
    "row",
    [
        b'{"key":"rotation/1","type":"rotation"}',
        b'{"from":1,"key":"rotation/1","row":1,"signature":"00","to":2,"type":"rotation"}',
        b'{"from":"a","key":"rotation/1","row":1,"signature":"0","to":"b","type":"rotation"}',
    ],
)
def test_rotations_that_are_none(tmp_path: Path, row: bytes) -> None:
    """A row that only seems to hand the key on is refused, though its owner signed the head."""
    case = new_case(tmp_path)
    forged(case, [canonical(opening(ORIGIN, "operated")), row])
    with pytest.raises(DataError, match="row 1: it is no rotation of keys"):
        case.verify()


def test_a_key_that_was_handed_on_hands_on_no_more(tmp_path: Path) -> None:
    """Who has an old key cannot hand on from it again, nor move its rotation to another row."""
    case = new_case(tmp_path)
    first = canonical(opening(ORIGIN, "operated"))
    old, new, thief = key_of(case), new_key(ORIGIN), new_key(ORIGIN)
    rows = [first, canonical(rotation(1, old, new.verifier))]
    forged(case, rows, new)
    assert new.verifier == case.verify().key
    forged(case, [*rows, canonical(rotation(2, old, thief.verifier))], thief)
    with pytest.raises(DataError, match="row 2: the key that signed until then did not hand on"):
        case.verify()
    forged(case, [first, canonical(rotation(7, old, new.verifier))], new)
    with pytest.raises(DataError, match="row 1: the key that signed until then did not hand on"):
        case.verify()
    forged(case, rows, old)
    with pytest.raises(DataError, match="its head: is not signed with"):
        case.verify()


def test_checkpoint_that_cannot_be_read(tmp_path: Path) -> None:
    """A checkpoint that is damaged or cannot be read is told, with what it is for."""
    case = new_case(tmp_path, [2])
    path = files.checkpoint_file(case.ledger)
    path.write_bytes(b"\xff")
    for act in (case.verify, lambda: case.append(job(99))):
        with pytest.raises(DataError, match=r"checkpoint: is damaged.* a cut ledger looks whole"):
            act()
    path.unlink()
    path.mkdir()
    for act in (case.verify, lambda: case.append(job(99))):
        with pytest.raises(UsageError, match="checkpoint: cannot be read: Is a directory"):
            act()


def test_file_that_cannot_be_opened_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SQLite may not write beside the file, it is read as it is, if nothing is ahead."""

    def connect(ledger: Path, how: str) -> Any:
        return Refusing(ledger) if how == "mode=ro" else real_connect(ledger, how)

    real_connect = store._connect
    monkeypatch.setattr(store, "_connect", connect)
    case = new_case(tmp_path, [2])
    assert 3 == case.verify().checkpoint.checkpoint.size
    ahead = case.ledger.with_name(case.ledger.name + "-wal")
    ahead.write_bytes(b"x")
    with pytest.raises(UsageError, match="can be read only in a writable folder"):
        case.verify()
    ahead.unlink()
    Refusing.code = sqlite3.SQLITE_IOERR
    with pytest.raises(UsageError, match="cannot be read or written: refused"):
        case.verify()
    Refusing.code = sqlite3.SQLITE_CANTOPEN
    assert 0 == Refusing.opened


class Refusing:
    """A connection on which SQLite does nothing."""

    code = sqlite3.SQLITE_CANTOPEN
    opened = 0

    def __init__(self, ledger: Path) -> None:
        """Be of a file."""
        self.ledger = ledger
        Refusing.opened += 1

    def execute(self, _statement: str) -> None:
        """Refuse."""
        error = sqlite3.OperationalError("refused")
        error.sqlite_errorcode = self.code
        raise error

    def close(self) -> None:
        """Be closed."""
        Refusing.opened -= 1


def test_disk_that_fails_while_rows_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails is told as such, and not as damage of the ledger."""
    case = new_case(tmp_path, [2])

    def failing(_connection: Any) -> Any:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    monkeypatch.setattr(store, "rows_of", failing)
    with pytest.raises(UsageError, match="disk I/O error"):
        case.verify()


@pytest.mark.parametrize("is_over", [False, True])
def test_transaction_that_fails_leaves_nothing(tmp_path: Path, is_over: bool) -> None:
    """What was done is taken back, also where SQLite has done so by itself; the error is told."""
    case = new_case(tmp_path)
    with closing(store.writer(case.ledger)) as connection:

        def failing() -> None:
            with store.transaction(connection):
                connection.execute("DELETE FROM rows")
                if is_over:
                    connection.execute("ROLLBACK")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            failing()
        assert store.get_row(connection, 0) is not None


def test_append_to_a_damaged_file(tmp_path: Path) -> None:
    """Where the page that a row would go to is destroyed, nothing is appended and it is told."""
    case = new_case(tmp_path, [3])
    data = bytearray(case.ledger.read_bytes())
    page = data.rindex(b"job/2/1") // store.PAGE_BYTES * store.PAGE_BYTES
    data[page : page + 16] = b"\xff" * 16
    case.ledger.write_bytes(data)
    with pytest.raises(DataError, match=r"is damaged: .*`ledger verify` names the last good row"):
        case.append(job(9))


def test_verify_tells_how_far_it_is(tmp_path: Path) -> None:
    """Progress goes up to the whole, also of a ledger of one row."""
    made = init_ledger(tmp_path / "l" / "l", ORIGIN, "operated", tmp_path / "k")
    told: list[float] = []
    verify(made.ledger, verifier_key(made.verifier_key), progress=told.append)
    with Ledger(made.ledger, tmp_path / "k") as ledger:
        ledger.append([job(n) for n in range(store.CHUNK_ROWS)])
    verify(made.ledger, verifier_key(made.verifier_key), progress=told.append)
    assert [1.0, pytest.approx(4096 / 4097), 1.0] == told
