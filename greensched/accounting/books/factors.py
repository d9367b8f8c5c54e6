"""Emission factors: kilograms of a gas for a unit of something that was done, with their source.

A factor of one id has a row for each year and gas: diesel gives off CO2, CH4 and N2O. A year
that has no row takes the last one before it, and the statement says which (`vintage`). What is
so in all years, such as what a refrigerant is mixed of, has the first year there is.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from greensched.accounting.books.gases import CO2E, GASES, GWP_SETS, UNSTATED
from greensched.errors import DataError, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ALL_YEARS: Final = 1990
FactorBasis: TypeAlias = Literal["direct", "lifecycle", "upstream", "unstated"]

# What a unit is in the first of its kind; a factor is per one of them, an activity in any.
UNITS: Final[dict[str, tuple[str, Fraction]]] = {
    "kWh": ("kWh", Fraction(1)),
    "MWh": ("kWh", Fraction(1_000)),
    "GWh": ("kWh", Fraction(1_000_000)),
    "GJ": ("kWh", Fraction(2_500, 9)),
    "l": ("l", Fraction(1)),
    "m3": ("l", Fraction(1_000)),
    "gal": ("l", Fraction("3.785411784")),
    "g": ("kg", Fraction(1, 1_000)),
    "kg": ("kg", Fraction(1)),
    "t": ("kg", Fraction(1_000)),
    "km": ("km", Fraction(1)),
    "mi": ("km", Fraction("1.609344")),
    "pkm": ("pkm", Fraction(1)),
    "pmi": ("pkm", Fraction("1.609344")),
    "tkm": ("tkm", Fraction(1)),
    "h": ("h", Fraction(1)),
    "core-h": ("core-h", Fraction(1)),
    "piece": ("piece", Fraction(1)),
    "night": ("night", Fraction(1)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EmissionFactor:
    """Kilograms of `gas` for one `per`, low and high included; exact rational numbers.

    `gwp` is the set that a factor in CO2e was made with (`unstated` where its source does not
    say), `sha256` that of the file it is from. Raises DataError where it cannot be.
    """

    id: str
    year: int
    gas: str
    per: str
    mid_kg: Fraction
    low_kg: Fraction
    high_kg: Fraction
    gwp: str = UNSTATED
    basis: FactorBasis = "unstated"
    region: str = ""
    source: str = ""
    licence: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        """Check gas, unit and range."""
        where = f"factor {self.id} {self.year}"
        found = []
        if self.gas not in GASES and self.gas != CO2E:
            remedy = f"one of {', '.join((*GASES, CO2E))}"
            found.append(Finding(where=where, what=f"unknown gas {self.gas!r}", remedy=remedy))
        if self.per not in UNITS:
            remedy = f"one of {', '.join(UNITS)}"
            found.append(Finding(where=where, what=f"unknown unit {self.per!r}", remedy=remedy))
        if self.gwp not in (*GWP_SETS, UNSTATED):
            remedy = f"one of {', '.join(GWP_SETS)}, or {UNSTATED}"
            found.append(Finding(where=where, what=f"unknown GWP set {self.gwp!r}", remedy=remedy))
        if not 0 <= self.low_kg <= self.mid_kg <= self.high_kg:
            what = (
                f"{float(self.low_kg):g} .. {float(self.mid_kg):g} .. {float(self.high_kg):g} kg"
            )
            remedy = "give low <= value <= high"
            found.append(Finding(where=where, what=f"{what} do not rise from 0", remedy=remedy))
        if found:
            raise DataError(*found)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorTable:
    """Factors by id. Raises DataError where one id, year and gas has two, or an id two units."""

    factors: tuple[EmissionFactor, ...]

    def __post_init__(self) -> None:
        """Check that every row is the only one of its kind."""
        found, seen = [], set()
        units: dict[str, str] = {}
        for factor in self.factors:
            where = f"factor {factor.id} {factor.year}"
            if (factor.id, factor.year, factor.gas) in seen:
                what = f"two rows of {factor.gas}"
                found.append(Finding(where=where, what=what, remedy="keep one of them"))
            seen.add((factor.id, factor.year, factor.gas))
            per = units.setdefault(factor.id, factor.per)
            if per != factor.per:
                what = f"is per {factor.per}, in another row per {per}"
                found.append(Finding(where=where, what=what, remedy="one unit for one id"))
        if found:
            raise DataError(*found)

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the ids, sorted."""
        return tuple(sorted({factor.id for factor in self.factors}))

    def overridden(self, own: FactorTable) -> FactorTable:
        """Return this table with all rows of an id that `own` has replaced by those of `own`."""
        replaced = set(own.ids)
        kept = tuple(factor for factor in self.factors if factor.id not in replaced)
        return FactorTable(factors=(*kept, *own.factors))

    def begins(self, factor_id: str) -> int | None:
        """Return the first year that an id has a row for, None where it has none."""
        return min((f.year for f in self.factors if f.id == factor_id), default=None)

    def at(self, factor_id: str, year: int) -> tuple[EmissionFactor, ...]:
        """Return the rows of an id for `year`, or of the last year before it, by gas.

        Raises DataError for an id that is not there, and where all its rows are of later years.
        """
        rows = [factor for factor in self.factors if factor.id == factor_id]
        if not rows:
            near = difflib.get_close_matches(factor_id, self.ids, n=3, cutoff=0.5)
            remedy = f"near: {', '.join(near)}" if near else "add it to a factor file"
            what = "is in no factor file"
            raise DataError(Finding(where=f"factor {factor_id}", what=what, remedy=remedy))
        known = sorted({factor.year for factor in rows if factor.year <= year})
        if not known:
            first = min(factor.year for factor in rows)
            what = f"begins with {first}, none is known for {year}"
            remedy = "add a row of that year, or before, to a factor file"
            raise DataError(Finding(where=f"factor {factor_id}", what=what, remedy=remedy))
        chosen = [factor for factor in rows if factor.year == known[-1]]
        return tuple(sorted(chosen, key=lambda factor: factor.gas))


def in_unit(quantity: Fraction, unit: str, per: str) -> Fraction:
    """Return `quantity` of `unit` in `per`; raises DataError where they differ in kind."""
    if unit not in UNITS:
        remedy = f"one of {', '.join(UNITS)}"
        raise DataError(Finding(where="unit", what=f"unknown unit {unit!r}", remedy=remedy))
    (kind, factor), (wanted, divisor) = UNITS[unit], UNITS[per]
    if kind != wanted:
        raise DataError(Finding(where="unit", what=f"{unit!r} cannot be made {per!r}"))
    return quantity * factor / divisor


def ghg_per_kwh(
    factors: Sequence[EmissionFactor], gwp: Iterable[Fraction]
) -> tuple[Fraction, Fraction, Fraction]:
    """Return low, middle and high kilograms of CO2e per kWh of the gases of one factor."""
    low = mid = high = Fraction(0)
    for factor, weight in zip(factors, gwp, strict=True):
        kwh = in_unit(Fraction(1), "kWh", factor.per)
        low += factor.low_kg * weight * kwh
        mid += factor.mid_kg * weight * kwh
        high += factor.high_kg * weight * kwh
    return low, mid, high
