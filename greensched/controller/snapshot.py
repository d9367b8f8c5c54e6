"""The cluster's Jobs as the policy of shifting sees them, and what it intends with them.

The same `plan` that the simulation and the batch runner ask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.accounting.settlement import Segment, mean_g_per_kwh
from greensched.controller.names import RUN_NOW
from greensched.model import WaitingView
from greensched.policies.shifting.beside import Beside
from greensched.policies.shifting.control import Planned, Shifting
from greensched.policies.shifting.plan import Plan
from greensched.ticks.seconds import TICK_MS, on_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.carbon import CarbonIntensity
    from greensched.controller.job import Job
    from greensched.controller.terms import Terms

HYSTERESIS: Final = 0.02  # a start that was announced moves for more than this share

Piece = tuple[int, int]
Mean = Callable[[int, int], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A Job that waits, or that runs because we let it, and what was promised to it."""

    job: Job
    terms: Terms
    released_ms: int | None = None  # it runs since then
    planned_ms: int | None = None  # it was announced to start then

    @property
    def may_pause(self) -> bool:
        """Tell whether it may be paused, or go on later: its owner still wants that."""
        wanted = self.job.is_labelled and RUN_NOW not in self.job.notes
        return wanted and self.terms.checkpoint_ms is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intention:
    """When a Job is to run, and the forecast's mean now and then; None where it knows too little.

    Without a plan (`pieces` empty) nothing is known: it is to run at once.
    """

    pieces: tuple[Piece, ...]
    now_g_per_kwh: float | None = None
    planned_g_per_kwh: float | None = None


def intentions(
    candidates: Sequence[Candidate],
    series: CarbonIntensity | None,
    now_ms: int,
    cpu_m: int | None,
    stays: Sequence[tuple[Candidate, tuple[Piece, ...]]] = (),
) -> dict[str, Intention]:
    """Return what is intended with each Job, by UID, under a cap of `cpu_m` cores together.

    `stays` are others and their pieces, which do not move. Without a series what was announced
    stays, and what has no plan runs at once.
    """
    if series is None or not candidates:
        return {c.job.uid: _blind(c, now_ms) for c in candidates}
    zero_ms = now_ms // TICK_MS * TICK_MS
    ordered = sorted(candidates, key=lambda c: (c.job.created_ms, c.job.uid))
    policy = Shifting(policy=_policy(cpu_m, stays))
    view = _view(ordered, now_ms, cpu_m)
    forecast = on_seconds(series, zero_ms)
    _, promised = policy.decide(zero_ms, view, forecast, _memory(ordered, zero_ms))
    pieces: list[list[Piece]] = [[] for _ in ordered]
    columns = (promised.job, promised.start_ms, promised.stop_ms)
    for row, start, stop in zip(*(c.tolist() for c in columns), strict=True):
        pieces[row].append((start, stop))
    mean = cache(partial(_mean, series))  # many Jobs share their hours
    return {
        c.job.uid: _intention(c, tuple(p), mean, max(now_ms, int(series.edges_ms[0])))
        for c, p in zip(ordered, pieces, strict=True)
    }


def _policy(
    cpu_m: int | None, stays: Sequence[tuple[Candidate, tuple[Piece, ...]]]
) -> Plan | Beside:
    """Return the plan of all, or of some in the room that others leave."""
    if cpu_m is None:
        return Plan(hysteresis=HYSTERESIS)
    if not stays:
        return Plan(cpu_m=cpu_m, hysteresis=HYSTERESIS)
    taken = tuple((p, min(_need_m(c.job), cpu_m)) for c, pieces in stays for p in pieces)
    return Beside(cpu_m=cpu_m, stays=taken, hysteresis=HYSTERESIS)


def _blind(one: Candidate, now_ms: int) -> Intention:
    """Return the plan of a Job of which no forecast says anything."""
    if one.planned_ms is None or one.planned_ms <= now_ms:
        return Intention(pieces=())
    return Intention(pieces=((one.planned_ms, one.planned_ms + one.terms.left_ms),))


def _intention(one: Candidate, pieces: tuple[Piece, ...], mean: Mean, now_ms: int) -> Intention:
    means = [(mean(a, b), b - a) for a, b in pieces]
    known = [(g, span) for g, span in means if g is not None]
    planned_g = None
    if len(known) == len(means):
        planned_g = sum(g * span for g, span in known) / sum(span for _, span in known)
    return Intention(
        pieces=pieces,
        now_g_per_kwh=mean(now_ms, now_ms + one.terms.left_ms),
        planned_g_per_kwh=planned_g,
    )


def _mean(series: CarbonIntensity, start_ms: int, end_ms: int) -> float | None:
    start_ms = max(start_ms, int(series.edges_ms[0]))
    return mean_g_per_kwh(series, Segment(start_ms=start_ms, end_ms=max(start_ms, end_ms)))


def left_ms(one: Candidate, now_ms: int) -> int:
    """Return what a Job has still to run [ms], if it goes on without a pause."""
    since_ms = now_ms if one.released_ms is None else min(one.released_ms, now_ms)
    return max(TICK_MS, one.terms.left_ms - (now_ms - since_ms))


def _need_m(job: Job) -> int:
    return max(1, job.pods * job.cpu_m)


def _view(ordered: Sequence[Candidate], now_ms: int, cpu_m: int | None) -> WaitingView:
    """Return the Jobs in columns; who they are is their row."""
    rows = range(len(ordered))
    needs = np.array([_need_m(c.job) for c in ordered], np.int64)
    done_ms = [c.terms.left_ms - left_ms(c, now_ms) for c in ordered]
    return WaitingView(
        job=np.array(rows, np.int64),
        submit_ms=np.array([c.job.created_ms for c in ordered], np.int64),
        latest_start_ms=np.array(
            [c.terms.latest_start_ms + d for c, d in zip(ordered, done_ms, strict=True)], np.int64
        ),
        left_ms=np.array([left_ms(c, now_ms) for c in ordered], np.int64),
        cpu_m=needs if cpu_m is None else np.minimum(needs, cpu_m),
        interruptible=np.array([c.may_pause for c in ordered], np.bool_),
        started=np.array([c.released_ms is not None for c in ordered], np.bool_),
        running=np.array([c.released_ms is not None for c in ordered], np.bool_),
    )


def _memory(ordered: Sequence[Candidate], zero_ms: int) -> Planned:
    """Return the starts that were announced and have not come."""
    kept = [
        (row, c.planned_ms, c.planned_ms + c.terms.left_ms)
        for row, c in enumerate(ordered)
        if c.planned_ms is not None and c.planned_ms >= zero_ms and c.released_ms is None
    ]
    job, start, stop = zip(*kept, strict=True) if kept else ((), (), ())
    return Planned(
        job=np.array(job, np.int64),
        start_ms=np.array(start, np.int64),
        stop_ms=np.array(stop, np.int64),
    )
