"""Services on machines: replicas placed, moved, removed; their load and what it lacked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.engine.kernels.batch import reserved_share, rest_if_drained
from greensched.engine.kernels.heaps import timer_push
from greensched.engine.kernels.index import (
    find,
    find_devices,
    reindex,
    take_devices,
)
from greensched.engine.kernels.layout import (
    A_ARRIVING,
    A_CUTOFF,
    A_FREE,
    A_ONLINE,
    A_STANDBY,
    A_STARTING,
    ALWAYS,
    INF,
    NO,
    ONE,
    SHARE_ONE,
    T_MOVED,
    T_READY,
    ZERO,
)
from greensched.engine.kernels.memory import (
    energy_mj_of,
    load_of,
    mach_of,
    online_ms_of,
    pressed_ms_of,
    rep_of,
    short_ms_of,
    smt_ms_of,
    svc_of,
    w_of,
)
from greensched.engine.kernels.meter import note_empty, refresh, sync
from greensched.engine.kernels.queue import note_freed
from greensched.engine.kernels.room import make_room
from greensched.model import DRAINING, ROLE_CODES

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages

_DATABASE_ROLE = ROLE_CODES["database"]


@inner
def settle_replica(world: Pages, r: int) -> None:
    """Add what replica r took since its last settling [J x 1000], and how it was slowed."""
    a, k = rep_of(world)[r], w_of(world)[0].load_step
    m = mach_of(world)[a.machine]
    taken = (m.prefix_idle - a.prefix_idle) * a.share / SHARE_ONE
    taken += (m.prefix_dynamic - a.prefix_dynamic) * a.use_m
    taken += a.gpu_use_m * (m.gpu_peak_w - m.gpu_idle_w) / 1000.0 * (m.last_ms - a.since_ms)
    svc_of(world)[a.service].energy += taken
    if a.use_m > 0.0:  # who has no requests is not slowed
        pressed_ms_of(world)[k, a.service] += m.prefix_pressed - a.prefix_pressed
        smt_ms_of(world)[k, a.service] += m.prefix_smt - a.prefix_smt
    a.prefix_idle, a.prefix_dynamic, a.since_ms = m.prefix_idle, m.prefix_dynamic, m.last_ms
    a.prefix_pressed, a.prefix_smt = m.prefix_pressed, m.prefix_smt


@inner
def service_sync(world: Pages, s: int) -> None:
    """Account service s's replicas and shortage up to now."""
    w, c = w_of(world), svc_of(world)[s]
    dt = w[0].now_ms - c.since_ms
    if dt <= 0:
        return
    k = w[0].load_step
    online_ms_of(world)[k, s] += c.n_online * dt
    c.cutoff_ms += c.n_cutoff * dt
    c.standby_ms += c.n_standby * dt
    c.load_integral += c.load_m * dt
    room = float(c.n_online * c.cpu_m)
    if c.load_m > room:
        c.shortage_integral += (c.load_m - room) * dt
        short_ms_of(world)[k, s] += dt
    c.since_ms = w[0].now_ms


@inner
def settle_services(world: Pages) -> None:
    """Account every service up to now."""
    for s in range(len(svc_of(world))):
        service_sync(world, s)


@inner
def settle_all(world: Pages) -> None:
    """Integrate every machine and service up to now."""
    for m in range(len(mach_of(world))):
        sync(world, m)
    settle_services(world)


@inner
def _set_use(world: Pages, r: int) -> None:
    """Give replica r its part of its service's load; its machine is synced and settled."""
    mach, svc, rep = mach_of(world), svc_of(world), rep_of(world)
    a = rep[r]
    c = svc[a.service]
    m = mach[a.machine]
    gpu = c.gpu_m * c.use_m / c.cpu_m
    m.online_use_m = max(0.0, m.online_use_m + c.use_m - a.use_m)
    m.online_gpu_use_m = max(0.0, m.online_gpu_use_m + gpu - a.gpu_use_m)
    a.use_m, a.gpu_use_m = c.use_m, gpu


@inner
def _part_of_load(world: Pages, s: int) -> None:
    """Set what each online replica of service s uses."""
    c = svc_of(world)[s]
    c.use_m = min(c.load_m / c.n_online, float(c.cpu_m)) if c.n_online > 0 else 0.0


@inner
def change_online(world: Pages, s: int, change: int) -> None:
    """Change the number of replicas of service s that serve; its load is spread at the end."""
    svc = svc_of(world)
    service_sync(world, s)
    svc[s].n_online += change
    svc[s].to_spread, w_of(world)[0].to_spread = 1, 1


