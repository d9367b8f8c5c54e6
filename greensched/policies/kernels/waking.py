"""One pass over machines: which of them to wake for a need, for replicas, for jobs that wait.

What is woken is marked, and written in the order of the fleet in the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, several, written
from greensched.model import BOOTING, DRAINING, OFF, OWN, SLEEPING
from greensched.policies.kernels.resting import BATCH, sort

if TYPE_CHECKING:
    from greensched.model import BoolArray, IntArray


ABLE, WOKEN, SOME = range(3)  # rows of marks: may be woken, is to be, a choice of those able
MARKS = 3
KINDS = 4  # of machines that rest: those without GPUs before those with, asleep before off


@inner
def _rests(state: int) -> bool:
    """Say whether a machine is asleep or off."""
    return state == SLEEPING or state == OFF


@inner
def _is_of(kind: int, state: int, gpu_m: int) -> bool:
    """Say whether a machine rests and is of that kind."""
    return state == (SLEEPING if kind % 2 == 0 else OFF) and (gpu_m > 0) == (kind >= KINDS // 2)


@inner
def _wake(
    columns: IntArray,
    able: BoolArray,
    need_cpu_m: float,
    need_memory_mib: float,
    need_gpu_m: float,
    woken: BoolArray,
) -> None:
    """Mark the fewest first of those `able` that cover a need, see `machines.to_wake`."""
    state, cpu_m, memory_mib, gpu_m = columns[0], columns[3], columns[4], columns[5]
    got_cpu_m = got_memory_mib = got_gpu_m = 0
    for kind in range(KINDS // 2 if need_gpu_m > 0 else 0, KINDS):
        for m in range(len(state)):
            covered = got_cpu_m >= need_cpu_m and got_memory_mib >= need_memory_mib
            if covered and got_gpu_m >= need_gpu_m:
                return
            if able[m] and _is_of(kind, state[m], gpu_m[m]):
                woken[m] = True
                got_cpu_m += cpu_m[m]
                got_memory_mib += memory_mib[m]
                got_gpu_m += gpu_m[m]


@inner
def _holds(columns: IntArray, m: int, each: tuple[int, int, int]) -> int:
    """Return how many replicas, each of such a size, an empty machine takes."""
    cpu_m, memory_mib, gpu_m = columns[3], columns[4], columns[5]
    each_cpu_m, each_memory_mib, each_gpu_m = each
    places = min(cpu_m[m] // max(1, each_cpu_m), memory_mib[m] // max(1, each_memory_mib))
    if each_gpu_m > 0:
        places = min(places, gpu_m[m] // each_gpu_m)
    return places


@inner
def _wake_for_pending(
    columns: IntArray,
    able: BoolArray,
    pending: IntArray,
    sizes: tuple[IntArray, IntArray, IntArray],
    woken: BoolArray,
) -> None:
    """Mark those of machines `able` to wake for replicas that found no room.

    See `machines.to_hold_pending`; `sizes`: CPU, memory and GPUs of a replica of each service.
    One machine, one service: the rest is found at later wakes. So those woken are able no more.
    """
    state, gpu_m = columns[0], columns[5]
    for s in range(len(pending)):
        left, each = pending[s], (sizes[0][s], sizes[1][s], sizes[2][s])
        for m in range(len(state) if left > 0 else 0):
            if able[m] and state[m] == BOOTING:
                left -= max(0, _holds(columns, m, each))
        for kind in range(KINDS):
            for m in range(len(state) if left > 0 else 0):
                if left <= 0 or not able[m] or not _is_of(kind, state[m], gpu_m[m]):
                    continue
                places = _holds(columns, m, each)
                if places > 0:
                    left -= places
                    able[m], woken[m] = False, True


@inner
def _written(marked: BoolArray, rows: IntArray) -> int:
    """Write the machines that are marked, and count them."""
    count = 0
    for m in range(len(marked)):
        if marked[m]:
            rows[count] = m
            count += 1
    return count


@inner
def _begin(columns: IntArray, surplus: BoolArray, among: BoolArray, marks: BoolArray) -> None:
    """Mark the machines of `among` that are ours to wake, and none as woken."""
    lending = columns[2]
    for m in range(len(surplus)):
        marks[ABLE, m] = among[m] and lending[m] == OWN and not surplus[m]
        marks[WOKEN, m] = False


@entry
def to_wake(
    columns: IntArray,
    surplus: BoolArray,
    among: BoolArray,
    need_cpu_m: float,
    need_memory_mib: float,
    need_gpu_m: float,
    pending: IntArray,
    sizes: tuple[IntArray, IntArray, IntArray],
    marks: BoolArray,
    rows: IntArray,
) -> int:
    """Write the machines to wake for a need and for replicas without room, and count them."""
    _begin(columns, surplus, among, marks)
    _wake(columns, marks[ABLE], need_cpu_m, need_memory_mib, need_gpu_m, marks[WOKEN])
    _wake_for_pending(columns, marks[ABLE], pending, sizes, marks[WOKEN])
    return _written(marks[WOKEN], rows)


@inner
def wake_to_serve(
    columns: IntArray,
    surplus: BoolArray,
    short: tuple[float, float, int],
    pending: IntArray,
    sizes: tuple[IntArray, IntArray, IntArray],
    marks: BoolArray,
    rows: IntArray,
) -> int:
    """Write the machines for services to wake and count them.

    For the CPU, memory and GPUs that are `short`, and for replicas without room.
    """
    role = columns[1]
    for m in range(len(surplus)):
        marks[SOME, m] = role[m] != BATCH
    _begin(columns, surplus, marks[SOME], marks)
    _wake(columns, marks[ABLE], short[0], short[1], 0.0, marks[WOKEN])
    if short[2] > 0:
        _wake(columns, marks[ABLE], 0.0, 0.0, float(short[2]), marks[WOKEN])
    _wake_for_pending(columns, marks[ABLE], pending, sizes, marks[WOKEN])
    return _written(marks[WOKEN], rows)


@inner
def _one_of_each_type(columns: IntArray, types: IntArray, marks: BoolArray) -> None:
    """Mark the first machine of each type that is able and rests."""
    state = columns[0]
    for m in range(len(state)):
        first = marks[ABLE, m] and _rests(state[m])
        before = m - 1
        while first and before >= 0:
            rests = marks[ABLE, before] and _rests(state[before])
            first = not (rests and types[before] == types[m])
            before -= 1
        marks[WOKEN, m] = marks[WOKEN, m] or first


@inner
def _coming(columns: IntArray, some: BoolArray, drains_too: bool) -> tuple[int, int, int]:
    """Return what jobs find free on the machines of `some` that boot: CPU, memory, GPUs.

    And on dedicated ones that drain if `drains_too`.
    """
    state, role, cpu_m, memory_mib = columns[0], columns[1], columns[3], columns[4]
    batch_cpu_m, batch_memory_mib, gpu_free_m = columns[8], columns[9], columns[10]
    free_cpu_m = free_memory_mib = free_gpu_m = 0
    for m in range(len(state)):
        drains = drains_too and state[m] == DRAINING and role[m] == BATCH
        if some[m] and (state[m] == BOOTING or drains):
            free_cpu_m += cpu_m[m] - batch_cpu_m[m]
            free_memory_mib += memory_mib[m] - batch_memory_mib[m]
            free_gpu_m += gpu_free_m[m]
    return free_cpu_m, free_memory_mib, free_gpu_m


@inner
def _keep(
    columns: IntArray,
    least: tuple[float, float],
    need: tuple[float, float],
    marks: BoolArray,
    table: IntArray,
) -> tuple[int, int]:
    """Mark the fullest dedicated machines that drain and hold an average job, to cover a need.

    Return the CPU and memory that they have free. A gang's tasks are smaller than its sum: half a
    machine is asked for at most of what a job takes at `least`.
    """
    state, role, cpu_m, memory_mib = columns[0], columns[1], columns[3], columns[4]
    batch_cpu_m, batch_memory_mib = columns[8], columns[9]
    rows, free_cpu_m, scratch = table[0], table[1], table[2]
    count = got_cpu_m = got_memory_mib = 0
    for m in range(len(state)):
        free_cpu_m[m] = cpu_m[m] - batch_cpu_m[m]
        free_memory_mib = memory_mib[m] - batch_memory_mib[m]
        drains = marks[ABLE, m] and state[m] == DRAINING and role[m] == BATCH
        holds = free_cpu_m[m] >= min(least[0], cpu_m[m] / 2)
        if drains and holds and free_memory_mib >= min(least[1], memory_mib[m] / 2):
            rows[count] = m
            count += 1
    sort(rows, free_cpu_m, count, scratch)
    for i in range(count):
        if got_cpu_m >= need[0] and got_memory_mib >= need[1]:
            break
        m = rows[i]
        marks[WOKEN, m] = True
        got_cpu_m += free_cpu_m[m]
        got_memory_mib += memory_mib[m] - batch_memory_mib[m]
    return got_cpu_m, got_memory_mib


@entry
def for_queue(
    columns: IntArray,
    surplus: BoolArray,
    types: IntArray,
    among: BoolArray,
    queue: tuple[int, ...],
    packing: float,
    room_cpu_m: int,
    room_memory_mib: int,
    stuck: bool,
    marks: BoolArray,
    table: IntArray,
) -> int:
    """Write the machines to wake for jobs that wait into `table[0]`, and count them.

    See `batch.wake_for_queue`, of which `queue` has the columns; `types` of machines.
    """
    jobs, cpu_m, memory_mib, gpu_m, gpu_jobs, gpu_jobs_cpu_m, gpu_jobs_memory_mib = queue
    state, role, gpus_m = columns[0], columns[1], columns[5]
    _begin(columns, surplus, among, marks)
    boots = False
    for m in range(len(state)):
        boots = boots or (marks[ABLE, m] and state[m] == BOOTING)
        marks[WOKEN, m] = stuck and marks[ABLE, m] and state[m] == DRAINING and role[m] == BATCH
    if stuck and not boots:
        _one_of_each_type(columns, types, marks)
    if stuck:
        room_cpu_m = room_memory_mib = 0
    for gpus in (True, False):  # jobs that want GPUs, those that want none
        if (gpu_jobs if gpus else jobs - gpu_jobs) == 0:
            continue
        for m in range(len(state)):
            marks[SOME, m] = marks[ABLE, m] and (gpus_m[m] > 0 or not gpus)
        free_cpu_m, free_memory_mib, free_gpu_m = _coming(columns, marks[SOME], stuck)
        # room on machines that are on is not taken off: such jobs found none that fits them
        needs_cpu_m, needs_mib = float(gpu_jobs_cpu_m), float(gpu_jobs_memory_mib)
        needs_gpu_m = gpu_m - free_gpu_m
        if not gpus:
            needs_cpu_m = packing * (cpu_m - gpu_jobs_cpu_m - room_cpu_m)
            needs_mib = packing * (memory_mib - gpu_jobs_memory_mib - room_memory_mib)
            needs_gpu_m = 0
        needs_cpu_m -= free_cpu_m
        needs_mib -= free_memory_mib
        if not gpus and not stuck:
            least = (cpu_m / jobs, memory_mib / jobs)
            back = _keep(columns, least, (needs_cpu_m, needs_mib), marks, table)
            needs_cpu_m -= back[0]
            needs_mib -= back[1]
        _wake(columns, marks[SOME], needs_cpu_m, needs_mib, needs_gpu_m, marks[WOKEN])
    return _written(marks[WOKEN], table[0])


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    kept, flags = given(WHOLE), written(FLAG)
    among = (given(WHOLE, 2), given(FLAG), flags)
    marks, rows = written(FLAG, 2), written(WHOLE)
    needs = (*3 * (REAL,), kept, several(kept, 3))
    to_wake.compile((*among, *needs, marks, rows))
    columns, surplus, _ = among
    whole = (several(WHOLE, 7), REAL, WHOLE, WHOLE, FLAG)
    for_queue.compile((columns, surplus, kept, flags, *whole, marks, written(WHOLE, 2)))
