"""A series in ticks of a second, whatever its steps: for plans of real clocks."""

from __future__ import annotations

from itertools import pairwise
from math import gcd
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.ticks.intensity import TickIntensity
from greensched.units import MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from greensched.carbon import CarbonIntensity
    from greensched.model import FloatArray, IntArray

TICK_MS: Final = MS_PER_S


def on_seconds(series: CarbonIntensity, zero_ms: int) -> TickIntensity:
    """Return a series from `zero_ms` on, in ticks of a second; slots as wide as its steps allow.

    Where steps do not lie on a common grid of seconds, slots of a minute have the mean.
    """
    edges = series.edges_ms.tolist()
    inner = [b - a for a, b in pairwise(edges[1:-1])]  # the first step and the last may be cut
    slot_ms = gcd(*inner) or max(b - a for a, b in pairwise(edges))
    anchor = edges[1] if len(edges) > 2 else zero_ms  # noqa: PLR2004 - one step has no edge within
    if slot_ms < TICK_MS or slot_ms % TICK_MS or (anchor - zero_ms) % TICK_MS:
        slot_ms, anchor = MS_PER_MIN, zero_ms
    slot_ms = max(TICK_MS, slot_ms // TICK_MS * TICK_MS)
    lead_ms = (zero_ms - anchor) % slot_ms
    starts = np.arange(zero_ms - lead_ms, edges[-1], slot_ms)
    begin, end = np.maximum(starts, edges[0]), np.minimum(starts + slot_ms, edges[-1])
    values = np.diff(integral(series, np.append(begin, end[-1]))) / (end - begin)
    return TickIntensity(
        values_g_per_kwh=values,
        width=slot_ms // TICK_MS,
        lead=lead_ms // TICK_MS,
        length=max(1, (edges[-1] - zero_ms) // TICK_MS),
        tick_ms=TICK_MS,
        zero_ms=zero_ms,
    )


def integral(series: CarbonIntensity, at_ms: IntArray) -> FloatArray:
    """Return the integral of a series from its begin to each instant [g/kWh by ms]."""
    parts = np.diff(series.edges_ms) * series.values_g_per_kwh
    upto = np.append(0.0, np.cumsum(parts))
    found: FloatArray = np.interp(at_ms, series.edges_ms, upto)
    return found
