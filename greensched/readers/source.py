"""One file as a relation of duckdb: its columns, its rows by number, its malformed rows.

A data row is counted from 1 after the header: a blank line counts, a row that quotation marks
carry over several lines is one.
"""

from __future__ import annotations

import csv
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb

from greensched.errors import DataError, Finding
from greensched.readers.files import existing, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

RESERVED = ("file_row_number", "_row", "_bad", "_cell")
HEADER_BYTES_MAX = 2**16
COLUMNS_SHOWN, NAME_SHOWN = 12, 40  # in findings: a file without a header has numbers for names

REJECTS = {
    "MISSING COLUMNS": "short row: fewer cells than the header",
    "TOO MANY COLUMNS": "long row: more cells than the header",
    "UNQUOTED VALUE": "a quotation mark that is not closed",
    "LINE SIZE OVER MAXIMUM": "a line too long to be one row",
    "INVALID ENCODING": "bytes that are not UTF-8",
    "INVALID STATE": "quotation marks inside a cell",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file ready to be queried: `sql` selects its columns and `_row` (from 1)."""

    con: duckdb.DuckDBPyConnection
    label: str  # the file's name, for findings
    columns: dict[str, str]  # name -> SQL type; VARCHAR throughout for text files
    sql: str
    is_text: bool
    contents: Path | None = None  # of a text file, uncompressed
    header_rows: int = 1  # of a text file
    facts: dict[str, str] = field(default_factory=dict)  # a Parquet file's own notes

    @property
    def there(self) -> str:
        """Return the names of the first columns, cut short, for findings."""
        return ", ".join(name[:NAME_SHOWN] for name in list(self.columns)[:COLUMNS_SHOWN])

    def require(self, *names: str) -> None:
        """Raise DataError naming every one of `names` that is not a column."""
        missing = [n for n in names if n not in self.columns]
        if missing:
            raise DataError(*(missing_column(self, n) for n in missing))


def missing_column(source: Source, name: str, role: str = "") -> Finding:
    """Return the finding that says which column is missing and which there are.

    `role` is the column's name in the schema, where `--map` can name another.
    """
    remedy = f"columns there: {source.there}"
    if role:
        remedy += f"; name another with --map {role}=COLUMN"
    return Finding(where=source.label, what=f"no column '{name}'", remedy=remedy)


def quote(name: str) -> str:
    """Return `name` quoted as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return `text` quoted as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def connect() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a private in-memory database that fetches nothing and spills to its own folder."""
    with ExitStack() as stack:
        spill = stack.enter_context(tempfile.TemporaryDirectory(prefix="greensched-spill-"))
        con = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "temp_directory": spill,
            }
        )
        stack.callback(con.close)
        yield con


@contextmanager
def opened(
    con: duckdb.DuckDBPyConnection, path: Path, *, member: str = "", header: str = ""
) -> Iterator[Source]:
    """Yield `path` (CSV in any packing, or Parquet) as a Source.

    `header` replaces the file's own column names, comma-separated, where it has none.
    """
    existing(path)
    if path.suffix.lower() in (".parquet", ".pq"):
        yield _parquet(con, path)
        return
    with plain(path, member) as contents:
        yield _csv(con, contents, path.name, header)


def _parquet(con: duckdb.DuckDBPyConnection, path: Path) -> Source:
    scan = f"read_parquet({literal(str(path))}, file_row_number=true)"
    noted = f"SELECT key, value FROM parquet_kv_metadata({literal(str(path))})"
    try:
        rows = con.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
        notes = con.execute(noted).fetchall()
    except duckdb.Error as error:
        what = "not a readable Parquet file (damaged or cut short)"
        if "file_row_number" in str(error):
            _none_reserved(path.name, RESERVED[:1])
        raise DataError(Finding(where=path.name, what=what)) from error
    columns = {str(r[0]): str(r[1]) for r in rows if r[0] != "file_row_number"}
    _none_reserved(path.name, columns)
    sql = f"(SELECT *, file_row_number + 1 AS _row FROM {scan})"
    facts = {
        bytes(k).decode("utf-8", "replace"): bytes(v).decode("utf-8", "replace") for k, v in notes
    }
    return Source(con=con, label=path.name, columns=columns, sql=sql, is_text=False, facts=facts)


def _none_reserved(label: str, names: Iterable[str]) -> None:
    """Raise DataError where a column has a name that is needed beside the file's own."""
    findings = [
        Finding(
            where=label,
            what=f"a column is called '{name}', a name that reading needs itself",
            remedy="rename the column",
        )
        for name in names
        if name.lower() in RESERVED
    ]
    if findings:
        raise DataError(*findings)


def opened_csv(con: duckdb.DuckDBPyConnection, contents: Path, label: str) -> Source:
    """Return the plain CSV file `contents` as a Source that findings call `label`."""
    return _csv(con, contents, label, "")


def _csv(con: duckdb.DuckDBPyConnection, contents: Path, label: str, header: str) -> Source:
    names = header.split(",") if header else _header(contents, label)
    columns = "{" + ", ".join(f"{literal(n)}: 'VARCHAR'" for n in names) + "}"
    scan = (
        f"read_csv({literal(str(contents))}, columns={columns}, auto_detect=false, "
        f"header={'false' if header else 'true'}, delim=',', quote='\"', escape='\"', "
        "null_padding=false, strict_mode=true, store_rejects=true, rejects_limit=0)"
    )
    sql = f"(SELECT *, row_number() OVER () AS _row FROM {scan})"
    return Source(
        con=con,
        label=label,
        columns=dict.fromkeys(names, "VARCHAR"),
        sql=sql,
        is_text=True,
        contents=contents,
        header_rows=0 if header else 1,
    )


def _header(contents: Path, label: str) -> list[str]:
    """Return the column names of the first line, checked."""
    with contents.open("rb") as stream:
        raw = stream.readline(HEADER_BYTES_MAX)
    try:
        line = raw.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        what = "the header is not UTF-8 text"
        raise DataError(Finding(where=label, what=what)) from error
    if not line.strip() or "\0" in line:
        raise DataError(Finding(where=label, what="no header line with column names"))
    names = [n.strip() for n in next(csv.reader([line]))]
    _none_reserved(label, names)
    findings = []
    folded = [n.lower() for n in names]
    if twice := sorted({n for n in names if folded.count(n.lower()) > 1 or not n}):
        what = f"column names empty or twice (capitals do not count): {twice}"
        findings.append(Finding(where=label, what=what))
    if len(names) == 1 and (";" in line or "\t" in line):
        findings.append(
            Finding(
                where=label,
                what="cells are not separated by commas",
                remedy="rewrite it as a CSV with commas",
            )
        )
    if findings:
        raise DataError(*findings)
    return names


def rejected(source: Source) -> list[tuple[str, int, int]]:
    """Return (class, rows, first row) of the rows that the last scan could not parse; clear them.

    Call after the one scan that loads `source`.
    """
    if not source.is_text:
        return []
    rows = source.con.execute(
        f"SELECT error_type, count(DISTINCT line), min(line) - {source.header_rows} FROM ("
        "  SELECT line, arg_min(CAST(error_type AS VARCHAR), byte_position) AS error_type"
        "  FROM reject_errors GROUP BY line) GROUP BY error_type ORDER BY 3"
    ).fetchall()
    return [(REJECTS.get(str(k), str(k).lower()), int(n), int(first)) for k, n, first in rows]


def file_row(source: Source, number: int) -> int:
    """Return the data row in the file of parsed row `number`: what was not parsed counts too."""
    if source.contents is None:
        return number
    found = source.con.execute(f"SELECT DISTINCT line - {source.header_rows} FROM reject_errors")
    malformed = {int(r[0]) for r in found.fetchall()}
    parsed = 0
    for row, is_blank in _rows(source):
        parsed += not is_blank and row not in malformed
        if parsed == number:
            return row
    return number


def blank_rows(source: Source) -> list[int]:
    """Return the data rows that are blank lines with rows after them; duckdb skips them.

    In a file of one column a blank line is an empty cell, which is read.
    """
    if source.contents is None:
        return []
    found, last = [], 0
    for row, is_blank in _rows(source):
        if is_blank:
            found.append(row)
        else:
            last = row
    return [row for row in found if row < last]


def _rows(source: Source) -> Iterator[tuple[int, bool]]:
    """Yield every data row of a text file and whether duckdb skips it as a blank line."""
    assert source.contents is not None
    with source.contents.open(encoding="latin-1", newline="") as lines, suppress(csv.Error):
        for row, cells in enumerate(csv.reader(lines), start=1 - source.header_rows):
            if row > 0:
                yield row, not cells and len(source.columns) > 1


def forget_rejected(source: Source) -> None:
    """Drop what was recorded of malformed rows, before another file is scanned."""
    source.con.execute("DROP TABLE IF EXISTS reject_errors")
    source.con.execute("DROP TABLE IF EXISTS reject_scans")
