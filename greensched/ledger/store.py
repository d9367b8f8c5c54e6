"""The ledger's file: rows in SQLite, written ahead (WAL) and synchronised in full.

Rows are never changed or taken away. Beside them stands one line, the *head*: how many rows there
are, the frontier of their tree, and the signed checkpoint that says so.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from greensched.errors import DataError, Finding, UsageError
from greensched.ledger.checkpoint import SignedCheckpoint, read_checkpoint
from greensched.ledger.files import beside, sync_folder
from greensched.ledger.groups import TABLE, add_groups
from greensched.ledger.tree import HASH_BYTES, Frontier, leaf_hash, leaf_hashes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FORMAT: Final = 2  # of the file: 1 was without roots of groups
APPLICATION_ID: Final = int.from_bytes(b"GSLG", "big")
BUSY_S: Final = 10.0
FIRST: Final = 0  # the opening's row
PAGE_BYTES: Final = 8192  # a dozen entries a page: less is lost at its end than in SQLite's 4096
WAL_PAGES: Final = 4_096  # 32 MiB: one append in a thousand moves what was written ahead
CHUNK_ROWS: Final = 4_096
SCHEMA: Final = (
    """CREATE TABLE rows (
  row INTEGER PRIMARY KEY,
  record TEXT NOT NULL,
  leaf_hash BLOB NOT NULL,
  "key" TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.key')) VIRTUAL,
  supersedes TEXT GENERATED ALWAYS AS (json_extract(record, '$.supersedes')) VIRTUAL
)""",
    'CREATE UNIQUE INDEX row_of_key ON rows ("key")',
    "CREATE UNIQUE INDEX row_of_correction ON rows (supersedes) WHERE supersedes IS NOT NULL",
    """CREATE TABLE head (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  size INTEGER NOT NULL,
  peaks BLOB NOT NULL,
  checkpoint TEXT NOT NULL
)""",
)
SCHEMAS: Final = {1: SCHEMA, FORMAT: (*SCHEMA, TABLE)}
_HEADER_BYTES: Final = 100
_MAGIC: Final = b"SQLite format 3\x00"
_WAL_VERSIONS: Final = b"\x02\x02"  # of reading and writing, in a file written ahead
# What SQLite says of the world; all else that it says is of the file's contents.
OUTSIDE: Final = (
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM),
    *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM),
    *(sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_INTERRUPT),
)
# Where damage has reached SQLite's own words, Python cannot even read its message.
SQLITE_ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
UNREADABLE: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
NONE_GOOD: Final = "the last good row: none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the file says of its rows as a whole; its signature has not been checked."""

    frontier: Frontier
    checkpoint: SignedCheckpoint


def create(ledger: Path, opening: bytes, head: Head) -> None:
    """Write a new ledger with its row 0, in full or not at all; nothing may stand there."""
    part = beside(ledger, "part")
    part.unlink(missing_ok=True)
    connection = _connect(part, "mode=rwc")
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("PRAGMA journal_mode = WAL")
        with transaction(connection):
            for statement in SCHEMAS[FORMAT]:
                connection.execute(statement)
            add_rows(connection, FIRST, [opening])
            put_head(connection, head)
    finally:
        connection.close()
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
    part.rename(ledger)
    sync_folder(ledger.parent)


def _connect(path: Path, how: str) -> sqlite3.Connection:
    """Return a connection that begins and ends transactions only where it is told to."""
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{how}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_S,
    )
    connection.text_factory = bytes
    return connection


@contextmanager
def reading(ledger: Path, *, lenient: bool = False) -> Iterator[sqlite3.Connection]:
    """Yield a connection that sees the ledger as it is at one instant.

    A `lenient` one also reads what is left of a file that is shorter than it says.
    """
    check_header(ledger)
    connection = _reader(ledger, lenient=lenient)
    try:
        yield connection
    finally:
        connection.close()


def _reader(ledger: Path, *, lenient: bool) -> sqlite3.Connection:
    """Return a connection that can only read; also where the folder cannot be written."""
    connection = _connect(ledger, "mode=ro")
    try:
        if lenient:
            connection.execute("PRAGMA writable_schema = ON")
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        written_ahead = beside_wal(ledger)
        if primary(error) not in UNREADABLE:
            raise
        if written_ahead.exists() and written_ahead.stat().st_size:
            what = f"has rows in {written_ahead.name}, which can be read only in a writable folder"
            remedy = "copy both files to one and read them there"
            raise UsageError(Finding(where=str(ledger), what=what, remedy=remedy)) from None
        connection = _connect(ledger, "immutable=1")
    except BaseException:
        connection.close()
        raise
    return connection


