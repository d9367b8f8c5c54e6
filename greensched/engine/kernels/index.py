"""Which machine takes this: an index over free capacity, with filters and weighers.

Best-fit walks up the levels of free capacity from the one that is needed, worst-fit down from the
top; first-fit and spread descend trees of the most CPU, memory and time that a machine has left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.engine.kernels.capacity import (
    batch_free_cpu,
    fits_batch,
    fits_online,
    free_memory,
    online_free_cpu,
    some_cpu,
    stay_max,
)
from greensched.engine.kernels.layout import (
    BEST_FIT,
    FIRST_FIT,
    INF,
    LEVELS,
    NO,
    ONE,
    P_BATCH,
    P_BATCH_GPU,
    P_ONLINE,
    POOLS,
    TOP,
    WORST_FIT,
    ZERO,
)
from greensched.engine.kernels.levels import lower, next_of, note_memory, reach_memory, set_level
from greensched.engine.kernels.memory import (
    gpu_free_of,
    head_of,
    mach_of,
    tree_of,
    w_of,
)

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages


@inner
def find_devices(world: Pages, m: int, gpu_m: int) -> int:
    """Return the bits of the devices that a request takes, or -1; a fraction takes the fullest."""
    mach, gpu_free = mach_of(world), gpu_free_of(world)
    base, n = mach[m].gpu_base, mach[m].n_gpus
    if gpu_m < 1000:
        best, best_free = NO, 1001
        for d in range(n):
            free = gpu_free[base + d]
            if gpu_m <= free < best_free:
                best, best_free = d, free
        return -1 if best < 0 else 1 << best
    bits, left = 0, gpu_m // 1000
    for d in range(n):
        if left > 0 and gpu_free[base + d] == 1000:
            bits |= 1 << d
            left -= 1
    return bits if left == 0 else -1


@inner
def take_devices(world: Pages, m: int, bits: int, gpu_m: int) -> None:
    """Reserve the devices in `bits` (gpu_m > 0) or give them back (gpu_m < 0)."""
    mach, gpu_free = mach_of(world), gpu_free_of(world)
    base = mach[m].gpu_base
    whole = abs(gpu_m) >= 1000
    for d in range(mach[m].n_gpus):
        if (bits >> d) & 1:
            change = (1000 if gpu_m > 0 else -1000) if whole else gpu_m
            gpu_free[base + d] -= change
    mach[m].gpu_free_m -= gpu_m


@inner
def _level(world: Pages, m: int, free_cpu_m: int) -> int:
    """Return the level of machine m in a pool of its kind, or -1 when it has no room."""
    mach = mach_of(world)
    if free_cpu_m <= 0:
        return -1
    if mach[m].n_gpus > 0:
        return min(LEVELS, int(mach[m].gpu_free_m / mach[m].gpu_quantum))
    return min(LEVELS, int(free_cpu_m / mach[m].quantum))


@inner
def _tree_set(world: Pages, kind: int, size: int, m: int, value: int) -> None:
    """Write what machine m has free into a tree."""
    tree = tree_of(world)
    i = m + size
    if tree[kind, i] == value:
        return
    tree[kind, i] = value
    i >>= 1
    while i >= 1:
        tree[kind, i] = max(tree[kind, 2 * i], tree[kind, 2 * i + 1])
        i >>= 1


@inner
def _enter(world: Pages, pool: int, m: int, free_cpu_m: int) -> None:
    """Bring machine m to where it belongs in one pool: level and memory, leaves of trees."""
    size, level = w_of(world)[0].tree_size, _level(world, m, free_cpu_m)
    set_level(world, pool, m, level)
    if level >= 0:
        note_memory(world, pool, level, free_memory(world, pool, m))
    if size > 0:
        stay_ms = max(ZERO, stay_max(world, m)) if pool >= P_BATCH else INF
        _tree_set(world, pool, size, m, free_cpu_m)
        _tree_set(world, POOLS + pool, size, m, free_memory(world, pool, m) if level >= 0 else NO)
        _tree_set(world, 2 * POOLS + pool, size, m, stay_ms if level >= 0 else NO)


@inner
def reindex(world: Pages, m: int) -> None:
    """Bring the index up to date after machine m's free capacity or state changed."""
    w, mach = w_of(world), mach_of(world)
    gpu = 1 if mach[m].n_gpus > 0 else 0
    online, batch = online_free_cpu(world, m), batch_free_cpu(world, m)
    room_m = max(ZERO, batch)
    w[0].batch_room_m += room_m - mach[m].batch_room_m
    mach[m].batch_room_m = room_m
    _enter(world, P_ONLINE + gpu, m, online)
    _enter(world, P_BATCH + gpu, m, batch)


