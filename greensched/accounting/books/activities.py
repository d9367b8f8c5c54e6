"""Activities: what the simulator does not know, as quantities that a factor turns into emissions.

A genset's diesel, a leak of refrigerant, flights, purchased heat, servers that were bought. Each
has a kind, and the kind its scope and category in the GHG Protocol. Some kinds emit nothing and
are measures of the year (`water`, `core_h_used`); `electricity` is the load of a site, priced
with its grid and contracts (`supply`, `market`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal

from greensched.accounting.books.book import METHODS, SCOPE2, UPSTREAM_ENERGY, Line, Range
from greensched.accounting.books.factors import FactorTable, in_unit
from greensched.accounting.books.gases import CO2E, gwp_of
from greensched.errors import DataError, Finding
from greensched.units import MG_PER_KG

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greensched.accounting.books.book import Method
    from greensched.accounting.books.factors import EmissionFactor
    from greensched.accounting.factors import Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What an activity is: scope 0 emits nothing by itself, `unit` is that of a measure."""

    scope: int
    category: str
    unit: str = ""


KINDS: Final[dict[str, Kind]] = {
    "genset": Kind(scope=1, category="stationary combustion"),
    "vehicle": Kind(scope=1, category="mobile combustion"),
    "refrigerant": Kind(scope=1, category="fugitive: refrigerant"),
    "switchgear": Kind(scope=1, category="fugitive: switch-gear"),
    "heat": Kind(scope=2, category="purchased heat, steam and cooling"),
    "purchased_goods": Kind(scope=3, category="1 purchased goods and services"),
    "server": Kind(scope=3, category="2 capital goods"),
    "upstream_energy": Kind(scope=3, category=UPSTREAM_ENERGY),
    "grid_losses": Kind(scope=3, category=UPSTREAM_ENERGY),
    "freight": Kind(scope=3, category="4 upstream transport"),
    "waste": Kind(scope=3, category="5 waste"),
    "business_travel": Kind(scope=3, category="6 business travel"),
    "commuting": Kind(scope=3, category="7 employee commuting"),
    "leased_asset": Kind(scope=3, category="8 upstream leased assets"),
    "electricity": Kind(scope=0, category="purchased electricity", unit="kWh"),
    "it_energy": Kind(scope=0, category="measure", unit="kWh"),
    "water": Kind(scope=0, category="measure", unit="l"),
    "heat_reused": Kind(scope=0, category="measure", unit="kWh"),
    "core_h_used": Kind(scope=0, category="measure", unit="core-h"),
    "core_h_held": Kind(scope=0, category="measure", unit="core-h"),
    "functional_unit": Kind(scope=0, category="measure", unit="piece"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """So much of something in a year at a site; `origin` says where it was read.

    Raises DataError for an unknown kind, a negative quantity, an emitting kind without a factor
    and a measure in another unit.
    """

    year: int
    site: str
    kind: str
    quantity: Fraction
    unit: str
    factor_id: str = ""
    quality: Quality = "measured"
    origin: str = ""

    def __post_init__(self) -> None:
        """Check what pricing relies on."""
        where = self.origin or self.kind
        if self.kind not in KINDS:
            what, remedy = f"unknown kind {self.kind!r}", f"one of {', '.join(KINDS)}"
            raise DataError(Finding(where=where, what=what, remedy=remedy))
        found = []
        if self.quantity < 0:
            what = f"{float(self.quantity):g} {self.unit} is below zero"
            found.append(Finding(where=where, what=what))
        if KINDS[self.kind].scope and not self.factor_id:
            what = f"{self.kind} without a factor"
            found.append(Finding(where=where, what=what, remedy="name its factor_id"))
        if not KINDS[self.kind].scope:
            try:
                in_unit(self.quantity, self.unit, KINDS[self.kind].unit)
            except DataError as error:
                found += [Finding(where=where, what=f.what) for f in error.findings]
        if found:
            raise DataError(*found)


def priced(activities: Iterable[Activity], table: FactorTable, gwp: str) -> tuple[Line, ...]:
    """Return the lines of the activities that emit, one for each gas of their factor.

    Each is rounded once to whole milligrams, half to even. What is purchased in scope 2 beside
    electricity has no contracts: both methods have a line of it. Raises DataError, with all that
    are wrong, for factors that are not known, units that do not fit and other GWP sets.
    """
    lines: list[Line] = []
    found: list[Finding] = []
    for activity in activities:
        if not KINDS[activity.kind].scope:
            continue
        try:
            for factor in table.at(activity.factor_id, activity.year):
                lines += _lines(activity, factor, gwp)
        except DataError as error:
            found += [_placed(activity, finding) for finding in error.findings]
    if found:
        raise DataError(*found)
    return tuple(lines)


def _placed(activity: Activity, finding: Finding) -> Finding:
    where = ", ".join(part for part in (activity.origin, finding.where) if part)
    return Finding(where=where, what=finding.what, remedy=finding.remedy)


def _lines(activity: Activity, factor: EmissionFactor, gwp: str) -> list[Line]:
    kind = KINDS[activity.kind]
    amount = in_unit(activity.quantity, activity.unit, factor.per)
    weight = amount * gwp_of(factor.gas, gwp) * MG_PER_KG
    methods: tuple[Method | Literal[""], ...] = METHODS if kind.scope == SCOPE2 else ("",)
    return [
        Line(
            year=activity.year,
            site=activity.site,
            scope=kind.scope,
            category=kind.category,
            emissions=Range(
                low_mg=round(factor.low_kg * weight),
                mid_mg=round(factor.mid_kg * weight),
                high_mg=round(factor.high_kg * weight),
            ),
            gas=factor.gas,
            method=method,
            basis=factor.basis,
            gwp=factor.gwp if factor.gas == CO2E else gwp,
            factor_id=factor.id,
            factor_sha256=factor.sha256,
            factor_vintage=str(factor.year),
            quality=activity.quality,
            origin=activity.origin,
        )
        for method in methods
    ]


def measured(
    activities: Iterable[Activity], kind: str, site: str | None = None
) -> Fraction | None:
    """Return a measure's sum [its unit in `KINDS`], of a site or all; None: none was given."""
    amounts = [
        in_unit(activity.quantity, activity.unit, KINDS[kind].unit)
        for activity in activities
        if activity.kind == kind and site in (None, activity.site)
    ]
    return sum(amounts, Fraction(0)) if amounts else None
