"""Jobs of a cluster: when each was created, ran and ended, and what it asks for."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from greensched.readers.cluster.objects import (
    OddError,
    integer,
    mapping,
    sequence,
    string,
    value,
)
from greensched.readers.cluster.pods import request_of

if TYPE_CHECKING:
    from greensched.readers.cluster.objects import Object, Objects
    from greensched.readers.cluster.pods import Request

NOT_SEEN: Final = ("annotations", "labels", "deletionTimestamp")
OWN_LABELS: Final = ("controller-uid", "job-name")  # the API's own, bare or with its prefix
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """One Job: `tasks` Pods at once, each of `request`; times are Unix [ms]."""

    title: str
    cron: str  # the CronJob that made it, empty for none
    created_ms: int
    started_ms: int | None  # None: it never ran
    ended_ms: int | None  # None: it runs
    tasks: int
    request: Request
    labels: tuple[str, ...]  # key=value, but for those that name the Job itself


def jobs_of(objects: Objects) -> list[BatchJob]:
    """Return the Jobs, sorted by creation and name."""
    return sorted(objects.each("Job", _job), key=lambda j: (j.created_ms, j.title))


def seen_ms(objects: Objects) -> int | None:
    """Return the latest instant that any object tells of [Unix ms]: about when all were listed.

    What people write (annotations, labels) may name any time, and a deletion is one to come.
    """
    told: set[str] = set()
    for one in (one for of in objects.kinds.values() for one in of):
        about = one.body.get("metadata")
        if isinstance(about, dict):
            told.update(*(_stamps(v) for k, v in about.items() if k not in NOT_SEEN))
        told.update(_stamps(one.body.get("status")))
    for stamp in sorted(told, reverse=True):
        with suppress(OddError):
            return instant_ms(stamp, "time")
    return None


def instant_ms(text: Any, called: str) -> int:
    """Return a time of the API [Unix ms]: RFC 3339 in UTC; raise OddError."""
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        instant = None
    if instant is None or instant.tzinfo is None:
        what = f"{called}: no time"
        raise OddError(what, str(text)[:40])
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def _stamps(part: Any, depth: int = 0) -> list[str]:
    """Return what looks like a time of the API anywhere in `part`."""
    if isinstance(part, str):
        return [part] if len(part) == len("2026-01-01T00:00:00Z") and part[10:] >= "T00:" and (
            part.endswith("Z") and part[:4].isdigit()
        ) else []  # fmt: skip
    inner: Any = ()
    if depth < 6:  # noqa: PLR2004 no status nests deeper
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return [s for one in inner for s in _stamps(one, depth + 1)]


def _job(one: Object) -> BatchJob:
    spec, status = mapping(one.body, "spec"), mapping(one.body, "status")
    created_ms = instant_ms(value(one.body, "metadata", "creationTimestamp"), "creationTimestamp")
    started = status.get("startTime")
    started_ms = None if started is None else instant_ms(started, "startTime")
    ended_ms = _ended_ms(status)
    if started_ms is not None and ended_ms is not None and ended_ms < started_ms:
        what = "end before start"
        raise OddError(what)
    parallelism = integer(spec, "parallelism", default=1)
    tasks = min(parallelism, integer(spec, "completions", default=parallelism))
    cron = [
        string(o, "name")
        for o in sequence(one.body, "metadata", "ownerReferences")
        if value(o, "kind") == "CronJob"
    ]
    return BatchJob(
        title=one.title,
        cron=f"{one.namespace}/{cron[0]}" if cron else "",
        created_ms=created_ms,
        started_ms=started_ms,
        ended_ms=ended_ms,
        tasks=max(1, tasks),
        request=request_of(value(spec, "template", "spec")),
        labels=tuple(
            f"{key}={text}"
            for key, text in sorted(one.labels.items())
            if key.partition("/")[2] not in OWN_LABELS and key not in OWN_LABELS
        ),
    )


def _ended_ms(status: dict[str, Any]) -> int | None:
    """Return when a Job was complete or had failed [Unix ms], None while it runs."""
    if status.get("completionTime") is not None:
        return instant_ms(status["completionTime"], "completionTime")
    for condition in sequence(status, "conditions"):
        if value(condition, "type") == "Failed" and value(condition, "status") == "True":
            return instant_ms(value(condition, "lastTransitionTime"), "lastTransitionTime")
    return None
