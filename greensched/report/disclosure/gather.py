"""What a statement is made of: the company's files and its ledger, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from greensched.accounting.books import (
    Avoided,
    Contract,
    Cooling,
    FactorTable,
    Known,
    Offsets,
    OnSite,
    SiteTerms,
    Terms,
    metered,
    of_activities,
    year_books,
)
from greensched.errors import Finding, GreenschedError, ScenarioError
from greensched.readers import books as files
from greensched.readers.books.rows import checksum_of
from greensched.units import MWH_MILLI_PER_KWH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from greensched.accounting.books import Activity, Metered, Offset, Saved, Year, YearBooks
    from greensched.model import FloatArray, IntArray
    from greensched.report.disclosure.operated import Operated
    from greensched.scenario.company import CompanySite, ContractSpec
    from greensched.scenario.company_file import Company

Made = TypeVar("Made")
ENERGY = "energy_kwh"
TEMPERATURE = "temperature_c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """The ways to cool a site over a year's weather: float64[H] [C] outside."""

    site: str
    temperatures_c: FloatArray
    capacity_w: float
    coolings: tuple[Cooling, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """All that is known of a company for a statement of `year`; `inputs` are (file, SHA-256)."""

    company: Company
    year: int
    table: FactorTable
    own_factors: frozenset[str]
    books: tuple[YearBooks, ...]  # of each year that is known, from the base year on
    avoided: Avoided
    offsets: Offsets
    ways: tuple[Ways, ...]
    notes: tuple[str, ...]
    inputs: tuple[tuple[Path, str], ...]

    @property
    def now(self) -> YearBooks:
        """Return the books of the statement's year."""
        return self.books[-1]


class _Files:
    """Reads files, remembers their checksums and everything that is wrong with any."""

    __slots__ = ("company", "findings", "inputs")

    def __init__(self, company: Company) -> None:
        self.company = company
        self.findings: list[Finding] = []
        self.inputs: dict[Path, str] = {}

    def read(
        self,
        text: str | None,
        where: tuple[str | int, ...],
        read: Callable[[Path], tuple[Made, str]],
    ) -> Made | None:
        """Return what a file holds; None where none is named, or it is wrong."""
        if text is None:
            return None
        try:
            path = self.company.file(text, *where)
            made, self.inputs[path] = read(path)
        except GreenschedError as error:
            self.findings += [f for f in error.findings if f not in self.findings]
            return None
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What the company's files hold; by year where they are by the hour."""

    own: FactorTable
    activities: tuple[Activity, ...]
    offsets: tuple[Offset, ...]
    avoided: tuple[Saved, ...]
    contracts: tuple[Contract, ...]
    on_site: Mapping[int, Mapping[str, OnSite]]
    ways: tuple[Ways, ...]
    inputs: tuple[tuple[Path, str], ...]


def gather(
    company: Company,
    year: int,
    ledger: Operated,
    progress: Callable[[float], None] = lambda _share: None,
) -> Gathered:
    """Return what is known of a company for `year`, and of the years back to its base year.

    `progress` is told the share of the ledger that is read. Raises ScenarioError with what is
    wrong in any of the files, DataError where what they say cannot be priced.
    """
    spec = company.spec
    if year < spec.base_year.year:
        what = f"{year} is before the base year {spec.base_year.year}"
        raise ScenarioError(Finding(where=f"disclose {year}", what=what))
    calendar = [company.calendar(y) for y in range(spec.base_year.year, year + 1)]
    read = _read(company, calendar)
    table = files.bundled_factors().overridden(read.own)
    terms = Terms(
        gwp=spec.gwp,
        matching=spec.matching,
        sites=tuple(_site(site) for site in spec.sites),
        contracts=read.contracts,
    )
    priced = frozenset(site.name for site in spec.sites if site.grid_factor)
    told = metered(
        ledger.records(progress),
        calendar,
        superseded=ledger.superseded(),
        priced_elsewhere=priced,
    )
    return Gathered(
        company=company,
        year=year,
        table=table,
        own_factors=frozenset(read.own.ids),
        books=_books(terms, table, read, told),
        avoided=Avoided(savings=tuple(s for s in read.avoided if s.year == year))
        + told[year].avoided,
        offsets=Offsets(owner=spec.name, year=year, offsets=read.offsets),
        ways=read.ways,
        notes=told[year].notes,
        inputs=read.inputs,
    )


def _read(company: Company, calendar: list[Year]) -> _Read:
    """Return what the company's files hold; raises ScenarioError with what is wrong in any."""
    spec, found = company.spec, _Files(company)
    own = [found.read(t, ("factors", i), _factors) for i, t in enumerate(spec.factors)]
    activities = [
        found.read(t, ("activities", i), files.read_activities)
        for i, t in enumerate(spec.activities)
    ]
    offsets = found.read(spec.offsets, ("offsets",), files.read_offsets)
    avoided = found.read(spec.avoided, ("avoided",), files.read_avoided)
    contracts = tuple(
        _contract(found, one, i, company.calendar(one.year))
        for i, one in enumerate(spec.contracts)
    )
    on_site = {
        one.year: {
            site.name: _on_site(found, site, i, one)
            for i, site in enumerate(spec.sites)
            if site.on_site and site.on_site.since <= one.year
        }
        for one in calendar
    }
    year = calendar[-1]
    ways = [
        _ways(found, site, i, year)
        for i, site in enumerate(spec.sites)
        if site.cooling and site.cooling.is_of(year.year)
    ]
    if found.findings:
        raise ScenarioError(*found.findings)
    return _Read(
        own=FactorTable(factors=tuple(f for one in own if one is not None for f in one.factors)),
        activities=tuple(a for one in activities for a in one or ()),
        offsets=offsets or (),
        avoided=avoided or (),
        contracts=contracts,
        on_site=on_site,
        ways=tuple(one for one in ways if one is not None),
        inputs=tuple(sorted(found.inputs.items())),
    )


def _books(
    terms: Terms, table: FactorTable, read: _Read, told: Mapping[int, Metered]
) -> tuple[YearBooks, ...]:
    """Return the books of every year of which anything is known; the last has to be."""
    books = []
    for year, one in told.items():
        own = tuple(a for a in read.activities if a.year == year)
        electricity = (*one.electricity, *of_activities(own))
        if own or electricity:
            present = {e.site for e in electricity}
            known = Known(
                year=year,
                activities=own,
                electricity=electricity,
                on_site={s: made for s, made in read.on_site[year].items() if s in present},
                embodied=one.embodied,
            )
            books.append(year_books(terms, table, known))
    last = max(told)
    if not books or books[-1].year != last:
        what = f"neither the ledger nor activities say anything of {last}"
        raise ScenarioError(Finding(where=f"disclose {last}", what=what))
    return tuple(books)


def _factors(path: Path) -> tuple[FactorTable, str]:
    return files.read_factors([path]), checksum_of(path)


def _site(site: CompanySite) -> SiteTerms:
    return SiteTerms(
        name=site.name,
        market=site.market,
        control=site.control,
        grid_factor=site.grid_factor or "",
        residual_factor=site.residual_factor or "",
        upstream_factor=site.upstream_factor or "",
        losses_factor=site.losses_factor or "",
        grid_cfe=Fraction(str(site.grid_cfe)),
    )


def _by_hour(
    found: _Files, text: str | None, where: tuple[str | int, ...], column: str, year: Year
) -> FloatArray | None:
    """Return a column of a file for the hours of a year; None where there is none, or wrong."""
    return found.read(
        text, where, lambda path: files.read_hours(path, column, year.start_ms, year.hours)
    )


def _energy(
    found: _Files, text: str | None, where: tuple[str | int, ...], year: Year
) -> IntArray | None:
    """Return the energy in a file by the hour, whole milliwatt-hours."""
    kwh = _by_hour(found, text, where, ENERGY, year)
    return None if kwh is None else np.rint(kwh * MWH_MILLI_PER_KWH).astype(np.int64)


def _contract(found: _Files, spec: ContractSpec, place: int, year: Year) -> Contract:
    where = ("contracts", place, "delivered")
    delivered = _energy(found, spec.delivered, where, year)
    if delivered is not None and int(delivered.sum()) != spec.amount:
        what = (
            f"delivers {int(delivered.sum()) / MWH_MILLI_PER_KWH:,.3f} kWh, but its amount is "
            f"{spec.amount / MWH_MILLI_PER_KWH:,.3f} kWh"
        )
        found.findings.append(Finding(where=found.company.source.where(where), what=what))
    return Contract(
        name=spec.name,
        market=spec.market,
        year=spec.year,
        factor_id=spec.factor,
        amount_mwh=spec.amount,
        retirement=spec.retirement or "",
        is_renewable=spec.renewable,
        delivered_mwh=delivered,
    )


def _on_site(found: _Files, site: CompanySite, place: int, year: Year) -> OnSite:
    spec = site.on_site
    assert spec is not None
    series = {
        name: _energy(found, getattr(spec, name), ("sites", place, "on_site", name), year)
        for name in ("pv", "genset", "discharge", "charge")
    }
    return OnSite(
        pv_mwh=series["pv"],
        genset_mwh=series["genset"],
        discharge_mwh=series["discharge"],
        charge_mwh=series["charge"],
    )


def _ways(found: _Files, site: CompanySite, place: int, year: Year) -> Ways | None:
    spec = site.cooling
    assert spec is not None
    where = ("sites", place, "cooling")
    outside = _by_hour(found, spec.climate, (*where, "climate"), TEMPERATURE, year)
    coolings = [
        found.read(
            one.file,
            (*where, "alternatives", i, "file"),
            lambda path, name=one.name: files.read_cooling(path, name),  # type: ignore[misc]
        )
        for i, one in enumerate(spec.alternatives)
    ]
    if outside is None or None in coolings:
        return None
    return Ways(
        site=site.name,
        temperatures_c=outside,
        capacity_w=spec.capacity,
        coolings=tuple(one for one in coolings if one is not None),
    )
