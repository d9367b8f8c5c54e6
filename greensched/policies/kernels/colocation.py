"""One pass over machines that services share with batch: samples of use, and guards."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from greensched.compiling import FLAG, REAL, SMALL_REAL, WHOLE, entry, given, several, written
from greensched.model import OWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greensched.model import BoolArray, FloatArray, IntArray

    Weights = NDArray[np.float32]

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
    """Compile the loops, or load them from the cache."""
    kept, real = given(WHOLE), given(REAL)
    table, made, flags = given(REAL, 2), written(REAL, 2), given(FLAG)
    add_up.compile((real, kept, kept, WHOLE, table, made))
    taken.compile((table, flags, table, kept, made, written(WHOLE)))
    weights = given(SMALL_REAL, 3)
    aged.compile((weights, real, table, flags, written(SMALL_REAL, 3)))
    n_sigma.compile((table, REAL, written(REAL), written(REAL)))
    suspects.compile((several(kept, 7), real, real, REAL, REAL, REAL, written(WHOLE)))
