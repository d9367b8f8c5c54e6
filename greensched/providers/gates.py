"""Which points of a source may be believed: nulls, zeros, frozen feeds, stale forecasts.

A feed that broke says 0 for hours (a real one did for ten), or one value for days; a point that
fails a gate is left out, counted and told, and the next source is asked for its time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.carbon import FORECAST, FROZEN_MS, INTENSITY_LIMIT_G_PER_KWH
from greensched.units import MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from greensched.model import BoolArray
    from greensched.providers.points import Points

STALE_MS: Final = MS_PER_DAY  # a live forecast that is older says little of now
AHEAD_MS: Final = MS_PER_H  # how far an actual value may lie ahead of now: clocks differ


def judged(points: Points, *, live: bool, now_ms: int) -> tuple[Points, tuple[str, ...]]:
    """Return the points that pass every gate, none overlapping, and what was left out and why.

    `live`: the source is a feed, in which a value that stays for over a day is a fault, and a
    forecast grows stale. In files a constant value may be true (a warning of `carbon` then).
    """
    notes = list(points.notes)
    values = points.values_g_per_kwh
    null = np.isnan(values)
    low, high = values <= 0.0, values > INTENSITY_LIMIT_G_PER_KWH
    failed = [
        (null, "null"),
        (low, "not above 0"),
        (high, f"above {INTENSITY_LIMIT_G_PER_KWH:,.0f} g/kWh: a wrong unit?"),
        (_contradicted(points), "two values for one time"),
    ]
    if live:
        ahead = (points.start_ms > now_ms + AHEAD_MS) & (points.status != FORECAST)
        failed += [
            (_stale(points, now_ms), f"forecast over {STALE_MS // MS_PER_H} h ago"),
            (_frozen(points), f"the same for over {FROZEN_MS // MS_PER_H} h: a frozen feed"),
            (ahead, "measured in the future"),
        ]
    bad = np.zeros(len(points), np.bool_)
    for mask, why in failed:
        count = int(np.sum(mask & ~bad))
        if count:
            notes.append(f"{count:,} of {len(points):,} values {why}")
        bad |= mask
    return _apart(points, ~bad), tuple(notes)


def _contradicted(points: Points) -> BoolArray:
    """Return which points have a neighbour of the same start and another value."""
    same = np.diff(points.start_ms) == 0
    differ = same & (np.diff(points.values_g_per_kwh) != 0.0)
    both = np.zeros(len(points), np.bool_)
    both[1:] |= differ
    both[:-1] |= differ
    return both


def _stale(points: Points, now_ms: int) -> BoolArray:
    issued_ms = points.labels.issued_at_ms
    old = issued_ms is not None and now_ms - issued_ms > STALE_MS
    stale: BoolArray = (points.status == FORECAST) & np.bool_(old)
    return stale


def _frozen(points: Points) -> BoolArray:
    """Return which points belong to a run of one value that lasts for over a day."""
    frozen = np.zeros(len(points), np.bool_)
    if len(points):
        edges = np.flatnonzero(np.diff(points.values_g_per_kwh)) + 1
        starts = np.concatenate(([0], edges))
        ends = np.concatenate((edges, [len(points)]))
        spans_ms = points.end_ms[ends - 1] - points.start_ms[starts]
        for k in np.flatnonzero((spans_ms > FROZEN_MS) & (ends - starts > 1)):
            frozen[starts[k] : ends[k]] = True
    return frozen


def _apart(points: Points, keep: BoolArray) -> Points:
    """Return the points of `keep`, each ended where the next begins; repeats dropped."""
    rows = np.flatnonzero(keep)
    rows = rows[np.diff(points.start_ms[rows], prepend=-1) != 0]
    start_ms, end_ms = points.start_ms[rows], points.end_ms[rows].copy()
    end_ms[:-1] = np.minimum(end_ms[:-1], start_ms[1:])
    return replace(
        points,
        start_ms=start_ms,
        end_ms=end_ms,
        values_g_per_kwh=points.values_g_per_kwh[rows],
        status=points.status[rows],
        notes=(),
    )
