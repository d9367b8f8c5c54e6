"""Jobs that policies hold, pause and let go: what they see of them, and what is due when.

The engine trusts no policy with a job's latest start: what is held then is released, on the last
tick before it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.engine.estimates import Estimates
from greensched.engine.kernels.control import control
from greensched.engine.kernels.layout import C_SEE_JOBS, HELD
from greensched.engine.records import records
from greensched.model import NONE, Hold, Release, Suspend, WaitingView
from greensched.units import MS_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from greensched.engine.kernels.layout import JobTable, World
    from greensched.model import BoolArray, IntArray, Policy, Resume, Setting, Snapshot

MARGIN_MIN_MS: Final = 5 * MS_PER_MIN  # kept before a deadline, or this share of the estimate
MARGIN_SHARE: Final = 10
NOBODY: Final = np.empty(0, np.int64)


def longest_hold_ms(policies: Sequence[Policy]) -> int | None:
    """Return how long [ms] a job may be held at most; None where no policy holds any."""
    delays = [getattr(p, "max_delay_ms", 0) for p in policies if getattr(p, "shifts", False)]
    return min(delays) if delays else None


def latest_starts(setting: Setting) -> IntArray:
    """Return each job's latest start [ms], NONE where it may not wait; empty if nobody shifts.

    min(submit + max delay, deadline - estimate - margin), margin = max(5 min, 10 % of the
    estimate). The policy's own longest delay holds where a class's is longer or not given. A job
    with a deadline and no estimate does not wait: nobody can say how long it may.
    """
    jobs, most_ms = setting.jobs, longest_hold_ms(setting.policies)
    if jobs is None or most_ms is None:
        return NOBODY
    own = np.array(
        [
            (most_ms if c.max_delay_ms == NONE else min(c.max_delay_ms, most_ms))
            if c.deferrable
            else NONE
            for c in jobs.classes
        ],
        np.int64,
    )[jobs.job_class]
    latest = jobs.submit_ms + own
    estimate = jobs.estimate_ms
    margin = np.maximum(MARGIN_MIN_MS, -(-estimate // MARGIN_SHARE))
    timed = jobs.deadline_ms != NONE
    latest = np.where(timed, np.minimum(latest, jobs.deadline_ms - estimate - margin), latest)
    may = (own != NONE) & ~(timed & (estimate == NONE)) & (latest >= jobs.submit_ms)
    found: IntArray = np.where(may, latest, NONE)
    return found


def no_holds(n: int) -> NDArray[Any]:
    """Return the records of `n` jobs of which none is held."""
    held = records(HELD, n)
    held["kept_ms"], held["released_ms"] = NONE, NONE
    return held


def chosen_waits_ms(world: World, submit_ms: IntArray, now_ms: int) -> IntArray:
    """Return how long [ms] a policy kept each of the first jobs from joining the queue."""
    n, held = len(submit_ms), world.held
    if not len(held):
        return np.broadcast_to(np.int64(0), n)
    still = (held["kept_ms"][:n] != NONE) & (world.out["start_ms"][:n] == NONE)
    until_ms = np.where(still, now_ms, held["released_ms"][:n])
    waits: IntArray = np.where(until_ms == NONE, 0, until_ms - submit_ms)
    return waits


class Shifts:
    """What waits or runs and may be shifted, and what was decided since the last wake."""

    def __init__(self, setting: Setting, table: JobTable) -> None:
        """Begin before the first job."""
        assert setting.jobs is not None
        self._carbon, self._table = setting.carbon, table
        self._tick_ms = MS_PER_MIN if self._carbon is None else self._carbon.tick_ms
        self._deferrable = np.flatnonzero(table.latest_ms != NONE)
        self._submit_ms = table.submit_ms[self._deferrable]
        self._pauses = np.array([c.interruptible for c in setting.jobs.classes], np.bool_)
        self._costs_ms = np.array([c.checkpoint_cost_ms for c in setting.jobs.classes], np.int64)
        self._estimates = Estimates(setting.jobs)
        self._came, self._open = 0, NOBODY
        self._holds = False
        self._noted: list[Release | Suspend | Resume] = []

    def shown(
        self, world: World, pages: Any, jobs: Any, snapshot: Snapshot, *, truth: bool
    ) -> Snapshot:
        """Return the snapshot with the deferrable jobs that have not ended, and the intensity.

        That is a forecast, or with `truth` what will come true.
        """
        now_ms, table = snapshot.now_ms, self._table
        came = int(np.searchsorted(self._submit_ms, now_ms))
        who = np.concatenate((self._open, self._deferrable[self._came : came]))
        ended = world.out["end_ms"][who] != NONE
        self._estimates.learn(who[ended])
        self._came, self._open = came, who[~ended]
        who = self._open
        held = world.held["kept_ms"][who]
        done_ms, running = self._progress(pages, jobs, who)
        done_ms = np.where(held >= 0, held, done_ms)
        view = WaitingView(
            job=who,
            submit_ms=table.submit_ms[who],
            latest_start_ms=table.latest_ms[who] + done_ms,
            left_ms=np.maximum(self._estimates.of(who) - done_ms, 1),
            cpu_m=table.cpu_m[who].astype(np.int64) * table.tasks[who],
            interruptible=self._pauses[table.job_class[who]],
            started=world.out["start_ms"][who] != NONE,
            running=running,
            checkpoint_ms=self._costs_ms[table.job_class[who]],
        )
        carbon = None if self._carbon is None else self._carbon.issued(now_ms, truth=truth)
        return replace(snapshot, waiting=view, carbon=carbon)

    @staticmethod
    def _progress(pages: Any, jobs: Any, who: IntArray) -> tuple[IntArray, BoolArray]:
        """Return how far [ms] each of `who`, in order, is, and whether it runs."""
        done_ms, running = np.zeros((2, len(who)), np.int64)
        control(
            *(pages, jobs, C_SEE_JOBS, who, done_ms, running, 0, 0),
            share=1.0,
            flag=False,
            table=np.empty(0),
        )
        return done_ms, running != 0

    def note(self, action: Hold | Release | Suspend | Resume) -> None:
        """Note what a policy decided."""
        if isinstance(action, Hold):
            self._holds = True
        else:
            self._noted.append(action)

    def until(self, world: World, next_ms: int) -> Iterator[tuple[int, IntArray, IntArray]]:
        """Yield what is due before `next_ms`: when [ms], who is suspended, who is released.

        Also says from now on who is held at arrival.
        """
        now_ms = int(world.w["now_ms"][0])
        world.w["holds"], world.w["shift_next_ms"] = self._holds, next_ms
        due = [(a.jobs, a.at_ms, isinstance(a, Suspend)) for a in self._noted]
        self._holds, self._noted = False, []
        held = self._open[world.held["kept_ms"][self._open] != NONE]
        last_ms = self._table.latest_ms[held] + world.held["kept_ms"][held]
        late = last_ms < next_ms
        on_tick = now_ms + (last_ms[late] - now_ms) // self._tick_ms * self._tick_ms
        due.append((held[late], on_tick, False))
        job = np.concatenate([d[0] for d in due])
        at_ms = np.maximum(np.concatenate([d[1] for d in due]), now_ms)
        stops = np.repeat([d[2] for d in due], [len(d[0]) for d in due])
        stops &= self._pauses[self._table.job_class[job]]
        goes = ~np.repeat([d[2] for d in due], [len(d[0]) for d in due])
        for at in np.unique(at_ms[at_ms < next_ms]).tolist():
            rows = at_ms == at
            yield at, job[rows & stops], job[rows & goes]