@inner
def spread(world: Pages) -> None:
    """Spread the load of services anew of which other replicas serve than when it was spread.

    Once for all changes of a call of `control`, since it is a look at all replicas.
    """
    w, svc, rep = w_of(world), svc_of(world), rep_of(world)
    if w[0].to_spread == 0:
        return
    w[0].to_spread = 0
    for s in range(len(svc)):
        if svc[s].to_spread == 0:
            continue
        svc[s].to_spread = 0
        _part_of_load(world, s)
        r = svc[s].rep_head
        while r >= 0:
            if rep[r].state == A_ONLINE:
                m = rep[r].machine
                sync(world, m)
                settle_replica(world, r)
                _set_use(world, r)
                refresh(world, m)
            r = rep[r].service_next


@inner
def _next_load(world: Pages) -> None:
    """Set what every service wants from now on; after the last step it stays."""
    w, svc = w_of(world), svc_of(world)
    step = w[0].load_step + 1
    w[0].load_next_ms = INF
    if step < load_of(world).shape[1]:
        w[0].load_next_ms = w[0].load_start_ms + (step + 1) * w[0].load_step_ms
        for s in range(len(svc)):
            svc[s].load_m = load_of(world)[s, step]
            _part_of_load(world, s)


@inner
def load_step(world: Pages) -> None:
    """Give every service the load of its next step."""
    w, mach, rep = w_of(world), mach_of(world), rep_of(world)
    settle_services(world)
    _next_load(world)
    for m in range(len(mach)):
        if mach[m].n_reps > 0:
            sync(world, m)
            if mach[m].role != _DATABASE_ROLE:  # these have steps of their own
                mach[m].online_use_m = 0.0
                mach[m].online_gpu_use_m = 0.0
    for r in range(w[0].n_reps):
        if rep[r].state == A_ONLINE:
            settle_replica(world, r)  # in the step that ends
            rep[r].use_m, rep[r].gpu_use_m = 0.0, 0.0
            _set_use(world, r)
    w[0].load_step = min(w[0].load_step + 1, load_of(world).shape[1])
    for m in range(len(mach)):
        if mach[m].n_reps > 0:
            refresh(world, m)


@inner
def attach(world: Pages, s: int, m: int, state: int) -> int:
    """Make a replica of service s on machine m in `state` (not yet serving) and return it."""
    w, mach, svc, rep = w_of(world), mach_of(world), svc_of(world), rep_of(world)
    r = w[0].rep_free
    w[0].rep_free = rep[r].next_free
    w[0].n_reps = max(w[0].n_reps, r + 1)
    w[0].n_alive += 1
    sync(world, m)
    a, b, c = rep[r], mach[m], svc[s]
    w[0].n_replica_changes += 1
    a.state, a.service, a.machine, a.source = state, s, m, -1
    a.use_m, a.gpu_use_m, a.since_ms = 0.0, 0.0, w[0].now_ms
    a.prefix_idle, a.prefix_dynamic = b.prefix_idle, b.prefix_dynamic
    a.share = reserved_share(world, m, c.cpu_m, c.memory_mib, c.gpu_m)
    a.devices = 0
    if c.gpu_m > 0:
        a.devices = find_devices(world, m, c.gpu_m)
        take_devices(world, m, a.devices, c.gpu_m)
    a.service_prev, a.service_next = -1, c.rep_head
    if c.rep_head >= 0:
        rep[c.rep_head].service_prev = r
    c.rep_head = r
    a.machine_prev, a.machine_next = -1, b.rep_head
    if b.rep_head >= 0:
        rep[b.rep_head].machine_prev = r
    b.rep_head = r
    b.n_reps += 1
    b.online_cpu_m += c.cpu_m
    b.online_memory_mib += c.memory_mib
    b.share_sum += a.share
    b.empty_since_ms = -1
    reindex(world, m)
    refresh(world, m)
    return r


@inner
def detach(world: Pages, r: int) -> None:
    """Take replica r off its machine; the caller counts it and spreads its service's load."""
    w, mach, svc, rep = w_of(world), mach_of(world), svc_of(world), rep_of(world)
    a = rep[r]
    m = a.machine
    b, c = mach[m], svc[a.service]
    sync(world, m)
    if a.state != A_STANDBY:  # on standby it has taken nothing
        settle_replica(world, r)
    b.online_use_m = max(0.0, b.online_use_m - a.use_m)
    b.online_gpu_use_m = max(0.0, b.online_gpu_use_m - a.gpu_use_m)
    if a.state == A_STANDBY:
        b.n_standby -= 1
        b.online_memory_mib -= int(c.memory_mib * w[0].standby_share)
    else:
        b.n_reps -= 1
        b.online_cpu_m -= c.cpu_m
        b.online_memory_mib -= c.memory_mib
        b.share_sum -= a.share
        if c.gpu_m > 0:
            take_devices(world, m, a.devices, -c.gpu_m)
    if a.service_prev >= 0:
        rep[a.service_prev].service_next = a.service_next
    else:
        c.rep_head = a.service_next
    if a.service_next >= 0:
        rep[a.service_next].service_prev = a.service_prev
    if a.machine_prev >= 0:
        rep[a.machine_prev].machine_next = a.machine_next
    else:
        b.rep_head = a.machine_next
    if a.machine_next >= 0:
        rep[a.machine_next].machine_prev = a.machine_prev
    if b.n_reps == 0:
        b.online_use_m, b.online_gpu_use_m = 0.0, 0.0
    w[0].n_replica_changes += 1
    a.state = A_FREE
    a.gen += 1
    a.next_free = w[0].rep_free
    w[0].rep_free = r
    w[0].n_alive -= 1
    w[0].wants_replicas = 1
    note_freed(world, m)
    note_empty(world, m, w[0].now_ms)
    reindex(world, m)
    refresh(world, m)
    rest_if_drained(world, m)


