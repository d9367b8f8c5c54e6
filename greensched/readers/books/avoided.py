"""`avoided.csv`: what each technology avoided in a year, against a named baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greensched.accounting.books import Saved
from greensched.errors import DataError, Finding
from greensched.readers.books.rows import Column, Row, built, read_rows
from greensched.units import KG_PER_T, MG_PER_KG

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

SIGNALS: Final = ("average", "marginal")
COLUMNS: Final = (
    Column(name="year", kind="year"),
    Column(name="technology"),
    Column(name="baseline"),
    Column(name="signal", choices=SIGNALS),
    Column(name="saved_t", kind="number"),
    Column(name="low_t", kind="number", is_needed=False),
    Column(name="high_t", kind="number", is_needed=False),
    Column(name="note", kind="note", is_needed=False),
)


def read_avoided(path: Path) -> tuple[tuple[Saved, ...], str]:
    """Return the savings of a file and its SHA-256; raises DataError with all that is wrong."""
    rows, sha256 = read_rows(path, COLUMNS)
    return built(rows, path.name, _saved), sha256


def _saved(row: Row) -> Saved:
    mid = row.numbers["saved_t"]
    bounds = (row.numbers.get("low_t", mid), mid, row.numbers.get("high_t", mid))
    if list(bounds) != sorted(bounds):
        remedy = "give low_t <= saved_t <= high_t"
        raise DataError(Finding(where="saved_t", what="the range does not rise", remedy=remedy))
    low_mg, mid_mg, high_mg = (round(bound * KG_PER_T * MG_PER_KG) for bound in bounds)
    signal: Any = row.text("signal")
    return Saved(
        year=int(row.numbers["year"]),
        name=row.text("technology"),
        baseline=row.text("baseline"),
        signal=signal,
        low_mg=low_mg,
        mid_mg=mid_mg,
        high_mg=high_mg,
        origin=row.where,
    )
