"""What an amount of emissions is like, for display only: printed with its constants, never stored.

A press release of 2021 says that 394 t are 30,000 cars for a day; by these constants they are
59,035 car-days. Sets of constants are not mixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from greensched.units import DAYS_PER_YEAR, MG_PER_KG

CAR_KG_PER_KM: Final = Fraction("0.203")
CAR_KM_PER_YEAR: Final = 12_000
CAR_KG_PER_YEAR: Final = CAR_KG_PER_KM * CAR_KM_PER_YEAR


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalent:
    """So many of something, and the constants that say so."""

    count: Fraction
    what: str
    constants: str


def equivalents(emissions_mg: int) -> tuple[Equivalent, ...]:
    """Return what `emissions_mg` [mg CO2e] is like."""
    kg = Fraction(emissions_mg, MG_PER_KG)
    yearly = f"{CAR_KM_PER_YEAR:,} km a year x {float(CAR_KG_PER_KM):g} kg/km"
    constants = f"{yearly} = {float(CAR_KG_PER_YEAR):,g} kg a car-year"
    return (
        Equivalent(count=kg / CAR_KG_PER_YEAR, what="cars for a year", constants=constants),
        Equivalent(
            count=kg * DAYS_PER_YEAR / CAR_KG_PER_YEAR,
            what="cars for a day",
            constants=f"{constants}, of {DAYS_PER_YEAR} days",
        ),
    )
