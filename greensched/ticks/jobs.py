"""Jobs that may wait, and when they run: columns of whole ticks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class TickJobs:
    """Jobs in order of arrival, one row each; all times are whole ticks.

    A job arrives at `arrival`, runs for `length`, and starts no later than `latest`: that it ends
    within the data when it starts then is up to who makes the columns. `expected` is what a policy
    may take for its length before it has run; where only an estimate is known, both columns hold
    it. `cpu_m` [thousandths of a core] are held while it runs. A pause costs `checkpoint` [ticks]
    of work, in parts of a tick where need be.
    """

    arrival: IntArray
    length: IntArray
    latest: IntArray
    expected: IntArray
    cpu_m: IntArray
    interruptible: BoolArray
    checkpoint: FloatArray | None = None  # None: pauses cost nothing

    def __post_init__(self) -> None:
        """Hold what every policy relies on."""
        assert bool(np.all(self.latest >= self.arrival))
        assert bool(np.all(self.length >= 1))
        assert bool(np.all(np.diff(self.arrival) >= 0))

    def interruptibly(self, *, pauses: bool) -> TickJobs:
        """Return the same jobs, all of which may pause, or none."""
        return replace(self, interruptible=np.full(len(self), pauses))

    def taken(self, keep: BoolArray | IntArray) -> TickJobs:
        """Return some of the jobs, in their order."""
        names = ("arrival", "length", "latest", "expected", "cpu_m", "interruptible")
        checkpoint = None if self.checkpoint is None else self.checkpoint[keep]
        columns = {name: getattr(self, name)[keep] for name in names}
        return replace(self, checkpoint=checkpoint, **columns)

    def __len__(self) -> int:
        """Return the number of jobs."""
        return len(self.arrival)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Pieces of work: job `job[i]` runs on the ticks `[start[i], stop[i])`.

    Sorted by job, then start; the pieces of a job neither touch nor overlap, every job has one.
    """

    job: IntArray
    start: IntArray
    stop: IntArray

    @classmethod
    def none(cls) -> Schedule:
        """Return the schedule of nothing."""
        empty = np.empty(0, np.int64)
        return cls(job=empty, start=empty, stop=empty)

    def begins(self) -> IntArray:
        """Return the first tick of each job."""
        first: IntArray = self.start[self._bounds()[:-1]]
        return first

    def ends(self) -> IntArray:
        """Return the tick before which each job has ended."""
        last: IntArray = self.stop[self._bounds()[1:] - 1]
        return last

    def ticks(self) -> IntArray:
        """Return how many ticks each job runs."""
        run: IntArray = np.add.reduceat(self.stop - self.start, self._bounds()[:-1])
        return run

    def _bounds(self) -> IntArray:
        """Return the row at which each job's pieces begin, and the number of rows."""
        jobs = int(self.job[-1]) + 1 if len(self.job) else 0
        return np.searchsorted(self.job, np.arange(jobs + 1)).astype(np.int64)


def contiguous(jobs: TickJobs, start: IntArray) -> Schedule:
    """Return the schedule in which each job runs without pause from `start` on."""
    rows = np.arange(len(jobs), dtype=np.int64)
    return Schedule(job=rows, start=start, stop=start + jobs.length)


def merged(job: IntArray, start: IntArray, stop: IntArray) -> Schedule:
    """Return the schedule of pieces in any order, those that touch each other joined."""
    if not len(job):
        return Schedule.none()
    order = np.lexsort((start, job))
    job, start, stop = job[order], start[order], stop[order]
    joins = np.concatenate(([False], (job[1:] == job[:-1]) & (start[1:] == stop[:-1])))
    last = np.append(~joins[1:], True)
    return Schedule(job=job[~joins], start=start[~joins], stop=stop[last])