def writer(ledger: Path) -> sqlite3.Connection:
    """Return a connection that can append."""
    check_header(ledger)
    connection = _connect(ledger, "mode=rw")
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Carry out the block in full or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def primary(error: Exception) -> int:
    """Return SQLite's code of an error, without what extends it."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


@contextmanager
def told(ledger: Path) -> Iterator[None]:
    """Turn what SQLite or the disk refuses into our errors: DataError for damage."""
    try:
        yield
    except SQLITE_ERRORS as error:
        if primary(error) in OUTSIDE:
            raise UsageError(_refused(ledger, str(error))) from None
        what, remedy = f"is damaged: {error}", "`ledger verify` names the last good row"
        raise DataError(Finding(where=str(ledger), what=what, remedy=remedy)) from None
    except OSError as error:
        raise UsageError(_refused(ledger, error.strerror or str(error))) from None


def _refused(ledger: Path, why: str) -> Finding:
    """Return what is told where nothing could be appended."""
    remedy = "nothing was acknowledged; what was acknowledged before is kept"
    return Finding(where=str(ledger), what=f"cannot be read or written: {why}", remedy=remedy)


def check_header(ledger: Path) -> None:
    """Raise where a file is no ledger of this format, before SQLite touches it."""
    where = str(ledger)
    try:
        with ledger.open("rb") as stream:
            header = stream.read(_HEADER_BYTES)
    except FileNotFoundError:
        remedy = f"greensched ledger init {ledger} --origin NAME --kind operated|simulated"
        raise UsageError(Finding(where=where, what="is not there", remedy=remedy)) from None
    except OSError as error:
        raise UsageError(Finding(where=where, what=f"cannot be read: {error.strerror}")) from None
    if header[:16] != _MAGIC[: len(header)] or not header:
        raise DataError(Finding(where=where, what=f"is no ledger; {NONE_GOOD}"))
    if len(header) < _HEADER_BYTES:
        what = f"is cut off within its first {_HEADER_BYTES} bytes; {NONE_GOOD}"
        raise DataError(Finding(where=where, what=what))
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        what = f"is a database of something else than greensched; {NONE_GOOD}"
        raise DataError(Finding(where=where, what=what))
    version = int.from_bytes(header[60:64], "big")
    if version not in SCHEMAS:
        age = "newer" if version > FORMAT else "older"
        what = f"has format {version}, {age} than the formats 1 to {FORMAT} that are read here"
        remedy = f"use the greensched that wrote it, or one that reads format {version}"
        raise DataError(Finding(where=where, what=f"{what}; nothing was touched", remedy=remedy))
    if header[18:20] != _WAL_VERSIONS:
        what = f"is damaged in its header; {NONE_GOOD}"
        raise DataError(Finding(where=where, what=what))


def _check_schema(connection: sqlite3.Connection) -> None:
    """Raise ValueError unless tables and indexes are exactly those that `create` makes."""
    found = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master")]
    schema = SCHEMAS[connection.execute("PRAGMA user_version").fetchone()[0]]
    # of tables and indexes, and of none made by SQLite itself
    if len(found) != len(schema) or set(found) != {sql.encode() for sql in schema}:
        raise ValueError("its tables are not a ledger's")


def check_length(connection: sqlite3.Connection) -> None:
    """Raise ValueError where a file ends within its last page, which nothing else may read."""
    _, _, name = connection.execute("PRAGMA database_list").fetchone()
    ledger = Path(os.fsdecode(name))
    ahead = beside_wal(ledger)
    if ahead.exists() and ahead.stat().st_size:
        return  # what is missing may be written there
    pages, page_bytes = (
        connection.execute(f"PRAGMA {pragma}").fetchone()[0]
        for pragma in ("page_count", "page_size")
    )
    if ledger.stat().st_size < pages * page_bytes:
        raise ValueError("it is cut off within its last page")


def beside_wal(ledger: Path) -> Path:
    """Return what is written ahead of a ledger."""
    return ledger.with_name(f"{ledger.name}-wal")


def is_good(data: object, stored: object) -> bool:
    """Tell whether what a row holds is what was appended, by the leaf hash that is stored."""
    return isinstance(data, bytes) and leaf_hash(data) == stored


def rows_of(connection: sqlite3.Connection) -> sqlite3.Cursor:
    """Return a cursor over all rows in order: number, record, stored leaf hash."""
    return connection.execute("SELECT row, record, leaf_hash FROM rows ORDER BY row")


def chunks_of(
    connection: sqlite3.Connection,
) -> Iterator[tuple[int, Sequence[bytes], list[bytes]]]:
    """Yield number of the first, records and leaf hashes of some thousand rows at a time.

    Raises ValueError where a row is not what was appended.
    """
    cursor, begin = rows_of(connection), 0
    while read := cursor.fetchmany(CHUNK_ROWS):
        numbers, rows, stored = zip(*read, strict=True)
        leaves = leaf_hashes(rows) if set(map(type, rows)) == {bytes} else []
        if list(stored) != leaves or numbers != tuple(range(begin, begin + len(read))):
            raise ValueError("a row is not what was appended")
        yield begin, rows, leaves
        begin += len(read)


def leaves_of(connection: sqlite3.Connection) -> list[bytes]:
    """Return the leaf hashes of all rows; raises ValueError where one is not good."""
    return [leaf for _, _, leaves in chunks_of(connection) for leaf in leaves]


def add_rows(connection: sqlite3.Connection, first: int, rows: Sequence[bytes]) -> list[bytes]:
    """Add rows from number `first` on, within a transaction; return their leaf hashes."""
    leaves = leaf_hashes(rows)
    numbered: Any = ((first + i, data.decode(), leaves[i]) for i, data in enumerate(rows))
    connection.executemany("INSERT INTO rows (row, record, leaf_hash) VALUES (?, ?, ?)", numbered)
    add_groups(connection, first, leaves)
    return leaves


def put_head(connection: sqlite3.Connection, head: Head) -> None:
    """Replace the head, within a transaction."""
    size, peaks = head.frontier.size, b"".join(head.frontier.peaks)
    connection.execute(
        "INSERT OR REPLACE INTO head (one, size, peaks, checkpoint) VALUES (1, ?, ?, ?)",
        (size, peaks, head.checkpoint.text),
    )


def get_head(connection: sqlite3.Connection) -> Head:
    """Return the head; raises ValueError where the file or its head is not as a ledger's is."""
    _check_schema(connection)
    found = connection.execute("SELECT size, peaks, checkpoint FROM head WHERE one = 1").fetchone()
    if found is None:
        raise ValueError("it has no head")
    size, peaks, text = found
    if (type(size), type(peaks), type(text)) != (int, bytes, bytes):
        raise ValueError("its head is damaged")
    checkpoint = read_checkpoint(text.decode("utf-8"))
    if len(peaks) != HASH_BYTES * size.bit_count():
        raise ValueError("its head is damaged")
    parts = (peaks[at : at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES))
    frontier = Frontier(size=size, peaks=tuple(parts))
    told_of = checkpoint.checkpoint
    if (told_of.size, told_of.root) != (frontier.size, frontier.root):
        raise ValueError("its head is damaged: the checkpoint is of another tree")
    return Head(frontier=frontier, checkpoint=checkpoint)


def get_row(connection: sqlite3.Connection, row: int) -> bytes | None:
    """Return the record in a row, None where there is no such row."""
    found = connection.execute("SELECT record FROM rows WHERE row = ?", (row,)).fetchone()
    return None if found is None else bytes(found[0])


def row_of_key(connection: sqlite3.Connection, key: str) -> int | None:
    """Return the row that has `key`, None where none has."""
    found = connection.execute('SELECT row FROM rows WHERE "key" = ?', (key,)).fetchone()
    return None if found is None else int(found[0])


def row_of_correction(connection: sqlite3.Connection, key: str) -> int | None:
    """Return the row that supersedes the row of `key`, None where none does."""
    found = connection.execute("SELECT row FROM rows WHERE supersedes = ?", (key,)).fetchone()
    return None if found is None else int(found[0])
