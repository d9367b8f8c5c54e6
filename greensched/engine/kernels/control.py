"""The one entry for what is rare: policies' actions, timers, replicas without room.

One entry, so that the code they share is compiled once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import entry, inner
from greensched.engine.kernels.actions import (
    apply_lend,
    apply_limit,
    apply_power,
    apply_recall,
    apply_scale,
    back_home,
    capacity_changed,
    changed,
    place_pending,
    recall_due,
)
from greensched.engine.kernels.batch import progress_ms, settle_slot
from greensched.engine.kernels.databases import hold, move_databases, serve_again, settle_databases
from greensched.engine.kernels.heaps import timer_pop, tour_first
from greensched.engine.kernels.index import reindex
from greensched.engine.kernels.layout import (
    A_ARRIVING,
    A_FREE,
    A_ONLINE,
    A_STANDBY,
    A_STARTING,
    C_FAIL,
    C_HOLD,
    C_LEAVE,
    C_LEND,
    C_LIMIT,
    C_MOVE,
    C_OPEN,
    C_PLACE,
    C_POWER,
    C_RECALL,
    C_RETRY,
    C_RETURN,
    C_RING,
    C_SCALE,
    C_SEE_JOBS,
    C_SHIFT,
    NO,
    ONE,
    T_BOOT,
    T_CUTOFF,
    T_GRACE,
    T_LENT,
    T_MOVED,
    T_READY,
    T_WARM,
    ZERO,
)
from greensched.engine.kernels.memory import (
    mach_of,
    next_ms_of,
    rep_of,
    slot_of,
    svc_of,
    timer_of,
    w_of,
)
from greensched.engine.kernels.meter import note_empty, refresh, sync
from greensched.engine.kernels.outages import come_back, fail, leave
from greensched.engine.kernels.queue import forget_failures
from greensched.engine.kernels.replicas import (
    change_online,
    finish_move,
    settle_all,
    settle_replica,
    spread,
)
from greensched.engine.kernels.shifting import release, see_jobs, suspend
from greensched.engine.kernels.standby import time_over
from greensched.model import BOOTING, LENT, ON

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages, Table


@inner
def ring(world: Pages, jobs: Pages) -> None:
    """Carry out the first timer; stale ones (another generation) do nothing."""
    w, mach, rep, timer = w_of(world), mach_of(world), rep_of(world), timer_of(world)
    kind, who, gen = timer[0].kind, timer[0].who, timer[0].gen
    timer_pop(world)
    if kind == T_READY or kind == T_MOVED or kind == T_CUTOFF:
        if rep[who].gen != gen:
            return
        if kind == T_MOVED and rep[who].state == A_ARRIVING:
            finish_move(world, who)
        elif kind == T_CUTOFF:
            time_over(world, who)
        elif kind == T_READY and rep[who].state == A_STARTING:
            rep[who].state = A_ONLINE
            w[0].n_replica_changes += 1
            svc_of(world)[rep[who].service].n_starting -= 1
            change_online(world, rep[who].service, ONE)
        return
    if mach[who].gen != gen:
        return
    sync(world, who)
    if kind == T_BOOT and mach[who].state == BOOTING:
        mach[who].state = ON
        mach[who].empty_since_ms = w[0].now_ms
        w[0].wants_replicas = 1
        if mach[who].n_reps > 0:
            serve_again(world, who)
    elif kind == T_LENT:
        mach[who].lending = LENT
    elif kind == T_GRACE:
        recall_due(world, jobs, who)
        return
    elif kind == T_WARM:
        back_home(world, who)
        return
    forget_failures(world)
    changed(world, who)


@inner
def _ring_all(world: Pages, jobs: Pages) -> None:
    """Carry out the timers that are due, as long as nothing else goes before the next."""
    w, timer = w_of(world), timer_of(world)
    ring(world, jobs)
    while w[0].timer_n > 0 and timer[0].at_ms == w[0].now_ms:
        m = tour_first(world)
        if m >= 0 and next_ms_of(world)[m] <= w[0].now_ms:
            return
        ring(world, jobs)


@inner
def _place_all(world: Pages, jobs: Pages) -> None:
    """Place replicas that found no room before."""
    w_of(world)[0].wants_replicas = 0
    for s in range(len(svc_of(world))):
        place_pending(world, jobs, s)


@inner
def _open(world: Pages) -> None:
    """Put every machine into the index and work out what it draws at the start."""
    for m in range(len(mach_of(world))):
        note_empty(world, m, ZERO)
        reindex(world, m)
        refresh(world, m)


@inner
def _settle_tenants(world: Pages, running_j: Table, done_ms: Table, n_tasks: Table) -> None:
    """Settle everything; add what running jobs took, how far [task-ms] and many tasks."""
    mach, slot = mach_of(world), slot_of(world)
    settle_all(world)
    settle_databases(world)
    for r in range(w_of(world)[0].n_reps):
        if rep_of(world)[r].state != A_FREE and rep_of(world)[r].state != A_STANDBY:
            settle_replica(world, r)
    for m in range(len(mach)):
        s = mach[m].job_head
        while s >= 0:
            settle_slot(world, s)
            running_j[slot[s].job] += slot[s].energy / 1000.0
            done_ms[slot[s].job] += progress_ms(world, s) * slot[s].n_tasks
            n_tasks[slot[s].job] += slot[s].n_tasks
            s = slot[s].machine_next


@entry
def control(
    world: Pages,
    jobs: Pages,
    op: int,
    who: Table,
    first: Table,
    second: Table,
    x: int,
    y: int,
    share: float,
    flag: bool,
    table: Table,
) -> None:
    """Carry out `op` (one of the C_ codes) on the numbers `who`; the rest is its arguments."""
    if op == C_OPEN:
        _open(world)
    elif op == C_SCALE:
        apply_scale(world, jobs, who, first, second, flag)
    elif op == C_POWER:
        apply_power(world, who, x, y)
    elif op == C_LEND:
        apply_lend(world, jobs, who, x, y)
    elif op == C_RECALL:
        apply_recall(world, who, x, y)
    elif op == C_LIMIT:
        apply_limit(world, jobs, who, first, second, share, x, flag)
    elif op == C_RETRY:
        capacity_changed(world)
    elif op == C_RING:
        _ring_all(world, jobs)
    elif op == C_PLACE:
        _place_all(world, jobs)
    elif op == C_HOLD:
        for i in range(len(who)):
            hold(world, who[i], first[i], NO if flag else ONE)
    elif op == C_MOVE:
        move_databases(world, who, first, share)
    elif op == C_LEAVE:
        leave(world, who)
    elif op == C_FAIL:
        fail(world, jobs, who)
    elif op == C_RETURN:
        come_back(world, who)
    elif op == C_SEE_JOBS:
        see_jobs(world, who, first, second)
    elif op == C_SHIFT:
        suspend(world, jobs, who)
        release(world, jobs, first)
    else:
        _settle_tenants(world, table, who, first)
    spread(world)
