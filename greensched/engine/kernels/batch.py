"""Jobs on machines: starting, finishing and evicting their tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from greensched.compiling import inner
from greensched.compiling.views import prefetch
from greensched.engine.kernels.heaps import heap_push, heap_remove
from greensched.engine.kernels.index import find_devices, reindex, take_devices
from greensched.engine.kernels.layout import INF, NO, RATE_ONE, SHARE_ONE
from greensched.engine.kernels.memory import (
    cls_of,
    duration_ms_of,
    gpu_free_of,
    job_class_of,
    learnt_of,
    mach_of,
    out_of,
    size_of,
    slot_of,
    tasks_of,
    use_cpu_m_of,
    use_offsets_of,
    use_until_ms_of,
    w_of,
    wait_of,
)
from greensched.engine.kernels.meter import note_empty, refresh, sync
from greensched.engine.kernels.queue import forget_failures, queue_push, wait_new
from greensched.model import DRAINING, OFF, SLEEPING

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages


@inner
def reserved_share(world: Pages, m: int, cpu_m: int, memory_mib: int, gpu_m: int) -> int:
    """Return the dominant reserved share of machine m, in 1/SHARE_ONE (integer)."""
    mach = mach_of(world)
    share = cpu_m * SHARE_ONE // mach[m].full_cpu_m
    share = max(share, memory_mib * SHARE_ONE // max(1, mach[m].full_memory_mib))
    if gpu_m > 0:
        share = max(share, gpu_m * SHARE_ONE // (1000 * mach[m].n_gpus))
    return share


@inner
def _set_step(world: Pages, jobs: Pages, s: int, done_ms: int) -> None:
    """Set slot s to the use step that holds at progress `done_ms`."""
    slot = slot_of(world)
    j = slot[s].job
    if len(use_offsets_of(jobs)) == 0:
        slot[s].use_m = slot[s].cpu_m
        slot[s].until_ms = duration_ms_of(jobs)[j]
        slot[s].last = 1
        return
    row, end = use_offsets_of(jobs)[j], use_offsets_of(jobs)[j + 1]
    while row + 1 < end and use_until_ms_of(jobs)[row] <= done_ms:
        row += 1
    slot[s].use_row = row
    if row < end:
        slot[s].use_m = use_cpu_m_of(jobs)[row] * slot[s].n_tasks
        slot[s].last = 1 if row + 1 == end else 0
        slot[s].until_ms = (
            duration_ms_of(jobs)[j] if row + 1 == end else use_until_ms_of(jobs)[row]
        )
    else:  # a job without steps
        slot[s].use_m = slot[s].cpu_m
        slot[s].last = 1
        slot[s].until_ms = duration_ms_of(jobs)[j]


@inner
def start_tasks(world: Pages, jobs: Pages, e: int, m: int, gang: int, n: int) -> int:
    """Start n tasks of waiting entry e on machine m, return their slot; `gang`: a mate's, or -1.

    Only one at a time where they take GPUs.
    """
    w, mach, slot, wait = w_of(world), mach_of(world), slot_of(world), wait_of(world)
    now = w[0].now_ms
    s = w[0].slot_free
    w[0].slot_free = slot[s].machine_next
    prefetch(slot, w[0].slot_free)
    sync(world, m)
    r = mach[m]
    t = slot[s]
    t.job, t.machine = wait[e].job, m
    t.n_tasks, t.gpu_m = n, wait[e].gpu_m
    t.press = cls_of(world)[job_class_of(jobs)[t.job]].press
    t.cpu_m, t.memory_mib = wait[e].cpu_m * n, wait[e].memory_mib * n
    t.share = n * reserved_share(world, m, wait[e].cpu_m, wait[e].memory_mib, t.gpu_m)
    t.virtual_zero = r.virtual - wait[e].done_ms * RATE_ONE
    t.kept_ms, t.energy = wait[e].done_ms, 0.0
    t.estimate_end_ms = now + wait[e].estimate_ms
    t.prefix_idle, t.prefix_batch, t.prefix_gpu = r.prefix_idle, r.prefix_batch, r.prefix_gpu
    t.devices, t.alone = 0, 0
    if t.gpu_m > 0:
        t.devices = find_devices(world, m, t.gpu_m)
        take_devices(world, m, t.devices, t.gpu_m)
    _set_step(world, jobs, s, wait[e].done_ms)
    t.gang_next, t.gang_prev = s, s
    if gang >= 0:
        after = slot[gang].gang_next
        t.gang_next, t.gang_prev = after, gang
        slot[gang].gang_next, slot[after].gang_prev = s, s
    heap_push(world, m, s, t.virtual_zero + t.until_ms * RATE_ONE)
    t.machine_prev, t.machine_next = -1, r.job_head
    if r.job_head >= 0:
        slot[r.job_head].machine_prev = s
    r.job_head = s
    r.n_jobs += n
    r.batch_cpu_m += t.cpu_m
    r.batch_memory_mib += t.memory_mib
    r.batch_gpu_m += t.gpu_m
    r.batch_use_m += t.use_m
    r.batch_press += t.use_m * t.press
    r.share_sum += t.share
    if r.empty_since_ms >= 0:
        r.empty_before_ms = r.empty_since_ms
    r.empty_since_ms = -1
    w[0].n_running += n
    reindex(world, m)
    refresh(world, m)
    return s


@inner
def settle_slot(world: Pages, s: int) -> None:
    """Add what slot s took since its last settling to its energy [J x 1000]."""
    mach, slot = mach_of(world), slot_of(world)
    t = slot[s]
    r = mach[t.machine]
    t.energy += (r.prefix_idle - t.prefix_idle) * t.share / SHARE_ONE
    t.energy += (r.prefix_batch - t.prefix_batch) * t.use_m
    gpu_w = (r.gpu_peak_w - r.gpu_idle_w) / 1000.0
    t.energy += (r.prefix_gpu - t.prefix_gpu) * t.gpu_m * gpu_w
    t.prefix_idle, t.prefix_batch, t.prefix_gpu = r.prefix_idle, r.prefix_batch, r.prefix_gpu


@inner
def next_step(world: Pages, jobs: Pages, s: int) -> None:
    """Move a running slot to its next use step; its machine is synced and refreshed after."""
    mach, slot = mach_of(world), slot_of(world)
    settle_slot(world, s)
    t = slot[s]
    r = mach[t.machine]
    heap_remove(world, t.machine, s)
    row = t.use_row + 1
    t.use_row = row
    use_m = use_cpu_m_of(jobs)[row] * t.n_tasks
    r.batch_use_m += use_m - t.use_m
    r.batch_press += (use_m - t.use_m) * t.press
    t.use_m = use_m
    end = use_offsets_of(jobs)[t.job + 1]
    t.last = 1 if row + 1 == end else 0
    t.until_ms = duration_ms_of(jobs)[t.job] if row + 1 == end else use_until_ms_of(jobs)[row]
    heap_push(world, t.machine, s, t.virtual_zero + t.until_ms * RATE_ONE)


@inner
def _leave(world: Pages, s: int) -> None:
    """Take slot s off its (synced) machine; its energy is settled."""
    mach, slot = mach_of(world), slot_of(world)
    settle_slot(world, s)
    t = slot[s]
    r = mach[t.machine]
    heap_remove(world, t.machine, s)
    if t.machine_prev >= 0:
        slot[t.machine_prev].machine_next = t.machine_next
    else:
        r.job_head = t.machine_next
    if t.machine_next >= 0:
        slot[t.machine_next].machine_prev = t.machine_prev
    r.n_jobs -= t.n_tasks
    r.batch_cpu_m -= t.cpu_m
    r.batch_memory_mib -= t.memory_mib
    r.batch_gpu_m -= t.gpu_m
    r.batch_use_m -= t.use_m
    r.batch_press -= t.use_m * t.press
    r.share_sum -= t.share
    if t.gpu_m > 0:
        take_devices(world, t.machine, t.devices, -t.gpu_m)
    w_of(world)[0].n_running -= t.n_tasks
    w_of(world)[0].wants_dispatch = 1
    if r.n_jobs == 0:
        w_of(world)[0].wants_replicas = 1
    note_empty(world, t.machine, w_of(world)[0].now_ms)


@inner
def _free(world: Pages, s: int) -> None:
    """Give slot s back."""
    w, slot = w_of(world), slot_of(world)
    slot[s].machine_next = w[0].slot_free
    w[0].slot_free = s


@inner
def finish_task(world: Pages, jobs: Pages, s: int) -> None:
    """End the tasks of slot s; its machine is synced, and brought up to date by the caller."""
    w, slot, out = w_of(world), slot_of(world), out_of(world)
    _leave(world, s)
    j = slot[s].job
    if slot[s].alone != 0:  # nothing has been written: its record need not be waited for
        out[j].energy_j = slot[s].energy / 1000.0
    else:
        out[j].energy_j += slot[s].energy / 1000.0
    if slot[s].gang_next == s:
        out[j].end_ms = w[0].now_ms
        out[j].machine = slot[s].machine
        w[0].n_completed += 1
        if len(size_of(jobs)) > 0:
            learnt_of(world)[size_of(jobs)[j], 0] += 1
            learnt_of(world)[size_of(jobs)[j], 1] += duration_ms_of(jobs)[j]
    else:  # leave the ring of mates that still run
        before, after = slot[s].gang_prev, slot[s].gang_next
        slot[before].gang_next, slot[after].gang_prev = after, before
    _free(world, s)


@inner
def progress_ms(world: Pages, s: int) -> int:
    """Return how far [ms] slot s has come."""
    t = slot_of(world)[s]
    done = (mach_of(world)[t.machine].virtual - t.virtual_zero) // RATE_ONE
    return max(0, min(done, t.until_ms if t.last else INF))


@inner
def undo_start(world: Pages, s: int) -> None:
    """Take back tasks that were started at this very instant: nothing else has changed."""
    w, mach = w_of(world), mach_of(world)
    m = slot_of(world)[s].machine
    wants_dispatch, wants_replicas = w[0].wants_dispatch, w[0].wants_replicas
    _leave(world, s)
    w[0].wants_dispatch, w[0].wants_replicas = wants_dispatch, wants_replicas
    if mach[m].empty_since_ms >= 0:
        mach[m].empty_since_ms = mach[m].empty_before_ms
    _free(world, s)
    reindex(world, m)
    refresh(world, m)


@inner
def rest_if_drained(world: Pages, m: int) -> None:
    """Put a draining machine on which nothing is left to sleep or off."""
    w, b = w_of(world), mach_of(world)[m]
    if b.state != DRAINING or b.n_reps + b.n_standby + b.n_jobs > 0:
        return
    sync(world, m)
    b.state = SLEEPING if b.sleep_to == SLEEPING else OFF
    b.gen += 1
    w[0].n_on -= 1
    w[0].n_power_cycles += 1
    reindex(world, m)
    refresh(world, m)


@inner
def _kept_ms(world: Pages, jobs: Pages, j: int, saved_ms: int, done_ms: int) -> int:
    """Return what job j keeps of its progress: its last checkpoint, `saved_ms` at the least."""
    c = cls_of(world)[job_class_of(jobs)[j]]
    if c.checkpoint_ms <= 0:
        return 0
    every_ms = 1 if w_of(world)[0].graceful != 0 else c.checkpoint_ms  # who was told writes one
    return max(saved_ms, done_ms // every_ms * every_ms - c.checkpoint_cost_ms)


@inner
def take_off(world: Pages, jobs: Pages, s: int) -> tuple[int, int]:
    """Take slot s and its mates off their machines.

    Returns how far [ms] the last of them was, and how far [task-ms] all tasks of the job.
    """
    slot, out = slot_of(world), out_of(world)
    j = slot[s].job
    done_min, done_sum, tasks = INF, 0, 0
    t = s
    while True:
        after = slot[t].gang_next
        m = slot[t].machine
        sync(world, m)
        done = progress_ms(world, t)
        done_min = min(done_min, done)
        done_sum += done * slot[t].n_tasks
        tasks += slot[t].n_tasks
        _leave(world, t)
        out[j].energy_j += slot[t].energy / 1000.0
        reindex(world, m)
        refresh(world, m)
        rest_if_drained(world, m)
        _free(world, t)
        t = after
        if t == s:
            break
    done_sum += (tasks_of(jobs)[j] - tasks) * duration_ms_of(jobs)[j]  # mates that had ended
    return done_min, done_sum


@inner
def evict(world: Pages, jobs: Pages, s: int) -> None:
    """Evict slot s and its mates; the job waits again with what its checkpoints kept."""
    w, slot, out = w_of(world), slot_of(world), out_of(world)
    j = slot[s].job
    saved_ms = slot[s].kept_ms  # it was started from a checkpoint, which is still there
    done_min, done_sum = take_off(world, jobs, s)
    kept = _kept_ms(world, jobs, j, saved_ms, done_min)
    out[j].wasted_ms += done_sum - kept * tasks_of(jobs)[j]
    out[j].evictions += 1
    w[0].n_evictions += 1
    forget_failures(world)
    e = wait_new(world, jobs, j, kept)
    queue_push(world, e)


@inner
def gives_way(world: Pages, jobs: Pages, s: int, key: int) -> bool:
    """Say whether running slot s may be evicted for what waits with this key (its -priority)."""
    c = cls_of(world)[job_class_of(jobs)[slot_of(world)[s].job]]
    return c.evictable != 0 and -c.priority > key


@inner
def devices_without(world: Pages, jobs: Pages, m: int, gpu_m: int, key: int, stop: int) -> bool:
    """Say whether machine m's devices take a request once its newest jobs before `stop` are gone.

    Only those that give way to `key` go.
    """
    mach, slot, free_m = mach_of(world), slot_of(world), gpu_free_of(world)
    whole = 0
    for d in range(mach[m].n_gpus):
        free = free_m[mach[m].gpu_base + d]
        s = mach[m].job_head
        while s >= 0 and s != stop:
            if (slot[s].devices >> d) & 1 and gives_way(world, jobs, s, key):
                free += min(1000, slot[s].gpu_m)
            s = slot[s].machine_next
        if gpu_m < 1000 and free >= gpu_m:
            return True
        if free == 1000:
            whole += 1
    return whole * 1000 >= gpu_m


@inner
def _tasks_here(world: Pages, jobs: Pages, m: int, s: int) -> int:
    """Return how many tasks of the job of slot s are on machine m; with GPUs each has a slot."""
    slot = slot_of(world)
    j, count = slot[s].job, slot[s].n_tasks
    if slot[s].gpu_m == 0 or count == tasks_of(jobs)[j]:
        return count
    count, other = 0, mach_of(world)[m].job_head
    while other >= 0:
        if slot[other].job == j:
            count += slot[other].n_tasks
        other = slot[other].machine_next
    return count


@inner
def evict_cheapest(world: Pages, jobs: Pages, m: int) -> bool:
    """Evict the job that loses the least work for what it gives back; say whether there was one.

    Lost is progress since the last checkpoint, of all tasks of the job over those on machine m;
    of equal ones the newest goes.
    """
    slot, best, least = slot_of(world), NO, np.inf
    sync(world, m)
    s = mach_of(world)[m].job_head
    while s >= 0:
        j = slot[s].job
        if cls_of(world)[job_class_of(jobs)[j]].evictable != 0:
            done_ms = progress_ms(world, s)
            lost_ms = done_ms - _kept_ms(world, jobs, j, slot[s].kept_ms, done_ms)
            price = lost_ms * tasks_of(jobs)[j] / _tasks_here(world, jobs, m, s)
            if price < least:
                best, least = s, price
        s = slot[s].machine_next
    if best >= 0:
        evict(world, jobs, best)
    return best >= 0
