"""Machines by their free capacity: a list of those at each level of a pool.

Machines of a pool hang in doubly linked lists, one a level of free capacity (1/1024 of the
largest machine: CPU where a pool has no GPUs, GPUs otherwise), newest first. A word of bits for
each block of levels says which of them have machines.

Machines that share with services often have CPU left but no memory. So that not each search
looks at all of them, `most_mib` tells of a level, and of a block, how much memory a machine there
has free at most: raised where a machine gets more, lowered to what was seen where a search has
looked at all machines of a level in vain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.compiling.views import highest_bit, lowest_bit
from greensched.engine.kernels.layout import BLOCK, LEVELS, NO, P_BATCH, ZERO
from greensched.engine.kernels.memory import block_of, head_of, link_of, mach_of, most_mib_of

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages


@inner
def set_level(world: Pages, pool: int, m: int, level: int) -> None:
    """Move machine m to `level` (-1: out) of a pool."""
    link, head, block = link_of(world), head_of(world), block_of(world)
    apart = len(mach_of(world)) if pool >= P_BATCH else 0
    i = m + apart
    old = link[i].level
    if old == level:
        return
    if old >= 0:
        before, after = link[i].previous, link[i].next
        if before >= 0:
            link[before + apart].next = after
        else:
            head[pool, old] = after
            if after < 0:
                block[pool, old // BLOCK] ^= 1 << (old % BLOCK)
        if after >= 0:
            link[after + apart].previous = before
    link[i].level = level
    if level >= 0:
        first = head[pool, level]
        link[i].previous, link[i].next = -1, first
        if first >= 0:
            link[first + apart].previous = m
        head[pool, level] = m
        block[pool, level // BLOCK] |= 1 << (level % BLOCK)


@inner
def next_of(world: Pages, pool: int, m: int) -> int:
    """Return the machine after m at its level of a pool, or -1."""
    return link_of(world)[m + len(mach_of(world)) if pool >= P_BATCH else m].next


@inner
def reach(world: Pages, pool: int, level: int, step: int) -> int:
    """Return the first level with machines, from `level` up (step 1) or down (-1).

    Where there is none, a level beyond all others.
    """
    if not 0 <= level <= LEVELS:
        return level
    block, k = block_of(world), level // BLOCK
    if step > 0:
        bits = block[pool, k] >> (level % BLOCK) << (level % BLOCK)
    else:
        bits = block[pool, k] & ((2 << (level % BLOCK)) - 1)
    while bits == 0:
        k += step
        if not 0 <= k <= LEVELS // BLOCK:
            return k * BLOCK
        bits = block[pool, k]
    return k * BLOCK + (lowest_bit(bits) if step > 0 else highest_bit(bits))


@inner
def reach_memory(world: Pages, pool: int, level: int, step: int, memory_mib: int) -> int:
    """Return as `reach` the first level where a machine may have so much memory free."""
    most_mib = most_mib_of(world)
    level = reach(world, pool, level, step)
    while 0 <= level <= LEVELS and most_mib[pool, level] < memory_mib:
        k = level // BLOCK
        if most_mib[pool, LEVELS + 1 + k] < memory_mib:  # nor has any other level of its block
            level = k * BLOCK + (BLOCK - 1 if step > 0 else ZERO)
        level = reach(world, pool, level + step, step)
    return level


@inner
def note_memory(world: Pages, pool: int, level: int, free_mib: int) -> None:
    """Note that a machine at a level has so much memory free."""
    most_mib, at = most_mib_of(world), LEVELS + 1 + level // BLOCK
    if most_mib[pool, level] >= free_mib and most_mib[pool, at] >= free_mib:
        return  # as nearly always: nothing to write
    most_mib[pool, level] = max(most_mib[pool, level], free_mib)
    most_mib[pool, at] = max(most_mib[pool, at], free_mib)


@inner
def lower(world: Pages, pool: int, level: int, free_mib: int) -> None:
    """Note that no machine at a level has more free memory than this."""
    head, most_mib, k = head_of(world), most_mib_of(world), level // BLOCK
    most_mib[pool, level] = free_mib
    most = NO
    for other in range(k * BLOCK, min(k * BLOCK + BLOCK, LEVELS + 1)):
        if head[pool, other] >= 0:
            most = max(most, most_mib[pool, other])
    most_mib[pool, LEVELS + 1 + k] = most
