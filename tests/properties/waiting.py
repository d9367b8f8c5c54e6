"""Jobs that may wait and the intensity to come, for the laws of policies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from greensched.model import WaitingView
from greensched.ticks import TickIntensity
from greensched.units import MS_PER_H, MS_PER_MIN
from tests.snapshots import read_only

if TYPE_CHECKING:
    from greensched.model import Snapshot

JOBS = 4
TICK_MS = 5 * MS_PER_MIN
PER_HOUR = 12


def _view(
    job: object, submit: object, latest: object, left: object, flags: tuple[object, ...]
) -> WaitingView:
    """Return the view of jobs that each take a core and 30 s for a pause."""
    numbers = np.asarray(job)
    interruptible, started, running = (read_only(flag, np.bool_) for flag in flags)
    return WaitingView(
        job=read_only(numbers, np.int64),
        submit_ms=read_only(submit, np.int64),
        latest_start_ms=read_only(latest, np.int64),
        left_ms=read_only(left, np.int64),
        cpu_m=read_only(np.full(len(numbers), 1_000), np.int64),
        interruptible=interruptible,
        started=started,
        running=running,
        checkpoint_ms=read_only(np.full(len(numbers), 30_000), np.int64),
    )


def _hours(values: object) -> TickIntensity:
    """Return an intensity of these hours, in ticks of five minutes."""
    known = np.asarray(values, np.float64)
    return TickIntensity(
        values_g_per_kwh=known, width=PER_HOUR, length=PER_HOUR * len(known), tick_ms=TICK_MS
    )


def with_waiting(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with jobs of an hour that wait, and the forecast of a varied day."""
    submit, none = np.arange(JOBS) * MS_PER_MIN, np.zeros(JOBS)
    view = _view(
        np.arange(JOBS),
        submit,
        submit + 20 * MS_PER_H,
        np.full(JOBS, MS_PER_H),
        (np.arange(JOBS) % 2, none, none),
    )
    return replace(snapshot, waiting=view, carbon=_hours(300.0 + 100.0 * np.sin(np.arange(48))))


def make_waiting(
    rng: np.random.Generator, now_ms: int
) -> tuple[WaitingView | None, TickIntensity | None]:
    """Return random jobs that may wait, in any state, and an intensity; each may be missing."""
    job = np.flatnonzero(rng.random(24) < rng.random())
    n = len(job)
    started = rng.random(n) < 0.5
    view = _view(
        job,
        np.sort(rng.integers(0, now_ms + 1, n)),
        now_ms + rng.integers(-MS_PER_H, 20 * MS_PER_H, n),
        rng.integers(1, 6 * MS_PER_H, n),
        (rng.random(n) < 0.5, started, started & (rng.random(n) < 0.7)),
    )
    kinds = (rng.uniform(50, 500, 48), np.full(48, 70.0), np.repeat([90.0, 40.0], 24), None)
    values = kinds[int(rng.integers(len(kinds)))]
    intensity = None if values is None else _hours(values)
    return (None if rng.random() < 0.1 else view), intensity
