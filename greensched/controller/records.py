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


def recorded(
    before: Deferral, job: Job, assessed: Assessed, spec: Spec | None, now_ms: int
) -> Deferral:
    """Return what is to be remembered of a Job that is still there."""
    if before.is_final:
        return before
    phase = _phase(before, job, assessed)
    since_ms = released_ms(job)
    after = replace(
        before,
        phase=phase,
        released_ms=since_ms,
        expected_ms=_expected_ms(before, assessed, since_ms),
        runs=_runs_by_now(before, phase, job, since_ms, now_ms),
        ended_ms=job.ended_ms,
        has_failed=job.has_failed,
    )
    if spec is not None and before.power is None:
        after = replace(after, power=assumed_power(job, spec.energy))
    is_ended = job.ended_ms is not None
    if is_ended and (phase == OVERRIDDEN or not after.runs):  # nothing of ours to settle
        return replace(after, phase=phase if phase == OVERRIDDEN else before.phase, is_final=True)
    return after


def departed(before: Deferral, now_ms: int, *, is_seen: bool) -> Deferral:
    """Return the record of a Job that was deleted: now, where that `is_seen`.

    Else what ran is taken to have ended when it was expected to, now at the latest.
    """
    if before.is_final or before.phase == ENDED:
        return before
    if before.phase == OVERRIDDEN or (before.released_ms is None and not before.runs):
        return replace(before, phase=GONE, is_final=True)
    since_ms, runs, end_ms = before.released_ms, before.runs, now_ms
    if before.phase == HELD or since_ms is None or since_ms >= now_ms:  # it was not running
        return replace(before, phase=ENDED, ended_ms=now_ms)
    if not is_seen and before.expected_ms is not None:
        end_ms = min(now_ms, since_ms + before.expected_ms)
    runs = (*runs, (since_ms, end_ms, True))
    return replace(before, phase=ENDED, ended_ms=end_ms, runs=runs, is_estimated=not is_seen)


def _phase(before: Deferral, job: Job, assessed: Assessed) -> str:
    """Return a record's phase; what a human took over stays so."""
    was_held = before.phase == HELD and not job.is_suspended
    if before.phase == OVERRIDDEN or was_held:
        return OVERRIDDEN
    if assessed.standing is Standing.ENDED:
        return ENDED
    if assessed.standing is Standing.HELD and assessed.until_ms is None:
        return HELD
    return _PHASES.get(assessed.standing, before.phase)


def _expected_ms(before: Deferral, assessed: Assessed, since_ms: int | None) -> int | None:
    """Return how long a run is expected to last, by what was known when it began."""
    if since_ms == before.released_ms or assessed.terms is None:
        return before.expected_ms
    return assessed.terms.left_ms


def _runs_by_now(
    before: Deferral, phase: str, job: Job, since_ms: int | None, now_ms: int
) -> tuple[Kept, ...]:
    """Return the runs that have ended; a human who holds a Job ends one."""
    if before.phase == HELD:
        return before.runs
    end_ms = job.ended_ms
    if phase == HELD:
        end_ms = max(job.suspended_ms or 0, since_ms or 0)
        end_ms = now_ms if end_ms == since_ms else end_ms  # the cluster does not say it yet
    runs = _runs(job, since_ms, end_ms)
    return _shadow(runs, planned_ms(job)) if before.dry_run else runs


def _runs(job: Job, since_ms: int | None, end_ms: int | None) -> tuple[Kept, ...]:
    """Return the runs that have ended, each cut at its last checkpoint, the last at `end_ms`."""
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
    if end_ms is not None and since_ms is not None:
        start = max(since_ms, job.started_ms or since_ms)
        if end_ms > start:
            found.append((start, end_ms, True))
    return tuple(found)


def _shadow(runs: tuple[Kept, ...], planned: int | None) -> tuple[Kept, ...]:
    """Return the run of a Job where the plan of a dry run would have had it, once it ended."""
    if not runs or planned is None:
        return runs
    return ((planned, planned + sum(b - a for a, b, _ in runs), True),)
