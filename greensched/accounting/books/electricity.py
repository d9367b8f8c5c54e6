"""Electricity of a site in a year: its lines of scope 2 by both methods, and what went with them.

    location = import x the grid's factor, by the interval where an account priced it
    market   = sum of matched x the contract's factor + unmatched x residual factor

No residual factor means that the location factor stands in for it, flagged `no_residual`. What is
upstream of the plants and lost on the way is scope 3, category 3, of what is imported.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.accounting.books.activities import measured
from greensched.accounting.books.book import UPSTREAM_ENERGY, Line, Method, Range
from greensched.accounting.books.factors import FactorTable, ghg_per_kwh
from greensched.accounting.books.gases import CO2E, UNSTATED, gwp_of
from greensched.accounting.books.supply import part_mg
from greensched.errors import DataError, Finding
from greensched.units import MWH_MILLI_PER_KWH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from greensched.accounting.books.activities import Activity
    from greensched.accounting.books.control import Control
    from greensched.accounting.books.factors import EmissionFactor, FactorBasis
    from greensched.accounting.books.market import Contract, Matched
    from greensched.accounting.books.supply import Supply
    from greensched.accounting.factors import Quality
    from greensched.model import IntArray

CATEGORY: Final = "purchased electricity"
NO_RESIDUAL: Final = "no_residual"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTerms:
    """How a site is counted: factors by id, empty where there is none.

    Without `grid_factor` the location-based line takes the intensity that the account priced
    with. `grid_cfe` is the grid's carbon-free share.
    """

    name: str
    market: str
    control: Control = "operational"
    grid_factor: str = ""
    residual_factor: str = ""
    upstream_factor: str = ""
    losses_factor: str = ""
    grid_cfe: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What the whole load would emit, as an account priced it: int64[H] [mg], with its factor."""

    low_mg: IntArray
    mid_mg: IntArray
    high_mg: IntArray
    factor_id: str
    factor_sha256: str
    factor_vintage: str
    basis: FactorBasis


@dataclass(frozen=True, slots=True, kw_only=True)
class Electricity:
    """What a site used in a year, by the interval: int64[H] [mWh], hours or the year as one.

    `it_mwh` is None where nobody measured it; `priced` where only quantities are known.
    """

    site: str
    load_mwh: IntArray
    it_mwh: IntArray | None = None
    priced: Priced | None = None
    quality: Quality = "measured"
    origin: str = ""


def of_activities(activities: Iterable[Activity]) -> tuple[Electricity, ...]:
    """Return the electricity of sites whose year is told by activities: one interval each.

    `it_energy` beside it gives a PUE. Raises DataError where a site has only that.
    """
    given = list(activities)
    found = []
    for site in dict.fromkeys(a.site for a in given if a.kind in {"electricity", "it_energy"}):
        load = measured(given, "electricity", site)
        it = measured(given, "it_energy", site)
        own = [a for a in given if a.site == site and a.kind == "electricity"]
        if load is None:
            what = "it_energy is told, but no electricity of the facility"
            raise DataError(Finding(where=f"site {site}", what=what))
        found.append(
            Electricity(
                site=site,
                load_mwh=_interval(load),
                it_mwh=None if it is None else _interval(it),
                quality=own[0].quality,
                origin=own[0].origin,
            )
        )
    return tuple(found)


