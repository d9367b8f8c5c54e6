"""`activities.csv`: what was done in a year, where, how much of it and by which factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greensched.accounting.books import KINDS, Activity
from greensched.readers.books.rows import Column, Row, built, read_rows

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

QUALITIES: Final = ("measured", "modelled", "assumed", "synthetic", "filled")
COLUMNS: Final = (
    Column(name="year", kind="year"),
    Column(name="site", is_needed=False),
    Column(name="kind", choices=tuple(KINDS)),
    Column(name="quantity", kind="number"),
    Column(name="unit"),
    Column(name="factor_id", is_needed=False),
    Column(name="quality", is_needed=False, choices=QUALITIES),
    Column(name="note", kind="note", is_needed=False),
)


def read_activities(path: Path) -> tuple[tuple[Activity, ...], str]:
    """Return the activities of a file and its SHA-256; raises DataError with all that is wrong.

    A row without a site is the whole company's.
    """
    rows, sha256 = read_rows(path, COLUMNS)
    return built(rows, path.name, _activity), sha256


def _activity(row: Row) -> Activity:
    quality: Any = row.text("quality", "measured")
    return Activity(
        year=int(row.numbers["year"]),
        site=row.text("site"),
        kind=row.text("kind"),
        quantity=row.numbers["quantity"],
        unit=row.text("unit"),
        factor_id=row.text("factor_id"),
        quality=quality,
        origin=row.where,
    )