@inner
def _fits(
    world: Pages,
    pool: int,
    m: int,
    cpu_m: int,
    memory_mib: int,
    gpu_m: int,
    types: int,
    stay_ms: int,
    but: int,
) -> bool:
    """Say whether the request fits machine m of this pool, devices included; never `but`."""
    if m == but:
        return False
    if pool < P_BATCH:
        if not fits_online(world, m, cpu_m, memory_mib, gpu_m):
            return False
    elif not fits_batch(world, m, cpu_m, memory_mib, gpu_m, types, stay_ms):
        return False
    return gpu_m == 0 or find_devices(world, m, gpu_m) >= 0


@inner
def fits_task(
    world: Pages,
    m: int,
    cpu_m: int,
    memory_mib: int,
    gpu_m: int,
    types: int,
    stay_ms: int,
    but: int,
) -> bool:
    """Say whether a task fits machine m, devices included, and m is not `but`."""
    pool = P_BATCH_GPU if mach_of(world)[m].n_gpus > 0 else P_BATCH
    return _fits(world, pool, m, cpu_m, memory_mib, gpu_m, types, stay_ms, but)


@inner
def _find_level(
    world: Pages,
    pool: int,
    level: int,
    step: int,
    cpu_m: int,
    memory_mib: int,
    gpu_m: int,
    types: int,
    stay_ms: int,
    but: int,
) -> int:
    """Return the first machine that fits, from `level` up (step 1) or down (-1), or -1."""
    level = reach_memory(world, pool, level, step, memory_mib)
    while 0 <= level <= LEVELS:
        most_mib = NO
        m = head_of(world)[pool, level]
        while m >= 0:
            if _fits(world, pool, m, cpu_m, memory_mib, gpu_m, types, stay_ms, but):
                return m
            most_mib = max(most_mib, free_memory(world, pool, m))
            m = next_of(world, pool, m)
        lower(world, pool, level, most_mib)
        level = reach_memory(world, pool, level + step, step, memory_mib)
    return -1


@inner
def _tree_next(
    world: Pages, pool: int, size: int, start: int, cpu_m: int, memory_mib: int, stay_ms: int
) -> int:
    """Return the first leaf at or after `start` with at least so much of each, or -1."""
    tree = tree_of(world)
    i = start + size
    while True:
        if (
            tree[pool, i] >= cpu_m
            and tree[POOLS + pool, i] >= memory_mib
            and tree[2 * POOLS + pool, i] >= stay_ms
        ):
            if i >= size:
                return i - size
            i *= 2  # machines below have enough of each: perhaps one has of all
            continue
        while i % 2 == 1:
            if i == 1:
                return -1
            i >>= 1
        i += 1


@inner
def _find_tree(
    world: Pages,
    pool: int,
    start: int,
    cpu_m: int,
    memory_mib: int,
    gpu_m: int,
    types: int,
    stay_ms: int,
    but: int,
) -> int:
    """Return the first machine at or after `start` that fits, or -1."""
    size, n = w_of(world)[0].tree_size, len(mach_of(world))
    m = start
    while m < n:
        m = _tree_next(world, pool, size, m, some_cpu(cpu_m), memory_mib, stay_ms)
        if m < 0:
            return -1
        if _fits(world, pool, m, cpu_m, memory_mib, gpu_m, types, stay_ms, but):
            return m
        m += 1
    return -1


@inner
def find(
    world: Pages,
    online: bool,
    cpu_m: int,
    memory_mib: int,
    gpu_m: int,
    types: int,
    stay_ms: int,
    but: int,
) -> int:
    """Return the machine that takes a request, or -1; never machine `but`.

    Work without GPUs tries machines without GPUs first, then those with the fewest free.
    """
    w = w_of(world)
    first = P_ONLINE if online else P_BATCH
    weigher = w[0].weigher
    m = NO
    for gpu in range(1 if gpu_m > 0 else 0, 2):
        pool = first + gpu
        if weigher == BEST_FIT or weigher == WORST_FIT:
            level, step = TOP, NO
            if weigher == BEST_FIT:
                need = gpu_m / w[0].gpu_quantum if gpu else cpu_m / w[0].quantum
                level, step = min(TOP, int(need)), ONE
            m = _find_level(
                world, pool, level, step, cpu_m, memory_mib, gpu_m, types, stay_ms, but
            )
        else:
            start = ZERO if weigher == FIRST_FIT else w[0].spread_cursor
            m = _find_tree(world, pool, start, cpu_m, memory_mib, gpu_m, types, stay_ms, but)
            if m < 0 and start > 0:
                m = _find_tree(world, pool, ZERO, cpu_m, memory_mib, gpu_m, types, stay_ms, but)
            if m >= 0 and weigher != FIRST_FIT:
                w[0].spread_cursor = (m + 1) % len(mach_of(world))
        if m >= 0:
            break
    return m
