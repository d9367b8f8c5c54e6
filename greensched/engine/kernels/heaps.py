"""Priority structures: a heap of each machine's jobs, tournament of machines, timers.

The heaps of jobs lie one behind the other in one array; one that is full moves to the end, twice
as large, so that at most half of the space is left behind. A place tells when something happens
and, in one number, which job it is and in its lowest bits which slot: what is asked for ahead is
known without a look at the slot.

The tournament is of one number a machine: when its jobs' next event is and, in the lowest bits,
which machine it is. Each place holds the lesser of the two below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.engine.kernels.layout import GROW, INF, SLOT_BITS, ZERO
from greensched.engine.kernels.memory import (
    heap_of,
    mach_of,
    next_ms_of,
    slot_of,
    timer_of,
    tour_of,
    w_of,
)

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages, Table

ARITY = 4  # children of a node: half as deep as a binary heap, and side by side in memory


@inner
def heap_slot(world: Pages, k: int) -> int:
    """Return the slot at place k of the heaps."""
    return heap_of(world)[k].who & ((1 << SLOT_BITS) - 1)


@inner
def heap_job(world: Pages, k: int) -> int:
    """Return the job at place k of the heaps."""
    return heap_of(world)[k].who >> SLOT_BITS


@inner
def _before(key: int, who: int, other_key: int, other: int) -> bool:
    """Say whether one place comes before another (ties: lower job, lower slot)."""
    return key < other_key or (key == other_key and who < other)


@inner
def _put(world: Pages, at: int, key: int, who: int) -> None:
    """Write into place `at` of the heaps."""
    heap = heap_of(world)
    heap[at].key, heap[at].who = key, who


@inner
def _rise(world: Pages, base: int, k: int, key: int, who: int) -> None:
    """Let what is to be put at place k of the heap at `base` rise to where it belongs."""
    heap = heap_of(world)
    while k > 0:
        above = (k - 1) // ARITY
        b = heap[base + above]
        if not _before(key, who, b.key, b.who):
            break
        _put(world, base + k, b.key, b.who)
        k = above
    _put(world, base + k, key, who)


@inner
def _sink(world: Pages, base: int, n: int, k: int, key: int, who: int) -> None:
    """Let what is to be put at place k of the heap of n at `base` sink to where it belongs."""
    heap = heap_of(world)
    while True:
        first = ARITY * k + 1
        if first >= n:
            break
        best = first
        for child in range(first + 1, min(first + ARITY, n)):
            a, b = heap[base + child], heap[base + best]
            if _before(a.key, a.who, b.key, b.who):
                best = child
        b = heap[base + best]
        if not _before(b.key, b.who, key, who):
            break
        _put(world, base + k, b.key, b.who)
        k = best
    _put(world, base + k, key, who)


@inner
def heap_room(world: Pages, m: int) -> bool:
    """Make room for one more job in machine m's heap; without any left, ask to grow."""
    w, r = w_of(world), mach_of(world)[m]
    if r.heap_n < r.heap_room:
        return True
    heap = heap_of(world)
    room = 2 * r.heap_room
    if w[0].heaps_end + room > len(heap):
        w[0].status = GROW
        return False
    to = w[0].heaps_end
    for k in range(r.heap_n):
        _put(world, to + k, heap[r.heap_at + k].key, heap[r.heap_at + k].who)
    w[0].heaps_end += room
    r.heap_at, r.heap_room = to, room
    return True


@inner
def heap_push(world: Pages, m: int, s: int, key: int) -> None:
    """Put slot s into the heap of machine m, which has room."""
    r = mach_of(world)[m]
    _rise(world, r.heap_at, r.heap_n, key, (slot_of(world)[s].job << SLOT_BITS) + s)
    r.heap_n += 1


@inner
def heap_remove(world: Pages, m: int, s: int) -> None:
    """Take slot s out of machine m's heap."""
    r, heap = mach_of(world)[m], heap_of(world)
    base = r.heap_at
    r.heap_n -= 1
    n, k = r.heap_n, 0
    while heap_slot(world, base + k) != s:  # nearly always the first
        k += 1
    if k == n:
        return
    key, who = heap[base + n].key, heap[base + n].who  # takes the place of s
    b = heap[base + max(ZERO, k - 1) // ARITY]  # of the first place it is that place, in vain
    if k > 0 and _before(key, who, b.key, b.who):
        _rise(world, base, k, key, who)
    else:
        _sink(world, base, n, k, key, who)


@inner
def tour_update(world: Pages, m: int) -> None:
    """Bring the tournament up to date after machine m's next event changed.

    In a fleet of a million machines an event beyond 139 years is taken for none.
    """
    tour, bits = tour_of(world), w_of(world)[0].tour_bits
    at_ms = next_ms_of(world)[m]
    # the least of such numbers is found without branches, which nobody could foretell
    first = (at_ms << bits) + m if at_ms < INF >> bits else INF
    i = m + (1 << bits)
    while i > 1:
        tour[i] = first
        first = min(first, tour[i ^ 1])
        i >>= 1
    tour[1] = first


@inner
def tour_first(world: Pages) -> int:
    """Return the machine whose next event is first, or -1."""
    first = tour_of(world)[1]
    return first & ((1 << w_of(world)[0].tour_bits) - 1) if first < INF else -1


@inner
def tour_other(world: Pages) -> int:
    """Return the first machine of the eighths that the very first is not in, or -1.

    That is the second of all in seven of eight cases; of a few machines it is not looked for.
    """
    tour = tour_of(world)
    if w_of(world)[0].tour_bits < 3:
        return -1
    other = INF
    for i in range(8, 16):
        other = min(other, tour[i] if tour[i] != tour[1] else INF)
    return other & ((1 << w_of(world)[0].tour_bits) - 1) if other < INF else -1


@inner
def _timer_before(world: Pages, a: int, b: int) -> bool:
    """Say whether timer a rings before timer b."""
    timer = timer_of(world)
    if timer[a].at_ms != timer[b].at_ms:
        return timer[a].at_ms < timer[b].at_ms
    return timer[a].seq < timer[b].seq


@inner
def _timer_swap(world: Pages, a: int, b: int) -> None:
    """Exchange two timers."""
    timer = timer_of(world)
    at, seq, kind = timer[a].at_ms, timer[a].seq, timer[a].kind
    who, gen = timer[a].who, timer[a].gen
    timer[a] = timer[b]
    timer[b].at_ms, timer[b].seq, timer[b].kind = at, seq, kind
    timer[b].who, timer[b].gen = who, gen


@inner
def timer_push(world: Pages, at_ms: int, kind: int, who: Table, gen: int) -> None:
    """Set a timer; the caller has made sure that there is room."""
    w, timer = w_of(world), timer_of(world)
    i = w[0].timer_n
    w[0].timer_n += 1
    w[0].timer_seq += 1
    timer[i].at_ms = at_ms
    timer[i].seq = w[0].timer_seq
    timer[i].kind = kind
    timer[i].who = who
    timer[i].gen = gen
    while i > 0 and _timer_before(world, i, (i - 1) // 2):
        _timer_swap(world, i, (i - 1) // 2)
        i = (i - 1) // 2


@inner
def timer_pop(world: Pages) -> None:
    """Remove the first timer; read it before at position 0."""
    w, timer = w_of(world), timer_of(world)
    w[0].timer_n -= 1
    n = w[0].timer_n
    if n == 0:
        return
    timer[0] = timer[n]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            return
        if child + 1 < n and _timer_before(world, child + 1, child):
            child += 1
        if not _timer_before(world, child, i):
            return
        _timer_swap(world, i, child)
        i = child
