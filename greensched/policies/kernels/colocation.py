"""One pass over machines that services share with batch: samples of use, and guards."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from greensched.compiling import (
    FLAG,
    REAL,
    SMALL_REAL,
    WHOLE,
    entry,
    given,
    inner,
    several,
    written,
)
from greensched.model import ON, OWN, ROLE_CODES
from greensched.policies.kernels.resting import COLUMNS, HOLDS, ONLINE, sort

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greensched.model import BoolArray, FloatArray, IntArray

    Columns = tuple[IntArray, ...]
    Weights = NDArray[np.float32]

ANY = ROLE_CODES["any"]
USE, RESERVED, STALE = range(3)  # rows of what a sample sums up


@entry
def add_up(
    use_cpu_m: FloatArray,
    reserved_cpu_m: IntArray,
    lending: IntArray,
    period_ms: int,
    before: FloatArray,
    after: FloatArray,
) -> None:
    """Write what a sample sums up [3, machines] with one more period.

    Rows: use and reservation x time [millicores x ms]; 1 where a machine was not its own.
    """
    for m in range(len(use_cpu_m)):
        after[USE, m] = before[USE, m] + use_cpu_m[m] * period_ms
        after[RESERVED, m] = before[RESERVED, m] + reserved_cpu_m[m] * period_ms
        after[STALE, m] = before[STALE, m] if lending[m] == OWN else 1.0


@entry
def taken(
    sums: FloatArray,
    known: BoolArray,
    ratios: FloatArray,
    samples: IntArray,
    new_ratios: FloatArray,
    new_samples: IntArray,
) -> None:
    """Write the samples of use over reservation [samples, machines] with that of `sums` last.

    `samples`: how many are in a row, none after one that is not `known`.
    """
    most = len(ratios)
    for row in range(1, most):
        for m in range(len(known)):
            new_ratios[row - 1, m] = ratios[row, m]
    for m in range(len(known)):
        ratio = sums[USE, m] / max(sums[RESERVED, m], 1.0)
        new_ratios[most - 1, m] = min(ratio, 1.0)
        new_samples[m] = min(samples[m] + 1, most) if known[m] else 0


@entry
def aged(
    weights: Weights,
    kept: FloatArray,
    shares: FloatArray,
    known: BoolArray,
    new: Weights,
) -> None:
    """Write histograms with one more sample of each machine that is `known`, see `peaks.added`."""
    resources, bins, machines = weights.shape
    for resource in range(resources):
        share = np.float32(kept[resource])
        for row in range(bins):
            for m in range(machines):
                new[resource, row, m] = weights[resource, row, m] * share
        for m in range(machines):
            if known[m]:
                row = min(int(shares[resource, m] * bins), bins - 1)
                new[resource, row, m] += np.float32(1.0)


@entry
def n_sigma(ratios: FloatArray, sigmas: float, mean: FloatArray, predicted: FloatArray) -> None:
    """Write mean and mean + `sigmas` deviations of samples [samples, machines], at most 1."""
    count = len(ratios)
    mean[:], predicted[:] = 0.0, 0.0
    for row in range(count):
        for m in range(len(mean)):
            mean[m] += ratios[row, m]
    for m in range(len(mean)):
        mean[m] /= count
    for row in range(count):
        for m in range(len(mean)):
            apart = ratios[row, m] - mean[m]
            predicted[m] += apart * apart
    for m in range(len(mean)):
        predicted[m] = min(mean[m] + sigmas * math.sqrt(predicted[m] / count), 1.0)


@entry
def larger_peaks(
    n_sigma_share: FloatArray,
    columns: Columns,
    histories: tuple[IntArray, IntArray],
    least: tuple[int, int],
    shares: FloatArray,
    factor: float,
    peak_cpu_m: FloatArray,
    peak_mib: FloatArray,
) -> None:
    """Write the larger of two peaks of each machine, see `Colocation`.

    `histories`: samples in a row, and in all, of which `least` are needed; `shares` [resources,
    machines]: the percentiles of histograms, times `factor`.
    """
    cpu_m, memory_mib, online_cpu_m, online_mib = columns[3], columns[4], columns[6], columns[7]
    for m in range(len(cpu_m)):
        share = n_sigma_share[m] if histories[0][m] >= least[0] else 1.0
        peak_cpu_m[m] = online_cpu_m[m]
        peak_mib[m] = online_mib[m]
        if histories[1][m] >= least[1]:
            used, reserved = factor * shares[0, m], factor * shares[1, m]
            peak_cpu_m[m] = max(share * online_cpu_m[m], used * cpu_m[m])
            peak_mib[m] = max(peak_mib[m], reserved * memory_mib[m])


@entry
def room(
    columns: Columns,
    peak_cpu_m: FloatArray,
    peak_mib: FloatArray,
    reclaimed: tuple[float, float],
    cpu_m: IntArray,
    memory_mib: IntArray,
) -> None:
    """Write what batch may reserve of each machine: `reclaimed` shares of it less the peaks."""
    all_cpu_m, all_mib = columns[3], columns[4]
    for m in range(len(cpu_m)):
        left_cpu_m = math.floor(reclaimed[0] * all_cpu_m[m] - math.ceil(peak_cpu_m[m]))
        left_mib = math.floor(reclaimed[1] * all_mib[m]) - math.ceil(peak_mib[m])
        cpu_m[m], memory_mib[m] = max(left_cpu_m, 0), max(left_mib, 0)


@inner
def _shares(columns: Columns, surplus: BoolArray, m: int) -> bool:
    """Say whether machine m serves and may take jobs as well: on, ours, with services."""
    state, role, lending, replicas = columns[0], columns[1], columns[2], columns[11]
    serves = role[m] == ONLINE or (role[m] == ANY and replicas[m] > 0)
    return serves and state[m] == ON and lending[m] == OWN and not surplus[m]


@entry
def shared(columns: Columns, surplus: BoolArray, rows: IntArray) -> int:
    """Write the machines that serve and may take jobs as well, and count them."""
    count = 0
    for m in range(len(surplus)):
        if _shares(columns, surplus, m):
            rows[count] = m
            count += 1
    return count


@entry
def steady(
    columns: Columns,
    rows: IntArray,
    most: int,
    least_share: float,
    cpu_m: IntArray,
    chosen: IntArray,
    keys: IntArray,
    scratch: IntArray,
) -> None:
    """Leave room (`cpu_m`) on the steadiest machines alone, see `ColocationNsigma._steady`."""
    all_cpu_m, online_cpu_m, jobs = columns[3], columns[6], columns[12]
    count = 0
    for i in range(len(rows)):
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
def suspects(
    columns: Columns,
    surplus: BoolArray,
    limit_cpu_m: IntArray,
    online_use_cpu_m: FloatArray,
    batch_use_cpu_m: FloatArray,
    max_cpu: float,
    max_memory: float,
    starved_below: float,
    rows: IntArray,
) -> int:
    """Write the machines on which a guard of co-location may have something to do; count them.

    `limit_cpu_m`: what batch may reserve of each.
    """
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
        if (hot or starves or full) and _shares(columns, surplus, m):
            rows[n] = m
            n += 1
    return n


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    kept, real = given(WHOLE), given(REAL)
    table, made, flags = given(REAL, 2), written(REAL, 2), given(FLAG)
    columns, out, rows = several(kept, len(COLUMNS)), written(REAL), written(WHOLE)
    both = (several(kept, 2), several(WHOLE, 2))
    larger_peaks.compile((out, columns, *both, table, REAL, out, out))
    room.compile((columns, out, out, several(REAL, 2), rows, rows))
    shared.compile((columns, flags, rows))
    steady.compile((columns, rows, WHOLE, REAL, *4 * (rows,)))
    add_up.compile((real, kept, kept, WHOLE, table, made))
    taken.compile((table, flags, table, kept, made, written(WHOLE)))
    weights = given(SMALL_REAL, 3)
    aged.compile((weights, real, table, flags, written(SMALL_REAL, 3)))
    n_sigma.compile((table, REAL, written(REAL), written(REAL)))
    suspects.compile((columns, flags, kept, real, real, REAL, REAL, REAL, rows))
