"""What is written: patches of Jobs, in which decision and record travel together, and Events."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from greensched.controller.api import EVENTS, JOBS
from greensched.controller.names import (
    LATEST_START,
    PLANNED_START,
    PREFIX,
    RELEASED_AT,
    RUNS,
    STATUS,
    TERMS,
)
from greensched.controller.terms import runs_of, runs_text
from greensched.providers.points import instant_ms, utc
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from greensched.controller.api import Json
    from greensched.controller.job import Job
    from greensched.controller.terms import Run, Terms


def _patch(job: Job, notes: dict[str, str | None], *, suspend: bool | None = None) -> Json:
    """Return a strategic merge patch that only holds for the version that was seen."""
    body: Json = {
        "metadata": {
            "resourceVersion": job.version,
            "annotations": {f"{PREFIX}{name}": value for name, value in notes.items()},
        }
    }
    if suspend is not None:
        body["spec"] = {"suspend": suspend}
    return body


def announced(job: Job, terms: Terms, planned_ms: int, sentence: str) -> Json:
    """Return the patch that tells when a Job is to start, and when at the latest."""
    notes: dict[str, str | None] = {PLANNED_START: utc(planned_ms), STATUS: sentence}
    if not runs_of(job.notes):
        notes |= {LATEST_START: utc(terms.latest_start_ms), TERMS: terms.said}
    return _patch(job, notes)


def released(job: Job, now_ms: int, sentence: str, planned_ms: int | None = None) -> Json:
    """Return the patch that lets a Job run; in a dry run it notes when it would have run."""
    notes: dict[str, str | None] = {RELEASED_AT: utc(now_ms), STATUS: sentence}
    if planned_ms is not None:
        notes[PLANNED_START] = utc(planned_ms)
    return _patch(job, notes, suspend=False)


def paused(job: Job, now_ms: int, planned_ms: int, sentence: str) -> Json:
    """Return the patch that pauses a Job; its run until now is noted."""
    notes = {
        RELEASED_AT: None,
        RUNS: runs_text(runs_with(job, now_ms)),
        PLANNED_START: utc(planned_ms),
        STATUS: sentence,
    }
    return _patch(job, notes, suspend=True)


def runs_with(job: Job, now_ms: int) -> tuple[Run, ...]:
    """Return the runs of a Job, the one that goes on ended now."""
    since_ms = released_ms(job)
    return runs_of(job.notes) if since_ms is None else (*runs_of(job.notes), (since_ms, now_ms))


def is_announced(job: Job, terms: Terms, planned: int) -> bool:
    """Tell whether a Job's annotations say already what is to be announced."""
    notes = job.notes
    return planned_ms(job) == planned and (
        bool(runs_of(notes))
        or (
            notes.get(TERMS) == terms.said
            and notes.get(LATEST_START) == utc(terms.latest_start_ms)
        )
    )


def released_ms(job: Job) -> int | None:
    """Return since when a Job runs because we let it, None where it does not."""
    return noted_ms(job, RELEASED_AT)


def planned_ms(job: Job) -> int | None:
    """Return when a Job was announced to start."""
    return noted_ms(job, PLANNED_START)


def noted_ms(job: Job, name: str) -> int | None:
    """Return an instant among a Job's notes, None where there is none that can be read."""
    try:
        return instant_ms(job.notes[name]) if name in job.notes else None
    except ValueError:
        return None


def event(job: Job, reason: str, sentence: str, now_ms: int, instance: str) -> Json:
    """Return an Event about a Job; the same words at the same instant have the same name."""
    digest = hashlib.sha256(f"{job.uid}/{reason}/{sentence}/{now_ms}".encode()).hexdigest()[:16]
    at = datetime.fromtimestamp(now_ms / MS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    regarding: dict[str, Any] = {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.name,
        "namespace": job.namespace,
        "name": job.name,
        "uid": job.uid,
    }
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.name,
        "metadata": {"name": f"{job.name[:200]}.{digest}", "namespace": job.namespace},
        "eventTime": at,
        "reportingController": "greensched.io/controller",
        "reportingInstance": instance,
        "action": reason,
        "reason": reason,
        "type": "Normal",
        "regarding": regarding,
        "note": sentence[:1_024],
    }
