"""Who starts next: strict order, EASY backfill, preemption by class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inlined, inner
from greensched.compiling.views import prefetch
from greensched.engine.kernels.batch import devices_without, evict, gives_way, start_tasks
from greensched.engine.kernels.capacity import (
    batch_free_cpu,
    batch_free_memory,
    batch_limit_cpu,
    batch_limit_memory,
    may_stay,
    some_cpu,
)
from greensched.engine.kernels.gangs import start_gang
from greensched.engine.kernels.heaps import heap_room, heap_slot
from greensched.engine.kernels.index import find, fits_task
from greensched.engine.kernels.layout import (
    BACKFILL_DEPTH,
    EASY,
    GROW,
    INF,
    NEVER,
    NO,
    ONE,
    P_BATCH,
    PRIORITY,
    SHADOW_MACHINES,
    SPREAD,
    TOP,
)
from greensched.engine.kernels.levels import next_of, reach
from greensched.engine.kernels.memory import (
    freed_of,
    head_of,
    lane_of,
    mach_of,
    out_of,
    slot_of,
    w_of,
    wait_of,
)
from greensched.engine.kernels.queue import (
    lane_at,
    queue_first,
    queue_remove,
    wait_free,
)

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages

OVERRUN_MS = 60_000  # a job past its estimate is expected to need this much more


@inner
def _known_to_fail(world: Pages, e: int) -> bool:
    """Say whether a request no larger than entry e has found no room since capacity changed."""
    lane, wait = lane_of(world), wait_of(world)
    i = lane_at(world, e)
    return (
        wait[e].cpu_m >= lane[i].failed_cpu_m
        and wait[e].memory_mib >= lane[i].failed_memory_mib
        and wait[e].gpu_m >= lane[i].failed_gpu_m
        and wait[e].stay_ms >= lane[i].failed_stay_ms
    )


@inner
def _note_failure(world: Pages, e: int) -> None:
    """Remember that entry e, which any machine type would suit, found no room."""
    lane, wait = lane_of(world), wait_of(world)
    i = lane_at(world, e)
    if wait[e].types == -1 and (
        lane[i].failed_cpu_m == INF
        or (
            wait[e].cpu_m <= lane[i].failed_cpu_m
            and wait[e].memory_mib <= lane[i].failed_memory_mib
            and wait[e].gpu_m <= lane[i].failed_gpu_m
            and wait[e].stay_ms <= lane[i].failed_stay_ms
        )
    ):
        lane[i].failed_cpu_m = wait[e].cpu_m
        lane[i].failed_memory_mib = wait[e].memory_mib
        lane[i].failed_gpu_m = wait[e].gpu_m
        lane[i].failed_stay_ms = wait[e].stay_ms


@inner
def _find_anywhere(world: Pages, e: int, but: int) -> int:
    """Return the machine that takes entry e, or -1, which is remembered; never machine `but`."""
    t = wait_of(world)[e]
    cpu_m, memory_mib, gpu_m, types, stay_ms = t.cpu_m, t.memory_mib, t.gpu_m, t.types, t.stay_ms
    m = find(world, NEVER, cpu_m, memory_mib, gpu_m, types, stay_ms, but)
    if m < 0:
        t.tried, t.kept = lane_of(world)[lane_at(world, e)].epoch, NO
        if but >= 0 and fits_task(world, but, cpu_m, memory_mib, gpu_m, types, stay_ms, NO):
            t.kept = but
        else:  # no machine at all has room
            _note_failure(world, e)
    return m


@inner
def _find_freed(world: Pages, e: int, but: int) -> int:
    """Return as `_find_anywhere` where only machines that were freed may have room."""
    w, t, freed = w_of(world), wait_of(world)[e], freed_of(world)
    epoch = lane_of(world)[lane_at(world, e)].epoch
    if t.tried != epoch:
        t.tried, t.kept = epoch, NO
    if t.cpu_m > w[0].freed_cpu_m or t.memory_mib > w[0].freed_memory_mib:
        return -1
    for k in range(w[0].n_freed):
        m = freed[k]
        if m == but:
            t.kept = but  # perhaps there is room now
        elif fits_task(world, m, t.cpu_m, t.memory_mib, t.gpu_m, t.types, t.stay_ms, NO):
            if w[0].n_freed > 1:  # which of them is the best?
                return _find_anywhere(world, e, but)
            if w[0].weigher == SPREAD:
                w[0].spread_cursor = (m + 1) % len(mach_of(world))
            return m
    return -1


@inlined
def _start_single(world: Pages, jobs: Pages, e: int, but: int) -> bool:
    """Start entry e of one task where it fits best, never on `but`; say whether it fitted.

    What has been tried since capacity last changed in general can only fit on machines that were
    freed since, or on the one that was kept from it until now.
    """
    w, t = w_of(world), wait_of(world)[e]
    cursor = w[0].spread_cursor
    tried = t.tried == lane_of(world)[lane_at(world, e)].epoch and (t.kept < 0 or t.kept == but)
    if tried or _known_to_fail(world, e):
        m = _find_freed(world, e, but)
    else:
        m = _find_anywhere(world, e, but)
    if m < 0:
        return False
    if not heap_room(world, m):
        w[0].spread_cursor = cursor
        return False
    s = start_tasks(world, jobs, e, m, NO, ONE)
    slot_of(world)[s].alone = 1 if out_of(world)[t.job].start_ms < 0 else 0
    return True


@inner
def start_entry(world: Pages, jobs: Pages, e: int, but: int) -> bool:
    """Start entry e, never on machine `but`; say whether it fitted."""
    w, wait, out = w_of(world), wait_of(world), out_of(world)
    if len(slot_of(world)) - w[0].n_running <= wait[e].tasks:
        w[0].status = GROW
        return False
    if wait[e].tasks == 1:
        started = _start_single(world, jobs, e, but)
    else:
        started = start_gang(world, jobs, e, but)
    j = wait[e].job
    if started and out[j].start_ms < 0:
        out[j].start_ms = w[0].now_ms
    return started


@inner
def _expected_end(world: Pages, s: int, now: int) -> int:
    """Return when slot s is expected to end; one past its estimate needs a while more."""
    slot = slot_of(world)
    end = slot[s].estimate_end_ms
    return end if end > now else now + OVERRUN_MS


@inner
def _fit_time(world: Pages, m: int, e: int) -> int:
    """Return when machine m is expected to have room for entry e, or INF."""
    w, mach, slot, wait = w_of(world), mach_of(world), slot_of(world), wait_of(world)
    need_m = some_cpu(wait[e].cpu_m)
    if (mach[m].type_bit & wait[e].types) == 0 or batch_limit_cpu(world, m) < need_m:
        return INF
    if batch_limit_memory(world, m) < wait[e].memory_mib:
        return INF
    if mach[m].n_gpus * 1000 < wait[e].gpu_m or not may_stay(world, m, wait[e].stay_ms):
        return INF
    cpu_m = batch_free_cpu(world, m)
    memory_mib = batch_free_memory(world, m)
    gpu_m = mach[m].gpu_free_m
    # found through the heap, in any order: its places lie side by side, a list's all over memory
    first, end = mach[m].heap_at, mach[m].heap_at + mach[m].heap_n
    at = now = w[0].now_ms
    while cpu_m < need_m or memory_mib < wait[e].memory_mib or gpu_m < wait[e].gpu_m:
        later = INF  # the next expected end after `at`, and all that it frees
        for k in range(first, end):
            end_ms = _expected_end(world, heap_slot(world, k), now)
            if at < end_ms < later:
                later = end_ms
        if later == INF:
            return INF
        for k in range(first, end):
            s = heap_slot(world, k)
            if _expected_end(world, s, now) == later:
                cpu_m += slot[s].cpu_m
                memory_mib += slot[s].memory_mib
                gpu_m += slot[s].gpu_m
        at = later
    return at


@inner
def _reserve(world: Pages, i: int, e: int) -> None:
    """Reserve for a blocked head: the earliest of the few machines with most free capacity."""
    lane = lane_of(world)
    lane[i].shadow_for, lane[i].shadow_machine, lane[i].shadow_ms = e, -1, INF
    seen = 0
    for gpu in range(i, 2):
        level = reach(world, P_BATCH + gpu, TOP, NO)
        while level >= 0 and seen < SHADOW_MACHINES:
            m = head_of(world)[P_BATCH + gpu, level]
            while m >= 0 and seen < SHADOW_MACHINES:
                at = _fit_time(world, m, e)
                if at < lane[i].shadow_ms:
                    lane[i].shadow_ms, lane[i].shadow_machine = at, m
                if at < INF:
                    seen += 1
                m = next_of(world, P_BATCH, m)
            level = reach(world, P_BATCH + gpu, level - 1, NO)


@inner
def _stale(world: Pages, i: int, head: int, now: int) -> bool:
    """Say whether lane i's reservation is none for this head, has passed or cannot be kept."""
    lane = lane_of(world)
    shadow_ms = lane[i].shadow_ms
    if lane[i].shadow_for != head or shadow_ms <= now or shadow_ms == INF:
        return True
    m = lane[i].shadow_machine  # it may have been drained, recalled or limited since
    wait = wait_of(world)
    return (
        batch_limit_cpu(world, m) < some_cpu(wait[head].cpu_m)
        or batch_limit_memory(world, m) < wait[head].memory_mib
        or not may_stay(world, m, wait[head].stay_ms)
    )


