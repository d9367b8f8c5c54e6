"""The worker: plans what waits, starts what is due, looks after what was interrupted, settles.

It may be killed at any time: what is decided is on disk before it is done, and jobs have
supervisors of their own. `step` takes the time as an argument; `work` goes by the clock.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greensched.batch.folder import WORKER_LOCK, job_lock, locked
from greensched.batch.job import ACTIVE, INTERRUPTED, PAUSED, RUNNING, STARTING, WAITING
from greensched.batch.planning import at_once_g_per_kwh, plan
from greensched.batch.recovery import recover
from greensched.batch.settling import settle_all
from greensched.batch.sources import answer_of
from greensched.batch.submission import capacity_m
from greensched.errors import Finding, UsageError
from greensched.units import MS_PER_DAY, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from greensched.batch.job import Job
    from greensched.batch.queue import Queue
    from greensched.carbon import CarbonIntensity

log = logging.getLogger("greensched")
POLL_S: Final = 0.5
PLAN_MS: Final = 5 * MS_PER_MIN  # a plan is made anew, with a new forecast
SETTLE_MS: Final = 10 * MS_PER_MIN  # until actuals that were not there are asked for again
AHEAD_MS: Final = 7 * MS_PER_DAY
PACKAGES: Final = Path(__file__).resolve().parents[2]  # where supervisors find greensched
PLANNING_SHARE: Final = 0.05  # of the time, at most, is spent on planning


class Worker:
    """The one worker of a queue; raises UsageError where another lives."""

    def __init__(self, queue: Queue, tell: Callable[[str], None] = log.info) -> None:
        """Take the worker's lock, which ends with the process; `tell` hears what happens."""
        self._queue, self._tell = queue, tell
        self._states: dict[int, str] = {}
        lock = locked(queue.folder / WORKER_LOCK)
        if lock is None:
            what, remedy = "has a worker already", "one is enough; nothing was started"
            raise UsageError(Finding(where=str(queue.folder), what=what, remedy=remedy))
        self._lock = lock
        self._supervisors: list[int] = []
        self._seen = -1
        self._plan_after_ms = self._settle_after_ms = self._last_ms = 0
        self._may_plan_s = 0.0
        self._due_ms: int | None = None
        self._is_changed = True

    def close(self) -> None:
        """Let go of the queue; jobs run on."""
        os.close(self._lock)

    def work(self, stop: Callable[[], bool], *, until_empty: bool = False) -> None:
        """Work until `stop` says so, or nothing waits or runs any more."""
        while not stop():
            now_ms = int(time.time() * MS_PER_S)
            try:
                self.step(now_ms)
                if until_empty and not self._queue.jobs((WAITING, STARTING, RUNNING, PAUSED)):
                    settle_all(self._queue, now_ms)
                    return
            except sqlite3.Error as error:
                log.warning("the queue cannot be written (%s); trying again", error)
            time.sleep(POLL_S)

    def step(self, now_ms: int) -> None:
        """Do what is to be done at the instant `now_ms`."""
        self._supervisors = [pid for pid in self._supervisors if not _has_ended(pid)]
        version = self._queue.version()
        if version != self._seen:
            self._seen, self._is_changed = version, True
        if recover(self._queue, now_ms):
            self._is_changed = True
        moved_back = now_ms < self._last_ms
        self._last_ms = now_ms
        if now_ms >= self._plan_after_ms or moved_back or self._is_changed:
            self._is_changed = True
            self._plan(now_ms)
        self._start_due(now_ms)
        if self._is_changed:
            self._narrate()
        if now_ms >= self._settle_after_ms or moved_back or self._is_changed:
            settle_all(self._queue, now_ms)
            self._settle_after_ms = now_ms + SETTLE_MS
        self._is_changed = time.monotonic() < self._may_plan_s and self._is_changed

    def _narrate(self) -> None:
        """Tell which jobs began, paused, went on and ended."""
        states = {job.id: job.state for job in self._queue.jobs(ACTIVE)}
        for number in sorted(states.keys() | self._states.keys()):
            state = states.get(number) or self._queue.job(number).state
            if state != self._states.get(number):
                self._tell(f"job {number} {state}")
        self._states = states

    def _plan(self, now_ms: int) -> None:
        """Plan all that waits, unless that was done a moment ago and takes long."""
        began_s = time.monotonic()
        if began_s < self._may_plan_s:
            return
        jobs = self._queue.jobs((WAITING, RUNNING, PAUSED))
        self._plan_after_ms = now_ms + PLAN_MS
        if not any(job.state == WAITING or job.interruptible for job in jobs):
            return
        active_ms = _active_ms(self._queue, jobs, now_ms)
        series, told = self._series(jobs, now_ms)
        intended = plan(jobs, active_ms, series, now_ms, capacity_m(self._queue))
        with self._queue.transaction():
            for job in jobs:
                found = intended[job.id]
                reason = found.reason if series is not None or not told else told
                values: dict[str, Any] = {
                    "pieces": found.pieces,
                    "planned_g_per_kwh": found.planned_g_per_kwh,
                }
                if job.now_g_per_kwh is None and series is not None:
                    values["now_g_per_kwh"] = at_once_g_per_kwh(series, job)
                if job.state == WAITING:
                    values["reason"] = reason if not found.reason else found.reason
                if any(getattr(job, name) != value for name, value in values.items()):
                    self._queue.change(job.id, states=(job.state,), **values)
        self._may_plan_s = (
            time.monotonic() + (time.monotonic() - began_s) / PLANNING_SHARE
            if len(jobs) > 100  # noqa: PLR2004 - few are planned in no time
            else 0.0
        )

    def _series(self, jobs: Sequence[Job], now_ms: int) -> tuple[CarbonIntensity | None, str]:
        """Return what is known of the time in which the jobs may run."""
        now_ms = now_ms // MS_PER_S * MS_PER_S
        ends_ms = max(job.latest_start_ms + job.duration_ms for job in jobs)
        until_ms = min(max(ends_ms, now_ms + MS_PER_MIN), now_ms + AHEAD_MS)
        answer, told = answer_of(self._queue, now_ms, until_ms, now_ms)
        return (None if answer is None else answer.series), told

    def _start_due(self, now_ms: int) -> None:
        """Start what is due: overdue jobs first, then by plan, as far as cores are free."""
        if self._is_changed:
            self._due_ms = self._queue.next_due_ms()
        if self._due_ms is None or self._due_ms > now_ms:
            return
        due = self._queue.due(now_ms)
        free_m = capacity_m(self._queue) - sum(
            job.cpu_m
            for job in self._queue.jobs((STARTING, RUNNING, INTERRUPTED))
            if job.state != INTERRUPTED or job.leader is not None
        )
        whole_m = capacity_m(self._queue)
        for job in due:
            need_m = min(job.cpu_m, whole_m)
            if need_m <= free_m:
                self._start(job)
                free_m -= need_m
            elif job.latest_start_ms <= now_ms:
                return  # nothing overtakes what is overdue

    def _start(self, job: Job) -> None:
        """Commit that a job starts, then start its supervisor, which takes over the lock."""
        lock = locked(job_lock(self._queue.folder, job.id))
        if lock is None:
            return  # the supervisor of an earlier start is about to end
        try:
            nonce = secrets.token_hex(8)
            if not self._queue.change(job.id, states=(WAITING,), state=STARTING, nonce=nonce):
                return
            self._supervisors.append(_spawn(self._queue.folder, job.id, nonce, lock))
        except OSError as error:
            log.warning("job %d cannot be started now (%s)", job.id, error.strerror)
        finally:
            os.close(lock)


def _spawn(folder: Path, number: int, nonce: str, lock: int) -> int:
    """Start a supervisor that inherits `lock`; return its pid. Raises OSError."""
    words = [sys.executable, "-m", "greensched.batch.supervisor"]
    words += [str(folder), str(number), nonce, str(lock)]
    paths = [str(PACKAGES), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    os.set_inheritable(lock, True)  # noqa: FBT003 - os has no keyword for it
    to_nothing = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in (0, 1, 2)]
    return os.posix_spawn(sys.executable, words, environment, file_actions=to_nothing)


def _has_ended(pid: int) -> bool:
    """Tell whether a supervisor that was started here has ended, and take leave of it."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _active_ms(queue: Queue, jobs: Sequence[Job], now_ms: int) -> dict[int, int]:
    """Return how long each job has run in the attempt that counts."""
    attempts = {job.id: job.attempt for job in jobs if job.started_ms is not None}
    found: dict[int, int] = {}
    for number, attempt in attempts.items():
        for run in queue.runs(number):
            if run.attempt == attempt:
                end_ms = now_ms if run.end_ms is None else run.end_ms
                found[number] = found.get(number, 0) + max(0, end_ms - run.start_ms)
    return found
