"""What the columns of a file of carbon intensity are, told by their names.

    wide       a time column, then one column a zone
    long       a time column, `zone` (or `Zone id`) and `carbon_intensity*`
    single     a time column and `carbon_intensity*` (any spelling): the zone is not in the file

An export of Electricity Maps is long with two bases: life cycle is taken unless direct is asked
for. Other than by basis columns of intensity are not told apart: several are refused. A column
may state its unit (`carbon_intensity_lb_per_mwh`), which then has to be the one asked for.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from greensched.errors import DataError, Finding
from greensched.providers.points import known_factor, unit_factor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.carbon import Basis

TIME_COLUMNS: Final = (
    "timestamp",
    "datetime_utc",
    "timestamp_utc",
    "time_utc",
    "datetime (utc)",
    "datetime",
    "time",
    "date",
)
ZONE_COLUMNS: Final = ("zone", "zone id", "zone_id")
LABEL_COLUMNS: Final = ("signal", "basis", "vintage", "synthetic")  # as `carbon import` writes
SUFFIXES: Final = (".csv", ".parquet")
_INTENSITY = re.compile(r"^carbon[ _-]?intensity", re.IGNORECASE)
_UNIT = re.compile(  # of g per kwh, gco2eq/kwh, (lb/mwh), lbs co2 per mwh
    r"(?<![a-z])(mg|kg|g|t|ton|tonne|oz|lb|pound|gram|kilogram)s?(?: ?co2 ?(?:eq?)?)?"
    r"(?: ?(?:/|per) ?| )([kmg]?wh|[kmg]?j)(?![a-z])"
)
_MASS: Final = {"ton": "t", "tonne": "t", "pound": "lb", "gram": "g", "kilogram": "kg"}
_ENERGY: Final = {"wh": "Wh", "kwh": "kWh", "mwh": "MWh", "gwh": "GWh", "j": "J", "kj": "kJ"}


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

    def factor(self, where: str, unit: str) -> float:
        """Return what values in `unit` are multiplied with to be g/kWh.

        Raises DataError for a unit that is not known and where the column states another one.
        """
        factor = unit_factor(where, unit)
        stated = unit_in(self.value_column or "")
        if stated and known_factor(stated) != factor:
            what = f"column {self.value_column!r} is in {stated}, not in {unit}"
            remedy = f"--unit {stated} converts it; `carbon import` with that writes g/kWh"
            raise DataError(Finding(where=where, what=what, remedy=remedy))
        return factor

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
    value, told = _value_column(where, found, basis)
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


def unit_in(column: str) -> str:
    """Return the unit that a column's name states, as `lb/MWh`; empty where it states none."""
    plain = re.sub(r"[ _-]+", " ", column.lower().replace("₂", "2"))
    match = _UNIT.search(plain)
    if match is None:
        return ""
    return f"{_MASS.get(match[1], match[1])}/{_ENERGY.get(match[2], match[2].upper())}"


def _value_column(where: str, found: Sequence[str], basis: Basis) -> tuple[str | None, Basis]:
    """Return the column of values among `found`, and the basis that its name states.

    Raises DataError where several could be meant.
    """
    direct = [name for name in found if "direct" in name.lower()]
    whole = [name for name in found if "life" in name.lower()]
    meant = direct if basis == "direct" and direct else whole or found
    if len(meant) > 1:
        what = f"{len(meant)} columns of intensity: {', '.join(map(repr, meant))}"
        remedy = "keep one; only (direct) and (life cycle) in their names tell them apart"
        raise DataError(Finding(where=where, what=what, remedy=remedy))
    value = meant[0] if meant else None
    if value in direct:
        return value, "direct"
    return value, "lifecycle" if value in whole else basis
