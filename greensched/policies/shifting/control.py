"""A shifting policy at work: woken again and again, it says who starts, pauses and goes on.

Whoever runs jobs (the simulation, the batch runner, a controller) calls `decide` with the jobs
that have not ended and the forecast from now on. A published policy plans a job once, when it
first sees it; one that takes earlier starts into account (`plan`) plans anew at every wake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.model import NONE, Release, Resume, Suspend
from greensched.policies.memory import frozen
from greensched.policies.settings import check
from greensched.ticks import TickJobs
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from greensched.model import BoolArray, IntArray, Shift, WaitingView
    from greensched.ticks import TickIntensity


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What is remembered: the pieces [ms] that jobs were promised, sorted by job and start."""

    job: IntArray
    start_ms: IntArray
    stop_ms: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifting:
    """`policy` asked every `period_ms`."""

    policy: Any  # a ShiftingPolicy
    period_ms: int = MS_PER_H

    def __post_init__(self) -> None:
        """Refuse a period that is none."""
        check(self, positive=("period_ms",))

    @property
    def _plans_anew(self) -> bool:
        """Say whether the policy plans all jobs at every wake, in sight of earlier promises."""
        return hasattr(self.policy, "hysteresis")

    def first_memory(self) -> Planned:
        """Return the memory before the first wake."""
        none = frozen(np.empty(0, np.int64))
        return Planned(job=none, start_ms=none, stop_ms=none)

    def decide(
        self, now_ms: int, waiting: WaitingView, forecast: TickIntensity, memory: Planned
    ) -> tuple[tuple[Shift, ...], Planned]:
        """Return what to do until the next wake, and what was promised.

        `forecast` has its tick 0 at `now_ms`, which counts from the same instant as the times of
        the view. What is due already, or overdue, starts now.
        """
        plans_anew = self._plans_anew
        row, start_ms, stop_ms = np.empty((3, 0), np.int64)  # of each piece
        rows = np.arange(len(waiting.job))
        if not plans_anew:
            row, start_ms, stop_ms = _kept(waiting.job, memory)
            rows = np.flatnonzero(~_among(waiting.job, memory.job) & ~waiting.running)
        if len(rows):
            fixed = waiting.running[rows] & ~waiting.interruptible[rows]
            rows = rows[np.argsort(~fixed, kind="stable")]  # what runs on takes its cores first
            jobs = _columns(now_ms, waiting, rows, forecast)
            if plans_anew:
                held = _held(now_ms, waiting.job[rows], memory, forecast.tick_ms)
                schedule = self.policy.plan(jobs, forecast, held)
            else:
                schedule = self.policy.plan(jobs, forecast)
            row = np.concatenate((row, rows[schedule.job]))
            start_ms = np.concatenate((start_ms, now_ms + schedule.start * forecast.tick_ms))
            stop_ms = np.concatenate((stop_ms, now_ms + schedule.stop * forecast.tick_ms))
        job = waiting.job[row]
        order = np.argsort(job, kind="stable")  # a job's pieces are in order of time already
        promised = Planned(
            job=frozen(job[order]),
            start_ms=frozen(start_ms[order]),
            stop_ms=frozen(stop_ms[order]),
        )
        return self._actions(now_ms, waiting, promised, row[order]), promised

    def _actions(
        self, now_ms: int, waiting: WaitingView, promised: Planned, row: IntArray
    ) -> tuple[Shift, ...]:
        """Return the starts, ends of pieces and resumptions before the next wake.

        `row`: of each piece in the view.
        """
        until_ms = now_ms + self.period_ms
        leads = np.append(True, promised.job[1:] != promised.job[:-1])[: len(row)]
        goes_on = np.append(~leads[1:], False)[: len(row)]
        over = promised.stop_ms <= now_ms
        due = ~over & (promised.start_ms < until_ms)
        begins = due & ~waiting.started[row] & leads
        resumes = due & ~begins & ~(waiting.running[row] & (promised.start_ms <= now_ms))
        ends = goes_on & ~over & (promised.stop_ms < until_ms)
        found: list[Shift] = []
        if begins.any():
            jobs, at_ms = promised.job[begins], np.maximum(promised.start_ms[begins], now_ms)
            site = np.full(len(jobs), NONE)
            found.append(Release(jobs=frozen(jobs), at_ms=frozen(at_ms), site=frozen(site)))
        stops, stops_ms = promised.job[ends], promised.stop_ms[ends]
        idles = _idles(now_ms, waiting, promised, row)
        if self._plans_anew:  # under a cap it may find no room for what runs on anyway
            idles &= waiting.interruptible
        idle = waiting.job[idles]
        if len(stops) or len(idle):
            jobs = np.concatenate((idle, stops))
            at_ms = np.concatenate((np.full(len(idle), now_ms), stops_ms))
            found.append(Suspend(jobs=frozen(jobs), at_ms=frozen(at_ms)))
        if resumes.any():
            at_ms = np.maximum(promised.start_ms[resumes], now_ms)
            found.append(Resume(jobs=frozen(promised.job[resumes]), at_ms=frozen(at_ms)))
        return tuple(found)


