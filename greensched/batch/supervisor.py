"""The process beside each job: pauses and continues it by plan, keeps how it ended.

It needs no worker. It holds the job's lock as long as it lives, which the worker that started it
has handed to it: whoever gets that lock knows that no supervisor is left.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from greensched.batch.child import Child
from greensched.batch.energy import Meter, machine_of, mean_w
from greensched.batch.job import ACTIVE, CANCELLED, FAILED, FINISHED, PAUSED, RUNNING
from greensched.batch.process import GRACE_S, identity, signal_group
from greensched.batch.queue import Queue
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.batch.job import Job

POLL_S: Final = 0.2
LEAD_MS: Final = 500  # a supervisor is started so much earlier: it takes a while to be there
AGAIN_S: Final = 1.0  # until a full disk is tried again


def should_run(job: Job, now_ms: int) -> bool:
    """Tell whether a job runs now by plan; beyond its plan, and without pauses, it does."""
    later = [piece for piece in job.pieces if piece[1] > now_ms]
    return not job.interruptible or not later or later[0][0] <= now_ms


class Supervision:
    """One job from its first instruction to its exit code."""

    def __init__(self, queue: Queue, job: Job, child: Child) -> None:
        """Begin; the job runs."""
        self._queue, self._job, self._child = queue, job, child
        self._nonce = job.nonce
        self._meter = Meter(machine_of(queue))
        self._runs = True
        self._since_ms, self._since_s = job.started_ms or now_ms(), time.monotonic()
        self._active_s = 0.0
        self._killed_s: float | None = None

    def follow(self) -> None:
        """Return once the job has ended and that is on disk."""
        while True:
            pid, status, usage = os.wait4(self._child.pid, os.WNOHANG)
            if pid:
                break
            self._meter.sample(was_running=self._runs)
            with contextlib.suppress(sqlite3.Error):
                self._job = self._queue.job(self._job.id)
            with contextlib.suppress(sqlite3.Error):
                self._look(self._job)  # what was read last, where nothing can be read
            time.sleep(POLL_S)
        self._end(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime)

    def _look(self, job: Job) -> None:
        """Do what the queue says now."""
        if job.cancel:
            self._cancel()
        elif should_run(job, now_ms()) != self._runs:
            self._pause() if self._runs else self._resume()

    def _cancel(self) -> None:
        """Ask all of the job's processes to end; end those that have not after a while."""
        if self._killed_s is None:
            signal_group(self._child.pid, signal.SIGTERM)
            signal_group(self._child.pid, signal.SIGCONT)
            self._killed_s = time.monotonic() + GRACE_S
        elif time.monotonic() > self._killed_s:
            signal_group(self._child.pid, signal.SIGKILL)

    def _pause(self) -> None:
        """Stop the job; where that cannot be written down, it runs on."""
        signal_group(self._child.pid, signal.SIGSTOP)
        end_ms = self._until_now()
        try:
            with self._queue.transaction():
                self._queue.change(self._job.id, states=(RUNNING,), state=PAUSED)
                self._queue.stop(self._job.id, end_ms)
        except sqlite3.Error:
            signal_group(self._child.pid, signal.SIGCONT)
            raise
        self._count()
        self._runs = False

    def _resume(self) -> None:
        """Let the job go on, whether or not that can be written down at once."""
        signal_group(self._child.pid, signal.SIGCONT)
        self._meter.sample(was_running=False, at_once=True)
        self._runs = True
        self._since_ms, self._since_s = now_ms(), time.monotonic()
        insist(self._resumed)

    def _resumed(self) -> None:
        with self._queue.transaction():
            self._queue.change(self._job.id, states=(PAUSED,), state=RUNNING)
            self._queue.begin(self._job, self._since_ms)

    def _until_now(self) -> int:
        """Return when this run ends; a clock that was moved does not change its length."""
        return self._since_ms + round((time.monotonic() - self._since_s) * MS_PER_S)

    def _count(self) -> None:
        self._meter.sample(was_running=self._runs, at_once=True)
        if self._runs:
            self._active_s += time.monotonic() - self._since_s

    def _end(self, code: int, cpu_s: float) -> None:
        """Write down how the job ended, however long the disk is full."""
        end_ms = self._until_now() if self._runs else now_ms()
        self._count()
        energy_j, quality = self._meter.result(self._active_s, cpu_s, self._job.cpu_m)
        power_w = mean_w(energy_j, round(self._active_s * MS_PER_S))
        cancelled = self._killed_s is not None
        if cancelled:
            signal_group(self._child.pid, signal.SIGKILL)  # who did not heed the request

        def written() -> None:
            with self._queue.transaction():
                self._queue.stop(self._job.id, end_ms)
                self._queue.change(
                    self._job.id,
                    states=ACTIVE,
                    of_start=self._nonce,
                    state=CANCELLED if cancelled else FAILED if code else FINISHED,
                    ended_ms=end_ms,
                    exit_code=code,
                    cpu_ms=round(cpu_s * MS_PER_S),
                    power_w=power_w,
                    quality=quality,
                    leader=None,
                )

        insist(written)


def insist(written: Callable[[], None]) -> None:
    """Write, again and again where the disk refuses."""
    while True:
        try:
            written()
        except sqlite3.Error:
            time.sleep(AGAIN_S)
        else:
            return


def now_ms() -> int:
    """Return the instant now [ms since 1970 UTC]."""
    return int(time.time() * MS_PER_S)


def main(folder: str, number: str, nonce: str, lock: str) -> int:
    """Run one start of one job; another start of it, or none by now, is not ours."""
    os.setsid()  # what is meant for the worker, like Ctrl-C, is not meant for its jobs
    os.set_inheritable(int(lock), False)  # noqa: FBT003 - os has no keyword for it
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    with Queue(Path(folder)) as queue:
        job = queue.job(int(number))
        if job.nonce != nonce:
            return 1
        wait_ms = min(job.planned_ms, job.latest_start_ms) - now_ms()
        time.sleep(min(max(0, wait_ms), LEAD_MS) / MS_PER_S)
        child = Child(queue.folder, job)
        known_as, at_ms = identity(child.pid), now_ms()
        try:
            won = known_as is not None and queue.claim(job, child.pid, known_as, at_ms)
        except sqlite3.Error:
            won = False
        if not won:
            child.forget()
            return 1
        child.go()
        Supervision(queue, queue.job(job.id), child).follow()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
