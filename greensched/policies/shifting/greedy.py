"""One job after the other takes the cleanest ticks that have room: the plan's default solver.

Jobs are taken in order of arrival, so that what is planned for those who wait does not move when
others come, and that the plan of a list is the plan of one who sees the jobs arrive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.bounds.shifting import best_starts
from greensched.model import NONE
from greensched.policies.shifting.room import Room
from greensched.ticks import Schedule, merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.model import FloatArray, IntArray
    from greensched.policies.shifting.wake import Wake
    from greensched.ticks import TickIntensity, TickJobs

FAR: Final = int(np.iinfo(np.int64).max)
ROUNDING: Final = 1e-12  # of weighted sums, relative; plain ones are exact


def greedy(
    jobs: TickJobs,
    intensity: TickIntensity,
    cpu_m: int,
    *,
    wake: Wake | None = None,
    held: IntArray | None = None,
    hysteresis: float = 0.0,
    room: Room | None = None,
) -> Schedule:
    """Return a schedule that never takes more than `cpu_m` [thousandths of a core].

    A contiguous job takes the start of least emissions at which it fits, an interruptible one its
    cheapest ticks with room; of equal ones the earliest. What finds no room by its latest start is
    late: it takes the first that comes. With `wake`, woken machines count. A contiguous job keeps
    the start that it `held` unless the best one emits less by more than the share `hysteresis`.
    `room` is what others leave, all of `cpu_m` by default.
    """
    room = room or Room(cpu_m, int(jobs.arrival[0]) if len(jobs) else 0)
    was = held if held is not None else np.full(len(jobs), NONE)
    rows: list[tuple[int, int, int]] = []
    like: dict[tuple[int, ...], int] = {}
    columns = (jobs.arrival, jobs.latest, jobs.length, jobs.cpu_m, was)
    hopes = _hopes(jobs, intensity, was, hysteresis)
    for j, ((arrival, latest, length, need, old), pauses, hope) in enumerate(
        zip(_tuples(*columns), jobs.interruptible.tolist(), hopes.tolist(), strict=True)
    ):
        room.forget(arrival)
        if pauses:
            window = (arrival, latest + length)
            pieces = cheapest_free(room, intensity, window, length, need, wake=wake)
        else:
            asked = (arrival, latest, length, need, old)
            start = like.get(asked, hope)
            if wake is not None or not room.has(start, start + length, need):
                keeps = old if arrival <= old <= latest else NONE
                start = best_free_start(
                    room, intensity, (arrival, latest), length, need, wake, (keeps, hysteresis)
                )
                like[asked] = start
            pieces = [(start, start + length)]
        for start, stop in pieces:
            room.take(start, stop, need)
            rows.append((j, start, stop))
    return merged(*np.array(rows, np.int64).reshape(-1, 3).T)


def _tuples(*columns: IntArray) -> Iterator[tuple[int, ...]]:
    """Return the rows of columns."""
    return zip(*(column.tolist() for column in columns), strict=True)


def _hopes(
    jobs: TickJobs, intensity: TickIntensity, held: IntArray, hysteresis: float
) -> IntArray:
    """Return the start that each contiguous job takes if there is room then.

    Room only narrows the choice, so the best of all starts, or a held one that is good enough
    beside it, stays what it is if it fits; and so does what a job that asked the same was given.
    """
    best = best_starts(intensity, jobs.arrival, jobs.latest, jobs.length)
    own = (held >= jobs.arrival) & (held <= jobs.latest)
    held = np.where(own, held, best)
    emitted, least = (intensity.emitted(s, s + jobs.length) for s in (held, best))
    hopes: IntArray = np.where(emitted * (1.0 - hysteresis) <= least, held, best)
    return hopes


def best_free_start(
    room: Room,
    intensity: TickIntensity,
    starts: tuple[int, int],
    length: int,
    need: int,
    wake: Wake | None = None,
    held: tuple[int, float] = (NONE, 0.0),
) -> int:
    """Return the start within `starts` of least emissions at which `need` fits `length` ticks.

    Where there is none, the first after them. `held` is a start that is kept, if it fits, unless
    the best emits less by more than so large a share.
    """
    first, last = starts
    corners = intensity.edges_within(first, last + length)
    at, free = room.window(first, last + length)
    tight = free < need
    if wake is not None:
        corners = np.concatenate((corners, at[1:]))
    elif tight.any():
        corners = np.concatenate((corners, at[1:][tight[1:] != tight[:-1]]))
    candidate = np.concatenate((corners, corners - length, (first, last)))
    if held[0] != NONE:
        candidate = np.append(candidate, held[0])
    candidate = candidate[(candidate >= first) & (candidate <= last)]
    if tight.any():
        upto = np.concatenate(([0], np.cumsum(tight)))
        low = at.searchsorted(candidate, side="right") - 1
        high = at.searchsorted(candidate + length)
        candidate = candidate[upto[high] == upto[low]]
        if not len(candidate):
            return _first_free(room, last + 1, length, need)
    if wake is None:
        return _chosen(candidate, intensity.emitted(candidate, candidate + length), held)
    weight = wake.factor(room.cpu_m - free, need)
    return _chosen(candidate, _weighted(intensity, at, weight, candidate, length), held)


def _chosen(candidate: IntArray, emitted: IntArray | FloatArray, held: tuple[int, float]) -> int:
    """Return the earliest of the best candidates, or the one that is held if it is good enough."""
    least = emitted.min()
    if held[0] != NONE:
        kept = np.flatnonzero(candidate == held[0])
        if len(kept) and emitted[kept[0]] * (1.0 - held[1]) <= least:
            return held[0]
    if emitted.dtype.kind == "f":
        least += ROUNDING * abs(least)
    return int(candidate[emitted <= least].min())


def _weighted(
    intensity: TickIntensity, at: IntArray, weight: FloatArray, start: IntArray, length: int
) -> FloatArray:
    """Return the emissions from each `start` over `length` ticks, times each step's weight."""
    steps = intensity.emitted(at[:-1], at[1:]) * weight[:-1]
    upto = np.concatenate(([0.0], np.cumsum(steps)))

    def before(tick: IntArray) -> FloatArray:
        step = at.searchsorted(tick, side="right") - 1
        inside: FloatArray = upto[step] + intensity.emitted(at[step], tick) * weight[step]
        return inside

    return before(start + length) - before(start)


