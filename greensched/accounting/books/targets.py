"""Targets and the path to them: how far, how fast, and when at the present pace.

    path(t) = base + (goal - base) x (t - base year) / (target year - base year)
    pace    = (base - now) / (now - base year)            mean since the base year

`absolute` contracts emissions by a share of the base year's (SBTi: absolute contraction);
`net_zero` leaves `goal` as its residual share, which removals then match: offsets come last and
lower no figure here; `share` raises a share, such as that of renewable electricity, to a goal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypeAlias

from greensched.errors import DataError, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greensched.accounting.books.book import Method

Quantity: TypeAlias = Literal["scopes12", "scopes123", "renewable_share"]
TargetMethod: TypeAlias = Literal["absolute", "net_zero", "share"]
State: TypeAlias = Literal["met", "on path", "behind", "missed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to be reached in `year`, against `base_year`.

    `level` is the reduction (absolute), the residual (net_zero), each a share of the base year's
    emissions, or the share itself. Raises DataError where it is not in 0 .. 1, the year is not
    after the base year, or the method does not fit the quantity.
    """

    name: str
    quantity: Quantity
    method: TargetMethod
    scope2: Method
    base_year: int
    year: int
    level: Fraction

    def __post_init__(self) -> None:
        """Check what a path needs."""
        where = f"target {self.name}"
        found = []
        if self.year <= self.base_year:
            what = f"{self.year} is not after its base year {self.base_year}"
            found.append(Finding(where=where, what=what))
        if not 0 <= self.level <= 1:
            what = f"{float(self.level):g} is not a share in 0 .. 1"
            found.append(Finding(where=where, what=what))
        if (self.method == "share") != (self.quantity == "renewable_share"):
            what = f"method {self.method} is not one of {self.quantity}"
            remedy = "'share' is of renewable_share, the others are of emissions"
            found.append(Finding(where=where, what=what, remedy=remedy))
        if found:
            raise DataError(*found)

    def goal(self, base: Fraction) -> Fraction:
        """Return the value to be reached, of a base year's value."""
        if self.method == "share":
            return self.level
        return base * (self.level if self.method == "net_zero" else 1 - self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a company stands. `distance` and paces are positive in the direction of the goal.

    `reached` is the year at the present pace, None where the pace leads away from the goal;
    `pace_needed` is None once the target year is over.
    """

    target: Target
    base: Fraction
    now: Fraction
    goal: Fraction
    path: Fraction
    distance: Fraction
    pace: Fraction | None
    pace_needed: Fraction | None
    reached: int | None
    state: State


def progress(target: Target, values: Mapping[int, Fraction], year: int) -> Progress:
    """Return where `values` (by year, in the quantity's unit) stand in `year`.

    Raises DataError where the base year or `year` has no value, or `year` is before it.
    """
    missing = [y for y in (target.base_year, year) if y not in values]
    if missing or year < target.base_year:
        what = f"no value of {missing[0]}" if missing else f"{year} is before its base year"
        raise DataError(Finding(where=f"target {target.name}", what=what))
    base, now = values[target.base_year], values[year]
    goal = target.goal(base)
    sign = -1 if target.method == "share" else 1
    distance = max(Fraction(0), sign * (now - goal))
    passed, whole = year - target.base_year, target.year - target.base_year
    path = base + (goal - base) * min(Fraction(1), Fraction(passed, whole))
    pace = sign * (base - now) / passed if passed else None
    left = target.year - year
    return Progress(
        target=target,
        base=base,
        now=now,
        goal=goal,
        path=path,
        distance=distance,
        pace=pace,
        pace_needed=distance / left if left > 0 else None,
        reached=_reached(distance, pace, year),
        state=_state(distance, sign * (now - path), left),
    )


def _reached(distance: Fraction, pace: Fraction | None, year: int) -> int | None:
    if not distance:
        return year
    return year + math.ceil(distance / pace) if pace is not None and pace > 0 else None


def _state(distance: Fraction, behind: Fraction, left: int) -> State:
    if not distance:
        return "met"
    if left <= 0:
        return "missed"
    return "behind" if behind > 0 else "on path"


def contributions(
    progress_now: Progress, avoided_mg: Mapping[str, int]
) -> dict[str, Fraction | None]:
    """Return which share of the whole way from base year to goal each technology would cover.

    `avoided_mg` is what each avoided in a year [mg CO2e], of the book of avoided emissions: a
    share of the way, not a part of the inventory's change. None where there is no way to go.
    """
    way = abs(progress_now.base - progress_now.goal)
    return {name: Fraction(mg) / way if way else None for name, mg in avoided_mg.items()}
