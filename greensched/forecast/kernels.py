"""The compiled loop of forecasts: bands at several instants, their largest kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from greensched.compiling import REAL, WHOLE, entry, given, written

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


def compile_all() -> None:
    """Compile the loop, or load it from the cache."""
    real, table = given(REAL), given(REAL, 2)
    highest.compile(
        (table, written(WHOLE, 2), written(REAL, 2), table, real, real, table, written(REAL))
    )
