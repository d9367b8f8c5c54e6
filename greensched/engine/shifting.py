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
from greensched.engine.kernels.layout import C_SEE_JOBS, HELD, J_ENDED, J_NEW, J_RUNS
from greensched.engine.records import records
from greensched.model import NONE, Hold, Release, Suspend, WaitingView
from greensched.units import MS_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from greensched.engine.kernels.layout import JobTable, World
    from greensched.model import IntArray, Policy, Resume, Setting, Snapshot

MARGIN_MIN_MS: Final = 5 * MS_PER_MIN  # kept before a deadline, or this share of the estimate
MARGIN_SHARE: Final = 10
NOBODY: Final = np.empty(0, np.int64)
NOTHING: Final = np.empty(0, np.float64)
JOB, SUBMIT, LATEST, CPU, PAUSES, COST = range(6)  # rows of what is kept of open jobs


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
        self._came, self._open = 0, self._columns(NOBODY)
        self._holds = False
        self._noted: list[Release | Suspend | Resume] = []

    def _columns(self, who: IntArray) -> IntArray:
        """Return what does not change of jobs, in rows JOB .. COST."""
        table, kind = self._table, self._table.job_class[who]
        cpu_m = table.cpu_m[who].astype(np.int64) * table.tasks[who]
        submit_ms, latest_ms = table.submit_ms[who], table.latest_ms[who]
        return np.stack(
            (who, submit_ms, latest_ms, cpu_m, self._pauses[kind], self._costs_ms[kind])
        )

    def shown(self, pages: Any, jobs: Any, snapshot: Snapshot, *, truth: bool) -> Snapshot:
        """Return the snapshot with the deferrable jobs that have not ended, and the intensity.

        That is a forecast, or with `truth` what will come true.
        """
        now_ms = snapshot.now_ms
        came = int(self._submit_ms.searchsorted(now_ms))
        new = self._columns(self._deferrable[self._came : came])
        table = np.concatenate((self._open, new), axis=1)
        state, done_ms = np.empty((2, table.shape[1]), np.int64)
        control(
            *(pages, jobs, C_SEE_JOBS, table[JOB], state, done_ms, 0, 0),
            share=1.0,
            flag=False,
            table=NOTHING,
        )
        goes_on = state != J_ENDED
        self._estimates.learn(table[JOB, ~goes_on])
        table, state, done_ms = table.compress(goes_on, axis=1), state[goes_on], done_ms[goes_on]
        table.flags.writeable = False
        self._came, self._open = came, table
        view = WaitingView(
            job=table[JOB],
            submit_ms=table[SUBMIT],
            latest_start_ms=table[LATEST] + done_ms,
            left_ms=np.maximum(self._estimates.of(table[JOB]) - done_ms, 1),
            cpu_m=table[CPU],
            interruptible=table[PAUSES] != 0,
            started=state != J_NEW,
            running=state == J_RUNS,
            checkpoint_ms=table[COST],
        )
        carbon = None if self._carbon is None else self._carbon.issued(now_ms, truth=truth)
        return replace(snapshot, waiting=view, carbon=carbon)

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
        who, kept_ms = self._open[JOB], world.held["kept_ms"][self._open[JOB]]
        last_ms = self._open[LATEST] + kept_ms
        late = (kept_ms != NONE) & (last_ms < next_ms)
        on_tick = now_ms + (last_ms[late] - now_ms) // self._tick_ms * self._tick_ms
        due.append((who[late], on_tick, False))
        job = np.concatenate([d[0] for d in due])
        at_ms = np.maximum(np.concatenate([d[1] for d in due]), now_ms)
        stops = np.repeat([d[2] for d in due], [len(d[0]) for d in due])
        stops &= self._pauses[self._table.job_class[job]]
        goes = ~np.repeat([d[2] for d in due], [len(d[0]) for d in due])
        for at in np.unique(at_ms[at_ms < next_ms]).tolist():
            rows = at_ms == at
            yield at, job[rows & stops], job[rows & goes]
