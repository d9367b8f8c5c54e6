"""What became of jobs whose supervisor is gone: not yet run, interrupted, or left to be ended."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final

from greensched.batch.folder import is_locked, job_lock
from greensched.batch.job import ACTIVE, CANCELLED, INTERRUPTED, PAUSED, STARTING, WAITING
from greensched.batch.process import GRACE_S, is_left, signal_group

if TYPE_CHECKING:
    from greensched.batch.job import Job
    from greensched.batch.queue import Queue

STILL_RUNS: Final = (
    "its supervisor was killed; process {} still runs, but how it ends will not be known"
)
LOST: Final = "its supervisor was killed, or the machine went off; how it ended is not known"
ENDED: Final = "was cancelled after its supervisor was killed"
AGAIN: Final = "was interrupted; runs again"


class Recovery:
    """Looks after jobs without a supervisor; remembers which were asked to end."""

    def __init__(self, queue: Queue) -> None:
        """Begin with no job known."""
        self._queue = queue
        self._jobs: list[Job] = []
        self._asked_s: dict[int, float] = {}

    def look(self, now_ms: int, *, is_changed: bool) -> bool:
        """Look after what runs nowhere any more; tell whether any job's state was changed.

        Held locks are of living supervisors.
        """
        if is_changed:
            self._jobs = self._queue.watched()
        found = [job for job in self._jobs if self._looked_after(job, now_ms)]
        if found:
            self._jobs = self._queue.watched()
        return bool(found)

    def _looked_after(self, job: Job, now_ms: int) -> bool:
        """Tell whether a job's state had to be changed."""
        if job.state in ACTIVE:
            is_alone = not is_locked(job_lock(self._queue.folder, job.id))
            return is_alone and _interrupted(self._queue, job, now_ms)
        if job.leader is None:
            return run_again(self._queue, job, AGAIN)
        if is_left(job.leader, job.leader_identity):
            if job.cancel:
                self._end(job.id, job.leader)
            return False
        self._asked_s.pop(job.id, None)
        state, reason = (CANCELLED, ENDED) if job.cancel else (INTERRUPTED, LOST)
        return self._queue.change(
            job.id, states=(INTERRUPTED,), leader=None, state=state, reason=reason
        )

    def _end(self, number: int, leader: int) -> None:
        """Ask what is left of a job to end, once; end it after a while."""
        asked_s = self._asked_s.setdefault(number, time.monotonic())
        if asked_s + GRACE_S < time.monotonic():
            signal_group(leader, signal.SIGKILL)
        elif asked_s + 1 > time.monotonic():
            signal_group(leader, signal.SIGTERM)
            signal_group(leader, signal.SIGCONT)


def _interrupted(queue: Queue, job: Job, now_ms: int) -> bool:
    """Set the state of a job that has no supervisor; it may have ended before it had none."""
    if job.state == STARTING:  # nobody has said that it runs, and nobody is left to say so
        return queue.change(
            job.id, states=(STARTING,), of_start=job.nonce, state=WAITING, nonce=""
        )
    alive = is_left(job.leader, job.leader_identity)
    if alive and job.state == PAUSED:
        assert job.leader is not None
        signal_group(job.leader, signal.SIGCONT)
    with queue.transaction():
        mine = queue.change(
            job.id,
            states=ACTIVE,
            of_start=job.nonce,
            state=INTERRUPTED,
            ended_ms=now_ms,
            leader=job.leader if alive else None,
            reason=STILL_RUNS.format(job.leader) if alive else LOST,
        )
        if mine:
            queue.stop(job.id, now_ms)
    return mine


def run_again(queue: Queue, job: Job, reason: str) -> bool:
    """Let an interrupted job wait for another start; what it did is counted as in vain."""
    return queue.change(
        job.id,
        states=(INTERRUPTED,),
        state=WAITING,
        attempt=job.attempt + 1,
        started_ms=None,
        ended_ms=None,
        pieces=(),
        reason=reason,
    )
