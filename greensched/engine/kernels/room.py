"""Room for replicas that find none: which batch is evicted for them, and none in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.engine.kernels.batch import devices_without, evict_cheapest, gives_way
from greensched.engine.kernels.capacity import fits_online, online_free_cpu
from greensched.engine.kernels.index import find_devices
from greensched.engine.kernels.layout import INF, NO
from greensched.engine.kernels.memory import mach_of, slot_of, svc_of

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages


@inner
def _can_yield(world: Pages, jobs: Pages, m: int, s: int) -> bool:
    """Say whether a replica of service s fits machine m once all jobs that may be evicted are."""
    mach, slot, c = mach_of(world), slot_of(world), svc_of(world)[s]
    b = mach[m]
    if online_free_cpu(world, m) < c.cpu_m:
        return False
    memory_mib, pods = b.memory_mib - b.online_memory_mib - c.memory_mib, b.n_reps + 1
    t = b.job_head
    while t >= 0:
        if not gives_way(world, jobs, t, -INF):
            memory_mib -= slot[t].memory_mib
            pods += slot[t].n_tasks
        t = slot[t].machine_next
    if memory_mib < 0 or 0 < b.pods_max < pods:
        return False
    return c.gpu_m == 0 or devices_without(world, jobs, m, c.gpu_m, -INF, NO)


@inner
def make_room(world: Pages, jobs: Pages, s: int) -> int:
    """Evict batch where that lets a replica of service s in; return the machine, or -1."""
    mach, c = mach_of(world), svc_of(world)[s]
    best, best_n = NO, INF
    for m in range(len(mach)):
        if 0 < mach[m].n_jobs < best_n and _can_yield(world, jobs, m, s):
            best, best_n = m, mach[m].n_jobs
    while best >= 0 and (
        not fits_online(world, best, c.cpu_m, c.memory_mib, c.gpu_m)
        or (c.gpu_m > 0 and find_devices(world, best, c.gpu_m) < 0)
    ):
        if not evict_cheapest(world, jobs, best):
            return NO
    return best
