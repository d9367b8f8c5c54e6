"""Indicators of a site or company in a year, each from measured sums; None where one is missing.

    PUE = E_DC / E_IT          ISO/IEC 30134-2      REF = E_ren / E_DC       30134-3
    ITEUsv = core-hours used / core-hours held      30134-5
    ERF = E_reused / E_DC      30134-6              CUE = C_DC / E_IT        30134-8
    WUE = litres / E_IT        30134-9
    SCI = (O + M) / R          Green Software Foundation, Software Carbon Intensity 1.1

O is location-based: the SCI "excludes any market-based measures". R counts completed work only.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from greensched.errors import DataError, Finding
from greensched.units import MWH_MILLI_PER_KWH


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What a site or company was measured to use in a year; None where nobody measured.

    `renewable_mwh` [mWh] is what was matched with renewable supply, PV included.
    """

    energy_it_mwh: int
    energy_facility_mwh: int
    emissions_mg: int
    renewable_mwh: int = 0
    reused_mwh: int | None = None
    water_l: Fraction | None = None
    core_h_used: Fraction | None = None
    core_h_held: Fraction | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be: a facility that uses less than its machines, shares above 1."""
        found = []
        if self.energy_it_mwh > self.energy_facility_mwh:
            remedy = "PUE is facility energy / IT energy"
            what = "IT energy is above facility energy"
            found.append(Finding(where="PUE", what=what, remedy=remedy))
        if self.core_h_used is not None and self.core_h_used > (self.core_h_held or 0):
            what = "more core-hours used than held, or none held"
            found.append(Finding(where="utilisation", what=what))
        if max(self.renewable_mwh, self.reused_mwh or 0) > self.energy_facility_mwh:
            what = "more energy is renewable or reused than the facility takes"
            found.append(Finding(where="REF, ERF", what=what))
        if found:
            raise DataError(*found)


def indicators(measures: Measures) -> dict[str, Fraction | None]:
    """Return the indicators by name; each None where what it needs was not measured or is 0."""
    it, facility = measures.energy_it_mwh, measures.energy_facility_mwh
    it_kwh = Fraction(it, MWH_MILLI_PER_KWH)
    return {
        "pue": _ratio(facility, it),
        "renewable_share": _ratio(measures.renewable_mwh, facility),
        "reused_share": _ratio(measures.reused_mwh, facility),
        "cue_kg_per_kwh": _ratio(measures.emissions_mg, it),
        "wue_l_per_kwh": _ratio(measures.water_l, it_kwh),
        "utilisation_share": _ratio(measures.core_h_used, measures.core_h_held),
    }


def _ratio(part: Fraction | int | None, whole: Fraction | int | None) -> Fraction | None:
    return None if part is None or not whole else Fraction(part) / Fraction(whole)


def sci_mg(operational_mg: int, embodied_mg: int, functional_units: Fraction) -> Fraction:
    """Return milligrams of CO2e for a functional unit; DataError where no work was completed."""
    if functional_units <= 0:
        what = "no work was completed, so there is nothing to share emissions over"
        raise DataError(Finding(where="SCI", what=what))
    return (operational_mg + embodied_mg) / functional_units
