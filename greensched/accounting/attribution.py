"""Who saved what: Shapley values of switches, in whole units that sum to the saving.

v(S) is a quantity (machines, mWh, mg CO2e: whole numbers) with the set S of switches on. A
switch's *alone* is v({i}) - v({}), its *last in* v(N) - v(N - i), its Shapley value the mean of
what it adds over all orders of switching on (Shapley 1953, "A value for n-person games"):

    phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! x (v(S + i) - v(S))

How much two switches do together beyond what each does, over all sets of the others, is the
Shapley interaction index (Grabisch and Roubens 1999, Int. J. Game Theory 28, 547-565):

    I_ij = sum over S without i, j of |S|! (n - |S| - 2)! / (n - 1)!
           x (v(S + i + j) - v(S + i) - v(S + j) + v(S))

Sums are rational and exact. No random number is drawn here: orders to sample are an argument.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from greensched.accounting.rounding import settle
from greensched.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Callable

Switches: TypeAlias = frozenset[str]
Values: TypeAlias = Mapping[Switches, int]

EXACT_MAX: Final = 6  # switches whose sets are all run; beyond, groups or sampled orders
ORDERS_MIN: Final = 2  # a standard error needs two


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one switch adds to a quantity, in its whole units."""

    name: str
    alone: int
    last_in: int
    shapley: int
    standard_error: float = 0.0  # of `shapley` where it was sampled; 0 where exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """What two switches do together beyond the sum of both: below 0 they compete."""

    first: str
    second: str
    together: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """A total and its parts by switch, in order of name; `shapley` sums to `total` exactly.

    `interactions` are in order of names too, and empty where orders were sampled.
    """

    method: Literal["exact", "sampled"]
    total: int
    technologies: tuple[Contribution, ...]
    interactions: tuple[Interaction, ...] = ()
    orders: int = 0  # sampled; 0 where exact


def all_sets(names: Sequence[str]) -> tuple[Switches, ...]:
    """Return the 2^n sets of `names`, the smaller ones first, then by name."""
    ordered = sorted(names)
    sizes = range(len(ordered) + 1)
    return tuple(frozenset(part) for size in sizes for part in combinations(ordered, size))


def sampled_sets(orders: Sequence[Sequence[str]]) -> tuple[Switches, ...]:
    """Return the sets whose values `sample` asks for, given its orders."""
    names = sorted(orders[0]) if orders else []
    everything = frozenset(names)
    needed = {frozenset(order[:size]) for order in orders for size in range(len(names) + 1)}
    needed |= {frozenset({name}) for name in names} | {everything - {name} for name in names}
    return tuple(sorted(needed, key=lambda part: (len(part), sorted(part))))


def shapley_values(values: Values) -> dict[str, Fraction]:
    """Return the exact Shapley value of each switch, by name.

    Raises InternalError where the value of a set is missing.
    """
    names = _names(values)
    n = len(names)
    weights = [math.factorial(s) * math.factorial(n - s - 1) for s in range(n)]
    sums = dict.fromkeys(names, 0)
    for part, value in values.items():
        for name in names:
            if name in part:
                sums[name] += weights[len(part) - 1] * value
            else:
                sums[name] -= weights[len(part)] * value
    return {name: Fraction(sums[name], math.factorial(n)) for name in names}


def interaction_indices(values: Values) -> dict[tuple[str, str], Fraction]:
    """Return the exact Shapley interaction index of each pair, by names in order.

    Raises InternalError where the value of a set is missing.
    """
    names = _names(values)
    n = len(names)
    indices = {}
    for pair in combinations(names, 2):
        others = [name for name in names if name not in pair]
        first, second = (frozenset({name}) for name in pair)
        total = 0
        for rest in all_sets(others):
            weight = math.factorial(len(rest)) * math.factorial(n - len(rest) - 2)
            both = values[rest | first | second] + values[rest]
            total += weight * (both - values[rest | first] - values[rest | second])
        indices[pair] = Fraction(total, math.factorial(n - 1))
    return indices


def attribute(values: Values) -> Attribution:
    """Return the attribution of a quantity, given its whole value for each set of switches.

    A group of switches that go on together is one name. Raises InternalError where the value of
    a set is missing.
    """
    shapley = shapley_values(values)
    total = values[frozenset(shapley)] - values[frozenset()]
    return Attribution(
        method="exact",
        total=total,
        technologies=_contributions(shapley, values),
        interactions=tuple(
            Interaction(first=first, second=second, together=round(index))
            for (first, second), index in interaction_indices(values).items()
        ),
    )


