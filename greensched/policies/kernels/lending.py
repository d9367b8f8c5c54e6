"""Replicas on machines that are lent or may be: in order, and which machines hold enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, written
from greensched.model import DRAIN, LENT

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray


@entry
def on_loan(lending: IntArray, lent: BoolArray) -> int:
    """Write which machines are lent, or drain for it, and count them."""
    count = 0
    for m in range(len(lending)):
        lent[m] = lending[m] == DRAIN or lending[m] == LENT
        count += lent[m]
    return count


@entry
def add_work(
    before_cpu_m: FloatArray,
    quiet_ms: int,
    load_cpu_m: FloatArray,
    period_ms: int,
    before_mc: FloatArray,
    seen: FloatArray,
) -> None:
    """Write the load x time of services and their load [2, services] after one more period.

    Before it the load was `before_cpu_m` for `quiet_ms`.
    """
    for s in range(len(load_cpu_m)):
        seen[0, s] = before_mc[s] + (before_cpu_m[s] * quiet_ms + load_cpu_m[s] * period_ms)
        seen[1, s] = load_cpu_m[s]


@entry
def tenants(
    order: IntArray,
    machine: IntArray,
    service: IntArray,
    cpu_m: IntArray,
    gpu_m: IntArray,
    place: IntArray,
    ends: IntArray,
    starts: IntArray,
    by_place: IntArray,
    at: IntArray,
    of: IntArray,
    reserved_cpu_m: FloatArray,
) -> int:
    """Write the replicas on the machines of `order` by service, then by place; count them.

    `machine`, `service`: of each replica; `cpu_m`, `gpu_m`: of one of each service. Written:
    `at`, `of`: place and service of each; `reserved_cpu_m` [POOLS, places]. For work: `place`
    [machines], `ends` [places + 1], `starts` [services + 1], `by_place` [replicas].
    """
    place[:], ends[:], starts[:], reserved_cpu_m[:] = -1, 0, 0, 0.0
    for i in range(len(order)):
        place[order[i]] = i
    for r in range(len(machine)):
        if place[machine[r]] >= 0:
            ends[place[machine[r]] + 1] += 1
            starts[service[r] + 1] += 1
    for i in range(len(order)):
        ends[i + 1] += ends[i]
    for s in range(len(starts) - 1):
        starts[s + 1] += starts[s]
    for r in range(len(machine)):
        i = place[machine[r]]
        if i >= 0:
            by_place[ends[i]] = service[r]
            ends[i] += 1
    k = 0
    for i in range(len(order)):
        while k < ends[i]:
            s = by_place[k]
            reserved_cpu_m[1 if gpu_m[s] > 0 else 0, i] += cpu_m[s]
            at[starts[s]], of[starts[s]] = i, s
            starts[s] += 1
            k += 1
    return k


@entry
def covering(
    at: IntArray,
    of: IntArray,
    reserved_cpu_m: FloatArray,
    missing: IntArray,
    missing_cpu_m: FloatArray,
    taken: BoolArray,
) -> None:
    """Write which places hold what is missing, as early as can be: see `lending.Tenants`."""
    taken[:] = False
    rank = 0
    for k in range(len(at)):
        rank = rank + 1 if k > 0 and of[k - 1] == of[k] else 0
        if rank < missing[of[k]]:
            taken[at[k]] = True
    for pool in range(len(missing_cpu_m)):
        lacking = missing_cpu_m[pool]
        if lacking > 0:
            held = 0.0
            for i in range(len(taken)):
                held += reserved_cpu_m[pool, i] if taken[i] else 0.0
            lacking -= held
        for i in range(len(taken)):
            if lacking > 0 and not taken[i] and reserved_cpu_m[pool, i] > 0:
                taken[i] = True
                lacking -= reserved_cpu_m[pool, i]


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    kept, made, out = given(WHOLE), written(WHOLE), written(REAL)
    on_loan.compile((kept, written(FLAG)))
    loads = given(REAL)
    add_work.compile((loads, WHOLE, loads, WHOLE, loads, written(REAL, 2)))
    tenants.compile((*5 * (kept,), *6 * (made,), written(REAL, 2)))
    covering.compile((kept, kept, given(REAL, 2), made, out, written(FLAG)))
