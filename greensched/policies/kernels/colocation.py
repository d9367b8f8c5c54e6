"""One pass over machines that services share with batch: what batch may have, and guards."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, mixed, several, written
from greensched.model import ON
from greensched.policies.kernels.peaks import CPU, MEMORY, add_up, is_shared, predict
from greensched.policies.kernels.resting import BATCH, HOLDS, sort

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray
    from greensched.policies.kernels.peaks import Rule

    Bounds = tuple[float, float, float, float]  # max_cpu, max_memory, starved_below, starved_to

USES_ALL = 0.9  # of what it is allowed (Koordinator: 90 %)


@inner
def _is_suspect(
    columns: IntArray,
    limit_cpu_m: IntArray,
    online_use_cpu_m: FloatArray,
    batch_use_cpu_m: FloatArray,
    bounds: Bounds,
    m: int,
) -> bool:
    """Say whether a guard may have something to do on a machine with jobs."""
    max_cpu, max_memory, starved_below, _ = bounds
    cpu_m, memory_mib, online_mib = columns[3], columns[4], columns[7]
    batch_cpu_m, batch_mib = columns[8], columns[9]
    left_cpu_m = max_cpu * cpu_m[m] - online_use_cpu_m[m]
    hot = batch_use_cpu_m[m] > left_cpu_m and batch_cpu_m[m] < limit_cpu_m[m]
    starves = left_cpu_m < starved_below * batch_cpu_m[m]
    return hot or starves or online_mib[m] + batch_mib[m] > math.floor(max_memory * memory_mib[m])


@entry
def watch(
    columns: IntArray,
    surplus: BoolArray,
    limit_cpu_m: IntArray,
    online_use_cpu_m: FloatArray,
    batch_use_cpu_m: FloatArray,
    bounds: Bounds,
    period_ms: int,
    taken: FloatArray,
) -> bool:
    """Add one more period to the sums `taken`; say whether a guard may have something to do.

    `limit_cpu_m`: what batch may reserve of each machine.
    """
    add_up(columns, online_use_cpu_m, period_ms, taken)
    jobs, seen = columns[12], (limit_cpu_m, online_use_cpu_m, batch_use_cpu_m)
    anywhere = False
    for m in range(len(jobs)):
        if jobs[m] > 0 and _is_suspect(columns, *seen, bounds, m):
            anywhere = anywhere or is_shared(columns, surplus, m)
    return anywhere


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
    columns: IntArray,
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
    columns: IntArray,
    surplus: BoolArray,
    ratios: FloatArray,
    counts: IntArray,
    shares: FloatArray,
    rule: Rule,
    known_cpu_m: FloatArray,
    reclaimed: tuple[float, float],
    least_share: float,
    hour: int,
    same: bool,
    lows: IntArray,
    peaks: FloatArray,
    table: IntArray,
) -> bool:
    """Write what batch may reserve: CPU and memory of machines, the first rows of `table`.

    `reclaimed` shares of a machine less its predicted peak, of CPU the one that is known if any
    is, on the steadiest alone: as many as shared in every hour of the last day (`lows`, which is
    brought up to date), see `ColocationNsigma`. Returns whether any machine that is on is for
    batch alone. For work: `peaks` [resources, machines], the other rows of `table` [6, machines].
    """
    state, role, all_cpu_m, all_mib = columns[0], columns[1], columns[3], columns[4]
    predict(columns, ratios, counts, shares, rule, peaks)
    peak_cpu_m, peak_mib = peaks[CPU], peaks[MEMORY]
    cpu_m, memory_mib, rows, shared, dedicated = table[0], table[1], table[2], 0, False
    for m in range(len(cpu_m)):
        dedicated = dedicated or (role[m] == BATCH and state[m] == ON)
        used_cpu_m = known_cpu_m[m] if len(known_cpu_m) > 0 else peak_cpu_m[m]
        left_cpu_m = math.floor(reclaimed[0] * all_cpu_m[m] - math.ceil(used_cpu_m))
        left_mib = math.floor(reclaimed[1] * all_mib[m]) - math.ceil(peak_mib[m])
        cpu_m[m], memory_mib[m] = max(left_cpu_m, 0), max(left_mib, 0)
        if is_shared(columns, surplus, m):
            rows[shared] = m
            shared += 1
    most = _fewest(lows, hour, same, shared)
    _leave_steady(columns, rows, shared, most, least_share, cpu_m, table[3:])
    return dedicated


@inner
def _starve(
    columns: IntArray,
    surplus: BoolArray,
    online_use_cpu_m: FloatArray,
    batch_use_cpu_m: FloatArray,
    bounds: Bounds,
    period_ms: int,
    before_ms: IntArray,
    starved_ms: IntArray,
) -> bool:
    """Write for how long batch has been held below its satisfaction; say whether anywhere.

    It uses what it is allowed: a job that idles does not starve.
    """
    cpu_m, batch_cpu_m, jobs = columns[3], columns[8], columns[12]
    max_cpu, _, below, _ = bounds
    starved_ms[:] = 0
    anywhere = False
    for m in range(len(jobs)):
        left_cpu_m = max_cpu * cpu_m[m] - online_use_cpu_m[m]
        starves = jobs[m] > 0 and left_cpu_m < below * batch_cpu_m[m]
        starves = starves and batch_use_cpu_m[m] >= USES_ALL * left_cpu_m
        if starves and is_shared(columns, surplus, m):
            starved_ms[m] = period_ms + (before_ms[m] if len(before_ms) > 0 else 0)
            anywhere = True
    return anywhere


@entry
def guard(
    columns: IntArray,
    surplus: BoolArray,
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
    """Write the limits of shared machines, guarded; count the plain ones and those that evict.

    All when `due`, else those that a guard lowers. `cpu_m`, `memory_mib`: what batch might have;
    `times_ms`: since the last wake, and for how long batch starves before it is evicted;
    `before_ms`: for how long it has. Written: `held`, rows 0..2 machine, CPU and memory of plain
    limits, 3..5 of those that evict; `starved_ms`. Returns whether batch starves anywhere.
    """
    max_cpu, max_memory, _, starved_to = bounds
    all_cpu_m, all_mib, online_mib = columns[3], columns[4], columns[7]
    batch_cpu_m, batch_mib, jobs = columns[8], columns[9], columns[12]
    uses = online_use_cpu_m, batch_use_cpu_m
    starves = _starve(columns, surplus, *uses, bounds, times_ms[0], before_ms, starved_ms)
    plain = evicting = 0
    for m in range(len(jobs)):
        if not is_shared(columns, surplus, m):
            continue
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
    columns: IntArray,
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
    kept, real, table, rows = given(WHOLE), given(REAL), given(REAL, 2), written(WHOLE)
    columns, flags, bounds = given(WHOLE, 2), given(FLAG), several(REAL, 4)
    machines, made = (columns, flags), (written(REAL, 2), written(WHOLE, 2))
    watch.compile((*machines, kept, real, real, bounds, WHOLE, made[0]))
    rule, pair = mixed(REAL, WHOLE, WHOLE, REAL), several(REAL, 2)
    samples = table, given(WHOLE, 2), table, rule, real
    limits.compile((*machines, *samples, pair, REAL, WHOLE, FLAG, rows, *made))
    told = bounds, several(WHOLE, 2), FLAG, kept
    guard.compile((*machines, kept, real, real, *told, kept, kept, rows, made[1]))
    beside.compile((*machines, kept, kept, pair))
