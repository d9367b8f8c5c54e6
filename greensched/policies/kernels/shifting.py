"""The greedy plan on a grid of ticks: one job after the other takes the cleanest room left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, several, written

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray

MOST = 2**62
BEST, PAYS, FACTS = 3, 4, 5  # columns of what is remembered, after arrival, latest and length
UNKNOWN = -1


@inner
def _best(upto: IntArray, first: int, last: int, length: int) -> int:
    """Return the earliest start of least emissions, room or not."""
    best, least = first, MOST
    for start in range(first, last + 1):
        emitted = upto[start + length] - upto[start]
        if emitted < least:
            best, least = start, emitted
    return best


@inner
def _best_start(
    free: IntArray,
    most: IntArray,
    upto: IntArray,
    width: int,
    lead: int,
    first: int,
    last: int,
    length: int,
    need: int,
    least: int,
) -> int:
    """Return the earliest start of least emissions with room; -1: no room.

    None emits less than `least`. Slots of the data in which no tick has room are passed over.
    """
    best, found = -1, MOST
    run, t, stop = 0, first, last + length
    while t < stop:
        if free[t] < need:
            run = 0
            slot = (t + lead) // width
            t = (slot + 1) * width - lead if most[slot] < need else t + 1
            continue
        run, t = run + 1, t + 1
        if run >= length:
            emitted = upto[t] - upto[t - length]
            if emitted < found:
                best, found = t - length, emitted
                if emitted <= least:
                    return best
    return best


@inner
def _old_is_good(
    free: IntArray,
    upto: IntArray,
    old: int,
    best: int,
    length: int,
    need: int,
    keeps: float,
) -> bool:
    """Say whether the start of an earlier plan has room and emits little more than the best."""
    for t in range(old, old + length if need > 0 else old):
        if free[t] < need:
            return False
    return (upto[old + length] - upto[old]) * keeps <= upto[best + length] - upto[best]


@inner
def _first_free(free: IntArray, first: int, length: int, need: int) -> int:
    """Return the first start from `first` on with room; at the end of the grid there is some."""
    run, t = 0, first
    while run < length:
        run = run + 1 if free[t] >= need else 0
        t += 1
    return t - length


@inner
def _added(pieces: IntArray, n: int, more: int, t: int) -> int:
    """Add tick t to the pieces `[n, more)`, to the last where it follows it; return how many."""
    if more > n and pieces[2, more - 1] == t:
        pieces[2, more - 1] = t + 1
        return more
    pieces[1, more], pieces[2, more] = t, t + 1
    return more + 1


@inner
def _cheapest(
    free: IntArray,
    most: IntArray,
    order: IntArray,
    width: int,
    lead: int,
    first: int,
    stop: int,
    length: int,
    need: int,
    pieces: IntArray,
    n: int,
) -> tuple[int, int]:
    """Take the cheapest ticks with room as pieces from `n` on, the earliest of equal ones.

    Returns how many ticks lack, and where the pieces end, which are in the slots' order.
    """
    left, more = length, n
    for k in range(len(order)):
        slot = order[k]
        if most[slot] < need:
            continue
        for t in range(max(slot * width - lead, first), min((slot + 1) * width - lead, stop)):
            if free[t] >= need:
                more = _added(pieces, n, more, t)
                left -= 1
                if left == 0:
                    return left, more
    return left, more


@inner
def _joined(pieces: IntArray, j: int, n: int, more: int) -> int:
    """Bring job j's pieces `[n, more)` in order of time, and join those that meet.

    Steps grow as the square of their number, which is about one for each day of a job.
    """
    for i in range(n + 1, more):
        start, stop = pieces[1, i], pieces[2, i]
        k = i
        while k > n and pieces[1, k - 1] > start:
            pieces[1, k], pieces[2, k] = pieces[1, k - 1], pieces[2, k - 1]
            k -= 1
        pieces[1, k], pieces[2, k] = start, stop
    last = n
    for i in range(n + 1, more):
        if pieces[1, i] == pieces[2, last]:
            pieces[2, last] = pieces[2, i]
        else:
            last += 1
            pieces[1, last], pieces[2, last] = pieces[1, i], pieces[2, i]
    for i in range(n, last + 1):
        pieces[0, i] = j
    return last + 1


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


@inner
def _known(memo: IntArray, upto: IntArray, first: int, latest: int, length: int) -> int:
    """Return the row of `memo` on jobs of this window and length, filled with their best start."""
    row = (first + 127 * latest + 8_191 * length) & (len(memo) - 1)
    if memo[row, 0] != first or memo[row, 1] != latest or memo[row, 2] != length:
        memo[row, 0], memo[row, 1], memo[row, 2] = first, latest, length
        memo[row, BEST], memo[row, PAYS] = _best(upto, first, latest, length), UNKNOWN
    return row


@inner
def _take(
    free: IntArray,
    most: IntArray,
    width: int,
    lead: int,
    start: int,
    stop: int,
    need: int,
) -> None:
    """Take room from `start` until `stop`, and note the most that is left in each slot."""
    slot, t = (start + lead) // width, start
    while t < stop:
        begin, end = slot * width - lead, (slot + 1) * width - lead
        inside = slot < len(most)
        was_most = False
        while t < min(end, stop):
            was_most |= inside and free[t] == most[slot]
            free[t] -= need
            t += 1
        if was_most:
            left = 0
            for k in range(max(begin, 0), min(end, len(free))):
                left = max(left, free[k])
            most[slot] = left
        slot += 1


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
    free: IntArray,
    most: IntArray,
    memo: IntArray,
    costs: FloatArray,
    pieces: IntArray,
) -> int:
    """Write the pieces (job, start, stop) of each job in turn; return how many.

    `upto` is room for the emissions before each tick of the data; `free` (the cap) reaches as far
    as any job may be late; `most` (the cap) is of each slot of the data.
    `charged`: pauses cost `checkpoint` [ticks]. What does not depend on room, jobs of the same
    window and length share: `memo` (-1) and `costs` are for it, a power of two of rows.
    """
    n, left_cpu_m = 0, free[0]
    upto[0] = 0
    for t in range(len(upto) - 1):
        upto[t + 1] = upto[t] + units[(t + lead) // width]
    for j in range(len(arrival)):
        first, stop, size = arrival[j], latest[j] + length[j], length[j]
        left_cpu_m -= need[j]
        asks = need[j] if left_cpu_m < 0 else 0  # while all fit at once there is room everywhere
        pauses, more = interruptible[j], n
        if charged or not pauses:
            row = _known(memo, upto, first, latest[j], size)
            best = memo[row, BEST]
            least = upto[best + size] - upto[best]
        if pauses and charged:
            if memo[row, PAYS] == UNKNOWN or costs[row] != checkpoint[j]:
                room = free, most, order, width, lead
                _, more = _cheapest(*room, first, stop, size, 0, pieces, n)
                more = _joined(pieces, j, n, more)
                costs[row] = checkpoint[j]
                memo[row, PAYS] = _pays(upto, pieces, n, more, checkpoint[j], least)
            pauses = memo[row, PAYS] != 0
        if pauses:
            room = free, most, order, width, lead
            left, more = _cheapest(*room, first, stop, size, asks, pieces, n)
            while left > 0:
                if free[stop] >= need[j]:
                    more = _added(pieces, n, more, stop)
                    left -= 1
                stop += 1
            more = _joined(pieces, j, n, more)
        else:
            if asks > 0:
                best = _best_start(
                    free, most, upto, width, lead, first, latest[j], size, asks, least
                )
            old = held[j] if first <= held[j] <= latest[j] else -1
            if best < 0:
                best = _first_free(free, latest[j] + 1, size, need[j])
            elif old >= 0 and _old_is_good(free, upto, old, best, size, asks, keeps):
                best = old
            pieces[0, n], pieces[1, n], pieces[2, n] = j, best, best + size
            more = n + 1
        for i in range(n, more):
            _take(free, most, width, lead, pieces[1, i], pieces[2, i], need[j])
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
            written(REAL),
            written(WHOLE, 2),
        )
    )
