"""Replicas without traffic: cut off, on standby, back again or deleted.

One that is cut off keeps all that it reserves and serves again at once. One on standby has given
back its CPU and a part of its memory, and takes a while. On lent machines all stand by until the
machine is back; on others only those that a service can do without, until they are deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.engine.kernels.capacity import fits_online
from greensched.engine.kernels.heaps import timer_push
from greensched.engine.kernels.index import find_devices, reindex, take_devices
from greensched.engine.kernels.layout import (
    A_CUTOFF,
    A_ONLINE,
    A_STANDBY,
    A_STARTING,
    NO,
    ONE,
    T_CUTOFF,
    T_READY,
)
from greensched.engine.kernels.memory import mach_of, rep_of, svc_of, w_of
from greensched.engine.kernels.meter import note_empty, refresh, sync
from greensched.engine.kernels.queue import note_freed
from greensched.engine.kernels.replicas import (
    change_online,
    drop_replica,
    service_sync,
    settle_replica,
)
from greensched.model import ON, OWN

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages


@inner
def _take_traffic(world: Pages, r: int, state: int) -> None:
    """Bring replica r, which serves or is cut off, to a `state` without traffic."""
    svc, a = svc_of(world), rep_of(world)[r]
    b, was_online = mach_of(world)[a.machine], a.state == A_ONLINE
    service_sync(world, a.service)
    sync(world, a.machine)
    settle_replica(world, r)
    b.online_use_m = max(0.0, b.online_use_m - a.use_m)
    b.online_gpu_use_m = max(0.0, b.online_gpu_use_m - a.gpu_use_m)
    a.use_m, a.gpu_use_m, a.state = 0.0, 0.0, state
    w_of(world)[0].n_replica_changes += 1
    if was_online:
        change_online(world, a.service, NO)
    else:
        svc[a.service].n_cutoff -= 1


@inner
def park_replica(world: Pages, r: int) -> None:
    """Turn replica r to standby: no traffic, CPU given back, memory kept in part."""
    w, mach, svc, rep = w_of(world), mach_of(world), svc_of(world), rep_of(world)
    a = rep[r]
    m = a.machine
    b, c = mach[m], svc[a.service]
    _take_traffic(world, r, A_STANDBY)
    b.n_reps -= 1
    b.n_standby += 1
    b.online_cpu_m -= c.cpu_m
    b.online_memory_mib -= c.memory_mib - int(c.memory_mib * w[0].standby_share)
    b.share_sum -= a.share
    if c.gpu_m > 0:
        take_devices(world, m, a.devices, -c.gpu_m)
    c.n_standby += 1
    if b.n_reps == 0:
        b.online_use_m, b.online_gpu_use_m = 0.0, 0.0
    refresh(world, m)


@inner
def _reserve_again(world: Pages, r: int) -> None:
    """Let standby replica r, on whose machine there is room, have all that it reserves."""
    w, mach, svc, rep = w_of(world), mach_of(world), svc_of(world), rep_of(world)
    a = rep[r]
    m = a.machine
    b, c = mach[m], svc[a.service]
    service_sync(world, a.service)
    sync(world, m)
    b.n_reps += 1
    b.n_standby -= 1
    b.online_cpu_m += c.cpu_m
    b.online_memory_mib += c.memory_mib - int(c.memory_mib * w[0].standby_share)
    b.share_sum += a.share
    if c.gpu_m > 0:
        a.devices = find_devices(world, m, c.gpu_m)
        take_devices(world, m, a.devices, c.gpu_m)
    a.prefix_idle, a.prefix_dynamic, a.since_ms = b.prefix_idle, b.prefix_dynamic, b.last_ms
    w[0].n_replica_changes += 1
    c.n_standby -= 1


@inner
def unpark_replica(world: Pages, r: int) -> None:
    """Let standby replica r serve again; its machine has been cleared of batch."""
    _reserve_again(world, r)
    rep_of(world)[r].state = A_ONLINE
    change_online(world, rep_of(world)[r].service, ONE)


@inner
def give_up(world: Pages, r: int, cutoff_ms: int) -> None:
    """Cut replica r off for `cutoff_ms`, let it stand by, or delete it.

    Only one that serves and stays where it is goes by these steps.
    """
    w, svc, a = w_of(world), svc_of(world), rep_of(world)[r]
    stays = a.state == A_ONLINE and a.source < 0 and mach_of(world)[a.machine].state == ON
    if not stays or cutoff_ms + svc[a.service].keep_ms == 0:
        drop_replica(world, r)
        return
    w[0].keeps_replicas = 1
    if cutoff_ms == 0:
        _stand_by(world, r)
        return
    _take_traffic(world, r, A_CUTOFF)
    svc[a.service].n_cutoff += 1
    refresh(world, a.machine)
    timer_push(world, w[0].now_ms + cutoff_ms, T_CUTOFF, r, a.gen)


@inner
def _stand_by(world: Pages, r: int) -> None:
    """Turn replica r to standby on a machine that others go on using."""
    w, a = w_of(world), rep_of(world)[r]
    m = a.machine
    park_replica(world, r)
    timer_push(world, w[0].now_ms + svc_of(world)[a.service].keep_ms, T_CUTOFF, r, a.gen)
    w[0].wants_replicas = 1
    note_freed(world, m)
    note_empty(world, m, w[0].now_ms)
    reindex(world, m)


@inner
def time_over(world: Pages, r: int) -> None:
    """Let replica r, whose time without traffic is over, stand by or be deleted."""
    a = rep_of(world)[r]
    if a.state == A_CUTOFF and svc_of(world)[a.service].keep_ms > 0:
        _stand_by(world, r)
    else:
        drop_replica(world, r)


@inner
def bring_back(world: Pages, s: int) -> bool:
    """Let a replica of service s serve again that has no traffic; say whether there was one.

    One that is cut off, at once, else one on standby whose machine has room, after its time to
    warm up. Of several the one on the machine with the most reserved: others can be emptied then.
    """
    w, mach, svc, rep = w_of(world), mach_of(world), svc_of(world), rep_of(world)
    if w[0].keeps_replicas == 0:
        return False
    wanted = A_CUTOFF if svc[s].n_cutoff > 0 else A_STANDBY
    best, most_m = NO, NO
    r = svc[s].rep_head
    while r >= 0:
        if rep[r].state == wanted and (wanted == A_CUTOFF or _has_room(world, r)):
            reserved_m = mach[rep[r].machine].online_cpu_m
            if reserved_m > most_m or (reserved_m == most_m and r < best):
                best, most_m = r, reserved_m
        r = rep[r].service_next
    if best >= 0:
        _return(world, best)
    return best >= 0


@inner
def _has_room(world: Pages, r: int) -> bool:
    """Say whether standby replica r, on a machine that is not lent, has room to serve there."""
    a = rep_of(world)[r]
    m, c = a.machine, svc_of(world)[a.service]
    more_mib = c.memory_mib - int(c.memory_mib * w_of(world)[0].standby_share)
    if not fits_online(world, m, c.cpu_m, more_mib, c.gpu_m):
        return False
    return c.gpu_m == 0 or find_devices(world, m, c.gpu_m) >= 0


@inner
def _return(world: Pages, r: int) -> None:
    """Let replica r serve again: at once, or after its time to warm up where it stands by."""
    w, svc, a = w_of(world), svc_of(world), rep_of(world)[r]
    s, m = a.service, a.machine
    a.gen += 1  # its end is off
    if a.state == A_CUTOFF:
        service_sync(world, s)
        a.state = A_ONLINE
        svc[s].n_cutoff -= 1
        w[0].n_replica_changes += 1
        change_online(world, s, ONE)
        return
    if svc[s].warm_ms <= 0:
        unpark_replica(world, r)
    else:
        _reserve_again(world, r)
        a.state = A_STARTING
        svc[s].n_starting += 1
        timer_push(world, w[0].now_ms + svc[s].warm_ms, T_READY, r, a.gen)
    note_empty(world, m, w[0].now_ms)
    reindex(world, m)
    refresh(world, m)


@inner
def clear(world: Pages, m: int) -> None:
    """Delete what has no traffic on machine m, which is to be empty, unless it is lent."""
    mach, rep = mach_of(world), rep_of(world)
    r = mach[m].rep_head
    while r >= 0:
        after = rep[r].machine_next
        if rep[r].state == A_CUTOFF or (rep[r].state == A_STANDBY and mach[m].lending == OWN):
            drop_replica(world, r)
        r = after