def sample(values: Values, orders: Sequence[Sequence[str]]) -> Attribution:
    """Return the attribution estimated from `orders` of switching on, drawn independently.

    `values` holds at least `sampled_sets(orders)`. What a switch adds is averaged over the
    orders; the averages sum to the total too. Raises InternalError where there are fewer than
    two orders, where they are not orders of the same switches, or where a value is missing.
    """
    names = sorted(set(orders[0])) if orders else []
    if len(orders) < ORDERS_MIN or any(sorted(order) != names for order in orders):
        message = "sampling needs two orders or more, each of the same switches"
        raise InternalError(message)
    missing = [part for part in sampled_sets(orders) if part not in values]
    if missing:
        raise InternalError(_missing(missing))
    added: dict[str, list[int]] = {name: [] for name in names}
    for order in orders:
        for size, name in enumerate(order):
            before = frozenset(order[:size])
            added[name].append(values[before | {name}] - values[before])
    means = {name: Fraction(sum(parts), len(orders)) for name, parts in added.items()}
    errors = {name: _standard_error(parts) for name, parts in added.items()}
    return Attribution(
        method="sampled",
        total=values[frozenset(names)] - values[frozenset()],
        technologies=_contributions(means, values, errors),
        orders=len(orders),
    )


def strongest(attribution: Attribution) -> Interaction | None:
    """Return the interaction that is largest either way; None where nothing interacts."""
    found = [i for i in attribution.interactions if i.together]
    return max(found, key=lambda i: abs(i.together), default=None)  # first by name on ties


def interaction_sentence(
    attribution: Attribution, *, idle: str = "capacity", amount: Callable[[int], str] = str
) -> str:
    """Return the strongest interaction in one sentence.

    `idle` says what the quantity's savings are made of (`cores`, `hours`), `amount` writes a
    number with its unit.
    """
    if attribution.method == "sampled":
        return "Interactions are not known: orders were sampled."
    found = strongest(attribution)
    if found is None:
        return "No two technologies interact."
    pair = f"{found.first} and {found.second}"
    size = amount(abs(found.together))
    has_others = len(attribution.technologies) > 2  # noqa: PLR2004 the pair itself
    mean = ", averaged over what else is on" if has_others else ""
    if found.together < 0:
        what = f"compete for the same idle {idle}: together {size} less"
    else:
        what = f"reinforce each other: together {size} more"
    return f"{pair} {what} than the sum of both{mean}."


def round_parts(parts: Mapping[str, Fraction]) -> dict[str, int]:
    """Return `parts`, whose sum is a whole number, rounded by largest remainder.

    Ties go to the earlier part. Parts may be negative.
    """
    if not parts:
        return {}
    # `settle` takes nothing below 0; a whole number added to all changes no remainder.
    lift = -min(math.floor(part) for part in parts.values())
    scale = math.lcm(*(part.denominator for part in parts.values()))
    amounts = np.array([[int((part + lift) * scale) for part in parts.values()]], object)
    cells = settle(amounts, [scale] * len(parts), range(len(parts)))
    return {name: int(cell) - lift for name, cell in zip(parts, cells[0], strict=True)}


def _names(values: Values) -> list[str]:
    """Return all switches in order, the values of all their sets being there."""
    names = sorted(frozenset().union(*values))
    missing = [part for part in all_sets(names) if part not in values]
    if missing:
        raise InternalError(_missing(missing))
    return names


def _missing(missing: Sequence[Switches]) -> str:
    first = ", ".join(sorted(missing[0])) or "no switch"
    return f"{len(missing)} sets of switches have no value; the first is: {first}"


def _contributions(
    shapley: Mapping[str, Fraction], values: Values, errors: Mapping[str, float] | None = None
) -> tuple[Contribution, ...]:
    nothing, everything = frozenset[str](), frozenset(shapley)
    whole = round_parts(shapley)
    return tuple(
        Contribution(
            name=name,
            alone=values[nothing | {name}] - values[nothing],
            last_in=values[everything] - values[everything - {name}],
            shapley=whole[name],
            standard_error=0.0 if errors is None else errors[name],
        )
        for name in shapley
    )


def _standard_error(parts: Sequence[int]) -> float:
    """Return the standard error of the mean of independent `parts`."""
    n = len(parts)
    mean = Fraction(sum(parts), n)
    return math.sqrt(sum((part - mean) ** 2 for part in parts) / (n - 1) / n)
