"""A small table as text: CSV with a header, every cell checked, every finding told at once.

Identifiers stay text, numbers become exact rational ones. Refused: columns that are unknown or
missing, short and long rows, text for a number, NaN and infinity, names that are too long or not
printable, a row that is there twice, more than 64 MiB.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from greensched.accounting.books.factors import ALL_YEARS
from greensched.errors import DataError, Finding, GreenschedError
from greensched.readers.cells import NAME_BYTES_MAX
from greensched.readers.files import existing, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

BYTES_MAX: Final = 64 * 2**20
FINDINGS_MAX: Final = 20
YEARS: Final = (ALL_YEARS, 2100)
NOTE_BYTES_MAX: Final = 2_000
Made = TypeVar("Made")
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,2})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table; `choices` are all that it may hold, `note` that it is a sentence."""

    name: str
    kind: Literal["text", "number", "year", "note"] = "text"
    is_needed: bool = True  # the column and a value in every row
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: where it stands and its values, text or exact numbers; empty ones are left out."""

    where: str
    texts: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, Fraction] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """Return a text, or `default` where the cell is empty."""
        return self.texts.get(name, default)


def read_rows(path: Path, columns: Sequence[Column]) -> tuple[tuple[Row, ...], str]:
    """Return the rows of a CSV file, packed or not, and its SHA-256.

    Raises DataError with all that is wrong.
    """
    sha256 = checksum_of(path)
    with plain(path) as contents:
        size = contents.stat().st_size
        if size > BYTES_MAX:
            what = f"has {size:,} bytes, more than {BYTES_MAX:,}"
            raise DataError(Finding(where=str(path), what=what))
        data = contents.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(Finding(where=str(path), what="is not UTF-8")) from None
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(lines, [])]
        _check_header(path.name, header, columns)
        rows, findings = _rows(path.name, header, lines, {c.name: c for c in columns})
    except csv.Error as error:
        where = f"{path.name} line {lines.line_num}"
        raise DataError(Finding(where=where, what=f"is not CSV: {error}")) from None
    raise_all(path.name, findings)
    return tuple(rows), sha256


def checksum_of(path: Path) -> str:
    """Return the SHA-256 of a file as it lies there; raises DataError where none does."""
    return hashlib.sha256(existing(path).read_bytes()).hexdigest()


def raise_all(where: str, findings: Sequence[Finding]) -> None:
    """Raise DataError with findings, where there are any; of very many the first."""
    if findings:
        more = len(findings) - FINDINGS_MAX
        rest = [Finding(where=where, what=f"and {more:,} more")] if more > 0 else []
        raise DataError(*findings[:FINDINGS_MAX], *rest)


def built(rows: Sequence[Row], where: str, make: Callable[[Row], Made]) -> tuple[Made, ...]:
    """Return what `make` makes of each row; raises DataError with all that it refuses."""
    made: list[Made] = []
    findings: list[Finding] = []
    for row in rows:
        try:
            made.append(make(row))
        except GreenschedError as error:
            findings += [
                Finding(where=_joined(row.where, f.where), what=f.what, remedy=f.remedy)
                for f in error.findings
            ]
    raise_all(where, findings)
    return tuple(made)


def _joined(place: str, inner: str) -> str:
    return place if inner in {"", place} else f"{place}, {inner}"


def _check_header(name: str, header: Sequence[str], columns: Sequence[Column]) -> None:
    known = [column.name for column in columns]
    findings = []
    for title in dict.fromkeys(header):
        if header.count(title) > 1:
            findings.append(Finding(where=name, what=f"two columns {title!r}"))
        if title not in known:
            near = get_close_matches(title, known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"columns are {', '.join(known)}"
            findings.append(Finding(where=name, what=f"unknown column {title!r}", remedy=remedy))
    findings += [
        Finding(where=name, what=f"no column {c.name!r}", remedy=f"columns are {', '.join(known)}")
        for c in columns
        if c.is_needed and c.name not in header
    ]
    raise_all(name, findings)


def _rows(
    name: str, header: Sequence[str], lines: Iterator[list[str]], columns: dict[str, Column]
) -> tuple[list[Row], list[Finding]]:
    rows: list[Row] = []
    findings: list[Finding] = []
    seen: dict[tuple[str, ...], int] = {}
    for number, cells in enumerate(lines, 1):
        where = f"{name} row {number}"
        if not any(cells):
            continue
        if len(cells) != len(header):
            what = f"{len(cells)} cells for {len(header)} columns"
            findings.append(Finding(where=where, what=what))
            continue
        first = seen.setdefault(tuple(cells), number)
        if first != number:
            remedy = "keep one, or tell them apart in a note"
            findings.append(Finding(where=where, what=f"the same as row {first}", remedy=remedy))
            continue
        row = Row(where=where)
        for title, cell in zip(header, cells, strict=True):
            problem = _read(row, columns[title], cell.strip())
            if problem:
                findings.append(Finding(where=f"{where}, {title}", what=problem))
        rows.append(row)
    return rows, findings


def _read(row: Row, column: Column, cell: str) -> str:
    """Put a cell into its row; return what is wrong with it, or nothing."""
    if not cell:
        return "empty" if column.is_needed else ""
    is_text = column.kind in {"text", "note"}
    return _read_text(row, column, cell) if is_text else _read_number(row, column, cell)


def _read_number(row: Row, column: Column, cell: str) -> str:
    if not _NUMBER.fullmatch(cell):
        return f"{cell[:40]!r} is no finite number"
    value = Fraction(cell)
    low, high = YEARS
    if column.kind == "year" and not (value.denominator == 1 and low <= value <= high):
        return f"{cell[:40]!r} is no year from {low} to {high}"
    row.numbers[column.name] = value
    return ""


def _read_text(row: Row, column: Column, cell: str) -> str:
    longest = NOTE_BYTES_MAX if column.kind == "note" else NAME_BYTES_MAX
    if len(cell.encode()) > longest or not cell.isprintable():
        return f"{cell[:20]!r}... is longer than {longest} bytes, or not printable"
    if column.choices and cell not in column.choices:
        return f"{cell!r} is none of {', '.join(column.choices)}"
    row.texts[column.name] = cell
    return ""