@inner
def find_for_replica(world: Pages, s: int, but: int) -> int:
    """Return a machine with room for a replica of service s, never `but`, or -1."""
    c = svc_of(world)[s]
    return find(world, ALWAYS, c.cpu_m, c.memory_mib, c.gpu_m, NO, ZERO, but)


@inner
def add_replica(world: Pages, jobs: Pages, s: int, serve_now: bool) -> bool:
    """Place one more replica of service s; it serves now or after its start-up time."""
    w, svc, rep = w_of(world), svc_of(world), rep_of(world)
    m = find_for_replica(world, s, NO)
    if m < 0:
        m = make_room(world, jobs, s)
    if m < 0:
        return False
    if serve_now or svc[s].startup_ms <= 0:
        r = attach(world, s, m, A_ONLINE)
        change_online(world, s, ONE)
    else:
        r = attach(world, s, m, A_STARTING)
        svc[s].n_starting += 1
        timer_push(world, w[0].now_ms + svc[s].startup_ms, T_READY, r, rep[r].gen)
    return True


@inner
def drop_replica(world: Pages, r: int) -> None:
    """Remove replica r for good, whatever its state."""
    svc, rep = svc_of(world), rep_of(world)
    state, s, moving = rep[r].state, rep[r].service, rep[r].source
    if moving >= 0 and state == A_ONLINE:  # its twin that is arriving goes as well
        detach(world, moving)
    detach(world, r)
    if state == A_ONLINE:
        change_online(world, s, NO)
    elif state == A_STARTING:
        svc[s].n_starting -= 1
    elif state == A_STANDBY:
        service_sync(world, s)
        svc[s].n_standby -= 1
    elif state == A_CUTOFF:
        service_sync(world, s)
        svc[s].n_cutoff -= 1


@inner
def pick_victim(world: Pages, s: int) -> int:
    """Return the replica of service s to remove: starting ones, then on the emptiest machine."""
    mach, rep = mach_of(world), rep_of(world)
    best, best_key = NO, INF
    r = svc_of(world)[s].rep_head
    while r >= 0:
        key = INF
        if rep[r].state == A_STARTING:
            key = -1
        elif rep[r].state == A_ONLINE:
            m = rep[r].machine
            key = 0 if mach[m].state == DRAINING else 1 + mach[m].online_cpu_m
        if key < best_key or (key == best_key and key < INF and r < best):
            best, best_key = r, key
        r = rep[r].service_next
    return best


@inner
def start_move(world: Pages, r: int) -> bool:
    """Begin to move serving replica r elsewhere and say whether room was found."""
    w, rep, svc = w_of(world), rep_of(world), svc_of(world)
    s = rep[r].service
    m = find_for_replica(world, s, rep[r].machine)
    if m < 0:
        return False
    twin = attach(world, s, m, A_ARRIVING)
    rep[twin].source, rep[r].source = r, twin
    took_ms = max(1, int(svc[s].memory_mib * w[0].move_ms_per_mib))
    timer_push(world, w[0].now_ms + took_ms, T_MOVED, twin, rep[twin].gen)
    return True


@inner
def finish_move(world: Pages, twin: int) -> None:
    """Let the arrived twin serve in place of its source."""
    w, mach, svc, rep = w_of(world), mach_of(world), svc_of(world), rep_of(world)
    s, source, m = rep[twin].service, rep[twin].source, rep[twin].machine
    rep[twin].source = -1
    detach(world, source)
    rep[twin].state = A_ONLINE
    w[0].n_replica_changes += 1
    joules = svc[s].memory_mib * w[0].move_j_per_mib
    sync(world, m)
    energy_mj_of(world)[w[0].bucket, mach[m].group] += joules * 1000.0
    svc[s].energy += joules * 1000.0
    w[0].move_energy_j += joules
    w[0].n_moves += 1
    change_online(world, s, ZERO)
