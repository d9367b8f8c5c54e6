"""Elastic capacity: room for replicas, which machines must wake for them or can be spared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, several, written
from greensched.model import BOOTING, DRAINING, ON, OWN, ROLE_CODES
from greensched.policies.kernels.resting import BATCH, COLUMNS, HOLDS, ONLINE, is_idle, sort

if TYPE_CHECKING:
    from greensched.model import BoolArray, IntArray

    Columns = tuple[IntArray, ...]

ANY = ROLE_CODES["any"]
RESERVE_TO_SLEEP = 1.25  # sleep leaves a quarter more free than wakes a machine: no flapping
# Rows of the table that is written: the room of each machine that serves (-1: it does not), the
# machines to empty, and what sorting takes.
ROOM, ROOM_MIB, FREED, KEYS, SCRATCH = range(5)
ROWS = 5


@inner
def _room(whole: bool, cpu_m: int, online_cpu_m: int, batch_cpu_m: int) -> int:
    """Return the CPU left for replicas; batch counts where it holds the machine whole."""
    left = cpu_m - online_cpu_m
    if whole:
        left -= batch_cpu_m
    return max(left, 0)


@inner
def _added(
    present: IntArray,
    wanted: IntArray,
    sizes: tuple[IntArray, IntArray, IntArray],
    all_too: bool,
) -> tuple[int, int, int]:
    """Return what replicas that are added reserve: CPU and memory, those with GPUs if `all_too`.

    And their GPUs; `sizes`: CPU, memory and GPUs of one.
    """
    cpu_m = memory_mib = gpu_m = 0
    for s in range(len(wanted)):
        added = max(wanted[s] - present[s], 0)
        gpu_m += added * sizes[2][s]
        if all_too or sizes[2][s] == 0:
            cpu_m += added * sizes[0][s]
            memory_mib += added * sizes[1][s]
    return cpu_m, memory_mib, gpu_m


@entry
def rooms(
    columns: Columns,
    surplus: BoolArray,
    present: IntArray,
    wanted: IntArray,
    sizes: tuple[IntArray, IntArray, IntArray],
    reserve_machines: int,
    reserve_share: float,
    table: IntArray,
) -> tuple[float, float, int, float, float, int]:
    """Write the room for replicas of each machine that serves into the table.

    Return the CPU, memory and GPUs that are short of the reserve with the replicas that are added,
    the CPU and memory that sleep leaves free, and how many machines serve. See `ElasticReactive`.
    """
    state, role, lending, cpu_m, memory_mib, _, online_cpu_m, online_memory_mib = columns[:8]
    batch_cpu_m, batch_memory_mib, gpu_free_m, replicas = columns[8:12]
    serving = serving_cpu_m = serving_mib = 0
    room_cpu_m = room_mib = booting_cpu_m = booting_mib = room_gpu_m = 0
    for m in range(len(state)):
        table[ROOM, m] = table[ROOM_MIB, m] = -1
        if lending[m] != OWN or surplus[m] or role[m] == BATCH:
            continue
        if state[m] == BOOTING:
            booting_cpu_m += cpu_m[m]
            booting_mib += memory_mib[m]
            room_gpu_m += gpu_free_m[m]
        if state[m] != ON:
            continue
        whole = role[m] == ANY and replicas[m] == 0
        cpu = _room(whole, cpu_m[m], online_cpu_m[m], batch_cpu_m[m])
        memory = max(memory_mib[m] - online_memory_mib[m] - batch_memory_mib[m], 0)
        table[ROOM, m], table[ROOM_MIB, m] = cpu, memory
        serving += 1
        room_cpu_m += cpu
        room_mib += memory
        serving_cpu_m += cpu_m[m]
        serving_mib += memory_mib[m]
        room_gpu_m += gpu_free_m[m]
    least = max(reserve_share, reserve_machines / max(1, serving))
    reserve_cpu_m, reserve_mib = least * serving_cpu_m, least * serving_mib
    more_cpu_m, more_mib, more_gpu_m = _added(present, wanted, sizes, False)
    all_cpu_m, all_mib, _ = _added(present, wanted, sizes, True)
    return (
        reserve_cpu_m + more_cpu_m - room_cpu_m - booting_cpu_m,
        reserve_mib + more_mib - room_mib - booting_mib,
        more_gpu_m - room_gpu_m,
        RESERVE_TO_SLEEP * reserve_cpu_m + all_cpu_m,
        RESERVE_TO_SLEEP * reserve_mib + all_mib,
        serving,
    )


@inner
def _enough(rows: IntArray, count: int, room: IntArray, used: IntArray, least: float) -> int:
    """Return how many of the first `count` rows may go while what is left stays above `least`."""
    left = 0
    for m in range(len(room)):
        left += max(room[m], 0)
    for i in range(count):
        left -= room[rows[i]] + used[rows[i]]
        if not left >= least:
            return i
    return count


@entry
def to_free(
    columns: Columns,
    surplus: BoolArray,
    least_cpu_m: float,
    least_memory_mib: float,
    asked_ms: IntArray,
    idle_since_ms: int,
    asked_before_ms: int,
    moves_max: int,
    drains_max: int,
    queue_jobs: int,
    table: IntArray,
) -> tuple[int, bool]:
    """Write the machines to empty into table[FREED], those with the least reserved first.

    Return how many, while the rest keeps so much CPU and memory free after the moves, and whether
    replicas have to move. See `ElasticReactive._freed`.
    """
    state, role, gpu_m, online_cpu_m, online_mib = columns[0], columns[1], *columns[5:8]
    batch_cpu_m, gpu_free_m, replicas, jobs = columns[8], columns[10], columns[11], columns[12]
    rows, keys = table[FREED], table[KEYS]
    count = empties = 0
    for m in range(len(state)):
        if state[m] == DRAINING and role[m] != BATCH:
            drains_max -= 1
        if table[ROOM, m] < 0 or jobs[m] > 0:
            continue
        if replicas[m] == 0:
            # an empty one may be for the jobs that wait
            leaves = is_idle(columns, surplus, m, idle_since_ms)
            leaves = leaves and (queue_jobs == 0 or role[m] == ONLINE)
            empties += leaves
        else:
            leaves = replicas[m] <= moves_max and asked_ms[m] <= asked_before_ms
            leaves = leaves and gpu_free_m[m] == gpu_m[m]
        if leaves:
            keys[m] = online_cpu_m[m] + batch_cpu_m[m] + (HOLDS if replicas[m] > 0 else 0)
            rows[count] = m
            count += 1
    sort(rows, keys, count, table[SCRATCH])
    moves = may = 0
    while may < count and may < empties + max(0, drains_max):
        moves += replicas[rows[may]]
        if moves > moves_max:
            break
        may += 1
    may = _enough(rows, may, table[ROOM], online_cpu_m, least_cpu_m)
    may = _enough(rows, may, table[ROOM_MIB], online_mib, least_memory_mib)
    return may, may > 0 and replicas[rows[may - 1]] > 0  # those that are empty come first


@entry
def spare(
    cpu_m: IntArray,
    memory_mib: IntArray,
    replicas: IntArray,
    count: int,
    headroom: float,
    on_machine: IntArray,
    of_service: IntArray,
    replica_cpu_m: IntArray,
    replica_memory_mib: IntArray,
    table: IntArray,
) -> int:
    """Return how many of the first of table[FREED] may go, their replicas fitting elsewhere.

    Room is counted in places for the largest replica that may have to move, `headroom` of each
    machine left free, so that enough places means that every replica fits, whatever the order.
    """
    rows, places = table[FREED], table[SCRATCH]
    places[:] = 0
    for i in range(count):
        places[rows[i]] = 1
    most_cpu_m = most_memory_mib = 1
    for r in range(len(on_machine)):
        if places[on_machine[r]]:
            most_cpu_m = max(most_cpu_m, replica_cpu_m[of_service[r]])
            most_memory_mib = max(most_memory_mib, replica_memory_mib[of_service[r]])
    left = 0
    for m in range(len(cpu_m)):
        if table[ROOM, m] >= 0:
            places[m] = _places(
                table[ROOM, m] - headroom * cpu_m[m],
                table[ROOM_MIB, m] - headroom * memory_mib[m],
                most_cpu_m,
                most_memory_mib,
            )
            left += places[m]
    moving = 0
    for i in range(count):
        left -= places[rows[i]]
        moving += replicas[rows[i]]
        if left < moving:
            return i
    return count


@inner
def _places(cpu_m: float, memory_mib: float, each_cpu_m: int, each_memory_mib: int) -> int:
    """Return how many of the largest replica a machine has room for."""
    if cpu_m < 0 or memory_mib < 0:
        return 0
    return min(int(cpu_m // each_cpu_m), int(memory_mib // each_memory_mib))


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    kept, made, table = given(WHOLE), written(WHOLE), written(WHOLE, 2)
    columns, sizes = several(kept, len(COLUMNS)), several(kept, 3)
    flags = given(FLAG)
    rooms.compile((columns, flags, made, kept, sizes, WHOLE, REAL, table))
    to_free.compile((columns, flags, REAL, REAL, kept, *5 * (WHOLE,), table))
    spare.compile((*3 * (kept,), WHOLE, REAL, *4 * (kept,), table))
