"""The greedy plan by a compiled loop: to the tick that of `plan`, for who asks at every hour.

A run of a scenario asks for hundreds of plans of hundreds of jobs. Who asks now and then (a
controller, the batch runner, a study) need not load a compiler for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import numpy as np

from greensched.model import NONE
from greensched.policies.kernels import shifting as loops
from greensched.policies.memory import frozen
from greensched.policies.shifting.plan import Plan
from greensched.ticks import Schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greensched.model import IntArray
    from greensched.ticks import TickIntensity, TickJobs

REMEMBERED_MAX: Final = 16_384  # windows and lengths

Column = TypeVar("Column", bound="NDArray[Any]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPlan(Plan):
    """`plan`, where its solver is the greedy one and no machine has to be woken."""

    kind: ClassVar[str] = Plan.kind

    def plan(
        self, jobs: TickJobs, intensity: TickIntensity, held: IntArray | None = None
    ) -> Schedule:
        """Return the schedule, as `Plan.plan` does."""
        if self.solver != "greedy" or self.wake is not None or not len(jobs):
            return super(CompiledPlan, self).plan(jobs, intensity, held)
        cost = np.full(len(jobs), self.checkpoint_ms / intensity.tick_ms)
        if jobs.checkpoint is not None:
            cost = np.maximum(cost, jobs.checkpoint)
        all_cpu_m = int(jobs.cpu_m.sum())
        cpu_m = all_cpu_m if self.cpu_m == NONE else self.cpu_m
        last = int((jobs.latest + jobs.length).max())
        slots = (last - 1 + intensity.lead) // intensity.width + 1  # with a tick of any window
        ticks = last + 1
        if cpu_m < all_cpu_m:
            ticks += int(jobs.length.sum())  # one after the other at the latest
        pieces = np.empty((3, int(np.where(jobs.interruptible, jobs.length, 1).sum())), np.int64)
        rows = 1 << min(len(jobs), REMEMBERED_MAX).bit_length()
        count = loops.plan(
            *(_whole(c) for c in (jobs.arrival, jobs.latest, jobs.length, jobs.cpu_m)),
            _whole(np.full(len(jobs), NONE) if held is None else held),
            _plain(jobs.interruptible),
            _plain(cost),
            _whole(intensity.units),
            _whole(np.argsort(intensity.values_g_per_kwh[:slots], kind="stable")),
            intensity.width,
            intensity.lead,
            1.0 - self.hysteresis,
            bool(self.checkpoint_ms) or jobs.checkpoint is not None,
            np.empty(last + 1, np.int64),
            np.full(ticks, cpu_m),
            np.full(slots, cpu_m),
            np.full((rows, loops.FACTS), NONE),
            np.empty(rows),
            pieces,
        )
        job, start, stop = (column.copy() for column in pieces[:, :count])
        return Schedule(job=job, start=start, stop=stop)


def _whole(column: IntArray) -> IntArray:
    """Return a column of whole numbers as loops take it."""
    return _plain(column.astype(np.int64, copy=False))


def _plain(column: Column) -> Column:
    """Return a column without gaps and read-only, a copy where the given one may be written."""
    return column if not column.flags.writeable else frozen(column.copy())
