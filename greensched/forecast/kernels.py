"""The compiled loops of forecasts: what is recent after a load, the largest of some bands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from greensched.compiling import REAL, WHOLE, entry, given, inner, several, written
from greensched.forecast.bands import LEADS_MS
from greensched.forecast.level import (
    FACTOR_MAX,
    FACTOR_MIN,
    FAST_FADE_MS,
    NEXT_TO_NOTHING,
    SLOW_FADE_MS,
)

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray


@inner
def _after(nodes: IntArray, at_ms: int) -> int:
    """Return the number of instants that are not after `at_ms`."""
    low, high = 0, nodes.shape[1]
    while low < high:
        middle = (low + high) // 2
        if nodes[0, middle] > at_ms:
            high = middle
        else:
            low = middle + 1
    return low


@inner
def _lead(lead_ms: int) -> int:
    """Return the row of the first calibrated lead that is not below `lead_ms`, or the last."""
    row = 0
    while row < len(LEADS_MS) - 1 and LEADS_MS[row] < lead_ms:
        row += 1
    return row


@entry
def highest(
    week_cpu_m: FloatArray,
    nodes: IntArray,
    now_ms: int,
    from_ms: int,
    until_ms: int,
    factor: FloatArray,
    mean_cpu_m: FloatArray,
    floor_cpu_m: FloatArray,
    excess: FloatArray,
    band_cpu_m: FloatArray,
) -> bool:
    """Write the largest upper forecast [S] within a time; `Forecast.upper_at` step by step.

    Looked at both ends and at each of `nodes` [2, N] between: instants [ms] and their slots of
    the table. Return whether they reach that far.
    """
    first = _after(nodes, from_ms)
    last = _after(nodes, until_ms - 1)
    if first == 0 or _after(nodes, until_ms) >= nodes.shape[1]:
        return False
    band_cpu_m[:] = 0.0
    for i in range(first - 1, max(first, last) + 1):
        at_ms, row = nodes[0, i], i + 1
        if i == first - 1:
            at_ms, row = from_ms, first
        elif i == max(first, last):
            at_ms, row = until_ms, _after(nodes, until_ms)
        before, after = nodes[1, row - 1], nodes[1, row]
        share = (at_ms - nodes[0, row - 1]) / (nodes[0, row] - nodes[0, row - 1])
        slow = math.exp(max(0, at_ms - now_ms) / -SLOW_FADE_MS)
        fast = math.exp(max(0, at_ms - now_ms) / -FAST_FADE_MS)
        lead = _lead(at_ms - now_ms)
        for s in range(len(mean_cpu_m)):
            usual = week_cpu_m[before, s]
            lifted = usual + (week_cpu_m[after, s] - usual) * share
            lifted *= (factor[0, s] - 1.0) * slow + 1.0
            lifted *= (factor[1, s] - 1.0) * fast + 1.0
            band = math.sqrt(lifted * mean_cpu_m[s]) * excess[lead, s]
            band_cpu_m[s] = max(band_cpu_m[s], band + lifted - floor_cpu_m[s])
    return True


@entry
def learn(
    week_cpu_m: FloatArray,
    before: int,
    after: int,
    share: float,
    load_cpu_m: FloatArray,
    floor_cpu_m: FloatArray,
    slow_factor: FloatArray,
    keep: tuple[float, float],
    sums: FloatArray,
    new: FloatArray,
    factor: FloatArray,
) -> None:
    """Write sums [4, S] and levels [2, S] after a load, one step of `level.over_time`.

    The middle of the period lies `share` of the way between two slots of the table; `keep` is
    what is left of the slow and of the fast sums.
    """
    for s in range(len(load_cpu_m)):
        usual = week_cpu_m[before, s]
        usual += (week_cpu_m[after, s] - usual) * share
        seen = load_cpu_m[s] + floor_cpu_m[s]
        for level in range(2):  # slow, fast
            left, at = keep[level], 2 * level
            new[at, s] = seen * (1.0 - left) + left * sums[at, s]
            new[at + 1, s] = usual * (1.0 - left) + left * sums[at + 1, s]
            ratio = (new[at, s] + NEXT_TO_NOTHING) / (new[at + 1, s] + NEXT_TO_NOTHING)
            factor[level, s] = min(max(ratio, FACTOR_MIN), FACTOR_MAX)
            usual *= slow_factor[s]  # the fast level is beside the slow one


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    real, table = given(REAL), given(REAL, 2)
    nodes, made = given(WHOLE, 2), written(REAL, 2)
    highest.compile((table, nodes, *3 * (WHOLE,), table, real, real, table, written(REAL)))
    learn.compile((table, WHOLE, WHOLE, REAL, *3 * (real,), several(REAL, 2), table, made, made))
