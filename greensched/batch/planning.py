"""When the jobs of a queue run: the policy `plan` in the room that the machine's cores leave.

A plan that was announced stands as long as it is good: it is in the future, and no start that the
forecast knows emits less by more than the hysteresis. So one pass places what is new or has a
reason to move, a limited number of jobs, beside all others where they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.batch.job import OVERDUE, PAUSED, RUNNING, UNKNOWN, WAITING
from greensched.bounds.shifting import best_starts
from greensched.model import WaitingView
from greensched.policies.shifting.control import Planned, Shifting
from greensched.ticks.seconds import TICK_MS, integral

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from greensched.batch.job import Piece, Slip
    from greensched.carbon import CarbonIntensity
    from greensched.model import BoolArray, IntArray
    from greensched.policies.shifting.beside import Beside
    from greensched.ticks import TickIntensity

HYSTERESIS: Final = 0.02  # a start that is announced moves for more than this share
STANDS: Final = "no new forecast: planned by the last one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """The jobs of a plan, each with the time [ms] that is left of it."""

    slips: tuple[Slip, ...]
    left_ms: tuple[int, ...]

    @classmethod
    def of(cls, slips: Sequence[Slip], active_ms: Mapping[int, int]) -> Jobs:
        """Return jobs, given how long those that began have run."""
        left = (max(TICK_MS, s.duration_ms - active_ms.get(s.id, 0)) for s in slips)
        return cls(slips=tuple(slips), left_ms=tuple(left))

    def moving(self) -> Jobs:
        """Return those that a plan may place; what runs without pauses is where it is."""
        return self._where(s.state == WAITING or s.interruptible for s in self.slips)

    def fixed(self, now_ms: int, cpu_m: int) -> list[tuple[Piece, int]]:
        """Return what the others take from now on."""
        return [
            ((now_ms, now_ms + left), min(s.cpu_m, cpu_m))
            for s, left in zip(self.slips, self.left_ms, strict=True)
            if s.state != WAITING and not s.interruptible
        ]

    def _where(self, keep: Iterable[bool]) -> Jobs:
        kept = [i for i, wanted in enumerate(keep) if wanted]
        return Jobs(
            slips=tuple(self.slips[i] for i in kept), left_ms=tuple(self.left_ms[i] for i in kept)
        )


def blind(slips: Sequence[Slip], active_ms: Mapping[int, int], now_ms: int) -> list[Slip]:
    """Return jobs as planned without a forecast: as they were, or at once."""
    jobs, found = Jobs.of(slips, active_ms).moving(), []
    for slip, left_ms in zip(jobs.slips, jobs.left_ms, strict=True):
        if any(stop > now_ms for _, stop in slip.pieces):
            found.append(slip._replace(reason=STANDS))
        else:
            pieces = ((now_ms, now_ms + left_ms),)
            found.append(slip._replace(pieces=pieces, planned_g_per_kwh=None, reason=UNKNOWN))
    return found


def must_move(jobs: Jobs, now_ms: int, placed: set[int]) -> list[int]:
    """Return rows of jobs that have no plan by which they could run, or none that was placed."""
    rows = []
    for i, (slip, left_ms) in enumerate(zip(jobs.slips, jobs.left_ms, strict=True)):
        ahead_ms = sum(b - max(a, now_ms) for a, b in slip.pieces if b > now_ms)
        is_whole = bool(slip.pieces) and ahead_ms + TICK_MS >= left_ms
        in_time = is_whole and (slip.started_ms is not None or slip.pieces[0][0] >= now_ms)
        if not in_time or slip.id not in placed:
            rows.append(i)
    return rows


def may_move(jobs: Jobs, forecast: TickIntensity) -> list[int]:
    """Return rows of jobs that would be better off elsewhere, were there room for all.

    Of one that may pause nothing is known before it is placed.
    """
    columns = _view(jobs, 1)
    first = _ticks(np.array([s.pieces[0][0] if s.pieces else 0 for s in jobs.slips]), forecast)
    length = np.minimum(-(-columns.left_ms // TICK_MS), forecast.length)
    latest = _ticks(columns.latest_start_ms, forecast)
    latest = np.clip(latest, 0, forecast.length - length)
    first = np.clip(first, 0, forecast.length - length)
    best = best_starts(forecast, np.zeros_like(latest), latest, length)
    least = forecast.emitted(best, best + length)
    gains: BoolArray = forecast.emitted(first, first + length) * (1.0 - HYSTERESIS) > least
    rows: list[int] = np.flatnonzero(gains | columns.interruptible).tolist()
    return rows


def placed_anew(
    jobs: Jobs, rows: Sequence[int], forecast: TickIntensity, beside: Beside
) -> list[Slip]:
    """Return the jobs of `rows` with new pieces, in the room that is left beside the others."""
    rows = sorted(rows)
    chosen = Jobs(
        slips=tuple(jobs.slips[i] for i in rows), left_ms=tuple(jobs.left_ms[i] for i in rows)
    )
    held = [s for s in chosen.slips if s.pieces and s.pieces[0][0] >= forecast.zero_ms]
    memory = Planned(
        job=np.array([s.id for s in held], np.int64),
        start_ms=np.array([s.pieces[0][0] for s in held], np.int64),
        stop_ms=np.array([s.pieces[-1][1] for s in held], np.int64),
    )
    _, promised = Shifting(policy=beside).decide(
        forecast.zero_ms, _view(chosen, beside.cpu_m), forecast, memory
    )
    pieces: dict[int, list[Piece]] = {s.id: [] for s in chosen.slips}
    columns = (promised.job, promised.start_ms, promised.stop_ms)
    for job, start, stop in zip(*(c.tolist() for c in columns), strict=True):
        pieces[job].append((start, stop))
    return [s._replace(pieces=tuple(pieces[s.id]), reason="") for s in chosen.slips]


def told_of(slips: Sequence[Slip], series: CarbonIntensity, now_ms: int) -> list[Slip]:
    """Return jobs with the forecast's mean over their plan, and what has to be said of them."""
    owner = np.repeat(np.arange(len(slips)), [len(s.pieces) for s in slips])
    ends = np.array([p for s in slips for p in s.pieces], np.int64).reshape(-1, 2)
    start = np.maximum(ends[:, 0], int(series.edges_ms[0]))
    spans = np.maximum(ends[:, 1] - start, 0)
    sums = np.diff(integral(series, np.stack((start, start + spans), axis=1)), axis=1)[:, 0]
    sums[start + spans > series.edges_ms[-1]] = np.nan
    total = np.bincount(owner, weights=sums, minlength=len(slips))
    length = np.bincount(owner, weights=spans, minlength=len(slips))
    means = total / np.where(length > 0, length, np.nan)
    return [
        slip._replace(
            planned_g_per_kwh=None if mean != mean else mean,  # noqa: PLR0124 - NaN: not known
            reason=OVERDUE if _is_overdue(slip, now_ms) else slip.reason,
        )
        for slip, mean in zip(slips, means.tolist(), strict=True)
    ]


