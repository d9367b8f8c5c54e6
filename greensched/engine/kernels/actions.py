"""What policies decide, carried out: scale, power, lend, recall, limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.engine.kernels.batch import evict_cheapest, rest_if_drained
from greensched.engine.kernels.capacity import batch_limit_cpu, batch_limit_memory
from greensched.engine.kernels.heaps import timer_push
from greensched.engine.kernels.index import reindex
from greensched.engine.kernels.layout import (
    A_ARRIVING,
    A_ONLINE,
    A_STANDBY,
    A_STARTING,
    NEVER,
    T_BOOT,
    T_GRACE,
    T_LENT,
    T_WARM,
)
from greensched.engine.kernels.memory import (
    mach_of,
    rep_of,
    svc_of,
    w_of,
)
from greensched.engine.kernels.meter import note_empty, refresh, sync
from greensched.engine.kernels.queue import forget_failures
from greensched.engine.kernels.replicas import (
    add_replica,
    drop_replica,
    pick_victim,
    start_move,
)
from greensched.engine.kernels.standby import (
    bring_back,
    clear,
    give_up,
    park_replica,
    unpark_replica,
)
from greensched.model import (
    BOOTING,
    DRAIN,
    DRAINING,
    LENT,
    OFF,
    ON,
    OUT,
    OWN,
    RECALL,
    ROLE_CODES,
    SLEEPING,
    WARM,
)

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages, Table

_DATABASE_ROLE = ROLE_CODES["database"]


@inner
def changed(world: Pages, m: int) -> None:
    """Bring index, power and queue up to date after machine m changed its state."""
    w = w_of(world)
    w[0].wants_dispatch = 1
    reindex(world, m)
    refresh(world, m)


@inner
def _enter(world: Pages, m: int) -> None:
    """Prepare machine m for a change of state at this instant."""
    sync(world, m)


@inner
def _one_more(world: Pages, jobs: Pages, s: int, serve_now: bool) -> bool:
    """Let one more replica of service s serve: one without traffic, else a new one."""
    return bring_back(world, s) or add_replica(world, jobs, s, serve_now)


@inner
def place_pending(world: Pages, jobs: Pages, s: int) -> None:
    """Place wanted replicas of service s that found no room before."""
    while svc_of(world)[s].n_pending > 0:
        if not _one_more(world, jobs, s, NEVER):
            return
        svc_of(world)[s].n_pending -= 1
        w_of(world)[0].n_pending -= 1


@inner
def apply_scale(
    world: Pages, jobs: Pages, services: Table, wanted: Table, terms_ms: Table, serve_now: bool
) -> None:
    """Bring each service to the wanted number of replicas (starting and pending included).

    `terms_ms`: for how long what serves and is to go is cut off, then stands by, and how long it
    takes to warm up from there.
    """
    w, svc = w_of(world), svc_of(world)
    for i in range(len(services)):
        s = services[i]
        svc[s].keep_ms, svc[s].warm_ms = terms_ms[1], terms_ms[2]
        present = svc[s].n_online + svc[s].n_starting + svc[s].n_pending
        while present < wanted[i]:
            if not _one_more(world, jobs, s, serve_now):
                svc[s].n_pending += wanted[i] - present
                w[0].n_pending += wanted[i] - present
                break
            present += 1
        while present > wanted[i]:
            if svc[s].n_pending > 0:
                svc[s].n_pending -= 1
                w[0].n_pending -= 1
            else:
                give_up(world, pick_victim(world, s), terms_ms[0])
            present -= 1


@inner
def _wake(world: Pages, m: int) -> bool:
    """Begin to switch machine m on, or let it off draining."""
    w, b = w_of(world), mach_of(world)[m]
    if b.state == DRAINING:
        _enter(world, m)
        b.state = ON
        b.gen += 1
        changed(world, m)
        w[0].wants_replicas = 1
        return True
    if b.surplus != 0 or b.state == OUT:
        return False
    if b.state != SLEEPING and b.state != OFF:
        return True  # it is on, or on its way
    _enter(world, m)
    took_ms = b.wake_ms if b.state == SLEEPING else b.boot_ms
    b.state = BOOTING
    b.gen += 1
    w[0].n_on += 1
    if w[0].n_on > w[0].n_on_peak:
        w[0].n_on_peak, w[0].n_on_peak_ms = w[0].n_on, w[0].now_ms
    timer_push(world, w[0].now_ms + took_ms, T_BOOT, m, b.gen)
    changed(world, m)
    return True


@inner
def _rest(world: Pages, m: int, target: int, moves_left: int) -> int:
    """Begin to empty machine m for sleep or off; return the moves used, or -1 when refused."""
    mach, rep = mach_of(world), rep_of(world)
    b = mach[m]
    if b.state == target or (b.state == DRAINING and b.sleep_to == target):
        return 0
    if b.state != ON or b.lending != OWN or b.surplus != 0:
        return -1
    _enter(world, m)
    clear(world, m)
    b.state, b.sleep_to = DRAINING, target
    b.gen += 1
    changed(world, m)
    used = 0
    r = b.rep_head
    while r >= 0:
        moving = rep[r].state == A_ONLINE and rep[r].source >= 0
        if not moving:
            if rep[r].state != A_ONLINE or used >= moves_left or not start_move(world, r):
                b.state = ON
                changed(world, m)
                return used
            used += 1
        r = rep[r].machine_next
    rest_if_drained(world, m)
    return used


@inner
def apply_power(world: Pages, machines: Table, target: int, moves_max: int) -> None:
    """Switch machines on (target ON) or empty them for sleep or off."""
    w = w_of(world)
    left = moves_max
    for i in range(len(machines)):
        if target == ON:
            if not _wake(world, machines[i]):
                w[0].n_rejected += 1
        else:
            used = _rest(world, machines[i], target, left)
            if used < 0:
                w[0].n_rejected += 1
            else:
                left -= used


@inner
def undo_move(world: Pages, twin: int) -> None:
    """Drop a twin that arrives: its source goes on, and so does the machine that was to rest."""
    rep = rep_of(world)
    source = rep[twin].source
    rep[source].source = -1
    drop_replica(world, twin)
    if mach_of(world)[rep[source].machine].state == DRAINING:
        _wake(world, rep[source].machine)


@inner
def _park_all(world: Pages, jobs: Pages, m: int) -> None:
    """Send machine m's replicas to standby; those not serving yet start elsewhere."""
    mach, rep, svc, w = mach_of(world), rep_of(world), svc_of(world), w_of(world)
    r = mach[m].rep_head
    while r >= 0:
        after = rep[r].machine_next
        if rep[r].state == A_ONLINE:
            if rep[r].source >= 0:  # on its way out: let it go at once
                twin = rep[r].source
                rep[r].source, rep[twin].source = -1, -1
                drop_replica(world, twin)
            park_replica(world, r)
        elif rep[r].state == A_STARTING:
            s = rep[r].service
            drop_replica(world, r)
            svc[s].n_pending += 1
            w[0].n_pending += 1
            place_pending(world, jobs, s)
        elif rep[r].state == A_ARRIVING:
            undo_move(world, r)
        r = after


