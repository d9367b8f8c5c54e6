"""Databases on machines of their own: what their replicas use, lack and take of the energy.

A replica of a database is a *copy*. Copies of a machine that together want more CPU than it has
share it in proportion to what they want; what is missing is shortage, as with services. I/O above
what a machine gives is counted as time in which its copies are short.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.engine.kernels.batch import reserved_share, rest_if_drained
from greensched.engine.kernels.index import reindex
from greensched.engine.kernels.layout import INF, SHARE_ONE, ZERO
from greensched.engine.kernels.memory import (
    copy_of,
    db_cpu_m_of,
    db_iops_of,
    dbs_of,
    energy_mj_of,
    mach_of,
    w_of,
)
from greensched.engine.kernels.meter import note_empty, refresh, sync
from greensched.model import BOOTING, OUT, ROLE_CODES

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages, Table

_DATABASE_ROLE = ROLE_CODES["database"]


@inner
def settle_databases(world: Pages) -> None:
    """Account every copy's use, energy [J x 1000] and shortage up to now."""
    w, mach, copy, dbs = w_of(world), mach_of(world), copy_of(world), dbs_of(world)
    for m in range(len(mach)):
        if mach[m].role == _DATABASE_ROLE:
            sync(world, m)
    now = w[0].now_ms
    for r in range(len(copy)):
        a = copy[r]
        d = dbs[a.database]
        dt = now - a.since_ms
        a.since_ms = now
        d.load_integral += a.wanted_m * dt
        if a.down == 0 or a.short != 0:
            d.shortage_integral += (a.wanted_m - a.use_m) * dt
        if a.short != 0:
            d.short_ms += dt
        if a.down != 0:
            d.out_ms += dt
        if a.machine >= 0:
            b = mach[a.machine]
            d.energy += (b.prefix_idle - a.prefix_idle) * a.share / SHARE_ONE
            d.energy += (b.prefix_dynamic - a.prefix_dynamic) * a.use_m
            a.prefix_idle, a.prefix_dynamic = b.prefix_idle, b.prefix_dynamic


@inner
def _count_up(world: Pages) -> None:
    """Note which copies are on a machine that is out, and how many of each database are not."""
    mach, copy, dbs = mach_of(world), copy_of(world), dbs_of(world)
    for d in range(len(dbs)):
        dbs[d].n_up = 0
    for r in range(len(copy)):
        a = copy[r]
        a.down = 0
        if a.machine >= 0:
            state = mach[a.machine].state
            a.down = 1 if state == OUT or state == BOOTING else 0
            dbs[a.database].n_up += 1 - a.down


@inner
def spread_databases(world: Pages) -> None:
    """Give every copy what it wants at this step, or its part; all have been settled."""
    w, mach, copy, dbs = w_of(world), mach_of(world), copy_of(world), dbs_of(world)
    k = w[0].db_step
    if k < 0:
        return
    for m in range(len(mach)):
        mach[m].wanted_m, mach[m].wanted_iops = 0.0, 0.0
    _count_up(world)
    for r in range(len(copy)):
        a = copy[r]
        a.wanted_m = db_cpu_m_of(world)[a.database, k] * dbs[a.database].cpu_factor
        if a.machine >= 0 and a.down == 0:
            mach[a.machine].wanted_m += a.wanted_m
            mach[a.machine].wanted_iops += db_iops_of(world)[a.database, k]
    for r in range(len(copy)):
        a = copy[r]
        a.use_m, a.short = 0.0, 1
        if a.down != 0:
            a.short = 0 if dbs[a.database].n_up > 0 else 1  # another leads, and does no more
        elif a.machine >= 0:
            b = mach[a.machine]
            over = b.wanted_m > b.cpu_m
            a.use_m = a.wanted_m * b.cpu_m / b.wanted_m if over else a.wanted_m
            a.short = 1 if over or 0 < b.iops < b.wanted_iops else 0
    for m in range(len(mach)):
        if mach[m].role == _DATABASE_ROLE:
            mach[m].online_use_m = min(mach[m].wanted_m, float(mach[m].cpu_m))
            refresh(world, m)


@inner
def databases_step(world: Pages) -> None:
    """Give every database the load of its next step; after the last step it stays."""
    w = w_of(world)
    settle_databases(world)
    steps = db_cpu_m_of(world).shape[1]
    w[0].db_next_ms = INF
    if w[0].db_step + 1 < steps:
        w[0].db_step += 1
        w[0].db_next_ms = w[0].db_start_ms + (w[0].db_step + 1) * w[0].db_step_ms
    spread_databases(world)


@inner
def hold(world: Pages, r: int, m: int, sign: int) -> None:
    """Reserve memory for copy r on machine m (sign 1), or give it back (-1)."""
    w, b, d = w_of(world), mach_of(world)[m], dbs_of(world)[copy_of(world)[r].database]
    sync(world, m)
    b.n_reps += sign
    b.online_memory_mib += sign * d.memory_mib
    note_empty(world, m, w[0].now_ms)
    reindex(world, m)
    refresh(world, m)
    rest_if_drained(world, m)


@inner
def serve_from(world: Pages, r: int, m: int) -> None:
    """Let copy r serve from machine m, which holds it; settled before and spread after."""
    mach, a = mach_of(world), copy_of(world)[r]
    if a.machine >= 0:
        mach[a.machine].share_sum -= a.share
    a.machine = m
    a.share = reserved_share(world, m, ZERO, dbs_of(world)[a.database].memory_mib, ZERO)
    mach[m].share_sum += a.share
    a.prefix_idle, a.prefix_dynamic = mach[m].prefix_idle, mach[m].prefix_dynamic


@inner
def move_databases(world: Pages, copies: Table, machines: Table, energy_j: float) -> None:
    """Let copies serve from machines that hold them; each cost `energy_j` to copy, if any."""
    w, mach, copy, dbs = w_of(world), mach_of(world), copy_of(world), dbs_of(world)
    settle_databases(world)
    for i in range(len(copies)):
        r, m = copies[i], machines[i]
        source = copy[r].machine
        serve_from(world, r, m)
        if source >= 0:
            hold(world, r, source, -1)
        if energy_j > 0.0:
            energy_mj_of(world)[w[0].bucket, mach[m].group] += energy_j * 1000.0
            dbs[copy[r].database].energy += energy_j * 1000.0
            w[0].move_energy_j += energy_j
            w[0].n_moves += 1
    spread_databases(world)


@inner
def serve_again(world: Pages, m: int) -> None:
    """Let the copies that machine m kept serve again, now that it is back."""
    mach_of(world)[m].empty_since_ms = -1
    settle_databases(world)
    spread_databases(world)
