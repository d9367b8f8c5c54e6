"""Priority structures: pairing heap of a machine's jobs, tournament of machines, timers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.engine.kernels.compiling import inner
from greensched.engine.kernels.layout import INF

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Records, Table


@inner
def _before(slot: Records, a: int, b: int) -> bool:
    """Say whether slot a's next event comes before slot b's (ties: lower job, lower slot)."""
    if slot[a].key != slot[b].key:
        return slot[a].key < slot[b].key
    if slot[a].job != slot[b].job:
        return slot[a].job < slot[b].job
    return a < b


@inner
def pair_merge(slot: Records, a: int, b: int) -> int:
    """Join two pairing heaps (roots or -1) and return the root."""
    if a < 0:
        return b
    if b < 0:
        return a
    if _before(slot, b, a):
        a, b = b, a
    first = slot[a].child
    slot[b].sibling = first
    if first >= 0:
        slot[first].previous = b
    slot[b].previous = a
    slot[a].child = b
    return a


@inner
def pair_insert(slot: Records, root: int, s: int) -> int:
    """Put slot s into the heap and return the root."""
    slot[s].child = -1
    slot[s].sibling = -1
    slot[s].previous = -1
    return pair_merge(slot, root, s)


@inner
def pair_pop(slot: Records, root: int) -> int:
    """Take the root out and return the new root, or -1."""
    # first pass: merge pairs left to right, chaining the results backwards
    current = slot[root].child
    chain = -1
    while current >= 0:
        second = slot[current].sibling
        after = -1
        slot[current].sibling = -1
        slot[current].previous = -1
        if second >= 0:
            after = slot[second].sibling
            slot[second].sibling = -1
            slot[second].previous = -1
        merged = pair_merge(slot, current, second)
        slot[merged].sibling = chain
        chain = merged
        current = after
    # second pass: merge the chain
    new = -1
    while chain >= 0:
        after = slot[chain].sibling
        slot[chain].sibling = -1
        slot[chain].previous = -1
        new = pair_merge(slot, new, chain)
        chain = after
    slot[root].child = -1
    return new


@inner
def pair_remove(slot: Records, root: int, s: int) -> int:
    """Take any slot s out of the heap and return the root, or -1."""
    if s == root:
        return pair_pop(slot, root)
    before, after = slot[s].previous, slot[s].sibling
    if slot[before].child == s:
        slot[before].child = after
    else:
        slot[before].sibling = after
    if after >= 0:
        slot[after].previous = before
    slot[s].sibling = -1
    slot[s].previous = -1
    return pair_merge(slot, root, pair_pop(slot, s))


@inner
def tour_update(tour: Table, next_ms: Table, size: int, m: int) -> None:
    """Bring the tournament up to date after machine m's next event changed."""
    n = len(next_ms)
    i = (m + size) >> 1
    while i >= 1:
        left, right = tour[2 * i], tour[2 * i + 1]
        if right >= n or (left < n and next_ms[left] <= next_ms[right]):
            tour[i] = left
        else:
            tour[i] = right
        i >>= 1


@inner
def tour_first(tour: Table, next_ms: Table) -> int:
    """Return the machine whose next event is first, or -1."""
    m = tour[1]
    if m >= len(next_ms) or next_ms[m] >= INF:
        return -1
    return m


@inner
def _timer_before(timer: Records, a: int, b: int) -> bool:
    """Say whether timer a rings before timer b."""
    if timer[a].at_ms != timer[b].at_ms:
        return timer[a].at_ms < timer[b].at_ms
    return timer[a].seq < timer[b].seq


@inner
def _timer_swap(timer: Records, a: int, b: int) -> None:
    """Exchange two timers."""
    at, seq, kind = timer[a].at_ms, timer[a].seq, timer[a].kind
    who, gen = timer[a].who, timer[a].gen
    timer[a] = timer[b]
    timer[b].at_ms, timer[b].seq, timer[b].kind = at, seq, kind
    timer[b].who, timer[b].gen = who, gen


@inner
def timer_push(w: Records, timer: Records, at_ms: int, kind: int, who: Table, gen: int) -> None:
    """Set a timer; the caller has made sure that there is room."""
    i = w[0].timer_n
    w[0].timer_n += 1
    w[0].timer_seq += 1
    timer[i].at_ms = at_ms
    timer[i].seq = w[0].timer_seq
    timer[i].kind = kind
    timer[i].who = who
    timer[i].gen = gen
    while i > 0 and _timer_before(timer, i, (i - 1) // 2):
        _timer_swap(timer, i, (i - 1) // 2)
        i = (i - 1) // 2


@inner
def timer_pop(w: Records, timer: Records) -> None:
    """Remove the first timer; read it before at position 0."""
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
        if child + 1 < n and _timer_before(timer, child + 1, child):
            child += 1
        if not _timer_before(timer, child, i):
            return
        _timer_swap(timer, i, child)
        i = child