def _first_free(room: Room, first: int, length: int, need: int) -> int:
    """Return the first start from `first` on at which `need` fits for `length` ticks."""
    at, free = room.window(first, FAR)
    tight = np.flatnonzero(free < need)
    begin = np.concatenate(([first], at[tight + 1]))  # the last step is always free enough
    end = np.append(at[tight], FAR)
    return int(begin[np.argmax(end - begin >= length)])


def cheapest_free(
    room: Room,
    intensity: TickIntensity,
    ticks: tuple[int, int],
    length: int,
    need: int,
    *,
    beyond: bool = True,
    wake: Wake | None = None,
) -> list[tuple[int, int]]:
    """Return the `length` cheapest of the `ticks` with room for `need`, as pieces in time.

    Where too few have room, all that do and, `beyond` them, the first that come.
    """
    begin, end, free = free_ranges(room, intensity, ticks)
    has_room = free >= need
    begin, end, free = begin[has_room], end[has_room], free[has_room]
    value = intensity.values_g_per_kwh[intensity.slot(begin)]
    if wake is not None:
        value = value * wake.factor(room.cpu_m - free, need)
    order = np.argsort(value, kind="stable")
    pieces = _taken(begin[order], end[order], length)
    left = length - sum(b - a for a, b in pieces)
    if left and beyond:
        at, free = room.window(ticks[1], FAR)
        has_room = free >= need
        end = np.append(at[1:], FAR)[has_room]
        pieces += _taken(at[has_room], end, left)
    return _touching_joined(pieces)


def free_ranges(
    room: Room, intensity: TickIntensity, ticks: tuple[int, int]
) -> tuple[IntArray, IntArray, IntArray]:
    """Return begin, end and free cores of the ranges of `ticks` in which nothing changes."""
    first, stop = ticks
    at, free = room.window(first, stop)
    begin = np.concatenate((at, intensity.edges_within(first, stop)))
    begin.sort()
    end = np.append(begin[1:], stop)  # a tick that is twice there begins a range without ticks
    return begin, end, free[at.searchsorted(begin, side="right") - 1]


def _taken(begin: IntArray, end: IntArray, length: int) -> list[tuple[int, int]]:
    """Return pieces of `length` ticks in all, from the first ranges on."""
    upto = np.cumsum(np.minimum(end - begin, length))
    last = int(upto.searchsorted(length))
    pieces = list(zip(begin[: last + 1].tolist(), end[: last + 1].tolist(), strict=True))
    if last < len(pieces):
        start, before = pieces[last][0], int(upto[last - 1]) if last else 0
        pieces[last] = (start, start + length - before)
    return pieces


def _touching_joined(pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the pieces in order of time, those that touch each other as one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(pieces):
        if start == stop:
            continue
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined
