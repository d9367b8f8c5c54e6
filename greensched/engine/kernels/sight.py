"""What a snapshot shows, written column by column in one pass over the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import entry, inner
from greensched.engine.kernels.layout import (
    A_FREE,
    A_ONLINE,
    INF,
    MACHINE_COLUMNS,
    MACHINE_REALS,
)
from greensched.engine.kernels.memory import (
    lane_of,
    mach_of,
    queue_of,
    rep_of,
    svc_of,
    w_of,
    wait_of,
)
from greensched.engine.kernels.meter import use_until

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages, Records, Table

(
    S_NOW_MS,
    S_STEADY_MS,
    S_CHANGES,  # of replicas, so far
    S_REPLICAS,
    S_WAITING,
    S_OLDEST_MS,
    S_GPU_M,
    S_JOBS,  # of two lanes, as the next two: jobs without GPUs, jobs that want some
    _,
    S_CPU_M,
    _,
    S_MEMORY_MIB,
    _,
    S_LENGTH,
) = range(14)


@inner
def _is_steady(svc: Records, s: int, now: int) -> bool:
    """Say whether service s has been the same since it was last seen, and note it as it is."""
    c = svc[s]
    added = c.load_integral - c.seen_integral
    same = (
        c.load_m == c.seen_load_m
        and added == c.load_m * (now - c.seen_ms)
        and c.n_online + c.n_starting == c.seen_replicas
        and c.n_standby == c.seen_standby
        and c.n_pending == c.seen_pending
    )
    c.seen_load_m, c.seen_integral, c.seen_ms = c.load_m, c.load_integral, now
    c.seen_replicas = c.n_online + c.n_starting
    c.seen_standby, c.seen_pending = c.n_standby, c.n_pending
    return same


@inner
def _of_the_queue(world: Pages, told: Table) -> None:
    """Write the sums of both lanes, and the oldest job that waits."""
    lane, wait, queue = lane_of(world), wait_of(world), queue_of(world)
    oldest = INF
    for i in range(2):
        a = lane[i]
        for k in range(a.heap_n):
            oldest = min(oldest, wait[queue[i, k]].submit_ms)
        if a.head >= 0:  # a list is in this order
            oldest = min(oldest, wait[a.head].submit_ms)
        told[S_JOBS + i], told[S_CPU_M + i] = a.n, a.cpu_m
        told[S_MEMORY_MIB + i] = a.memory_mib
    told[S_GPU_M], told[S_OLDEST_MS] = lane[1].gpu_m, oldest


@entry
def columns(
    world: Pages, whole: Table, real: Table, before: Table, told: Table, since_ms: int
) -> None:
    """Write columns of machines, then of services, in the order of engine/snapshot.py.

    Those of machines that stay the same are not written.

    `before`: the integrals of use and load at `since_ms`; means are of the time from then on.
    `told`: the instant and the queue, in the order of S_NOW_MS and its followers.
    """
    w, mach, svc = w_of(world), mach_of(world), svc_of(world)
    n, services = len(mach), len(svc)
    period = float(w[0].now_ms - since_ms)
    for m in range(n):
        r = mach[m]
        whole[m] = r.state
        whole[2 * n + m] = r.lending
        whole[6 * n + m] = r.online_cpu_m
        whole[7 * n + m] = r.online_memory_mib
        whole[8 * n + m] = r.batch_cpu_m
        whole[9 * n + m] = r.batch_memory_mib
        whole[10 * n + m] = r.gpu_free_m
        whole[11 * n + m] = r.n_reps
        whole[12 * n + m] = r.n_jobs
        whole[13 * n + m] = r.empty_since_ms
        whole[14 * n + m] = r.limit_cpu_m
        whole[15 * n + m] = r.limit_memory_mib
        integral = use_until(world, m)
        use = integral - before[m]
        real[m] = use / period if period > 0.0 else r.online_use_m
        real[n + m] = r.batch_use_m * r.rate_f
        before[m] = integral
    a, b = MACHINE_COLUMNS * n, MACHINE_REALS * n
    for s in range(services):
        c = svc[s]
        whole[a + s] = c.n_online
        whole[a + services + s] = c.n_starting
        whole[a + 2 * services + s] = c.n_standby
        whole[a + 3 * services + s] = c.n_pending
        whole[a + 4 * services + s] = c.n_cutoff
        if not _is_steady(svc, s, w[0].now_ms):
            w[0].steady_since_ms = w[0].now_ms
        load = c.load_integral - before[n + s]
        real[b + s] = load / period if period > 0.0 else c.load_m
        before[n + s] = c.load_integral
    told[S_NOW_MS], told[S_STEADY_MS] = w[0].now_ms, w[0].steady_since_ms
    told[S_CHANGES], told[S_REPLICAS] = w[0].n_replica_changes, w[0].n_alive
    told[S_WAITING] = w[0].n_waiting
    if w[0].n_waiting > 0:
        _of_the_queue(world, told)


@entry
def replicas(world: Pages, service: Table, machine: Table, online: Table) -> None:
    """Write the replicas that exist."""
    rep, n = rep_of(world), 0
    for r in range(w_of(world)[0].n_reps):
        if rep[r].state != A_FREE:
            service[n], machine[n] = rep[r].service, rep[r].machine
            online[n] = 1 if rep[r].state == A_ONLINE else 0
            n += 1
