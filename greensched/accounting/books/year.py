"""A company's year: one inventory of all its sites, and what is told of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from greensched.accounting.books.activities import measured, priced
from greensched.accounting.books.book import SCOPE2, Inventory, Range
from greensched.accounting.books.control import by_control
from greensched.accounting.books.electricity import SiteBook
from greensched.accounting.books.indicators import sci_mg
from greensched.accounting.books.market import by_site
from greensched.accounting.books.scores import Scores, scores, told
from greensched.accounting.books.supply import supplied
from greensched.errors import DataError, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from greensched.accounting.books.activities import Activity
    from greensched.accounting.books.book import Line
    from greensched.accounting.books.electricity import Electricity, SiteTerms
    from greensched.accounting.books.factors import FactorTable
    from greensched.accounting.books.market import Contract, Matched, Matching
    from greensched.accounting.books.supply import Supply
    from greensched.model import IntArray


BY_THE_HOUR: Final = "keep its use by the hour in the ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnSite:
    """What a site makes and stores, int64[H] [mWh] by the hour of the year; None: nothing."""

    pv_mwh: IntArray | None = None
    genset_mwh: IntArray | None = None
    discharge_mwh: IntArray | None = None
    charge_mwh: IntArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a company is counted: its sites, its contracts, one GWP set and one way of matching."""

    gwp: str
    matching: Matching
    sites: tuple[SiteTerms, ...]
    contracts: tuple[Contract, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a year. `embodied` is the time-linear share of the machines, for SCI."""

    year: int
    activities: tuple[Activity, ...] = ()
    electricity: tuple[Electricity, ...] = ()
    on_site: Mapping[str, OnSite] = field(default_factory=dict)
    embodied: Range = field(default_factory=Range)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteYear:
    """A site in a year: what it used, from where, how clean, and its indicators."""

    book: SiteBook
    scores: Scores
    told: dict[str, Fraction | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class YearBooks:
    """The inventory of a year, gross, in the scopes that control gives; and what goes with it.

    `left_out` has the contracts that could not be matched, with the reason. `sci_mg` is None
    where nobody counted functional units.
    """

    year: int
    inventory: Inventory
    sites: tuple[SiteYear, ...]
    left_out: tuple[tuple[Contract, str], ...]
    renewable_mwh: int
    told: dict[str, Fraction | None]
    embodied: Range
    sci_mg: Fraction | None


def year_books(terms: Terms, table: FactorTable, known: Known) -> YearBooks:
    """Return the books of a year.

    Raises DataError, with all that can be told at once, for unknown sites and factors, a site
    whose electricity is known twice, on-site supply of a site without hours, hourly matching
    without hours, and factors of scope 2 that are not direct.
    """
    _check(terms, known)
    markets = {site.market for site in terms.sites}
    reasons = [(c, c.why_not(markets, known.year)) for c in terms.contracts]
    used = tuple(contract for contract, reason in reasons if not reason)
    books = _site_books(terms, table, known, used)
    lines = [*priced(known.activities, table, terms.gwp)]
    for book in books:
        lines += book.lines()
    _check_direct(lines)
    gross = Inventory(gwp=terms.gwp, lines=tuple(lines))
    by_hour = _by_hour(books)
    sites = tuple(_site_year(book, by_hour.get(book.terms.name), gross, known) for book in books)
    renewable_mwh = sum(site.scores.renewable_mwh for site in sites)
    units = measured(known.activities, "functional_unit")
    operational = gross.scopes("location", 2)
    return YearBooks(
        year=known.year,
        inventory=by_control(gross, {site.name: site.control for site in terms.sites}),
        sites=sites,
        left_out=tuple((c, why) for c, why in reasons if why and c.year == known.year),
        renewable_mwh=renewable_mwh,
        told=told(known.electricity, renewable_mwh, gross, known.activities),
        embodied=known.embodied,
        sci_mg=sci_mg(operational.mid_mg, known.embodied.mid_mg, units) if units else None,
    )


def _check(terms: Terms, known: Known) -> None:
    names = [site.name for site in terms.sites]
    places = [(a.origin or a.kind, a.site) for a in known.activities if a.site]
    places += [(e.origin or "electricity", e.site) for e in known.electricity]
    remedy = f"there are {', '.join(names)}"
    found = [
        Finding(where=where, what=f"unknown site {name!r}", remedy=remedy)
        for where, name in places
        if name not in names
    ]
    sites = [one.site for one in known.electricity]
    what = f"its electricity of {known.year} is told twice"
    found += [
        Finding(where=f"site {name}", what=what, remedy="by the ledger or by activities, not both")
        for name in sorted({name for name in sites if sites.count(name) > 1})
    ]
    what = f"makes power on site, but of {known.year} only the sum of its use is known"
    found += [
        Finding(where=f"site {one.site}", what=what, remedy=BY_THE_HOUR)
        for one in known.electricity
        if one.site in known.on_site and len(one.load_mwh) == 1
    ]
    if found:
        raise DataError(*found)


def _check_direct(lines: Sequence[Line]) -> None:
    """Raise DataError for factors of scope 2 that count more than what the plants give off."""
    wrong = {
        (line.factor_id, line.basis)
        for line in lines
        if line.scope == SCOPE2 and line.basis != "direct"
    }
    remedy = "name a direct one, with basis 'direct' in its file; what is upstream is scope 3"
    found = [
        Finding(where=f"factor {name}", what=f"is {basis}, and scope 2 is direct", remedy=remedy)
        for name, basis in sorted(wrong)
    ]
    if found:
        raise DataError(*found)


def _site_books(
    terms: Terms, table: FactorTable, known: Known, contracts: Sequence[Contract]
) -> list[SiteBook]:
    """Return the books of the sites of which electricity is known, in the order of the terms."""
    electricity = {one.site: one for one in known.electricity}
    sites = [site for site in terms.sites if site.name in electricity]
    supplies = {s.name: _supply(electricity[s.name], known.on_site.get(s.name)) for s in sites}
    matched = _matched(sites, supplies, contracts, terms.matching)
    return [
        SiteBook(
            terms=site,
            year=known.year,
            gwp=terms.gwp,
            table=table,
            electricity=electricity[site.name],
            supply=supplies[site.name],
            matched=matched[site.name],
            contracts=_of_market(contracts, site.market),
        )
        for site in sites
    ]


def _of_market(contracts: Sequence[Contract], market: str) -> tuple[Contract, ...]:
    return tuple(contract for contract in contracts if contract.market == market)


def _supply(electricity: Electricity, on_site: OnSite | None) -> Supply:
    made = on_site or OnSite()
    return supplied(
        electricity.load_mwh,
        pv_mwh=made.pv_mwh,
        genset_mwh=made.genset_mwh,
        discharge_mwh=made.discharge_mwh,
        charge_mwh=made.charge_mwh,
        where=f"site {electricity.site}",
    )


def _matched(
    sites: Sequence[SiteTerms],
    supplies: Mapping[str, Supply],
    contracts: Sequence[Contract],
    matching: Matching,
) -> dict[str, Matched]:
    """Return what contracts cover at each site, market by market."""
    found: dict[str, Matched] = {}
    for market in sorted({site.market for site in sites}):
        names = [site.name for site in sites if site.market == market]
        imports = [supplies[name].import_mwh for name in names]
        own = _of_market(contracts, market)
        if own and matching == "hourly":
            _check_hours(own[0].year, names, imports)
        covered = by_site(imports, own, matching if own else "annual")
        found |= dict(zip(names, covered, strict=True))
    return found


def _check_hours(year: int, names: Sequence[str], imports: Sequence[IntArray]) -> None:
    """Raise DataError for the sites whose hours of a year are not known."""
    what = f"of {year} only the sum of its electricity is known, and contracts go by the hour"
    found = [
        Finding(where=f"site {name}", what=what, remedy=f"{BY_THE_HOUR}, or match by the year")
        for name, one in zip(names, imports, strict=True)
        if len(one) == 1
    ]
    if found:
        raise DataError(*found)


def _by_hour(books: Sequence[SiteBook]) -> dict[str, Matched]:
    """Return what contracts cover by the hour, of the markets in which all hours are known."""
    found: dict[str, Matched] = {}
    for market in {book.terms.market for book in books}:
        own = [book for book in books if book.terms.market == market]
        is_known = all(len(book.supply.load_mwh) > 1 for book in own)
        if is_known and all(c.delivered_mwh is not None for c in own[0].contracts):
            covered = by_site([b.supply.import_mwh for b in own], own[0].contracts, "hourly")
            found |= dict(zip((b.terms.name for b in own), covered, strict=True))
    return found


def _site_year(
    book: SiteBook, by_hour: Matched | None, gross: Inventory, known: Known
) -> SiteYear:
    name, found = book.terms.name, scores(book, by_hour)
    indicators = told([book.electricity], found.renewable_mwh, gross, known.activities, name)
    return SiteYear(book=book, scores=found, told=indicators)
