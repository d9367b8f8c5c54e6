"""A new job: checked, its latest start set, its first plan made."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from greensched.batch.job import AS_TOLD, OVERDUE, UNKNOWN, Job, Slip
from greensched.batch.outlook import outlook_of
from greensched.errors import Finding, UsageError
from greensched.policies.shifting.times import expected_ms, latest_start_ms, margin_ms
from greensched.units import CPU_M_PER_CORE, MS_PER_H, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.batch.outlook import Outlook
    from greensched.batch.queue import Queue

DEFAULT_DURATION_MS: Final = MS_PER_H
ASSUMED: Final = "assumed: --duration tells it, or 5 runs"
PAST_RUNS: Final = "95th percentile of its past runs"


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
        return wish.duration_ms, AS_TOLD
    return expected(queue, argv, folder) or (DEFAULT_DURATION_MS, ASSUMED)


def expected(queue: Queue, argv: Sequence[str], folder: str) -> tuple[int, str] | None:
    """Return how long past runs of a command let expect, and that it is so; None of few runs."""
    past = expected_ms(queue.durations_ms(argv, folder))
    return None if past is None else (past, PAST_RUNS)


def tighten(queue: Queue) -> bool:
    """Learn from runs that have ended how long waiting jobs take; tell whether any changed.

    A latest start that was announced may move earlier by that, never later.
    """
    changed = 0
    with queue.transaction():
        for command in queue.unhinted():
            found = expected(queue, *command)
            if found is not None:
                changed += queue.expect(command, *found)
                queue.tighten(command, found[0] + margin_ms(found[0]))
    return bool(changed)


def _planned(queue: Queue, job: Job, now_ms: int) -> Job:
    """Return the job with the best start of all that is known."""
    length_ms, latest_ms = job.duration_ms, max(now_ms, job.latest_start_ms)
    is_late = job.latest_start_ms < now_ms
    known = outlook_of(queue, latest_ms + 2 * length_ms, now_ms)  # it may take twice as long
    last_ms = min(latest_ms, known.known_until_ms - length_ms)
    if last_ms < now_ms:
        told = f"{UNKNOWN} ({known.told})" if known.told else UNKNOWN
        pieces = ((now_ms, now_ms + length_ms),)
        return replace(job, pieces=pieces, reason=OVERDUE if is_late else told)
    start_ms, mean, now_mean = known.cleanest(now_ms, last_ms, length_ms)
    reasons = [OVERDUE] if is_late else [known.flat] if start_ms == now_ms else []
    if last_ms < latest_ms:
        hours = (latest_ms - last_ms) / MS_PER_H
        reasons.append(f"nothing is known of the last {hours:.3g} h")
    planned = replace(
        job,
        pieces=((start_ms, start_ms + length_ms),),
        now_g_per_kwh=now_mean,
        planned_g_per_kwh=mean,
        outlook=known.id or None,
        reason="; ".join(reasons),
    )
    return _with_pauses(queue, planned, known, now_ms) if job.interruptible else planned


def _with_pauses(queue: Queue, job: Job, known: Outlook, now_ms: int) -> Job:
    """Return the job as a worker's first look would plan it, were no other job there.

    Without that a job whose first piece begins before a worker looks would work on in dirty hours.
    """
    from greensched.batch import planning
    from greensched.policies.shifting.beside import Beside
    from greensched.ticks.seconds import on_seconds

    series = known.series(str(queue.setting("zone")))
    forecast = on_seconds(series, now_ms // MS_PER_S * MS_PER_S)
    slip = Slip._make(getattr(job, name) for name in Slip._fields)
    alone = Beside(cpu_m=capacity_m(queue), stays=(), hysteresis=planning.HYSTERESIS)
    found = planning.placed_anew(planning.Jobs.of([slip], {}), [0], forecast, alone)
    told = planning.told_of(found, series, now_ms)[0]
    return replace(job, pieces=told.pieces, planned_g_per_kwh=told.planned_g_per_kwh)


def _umask() -> int:
    """Return the process's mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
