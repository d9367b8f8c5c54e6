"""One pass over machines: room for replicas, which of them can be spared or must wake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, several, written
from greensched.model import BOOTING, DRAINING, OFF, ON, OWN, ROLE_CODES, SLEEPING
from greensched.policies.kernels.resting import COLUMNS, HOLDS, ONLINE, is_idle, sort

if TYPE_CHECKING:
    from greensched.model import BoolArray, IntArray

    Columns = tuple[IntArray, ...]

BATCH, ANY = ROLE_CODES["batch"], ROLE_CODES["any"]
(
    SERVING,
    ROOM_CPU_M,
    ROOM_MEMORY_MIB,
    SERVING_CPU_M,
    SERVING_MEMORY_MIB,
    BOOTING_CPU_M,
    BOOTING_MEMORY_MIB,
    ROOM_GPU_M,
    COMING_CPU_M,  # of replicas without GPUs that are added
    COMING_MEMORY_MIB,
    COMING_GPU_M,
    ALL_CPU_M,  # of all that are added
    ALL_MEMORY_MIB,
    ROOMS,
) = range(14)  # what `rooms` writes, and how much of it


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
    present: IntArray,
    wanted: IntArray,
    sizes: tuple[IntArray, IntArray, IntArray],
    room_cpu_m: IntArray,
    room_memory_mib: IntArray,
    total: IntArray,
) -> None:
    """Write the room for replicas of each machine that serves (-1: it does not) and `total`.

    `present`, `wanted`: replicas of each service; `sizes`: CPU, memory and GPUs of one.
    """
    total[:] = 0
    each_cpu_m, each_memory_mib, each_gpu_m = sizes
    for s in range(len(wanted)):
        added = max(wanted[s] - present[s], 0)
        total[ALL_CPU_M] += added * each_cpu_m[s]
        total[ALL_MEMORY_MIB] += added * each_memory_mib[s]
        total[COMING_GPU_M] += added * each_gpu_m[s]
        if each_gpu_m[s] == 0:
            total[COMING_CPU_M] += added * each_cpu_m[s]
            total[COMING_MEMORY_MIB] += added * each_memory_mib[s]
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
def to_free(
    columns: Columns,
    surplus: BoolArray,
    room_cpu_m: IntArray,
    room_memory_mib: IntArray,
    total: IntArray,
    least: tuple[float, float],
    asked_ms: IntArray,
    times_ms: tuple[int, int],
    moves_max: int,
    drains_max: int,
    queue_jobs: int,
    rows: IntArray,
    keys: IntArray,
    scratch: IntArray,
) -> int:
    """Write the machines to empty, those with the least reserved first, and count them.

    While the rest keeps so much CPU and memory free (`least`) after the moves. `times_ms`: empty
    since when, and asked before when. See `ElasticReactive._freed`.
    """
    state, role, gpu_m, online_cpu_m, online_mib = columns[0], columns[1], *columns[5:8]
    batch_cpu_m, gpu_free_m, replicas, jobs = columns[8], columns[10], columns[11], columns[12]
    count = empties = 0
    for m in range(len(state)):
        if state[m] == DRAINING and role[m] != BATCH:
            drains_max -= 1
        if room_cpu_m[m] < 0 or jobs[m] > 0:
            continue
        if replicas[m] == 0:
            # an empty one may be for the jobs that wait
            leaves = is_idle(columns, surplus, m, times_ms[0])
            leaves = leaves and (queue_jobs == 0 or role[m] == ONLINE)
            empties += leaves
        else:
            leaves = replicas[m] <= moves_max and asked_ms[m] <= times_ms[1]
            leaves = leaves and gpu_free_m[m] == gpu_m[m]
        if leaves:
            keys[m] = online_cpu_m[m] + batch_cpu_m[m] + (HOLDS if replicas[m] > 0 else 0)
            rows[count] = m
            count += 1
    sort(rows, keys, count, scratch)
    moves = may = 0
    while may < count and may < empties + max(0, drains_max):
        moves += replicas[rows[may]]
        if moves > moves_max:
            break
        may += 1
    may = _enough(rows, may, room_cpu_m, online_cpu_m, total[ROOM_CPU_M], least[0])
    return _enough(rows, may, room_memory_mib, online_mib, total[ROOM_MEMORY_MIB], least[1])


@entry
def spare(
    rows: IntArray,
    room_cpu_m: IntArray,
    room_memory_mib: IntArray,
    cpu_m: IntArray,
    memory_mib: IntArray,
    replicas: IntArray,
    headroom: float,
    on_machine: IntArray,
    of_service: IntArray,
    replica_cpu_m: IntArray,
    replica_memory_mib: IntArray,
    leaves: IntArray,
) -> int:
    """Return how many of the first of `rows` may go, their replicas fitting elsewhere.

    `leaves` [machines] is written.
    """
    count = len(rows)
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


@inner
def _rests(state: int) -> bool:
    """Say whether a machine is asleep or off."""
    return state == SLEEPING or state == OFF


@inner
def _holds(
    gpu_m: IntArray,
    cpu_m: IntArray,
    memory_mib: IntArray,
    m: int,
    each: tuple[int, int, int],
) -> int:
    """Return how many replicas, each of such a size, an empty machine takes."""
    each_cpu_m, each_memory_mib, each_gpu_m = each
    places = min(cpu_m[m] // max(1, each_cpu_m), memory_mib[m] // max(1, each_memory_mib))
    if each_gpu_m > 0:
        places = min(places, gpu_m[m] // each_gpu_m)
    return places


@entry
def hold_pending(
    state: IntArray,
    lending: IntArray,
    surplus: BoolArray,
    among: BoolArray,
    gpu_m: IntArray,
    cpu_m: IntArray,
    memory_mib: IntArray,
    pending: IntArray,
    sizes: tuple[IntArray, IntArray, IntArray],
    free: BoolArray,
    chosen: IntArray,
) -> int:
    """Write the machines to wake for replicas that found no room, and count them.

    See `machines.to_hold_pending`; `sizes`: CPU, memory and GPUs of a replica of each service.
    `free` [machines] is written.
    """
    count = rest = 0
    for m in range(len(state)):
        free[m] = among[m] and lending[m] == OWN and not surplus[m]
        rest += free[m] and _rests(state[m])
    for s in range(len(pending) if rest > 0 else 0):
        left, each = pending[s], (sizes[0][s], sizes[1][s], sizes[2][s])
        for m in range(len(state) if left > 0 else 0):
            if free[m] and state[m] == BOOTING:
                left -= max(0, _holds(gpu_m, cpu_m, memory_mib, m, each))
        for kind in range(4):  # without GPUs before those with, asleep before off
            for m in range(len(state) if left > 0 else 0):
                if not free[m] or state[m] != (SLEEPING if kind % 2 == 0 else OFF):
                    continue
                if (gpu_m[m] > 0) != (kind >= 2):
                    continue
                places = _holds(gpu_m, cpu_m, memory_mib, m, each)
                if left > 0 and places > 0:
                    left -= places
                    free[m] = False  # one machine, one service: the rest is found at later wakes
                    chosen[count] = m
                    count += 1
    return count


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    kept, made = given(WHOLE), written(WHOLE)
    flags, sizes = written(FLAG), several(kept, 3)
    replicas = (made, kept, sizes)
    rooms.compile((*2 * (kept,), given(FLAG), *9 * (kept,), *replicas, *3 * (made,)))
    hold_pending.compile((kept, kept, given(FLAG), flags, *4 * (kept,), sizes, flags, made))
    columns, limits = several(kept, len(COLUMNS)), (several(WHOLE, 2), *3 * (WHOLE,))
    to_free.compile(
        (columns, given(FLAG), *3 * (made,), several(REAL, 2), kept, *limits, *3 * (made,))
    )
    spare.compile((*3 * (made,), *3 * (kept,), REAL, *4 * (kept,), made))
