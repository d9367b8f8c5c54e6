"""Machines that go out of service and come back: failures, and maintenance announced before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.engine.kernels.actions import changed, undo_move
from greensched.engine.kernels.batch import evict
from greensched.engine.kernels.databases import settle_databases, spread_databases
from greensched.engine.kernels.heaps import timer_push
from greensched.engine.kernels.layout import A_ARRIVING, A_ONLINE, A_STARTING, INF, T_BOOT
from greensched.engine.kernels.memory import (
    copy_of,
    cpu_m_of,
    mach_of,
    out_of,
    rep_of,
    slot_of,
    svc_of,
    w_of,
)
from greensched.engine.kernels.meter import sync
from greensched.engine.kernels.replicas import drop_replica, start_move
from greensched.engine.kernels.standby import clear
from greensched.model import BOOTING, DRAINING, LEAVING, OFF, ON, OUT, OWN, SLEEPING

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages, Table


@inner
def leave(world: Pages, machines: Table) -> None:
    """Let machines take nothing new; what serves on them moves where there is room.

    Those on which nothing can run are out at once.
    """
    mach, rep = mach_of(world), rep_of(world)
    for i in range(len(machines)):  # all of them first: nothing is to move from one to another
        m = machines[i]
        b = mach[m]
        if b.surplus != 0:
            continue
        if b.state == ON or b.state == DRAINING:
            sync(world, m)
            clear(world, m)
            b.returns = 1 if b.state == ON else 0
            b.state, b.told = LEAVING, 1
            changed(world, m)
        elif b.state != OUT and b.state != LEAVING:
            _go_out(world, m)
    for i in range(len(machines)):
        if mach[machines[i]].state != LEAVING:
            continue
        r = mach[machines[i]].rep_head
        while r >= 0:
            after = rep[r].machine_next
            if rep[r].state == A_ONLINE and rep[r].source < 0:
                start_move(world, r)
            elif rep[r].state == A_STARTING or rep[r].state == A_ARRIVING:
                _lose(world, r)
            r = after


@inner
def fail(world: Pages, jobs: Pages, machines: Table) -> None:
    """Let machines be out from now on: replicas on them are wanted anew, jobs are set back."""
    w, mach, rep, slot = w_of(world), mach_of(world), rep_of(world), slot_of(world)
    if len(copy_of(world)) > 0:
        settle_databases(world)
    for i in range(len(machines)):  # all of them first: nothing is to go from one to another
        b = mach[machines[i]]
        if b.surplus == 0 and b.state != OUT:
            clear(world, machines[i])
            _go_out(world, machines[i])
    for i in range(len(machines)):
        m = machines[i]
        r = mach[m].rep_head
        while r >= 0:
            after = rep[r].machine_next
            w[0].n_replicas_lost += 1 if rep[r].state != A_ARRIVING else 0
            _lose(world, r)
            r = after
        w[0].graceful = mach[m].told
        while mach[m].job_head >= 0:
            s = mach[m].job_head
            j = slot[s].job
            before = out_of(world)[j].wasted_ms
            evict(world, jobs, s)
            w[0].n_jobs_lost += 1
            w[0].lost_work += (out_of(world)[j].wasted_ms - before) * cpu_m_of(jobs)[j]
    w[0].graceful = 0
    if len(copy_of(world)) > 0:
        spread_databases(world)


@inner
def _go_out(world: Pages, m: int) -> None:
    """Put machine m out of service, as it is."""
    w, b = w_of(world), mach_of(world)[m]
    sync(world, m)
    if b.state != LEAVING:
        b.returns = 1 if b.state == ON or b.state == BOOTING else 0
    if b.state != OFF and b.state != SLEEPING:
        w[0].n_on -= 1
    b.state, b.lending = OUT, OWN
    b.limit_cpu_m, b.limit_memory_mib, b.use_share, b.stay_ms_max = 0, 0, 1.0, INF
    b.gen += 1
    w[0].n_outages += 1
    w[0].n_out += 1
    if w[0].n_out > w[0].n_out_peak:
        w[0].n_out_peak, w[0].n_out_peak_ms = w[0].n_out, w[0].now_ms
    changed(world, m)


@inner
def _lose(world: Pages, r: int) -> None:
    """Take replica r away for good; unless it was only a copy under way it is wanted anew."""
    if rep_of(world)[r].state == A_ARRIVING:
        undo_move(world, r)
        return
    s = rep_of(world)[r].service
    drop_replica(world, r)
    svc_of(world)[s].n_pending += 1
    w_of(world)[0].n_pending += 1


@inner
def come_back(world: Pages, machines: Table) -> None:
    """Let machines be used again: those that were on boot, the others stay off."""
    w = w_of(world)
    for i in range(len(machines)):
        m = machines[i]
        b = mach_of(world)[m]
        if b.state != OUT:
            continue
        sync(world, m)
        w[0].n_out -= 1
        b.gen += 1
        b.state, b.told = OFF, 0
        if b.returns != 0 or b.n_reps > 0:  # where databases are kept there is work to do
            b.state = BOOTING
            w[0].n_on += 1
            if w[0].n_on > w[0].n_on_peak:
                w[0].n_on_peak, w[0].n_on_peak_ms = w[0].n_on, w[0].now_ms
            timer_push(world, w[0].now_ms + b.boot_ms, T_BOOT, m, b.gen)
        changed(world, m)
