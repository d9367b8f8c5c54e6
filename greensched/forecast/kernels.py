"""The compiled loops of forecasts: what is recent after a load, the largest of some bands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from greensched.compiling import REAL, WHOLE, entry, given, written
from greensched.forecast.level import FACTOR_MAX, FACTOR_MIN, NEXT_TO_NOTHING

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray


@entry
def highest(
    week_cpu_m: FloatArray,
    slots: IntArray,
    weights: FloatArray,
    factor: FloatArray,
    mean_cpu_m: FloatArray,
    floor_cpu_m: FloatArray,
    excess: FloatArray,
    band_cpu_m: FloatArray,
) -> None:
    """Write the largest upper forecast [S] of T instants; `Forecast.upper_at` step by step.

    `slots` [T, 3]: of the table before and after the instant, and the row of `excess`; `weights`
    [T, 3]: share of the way between the slots, what is left of the slow and of the fast level.
    """
    for s in range(len(mean_cpu_m)):
        most = 0.0
        for t in range(len(slots)):
            usual = week_cpu_m[slots[t, 0], s]
            lifted = usual + (week_cpu_m[slots[t, 1], s] - usual) * weights[t, 0]
            lifted *= (factor[0, s] - 1.0) * weights[t, 1] + 1.0
            lifted *= (factor[1, s] - 1.0) * weights[t, 2] + 1.0
            band = math.sqrt(lifted * mean_cpu_m[s]) * excess[slots[t, 2], s]
            most = max(most, band + lifted - floor_cpu_m[s])
        band_cpu_m[s] = most


@entry
def after(
    week_cpu_m: FloatArray,
    slots: IntArray,
    share: float,
    load_cpu_m: FloatArray,
    floor_cpu_m: FloatArray,
    slow_factor: FloatArray,
    keep: FloatArray,
    sums: FloatArray,
    new: FloatArray,
    factor: FloatArray,
) -> None:
    """Write sums [4, S] and levels [2, S] after a load, one step of `level.over_time`.

    `slots` [2] of the table lie before and after the middle of the period, `share` of the way;
    `keep` [2] is what is left of the slow and of the fast sums.
    """
    for s in range(len(load_cpu_m)):
        usual = week_cpu_m[slots[0], s]
        usual += (week_cpu_m[slots[1], s] - usual) * share
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
    highest.compile(
        (table, written(WHOLE, 2), written(REAL, 2), table, real, real, table, written(REAL))
    )
    made = written(REAL, 2)
    after.compile((table, written(WHOLE), REAL, *4 * (real,), table, made, made))
