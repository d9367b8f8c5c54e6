"""What the record of a Job should say: pure, of its JSON and of what the record said before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from greensched.controller.deferral import (
    ENDED,
    GONE,
    HELD,
    OVERRIDDEN,
    RELEASED,
    WAITING,
    Deferral,
)
from greensched.controller.energy import assumed_power
from greensched.controller.names import CHECKPOINT_INTERVAL
from greensched.controller.patches import planned_ms, released_ms
from greensched.controller.reconcile import Assessed, Standing
from greensched.controller.terms import runs_of, span_ms

if TYPE_CHECKING:
    from greensched.controller.job import Job
    from greensched.controller.policy import Spec

_PHASES: Final = {
    Standing.WAITING: WAITING,
    Standing.RELEASE: WAITING,
    Standing.RUNNING: RELEASED,
    Standing.OVERRIDDEN: OVERRIDDEN,
}

Kept = tuple[int, int, bool]


def recorded(before: Deferral, job: Job, assessed: Assessed, spec: Spec | None) -> Deferral:
    """Return what is to be remembered of a Job that is still there."""
    if before.is_final:
        return before
    phase = _phase(before, assessed)
    since_ms = released_ms(job)
    after = replace(
        before,
        phase=phase,
        released_ms=since_ms,
        runs=_shadow(job, since_ms) if before.dry_run else _runs(job, since_ms),
        ended_ms=job.ended_ms,
        has_failed=job.has_failed,
    )
    if spec is not None and before.power is None:
        after = replace(after, power=assumed_power(job, spec.energy))
    if phase == ENDED and (before.phase == OVERRIDDEN or not after.runs):
        return replace(after, phase=before.phase, is_final=True)  # nothing of ours to settle
    return after


def departed(before: Deferral, now_ms: int) -> Deferral:
    """Return the record of a Job that was deleted: what ran ended now, at the latest."""
    if before.is_final or before.phase == ENDED:
        return before
    if before.phase == OVERRIDDEN or (before.released_ms is None and not before.runs):
        return replace(before, phase=GONE, is_final=True)
    runs = before.runs
    if before.released_ms is not None and before.released_ms < now_ms:
        runs = (*runs, (before.released_ms, now_ms, True))
    return replace(before, phase=ENDED, ended_ms=now_ms, runs=runs)


def _phase(before: Deferral, assessed: Assessed) -> str:
    if assessed.standing is Standing.ENDED:
        return ENDED
    if before.phase == OVERRIDDEN:
        return OVERRIDDEN  # a human took over, and that stays so
    if assessed.standing is Standing.HELD and assessed.until_ms is None:
        return HELD
    return _PHASES.get(assessed.standing, before.phase)


def _runs(job: Job, since_ms: int | None) -> tuple[Kept, ...]:
    """Return the runs that have ended, each cut at its last checkpoint."""
    try:
        interval_ms = span_ms(job.notes.get(CHECKPOINT_INTERVAL, ""))
    except ValueError:
        interval_ms = 1
    found: list[Kept] = []
    for start, end in runs_of(job.notes):
        kept = start + (end - start) // interval_ms * interval_ms
        found += [
            (a, b, useful) for a, b, useful in ((start, kept, True), (kept, end, False)) if b > a
        ]
    if job.ended_ms is not None and since_ms is not None:
        start = max(since_ms, job.started_ms or since_ms)
        if job.ended_ms > start:
            found.append((start, job.ended_ms, True))
    return tuple(found)


def _shadow(job: Job, since_ms: int | None) -> tuple[Kept, ...]:
    """Return the run of a Job where the plan of a dry run would have had it, once it ended."""
    runs = _runs(job, since_ms)
    planned = planned_ms(job)
    if not runs or planned is None:
        return runs
    return ((planned, planned + sum(b - a for a, b, _ in runs), True),)
