"""The most that shifting can save on given intensity: in time by zone, in space over zones.

What no policy can beat, whatever it knows: the future is known, capacity is endless, moving costs
nothing. Definitions are those of the study of the limits of carbon-aware shifting (Sukprasert et
al., EuroSys 2024, doi:10.1145/3627703.3629581): a job of `length` whole hours that arrives at any
hour may start up to `slack` hours later (contiguous), or run in any `length` hours of the
`length + slack` from its arrival on (interruptible). The saving is in g/kWh for each hour of work.

Everything is whole nanograms, so that flat intensity saves exactly nothing. All arrivals of all
zones go at once: contiguous runs by prefix sums and a sliding minimum, interruptible ones by the
largest or least few of every window (`_least`).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import DataError, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.model import FloatArray, IntArray

NANO: Final = 1e9
THREADS_MAX: Final = 2
CHUNK_CELLS: Final = 2**17  # hours of all zones that are worked on at once: what caches hold


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimit:
    """The mean over all starts of what a job of `length_h` saves [g/kWh]."""

    length_h: int
    saving_g_per_kwh: float
    saving_interruptible_g_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceLimit:
    """What moving saves [g/kWh], the mean over the zones in which work is at home."""

    cleanest: str  # the zone that is cleanest on average
    one_migration_g_per_kwh: float  # all work moves there once
    follow_cleanest_g_per_kwh: float  # every hour to the zone that is cleanest then
    hours: int  # that all zones have, which alone count


def time_limits(
    hours_g_per_kwh: Mapping[str, FloatArray], lengths_h: Sequence[int], slack_h: int
) -> dict[str, tuple[TimeLimit, ...]]:
    """Return for each zone what a job of each length saves; starts are 0 .. hours - length - 1.

    The last start cannot move and does not count, as in the study. A shifted run ends within the
    data. Raises DataError where a zone has no start at all.
    """
    short = [
        Finding(
            where=f"zone {zone}",
            what=f"{len(hours)} hours of data, too few for a length of {length} h",
            remedy="give a longer series or a shorter length",
        )
        for zone, hours in hours_g_per_kwh.items()
        for length in lengths_h
        if len(hours) <= length
    ]
    if short:
        raise DataError(*short)
    found: dict[str, tuple[TimeLimit, ...]] = {}

    def of_group(zones: Sequence[str]) -> dict[str, tuple[TimeLimit, ...]]:
        values = np.rint(np.stack([hours_g_per_kwh[z] for z in zones]) * NANO)
        limits = [_limits(values, length, slack_h) for length in lengths_h]
        return {zone: tuple(each[i] for each in limits) for i, zone in enumerate(zones)}

    # numpy lets go of the interpreter in its loops, so that threads are enough.
    with ThreadPoolExecutor(min(THREADS_MAX, os.cpu_count() or 1)) as pool:
        for part in pool.map(of_group, _alike(hours_g_per_kwh)):
            found |= part
    return {zone: found[zone] for zone in hours_g_per_kwh}


def mean_limits(by_zone: Mapping[str, Sequence[TimeLimit]]) -> tuple[TimeLimit, ...]:
    """Return the mean over zones of each length; every zone counts the same."""
    return tuple(
        TimeLimit(
            length_h=same[0].length_h,
            saving_g_per_kwh=_mean([limit.saving_g_per_kwh for limit in same]),
            saving_interruptible_g_per_kwh=_mean(
                [limit.saving_interruptible_g_per_kwh for limit in same]
            ),
        )
        for same in zip(*by_zone.values(), strict=True)
    )


def space_limit(hours_g_per_kwh: Mapping[str, FloatArray]) -> SpaceLimit:
    """Return what moving between the zones saves; all have the same hours."""
    zones = list(hours_g_per_kwh)
    values = np.rint(np.stack([hours_g_per_kwh[z] for z in zones]) * NANO)
    means = values.mean(axis=1)
    cleanest = int(np.argmin(means))
    return SpaceLimit(
        cleanest=zones[cleanest],
        one_migration_g_per_kwh=float((values - values[cleanest]).mean()) / NANO,
        follow_cleanest_g_per_kwh=float((values - values.min(axis=0)).mean()) / NANO,
        hours=values.shape[1],
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _alike(hours: Mapping[str, FloatArray]) -> list[list[str]]:
    """Return zones in groups of as many hours, each small enough for the caches."""
    groups: list[list[str]] = []
    room: dict[int, list[str]] = {}
    for zone, values in hours.items():
        group = room.get(len(values))
        if group is None or (len(group) + 1) * len(values) > CHUNK_CELLS:
            group = room[len(values)] = []
            groups.append(group)
        group.append(zone)
    return groups


def _limits(values_ng: FloatArray, length_h: int, slack_h: int) -> list[TimeLimit]:
    """Return the limit of each row of `values_ng` [zones, hours]."""
    starts = values_ng.shape[1] - length_h
    prefix = np.zeros((len(values_ng), values_ng.shape[1] + 1), np.int64)
    np.cumsum(values_ng.astype(np.int64), axis=1, out=prefix[:, 1:])
    costs = prefix[:, length_h:] - prefix[:, :-length_h]
    at_once = costs[:, :starts]
    least = _sliding_min(costs, slack_h + 1)[:, :starts]
    split = least if length_h == 1 else _least(values_ng, length_h, slack_h)[:, :starts]
    contiguous = ((at_once - least) / length_h).mean(axis=1) / NANO
    interruptible = ((at_once - split) / length_h).mean(axis=1) / NANO
    return [
        TimeLimit(
            length_h=length_h, saving_g_per_kwh=float(c), saving_interruptible_g_per_kwh=float(i)
        )
        for c, i in zip(contiguous, interruptible, strict=True)
    ]


def _sliding_min(values: IntArray, width: int) -> IntArray:
    """Return the least of each `width` values from each column on, cut at the end.

    By doubling: the least of 2 w values is the lesser of two that cover w.
    """
    result, covers = values.copy(), 1
    width = min(width, values.shape[1])
    while covers < width:
        step = min(covers, width - covers)
        np.minimum(result[:, :-step], result[:, step:], out=result[:, :-step])
        covers += step
    return result


def _least(values_ng: FloatArray, length_h: int, slack_h: int) -> FloatArray:
    """Return the sum of the `length_h` least of each window of `length_h + slack_h` hours.

    Windows are cut at the end of the data. Where the slack is the smaller number, it is found by
    leaving out the `slack_h` largest.
    """
    width = length_h + min(slack_h, values_ng.shape[1] - length_h)
    if length_h <= width - length_h:
        return _few_sums(values_ng, width, length_h)
    if width == length_h:
        return _window_sums(values_ng, width)
    return _window_sums(values_ng, width) + _few_sums(-values_ng, width, width - length_h, -np.inf)


def _window_sums(values_ng: FloatArray, width: int) -> FloatArray:
    """Return the sum of each `width` hours from each hour on, cut at the end."""
    zones, hours = values_ng.shape
    prefix = np.zeros((zones, hours + 1), np.int64)
    np.cumsum(values_ng.astype(np.int64), axis=1, out=prefix[:, 1:])
    ends = np.minimum(np.arange(hours) + width, hours)
    return (prefix[:, ends] - prefix[:, :-1]).astype(np.float64)


def _few_sums(values_ng: FloatArray, width: int, few: int, beyond: float = np.inf) -> FloatArray:
    """Return the sum of the `few` least of each window [s, s + width).

    Hours past the end have the value `beyond` and count as 0 in a sum: with -inf they are the
    first of the few. A window is the end of one block of `width` hours and the begin of the next
    (as in van Herk's and Gil and Werman's running minimum): of each the few least are kept
    sorted, and the few least of two such lists a, b are min(a[i], b[few - 1 - i]).
    """
    zones, hours = values_ng.shape
    blocks = -(-hours // width) + 1
    padded = np.full((zones, blocks * width), beyond)
    padded[:, :hours] = values_ng
    column = np.ascontiguousarray(padded.reshape(zones * blocks, width).T)  # [width, rows]
    ends = np.empty((width, few, zones * blocks))
    kept = np.full((few, zones * blocks), np.inf)
    for r in range(width - 1, -1, -1):
        kept = _inserted(kept, column[r], ends[r])
    sums = np.empty((width, zones * blocks))
    begins = np.full((few, zones * blocks), np.inf)
    spare = np.empty_like(begins)
    past = np.flatnonzero(np.arange(zones * blocks - 1) % blocks >= blocks - 3)  # near the end
    for r in range(width):
        # The last block of a zone has no next one; its windows lie past the end of the data.
        least = np.minimum(ends[r][:, :-1], begins[::-1, 1:], out=ends[r][:, :-1])
        last = least[:, past]
        last[np.isinf(last)] = 0.0
        least[:, past] = last
        np.sum(least, axis=0, out=sums[r, :-1])
        begins, spare = _inserted(begins, column[r], spare), begins
    sums[:, -1] = 0.0
    return np.ascontiguousarray(sums.T).reshape(zones, blocks * width)[:, :hours]


def _inserted(ascending: FloatArray, values: FloatArray, out: FloatArray) -> FloatArray:
    """Return sorted lists [few, rows] after one value [rows] more each, the largest dropped."""
    np.maximum(ascending[:-1], values, out=out[1:])
    np.minimum(ascending[1:], out[1:], out=out[1:])
    np.minimum(ascending[0], values, out=out[0])
    return out
