"""Replicas on machines that are lent or may be: in order, and which machines hold enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, several, written
from greensched.model import DRAIN, LENT, RECALL, WARM

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray

PASSES_MAX = 64  # of choosing machines to lend; each takes at least one, or is the last


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
def breaks(
    load_cpu_m: FloatArray,
    each_cpu_m: IntArray,
    online: IntArray,
    starting: IntArray,
    most: float,
) -> bool:
    """Say whether any service uses more than the share `most` of what serves or starts."""
    anywhere = False
    for s in range(len(load_cpu_m)):
        anywhere = anywhere or load_cpu_m[s] > most * each_cpu_m[s] * (online[s] + starting[s])
    return anywhere


@entry
def serving(
    machine: IntArray,
    service: IntArray,
    lending: IntArray,
    services: tuple[IntArray, ...],
    counts: IntArray,
    cpu_m: FloatArray,
) -> None:
    """Write the replicas of each service that serve, start, or are on machines that come back.

    And the CPU of each pool that they reserve. `machine`, `service`: of each replica; `services`:
    how many serve, how many start, CPU and GPUs of one.
    """
    online, starting, each_cpu_m, each_gpu_m = services
    for s in range(len(counts)):
        counts[s] = online[s] + starting[s]
    for r in range(len(machine)):
        if lending[machine[r]] == RECALL or lending[machine[r]] == WARM:
            counts[service[r]] += 1
    cpu_m[:] = 0.0
    for s in range(len(counts)):
        cpu_m[1 if each_gpu_m[s] > 0 else 0] += counts[s] * each_cpu_m[s]


@inner
def _group(
    order: IntArray,
    machine: IntArray,
    service: IntArray,
    place: IntArray,
    ends: IntArray,
    by_place: IntArray,
) -> None:
    """Write the services of the replicas on each machine of `order`, one machine after the other.

    `ends[i]`: where those of place i end, and after the last place their number; `place`: of each
    machine in `order`, or -1.
    """
    place[:], ends[:] = -1, 0
    for i in range(len(order)):
        place[order[i]] = i
    for r in range(len(machine)):
        if place[machine[r]] >= 0:
            ends[place[machine[r]] + 1] += 1
    for i in range(len(order)):
        ends[i + 1] += ends[i]
    for r in range(len(machine)):
        i = place[machine[r]]
        if i >= 0:
            by_place[ends[i]] = service[r]
            ends[i] += 1


@entry
def tenants(
    order: IntArray,
    machine: IntArray,
    service: IntArray,
    cpu_m: IntArray,
    gpu_m: IntArray,
    places: IntArray,
    starts: IntArray,
    rows: IntArray,
    reserved_cpu_m: FloatArray,
) -> int:
    """Write the replicas on the machines of `order` by service, then by place; count them.

    `machine`, `service`: of each replica; `cpu_m`, `gpu_m`: of one of each service. Written: place
    and service of each in the first `rows` [3, replicas]; `reserved_cpu_m` [POOLS, places]. For
    work: `places` [2, machines + 1], `starts` [services + 1], the last of `rows`.
    """
    at, of, by_place = rows[0], rows[1], rows[2]
    ends = places[1]
    _group(order, machine, service, places[0], ends, by_place)
    starts[:], reserved_cpu_m[:] = 0, 0.0
    for k in range(ends[len(order)]):
        starts[by_place[k] + 1] += 1
    for s in range(len(starts) - 1):
        starts[s + 1] += starts[s]
    k = 0
    for i in range(len(order)):
        while k < ends[i]:
            s = by_place[k]
            reserved_cpu_m[1 if gpu_m[s] > 0 else 0, i] += cpu_m[s]
            at[starts[s]], of[starts[s]] = i, s
            starts[s] += 1
            k += 1
    return k


@inner
def _may_go_too(held: IntArray, allowed: IntArray, counts: IntArray) -> bool:
    """Say whether the replicas `held` by a machine may go as well, and add them to `counts`.

    Services of replicas; `counts` has how many of each go before.
    """
    may = True
    for k in range(len(held)):
        counts[held[k]] += 1
        may = may and counts[held[k]] <= allowed[held[k]]
    return may


@inner
def _may_go(held: IntArray, allowed: IntArray, counts: IntArray) -> bool:
    """Say whether the replicas `held` by a machine may go alone; `counts` are 0 and stay so."""
    may = _may_go_too(held, allowed, counts)
    for k in range(len(held)):
        counts[held[k]] = 0
    return may


@entry
def within(
    order: IntArray,
    machine: IntArray,
    service: IntArray,
    rack: IntArray,
    most: int,
    allowed: IntArray,
    spare: IntArray,
    gone: IntArray,
    racks: IntArray,
    places: IntArray,
    by_place: IntArray,
) -> int:
    """Write up to `most` machines of `order` into `places[3]`, and count them.

    See `lending.within`; what was taken is taken off `allowed` and `spare`. For work: `gone` [2,
    services], `racks` like `spare`, `places` [4, machines + 1], `by_place` [replicas].
    """
    ends, left, chosen = places[1], places[2], places[3]
    _group(order, machine, service, places[0], ends, by_place)
    gone[:] = 0
    for i in range(len(order)):
        left[i] = i
    count, tried = 0, len(order)
    for _ in range(PASSES_MAX):
        gone[1], racks[:] = 0, 0
        before, later = count, 0
        for i in range(tried):
            at = left[i]
            held, r = by_place[ends[at - 1] if at > 0 else 0 : ends[at]], rack[order[at]]
            if spare[r] <= 0 or not _may_go(held, allowed, gone[0]):
                continue
            racks[r] += 1
            if not _may_go_too(held, allowed, gone[1]) or racks[r] > spare[r]:
                left[later] = at
                later += 1
            elif count < most:
                chosen[count] = at
                count += 1
        if count == before or count == most:
            break
        for i in range(before, count):
            at = chosen[i]
            spare[rack[order[at]]] -= 1
            for k in range(ends[at - 1] if at > 0 else 0, ends[at]):
                allowed[by_place[k]] -= 1
        tried = later
    for i in range(count):
        chosen[i] = order[chosen[i]]
    return count


@inner
def _cover(
    at: IntArray,
    of: IntArray,
    reserved_cpu_m: FloatArray,
    replicas: IntArray,
    cpu_m: FloatArray,
    needs: IntArray,
    needs_cpu_m: FloatArray,
    taken: BoolArray,
) -> None:
    """Mark the places that hold what is missing, as early as can be."""
    taken[:] = False
    rank = 0
    for k in range(len(at)):
        s = of[k]
        rank = rank + 1 if k > 0 and of[k - 1] == s else 0
        if rank < needs[s] - replicas[s]:
            taken[at[k]] = True
    for pool in range(len(cpu_m)):
        lacking = needs_cpu_m[pool] - cpu_m[pool]
        if lacking > 0:
            held = 0.0
            for i in range(len(taken)):
                held += reserved_cpu_m[pool, i] if taken[i] else 0.0
            lacking -= held
        for i in range(len(taken)):
            if lacking > 0 and not taken[i] and reserved_cpu_m[pool, i] > 0:
                taken[i] = True
                lacking -= reserved_cpu_m[pool, i]


@entry
def wanted_back(
    at: IntArray,
    of: IntArray,
    reserved_cpu_m: FloatArray,
    replicas: IntArray,
    cpu_m: FloatArray,
    needs: IntArray,
    needs_cpu_m: FloatArray,
    taken: BoolArray,
    first: IntArray,
) -> None:
    """Write the first row of needs for which each place is wanted, see `lending.Tenants`.

    `replicas`, `cpu_m`: what serves; `taken` is for work.
    """
    first[:] = len(needs)
    for row in range(len(needs) - 1, -1, -1):
        rows = needs[row], needs_cpu_m[row]
        _cover(at, of, reserved_cpu_m, replicas, cpu_m, *rows, taken)
        for i in range(len(taken)):
            if taken[i]:
                first[i] = row


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    kept, made, table = given(WHOLE), written(WHOLE), written(WHOLE, 2)
    loads, out = given(REAL), written(REAL, 2)
    on_loan.compile((kept, written(FLAG)))
    add_work.compile((loads, WHOLE, loads, WHOLE, loads, out))
    breaks.compile((loads, kept, kept, kept, REAL))
    serving.compile((kept, kept, kept, several(kept, 4), made, written(REAL)))
    tenants.compile((*5 * (kept,), table, made, table, out))
    within.compile((*4 * (kept,), WHOLE, made, made, table, made, table, made))
    held = kept, kept, given(REAL, 2)
    wanted_back.compile((*held, kept, loads, given(WHOLE, 2), given(REAL, 2), written(FLAG), made))