@inner
def backfill_one(world: Pages, jobs: Pages, i: int, e: int) -> bool:
    """Start entry e if that does not delay lane i's reservation; say whether it started."""
    lane, wait = lane_of(world), wait_of(world)
    late = w_of(world)[0].now_ms + wait[e].estimate_ms > lane[i].shadow_ms
    return start_entry(world, jobs, e, lane[i].shadow_machine if late else NO)


@inner
def reserve_for_head(world: Pages, i: int) -> bool:
    """Make lane i's reservation valid; say whether other jobs may overtake its head."""
    head = lane_of(world)[i].head
    if wait_of(world)[head].tasks > 1:
        return False  # a gang's start cannot be foretold: nothing overtakes it
    if _stale(world, i, head, w_of(world)[0].now_ms):
        _reserve(world, i, head)
    return True


@inner
def _in_vain(world: Pages, i: int, e: int) -> bool:
    """Say whether entry e of lane i was tried, and needs more than any freed machine has free.

    So it is with most that wait, and this is less than to let `backfill_one` find it.
    """
    w, t = w_of(world), wait_of(world)[e]
    above = t.cpu_m > w[0].freed_cpu_m or t.memory_mib > w[0].freed_memory_mib
    return above and t.tried == lane_of(world)[i].epoch and t.kept < 0


