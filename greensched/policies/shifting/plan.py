"""Our policy: the plan of least emissions of all that waits, on as many cores as there are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from greensched.bounds.shifting import best_starts, cheapest_ticks, least_emissions
from greensched.errors import Finding
from greensched.model import NONE
from greensched.policies.settings import check
from greensched.policies.shifting.exact import exact
from greensched.policies.shifting.greedy import greedy

if TYPE_CHECKING:
    from greensched.model import IntArray
    from greensched.policies.shifting.wake import Wake
    from greensched.ticks import Schedule, TickIntensity, TickJobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Least emissions under a cap of `cpu_m` [thousandths of a core] (NONE: without one).

    `greedy` lets one job after the other, in order of arrival, take the cleanest room that is
    left; `exact` solves a linear program and rounds it (without pauses a MILP, for small cases),
    and is never worse than `greedy`. Without a cap both are the bound itself. Where jobs may
    pause, one does only if that saves more than `checkpoint_ms` of work, or what its own
    checkpoints cost if that is more, for each pause emits. With `wake`, power of machines that
    would have to be woken counts (greedy only). A new plan moves a job that waits only where that
    saves more than the share `hysteresis` of what its old start emits.
    """

    kind: ClassVar[str] = "plan"
    solver: Literal["greedy", "exact"] = "greedy"
    cpu_m: int = NONE
    checkpoint_ms: int = 0
    wake: Wake | None = None
    hysteresis: float = 0.0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be, all at once."""
        found = []
        if self.cpu_m != NONE and self.cpu_m < 1:
            found.append(Finding(where="cpu_m", what=f"{self.cpu_m} cannot be; expected above 0"))
        if self.wake and self.solver == "exact":
            remedy = "take solver: greedy"
            found.append(Finding(where="wake", what="is not in the linear program", remedy=remedy))
        check(self, shares=("hysteresis",), natural=("checkpoint_ms",), findings=found)

    def window(self, jobs: TickJobs, intensity: TickIntensity) -> TickJobs:  # noqa: ARG002
        """Return the jobs as this policy may run them: as they are."""
        return jobs

    def plan(
        self, jobs: TickJobs, intensity: TickIntensity, held: IntArray | None = None
    ) -> Schedule:
        """Return the schedule; `held` are starts of an earlier plan (NONE: of none), kept if good.

        Where cores are too few, what finds no room in its window starts late, as soon as it can.
        """
        if self.checkpoint_ms or jobs.checkpoint is not None:
            jobs = pausing(jobs, intensity, self.checkpoint_ms / intensity.tick_ms)
        if self.cpu_m == NONE and self.wake is None:
            best = least_emissions(jobs, intensity)
            return best if held is None else _kept(jobs, intensity, best, held, self.hysteresis)
        cpu_m = int(jobs.cpu_m.sum()) if self.cpu_m == NONE else self.cpu_m
        if self.solver == "exact":
            return exact(jobs, intensity, cpu_m)
        return greedy(
            jobs, intensity, cpu_m, wake=self.wake, held=held, hysteresis=self.hysteresis
        )


def _kept(
    jobs: TickJobs,
    intensity: TickIntensity,
    best: Schedule,
    held: IntArray,
    hysteresis: float,
) -> Schedule:
    """Return `best` with the starts that are `held` where that costs no more than `hysteresis`."""
    old = held[best.job]
    own = ~jobs.interruptible[best.job]
    own &= (old >= jobs.arrival[best.job]) & (old <= jobs.latest[best.job])
    old = np.where(own, old, best.start)
    length = best.stop - best.start
    emitted = intensity.emitted(old, old + length) * (1.0 - hysteresis)
    start = np.where(emitted <= intensity.emitted(best.start, best.stop), old, best.start)
    return replace(best, start=start, stop=start + length)


def pausing(jobs: TickJobs, intensity: TickIntensity, checkpoint: float) -> TickJobs:
    """Return `jobs`, interruptible where the cheapest ticks beat the best start by enough.

    Enough is `checkpoint` ticks for each pause, or the job's own where those are more, at the
    intensity of the tick on which it goes on. The larger of the two is what their columns say.
    """
    rows = np.flatnonzero(jobs.interruptible)
    first, last, length = jobs.arrival[rows], jobs.latest[rows], jobs.length[rows]
    start = best_starts(intensity, first, last, length)
    pieces = cheapest_ticks(intensity, first, last + length, length)
    resumes = np.concatenate(([False], pieces.job[1:] == pieces.job[:-1]))
    cost = np.full(len(jobs), checkpoint)
    if jobs.checkpoint is not None:
        cost = np.maximum(cost, jobs.checkpoint)
    again = cost[rows][pieces.job] * intensity.units[intensity.slot(pieces.start)]
    emitted = intensity.emitted(pieces.start, pieces.stop) + np.where(resumes, again, 0.0)
    paused = np.zeros(len(rows))
    np.add.at(paused, pieces.job, emitted)
    interruptible = jobs.interruptible.copy()
    interruptible[rows] = paused < intensity.emitted(start, start + length)
    return replace(jobs, interruptible=interruptible, checkpoint=cost)
