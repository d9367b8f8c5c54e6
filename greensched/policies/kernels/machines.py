"""Elastic capacity: room for replicas, which machines must wake for them or can be spared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, several, written
from greensched.model import BOOTING, DRAINING, ON, OWN, ROLE_CODES
from greensched.policies.kernels.resting import BATCH, COLUMNS, HOLDS, ONLINE, is_idle, sort
from greensched.policies.kernels.waking import ABLE, WOKEN, wake, wake_for_pending, written_rows

if TYPE_CHECKING:
    from greensched.model import BoolArray, IntArray

    Columns = tuple[IntArray, ...]

ANY = ROLE_CODES["any"]
RESERVE_TO_SLEEP = 1.25  # sleep leaves a quarter more free than wakes a machine: no flapping
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
    SUMS,
) = range(14)  # what is added up, and how much of it
# Rows of the table that is written: the room of each machine that serves (-1: it does not), the
# machines to wake and those to empty, and what sorting takes.
ROOM, ROOM_MIB, WAKEN, FREED, KEYS, SCRATCH = range(6)
ROWS = 6


@inner
def _room(whole: bool, cpu_m: int, online_cpu_m: int, batch_cpu_m: int) -> int:
    """Return the CPU left for replicas; batch counts where it holds the machine whole."""
    left = cpu_m - online_cpu_m
    if whole:
        left -= batch_cpu_m
    return max(left, 0)


@inner
def _add_up_services(
    present: IntArray,
    wanted: IntArray,
    sizes: tuple[IntArray, IntArray, IntArray],
    total: IntArray,
) -> None:
    """Add what replicas that are added reserve; `sizes`: CPU, memory and GPUs of one."""
    each_cpu_m, each_memory_mib, each_gpu_m = sizes
    for s in range(len(wanted)):
        added = max(wanted[s] - present[s], 0)
        total[ALL_CPU_M] += added * each_cpu_m[s]
        total[ALL_MEMORY_MIB] += added * each_memory_mib[s]
        total[COMING_GPU_M] += added * each_gpu_m[s]
        if each_gpu_m[s] == 0:
            total[COMING_CPU_M] += added * each_cpu_m[s]
            total[COMING_MEMORY_MIB] += added * each_memory_mib[s]


@inner
def _add_up_machines(columns: Columns, able: BoolArray, table: IntArray, total: IntArray) -> None:
    """Write the room for replicas of each machine that serves (-1: it does not), and add it up.

    `able`: ours, and not for batch alone.
    """
    state, role, _, cpu_m, memory_mib, _, online_cpu_m, online_memory_mib = columns[:8]
    batch_cpu_m, batch_memory_mib, gpu_free_m, replicas = columns[8:12]
    for m in range(len(state)):
        table[ROOM, m] = table[ROOM_MIB, m] = -1
        if able[m] and state[m] == BOOTING:
            total[BOOTING_CPU_M] += cpu_m[m]
            total[BOOTING_MEMORY_MIB] += memory_mib[m]
            total[ROOM_GPU_M] += gpu_free_m[m]
        if not able[m] or state[m] != ON:
            continue
        whole = role[m] == ANY and replicas[m] == 0
        cpu = _room(whole, cpu_m[m], online_cpu_m[m], batch_cpu_m[m])
        memory = max(memory_mib[m] - online_memory_mib[m] - batch_memory_mib[m], 0)
        table[ROOM, m], table[ROOM_MIB, m] = cpu, memory
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


@inner
def _wake(
    columns: Columns,
    pending: IntArray,
    sizes: tuple[IntArray, IntArray, IntArray],
    reserve: tuple[float, float],
    total: IntArray,
    marks: BoolArray,
) -> None:
    """Mark the machines to wake: for the `reserve`, for GPUs, and for replicas without room."""
    cpu_m = reserve[0] + total[COMING_CPU_M] - total[ROOM_CPU_M] - total[BOOTING_CPU_M]
    memory_mib = reserve[1] + total[COMING_MEMORY_MIB] - total[ROOM_MEMORY_MIB]
    memory_mib -= total[BOOTING_MEMORY_MIB]
    gpu_m = total[COMING_GPU_M] - total[ROOM_GPU_M]
    wake(columns, marks[ABLE], cpu_m, memory_mib, 0.0, marks[WOKEN])
    wake(columns, marks[ABLE], 0.0, 0.0, gpu_m, marks[WOKEN])
    wake_for_pending(columns, marks[ABLE], pending, sizes, marks[WOKEN])


@inner
def _free(
    columns: Columns,
    surplus: BoolArray,
    least: tuple[float, float],
    asked_ms: IntArray,
    times_ms: tuple[int, int],
    moves_max: int,
    drains_max: int,
    queue_jobs: int,
    total: IntArray,
    table: IntArray,
) -> int:
    """Write the machines to empty into table[FREED], those with the least reserved first.

    Return how many: while the rest keeps so much CPU and memory free (`least`) after the moves.
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
    sort(rows, keys, count, table[SCRATCH])
    moves = may = 0
    while may < count and may < empties + max(0, drains_max):
        moves += replicas[rows[may]]
        if moves > moves_max:
            break
        may += 1
    may = _enough(rows, may, table[ROOM], online_cpu_m, total[ROOM_CPU_M], least[0])
    return _enough(rows, may, table[ROOM_MIB], online_mib, total[ROOM_MEMORY_MIB], least[1])


