"""Years side by side: targets, the path to them, and why electricity's emissions changed."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from greensched.accounting import explain
from greensched.accounting.books import Target, contributions, progress
from greensched.units import KG_PER_T, MG_PER_KG

if TYPE_CHECKING:
    from greensched.accounting.books import Progress, YearBooks
    from greensched.report.disclosure.gather import Gathered
    from greensched.scenario.company import TargetSpec

MG_PER_T = KG_PER_T * MG_PER_KG


def path_of(gathered: Gathered) -> list[dict[str, Any]]:
    """Return the main figures of each year that is known, from the base year on."""
    return [
        {
            "year": books.year,
            "scope1_t": books.inventory.scopes("location", 1).mid_mg / MG_PER_T,
            "scope2_location_t": books.inventory.scopes("location", 2).mid_mg / MG_PER_T,
            "scope2_market_t": books.inventory.scopes("market", 2).mid_mg / MG_PER_T,
            "scope3_t": books.inventory.scopes("market", 3).mid_mg / MG_PER_T,
            "renewable_share": float(_renewable(books)),
        }
        for books in gathered.books
    ]


def _renewable(books: YearBooks) -> Fraction:
    load = sum(int(site.book.supply.load_mwh.sum()) for site in books.sites)
    return Fraction(books.renewable_mwh, load) if load else Fraction(0)


def targets(gathered: Gathered) -> list[dict[str, Any]]:
    """Return where each target stands, and what each technology would cover of the way."""
    return [_target(gathered, spec) for spec in gathered.company.spec.targets]


def _target(gathered: Gathered, spec: TargetSpec) -> dict[str, Any]:
    target = Target(
        name=spec.name,
        quantity=spec.quantity,
        method=spec.method,
        scope2=spec.scope2,
        base_year=gathered.company.spec.base_year.year,
        year=spec.year,
        level=Fraction(str(spec.level)),
    )
    values = {books.year: _value(target, books) for books in gathered.books}
    found = progress(target, values, gathered.year)
    scale = 1 if target.method == "share" else MG_PER_T
    unit = "share" if target.method == "share" else "t"
    return {
        "name": target.name,
        "quantity": target.quantity,
        "method": target.method,
        "scope2": target.scope2,
        "base_year": target.base_year,
        "year": target.year,
        "unit": unit,
        "base": float(found.base / scale),
        "now": float(found.now / scale),
        "goal": float(found.goal / scale),
        "path": float(found.path / scale),
        "distance": float(found.distance / scale),
        "pace_per_year": None if found.pace is None else float(found.pace / scale),
        "pace_needed_per_year": None
        if found.pace_needed is None
        else float(found.pace_needed / scale),
        "reached_at_pace": found.reached,
        "state": found.state,
        "technologies": _technologies(gathered, found) if target.method != "share" else [],
    }


def _value(target: Target, books: YearBooks) -> Fraction:
    if target.quantity == "renewable_share":
        return _renewable(books)
    scopes = (1, 2) if target.quantity == "scopes12" else (1, 2, 3)
    return Fraction(books.inventory.scopes(target.scope2, *scopes).mid_mg)


def _technologies(gathered: Gathered, found: Progress) -> list[dict[str, Any]]:
    saved: dict[str, int] = {}
    for one in gathered.avoided.savings:
        if one.signal == "average":
            saved[one.name] = saved.get(one.name, 0) + one.mid_mg
    return [
        {"technology": name, "share_of_way": None if share is None else float(share)}
        for name, share in contributions(found, saved).items()
    ]


def change(gathered: Gathered) -> dict[str, Any] | None:
    """Return why electricity emits more or less than in the base year, location-based.

    Additive LMDI over IT energy x PUE x imported share x grid intensity; parts sum to the change.
    None where either year lacks one of these.
    """
    pair = (gathered.books[0], gathered.now)
    known = [_chain(books) for books in pair]
    base = gathered.company.spec.base_year.year
    if None in known or pair[0].year != base or pair[0] is pair[1]:
        return None
    (before_mg, before), (after_mg, after) = known  # type: ignore[misc]
    parts = explain(before_mg, after_mg, before, after)
    return {
        "from_year": base,
        "change_t": (after_mg - before_mg) / MG_PER_T,
        **{f"{name}_t": part / MG_PER_T for name, part in parts.items()},
    }


def _chain(books: YearBooks) -> tuple[int, dict[str, float]] | None:
    """Return the emissions of imported electricity and the factors whose product they are."""
    metered = [site.book.electricity.it_mwh for site in books.sites]
    it = sum(int(one.sum()) for one in metered if one is not None)
    emitted = sum(
        line.emissions.mid_mg
        for site in books.sites
        for line in site.book.lines()
        if line.method == "location"
    )
    load = sum(int(site.book.supply.load_mwh.sum()) for site in books.sites)
    imported = sum(int(site.book.supply.import_mwh.sum()) for site in books.sites)
    if any(one is None for one in metered) or not min(emitted, it, load, imported):
        return None
    return emitted, {
        "it_energy": float(it),
        "pue": load / it,
        "imported_share": imported / load,
        "grid_intensity": emitted / imported,
    }
