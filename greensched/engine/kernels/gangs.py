"""Gangs: jobs of several equal tasks that start together or not at all.

Equal tasks fit one after the other exactly where the machines have places for all of them, so
places are counted first and nothing is started in vain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.engine.kernels.batch import start_tasks, undo_start
from greensched.engine.kernels.capacity import (
    batch_free_cpu,
    batch_free_memory,
    fits_batch,
)
from greensched.engine.kernels.heaps import heap_room
from greensched.engine.kernels.index import find
from greensched.engine.kernels.layout import (
    BEST_FIT,
    FIRST_FIT,
    INF,
    LEVELS,
    NEVER,
    NO,
    ONE,
    P_BATCH,
    TOP,
    ZERO,
)
from greensched.engine.kernels.levels import lower, next_of, reach_memory
from greensched.engine.kernels.memory import (
    freed_of,
    gpu_free_of,
    head_of,
    lane_of,
    mach_of,
    slot_of,
    spots_of,
    w_of,
    wait_of,
)
from greensched.engine.kernels.queue import lane_at

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages


@inner
def _device_places(world: Pages, m: int, gpu_m: int) -> int:
    """Return how many requests of `gpu_m` the devices of machine m take."""
    base, free = mach_of(world)[m].gpu_base, gpu_free_of(world)
    places, whole = 0, 0
    for d in range(mach_of(world)[m].n_gpus):
        if gpu_m < 1000:
            places += free[base + d] // gpu_m
        elif free[base + d] == 1000:
            whole += 1
    return places if gpu_m < 1000 else whole // (gpu_m // 1000)


@inner
def _places(world: Pages, m: int, e: int) -> int:
    """Return how many tasks of entry e fit machine m now."""
    mach, t = mach_of(world), wait_of(world)[e]
    r = mach[m]
    if not fits_batch(world, m, t.cpu_m, t.memory_mib, t.gpu_m, t.types, t.stay_ms):
        return 0
    places = INF
    if t.cpu_m > 0:
        places = batch_free_cpu(world, m) // t.cpu_m
    if t.memory_mib > 0:
        places = min(places, batch_free_memory(world, m) // t.memory_mib)
    if r.pods_max > 0:
        places = min(places, r.pods_max - r.n_reps - r.n_jobs)
    if t.gpu_m > 0:
        places = min(places, _device_places(world, m, t.gpu_m))
    return places


@inner
def _count_places(world: Pages, e: int, but: int) -> int:
    """Return how many tasks of entry e fit all machines but one; enough of them are enough.

    Where they fit is written into `spots`, the best machine first where the fullest is the best.
    """
    w, t, spots = w_of(world), wait_of(world)[e], spots_of(world)
    count = 0
    w[0].n_spots = 0
    for gpu in range(1 if t.gpu_m > 0 else 0, 2):
        pool = P_BATCH + gpu
        need = t.gpu_m / w[0].gpu_quantum if gpu else t.cpu_m / w[0].quantum
        level = reach_memory(world, pool, min(TOP, int(need)), ONE, t.memory_mib)
        while level <= LEVELS and count < t.tasks:
            most_mib = NO
            m = head_of(world)[pool, level]
            while m >= 0 and count < t.tasks:
                places = min(t.tasks, _places(world, m, e)) if m != but else ZERO
                if places > 0:
                    spots[w[0].n_spots, 0], spots[w[0].n_spots, 1] = m, places
                    w[0].n_spots += 1
                    count += places
                most_mib = max(most_mib, batch_free_memory(world, m))
                m = next_of(world, pool, m)
            if m < 0:
                lower(world, pool, level, most_mib)
            level = reach_memory(world, pool, level + 1, ONE, t.memory_mib)
    return count


@inner
def _fits(world: Pages, e: int, but: int) -> bool:
    """Say whether all tasks of entry e fit now.

    A count that fell short is an upper bound until capacity changes in general: only what machines
    freed since have is added to it; where it is enough with machine `but`, that one is noted, for
    it may not be kept from the entry later. Nothing is counted where the room of all machines
    together would not be enough.
    """
    w, t = w_of(world), wait_of(world)[e]
    lane, freed = lane_of(world)[lane_at(world, e)], freed_of(world)
    if t.tried == lane.epoch:
        for k in range(w[0].n_freed):
            t.places += min(t.tasks, _places(world, freed[k], e))
        if t.places < t.tasks:
            return False
    if t.cpu_m * t.tasks > w[0].batch_room_m:
        return False
    count = _count_places(world, e, but)
    if count >= t.tasks:
        return True
    if but >= 0:
        count += min(t.tasks, _places(world, but, e))
    t.tried, t.places = lane.epoch, count
    t.kept = but if count >= t.tasks else NO
    return False


@inner
def _start_one_by_one(world: Pages, jobs: Pages, e: int, but: int) -> tuple[int, int]:
    """Start the tasks of entry e, each where it fits best; return a slot (or NO), what is left."""
    w, t = w_of(world), wait_of(world)[e]
    together = t.gpu_m == 0 and w[0].weigher == FIRST_FIT  # the first machine until it is full
    gang, left = NO, t.tasks
    while left > 0:
        m = find(world, NEVER, t.cpu_m, t.memory_mib, t.gpu_m, t.types, t.stay_ms, but)
        if m < 0 or not heap_room(world, m):  # there is one wherever places were counted
            break
        n = min(left, _places(world, m, e)) if together else ONE
        gang = start_tasks(world, jobs, e, m, gang, n)
        left -= n
    return gang, left


@inner
def _start_side_by_side(world: Pages, jobs: Pages, e: int) -> tuple[int, int]:
    """Start the tasks of entry e, without GPUs, where they were counted; return as one by one.

    The best machine stays the best until it is full, and is worse than all others then: so the
    walk that counted places has found the machines in the order in which tasks take them.
    """
    w, spots = w_of(world), spots_of(world)
    gang, left = NO, wait_of(world)[e].tasks
    for i in range(w[0].n_spots):
        m, n = spots[i, 0], min(left, spots[i, 1])
        if not heap_room(world, m):
            break
        gang = start_tasks(world, jobs, e, m, gang, n)
        left -= n
    return gang, left


@inner
def start_gang(world: Pages, jobs: Pages, e: int, but: int) -> bool:
    """Start all tasks of entry e at once, never on `but`; say whether they fitted."""
    w, t = w_of(world), wait_of(world)[e]
    if not _fits(world, e, but):
        return False
    cursor = w[0].spread_cursor
    if t.gpu_m == 0 and w[0].weigher == BEST_FIT:
        gang, left = _start_side_by_side(world, jobs, e)
    else:
        gang, left = _start_one_by_one(world, jobs, e, but)
    if left == 0:
        return True
    w[0].spread_cursor = cursor
    if gang >= 0:  # until there is room for more records: roll the first tasks back
        s = slot_of(world)[gang].gang_next
        while s != gang:
            after = slot_of(world)[s].gang_next
            undo_start(world, s)
            s = after
        undo_start(world, gang)
    return False
