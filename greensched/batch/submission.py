"""A new job: checked, its latest start set, its first plan made."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from greensched.batch.job import Job
from greensched.batch.planning import OVERDUE, UNKNOWN, at_once_g_per_kwh
from greensched.batch.sources import answer_of
from greensched.errors import Finding, UsageError
from greensched.policies.shifting.times import expected_ms, latest_start_ms
from greensched.providers.advice import advise
from greensched.units import CPU_M_PER_CORE, MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.batch.queue import Queue

DEFAULT_DURATION_MS: Final = MS_PER_H


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to be run, and by when."""

    argv: tuple[str, ...]
    within_ms: int | None
    max_delay_ms: int | None
    duration_ms: int | None
    cores: float
    interruptible: bool
    rerunnable: bool
    env: tuple[str, ...]


def capacity_m(queue: Queue) -> int:
    """Return the cores that jobs may use together [thousandths]."""
    return int(queue.setting("cpu_m") or (os.cpu_count() or 1) * CPU_M_PER_CORE)


def job_of(queue: Queue, wish: Wish, now_ms: int) -> Job:
    """Return the job of a wish with its first plan, which ignores the other jobs.

    Raises UsageError with all that cannot be.
    """
    argv = _check(queue, wish)
    folder = str(Path.cwd())
    duration_ms, told = _duration_ms(queue, wish, argv, folder)
    deadline_ms = None if wish.within_ms is None else now_ms + wish.within_ms
    latest_ms = latest_start_ms(
        now_ms, duration_ms, max_delay_ms=wish.max_delay_ms, deadline_ms=deadline_ms
    )
    job = Job(
        argv=argv,
        folder=folder,
        umask=_umask(),
        env={name: os.environ[name] for name in wish.env},
        cpu_m=round(wish.cores * CPU_M_PER_CORE),
        interruptible=wish.interruptible,
        rerunnable=wish.rerunnable,
        created_ms=now_ms,
        duration_ms=duration_ms,
        duration_from=told,
        deadline_ms=deadline_ms,
        latest_start_ms=latest_ms,
    )
    return _planned(queue, job, now_ms)


def _check(queue: Queue, wish: Wish) -> tuple[str, ...]:
    """Return argv with its command found; raises UsageError with all that is wrong."""
    findings = []
    if wish.within_ms is None and wish.max_delay_ms is None:
        what, remedy = "it is not said by when", "--within 12h, or --max-delay 8h"
        findings.append(Finding(where="batch submit", what=what, remedy=remedy))
    found = shutil.which(wish.argv[0])
    if found is None:
        what = "is no command that can be run from here"
        findings.append(Finding(where=wish.argv[0], what=what, remedy="chmod +x, or its path"))
    capacity = capacity_m(queue) / CPU_M_PER_CORE
    if wish.cores > capacity:
        what = f"{wish.cores:g} is more than jobs may use here ({capacity:g})"
        remedy = "ask for fewer, or give the worker more: batch run --cores"
        findings.append(Finding(where="--cores", what=what, remedy=remedy))
    findings += [
        Finding(where=f"--env {name}", what="is not set here")
        for name in wish.env
        if name not in os.environ
    ]
    if findings:
        raise UsageError(*findings)
    assert found is not None
    return (str(Path(found).absolute()), *wish.argv[1:])


def _duration_ms(queue: Queue, wish: Wish, argv: Sequence[str], folder: str) -> tuple[int, str]:
    """Return how long it is taken to run, and why so."""
    if wish.duration_ms is not None:
        return wish.duration_ms, "as told"
    past = expected_ms(queue.durations_ms(argv, folder))
    if past is not None:
        return past, "95th percentile of its past runs"
    return DEFAULT_DURATION_MS, "assumed: --duration tells it, or 5 runs"


def _planned(queue: Queue, job: Job, now_ms: int) -> Job:
    """Return the job with the best start of all that is known."""
    latest_ms = job.latest_start_ms
    if latest_ms <= now_ms:
        reason = OVERDUE if latest_ms < now_ms else ""
        return replace(job, pieces=((now_ms, now_ms + job.duration_ms),), reason=reason)
    span_ms = latest_ms + job.duration_ms - now_ms
    answer, told = answer_of(queue, now_ms, now_ms + span_ms, now_ms)
    advice = None if answer is None else advise(answer, job.duration_ms, span_ms)
    if answer is None or answer.series is None or advice is None or advice.choice is None:
        reason = f"{UNKNOWN} ({told})" if told else UNKNOWN
        return replace(job, pieces=((now_ms, now_ms + job.duration_ms),), reason=reason)
    best = advice.choice.best
    return replace(
        job,
        pieces=((best.start_ms, best.end_ms),),
        now_g_per_kwh=at_once_g_per_kwh(answer.series, job),
        planned_g_per_kwh=best.mean_g_per_kwh,
        reason=advice.reason,
    )


def _umask() -> int:
    """Return the process's mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
