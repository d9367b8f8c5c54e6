"""When a plan is made anew, of what, and what was planned last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from greensched.controller.patches import planned_ms, released_ms
from greensched.controller.reconcile import Standing
from greensched.controller.snapshot import Candidate, Intention, intentions, left_ms
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from greensched.carbon import CarbonIntensity
    from greensched.controller.job import Job
    from greensched.controller.policy import Capacity, Policy
    from greensched.controller.reconcile import Assessed
    from greensched.controller.snapshot import Piece
    from greensched.model import FloatArray, IntArray

REPLAN_MS: Final = 15 * MS_PER_MIN  # sources are asked again, and the plan looked at
AHEAD_MS: Final = 7 * MS_PER_DAY  # beyond it no forecast is asked for
PLANNING_SHARE: Final = 0.05  # of the time, at most, is spent on planning
MANY: Final = 100  # so many are planned in no time

Terms = tuple[str, str, "Capacity | None"]  # of a policy: source, zone and capacity
Basis = tuple[
    "CarbonIntensity | None", int, "Terms | None"
]  # forecast, until when it was asked for


class Foresight(Protocol):
    """What is known of intensity."""

    def ask(
        self, provider: str, zone: str, from_ms: int, until_ms: int, now_ms: int
    ) -> tuple[CarbonIntensity | None, str]:
        """Return what is known from `from_ms` on, None where nothing is, and what was told."""
        ...


class Planner:
    """The last plan, `intended` by UID, and what there is to know of it.

    With a new forecast or another capacity, and where room was left (`has_room`), all Jobs are
    planned anew; else those that have no plan (`unplanned`), beside the others. `told` is what
    sources said by policy (UID), `known_ms` when they last knew what is to come, `needed` which of
    them the last plan asked.
    """

    def __init__(self, foresight: Foresight, steady_s: Callable[[], float]) -> None:
        """Begin without a plan."""
        self._foresight, self._steady_s = foresight, steady_s
        self.intended: dict[str, Intention] = {}
        self.told: dict[str, str] = {}
        self.known_ms: dict[tuple[str, str], int] = {}
        self.needed: set[tuple[str, str]] = set()
        self.took_s = 0.0
        self.has_room = True
        self.unplanned: set[str] = set()
        self._bases: dict[str, Basis] = {}
        self._made_ms: int | None = None
        self._may_plan_s = 0.0

    def next_ms(self, now_ms: int) -> int:
        """Return when to plan: at once if something changed, though not too often."""
        rest_ms = round(max(0.0, self._may_plan_s - self._steady_s()) * MS_PER_S)
        if self.has_room or self.unplanned or self._made_ms is None:
            return now_ms + rest_ms
        return max(self._made_ms + REPLAN_MS, now_ms + rest_ms)

    def heed(self, policies: Mapping[str, Policy]) -> None:
        """See whether a policy (UID) asks for something else than when it was planned by."""
        for uid, (_, _, before) in self._bases.items():
            if uid in policies and _terms(policies[uid]) != before:
                self.has_room = True

    def outlook(self, policy_uid: str) -> CarbonIntensity | None:
        """Return the forecast that the Jobs of a policy are planned by."""
        return self._bases[policy_uid][0] if policy_uid in self._bases else None

    def plan(
        self,
        groups: Mapping[str, Sequence[Candidate]],
        policies: Mapping[str, Policy],
        now_ms: int,
    ) -> set[str]:
        """Plan the Jobs of each policy (UID); return those that were."""
        began_s = self._steady_s()
        stay: dict[str, Intention] = {}
        planned: dict[str, Intention] = {}
        self.needed.clear()
        for uid, group in groups.items():
            if any(c.released_ms is None or c.may_pause for c in group):
                chosen, others = self._chosen(policies[uid], group, now_ms)
                stay |= {c.job.uid: self.intended[c.job.uid] for c in others}
                planned |= self._planned(policies[uid], chosen, others, now_ms)
        self.intended = stay | planned
        self._made_ms, self.has_room = now_ms, False
        self.unplanned.clear()
        self.took_s = self._steady_s() - began_s
        if sum(map(len, groups.values())) > MANY:
            self._may_plan_s = self._steady_s() + self.took_s / PLANNING_SHARE
        return set(planned)

    def _chosen(
        self, policy: Policy, group: Sequence[Candidate], now_ms: int
    ) -> tuple[Sequence[Candidate], list[Candidate]]:
        """Return the Jobs of a policy that are planned now, and those that stay."""
        assert policy.spec is not None
        spec, before = policy.spec, self._bases.get(policy.uid)
        last_ms = max(c.terms.latest_start_ms + c.terms.left_ms for c in group)
        until_ms = min(max(last_ms, now_ms + MS_PER_H), now_ms + AHEAD_MS)
        series, told = self._foresight.ask(spec.provider, spec.zone, now_ms, until_ms, now_ms)
        self.told[policy.uid] = told
        self.needed.add((spec.provider, spec.zone))
        if series is not None or (spec.provider, spec.zone) not in self.known_ms:
            self.known_ms[spec.provider, spec.zone] = 0 if series is None else now_ms
        self._bases[policy.uid] = after = series, until_ms, _terms(policy)
        if self.has_room or before is None or not is_as_before(before, after, now_ms):
            return group, []
        kept = self.intended.keys() - self.unplanned
        others = [c for c in group if c.job.uid in kept]
        return [c for c in group if c.job.uid not in kept], others

    def _planned(
        self,
        policy: Policy,
        chosen: Sequence[Candidate],
        others: Sequence[Candidate],
        now_ms: int,
    ) -> dict[str, Intention]:
        assert policy.spec is not None
        capacity = policy.spec.capacity
        stays = [(c, self._pieces(c, now_ms)) for c in others] if capacity and chosen else []
        cpu_m = capacity.cpu if capacity else None
        return intentions(chosen, self.outlook(policy.uid), now_ms, cpu_m, stays)

    def _pieces(self, one: Candidate, now_ms: int) -> tuple[Piece, ...]:
        """Return when a Job that stays as it is takes its cores."""
        if one.released_ms is not None and not one.may_pause:
            return ((now_ms, now_ms + left_ms(one, now_ms)),)
        return self.intended[one.job.uid].pieces


def _terms(policy: Policy) -> Terms | None:
    spec = policy.spec
    return None if spec is None else (spec.provider, spec.zone, spec.capacity)


def is_as_before(before: Basis, after: Basis, now_ms: int) -> bool:
    """Tell whether a forecast says of the time to come what one before it said."""
    (old, old_until_ms, _), (new, new_until_ms, _) = before, after
    if old is None or new is None:
        return old is new
    ends_ms = min(old_until_ms, new_until_ms)
    if min(ends_ms, old.edges_ms[-1]) != min(ends_ms, new.edges_ms[-1]):
        return False
    at_ms = np.concatenate(([now_ms], old.edges_ms[:-1], new.edges_ms[:-1]))
    at_ms = at_ms[(at_ms >= max(now_ms, new.edges_ms[0])) & (at_ms < ends_ms)]
    return bool(np.array_equal(_at(old, at_ms), _at(new, at_ms)))


def _at(series: CarbonIntensity, at_ms: IntArray) -> FloatArray:
    found: FloatArray = series.values_g_per_kwh[
        np.searchsorted(series.edges_ms, at_ms, side="right") - 1
    ]
    return found


def is_unplanned(before: Assessed | None, found: Assessed) -> bool:
    """Tell whether a Job waits by terms of which the last plan did not know."""
    if found.standing is not Standing.WAITING:
        return False
    was = None if before is None else (before.standing, before.terms)
    return was != (found.standing, found.terms)


def leaves_room(before: Assessed | None, found: Assessed, job: Job, now_ms: int) -> bool:
    """Tell whether a Job takes less than the room that it was given.

    What runs as planned takes all of it; what ends early leaves some.
    """
    if found.standing is Standing.RELEASE:
        return (planned_ms(job) or 0) > now_ms
    if found.standing is Standing.WAITING:
        return before is not None and before.terms is not None and before.terms != found.terms
    if before is None or before.terms is None or found.standing is Standing.RUNNING:
        return False
    since_ms = released_ms(job)
    if found.standing is Standing.ENDED and job.ended_ms is not None and since_ms is not None:
        return job.ended_ms + MS_PER_MIN < since_ms + before.terms.left_ms
    return before.standing is not found.standing
