"""Time words of a Job: what its annotations ask for, and when it has to start at the latest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from greensched.controller.names import (
    ASKED,
    CHECKPOINT_INTERVAL,
    DEADLINE,
    DURATION,
    INTERRUPTIBLE,
    LATEST_START,
    MAX_DELAY,
    RUNS,
    TERMS,
)
from greensched.policies.shifting.times import latest_start_ms, margin_ms
from greensched.providers.points import instant_ms, utc
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greensched.controller.job import Job

OVERHEAD_MS: Final = 2 * MS_PER_MIN  # that a Job takes to be where it was when it goes on
ANNUL: Final = "nothing says by when: neither deadline nor max-delay, here or in the policy"
CRON_DEADLINE: Final = (
    "its deadline comes from a CronJob's template, the same for every run, and is ignored"
)
NO_INTERVAL: Final = "interruptible without checkpoint-interval, so it is not paused"

_UNITS_MS: Final = {"d": MS_PER_DAY, "h": MS_PER_H, "m": MS_PER_MIN, "s": MS_PER_S}
_SPAN: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")

Run = tuple[int, int]


class TermsError(ValueError):
    """Annotations that cannot be followed; `str` tells all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds for Jobs that do not say, from the policy and from earlier runs."""

    max_delay_ms: int | None = None
    duration_ms: int = MS_PER_H
    learnt_ms: int | None = None
    next_run_ms: int | None = None  # of the CronJob that made it


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """When a Job may start, and how long it runs [ms; instants since 1970 UTC].

    `left_ms` is what it has still to run after its earlier runs; `checkpoint_ms` None: it is not
    paused. `remarks` are what its owner should know.
    """

    latest_start_ms: int
    end_ms: int  # its deadline, else when an unbroken run from the latest start would end
    duration_ms: int
    duration_from: str
    left_ms: int
    checkpoint_ms: int | None
    said: str
    remarks: tuple[str, ...] = ()


def terms_of(job: Job, defaults: Defaults) -> Terms:
    """Return the terms of a Job; raises TermsError with all that cannot be followed.

    A latest start that was announced moves earlier, never later, unless the user edits his words.
    """
    asked = _asked(job, defaults)
    duration_ms, max_delay_ms, deadline_ms = asked.duration_ms, asked.max_delay_ms, asked.end_ms
    length_ms, told = _duration(duration_ms, defaults)
    if defaults.next_run_ms is not None and max_delay_ms is not None:
        free_ms = max(0, defaults.next_run_ms - length_ms - job.created_ms)
        max_delay_ms = min(max_delay_ms, free_ms)
    latest_ms = latest_start_ms(
        job.created_ms, length_ms, max_delay_ms=max_delay_ms, deadline_ms=deadline_ms
    )
    said = said_by(job.notes)
    if job.notes.get(TERMS) == said and (before := _announced_ms(job.notes)) is not None:
        latest_ms = min(latest_ms, before)
    runs, interval_ms = runs_of(job.notes), asked.checkpoint_ms
    left_ms = length_ms if interval_ms is None else left_after(length_ms, runs, interval_ms)
    end_ms = deadline_ms if deadline_ms is not None else latest_ms + length_ms
    return Terms(
        latest_start_ms=_resumed_by_ms(end_ms, left_ms) if runs else latest_ms,
        end_ms=end_ms,
        duration_ms=length_ms,
        duration_from=told,
        left_ms=left_ms,
        checkpoint_ms=interval_ms,
        said=said,
        remarks=asked.remarks,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What annotations and defaults ask for, checked."""

    max_delay_ms: int | None
    end_ms: int | None
    duration_ms: int | None
    checkpoint_ms: int | None
    remarks: tuple[str, ...]


