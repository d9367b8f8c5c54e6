"""The runs of an attribution: which sets of switches there are, and what each of them gives.

All runs of a scenario have one demand, one fleet, one division of machines and one set of
factors (common random numbers): they differ in policies alone. Each run returns the hash of the
demand that it saw, and `same_demand` holds them against each other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from greensched import registry
from greensched.accounting import Totals, all_sets, sampled_sets, total
from greensched.accounting.attribution import EXACT_MAX, ORDERS_MIN, Switches
from greensched.errors import Finding, InternalError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from greensched.experiment.outcome import Outcome
    from greensched.experiment.world import Shared
    from greensched.model import Policy
    from greensched.scenario import Workload

ORDERS: Final = 16  # of switching on, drawn where there are too many sets to run all
ORDERS_STREAM: Final = 4  # of the seed; the others draw demand
LABELS: Final = frozenset({"ids"})  # names of jobs are no demand

Players: TypeAlias = dict[str, tuple[str, ...]]  # a switch or a group -> kinds of policies


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """How to attribute: kinds that count as one switch, and how many orders to sample.

    None: `ORDERS` where there are too many sets to run all, else all sets.
    """

    groups: tuple[tuple[str, ...], ...] = ()
    orders: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """What one set of switches gives: `service` and `batch` as in a summary.

    `end_ms` is the later of the table's end and its own; `totals` are until then.
    """

    switches: tuple[str, ...]
    end_ms: int
    totals: Totals
    service: dict[str, Any]
    batch: dict[str, Any]
    counts: dict[str, int]
    demand_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """The players, the sets of them to be run, and the orders that were drawn (none: exact)."""

    players: Players
    wanted: tuple[Switches, ...]
    orders: tuple[tuple[str, ...], ...] = ()

    def policies(self, on: Switches, policies: Sequence[Policy]) -> tuple[Policy, ...]:
        """Return those of `policies`, in their order, that belong to the players in `on`."""
        kinds = {kind for name in on for kind in self.players[name]}
        return tuple(p for p in policies if p.kind in kinds)


def sets_of(policies: Sequence[Policy], question: Question, seed: int) -> Sets:
    """Return the sets to run: all of them, or those of orders drawn with the scenario's seed.

    Orders that need all sets are none: what is known exactly is not sampled. Raises UsageError
    for groups that name no switch, or one twice, and for too few orders.
    """
    groups = [[_kind(name, policies) for name in group] for group in question.groups]
    players = _players([p.kind for p in policies], groups)
    names = list(players)
    every = Sets(players=players, wanted=all_sets(names))
    if question.orders is None and len(names) <= EXACT_MAX:
        return every
    count = ORDERS if question.orders is None else question.orders
    if count < ORDERS_MIN:
        what, remedy = "a standard error needs two orders", f"for example {ORDERS}"
        raise UsageError(Finding(where=f"--orders {count}", what=what, remedy=remedy))
    draw = np.random.default_rng([seed, ORDERS_STREAM])
    orders = tuple(tuple(draw.permutation(sorted(names)).tolist()) for _ in range(count))
    wanted = sampled_sets(orders)
    if len(wanted) == len(every.wanted):
        return every
    return Sets(players=players, wanted=wanted, orders=orders)


def _players(kinds: Sequence[str], groups: Sequence[Sequence[str]]) -> Players:
    """Return the players in the order of the switches; a group stands where its first does."""
    listed = [kind for group in groups for kind in group]
    findings = [
        Finding(where="--group", what=what, remedy=f"on are: {', '.join(kinds) or 'no switches'}")
        for what in dict.fromkeys(
            [f"'{k}' is no switch that is on" for k in listed if k not in kinds]
            + [f"'{k}' is in two groups" for k in listed if listed.count(k) > 1]
        )
    ]
    if findings:
        raise UsageError(*findings)
    group_of = {kind: tuple(k for k in kinds if k in group) for group in groups for kind in group}
    members = (group_of.get(kind, (kind,)) for kind in kinds)
    return {" + ".join(group): group for group in members}


def _kind(name: str, policies: Sequence[Policy]) -> str:
    """Return the kind of the switch that is registered as `name`: `tidal` -> its full name."""
    if name not in registry.names("policy"):
        return name
    named = registry.load("policy", name)
    return next((p.kind for p in policies if type(p) is named), name)


def of_outcome(shared: Shared, outcome: Outcome, switches: Sequence[Policy]) -> Combination:
    """Return what an accounted run says of its set of switches."""
    return Combination(
        switches=tuple(p.kind for p in switches),
        end_ms=outcome.run.end_ms,
        totals=total(outcome.entries),
        service=outcome.service,
        batch=outcome.batch,
        counts=outcome.run.counts,
        demand_sha256=demand_sha256(shared),
    )


def demand_sha256(shared: Shared) -> str:
    """Return the SHA-256 of all that is wanted: loads, replicas, jobs, window and seed."""
    digest = hashlib.sha256()
    scenario = shared.scenario
    digest.update(f"{scenario.start_utc_ms} {scenario.window_ms} {scenario.seed}".encode())
    for part in _demand(shared.workload):
        for field in fields(part) if part is not None else ():
            if field.name in LABELS:
                continue
            value = getattr(part, field.name)
            if isinstance(value, np.ndarray):
                digest.update(f"{field.name} {value.dtype.str} {value.shape}".encode())
                digest.update(np.ascontiguousarray(value).data)
            else:
                digest.update(f"{field.name} {value!r}".encode())
    return digest.hexdigest()


def _demand(workload: Workload) -> tuple[Any, ...]:
    """Return the parts of demand; databases where there are any."""
    parts = (workload.services, workload.jobs)
    return parts if workload.databases is None else (*parts, workload.databases)


def same_demand(combinations: Iterable[Combination]) -> str:
    """Return the one hash of demand that all runs saw; raises InternalError where they differ."""
    found = {c.demand_sha256: c.switches for c in combinations}
    if len(found) != 1:
        sets = "; ".join(", ".join(switches) or "no switch" for switches in found.values())
        raise InternalError(f"runs to be compared saw different demand: {sets}")
    return next(iter(found))