def _columns(
    now_ms: int, waiting: WaitingView, rows: IntArray, forecast: TickIntensity
) -> TickJobs:
    """Return the jobs in ticks from now; what is left is rounded up, the overdue start now."""
    length = np.maximum(-(-waiting.left_ms[rows] // forecast.tick_ms), 1)
    fixed = waiting.running[rows] & ~waiting.interruptible[rows]
    latest = np.maximum((waiting.latest_start_ms[rows] - now_ms) // forecast.tick_ms, 0)
    latest = np.minimum(latest, np.maximum(forecast.length - length, 0))
    cost_ms = waiting.checkpoint_ms
    return TickJobs(
        arrival=np.zeros(len(rows), np.int64),
        length=np.minimum(length, forecast.length),  # beyond the forecast nothing is known
        latest=np.where(fixed, 0, latest),
        expected=length,
        cpu_m=waiting.cpu_m[rows],
        interruptible=waiting.interruptible[rows],
        checkpoint=cost_ms if cost_ms is None else cost_ms[rows] / forecast.tick_ms,
    )


def _held(now_ms: int, job: IntArray, memory: Planned, tick_ms: int) -> IntArray:
    """Return the start that each job was promised, in ticks from now; NONE where there is none."""
    at = np.minimum(np.searchsorted(memory.job, job), max(0, len(memory.job) - 1))
    if not len(memory.job):
        return np.full(len(job), NONE)
    start = (memory.start_ms[at] - now_ms) // tick_ms
    held: IntArray = np.where((memory.job[at] == job) & (start >= 0), start, NONE)
    return held


def _kept(job: IntArray, memory: Planned) -> tuple[IntArray, IntArray, IntArray]:
    """Return the pieces of jobs that have not ended: their rows, and as they were promised."""
    order = np.argsort(job, kind="stable")
    kept = _among(memory.job, job[order])
    row = order[np.searchsorted(job, memory.job[kept], sorter=order)]
    return row, memory.start_ms[kept], memory.stop_ms[kept]


def _idles(now_ms: int, waiting: WaitingView, promised: Planned, row: IntArray) -> BoolArray:
    """Say which jobs run with no piece now and one later: a new plan pauses them."""
    later = promised.start_ms > now_ms
    now = ~later & (promised.stop_ms > now_ms)
    idles = np.zeros(len(waiting.job), np.bool_)
    idles[row[later]] = True
    idles[row[now]] = False
    found: BoolArray = idles & waiting.running
    return found


def _among(job: IntArray, rising: IntArray) -> BoolArray:
    """Say of each job whether it is among those that are `rising`: `np.isin` without its sorting.

    Promises are kept in this order, and jobs come in it.
    """
    if not len(rising):
        return np.zeros(len(job), np.bool_)
    at = np.minimum(rising.searchsorted(job), len(rising) - 1)
    found: BoolArray = rising[at] == job
    return found
