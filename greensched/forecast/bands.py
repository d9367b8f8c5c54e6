"""One-sided split-conformal bands: how far load exceeded its forecast, on days not fitted.

The score of a forecast p of a load y is (y - p) / sqrt((p + floor) x mean): the spread of a load
grows with its level, but less than in proportion. The band at quantile q is the score of rank
ceil((n + 1) q) among n calibration scores (split conformal prediction: Lei et al. 2018, J. Am.
Stat. Assoc. 113, 1094-1111): for exchangeable scores the next one lies below it with a
probability of at least q.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from greensched.forecast.level import fades
from greensched.units import MS_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.model import FloatArray, IntArray

LEADS_MS: Final = tuple(minutes * MS_PER_MIN for minutes in (5, 15, 60, 4 * 60, 8 * 60, 24 * 60))
QUANTILES: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999)
EACH, WHOLE = 0, 1  # rows of `excess`: each instant alone; all instants from now on together
ORIGINS_MS: Final = 15 * MS_PER_MIN  # between two instants at which forecasts are tried


class Replay(NamedTuple):
    """A span of load with what was forecast of it; load and usual load include the floor."""

    load_cpu_m: FloatArray  # [S, T]
    usual_cpu_m: FloatArray  # [S, T]
    factor: FloatArray  # [2, S, T + 1] slow and fast levels before each step
    mean_cpu_m: FloatArray  # [S] > 0
    step_ms: int

    @property
    def stride(self) -> int:
        """Return the steps between two origins."""
        return max(1, ORIGINS_MS // self.step_ms)


class Tried(NamedTuple):
    """Forecasts of one lead: [S, origins] columns of load, forecast and scores."""

    lead_ms: int
    steps: int  # the target is the step that ends so many steps after the origin
    origins: IntArray  # steps seen
    load_cpu_m: FloatArray
    forecast_cpu_m: FloatArray
    each: FloatArray  # score of the target
    whole: FloatArray  # largest score of all steps up to the target


def rank(count: int, quantile: float) -> int:
    """Return the conformal rank ceil((n + 1) q), at most n: 1 is the smallest score.

    Where it would be n + 1 the true band is infinite; the largest score is the honest rest.
    """
    # 1e-9: 0.95 x 20 is 19, whatever floats say.
    return min(count, max(1, math.ceil((count + 1) * quantile - 1e-9)))


def tried(replay: Replay, first: int) -> Iterator[Tried]:
    """Yield for each lead what would have been forecast from origins of step `first` on.

    An origin has seen the steps before it, nothing later.
    """
    load, usual, stride = replay.load_cpu_m, replay.usual_cpu_m, replay.stride
    total = load.shape[1]
    slow, fast = replay.factor[:, :, first:-1:stride] - 1.0
    origins = np.arange(first, total, stride)
    # With the level L a score is (load - L usual) / sqrt(L usual mean) = A / L' - B L', where
    # L' = sqrt(L): two divisions less in the loop over thousands of origins and hundreds of leads.
    spread = np.sqrt(usual * replay.mean_cpu_m[:, np.newaxis])
    above = _phases(load / spread, first, stride)
    below = _phases(usual / spread, first, stride)
    worst = np.full((len(load), len(origins)), -np.inf)
    targets = [max(1, math.ceil(lead / replay.step_ms)) for lead in LEADS_MS]
    for k in range(max(targets)):
        n = int(np.searchsorted(origins, total - k))
        if n == 0:
            break
        fade_slow, fade_fast = fades((k + 0.5) * replay.step_ms)
        level = (1.0 + slow[:, :n] * fade_slow) * (1.0 + fast[:, :n] * fade_fast)
        root, row = np.sqrt(level), k // stride
        score = above[k % stride][:, row : row + n] / root
        score -= below[k % stride][:, row : row + n] * root
        np.maximum(worst[:, :n], score, out=worst[:, :n])
        for lead_ms, steps in zip(LEADS_MS, targets, strict=True):
            if steps == k + 1:
                at = origins[:n] + k
                forecast, whole = usual[:, at] * level, worst[:, :n].copy()
                yield Tried(lead_ms, steps, origins[:n], load[:, at], forecast, score, whole)


def _phases(columns: FloatArray, first: int, stride: int) -> list[FloatArray]:
    """Return every `stride`-th column from `first`, `first + 1` ... on, each without gaps."""
    return [np.ascontiguousarray(columns[:, first + k :: stride]) for k in range(stride)]


def calibrate(replay: Replay, first: int) -> tuple[FloatArray, IntArray]:
    """Return the excess [2, quantiles, leads, S] and the number [leads] of scores behind it.

    A band is never narrower than that of a shorter lead, nor below the forecast itself.
    """
    services = len(replay.load_cpu_m)
    excess = np.zeros((2, len(QUANTILES), len(LEADS_MS), services))
    counts = np.zeros(len(LEADS_MS), np.int64)
    for row, result in zip(range(len(LEADS_MS)), tried(replay, first), strict=False):
        n = len(result.origins)
        ranks = [rank(n, q) - 1 for q in QUANTILES]
        excess[EACH, :, row] = np.sort(result.each, axis=1)[:, ranks].T
        excess[WHOLE, :, row] = np.sort(result.whole, axis=1)[:, ranks].T
        counts[row] = n
    np.maximum(excess, 0.0, out=excess)
    return np.maximum.accumulate(excess, axis=2), counts
