"""The least emissions of jobs that may wait, without a limit on capacity: exact, job by job.

Contiguous jobs: the least of all sums over a window that slides in steps of one tick. Jobs that
may pause: their cheapest ticks. Both see the whole series, so that no policy can do better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.ticks import Schedule, TickIntensity, TickJobs, merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.model import BoolArray, IntArray

CELLS: Final = 2**20  # of a matrix [jobs, slots], so that it stays in the processor's cache


def least_emissions(jobs: TickJobs, intensity: TickIntensity) -> Schedule:
    """Return the schedule of least emissions, each job contiguous unless it is interruptible."""
    return least_within(intensity, jobs.arrival, jobs.latest, jobs.length, jobs.interruptible)


def least_within(
    intensity: TickIntensity,
    first: IntArray,
    latest: IntArray,
    length: IntArray,
    pauses: BoolArray,
) -> Schedule:
    """Return the same of jobs that may start from `first` to `latest`, in any order."""
    if pauses.all():
        return cheapest_ticks(intensity, first, latest + length, length)
    rows = np.flatnonzero(~pauses)
    start = best_starts(intensity, first[rows], latest[rows], length[rows])
    if len(rows) == len(pauses):
        return Schedule(job=rows, start=start, stop=start + length)
    split = np.flatnonzero(pauses)
    pieces = cheapest_ticks(intensity, first[split], latest[split] + length[split], length[split])
    return merged(
        np.concatenate((rows, split[pieces.job])),
        np.concatenate((start, pieces.start)),
        np.concatenate((start + length[rows], pieces.stop)),
    )


def best_starts(
    intensity: TickIntensity, first: IntArray, last: IntArray, length: IntArray
) -> IntArray:
    """Return the start in `[first, last]` of least emissions over `length` ticks, the earliest.

    Emissions are linear in the start between the starts at which it, or the end, meets the edge of
    a slot, so only those are looked at, and the ends of the range: the same as all ticks.
    """
    best, least = first.copy(), intensity.emitted(first, first + length)
    for rows, start in _corners(intensity, first, last, length):
        emitted = intensity.emitted(start, start + length[rows])
        better = (emitted < least[rows]) | ((emitted == least[rows]) & (start < best[rows]))
        rows, start, emitted = rows[better], start[better], emitted[better]  # noqa: PLW2901
        best[rows], least[rows] = start, emitted
    return best


def _corners(
    intensity: TickIntensity, first: IntArray, last: IntArray, length: IntArray
) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield rows and a start within their range at which emissions may turn, till none is left."""
    yield np.arange(len(first), dtype=np.int64), last
    for shift in (np.zeros_like(length), length):
        rows = np.arange(len(first), dtype=np.int64)
        slot = intensity.slot(first + shift) + 1
        while len(rows):
            start = intensity.edge(slot) - shift[rows]
            inside = start < last[rows]
            rows, start, slot = rows[inside], start[inside], slot[inside] + 1
            yield rows, start


def cheapest_ticks(
    intensity: TickIntensity, first: IntArray, stop: IntArray, length: IntArray
) -> Schedule:
    """Return, of each job's ticks `[first, stop)`, the `length` cheapest, of equals the earliest.

    Source: the interruptible bound of Wiesner et al., Let's Wait Awhile (Middleware 2021),
    section 3.2, doi 10.1145/3464298.3493399.
    """
    order = np.argsort(intensity.values_g_per_kwh, kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    parts = []
    for rows, slots, real in slot_windows(intensity, first, stop):
        ranks = np.where(real, rank[slots], len(order))
        ranks.sort(axis=1)
        slot = order[np.minimum(ranks, len(order) - 1)]
        begin = np.maximum(intensity.edge(slot), first[rows, None])
        end = np.minimum(intensity.edge(slot + 1), stop[rows, None])
        ticks = np.where(ranks < len(order), end - begin, 0)
        before = np.cumsum(ticks, axis=1) - ticks
        taken = np.clip(length[rows, None] - before, 0, ticks)
        row, column = np.nonzero(taken)
        begin = begin[row, column]
        parts.append((rows[row], begin, begin + taken[row, column]))
    return joined(parts)


def slot_windows(
    intensity: TickIntensity, first: IntArray, stop: IntArray
) -> Iterator[tuple[IntArray, IntArray, BoolArray]]:
    """Yield rows, the slots that their ticks `[first, stop)` touch, and which of these are real.

    The slots are matrices [rows, slots], jobs of like width together.
    """
    begin = intensity.slot(first)
    count = intensity.slot(stop - 1) - begin + 1
    order = np.argsort(count, kind="stable")
    at = 0
    while at < len(order):
        ahead = min(len(order), at + max(1, CELLS // int(count[order[at]])))
        widest = int(count[order[ahead - 1]])
        ahead = min(ahead, at + max(1, CELLS // widest))
        rows = order[at:ahead].astype(np.int64)
        column = np.arange(int(count[rows[-1]]), dtype=np.int64)
        real = column < count[rows, None]
        yield rows, np.where(real, begin[rows, None] + column, begin[rows, None]), real
        at = ahead


def joined(parts: list[tuple[IntArray, IntArray, IntArray]]) -> Schedule:
    """Return the schedule of several lots of pieces."""
    if not parts:
        return Schedule.none()
    job, start, stop = (np.concatenate(column) for column in zip(*parts, strict=True))
    return merged(job, start, stop)
