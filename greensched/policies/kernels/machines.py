"""Elastic capacity: room for replicas, which machines must wake for them or can be spared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, mixed, several, written
from greensched.model import BOOTING, DRAINING, ON, OWN, ROLE_CODES
from greensched.policies.kernels.resting import (
    BATCH,
    ONLINE,
    is_idle,
    rest,
)
from greensched.policies.kernels.services import note_changes
from greensched.policies.kernels.waking import wake_to_serve

if TYPE_CHECKING:
    from greensched.model import BoolArray, IntArray

    Counts = tuple[IntArray, ...]  # replicas that serve, start, found no room, are cut off
    Sizes = tuple[IntArray, IntArray, IntArray]  # CPU, memory and GPUs of one replica

ANY = ROLE_CODES["any"]
RESERVE_TO_SLEEP = 1.25  # sleep leaves a quarter more free than wakes a machine: no flapping
# Rows of the table that is written: machines to wake, to empty and to rest; the room of each that
# serves (-1: it does not), and what choosing takes.
WOKEN, FREED, RESTED, ROOM, ROOM_MIB, KEYS, SCRATCH = range(7)
ROWS = 7
TAKEN = 1 << 62  # the key of a machine that is chosen already


@inner
def _room(whole: bool, cpu_m: int, online_cpu_m: int, batch_cpu_m: int) -> int:
    """Return the CPU left for replicas; batch counts where it holds the machine whole."""
    left = cpu_m - online_cpu_m
    if whole:
        left -= batch_cpu_m
    return max(left, 0)


@inner
def _added(
    counts: Counts,
    wanted: IntArray,
    sizes: Sizes,
    all_too: bool,
) -> tuple[int, int, int]:
    """Return what replicas that are added reserve: CPU and memory, those with GPUs if `all_too`.

    And their GPUs.
    """
    cpu_m = memory_mib = gpu_m = 0
    for s in range(len(wanted)):
        there = counts[0][s] + counts[1][s] + counts[2][s]
        there += counts[3][s]  # what is cut off has its room
        added = max(wanted[s] - there, 0)
        gpu_m += added * sizes[2][s]
        if all_too or sizes[2][s] == 0:
            cpu_m += added * sizes[0][s]
            memory_mib += added * sizes[1][s]
    return cpu_m, memory_mib, gpu_m


@inner
def _rooms(
    columns: IntArray,
    surplus: BoolArray,
    counts: Counts,
    wanted: IntArray,
    sizes: Sizes,
    reserve_machines: int,
    reserve_share: float,
    table: IntArray,
) -> tuple[tuple[float, float, int], tuple[float, float], int]:
    """Write the room for replicas of each machine that serves into the table.

    Return the CPU, memory and GPUs that are short of the reserve with the replicas that are added,
    the CPU and memory that sleep leaves free, and how many machines serve.
    """
    state, role, lending, cpu_m = columns[0], columns[1], columns[2], columns[3]
    memory_mib, online_cpu_m, online_memory_mib = columns[4], columns[6], columns[7]
    batch_cpu_m, batch_memory_mib, gpu_free_m = columns[8], columns[9], columns[10]
    replicas = columns[11]
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
    more_cpu_m, more_mib, more_gpu_m = _added(counts, wanted, sizes, False)
    all_cpu_m, all_mib, _ = _added(counts, wanted, sizes, True)
    short_cpu_m = reserve_cpu_m + more_cpu_m - room_cpu_m - booting_cpu_m
    short_mib = reserve_mib + more_mib - room_mib - booting_mib
    least_cpu_m = RESERVE_TO_SLEEP * reserve_cpu_m + all_cpu_m
    least_mib = RESERVE_TO_SLEEP * reserve_mib + all_mib
    return (short_cpu_m, short_mib, more_gpu_m - room_gpu_m), (least_cpu_m, least_mib), serving


@inner
def _least(rows: IntArray, count: int, keys: IntArray) -> int:
    """Return the first of the first `count` rows with the smallest key."""
    least = rows[0]
    for i in range(1, count):
        if keys[rows[i]] < keys[least]:
            least = rows[i]
    return least


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


@inner
def _free(
    columns: IntArray,
    surplus: BoolArray,
    least: tuple[float, float],
    asked_ms: IntArray,
    before_ms: tuple[int, int],
    moves_max: int,
    drains_max: int,
    queue_jobs: int,
    table: IntArray,
) -> int:
    """Write the machines to empty into table[FREED], those with the least reserved first.

    Those that are idle, then those without jobs whose replicas may move: jobs would keep it on,
    and what uses a GPU cannot move at all; `before_ms`: since when idle, and when last asked.
    Return how many: beyond the budget nothing moves, only so many may be under way, and the rest
    keeps the `least` CPU and memory free after the moves.
    """
    state, role, gpu_m, online_cpu_m = columns[0], columns[1], columns[5], columns[6]
    online_mib, batch_cpu_m, gpu_free_m = columns[7], columns[8], columns[10]
    replicas, jobs = columns[11], columns[12]
    rows, keys, others = table[FREED], table[KEYS], table[SCRATCH]
    may = count = 0
    for m in range(len(state)):
        if state[m] == DRAINING and role[m] != BATCH:
            drains_max -= 1
        if table[ROOM, m] < 0 or jobs[m] > 0:
            continue
        if replicas[m] == 0:
            # an empty one may be for the jobs that wait
            leaves = is_idle(columns, surplus, m, before_ms[0])
            if leaves and (queue_jobs == 0 or role[m] == ONLINE):
                rows[may] = m
                may += 1
        elif (
            replicas[m] <= moves_max and asked_ms[m] <= before_ms[1] and gpu_free_m[m] == gpu_m[m]
        ):
            keys[m] = online_cpu_m[m] + batch_cpu_m[m]
            others[count] = m
            count += 1
    for _ in range(min(drains_max, count)):
        m = _least(others, count, keys)
        moves_max -= replicas[m]
        if moves_max < 0:
            break
        keys[m] = TAKEN
        rows[may] = m
        may += 1
    may = _enough(rows, may, table[ROOM], online_cpu_m, least[0])
    return _enough(rows, may, table[ROOM_MIB], online_mib, least[1])


@inner
def _places(cpu_m: float, memory_mib: float, each_cpu_m: int, each_memory_mib: int) -> int:
    """Return how many of the largest replica a machine has room for."""
    if cpu_m < 0 or memory_mib < 0:
        return 0
    return min(int(cpu_m // each_cpu_m), int(memory_mib // each_memory_mib))


@inner
def _spare(
    columns: IntArray,
    count: int,
    headroom: float,
    most_cpu_m: int,
    most_memory_mib: int,
    table: IntArray,
) -> int:
    """Return how many of the first of table[FREED] may go, their replicas fitting elsewhere.

    Room is counted in places for the largest replica that may have to move, `headroom` of each
    machine left free, so that enough places means that every replica fits, whatever the order.
    """
    cpu_m, memory_mib, replicas = columns[3], columns[4], columns[11]
    rows, places = table[FREED], table[SCRATCH]
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
def _all_fit(
    columns: IntArray, freed: int, headroom: float, sizes: Sizes, table: IntArray
) -> bool:
    """Say whether whatever moves fits elsewhere, were it as large as the largest replica."""
    most_cpu_m = most_mib = 1
    if freed == 0 or columns[11][table[FREED, freed - 1]] == 0:  # empty ones come first
        return True
    for s in range(len(sizes[0])):
        most_cpu_m, most_mib = max(most_cpu_m, sizes[0][s]), max(most_mib, sizes[1][s])
    return _spare(columns, freed, headroom, most_cpu_m, most_mib, table) == freed


@entry
def fit(
    columns: IntArray,
    surplus: BoolArray,
    counts: Counts,
    sizes: Sizes,
    wanted: IntArray,
    reserve: tuple[int, float, float, float, float],
    limits: tuple[int, int, int, int],
    asked_ms: IntArray,
    free: bool,
    scaled: IntArray,
    marks: BoolArray,
    table: IntArray,
) -> tuple[int, int, int, int, bool]:
    """Fit replicas and machines to what is `wanted`: see `ElasticReactive`.

    `reserve`: machines and share of what is on, share of it that may empty at one time, headroom,
    room kept for jobs; `limits`: instants since when machines are idle and when they were asked
    to empty, moves, jobs that wait. Written: services that are `scaled` and their replicas
    [2, S], and machines to wake, to empty and to rest (if `free`) into the table. Return how many
    of each, and whether those to empty have to be looked at closely (`spare`).
    """
    least_machines, share, drains_share, headroom, spare_share = reserve
    idle_since_ms, asked_before_ms, moves_max, queue_jobs = limits
    changes, lacks, waits = note_changes(counts, wanted, scaled)
    woken = freed = rested = 0
    if not free and not lacks:
        return changes, woken, freed, rested, False
    short, least, serving = _rooms(
        columns, surplus, counts, wanted, sizes, least_machines, share, table
    )
    if waits or short[0] > 0 or short[1] > 0 or short[2] > 0:
        woken = wake_to_serve(columns, surplus, short, counts[2], sizes, marks, table[WOKEN])
    if free and woken == 0:
        freed = _free(
            columns,
            surplus,
            least,
            asked_ms,
            (idle_since_ms, asked_before_ms),
            moves_max,
            max(1, int(drains_share * serving)),
            queue_jobs,
            table,
        )
    if free and queue_jobs == 0:
        rows, scratch = table[RESTED], table[KEYS]
        none = (0.0, 0.0)
        rested = rest(columns, surplus, idle_since_ms, none, spare_share, 0.0, rows, scratch)
    return changes, woken, freed, rested, not _all_fit(columns, freed, headroom, sizes, table)


@entry
def spare(
    columns: IntArray,
    count: int,
    headroom: float,
    on_machine: IntArray,
    of_service: IntArray,
    sizes: Sizes,
    table: IntArray,
) -> int:
    """Return how many of the first of table[FREED] may go; replicas are as large as they are.

    See `_spare`.
    """
    rows, leaves = table[FREED], table[SCRATCH]
    leaves[:] = 0
    for i in range(count):
        leaves[rows[i]] = 1
    most_cpu_m = most_mib = 1
    for r in range(len(on_machine)):
        if leaves[on_machine[r]]:
            most_cpu_m = max(most_cpu_m, sizes[0][of_service[r]])
            most_mib = max(most_mib, sizes[1][of_service[r]])
    return _spare(columns, count, headroom, most_cpu_m, most_mib, table)


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    kept, table = given(WHOLE), written(WHOLE, 2)
    columns, three = given(WHOLE, 2), several(kept, 3)
    reserve, limits = mixed(WHOLE, *4 * (REAL,)), several(WHOLE, 4)
    seen = (columns, given(FLAG), several(kept, 4), three, kept)
    fit.compile((*seen, reserve, limits, kept, FLAG, table, written(FLAG, 2), table))
    spare.compile((columns, WHOLE, REAL, kept, kept, three, table))
