"""What becomes of planned starts where cores are few: a cap on all, or some that are reserved.

Both replay a schedule tick by tick, but look only at ticks at which something happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

import numpy as np

from greensched.shift.firstfit import FULL, Waiting
from greensched.ticks import Schedule, contiguous, merged

if TYPE_CHECKING:
    from greensched.model import BoolArray
    from greensched.ticks import TickJobs


def capped(schedule: Schedule, jobs: TickJobs, cpu_m: int) -> Schedule:
    """Return the schedule as it runs on `cpu_m` [thousandths of a core] in all.

    At each tick what is due starts in the order of (planned start, arrival, row), first fit. A
    piece is due at its planned start, and not before the piece of its job that precedes it ended;
    a job that has paused lets its cores go. No job may be larger than `cpu_m`. Pieces of a job
    that meet in the replay are one.
    """
    assert int(jobs.cpu_m.max(initial=0)) <= cpu_m
    order = np.lexsort((schedule.job, schedule.start))
    start = np.empty(len(order), np.int64)
    start[order] = _Capped(schedule, jobs, cpu_m, order).run()
    return merged(schedule.job, start, start + schedule.stop - schedule.start)


class _Capped:
    """Pieces in the order in which they may start, the cores that are free and will be."""

    def __init__(self, schedule: Schedule, jobs: TickJobs, cpu_m: int, order: np.ndarray) -> None:
        """Begin before the first planned start."""
        self.planned = schedule.start[order].tolist()
        self.need = jobs.cpu_m[schedule.job[order]].tolist()
        self.length = (schedule.stop - schedule.start)[order].tolist()
        self.follower, leads = _followers(schedule, order)
        self.due = [(t, p) for p, t in enumerate(self.planned) if leads[p]]  # sorted: a heap
        self.ends: list[tuple[int, int]] = []
        self.start = [0] * len(order)
        self.room = cpu_m

    def run(self) -> list[int]:
        """Go from tick to tick at which pieces are due or end; return when each starts."""
        waiting, due, ends, need = Waiting(len(self.need)), self.due, self.ends, self.need
        while due or ends:
            now = min(due[0][0] if due else ends[0][0], ends[0][0] if ends else due[0][0])
            while ends and ends[0][0] <= now:
                self.room += heappop(ends)[1]
            while due and due[0][0] <= now:
                place = heappop(due)[1]
                if not waiting.count and need[place] <= self.room:
                    self._begin(place, now)  # nobody is before it
                else:
                    waiting.put(place, need[place])
            while (place := waiting.first(self.room)) >= 0:
                waiting.take(place)
                self._begin(place, now)
        return self.start

    def _begin(self, place: int, now: int) -> None:
        """Start a piece; the next one of its job is due when it has ended, or at its own time."""
        self.room -= self.need[place]
        self.start[place] = now
        stop = now + self.length[place]
        heappush(self.ends, (stop, self.need[place]))
        if (after := self.follower[place]) >= 0:
            heappush(self.due, (max(self.planned[after], stop), after))


def _followers(schedule: Schedule, order: np.ndarray) -> tuple[list[int], list[bool]]:
    """Return the next piece of the same job (-1: none) and which pieces are a job's first."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    same = np.append(schedule.job[1:] == schedule.job[:-1], False)
    follower = np.where(same, np.append(place[1:], -1), -1)
    leads = np.concatenate(([True], ~same[:-1]))
    return follower[order].tolist(), leads[order].tolist()


@dataclass(frozen=True, slots=True, kw_only=True)
class OnReserved:
    """A schedule as it runs beside reserved cores, and which pieces run on them."""

    schedule: Schedule
    reserved: BoolArray


def beside_reserved(
    schedule: Schedule, jobs: TickJobs, cpu_m: int, *, fixed: bool = False
) -> OnReserved:
    """Return what runs on `cpu_m` reserved [thousandths of a core], the rest being on demand.

    At each tick, in order of arrival: a job whose planned start has come starts, reserved if
    enough are free, else on demand; one that still waits starts at once if enough reserved cores
    are free. Cores of a job that ends at a tick are free from the next tick on. With `fixed`, or
    where jobs may pause (whether or not one does), every piece keeps its ticks.

    Source: GAIA (ASPLOS 2024), section 4.2, doi 10.1145/3620666.3651374.
    """
    if fixed or jobs.interruptible.any():
        return _keeping_ticks(schedule, jobs, cpu_m)
    return _Reserved(schedule, jobs, cpu_m).run()


class _Reserved:
    """The jobs that wait, the reserved cores that are free and those that will be."""

    def __init__(self, schedule: Schedule, jobs: TickJobs, cpu_m: int) -> None:
        """Begin before the first arrival."""
        self.jobs, self.room = jobs, cpu_m
        self.planned = schedule.start.tolist()
        self.need, self.length = jobs.cpu_m.tolist(), jobs.length.tolist()
        self.waiting = Waiting(len(jobs))
        self.freed: list[tuple[int, int]] = [(FULL, 0)]  # (tick, cores), and one that never comes
        self.start = [-1] * len(jobs)
        self.is_reserved = [False] * len(jobs)

    def run(self) -> OnReserved:
        """Go from tick to tick at which jobs arrive or are due, or cores become free."""
        arrival = self.jobs.arrival.tolist()
        order = sorted(range(len(arrival)), key=self.planned.__getitem__)
        arrived = begun = 0
        while begun < len(order):
            now = self.planned[order[begun]]
            if arrived < len(arrival):
                now = min(now, arrival[arrived])
            if self.waiting.count:
                now = min(now, self.freed[0][0])
            while self.freed[0][0] <= now:
                self.room += heappop(self.freed)[1]
            while arrived < len(arrival) and arrival[arrived] <= now:
                self.waiting.put(arrived, self.need[arrived])
                arrived += 1
            comes = begun
            while comes < len(order) and self.planned[order[comes]] <= now:
                comes += 1
            self._begin(now, sorted(j for j in order[begun:comes] if self.start[j] < 0))
            begun = comes
            while begun < len(order) and self.start[order[begun]] >= 0:
                begun += 1
        ran = contiguous(self.jobs, np.array(self.start, np.int64))
        return OnReserved(schedule=ran, reserved=np.array(self.is_reserved))

    def _begin(self, now: int, due: list[int]) -> None:
        """Start, in order of arrival, the jobs that are due and those that fit reserved cores."""
        k = 0
        while True:
            early = self.waiting.first(self.room)
            if k < len(due) and (early < 0 or due[k] <= early):
                job, k = due[k], k + 1
            elif early >= 0:
                job = early
            else:
                return
            self.waiting.take(job)
            self.start[job] = now
            if self.need[job] <= self.room:
                self.is_reserved[job] = True
                self.room -= self.need[job]
                heappush(self.freed, (now + self.length[job] + 1, self.need[job]))


def _keeping_ticks(schedule: Schedule, jobs: TickJobs, cpu_m: int) -> OnReserved:
    """Return which pieces find reserved cores when they start, in order of (start, arrival)."""
    is_reserved = np.zeros(len(schedule.job), np.bool_)
    need = jobs.cpu_m[schedule.job].tolist()
    start, stop = schedule.start.tolist(), schedule.stop.tolist()
    room, ends = cpu_m, [(FULL, 0)]
    for piece in np.lexsort((schedule.job, schedule.start)).tolist():
        while ends[0][0] <= start[piece]:
            room += heappop(ends)[1]
        if need[piece] <= room:
            is_reserved[piece] = True
            room -= need[piece]
            heappush(ends, (stop[piece] + 1, need[piece]))
    return OnReserved(schedule=schedule, reserved=is_reserved)
