"""Which machines may go to rest: sorted, and as many of the first as leave enough room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, several, written
from greensched.model import OFF, ON, OWN, ROLE_CODES, SLEEPING

if TYPE_CHECKING:
    from greensched.model import BoolArray, IntArray


ONLINE, BATCH = ROLE_CODES["online"], ROLE_CODES["batch"]
HOLDS = 1 << 50  # is added to the sorting key of a machine that is not empty


@inner
def sort(rows: IntArray, keys: IntArray, count: int, scratch: IntArray) -> None:
    """Sort the first `count` rows by their keys; equal ones stay in their order (merge sort)."""
    width = 1
    while width < count:
        for first in range(0, count, 2 * width):
            middle, last = min(first + width, count), min(first + 2 * width, count)
            left, right = first, middle
            for i in range(first, last):
                if right >= last or (left < middle and keys[rows[left]] <= keys[rows[right]]):
                    scratch[i] = rows[left]
                    left += 1
                else:
                    scratch[i] = rows[right]
                    right += 1
        for i in range(count):
            rows[i] = scratch[i]
        width *= 2


@inner
def is_idle(columns: IntArray, surplus: BoolArray, m: int, before_ms: int) -> bool:
    """Say whether machine m is on, ours, and has been empty since `before_ms`."""
    state, lending = columns[0], columns[2]
    replicas, jobs, empty_since_ms = columns[11], columns[12], columns[13]
    return (
        0 <= empty_since_ms[m] <= before_ms
        and replicas[m] == 0
        and jobs[m] == 0
        and state[m] == ON
        and lending[m] == OWN
        and not surplus[m]
    )


@entry
def idle(columns: IntArray, surplus: BoolArray, before_ms: int, rows: IntArray) -> int:
    """Write the machines that are on, ours, and have been empty since `before_ms`; count them."""
    count = 0
    for m in range(len(surplus)):
        if is_idle(columns, surplus, m, before_ms):
            rows[count] = m
            count += 1
    return count


@inner
def rest(
    columns: IntArray,
    surplus: BoolArray,
    before_ms: int,
    room: tuple[float, float],
    spare_share: float,
    rest_below: float,
    rows: IntArray,
    scratch: IntArray,
) -> int:
    """Write the machines for batch to put to sleep and count them, see `batch.to_rest`."""
    state, role, lending, cpu_m = columns[0], columns[1], columns[2], columns[3]
    memory_mib = columns[4]
    batch_cpu_m, batch_mib, jobs = columns[8], columns[9], columns[12]
    drains = room[0] > 0 and room[1] > 0
    count = 0
    left_cpu_m, left_mib = max(0.0, room[0]), max(0.0, room[1])
    used_cpu_m = used_mib = 0
    for m in range(len(state)):
        used_cpu_m += batch_cpu_m[m]
        used_mib += batch_mib[m]
        if role[m] != BATCH or state[m] != ON or lending[m] != OWN or surplus[m]:
            continue
        left_cpu_m += cpu_m[m] - batch_cpu_m[m]
        left_mib += memory_mib[m] - batch_mib[m]
        light = (
            batch_cpu_m[m] <= rest_below * cpu_m[m]
            and batch_mib[m] <= rest_below * (memory_mib[m])
        )
        if is_idle(columns, surplus, m, before_ms) or (drains and light and jobs[m] > 0):
            rows[count] = m
            count += 1
    sort(rows, batch_cpu_m, count, scratch)
    for i in range(count):
        m = rows[i]
        left_cpu_m -= cpu_m[m] - batch_cpu_m[m]
        left_mib -= memory_mib[m] - batch_mib[m]
        if left_cpu_m < spare_share * used_cpu_m or left_mib < spare_share * used_mib:
            return i
    return count


@entry
def to_rest(
    columns: IntArray,
    surplus: BoolArray,
    before_ms: int,
    room: tuple[float, float],
    spare_share: float,
    rest_below: float,
    table: IntArray,
) -> int:
    """Write the machines for batch to put to sleep into table[0] and count them, see `rest`."""
    return rest(columns, surplus, before_ms, room, spare_share, rest_below, table[0], table[1])


@entry
def resting(columns: IntArray, surplus: BoolArray) -> tuple[bool, bool]:
    """Say whether any machine of ours sleeps or is off: one for services, one for batch alone."""
    state, role, lending = columns[0], columns[1], columns[2]
    of_services = of_batch = False
    for m in range(len(state)):
        if (state[m] == SLEEPING or state[m] == OFF) and lending[m] == OWN and not surplus[m]:
            of_services = of_services or role[m] != BATCH
            of_batch = of_batch or role[m] == BATCH
    return of_services, of_batch


@entry
def to_leave(
    columns: IntArray,
    surplus: BoolArray,
    lent: BoolArray,
    spare_share: float,
    rows: IntArray,
    scratch: IntArray,
) -> int:
    """Write batch's machines to empty while lent ones have room, see `lent_batch.to_leave`."""
    state, role, lending, cpu_m = columns[0], columns[1], columns[2], columns[3]
    memory_mib, gpu_m = columns[4], columns[5]
    online_mib, batch_cpu_m, batch_mib = columns[7], columns[8], columns[9]
    gpu_free_m = columns[10]
    count = 0
    free_cpu_m = free_mib = free_gpu_m = used_cpu_m = used_mib = used_gpu_m = 0
    for m in range(len(state)):
        own = role[m] == BATCH and state[m] == ON and lending[m] == OWN and not surplus[m]
        if own:
            rows[count] = m
            count += 1
        times = int(own) + int(lent[m])
        used_cpu_m += times * batch_cpu_m[m]
        used_mib += times * batch_mib[m]
        used_gpu_m += times * (gpu_m[m] - gpu_free_m[m])
        free_cpu_m += times * (cpu_m[m] - batch_cpu_m[m])
        free_mib += times * (memory_mib[m] - batch_mib[m] - online_mib[m])
        free_gpu_m += times * gpu_free_m[m]
    sort(rows, batch_cpu_m, count, scratch)
    for i in range(count):
        m = rows[i]
        free_cpu_m -= cpu_m[m] - batch_cpu_m[m]
        free_mib -= memory_mib[m] - batch_mib[m] - online_mib[m]
        free_gpu_m -= gpu_free_m[m]
        short = free_cpu_m < spare_share * used_cpu_m or free_mib < spare_share * used_mib
        if short or free_gpu_m < spare_share * used_gpu_m:
            return i
    return count


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    columns, flags = given(WHOLE, 2), given(FLAG)
    made = written(WHOLE)
    idle.compile((columns, flags, WHOLE, made))
    resting.compile((columns, flags))
    to_rest.compile((columns, flags, WHOLE, several(REAL, 2), REAL, REAL, written(WHOLE, 2)))
    to_leave.compile((columns, flags, written(FLAG), REAL, made, made))
