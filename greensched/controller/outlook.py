"""The forecast that a Job began to wait under, kept in its record: one vintage for all of it.

Should actual intensity never come, it is settled by that. Kept as text, for ten thousand Jobs have
one each.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.carbon import FORECAST, CarbonIntensity, Labels
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from greensched.controller.api import Json

LATE_MS: Final = MS_PER_H  # it tells of the time before it was made for so long
DECIMALS, LEAST = 2, 0.01  # of g/kWh
KEPT: Final = ("source", "signal", "basis", "vintage", "synthetic", "issued_at_ms")


def outlook_text(series: CarbonIntensity, first_ms: int, last_ms: int) -> str:
    """Return what a forecast says of `[first_ms, last_ms)`, as far as it goes, as JSON.

    Its first value holds for what passed since `first_ms`, unless that was more than an hour;
    empty where it says nothing.
    """
    begin_ms = int(series.edges_ms[0])
    if first_ms < begin_ms - LATE_MS or series.edges_ms[-1] <= first_ms:
        return ""
    low = max(0, int(np.searchsorted(series.edges_ms, first_ms, side="right")) - 1)
    high = min(int(np.searchsorted(series.edges_ms, last_ms)), len(series.values_g_per_kwh))
    if low >= high:
        return ""
    values = np.maximum(np.round(series.values_g_per_kwh[low:high], DECIMALS), LEAST)
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1  # steps of one value are one
    edges_ms = [first_ms, *series.edges_ms[low + changes].tolist(), int(series.edges_ms[high])]
    values = values[np.concatenate(([0], changes))]
    labels = {name: getattr(series.labels, name) for name in KEPT}
    said = {"edges_ms": edges_ms, "g_per_kwh": values.tolist(), **labels}
    return json.dumps(said, separators=(",", ":"))


def outlook_series(text: str, zone: str) -> CarbonIntensity:
    """Return a kept forecast as a series."""
    said: Json = json.loads(text)
    edges_ms, values = said.pop("edges_ms"), said.pop("g_per_kwh")
    return CarbonIntensity(
        zone=zone,
        edges_ms=np.array(edges_ms, np.int64),
        values_g_per_kwh=np.array(values, np.float64),
        status=np.full(len(values), FORECAST, np.int8),
        labels=Labels(**said),
    )
