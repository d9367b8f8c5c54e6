"""What became of jobs whose supervisor is gone: not yet run, or interrupted."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

from greensched.batch.folder import is_locked, job_lock
from greensched.batch.job import ACTIVE, INTERRUPTED, PAUSED, STARTING, WAITING
from greensched.batch.process import is_alive, signal_group

if TYPE_CHECKING:
    from greensched.batch.job import Job
    from greensched.batch.queue import Queue

STILL_RUNS: Final = (
    "its supervisor was killed; process {} still runs, but how it ends will not be known"
)
LOST: Final = "its supervisor was killed, or the machine went off; how it ended is not known"
AGAIN: Final = "was interrupted; runs again"


def recover(queue: Queue, now_ms: int) -> list[int]:
    """Look after jobs that run nowhere any more; return which. Held locks are of living ones."""
    found = [
        job.id
        for job in queue.jobs(ACTIVE)
        if not is_locked(job_lock(queue.folder, job.id)) and _recovered(queue, job, now_ms)
    ]
    for job in queue.jobs((INTERRUPTED,)):
        if job.leader is not None and not is_alive(job.leader, job.leader_identity):
            queue.change(job.id, states=(INTERRUPTED,), leader=None, reason=LOST)
        elif job.leader is not None and job.cancel:
            signal_group(job.leader, signal.SIGTERM)
        elif job.leader is None and job.rerunnable and not job.cancel:
            run_again(queue, job, AGAIN)
            found.append(job.id)
    return found


def _recovered(queue: Queue, job: Job, now_ms: int) -> bool:
    """Set the state of a job that has no supervisor; it may have ended before it had none."""
    if job.state == STARTING:  # nobody has said that it runs, and nobody is left to say so
        return queue.change(
            job.id, states=(STARTING,), of_start=job.nonce, state=WAITING, nonce=""
        )
    alive = is_alive(job.leader, job.leader_identity)
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