@inner
def apply_lend(world: Pages, jobs: Pages, machines: Table, drain_ms: int, until_ms: int) -> None:
    """Take machines from services and give them to batch after `drain_ms`."""
    w = w_of(world)
    for i in range(len(machines)):
        m = machines[i]
        b = mach_of(world)[m]
        if b.lending == DRAIN or b.lending == LENT:
            b.stay_until_ms = until_ms
            reindex(world, m)
            continue
        if b.state != ON or b.lending != OWN or b.surplus != 0 or b.role == _DATABASE_ROLE:
            w[0].n_rejected += 1
            continue
        _enter(world, m)
        clear(world, m)
        b.lending = DRAIN
        b.stay_until_ms = until_ms
        b.gen += 1
        changed(world, m)
        _park_all(world, jobs, m)
        timer_push(world, w[0].now_ms + drain_ms, T_LENT, m, b.gen)


@inner
def warm(world: Pages, m: int, warm_ms: int) -> None:
    """Let machine m's standby replicas come back in `warm_ms`."""
    w, b = w_of(world), mach_of(world)[m]
    _enter(world, m)
    b.lending = WARM
    b.gen += 1
    changed(world, m)
    timer_push(world, w[0].now_ms + warm_ms, T_WARM, m, b.gen)


@inner
def apply_recall(world: Pages, machines: Table, grace_ms: int, warm_ms: int) -> None:
    """Take lent machines back: jobs get `grace_ms`, replicas `warm_ms`."""
    w = w_of(world)
    for i in range(len(machines)):
        m = machines[i]
        b = mach_of(world)[m]
        if b.lending != LENT and b.lending != DRAIN:
            w[0].n_rejected += 1
            continue
        b.limit_cpu_m = 0
        b.warm_ms = warm_ms
        if b.n_jobs == 0:
            warm(world, m, warm_ms)
            continue
        _enter(world, m)
        b.lending = RECALL
        b.gen += 1
        changed(world, m)
        timer_push(world, w[0].now_ms + grace_ms, T_GRACE, m, b.gen)


@inner
def recall_due(world: Pages, jobs: Pages, m: int) -> None:
    """End the grace of machine m: evict what may be evicted, and warm once it is empty."""
    while evict_cheapest(world, jobs, m):
        pass
    if mach_of(world)[m].n_jobs == 0:
        warm(world, m, mach_of(world)[m].warm_ms)


@inner
def back_home(world: Pages, m: int) -> None:
    """Let machine m's replicas serve again."""
    b, rep = mach_of(world)[m], rep_of(world)
    _enter(world, m)
    b.lending = OWN
    b.gen += 1
    r = b.rep_head
    while r >= 0:
        after = rep[r].machine_next
        if rep[r].state == A_STANDBY:
            unpark_replica(world, r)
        r = after
    w_of(world)[0].wants_replicas = 1
    forget_failures(world)
    note_empty(world, m, w_of(world)[0].now_ms)
    changed(world, m)


@inner
def apply_limit(
    world: Pages,
    jobs: Pages,
    machines: Table,
    cpu_m: Table,
    memory_mib: Table,
    use_share: float,
    job_ms_max: int,
    enforce: bool,
) -> None:
    """Set what batch may reserve and use of each machine; `enforce` evicts what is above."""
    for i in range(len(machines)):
        m = machines[i]
        b = mach_of(world)[m]
        same = b.limit_cpu_m == cpu_m[i] and b.limit_memory_mib == memory_mib[i]
        if same and b.use_share == use_share and b.stay_ms_max == job_ms_max and not enforce:
            continue
        _enter(world, m)
        b.limit_cpu_m, b.limit_memory_mib, b.use_share = cpu_m[i], memory_mib[i], use_share
        b.stay_ms_max = job_ms_max
        changed(world, m)
        if enforce and b.lending == OWN:
            while b.batch_cpu_m > batch_limit_cpu(
                world, m
            ) or b.batch_memory_mib > batch_limit_memory(world, m):
                if not evict_cheapest(world, jobs, m):
                    break


@inner
def capacity_changed(world: Pages) -> None:
    """Let every waiting job be tried again."""
    forget_failures(world)
    w_of(world)[0].wants_dispatch = 1
