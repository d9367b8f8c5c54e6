"""What the columns of a file of carbon intensity are, told by their names.

    wide       a time column, then one column a zone
    long       a time column, `zone` (or `Zone id`) and `carbon_intensity*`
    single     a time column and `carbon_intensity*` (any spelling): the zone is not in the file

An export of Electricity Maps is long with two bases: life cycle is taken unless direct is asked
for.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from greensched.errors import DataError, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.carbon import Basis

TIME_COLUMNS: Final = (
    "timestamp",
    "datetime_utc",
    "timestamp_utc",
    "datetime (utc)",
    "datetime",
    "time",
    "date",
)
ZONE_COLUMNS: Final = ("zone", "zone id", "zone_id")
LABEL_COLUMNS: Final = ("signal", "basis", "vintage", "synthetic")  # as `carbon import` writes
SUFFIXES: Final = (".csv", ".parquet")
_INTENSITY = re.compile(r"^carbon[ _-]?intensity", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The columns that matter, as the file spells them."""

    time_column: str
    zone_column: str | None  # long only
    value_column: str | None  # None: wide
    zone_columns: tuple[str, ...]  # wide only
    basis: Basis

    @property
    def says_utc(self) -> bool:
        """Tell whether the name of the time column says that its clock is UTC."""
        return self.time_column.strip().lower().rstrip(")").endswith("utc")

    @property
    def names_no_zone(self) -> bool:
        """Tell whether the zone has to be known from elsewhere."""
        return self.value_column is not None and self.zone_column is None

    def column_of(self, where: str, zone: str) -> str:
        """Return the column of a zone's values; raises DataError where it has none."""
        if self.value_column is not None:
            return self.value_column
        if zone not in self.zone_columns:
            raise no_zone(where, zone, self.zone_columns)
        return zone


def layout_of(where: str, header: Sequence[str], basis: Basis = "unstated") -> Layout:
    """Return the layout of a file with these columns; raises DataError without a time column."""
    times = [name for name in header if name.strip().lower() in TIME_COLUMNS]
    if not times:
        what = f"no time column among {', '.join(header[:10])!r}"
        remedy = f"name it one of {', '.join(TIME_COLUMNS)}"
        raise DataError(Finding(where=where, what=what, remedy=remedy))
    found = [name for name in header if _INTENSITY.match(name.strip())]
    value, told = _value_column(found, basis)
    zones = [n for n in header if n.strip().lower() in ZONE_COLUMNS] if value else []
    rest = () if value else tuple(n for n in header if n.strip().lower() not in TIME_COLUMNS)
    return Layout(
        time_column=times[0],
        zone_column=zones[-1] if zones else None,
        value_column=value,
        zone_columns=rest,
        basis=told,
    )


def no_zone(where: str, zone: str, known: Sequence[str]) -> DataError:
    """Return the error of a zone that is not there, with the nearest that are."""
    near = difflib.get_close_matches(zone, known, n=3, cutoff=0.5)
    return DataError(
        Finding(
            where=where,
            what=f"zone {zone!r} has no rows",
            remedy=f"near: {', '.join(near)}" if near else f"zones: {', '.join(sorted(known))}",
        )
    )


def _value_column(found: Sequence[str], basis: Basis) -> tuple[str | None, Basis]:
    """Return the column of values among `found`, and the basis that its name states."""
    direct = [name for name in found if "direct" in name.lower()]
    whole = [name for name in found if "life" in name.lower()]
    if direct and (basis == "direct" or not whole):
        return direct[0], "direct"
    if whole:
        return whole[0], "lifecycle"
    return (found[0] if found else None), basis
