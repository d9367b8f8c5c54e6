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
from typing import TYPE_CHECKING, Final

from greensched.batch.folder import WORKER_LOCK, job_lock, locked
from greensched.batch.job import ACTIVE, FINISHED, INTERRUPTED, RUNNING, STARTING, WAITING
from greensched.batch.planner import Planner
from greensched.batch.recovery import Recovery
from greensched.batch.settling import settle_all
from greensched.batch.submission import capacity_m, tighten
from greensched.batch.supervisor import LEAD_MS
from greensched.errors import Finding, UsageError
from greensched.units import MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.batch.job import Job
    from greensched.batch.queue import Queue

log = logging.getLogger("greensched")
POLL_S: Final = 0.5  # a look at the file's version and at the locks of what runs: microseconds
TRIES: Final = 4  # to get the lock: who asks whether a worker lives holds it for an instant
SETTLE_MS: Final = 10 * MS_PER_MIN  # until actuals that were not there are asked for again
PACKAGES: Final = Path(__file__).resolve().parents[2]  # where supervisors find greensched
UNENDED: Final = (WAITING, *ACTIVE)
TAKING: Final = (STARTING, RUNNING)  # cores; what is paused has given them back


class Worker:
    """The one worker of a queue; raises UsageError where another lives."""

    def __init__(self, queue: Queue, tell: Callable[[str], None] = log.info) -> None:
        """Take the worker's lock, which ends with the process; `tell` hears what happens."""
        self._queue, self._tell = queue, tell
        self._lock = _worker_lock(queue.folder)
        self.planner, self._recovery = Planner(queue), Recovery(queue)
        self._states: dict[int, str] = {}
        self._supervisors: list[int] = []
        self._seen = -1
        self._settle_after_ms = self._last_ms = 0
        self._due_ms: int | None = None
        self._has_started = False  # our own changes do not change the version

    def close(self) -> None:
        """Let go of the queue; jobs run on."""
        os.close(self._lock)

    def work(self, stop: Callable[[], bool], *, until_empty: bool = False) -> None:
        """Work until `stop` says so, or nothing waits or runs any more."""
        while not stop():
            now_ms = int(time.time() * MS_PER_S)
            try:
                self.step(now_ms)
                if until_empty and not self._queue.has(UNENDED):
                    settle_all(self._queue, now_ms)
                    return
            except sqlite3.Error as error:
                log.warning("the queue cannot be written (%s); trying again", error)
                self._seen = -1  # what was not done is to be done
            time.sleep(self._nap_s())

    def _nap_s(self) -> float:
        """Return how long to sleep: until the next start, but a poll at most."""
        if self._due_ms is None:
            return POLL_S
        until_s = (self._due_ms - LEAD_MS) / MS_PER_S - time.time()
        return min(POLL_S, until_s) if until_s > 0 else POLL_S

    def step(self, now_ms: int) -> None:
        """Do what is to be done at the instant `now_ms`; of most steps that is nothing."""
        self._supervisors = [pid for pid in self._supervisors if not _has_ended(pid)]
        version = self._queue.version()
        is_changed = version != self._seen or self._has_started or now_ms < self._last_ms
        self._last_ms, self._has_started = now_ms, False
        is_changed |= self._recovery.look(now_ms, is_changed=is_changed)
        if is_changed:
            self._narrate()
            self._due_ms = self._queue.next_due_ms()
        self._start_due(now_ms)  # before anything that may take long
        if self.planner.is_time(now_ms, is_changed=is_changed):
            self.planner.plan(now_ms, self._due_ms)
            self._due_ms = self._queue.next_due_ms()
            self._start_due(now_ms)
        if is_changed or now_ms >= self._settle_after_ms:
            self._settle(now_ms)
        self._seen = version

    def _settle(self, now_ms: int) -> None:
        """Settle what has just ended, and from time to time what is still open."""
        if now_ms >= self._settle_after_ms or self._settle_after_ms > now_ms + SETTLE_MS:
            settle_all(self._queue, now_ms)
            self._queue.forget_outlooks()
            self._settle_after_ms = now_ms + SETTLE_MS
        else:
            settle_all(self._queue, now_ms, ended_since_ms=self._settle_after_ms - SETTLE_MS)

    def _narrate(self) -> None:
        """Tell which jobs began, paused, went on and ended; learn from how long they took."""
        states = {job.id: job.state for job in self._queue.jobs(ACTIVE)}
        is_first, has_finished = self._seen == -1, False
        for number in sorted(states.keys() | self._states.keys()):
            state = states.get(number) or self._queue.job(number).state
            if state != self._states.get(number):
                self._tell(f"job {number} {state}")
                has_finished |= state == FINISHED
        self._states = states
        if (is_first or has_finished) and tighten(self._queue):
            self.planner.forget()

    def _start_due(self, now_ms: int) -> None:
        """Start what is due: overdue jobs first, then by plan, as far as cores are free."""
        soon_ms = now_ms + LEAD_MS
        if self._due_ms is None or self._due_ms > soon_ms:
            return
        whole_m = capacity_m(self._queue)
        free_m = whole_m - sum(
            job.cpu_m
            for job in self._queue.watched()
            if job.state in TAKING or (job.state == INTERRUPTED and job.leader is not None)
        )
        if free_m <= 0:
            return
        for job in self._queue.due(soon_ms):
            need_m = min(job.cpu_m, whole_m)
            if need_m <= free_m:
                self._start(job)
                free_m -= need_m
            elif job.latest_start_ms <= soon_ms:
                break  # nothing overtakes what is overdue
        self._due_ms = self._queue.next_due_ms()

    def _start(self, job: Job) -> None:
        """Commit that a job starts, then start its supervisor, which takes over the lock."""
        lock = locked(job_lock(self._queue.folder, job.id))
        if lock is None:
            return  # the supervisor of an earlier start is about to end
        try:
            nonce = secrets.token_hex(8)
            if not self._queue.change(job.id, states=(WAITING,), state=STARTING, nonce=nonce):
                return
            self._has_started = True
            self._states[job.id] = STARTING
            self._supervisors.append(_spawn(self._queue.folder, job.id, nonce, lock))
        except OSError as error:
            log.warning("job %d cannot be started now (%s)", job.id, error.strerror)
        finally:
            os.close(lock)


def _worker_lock(folder: Path) -> int:
    """Return the worker's lock; raises UsageError where another worker has it."""
    for _ in range(TRIES):
        lock = locked(folder / WORKER_LOCK)
        if lock is not None:
            return lock
        time.sleep(POLL_S / TRIES)
    what, remedy = "has a worker already", "one is enough; nothing was started"
    raise UsageError(Finding(where=str(folder), what=what, remedy=remedy))


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
