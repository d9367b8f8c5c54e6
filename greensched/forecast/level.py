"""How far services are above or below their usual load: two memories, a slow and a fast one.

The slow level is the decayed mean of load over the week's usual load, the fast one that of load
over usual load times slow level. Both fade with the lead: the further ahead, the more the week
counts. Half-lives and fading were chosen on real traces (docs/decisions/0009-forecast.md).

Sums are float64[4, S]: decayed sums of load seen and of usual load for the slow level, then for
the fast one, floor included. Levels are float64[2, S]: slow, fast.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.units import MS_PER_H, MS_PER_MIN

if TYPE_CHECKING:
    from greensched.model import FloatArray

SLOW_HALF_LIFE_MS: Final = 24 * MS_PER_H
FAST_HALF_LIFE_MS: Final = 15 * MS_PER_MIN
SLOW_FADE_MS: Final = 48 * MS_PER_H  # to 1/e
FAST_FADE_MS: Final = 4 * MS_PER_H
FLOOR_SHARE: Final = 0.02  # of the mean: added to loads, lest a silent night makes ratios wild
FACTOR_MIN: Final = 0.1
FACTOR_MAX: Final = 10.0
NEXT_TO_NOTHING: Final = 1e-300  # makes the level of who has seen nothing 1


def levels(sums: FloatArray) -> FloatArray:
    """Return the slow and the fast level [2, ...] of `sums` [4, ...]; 1 where nothing was seen."""
    ratio: FloatArray = (sums[0::2] + NEXT_TO_NOTHING) / (sums[1::2] + NEXT_TO_NOTHING)
    np.maximum(ratio, FACTOR_MIN, out=ratio)
    return np.minimum(ratio, FACTOR_MAX, out=ratio)


@lru_cache
def kept(period_ms: int) -> tuple[float, float]:
    """Return how much of the slow and of the fast sums is left after `period_ms`."""
    return 0.5 ** (period_ms / SLOW_HALF_LIFE_MS), 0.5 ** (period_ms / FAST_HALF_LIFE_MS)


def fades(lead_ms: float) -> tuple[float, float]:
    """Return how much of the slow and of the fast level is left after `lead_ms`."""
    return math.exp(lead_ms / -SLOW_FADE_MS), math.exp(lead_ms / -FAST_FADE_MS)


def over_time(
    load_cpu_m: FloatArray, usual_cpu_m: FloatArray, step_ms: int
) -> tuple[FloatArray, FloatArray]:
    """Return the levels [2, S, T + 1] before each step of [S, T], and the last sums [4, S].

    The same as `kernels.after` step by step, for all steps at once.
    """
    slow_seen = _decayed(load_cpu_m, step_ms, SLOW_HALF_LIFE_MS)
    slow_usual = _decayed(usual_cpu_m, step_ms, SLOW_HALF_LIFE_MS)
    slow = levels(np.stack([slow_seen, slow_usual]))[0]
    fast_seen = _decayed(load_cpu_m, step_ms, FAST_HALF_LIFE_MS)
    fast_usual = _decayed(usual_cpu_m * slow[:, :-1], step_ms, FAST_HALF_LIFE_MS)
    fast = levels(np.stack([fast_seen, fast_usual]))[0]
    last = (slow_seen, slow_usual, fast_seen, fast_usual)
    return np.stack([slow, fast]), np.stack([sums[:, -1] for sums in last])


def _decayed(values: FloatArray, step_ms: int, half_life_ms: int) -> FloatArray:
    """Return [S, T + 1]: the decayed sums before each step of [S, T] and after the last.

    In blocks within which the weights span at most 30 half-lives, so that nothing overflows and
    no digit is lost.
    """
    services, steps = values.shape
    keep = 0.5 ** (step_ms / half_life_ms)
    block = max(1, 30 * half_life_ms // step_ms)
    sums = np.zeros((services, steps + 1))
    weights = keep ** np.arange(1, min(block, max(steps, 1)) + 1)
    for at in range(0, steps, block):
        part = values[:, at : at + block]
        w = weights[: part.shape[1]]
        grown = np.cumsum(part * ((1.0 - keep) / w), axis=1)
        sums[:, at + 1 : at + 1 + len(w)] = (grown + sums[:, at : at + 1]) * w
    return sums