@entry
def balance(
    columns: Columns,
    surplus: BoolArray,
    present: IntArray,
    wanted: IntArray,
    pending: IntArray,
    sizes: tuple[IntArray, IntArray, IntArray],
    reserve_machines: int,
    reserve_share: float,
    drains_share: float,
    moves_max: int,
    queue_jobs: int,
    asked_ms: IntArray,
    times_ms: tuple[int, int],
    free: bool,
    marks: BoolArray,
    table: IntArray,
    total: IntArray,
) -> tuple[int, int, bool]:
    """Write the machines to wake, or else, if any are to be `free`, those to empty.

    Into table[WAKEN] and table[FREED]. Return how many of both, and whether replicas have to move.
    `times_ms`: empty since when, and asked before when. See `ElasticReactive._balanced`.
    """
    role, lending = columns[1], columns[2]
    for m in range(len(surplus)):
        marks[ABLE, m] = lending[m] == OWN and not surplus[m] and role[m] != BATCH
        marks[WOKEN, m] = False
    total[:] = 0
    _add_up_services(present, wanted, sizes, total)
    _add_up_machines(columns, marks[ABLE], table, total)
    serving = total[SERVING]
    share = max(reserve_share, reserve_machines / max(1, serving))
    reserve = (share * total[SERVING_CPU_M], share * total[SERVING_MEMORY_MIB])
    _wake(columns, pending, sizes, reserve, total, marks)
    woken = written_rows(marks[WOKEN], table[WAKEN])
    if woken > 0 or not free:
        return woken, 0, False
    least = (
        RESERVE_TO_SLEEP * reserve[0] + total[ALL_CPU_M],
        RESERVE_TO_SLEEP * reserve[1] + total[ALL_MEMORY_MIB],
    )
    drains = max(1, int(drains_share * serving))
    limits = (asked_ms, times_ms, moves_max, drains, queue_jobs)
    freed = _free(columns, surplus, least, *limits, total, table)
    moves, replicas = False, columns[11]
    for i in range(freed):
        moves = moves or replicas[table[FREED, i]] > 0
    return 0, freed, moves


@entry
def spare(
    columns: Columns,
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
    cpu_m, memory_mib, replicas = columns[3], columns[4], columns[11]
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
    settings = (WHOLE, REAL, REAL, WHOLE, WHOLE, kept, several(WHOLE, 2), FLAG)
    work = (written(FLAG, 2), table, made)
    balance.compile((columns, given(FLAG), made, kept, kept, sizes, *settings, *work))
    spare.compile((columns, WHOLE, REAL, *4 * (kept,), table))
