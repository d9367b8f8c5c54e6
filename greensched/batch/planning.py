"""When the jobs of a queue run: `plan` with the machine's cores as capacity."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.accounting.settlement import Segment, counterfactual, mean_g_per_kwh
from greensched.batch.job import PAUSED, RUNNING
from greensched.model import WaitingView
from greensched.policies.shifting.control import Planned, Shifting
from greensched.policies.shifting.plan import Plan
from greensched.ticks import TickIntensity
from greensched.units import MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.batch.job import Job, Piece
    from greensched.carbon import CarbonIntensity

TICK_MS: Final = MS_PER_S
HYSTERESIS: Final = 0.02  # a start that is announced moves for more than this share
UNKNOWN: Final = "no forecast: runs at once"
OVERDUE: Final = "its latest start has passed: starts now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intention:
    """When a job is to run, and the forecast's mean over that; None where it knows too little."""

    pieces: tuple[Piece, ...]
    planned_g_per_kwh: float | None
    reason: str


def plan(
    jobs: Sequence[Job],
    active_ms: Mapping[int, int],
    series: CarbonIntensity | None,
    now_ms: int,
    cpu_m: int,
) -> dict[int, Intention]:
    """Return what is intended with jobs that wait or run, given how long each ran already.

    Without a series what was planned stays, and what has no plan runs at once.
    """
    if not jobs:
        return {}
    left_ms = {j.id: max(TICK_MS, j.duration_ms - active_ms.get(j.id, 0)) for j in jobs}
    if series is None:
        return {j.id: _blind(j, left_ms[j.id], now_ms) for j in jobs}
    zero_ms = now_ms // TICK_MS * TICK_MS
    forecast = on_seconds(series, zero_ms)
    policy = Shifting(policy=Plan(cpu_m=cpu_m, hysteresis=HYSTERESIS))
    _, promised = policy.decide(
        zero_ms, _view(jobs, left_ms, cpu_m), forecast, _memory(jobs, zero_ms)
    )
    pieces: dict[int, list[Piece]] = {j.id: [] for j in jobs}
    columns = (promised.job, promised.start_ms, promised.stop_ms)
    for job, start, stop in zip(*(c.tolist() for c in columns), strict=True):
        pieces[job].append((start, stop))
    return {j.id: _intention(j, tuple(pieces[j.id]), series, now_ms) for j in jobs}


def _blind(job: Job, left_ms: int, now_ms: int) -> Intention:
    """Return the plan of a job of which no forecast says anything."""
    if any(stop > now_ms for _, stop in job.pieces):
        reason = "no new forecast: planned by the last one"
        return Intention(pieces=job.pieces, planned_g_per_kwh=job.planned_g_per_kwh, reason=reason)
    return Intention(pieces=((now_ms, now_ms + left_ms),), planned_g_per_kwh=None, reason=UNKNOWN)


def _intention(
    job: Job, pieces: tuple[Piece, ...], series: CarbonIntensity, now_ms: int
) -> Intention:
    """Return a plan with the forecast's mean over it."""
    reason = OVERDUE if job.latest_start_ms < now_ms and job.started_ms is None else ""
    means = [
        (
            mean_g_per_kwh(series, Segment(start_ms=max(a, int(series.edges_ms[0])), end_ms=b)),
            b - a,
        )
        for a, b in pieces
    ]
    known = [(g, span) for g, span in means if g is not None]
    mean = None
    if len(known) == len(means) and means:
        mean = sum(g * span for g, span in known) / sum(span for _, span in known)
    return Intention(pieces=pieces, planned_g_per_kwh=mean, reason=reason)


def at_once_g_per_kwh(series: CarbonIntensity, job: Job) -> float | None:
    """Return the forecast's mean over a run of the job at its creation, None where unknown."""
    whole = Segment(start_ms=job.created_ms, end_ms=job.created_ms + job.duration_ms)
    return mean_g_per_kwh(series, counterfactual([whole], job.created_ms))


def on_seconds(series: CarbonIntensity, zero_ms: int) -> TickIntensity:
    """Return a series from `zero_ms` on, in ticks of a second; slots as wide as its steps allow.

    Where steps do not lie on a common grid of seconds, slots of a minute have the mean.
    """
    edges = series.edges_ms.tolist()
    steps = [b - a for a, b in pairwise(edges[1:])]
    slot_ms = gcd(*steps) if steps else edges[-1] - zero_ms
    anchor = edges[1] if len(edges) > 2 else zero_ms  # noqa: PLR2004 - a first step may be cut
    if slot_ms < TICK_MS or slot_ms % TICK_MS or (anchor - zero_ms) % TICK_MS:
        slot_ms, anchor = MS_PER_MIN, zero_ms
    slot_ms = max(TICK_MS, slot_ms // TICK_MS * TICK_MS)
    lead_ms = (zero_ms - anchor) % slot_ms
    starts = np.arange(zero_ms - lead_ms, edges[-1], slot_ms)
    begin, end = np.maximum(starts, edges[0]), np.minimum(starts + slot_ms, edges[-1])
    spans = np.diff(series.edges_ms) * series.values_g_per_kwh
    upto = np.interp(np.append(begin, end[-1]), series.edges_ms, np.append(0.0, np.cumsum(spans)))
    values = np.diff(upto) / (end - begin)
    return TickIntensity(
        values_g_per_kwh=values,
        width=slot_ms // TICK_MS,
        lead=lead_ms // TICK_MS,
        length=max(1, (edges[-1] - zero_ms) // TICK_MS),
        tick_ms=TICK_MS,
        zero_ms=zero_ms,
    )


def _view(jobs: Sequence[Job], left_ms: Mapping[int, int], cpu_m: int) -> WaitingView:
    """Return the jobs as a policy of shifting sees them."""
    return WaitingView(
        job=np.array([j.id for j in jobs], np.int64),
        submit_ms=np.array([j.created_ms for j in jobs], np.int64),
        latest_start_ms=np.array([_latest_ms(j, left_ms[j.id]) for j in jobs], np.int64),
        left_ms=np.array([left_ms[j.id] for j in jobs], np.int64),
        cpu_m=np.array([min(j.cpu_m, cpu_m) for j in jobs], np.int64),
        interruptible=np.array([j.interruptible for j in jobs], np.bool_),
        started=np.array([j.started_ms is not None for j in jobs], np.bool_),
        running=np.array([j.state == RUNNING for j in jobs], np.bool_),
    )


def _latest_ms(job: Job, left_ms: int) -> int:
    """Return the last instant at which what is left may begin without a pause."""
    done_ms = job.duration_ms - left_ms
    return job.latest_start_ms + (done_ms if job.state in (RUNNING, PAUSED) else 0)


def _memory(jobs: Sequence[Job], zero_ms: int) -> Planned:
    """Return the starts that were announced and have not come."""
    kept = [j for j in jobs if j.pieces and j.pieces[0][0] >= zero_ms]
    return Planned(
        job=np.array([j.id for j in kept], np.int64),
        start_ms=np.array([j.pieces[0][0] for j in kept], np.int64),
        stop_ms=np.array([j.pieces[-1][1] for j in kept], np.int64),
    )
