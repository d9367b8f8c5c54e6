"""Compiled loops of the policies: one pass over services or machines each.

A policy is asked at every wake, and numpy's overhead for some hundred elements, a hundred times a
wake, would be most of a run (docs/decisions/0020-compiled-policies.md). Loops write to arrays that
they are given; all else is read only.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, several, written
from greensched.model import BOOTING, ON, OWN, ROLE_CODES
from greensched.queueing import wait_tail

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray

BATCH, ANY = ROLE_CODES["batch"], ROLE_CODES["any"]
ROUNDING = 1e-9  # so that 3.0000000001 replicas are three
PRECISION = 1e-4  # of utilisations
(
    SERVING,
    ROOM_CPU_M,
    ROOM_MEMORY_MIB,
    SERVING_CPU_M,
    SERVING_MEMORY_MIB,
    BOOTING_CPU_M,
    BOOTING_MEMORY_MIB,
    ROOM_GPU_M,
    ROOMS,
) = range(9)  # what `rooms` writes, and how much of it

_tail: Any = inner(wait_tail)


@inner
def _replicas(need: float) -> int:
    """Return the smallest whole number that is not below `need`, but for rounding."""
    return math.ceil(need - ROUNDING)


@entry
def recommend(
    load_cpu_m: FloatArray,
    online: IntArray,
    starting: IntArray,
    pending: IntArray,
    replica_cpu_m: IntArray,
    least: IntArray,
    most: IntArray,
    target: float,
    tolerance: float,
    asked: IntArray,
) -> None:
    """Write what the load asks for by the replica rule of the HPA, see `hpa.recommended`."""
    for s in range(len(online)):
        serving = online[s] + starting[s]
        present = serving + pending[s]
        need = load_cpu_m[s] / (max(replica_cpu_m[s], 1) * target)
        n = _replicas(need)
        if not abs(need - serving) > tolerance * serving:
            n = min(present, max(serving, n))
        asked[s] = min(max(n, least[s]), most[s])


@entry
def step(
    present: IntArray,
    asked: IntArray,
    recommended: IntArray,
    counts: IntArray,
    first: IntArray,
    least: IntArray,
    most: IntArray,
    up_factor: float,
    up_step: int,
    down_share: float,
    wanted: IntArray,
) -> None:
    """Write what stabilisation window and step limits leave of what is asked for.

    `recommended`, `counts` [rows, services]: rows from `first[0]` on are in the window of the
    former, from `first[1]` on in that of the latter.
    """
    for s in range(len(present)):
        highest = recommended[first[0], s]
        for row in range(first[0] + 1, len(recommended)):
            highest = max(highest, recommended[row, s])
        start = counts[first[1], s]
        for row in range(first[1] + 1, len(counts)):
            start = max(start, counts[row, s])
        # Up at once; down only as far as every recommendation in the window allows.
        n = min(max(present[s], asked[s]), highest)
        ceiling = max(math.floor(present[s] * up_factor), present[s] + up_step)
        floor = min(present[s], math.floor(start * (1 - down_share) + ROUNDING))
        n = max(min(n, ceiling), floor)
        wanted[s] = min(max(n, least[s]), most[s])


@entry
def unchanged(
    load_cpu_m: FloatArray,
    online: IntArray,
    starting: IntArray,
    pending: IntArray,
    load_before_cpu_m: FloatArray,
    wanted: IntArray,
) -> bool:
    """Say whether loads are as before, and replicas as wanted with none that found no room."""
    for s in range(len(online)):
        if load_cpu_m[s] != load_before_cpu_m[s] or pending[s] > 0:
            return False
        if online[s] + starting[s] != wanted[s]:
            return False
    return True


@entry
def follow(
    load_cpu_m: FloatArray,
    present: IntArray,
    replica_cpu_m: IntArray,
    least: IntArray,
    most: IntArray,
    up: IntArray,
    down: IntArray,
    counts: IntArray,
    max_utilisation: float,
    down_share: float,
    wanted: IntArray,
) -> None:
    """Write what plan and load of now ask for, within limits and steps.

    `up`, `down`: replicas by the plan; `counts` [rows, services]: those of before.
    """
    for s in range(len(present)):
        each = max(replica_cpu_m[s], 1) * max_utilisation
        now = _replicas(load_cpu_m[s] / each)
        before = counts[0, s]
        for row in range(1, len(counts)):
            before = max(before, counts[row, s])
        floor = _replicas(before * (1 - down_share))
        kept = min(present[s], max(down[s], now, floor))
        wanted[s] = min(max(up[s], now, kept, least[s]), most[s])


@entry
def fill_utilisations(cores: IntArray, waits: float, share: float, most: FloatArray) -> None:
    """Write the largest utilisation of each number of `cores` at which P(W > w) <= `share`.

    `waits` is w over the mean service time. By bisection, to `PRECISION` below it.
    """
    for i in range(len(cores)):
        low, high = 0.0, 1.0
        while high - low > PRECISION:
            middle = (low + high) / 2
            if _tail(cores[i], cores[i] * middle, 1.0, waits) <= share:
                low = middle
            else:
                high = middle
        most[i] = low


@inner
def _between(x: float, xs: FloatArray, ys: FloatArray) -> float:
    """Return the height at x of the line through the points, level beyond both ends."""
    low, high = 0, len(xs) - 1
    if x <= xs[0]:
        return ys[0]
    if x >= xs[high]:
        return ys[high]
    while high - low > 1:
        middle = (low + high) // 2
        if xs[middle] <= x:
            low = middle
        else:
            high = middle
    return ys[low] + (x - xs[low]) * (ys[high] - ys[low]) / (xs[high] - xs[low])


@entry
def cover(
    load_cpu_m: FloatArray,
    replica_cpu_m: IntArray,
    row: IntArray,
    cores: FloatArray,
    held: FloatArray,
    most: FloatArray,
    needed: IntArray,
) -> None:
    """Write the smallest numbers of replicas whose cores hold each service's load.

    `row`: of each service in the tables of largest utilisation `most` [rows, points] and of load
    `held` there [cores].
    """
    for s in range(len(load_cpu_m)):
        k, load = row[s], load_cpu_m[s] / 1000.0
        each = max(replica_cpu_m[s], 1) / 1000.0
        count = math.ceil(_between(load, held[k], cores) / each - ROUNDING)
        # Between two numbers of the table the line is a little too low.
        room = count * each
        if load > room * _between(room, cores, most[k]):
            count += 1
        needed[s] = int(count)


@inner
def _room(whole: bool, cpu_m: int, online_cpu_m: int, batch_cpu_m: int) -> int:
    """Return the CPU left for replicas; batch counts where it holds the machine whole."""
    left = cpu_m - online_cpu_m
    if whole:
        left -= batch_cpu_m
    return max(left, 0)


@entry
def rooms(
    state: IntArray,
    lending: IntArray,
    surplus: BoolArray,
    role: IntArray,
    cpu_m: IntArray,
    memory_mib: IntArray,
    online_cpu_m: IntArray,
    online_memory_mib: IntArray,
    batch_cpu_m: IntArray,
    batch_memory_mib: IntArray,
    replicas: IntArray,
    gpu_free_m: IntArray,
    room_cpu_m: IntArray,
    room_memory_mib: IntArray,
    total: IntArray,
) -> None:
    """Write the room for replicas of each machine that serves (-1: it does not) and `total`."""
    total[:] = 0
    for m in range(len(state)):
        room_cpu_m[m] = room_memory_mib[m] = -1
        if lending[m] != OWN or surplus[m] or role[m] == BATCH:
            continue
        if state[m] == BOOTING:
            total[BOOTING_CPU_M] += cpu_m[m]
            total[BOOTING_MEMORY_MIB] += memory_mib[m]
            total[ROOM_GPU_M] += gpu_free_m[m]
        if state[m] != ON:
            continue
        whole = role[m] == ANY and replicas[m] == 0
        cpu = _room(whole, cpu_m[m], online_cpu_m[m], batch_cpu_m[m])
        memory = max(memory_mib[m] - online_memory_mib[m] - batch_memory_mib[m], 0)
        room_cpu_m[m], room_memory_mib[m] = cpu, memory
        total[SERVING] += 1
        total[ROOM_CPU_M] += cpu
        total[ROOM_MEMORY_MIB] += memory
        total[SERVING_CPU_M] += cpu_m[m]
        total[SERVING_MEMORY_MIB] += memory_mib[m]
        total[ROOM_GPU_M] += gpu_free_m[m]


@inner
def _enough(
    rows: IntArray, count: int, room: IntArray, used: IntArray, left: int, least: float
) -> int:
    """Return how many of the first `count` rows may go while what is left stays above `least`."""
    for i in range(count):
        left -= room[rows[i]] + used[rows[i]]
        if not left >= least:
            return i
    return count


@entry
def spare(
    rows: IntArray,
    room_cpu_m: IntArray,
    room_memory_mib: IntArray,
    cpu_m: IntArray,
    memory_mib: IntArray,
    online_cpu_m: IntArray,
    online_memory_mib: IntArray,
    replicas: IntArray,
    total: IntArray,
    least_cpu_m: float,
    least_memory_mib: float,
    headroom: float,
    on_machine: IntArray,
    of_service: IntArray,
    replica_cpu_m: IntArray,
    replica_memory_mib: IntArray,
    leaves: IntArray,
) -> int:
    """Return how many of the first of `rows` may go, their replicas fitting elsewhere.

    `leaves` [machines] is written. The rest must keep `least` free after the moves.
    """
    count = _enough(rows, len(rows), room_cpu_m, online_cpu_m, total[ROOM_CPU_M], least_cpu_m)
    count = _enough(
        rows, count, room_memory_mib, online_memory_mib, total[ROOM_MEMORY_MIB], least_memory_mib
    )
    leaves[:] = 0
    for i in range(count):
        leaves[rows[i]] = 1
    most_cpu_m = most_memory_mib = 0
    for r in range(len(on_machine)):
        if leaves[on_machine[r]]:
            most_cpu_m = max(most_cpu_m, 1, replica_cpu_m[of_service[r]])
            most_memory_mib = max(most_memory_mib, 1, replica_memory_mib[of_service[r]])
    if most_cpu_m == 0:
        return count
    places = 0
    for m in range(len(cpu_m)):
        if room_cpu_m[m] >= 0:
            leaves[m] = _places(
                room_cpu_m[m] - headroom * cpu_m[m],
                room_memory_mib[m] - headroom * memory_mib[m],
                most_cpu_m,
                most_memory_mib,
            )
            places += leaves[m]
    moving = 0
    for i in range(count):
        places -= leaves[rows[i]]
        moving += replicas[rows[i]]
        if places < moving:
            return i
    return count


@inner
def _places(cpu_m: float, memory_mib: float, each_cpu_m: int, each_memory_mib: int) -> int:
    """Return how many of the largest replica a machine has room for."""
    if cpu_m < 0 or memory_mib < 0:
        return 0
    return min(int(cpu_m // each_cpu_m), int(memory_mib // each_memory_mib))


@entry
def add_up(
    use_cpu_m: FloatArray,
    reserved_cpu_m: IntArray,
    lending: IntArray,
    period_ms: int,
    use: FloatArray,
    reserved: FloatArray,
    stale: BoolArray,
) -> None:
    """Add a period to what a sample sums up: use and reservation x time, and who was apart."""
    for m in range(len(use)):
        use[m] += use_cpu_m[m] * period_ms
        reserved[m] += reserved_cpu_m[m] * period_ms
        stale[m] = stale[m] or lending[m] != OWN


@entry
def suspects(
    machines: tuple[IntArray, ...],
    online_use_cpu_m: FloatArray,
    batch_use_cpu_m: FloatArray,
    max_cpu: float,
    max_memory: float,
    starved_below: float,
    rows: IntArray,
) -> int:
    """Write the machines on which a guard of co-location may have something to do; count them.

    `machines`: columns jobs, CPU, what batch reserves of it and may, memory, what services and
    batch reserve of it.
    """
    jobs, cpu_m, batch_cpu_m, limit_cpu_m, memory_mib, online_mib, batch_mib = machines
    n = 0
    for m in range(len(jobs)):
        if jobs[m] == 0:
            continue
        left_cpu_m = max_cpu * cpu_m[m] - online_use_cpu_m[m]
        hot = batch_use_cpu_m[m] > left_cpu_m and batch_cpu_m[m] < limit_cpu_m[m]
        starves = left_cpu_m < starved_below * batch_cpu_m[m]
        full = online_mib[m] + batch_mib[m] > math.floor(max_memory * memory_mib[m])
        if hot or starves or full:
            rows[n] = m
            n += 1
    return n


def compile_all() -> None:
    """Compile the loops for the columns of snapshots and memories, or load them from the cache."""
    kept, real, made = given(WHOLE), given(REAL), written(WHOLE)
    rows = given(WHOLE, 2)
    recommend.compile((real, *6 * (kept,), REAL, REAL, made))
    step.compile((made, made, rows, rows, made, kept, kept, REAL, WHOLE, REAL, made))
    unchanged.compile((real, *3 * (kept,), real, kept))
    follow.compile((real, made, *5 * (kept,), rows, REAL, REAL, made))
    fill_utilisations.compile((kept, REAL, REAL, written(REAL)))
    table = given(REAL, 2)
    cover.compile((written(REAL), kept, kept, real, table, table, made))
    rooms.compile((*2 * (kept,), given(FLAG), *9 * (kept,), *3 * (made,)))
    least = (REAL, REAL, REAL)
    spare.compile((*3 * (made,), *5 * (kept,), made, *least, *4 * (kept,), made))
    add_up.compile((real, kept, kept, WHOLE, written(REAL), written(REAL), written(FLAG)))
    suspects.compile((several(kept, 7), real, real, REAL, REAL, REAL, made))
