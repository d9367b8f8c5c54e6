"""The greedy plan on a grid of ticks: one job after the other takes the cleanest room left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, several, written

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray

MOST = 2**62


@inner
def _best_start(
    free: IntArray,
    upto: IntArray,
    first: int,
    last: int,
    length: int,
    need: int,
    old: int,
    keeps: float,
) -> int:
    """Return the earliest start of least emissions with room, or the old one; -1: no room."""
    best, least, kept = -1, MOST, MOST
    tight = -1  # the latest tick without room
    for t in range(first, first + length - 1 if need > 0 else first):
        if free[t] < need:
            tight = t
    for start in range(first, last + 1):
        if need > 0 and free[start + length - 1] < need:
            tight = start + length - 1
        if tight >= start:
            continue
        emitted = upto[start + length] - upto[start]
        if emitted < least:
            best, least = start, emitted
        if start == old:
            kept = emitted
    if kept < MOST and kept * keeps <= least:
        return old
    return best


@inner
def _least(upto: IntArray, first: int, last: int, length: int) -> int:
    """Return the least emissions of all starts."""
    least = MOST
    for start in range(first, last + 1):
        least = min(least, upto[start + length] - upto[start])
    return least


@inner
def _first_free(free: IntArray, first: int, length: int, need: int) -> int:
    """Return the first start from `first` on with room; at the end of the grid there is some."""
    run, t = 0, first
    while run < length:
        run = run + 1 if free[t] >= need else 0
        t += 1
    return t - length


@inner
def _cheapest(
    free: IntArray,
    order: IntArray,
    width: int,
    lead: int,
    taken: IntArray,
    first: int,
    stop: int,
    length: int,
    need: int,
    mark: int,
) -> int:
    """Mark the cheapest ticks with room, the earliest of equal ones; return how many lack."""
    left = length
    for k in range(len(order)):
        slot = order[k]
        begin, end = max(slot * width - lead, first), min((slot + 1) * width - lead, stop)
        for t in range(begin, end if need > 0 else min(end, begin + left)):
            if left > 0 and free[t] >= need:
                taken[t] = mark
                left -= 1
        if left == 0:
            return 0
    return left


@inner
def _joined(
    taken: IntArray, first: int, stop: int, mark: int, j: int, pieces: IntArray, n: int
) -> int:
    """Write the marked ticks as pieces of job j behind the first `n`; return how many it makes."""
    inside = False
    for t in range(first, stop):
        if taken[t] != mark:
            inside = False
        elif inside:
            pieces[2, n - 1] = t + 1
        else:
            pieces[0, n], pieces[1, n], pieces[2, n] = j, t, t + 1
            n += 1
            inside = True
    return n


@inner
def _pays(
    upto: IntArray, pieces: IntArray, first: int, stop: int, checkpoint: float, whole: int
) -> bool:
    """Say whether pieces `[first, stop)`, and a checkpoint for each pause, emit less."""
    emitted = 0.0
    for i in range(first, stop):
        began = pieces[1, i]
        again = checkpoint * (upto[began + 1] - upto[began]) if i > first else 0.0
        emitted += (upto[pieces[2, i]] - upto[began]) + again
    return emitted < whole


@entry
def plan(
    arrival: IntArray,
    latest: IntArray,
    length: IntArray,
    need: IntArray,
    held: IntArray,
    interruptible: BoolArray,
    checkpoint: FloatArray,
    units: IntArray,
    order: IntArray,
    width: int,
    lead: int,
    keeps: float,
    charged: bool,
    upto: IntArray,
    taken: IntArray,
    free: IntArray,
    pieces: IntArray,
) -> int:
    """Write the pieces (job, start, stop) of each job in turn; return how many.

    `upto` is room for the emissions before each tick of the data, `taken` (-1) and `free` (the
    cap) reach as far as any job may be late. `charged`: pauses cost `checkpoint` [ticks].
    """
    n, left_cpu_m = 0, free[0]
    upto[0] = 0
    for t in range(len(upto) - 1):
        upto[t + 1] = upto[t] + units[(t + lead) // width]
    for j in range(len(arrival)):
        first, stop = arrival[j], latest[j] + length[j]
        left_cpu_m -= need[j]
        asks = need[j] if left_cpu_m < 0 else 0  # while all fit at once there is room everywhere
        pauses, more, mark = interruptible[j], n, 2 * j
        if pauses and charged:
            whole = _least(upto, first, latest[j], length[j])
            _cheapest(free, order, width, lead, taken, first, stop, length[j], 0, mark)
            more = _joined(taken, first, stop, mark, j, pieces, n)
            pauses = _pays(upto, pieces, n, more, checkpoint[j], whole)
        if not pauses:
            old = held[j] if first <= held[j] <= latest[j] else -1
            start = _best_start(free, upto, first, latest[j], length[j], asks, old, keeps)
            if start < 0:
                start = _first_free(free, latest[j] + 1, length[j], need[j])
            pieces[0, n], pieces[1, n], pieces[2, n] = j, start, start + length[j]
            more = n + 1
        elif asks > 0 or not charged:
            mark = 2 * j + 1
            left = _cheapest(free, order, width, lead, taken, first, stop, length[j], asks, mark)
            while left > 0:
                if free[stop] >= need[j]:
                    taken[stop] = mark
                    left -= 1
                stop += 1
            more = _joined(taken, first, stop, mark, j, pieces, n)
        for i in range(n, more):
            for t in range(pieces[1, i], pieces[2, i]):
                free[t] -= need[j]
        n = more
    return n


def compile_all() -> None:
    """Compile the loop, or load it from the cache."""
    columns = several(given(WHOLE), 5)
    plan.compile(
        (
            *columns,
            given(FLAG),
            given(REAL),
            *several(given(WHOLE), 2),
            WHOLE,
            WHOLE,
            REAL,
            FLAG,
            *several(written(WHOLE), 3),
            written(WHOLE, 2),
        )
    )
