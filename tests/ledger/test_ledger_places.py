"""Files that cannot be written, are of another format, or are no ledger."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greensched.errors import DataError, UsageError
from greensched.ledger import Ledger, init_ledger, store
from tests.conftest import ROOT
from tests.ledger.cases import ORIGIN, Case, case_of, files, job, new_case

if TYPE_CHECKING:
    from collections.abc import Generator

READER = """
import os, sys
from pathlib import Path
from greensched.errors import UsageError
from greensched.ledger import Ledger, verifier_key, verify
from greensched.ledger.record import canonical
from tests.ledger.cases import job
canonical(job(1)), verifier_key(sys.argv[2]).accepts("", bytes(64))  # imports what they need
if os.geteuid() == 0:  # root may write everything
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for path in map(Path, sys.argv[3:]):
    try:
        print(verify(path, verifier_key(sys.argv[2])).checkpoint.checkpoint.size)
    except UsageError as error:
        print(error)
    try:
        with Ledger(path, Path(sys.argv[1])) as ledger:
            ledger.append([job(9)])
    except UsageError as error:
        print(error)
"""


def as_reader(case: Case, *ledgers: Path) -> list[str]:
    """Return what somebody who may write nothing is told by `verify` and `append`."""
    command = [sys.executable, "-c", READER, str(case.key_file), case.verifier_key]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*command, *map(str, ledgers)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "" == done.stderr
    return done.stdout.splitlines()


def test_read_only_file(open_path: Path) -> None:
    """What cannot be written is verified, in a read-only folder too, and not appended to."""
    case = new_case(open_path, [2])
    case.key_file.parent.chmod(0o755)
    for path in (*files(case.ledger), files_of_lock(case)):
        path.chmod(0o444)
    if os.geteuid() == 0:
        os.chown(case.key_file, 65_534, 65_534)
    for mode in (0o777, 0o555):
        case.ledger.parent.chmod(mode)
        size, refused = as_reader(case, case.ledger)
        assert "3" == size
        assert "cannot be read or written: Permission denied; nothing was acknowledged" in refused
    case.ledger.parent.chmod(0o755)


def files_of_lock(case: Case) -> Path:
    """Return the lock of a ledger's writers."""
    return case.ledger.with_name(case.ledger.name + ".lock")


def test_read_only_copy_of_a_crash(open_path: Path) -> None:
    """Rows that are only written ahead cannot be read where nothing may be written: it is told."""
    case = new_case(open_path, [2])
    with Ledger(case.ledger, case.key_file) as opened:
        opened.append([job(7)])
        left = case.copied(open_path / "left")
    left.ledger.parent.chmod(0o555)
    told, _ = as_reader(case, left.ledger)
    left.ledger.parent.chmod(0o755)
    assert "has rows in l.sqlite-wal, which can be read only in a writable folder" in told
    assert "copy both files to one" in told


@pytest.fixture
def open_path() -> Generator[Path, None, None]:
    """Yield a temporary folder that others may look into, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize(
    ("place", "data", "what"),
    [
        (60, (0).to_bytes(4, "big"), "has format 0, older than the formats 1 to 2"),
        (60, (3).to_bytes(4, "big"), "has format 3, newer than the formats 1 to 2"),
        (60, b"\x01\x00\x00\x02", "has format 16777218, newer than the formats 1 to 2"),
        (68, b"NOTL", "is a database of something else"),
        (0, b"PK", "is no ledger"),
        (18, b"\x01\x01", "is damaged in its header"),
    ],
)
def test_files_of_another_format(tmp_path: Path, place: int, data: bytes, what: str) -> None:
    """A ledger of another version, or another file, is refused by all and left as it is."""
    case = new_case(tmp_path, [2])
    whole = case.ledger.read_bytes()
    other = whole[:place] + data + whole[place + len(data) :]
    case.ledger.write_bytes(other)
    for act in (case.verify, case.export, lambda: case.append(job(9))):
        with pytest.raises(DataError, match=what):
            act()
    assert other == case.ledger.read_bytes()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "is no ledger"),
        (b"SQLite", "is cut off within its first 100 bytes"),
        (b"SQLite format 3\x00" + b"\x00" * 83, "is cut off within its first 100 bytes"),
        (b"SQLite format 3\x00" + b"\x00" * 84, "is a database of something else"),
    ],
)
def test_files_that_are_too_short(tmp_path: Path, text: bytes, what: str) -> None:
    """A file that ends within its header is refused, with no good row."""
    case = new_case(tmp_path, [2])
    case.ledger.write_bytes(text)
    with pytest.raises(DataError, match=f"{what}.*; the last good row: none"):
        case.verify()


def test_places_where_no_file_is(tmp_path: Path) -> None:
    """A ledger that is not there is told with the command that makes one; a folder is none."""
    case = new_case(tmp_path)
    case.ledger.unlink()
    with pytest.raises(UsageError, match="is not there; greensched ledger init"):
        case.verify()
    case.ledger.mkdir()
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        case.verify()


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TRIGGER t AFTER INSERT ON rows BEGIN SELECT 1; END"],
        ["DROP INDEX row_of_key", "CREATE INDEX row_of_key ON rows (record)"],
        ["DROP INDEX row_of_correction"],
    ],
)
def test_other_tables(tmp_path: Path, statements: list[str]) -> None:
    """A file with a trigger more, or with another index or one less, is not read as a ledger."""
    case = new_case(tmp_path, [2])
    connection = store.writer(case.ledger)
    for statement in statements:
        connection.execute(statement)
    connection.close()
    for act in (case.verify, lambda: case.append(job(9))):
        with pytest.raises(DataError, match="its tables are not a ledger's"):
            act()


def test_an_interrupted_init_is_in_nobody_s_way(tmp_path: Path) -> None:
    """A ledger is made where one was half made before."""
    place = tmp_path / "ledger" / "l.sqlite"
    place.parent.mkdir()
    place.with_name("l.sqlite.part").write_bytes(b"SQLite format 3\x00" + b"?" * 200)
    made = init_ledger(place, ORIGIN, "operated", tmp_path / "own.key")
    assert 1 == case_of(made).verify().checkpoint.checkpoint.size
