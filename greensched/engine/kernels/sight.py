"""What a snapshot shows, written column by column in one pass over the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import entry, inner
from greensched.engine.kernels.layout import (
    A_FREE,
    A_ONLINE,
    MACHINE_COLUMNS,
    MACHINE_REALS,
)
from greensched.engine.kernels.memory import mach_of, rep_of, svc_of, w_of

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages, Records, Table


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


@entry
def columns(world: Pages, whole: Table, real: Table, before: Table, since_ms: int) -> None:
    """Write columns of machines, then of services, in the order of engine/snapshot.py.

    `before`: the integrals of use and load at `since_ms`; means are of the time from then on.
    """
    w, mach, svc = w_of(world), mach_of(world), svc_of(world)
    n, services = len(mach), len(svc)
    period = float(w[0].now_ms - since_ms)
    for m in range(n):
        r = mach[m]
        whole[m] = r.state
        whole[n + m] = r.lending
        whole[2 * n + m] = r.online_cpu_m
        whole[3 * n + m] = r.online_memory_mib
        whole[4 * n + m] = r.batch_cpu_m
        whole[5 * n + m] = r.batch_memory_mib
        whole[6 * n + m] = r.limit_cpu_m
        whole[7 * n + m] = r.limit_memory_mib
        whole[8 * n + m] = r.gpu_free_m
        whole[9 * n + m] = r.n_reps
        whole[10 * n + m] = r.n_jobs
        whole[11 * n + m] = r.empty_since_ms
        use = r.use_integral - before[m]
        real[m] = use / period if period > 0.0 else r.online_use_m
        real[n + m] = r.batch_use_m * r.rate_f
        before[m] = r.use_integral
    a, b = MACHINE_COLUMNS * n, MACHINE_REALS * n
    for s in range(services):
        c = svc[s]
        whole[a + s] = c.n_online
        whole[a + services + s] = c.n_starting
        whole[a + 2 * services + s] = c.n_standby
        whole[a + 3 * services + s] = c.n_pending
        if not _is_steady(svc, s, w[0].now_ms):
            w[0].steady_since_ms = w[0].now_ms
        load = c.load_integral - before[n + s]
        real[b + s] = load / period if period > 0.0 else c.load_m
        before[n + s] = c.load_integral


@entry
def replicas(world: Pages, service: Table, machine: Table, online: Table) -> None:
    """Write the replicas that exist."""
    rep, n = rep_of(world), 0
    for r in range(w_of(world)[0].n_reps):
        if rep[r].state != A_FREE:
            service[n], machine[n] = rep[r].service, rep[r].machine
            online[n] = 1 if rep[r].state == A_ONLINE else 0
            n += 1
