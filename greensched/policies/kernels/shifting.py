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
    for t in range(first, first + length - 1):
        if free[t] < need:
            tight = t
    for start in range(first, last + 1):
        if free[start + length - 1] < need:
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
        for t in range(begin, end):
            if left > 0 and free[t] >= need:
                taken[t] = mark
                left -= 1
        if left == 0:
            return 0
    return left


@inner
def _pays(
    units: IntArray,
    taken: IntArray,
    width: int,
    lead: int,
    first: int,
    stop: int,
    mark: int,
    checkpoint: float,
    whole: int,
) -> bool:
    """Say whether the marked ticks, and a checkpoint for each pause, emit less than `whole`."""
    emitted, piece, began, pauses = 0.0, 0, -1, 0
    for t in range(first, stop + 1):
        if t < stop and taken[t] == mark:
            if began < 0:
                began = t
            piece += units[(t + lead) // width]
        elif began >= 0:
            again = checkpoint * units[(began + lead) // width] if pauses > 0 else 0.0
            emitted += piece + again
            piece, began, pauses = 0, -1, pauses + 1
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
    n = 0
    upto[0] = 0
    for t in range(len(upto) - 1):
        upto[t + 1] = upto[t] + units[(t + lead) // width]
    for j in range(len(arrival)):
        first, stop = arrival[j], latest[j] + length[j]
        pauses = interruptible[j]
        if pauses and charged:
            start = _best_start(free, upto, first, latest[j], length[j], 0, -1, 1.0)
            whole = upto[start + length[j]] - upto[start]
            mark = 2 * j
            _cheapest(free, order, width, lead, taken, first, stop, length[j], 0, mark)
            pauses = _pays(units, taken, width, lead, first, stop, mark, checkpoint[j], whole)
        if not pauses:
            old = held[j] if first <= held[j] <= latest[j] else -1
            start = _best_start(free, upto, first, latest[j], length[j], need[j], old, keeps)
            if start < 0:
                start = _first_free(free, latest[j] + 1, length[j], need[j])
            for t in range(start, start + length[j]):
                free[t] -= need[j]
            pieces[0, n], pieces[1, n], pieces[2, n] = j, start, start + length[j]
            n += 1
            continue
        mark = 2 * j + 1
        left = _cheapest(free, order, width, lead, taken, first, stop, length[j], need[j], mark)
        end = stop
        while left > 0:
            if free[end] >= need[j]:
                taken[end] = mark
                left -= 1
            end += 1
        open_piece = False
        for t in range(first, end):
            if taken[t] != mark:
                open_piece = False
                continue
            free[t] -= need[j]
            if open_piece:
                pieces[2, n - 1] = t + 1
            else:
                pieces[0, n], pieces[1, n], pieces[2, n] = j, t, t + 1
                n += 1
                open_piece = True
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
