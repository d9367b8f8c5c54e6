"""One pass over machines that services share with batch: what batch may have, and guards."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, several, written
from greensched.model import ON
from greensched.policies.kernels.peaks import add_up, is_shared
from greensched.policies.kernels.resting import BATCH, COLUMNS, HOLDS, sort

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray

    Columns = tuple[IntArray, ...]
    Bounds = tuple[float, float, float, float]  # max_cpu, max_memory, starved_below, starved_to

USES_ALL = 0.9  # of what it is allowed (Koordinator: 90 %)


@entry
def watch(
    columns: Columns,
    surplus: BoolArray,
    limit_cpu_m: IntArray,
    online_use_cpu_m: FloatArray,
    batch_use_cpu_m: FloatArray,
    bounds: Bounds,
    period_ms: int,
    before: FloatArray,
    after: FloatArray,
    rows: IntArray,
) -> int:
    """Write sums with one more period, and where a guard may have something to do; count those.

    `limit_cpu_m`: what batch may reserve of each machine.
    """
    add_up(columns, online_use_cpu_m, period_ms, before, after)
    max_cpu, max_memory, starved_below, _ = bounds
    cpu_m, memory_mib, online_mib = columns[3], columns[4], columns[7]
    batch_cpu_m, batch_mib, jobs = columns[8], columns[9], columns[12]
    n = 0
    for m in range(len(jobs)):
        if jobs[m] == 0:
            continue
        left_cpu_m = max_cpu * cpu_m[m] - online_use_cpu_m[m]
        hot = batch_use_cpu_m[m] > left_cpu_m and batch_cpu_m[m] < limit_cpu_m[m]
        starves = left_cpu_m < starved_below * batch_cpu_m[m]
        full = online_mib[m] + batch_mib[m] > math.floor(max_memory * memory_mib[m])
        if (hot or starves or full) and is_shared(columns, surplus, m):
            rows[n] = m
            n += 1
    return n


@inner
def _fewest(lows: IntArray, hour: int, same: bool, count: int) -> int:
    """Write how few machines shared in an hour of the day; return the fewest of all hours.

    `same`: whether that hour has been looked at before; all unknown (-1) are the first.
    """
    if lows[0] < 0:
        lows[:] = count
    lows[hour] = min(count, lows[hour]) if same else count
    least = lows[0]
    for i in range(len(lows)):
        least = min(least, lows[i])
    return least


@inner
def _leave_steady(
    columns: Columns,
    rows: IntArray,
    shared: int,
    most: int,
    least_share: float,
    cpu_m: IntArray,
    work: IntArray,
) -> None:
    """Leave room (`cpu_m`) on at most `most` of the first rows: those with jobs, the fullest."""
    all_cpu_m, online_cpu_m, jobs = columns[3], columns[6], columns[12]
    chosen, keys, scratch = work[0], work[1], work[2]
    count = 0
    for i in range(shared):
        m = rows[i]
        if online_cpu_m[m] >= least_share * all_cpu_m[m]:
            keys[m] = (0 if jobs[m] > 0 else HOLDS) - online_cpu_m[m]
            chosen[count] = m
            count += 1
    if most < count:
        sort(chosen, keys, count, scratch)
        count = most
    for m in range(len(keys)):
        keys[m] = 0
    for i in range(count):
        keys[chosen[i]] = 1
    for m in range(len(keys)):
        cpu_m[m] *= keys[m]


@entry
def limits(
    columns: Columns,
    surplus: BoolArray,
    peaks: FloatArray,
    reclaimed: tuple[float, float],
    least_share: float,
    hour: int,
    same: bool,
    lows: IntArray,
    cpu_m: IntArray,
    memory_mib: IntArray,
    work: IntArray,
) -> tuple[int, bool]:
    """Write what batch may reserve, and the machines that serve and may take jobs; count those.

    `reclaimed` shares of a machine less the `peaks` [resources, machines], on the steadiest alone:
    as many as shared in every hour of the last day (`lows`, which is brought up to date), see
    `ColocationNsigma`. Those machines are the first of row 0 of `work` [4, machines]. Also says
    whether any machine that is on is for batch alone.
    """
    state, role, all_cpu_m, all_mib = columns[0], columns[1], columns[3], columns[4]
    peak_cpu_m, peak_mib = peaks[0], peaks[1]
    rows, shared, dedicated = work[0], 0, False
    for m in range(len(cpu_m)):
        dedicated = dedicated or (role[m] == BATCH and state[m] == ON)
        left_cpu_m = math.floor(reclaimed[0] * all_cpu_m[m] - math.ceil(peak_cpu_m[m]))
        left_mib = math.floor(reclaimed[1] * all_mib[m]) - math.ceil(peak_mib[m])
        cpu_m[m], memory_mib[m] = max(left_cpu_m, 0), max(left_mib, 0)
        if is_shared(columns, surplus, m):
            rows[shared] = m
            shared += 1
    most = _fewest(lows, hour, same, shared)
    _leave_steady(columns, rows, shared, most, least_share, cpu_m, work[1:])
    return shared, dedicated


@inner
def _starve(
    columns: Columns,
    rows: IntArray,
    max_cpu: float,
    online_use_cpu_m: FloatArray,
    batch_use_cpu_m: FloatArray,
    below: float,
    period_ms: int,
    before_ms: IntArray,
    starved_ms: IntArray,
) -> bool:
    """Write for how long batch has been held below its satisfaction; say whether anywhere.

    It uses what it is allowed: a job that idles does not starve.
    """
    cpu_m, batch_cpu_m, jobs = columns[3], columns[8], columns[12]
    starved_ms[:] = 0
    anywhere = False
    for i in range(len(rows)):
        m = rows[i]
        left_cpu_m = max_cpu * cpu_m[m] - online_use_cpu_m[m]
        starves = jobs[m] > 0 and left_cpu_m < below * batch_cpu_m[m]
        if starves and batch_use_cpu_m[m] >= USES_ALL * left_cpu_m:
            starved_ms[m] = period_ms + (before_ms[m] if len(before_ms) > 0 else 0)
            anywhere = True
    return anywhere


@entry
def guard(
    columns: Columns,
    rows: IntArray,
    limit_cpu_m: IntArray,
    online_use_cpu_m: FloatArray,
    batch_use_cpu_m: FloatArray,
    bounds: Bounds,
    times_ms: tuple[int, int],
    due: bool,
    before_ms: IntArray,
    cpu_m: IntArray,
    memory_mib: IntArray,
    starved_ms: IntArray,
    held: IntArray,
) -> tuple[int, int, bool]:
    """Write the limits of machines `rows`, guarded; count the plain ones and those that evict.

    All when `due`, else those that a guard lowers. `cpu_m`, `memory_mib`: what batch might have;
    `times_ms`: since the last wake, and for how long batch starves before it is evicted;
    `before_ms`: for how long it has. Written: `held`, rows 0..2 machine, CPU and memory of plain
    limits, 3..5 of those that evict; `starved_ms`. Returns whether batch starves anywhere.
    """
    max_cpu, max_memory, starved_below, starved_to = bounds
    all_cpu_m, all_mib, online_mib = columns[3], columns[4], columns[7]
    batch_cpu_m, batch_mib, jobs = columns[8], columns[9], columns[12]
    starves = _starve(
        columns,
        rows,
        max_cpu,
        online_use_cpu_m,
        batch_use_cpu_m,
        starved_below,
        times_ms[0],
        before_ms,
        starved_ms,
    )
    plain = evicting = 0
    for i in range(len(rows)):
        m = rows[i]
        left_cpu_m = max_cpu * all_cpu_m[m] - online_use_cpu_m[m]
        hot = jobs[m] > 0 and batch_use_cpu_m[m] > left_cpu_m
        allowed = math.floor(max_memory * all_mib[m])
        full = jobs[m] > 0 and (max_memory < 1 or starves)
        full = full and online_mib[m] + batch_mib[m] > allowed
        starved = starves and starved_ms[m] >= max(times_ms[1], 1)
        cpu = min(cpu_m[m], batch_cpu_m[m]) if hot else cpu_m[m]
        memory = memory_mib[m]
        if full:  # evicting for one resource must not also evict for the other
            cpu, memory = max(cpu, batch_cpu_m[m]), max(allowed - online_mib[m], 0)
        elif starved:
            memory = max(memory, batch_mib[m])
        if starved:
            kept = (1 - starved_to) * batch_cpu_m[m] + max(left_cpu_m, 0.0)
            cpu = min(math.floor(kept), batch_cpu_m[m])
        if full or starved:
            held[3, evicting], held[4, evicting], held[5, evicting] = m, cpu, memory
            evicting += 1
        elif due or (hot and cpu < limit_cpu_m[m]):
            held[0, plain], held[1, plain], held[2, plain] = m, cpu, memory
            plain += 1
    return plain, evicting, starves


@entry
def beside(
    columns: Columns,
    surplus: BoolArray,
    cpu_m: IntArray,
    memory_mib: IntArray,
    waits: tuple[float, float],
) -> tuple[float, float]:
    """Return the CPU and memory of the places for an average task beside services.

    Of what runs, or else of what `waits`. Room for a part of a task is none.
    """
    batch_cpu_m, batch_mib, jobs = columns[8], columns[9], columns[12]
    tasks = used_cpu_m = used_mib = 0
    for m in range(len(jobs)):
        tasks += jobs[m]
        used_cpu_m += batch_cpu_m[m]
        used_mib += batch_mib[m]
    each_cpu_m, each_mib = waits
    if tasks > 0:
        each_cpu_m, each_mib = used_cpu_m / tasks, used_mib / tasks
    places = 0.0
    for m in range(len(jobs)):
        if is_shared(columns, surplus, m):
            more = (cpu_m[m] - batch_cpu_m[m]) // max(each_cpu_m, 1.0)
            more = min(more, (memory_mib[m] - batch_mib[m]) // max(each_mib, 1.0))
            places += max(more, 0.0)
    return places * each_cpu_m, places * each_mib


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    kept, real, table = given(WHOLE), given(REAL), given(REAL, 2)
    columns, flags = several(kept, len(COLUMNS)), given(FLAG)
    rows, table_of_rows, bounds = written(WHOLE), written(WHOLE, 2), several(REAL, 4)
    seen = (kept, real, real)
    watch.compile((columns, flags, *seen, bounds, WHOLE, table, written(REAL, 2), rows))
    shares = written(REAL, 2), several(REAL, 2), REAL
    limits.compile((columns, flags, *shares, WHOLE, FLAG, *3 * (rows,), table_of_rows))
    times = several(WHOLE, 2)
    guard.compile(
        (columns, kept, *seen, bounds, times, FLAG, kept, kept, kept, rows, table_of_rows)
    )
    beside.compile((columns, flags, kept, kept, several(REAL, 2)))
