"""What a reader of the statement has to know: what is missing, stood in for, or left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.accounting.books.electricity import NO_RESIDUAL
from greensched.accounting.books.factors import ALL_YEARS
from greensched.accounting.books.gases import UNSTATED

if TYPE_CHECKING:
    from greensched.report.disclosure.gather import Gathered


def notes(gathered: Gathered) -> list[str]:
    """Return the notes in the order of their weight, each once."""
    now = gathered.now
    lines = now.inventory.lines
    found = list(gathered.notes)
    found += [
        f"contract {contract.name} is not counted: {reason}" for contract, reason in now.left_out
    ]
    found += _without_residual(gathered)
    older = {
        f"{line.factor_id} {line.factor_vintage}": None
        for line in lines
        if line.factor_vintage.isdecimal() and ALL_YEARS < int(line.factor_vintage) < gathered.year
    }
    if older:
        found.append(f"factors of an earlier year, the last there is: {', '.join(older)}")
    found += [
        f"factor {line.factor_id}: CO2e by a GWP set that its source does not state"
        for line in lines
        if line.gas == "CO2e" and line.gwp == UNSTATED and line.origin != "ledger"
    ]
    found += [
        f"{line.origin or line.category}: {line.quality}, not measured"
        for line in lines
        if line.quality != "measured"
    ]
    years = [books.year for books in gathered.books]
    missing = sorted(set(range(years[0], years[-1])) - set(years))
    if missing:
        found.append(f"nothing is known of {', '.join(map(str, missing))}")
    found += _not_reckoned(gathered)
    found += [
        f"{site.name}: ways of cooling are compared from {site.cooling.since} on"
        for site in gathered.company.spec.sites
        if site.cooling and not site.cooling.is_of(gathered.year)
    ]
    if now.embodied.mid_mg:
        found.append(
            "machines count in the year of purchase; their time-linear share is in the SCI alone"
        )
    return list(dict.fromkeys(found))


def _without_residual(gathered: Gathered) -> list[str]:
    """Return which sites had no residual mix in which years, the base year's among them."""
    years: dict[str, list[str]] = {}
    for books in gathered.books:
        for line in books.inventory.lines:
            known = years.setdefault(line.site, [])
            if line.note.startswith(NO_RESIDUAL) and str(books.year) not in known:
                known.append(str(books.year))
    return [
        f"{site}: no residual mix of {', '.join(of)}, the location factor stands in for it"
        for site, of in years.items()
        if of
    ]


def _not_reckoned(gathered: Gathered) -> list[str]:
    """Return what no factor is given for of the electricity that sites took.

    What is upstream is part of a life-cycle factor already.
    """
    bought = [line for line in gathered.now.inventory.lines if line.method]
    whole = {line.site for line in bought if line.basis == "lifecycle"}
    found = []
    for site in gathered.company.spec.sites:
        if site.name not in {line.site for line in bought}:
            continue
        if site.upstream_factor is None and site.name not in whole:
            found.append(f"{site.name}: no upstream_factor: what is upstream is not reckoned")
        if site.losses_factor is None:
            found.append(f"{site.name}: no losses_factor: losses of the grid are not reckoned")
    return found