def _interval(energy_kwh: Fraction) -> IntArray:
    return np.array([round(energy_kwh * MWH_MILLI_PER_KWH)], np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Kilograms of CO2e for a kWh, with the factor that says so: also milligrams for a mWh.

    A factor of several gases is weighed to CO2e by the set `gwp`.
    """

    low_kg: Fraction
    mid_kg: Fraction
    high_kg: Fraction
    factor: EmissionFactor
    gas: str
    gwp: str

    def of(self, energy_mwh: int) -> Range:
        """Return the emissions of `energy_mwh` [mWh], each bound rounded once."""
        return Range(
            low_mg=round(energy_mwh * self.low_kg),
            mid_mg=round(energy_mwh * self.mid_kg),
            high_mg=round(energy_mwh * self.high_kg),
        )


def rate_of(table: FactorTable, factor_id: str, year: int, gwp: str) -> Rate:
    """Return the rate of a factor in `year`; raises DataError where it has none per energy."""
    factors = table.at(factor_id, year)
    low, mid, high = ghg_per_kwh(factors, [gwp_of(f.gas, gwp) for f in factors])
    factor = factors[0]
    gas = factor.gas if len(factors) == 1 else CO2E
    weighed = factor.gwp if factor.gas == CO2E else gwp
    return Rate(low_kg=low, mid_kg=mid, high_kg=high, factor=factor, gas=gas, gwp=weighed)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteBook:
    """Prices the electricity of one site in one year."""

    terms: SiteTerms
    year: int
    gwp: str
    table: FactorTable
    electricity: Electricity
    supply: Supply
    matched: Matched
    contracts: tuple[Contract, ...]

    def lines(self) -> tuple[Line, ...]:
        """Return the lines of scope 2 by both methods, and of scope 3, category 3.

        Raises DataError for factors that are not known, and where no factor prices the site.
        """
        return (self._location(), *self._market(), *self._upstream())

    def _line(self, method: Method, emissions: Range, rate: Rate, note: str = "") -> Line:
        factor = rate.factor
        return Line(
            year=self.year,
            site=self.terms.name,
            scope=2,
            category=CATEGORY,
            emissions=emissions,
            gas=rate.gas,
            method=method,
            basis=factor.basis,
            gwp=rate.gwp,
            factor_id=factor.id,
            factor_sha256=factor.sha256,
            factor_vintage=str(factor.year),
            quality=self.electricity.quality,
            origin=self.electricity.origin,
            note=note,
        )

    def _rate(self, factor_id: str) -> Rate:
        return rate_of(self.table, factor_id, self.year, self.gwp)

    def by_location(self, part_mwh: IntArray) -> Line:
        """Return the line of so much import, int64[H] [mWh], by the location factor."""
        priced = self.electricity.priced
        if priced is None and not self.terms.grid_factor:
            what = f"nothing prices its electricity of {self.year}"
            remedy = "name its grid_factor"
            raise DataError(Finding(where=f"site {self.terms.name}", what=what, remedy=remedy))
        if self.terms.grid_factor or priced is None:
            rate = self._rate(self.terms.grid_factor)
            return self._line("location", rate.of(int(part_mwh.sum())), rate)
        load = self.supply.load_mwh
        low, mid, high = (
            part_mg(part_mwh, load, mg) for mg in (priced.low_mg, priced.mid_mg, priced.high_mg)
        )
        return Line(
            year=self.year,
            site=self.terms.name,
            scope=2,
            category=CATEGORY,
            emissions=Range(low_mg=low, mid_mg=mid, high_mg=high),
            method="location",
            basis=priced.basis,
            gwp=UNSTATED,
            factor_id=priced.factor_id,
            factor_sha256=priced.factor_sha256,
            factor_vintage=priced.factor_vintage,
            quality=self.electricity.quality,
            origin=self.electricity.origin,
        )

    def _location(self) -> Line:
        return self.by_location(self.supply.import_mwh)

    def _market(self) -> list[Line]:
        amounts: Sequence[int] = self.matched.by_contract_mwh.sum(axis=0).tolist()
        lines = []
        for contract, amount in zip(self.contracts, amounts, strict=True):
            rate = self._rate(contract.factor_id)
            note = f"{contract.name}, retired as {contract.retirement}"
            lines.append(self._line("market", rate.of(amount), rate, note))
        rest = self.matched.unmatched_mwh
        if self._has_residual():
            rate = self._rate(self.terms.residual_factor)
            lines.append(self._line("market", rate.of(int(rest.sum())), rate, "unmatched"))
        else:
            lines.append(replace(self.by_location(rest), method="market", note=NO_RESIDUAL))
        return lines

    def _has_residual(self) -> bool:
        """Tell whether a residual mix of the year is known; one that begins later is not."""
        begins = self.table.begins(self.terms.residual_factor)
        return bool(self.terms.residual_factor) and (begins is None or begins <= self.year)

    def _upstream(self) -> list[Line]:
        amount = int(self.supply.import_mwh.sum())
        lines = []
        for factor_id, note in (
            (self.terms.upstream_factor, "upstream of the plants"),
            (self.terms.losses_factor, "lost in transmission and distribution"),
        ):
            if factor_id:
                rate = self._rate(factor_id)
                line = self._line("location", rate.of(amount), rate, note)
                lines.append(replace(line, scope=3, category=UPSTREAM_ENERGY, method=""))
        return lines