@inner
def _backfill(world: Pages, jobs: Pages, i: int) -> None:
    """Start entries behind lane i's blocked head that do not delay it."""
    w, lane, wait = w_of(world), lane_of(world), wait_of(world)
    head = lane[i].head
    if not reserve_for_head(world, i):
        return
    e = wait[head].next
    for _ in range(BACKFILL_DEPTH):
        if e < 0 or w[0].status == GROW:
            return
        after = wait[e].next
        if after >= 0:
            prefetch(wait, after)
        if not _in_vain(world, i, e) and backfill_one(world, jobs, i, e):
            queue_remove(world, e)
            wait_free(world, e)
        e = after


@inner
def _to_evict(world: Pages, jobs: Pages, m: int, e: int) -> int:
    """Return how many of machine m's newest jobs must go to let entry e in, or INF."""
    mach, slot, t = mach_of(world), slot_of(world), wait_of(world)[e]
    r = mach[m]
    if (r.type_bit & t.types) == 0 or not may_stay(world, m, t.stay_ms):
        return INF
    cpu_m = batch_free_cpu(world, m)
    memory_mib = batch_free_memory(world, m)
    pods = r.pods_max - r.n_reps - r.n_jobs if r.pods_max > 0 else INF
    n, s = 0, r.job_head
    while (
        cpu_m < some_cpu(t.cpu_m)
        or memory_mib < t.memory_mib
        or pods < 1
        or (t.gpu_m > 0 and not devices_without(world, jobs, m, t.gpu_m, t.key, s))
    ):
        while s >= 0 and not gives_way(world, jobs, s, t.key):
            s = slot[s].machine_next
        if s < 0:
            return INF
        job = slot[s].job
        n += 1
        while s >= 0 and slot[s].job == job:  # a gang goes as one; its tasks are side by side
            cpu_m += slot[s].cpu_m
            memory_mib += slot[s].memory_mib
            pods += slot[s].n_tasks
            s = slot[s].machine_next
    return n


@inner
def _preempt(world: Pages, jobs: Pages, e: int) -> bool:
    """Evict jobs of lower priority where that makes room for entry e; say whether it did."""
    mach, slot, t = mach_of(world), slot_of(world), wait_of(world)[e]
    best, best_n = NO, INF
    for m in range(len(mach)):
        n = _to_evict(world, jobs, m, e)
        if n < best_n:
            best, best_n = m, n
    if best < 0:
        return False
    s = mach[best].job_head
    while s >= 0 and not fits_task(
        world, best, t.cpu_m, t.memory_mib, t.gpu_m, t.types, t.stay_ms, NO
    ):
        after = slot[s].machine_next
        if gives_way(world, jobs, s, t.key):
            evict(world, jobs, s)
            after = mach[best].job_head  # mates on this machine may be gone as well
        s = after
    return True


@inner
def dispatch(world: Pages, jobs: Pages, i: int) -> None:
    """Start what may start in lane i now."""
    w, wait = w_of(world), wait_of(world)
    while w[0].status != GROW:
        e = queue_first(world, i)
        if e < 0:
            return
        started = start_entry(world, jobs, e, NO)
        may_preempt = w[0].discipline == PRIORITY and wait[e].tasks == 1
        if not started and may_preempt and w[0].status != GROW and _preempt(world, jobs, e):
            e = queue_first(world, i)
            started = start_entry(world, jobs, e, NO)
        if not started:
            if w[0].discipline == EASY and w[0].status != GROW:
                _backfill(world, jobs, i)
            return
        queue_remove(world, e)
        wait_free(world, e)
