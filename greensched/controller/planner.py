"""When a plan is made anew, of what, and what was planned last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from greensched.controller.patches import released_ms
from greensched.controller.reconcile import Standing
from greensched.controller.snapshot import intentions
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from greensched.carbon import CarbonIntensity
    from greensched.controller.job import Job
    from greensched.controller.policy import Policy
    from greensched.controller.reconcile import Assessed
    from greensched.controller.snapshot import Candidate, Intention

REPLAN_MS: Final = 15 * MS_PER_MIN  # a plan is made anew, with a new forecast
AHEAD_MS: Final = 7 * MS_PER_DAY  # beyond it no forecast is asked for
PLANNING_SHARE: Final = 0.05  # of the time, at most, is spent on planning
MANY: Final = 100  # so many are planned in no time


class Foresight(Protocol):
    """What is known of intensity."""

    def ask(
        self, provider: str, zone: str, from_ms: int, until_ms: int, now_ms: int
    ) -> tuple[CarbonIntensity | None, str]:
        """Return what is known from `from_ms` on, None where nothing is, and what was told."""
        ...


class Planner:
    """The last plan, `intended` by UID, and what there is to know of it.

    `told` is what sources said by policy (UID), `known_ms` when they last knew what is to come.
    """

    def __init__(self, foresight: Foresight, steady_s: Callable[[], float]) -> None:
        """Begin without a plan."""
        self._foresight, self._steady_s = foresight, steady_s
        self.intended: dict[str, Intention] = {}
        self.told: dict[str, str] = {}
        self.known_ms: dict[tuple[str, str], int] = {}
        self.took_s = 0.0
        self.is_outdated = True  # Jobs or terms changed since
        self._made_ms: int | None = None
        self._may_plan_s = 0.0

    def next_ms(self, now_ms: int) -> int:
        """Return when a plan is made anew even if nothing changes."""
        return now_ms if self._made_ms is None else self._made_ms + REPLAN_MS

    def is_due(self, now_ms: int) -> bool:
        """Tell whether to plan now: something changed or the forecast is old; not too often."""
        is_wanted = self.is_outdated or now_ms >= self.next_ms(now_ms)
        return is_wanted and self._steady_s() >= self._may_plan_s

    def plan(
        self,
        groups: Mapping[str, Sequence[Candidate]],
        policies: Mapping[str, Policy],
        now_ms: int,
    ) -> None:
        """Plan the Jobs of each policy (UID)."""
        began_s = self._steady_s()
        self.intended = {}
        for uid, group in groups.items():
            if any(c.released_ms is None or c.may_pause for c in group):
                self.intended |= self._planned(policies[uid], group, now_ms)
        self._made_ms, self.is_outdated = now_ms, False
        self.took_s = self._steady_s() - began_s
        if sum(map(len, groups.values())) > MANY:
            self._may_plan_s = self._steady_s() + self.took_s / PLANNING_SHARE

    def _planned(
        self, policy: Policy, group: Sequence[Candidate], now_ms: int
    ) -> dict[str, Intention]:
        spec = policy.spec
        assert spec is not None
        last_ms = max(c.terms.latest_start_ms + c.terms.left_ms for c in group)
        until_ms = min(max(last_ms, now_ms + MS_PER_H), now_ms + AHEAD_MS)
        series, told = self._foresight.ask(spec.provider, spec.zone, now_ms, until_ms, now_ms)
        self.told[policy.uid] = told
        if series is not None or (spec.provider, spec.zone) not in self.known_ms:
            self.known_ms[spec.provider, spec.zone] = 0 if series is None else now_ms
        return intentions(group, series, now_ms, spec.capacity.cpu if spec.capacity else None)


def outdates(before: Assessed | None, found: Assessed, job: Job) -> bool:
    """Tell whether a plan has to be made anew for what became of a Job.

    What runs as planned takes the room that it was given; what ends early leaves some.
    """
    if found.standing is Standing.WAITING:
        was = None if before is None else (before.standing, before.terms)
        return was != (found.standing, found.terms)
    if before is None or before.terms is None or found.standing is Standing.RUNNING:
        return False
    since_ms = released_ms(job)
    if found.standing is Standing.ENDED and job.ended_ms is not None and since_ms is not None:
        return job.ended_ms + MS_PER_MIN < since_ms + before.terms.left_ms
    return before.standing is not found.standing