def _is_overdue(slip: Slip, now_ms: int) -> bool:
    return slip.state == WAITING and slip.latest_start_ms < now_ms


def _ticks(at_ms: IntArray, forecast: TickIntensity) -> IntArray:
    ticks: IntArray = (at_ms - forecast.zero_ms) // TICK_MS
    return ticks


def _view(jobs: Jobs, cpu_m: int) -> WaitingView:
    """Return the jobs as a policy of shifting sees them."""
    slips, left_ms = jobs.slips, jobs.left_ms
    return WaitingView(
        job=np.array([s.id for s in slips], np.int64),
        submit_ms=np.array([s.created_ms for s in slips], np.int64),
        latest_start_ms=np.array(
            [_latest_ms(s, left) for s, left in zip(slips, left_ms, strict=True)], np.int64
        ),
        left_ms=np.array(left_ms, np.int64),
        cpu_m=np.array([min(s.cpu_m, cpu_m) for s in slips], np.int64),
        interruptible=np.array([s.interruptible for s in slips], np.bool_),
        started=np.array([s.started_ms is not None for s in slips], np.bool_),
        running=np.array([s.state == RUNNING for s in slips], np.bool_),
    )


def _latest_ms(slip: Slip, left_ms: int) -> int:
    """Return the last instant at which what is left may begin without a pause."""
    done_ms = slip.duration_ms - left_ms
    return slip.latest_start_ms + (done_ms if slip.state in (RUNNING, PAUSED) else 0)