def _asked(job: Job, defaults: Defaults) -> _Asked:
    """Return what is asked for; raises TermsError with all that cannot be followed."""
    notes, found, remarks = job.notes, list[str](), list[str]()

    def read(name: str, parse: Callable[[str], int]) -> int | None:
        try:
            return parse(notes[name]) if name in notes else None
        except ValueError as error:
            found.append(f"{name}: {error}")
            return None

    max_delay_ms, end_ms = read(MAX_DELAY, span_ms), read(DEADLINE, instant_ms)
    duration_ms, interval_ms = read(DURATION, span_ms), read(CHECKPOINT_INTERVAL, span_ms)
    wanted = notes.get(INTERRUPTIBLE, "false")
    if wanted not in ("true", "false"):
        found.append(f'{INTERRUPTIBLE}: {wanted!r} is neither "true" nor "false"')
    if job.is_of_cron and end_ms is not None:
        end_ms = None
        remarks.append(CRON_DEADLINE)
    if wanted == "true" and interval_ms is None:
        remarks.append(NO_INTERVAL)
    if max_delay_ms is None and end_ms is None:
        max_delay_ms = defaults.max_delay_ms
        if max_delay_ms is None:
            found.append(ANNUL)
    if found:
        raise TermsError("; ".join(found))
    return _Asked(
        max_delay_ms=max_delay_ms,
        end_ms=end_ms,
        duration_ms=duration_ms,
        checkpoint_ms=interval_ms if wanted == "true" else None,
        remarks=tuple(remarks),
    )


def _duration(duration_ms: int | None, defaults: Defaults) -> tuple[int, str]:
    if duration_ms is not None:
        return duration_ms, "as annotated"
    if defaults.learnt_ms is not None:
        return defaults.learnt_ms, "95th percentile of its earlier runs"
    return defaults.duration_ms, "the policy's default"


def said_by(notes: Mapping[str, str]) -> str:
    """Return the user's own words, by which an edit is told from a new estimate of ours."""
    return "; ".join(f"{name}={notes[name]}" for name in ASKED if name in notes) or "defaults"


def span_ms(text: str) -> int:
    """Return a span such as `12h`, `1h30m` or `2d` [ms]; raises ValueError for anything else."""
    match = _SPAN.fullmatch(text.strip())
    total = 0
    if match:
        total = sum(int(n) * _UNITS_MS[u] for n, u in zip(match.groups("0"), "dhms", strict=True))
    if total <= 0 or total > 366 * MS_PER_DAY:
        message = f"{text!r} is no span up to a year, such as 12h, 1h30m or 2d"
        raise ValueError(message)
    return total


def runs_of(notes: Mapping[str, str]) -> tuple[Run, ...]:
    """Return the earlier runs that are noted; what cannot be read counts as none."""
    try:
        pairs = [part.strip().split("/") for part in notes.get(RUNS, "").split(",") if part]
        return tuple((instant_ms(a), instant_ms(b)) for a, b in pairs)
    except ValueError:
        return ()


def runs_text(runs: tuple[Run, ...]) -> str:
    """Return runs as they are noted."""
    return ",".join(f"{utc(a)}/{utc(b)}" for a, b in runs)


def left_after(duration_ms: int, runs: tuple[Run, ...], interval_ms: int) -> int:
    """Return what is left to run: of each run only whole checkpoint intervals were kept."""
    kept_ms = sum((b - a) // interval_ms * interval_ms for a, b in runs)
    return max(MS_PER_S, duration_ms - kept_ms)


def _resumed_by_ms(end_ms: int, left_ms: int) -> int:
    """Return when what is left has to go on at the latest, to end by `end_ms`."""
    return end_ms - left_ms - OVERHEAD_MS - margin_ms(left_ms)


def resumed_by_ms(terms: Terms, runs: tuple[Run, ...], interval_ms: int) -> int:
    """Return when a Job has to go on at the latest if these were its runs so far."""
    return _resumed_by_ms(terms.end_ms, left_after(terms.duration_ms, runs, interval_ms))


def _announced_ms(notes: Mapping[str, str]) -> int | None:
    try:
        return instant_ms(notes[LATEST_START]) if LATEST_START in notes else None
    except ValueError:
        return None
