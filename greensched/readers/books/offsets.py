"""`offsets.csv`: certificates with registry, serial, kind, vintage, owner and mass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greensched.accounting.books import Offset
from greensched.errors import DataError, Finding
from greensched.readers.books.rows import Column, Row, built, read_rows
from greensched.units import KG_PER_T, MG_PER_KG

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS: Final = (
    Column(name="registry"),
    Column(name="serial"),
    Column(name="kind"),
    Column(name="vintage", kind="year"),
    Column(name="owner"),
    Column(name="mass_t", kind="number"),
    Column(name="retired_for", kind="year", is_needed=False),
    Column(name="note", kind="note", is_needed=False),
)


def read_offsets(path: Path) -> tuple[tuple[Offset, ...], str]:
    """Return the offsets of a file and its SHA-256; raises DataError with all that is wrong."""
    rows, sha256 = read_rows(path, COLUMNS)
    return built(rows, path.name, _offset), sha256


def _offset(row: Row) -> Offset:
    mass_mg = row.numbers["mass_t"] * KG_PER_T * MG_PER_KG
    if mass_mg < 0:
        raise DataError(Finding(where="mass_t", what="is below zero"))
    retired = row.numbers.get("retired_for")
    return Offset(
        registry=row.text("registry"),
        serial=row.text("serial"),
        kind=row.text("kind"),
        vintage=int(row.numbers["vintage"]),
        owner=row.text("owner"),
        mass_mg=round(mass_mg),
        retired=None if retired is None else int(retired),
    )
