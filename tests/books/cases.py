"""Lines, factors, activities and offsets from which tests of the books start."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from greensched.accounting.books import (
    Activity,
    EmissionFactor,
    FactorTable,
    Inventory,
    Line,
    Offset,
    Offsets,
    Range,
)

GRID = EmissionFactor(
    id="grid",
    year=2022,
    gas="CO2",
    per="kWh",
    mid_kg=Fraction("0.5366"),
    low_kg=Fraction("0.5"),
    high_kg=Fraction("0.6"),
    basis="direct",
)


def factor(**changes: Any) -> EmissionFactor:
    """Return the grid's factor, changed; without `low_kg` or `high_kg` all bounds are `mid_kg`."""
    if "mid_kg" in changes:
        changes = {"low_kg": changes["mid_kg"], "high_kg": changes["mid_kg"], **changes}
    return replace(GRID, **changes)


def diesel() -> tuple[EmissionFactor, ...]:
    """Return a litre of diesel: three gases."""
    masses = {"CO2": "2.7", "CH4": "0.0001", "N2O": "0.00002"}
    return tuple(
        factor(id="diesel", gas=gas, per="l", mid_kg=Fraction(mass))
        for gas, mass in masses.items()
    )


def table(*factors: EmissionFactor) -> FactorTable:
    """Return a table of `factors`, or of the grid's and diesel's."""
    return FactorTable(factors=factors or (GRID, *diesel()))


def activity(**changes: Any) -> Activity:
    """Return 1,000 litres of diesel that a genset burnt."""
    base = Activity(
        year=2023,
        site="hz",
        kind="genset",
        quantity=Fraction(1_000),
        unit="l",
        factor_id="diesel",
        origin="activities.csv row 2",
    )
    return replace(base, **changes)


def kg(mid: float, low: float | None = None, high: float | None = None) -> Range:
    """Return a range in kilograms."""
    bounds = (mid if low is None else low, mid, mid if high is None else high)
    low_mg, mid_mg, high_mg = (round(one * 1_000_000) for one in bounds)
    return Range(low_mg=low_mg, mid_mg=mid_mg, high_mg=high_mg)


def line(**changes: Any) -> Line:
    """Return a kilogram of purchased electricity at `hz`, location-based."""
    base = Line(
        year=2023,
        site="hz",
        scope=2,
        category="purchased electricity",
        emissions=kg(1),
        method="location",
        factor_id="grid",
    )
    return replace(base, **changes)


def inventory(*lines: Line) -> Inventory:
    """Return an inventory by AR6."""
    return Inventory(gwp="AR6", lines=lines)


def offset(**changes: Any) -> Offset:
    """Return a tonne of forest of 2022 that `acme` retired for 2023."""
    base = Offset(
        registry="CCER",
        serial="1",
        kind="forest",
        vintage=2022,
        owner="acme",
        mass_mg=10**9,
        retired=2023,
    )
    return replace(base, **changes)


def offsets(*given: Offset) -> Offsets:
    """Return the offsets of `acme` for 2023."""
    return Offsets(owner="acme", year=2023, offsets=given)
