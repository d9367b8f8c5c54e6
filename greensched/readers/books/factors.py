"""Factor files: `id,year,gas,unit,value` with source and licence; the bundled one and a user's.

`unit` is `kg/kWh` and the like: kilograms (or grams, tonnes) of a gas for one of something.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Final

from greensched.accounting.books import UNITS, EmissionFactor, FactorTable
from greensched.accounting.books.gases import UNSTATED
from greensched.errors import DataError, Finding
from greensched.readers.books.rows import Column, Row, built, read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

BUNDLED: Final = "factors.csv"
MASSES_KG: Final = {
    "g": Fraction(1, 1_000),
    "kg": Fraction(1),
    "t": Fraction(1_000),
    "lb": Fraction("0.45359237"),
}
BASES: Final = ("direct", "lifecycle", "upstream", "unstated")
COLUMNS: Final = (
    Column(name="id"),
    Column(name="year", kind="year"),
    Column(name="gas"),
    Column(name="unit"),
    Column(name="value", kind="number"),
    Column(name="low", kind="number", is_needed=False),
    Column(name="high", kind="number", is_needed=False),
    Column(name="gwp", is_needed=False),
    Column(name="basis", is_needed=False, choices=BASES),
    Column(name="region", is_needed=False),
    Column(name="source", kind="note"),
    Column(name="licence", kind="note"),
)


def bundled_factors() -> FactorTable:
    """Return the factors that ship: facts, each with its source (`docs/reference/factors.md`)."""
    with as_file(files("greensched.readers.books") / BUNDLED) as path:
        return read_factors([path])


def read_factors(paths: Sequence[Path]) -> FactorTable:
    """Return the factors of files; raises DataError with all that is wrong in one."""
    factors: list[EmissionFactor] = []
    for path in paths:
        rows, sha256 = read_rows(path, COLUMNS)
        factors += built(rows, path.name, partial(_factor, sha256))
    return FactorTable(factors=tuple(factors))


def _factor(sha256: str, row: Row) -> EmissionFactor:
    mass, _, per = row.text("unit").partition("/")
    if mass not in MASSES_KG or per not in UNITS:
        what = f"{row.text('unit')!r} is no mass for one of something"
        remedy = f"like kg/kWh: one of {', '.join(MASSES_KG)} / one of {', '.join(UNITS)}"
        raise DataError(Finding(where="unit", what=what, remedy=remedy))
    kg = MASSES_KG[mass]
    value = row.numbers["value"]
    basis: Any = row.text("basis", "unstated")
    return EmissionFactor(
        id=row.text("id"),
        year=int(row.numbers["year"]),
        gas=row.text("gas"),
        per=per,
        mid_kg=value * kg,
        low_kg=row.numbers.get("low", value) * kg,
        high_kg=row.numbers.get("high", value) * kg,
        gwp=row.text("gwp", UNSTATED),
        basis=basis,
        region=row.text("region"),
        source=row.text("source"),
        licence=row.text("licence"),
        sha256=sha256,
    )
