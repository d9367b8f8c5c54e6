"""One pass over machines that services share with batch: samples of use, and predicted peaks."""

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
from greensched.policies.kernels.resting import COLUMNS, ONLINE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greensched.model import BoolArray, FloatArray, IntArray

    Columns = tuple[IntArray, ...]
    Weights = NDArray[np.float32]

ANY = ROLE_CODES["any"]
USE, RESERVED, STALE = range(3)  # rows of what a sample sums up


@inner
def is_shared(columns: Columns, surplus: BoolArray, m: int) -> bool:
    """Say whether machine m serves and may take jobs as well: on, ours, with services."""
    state, role, lending, replicas = columns[0], columns[1], columns[2], columns[11]
    serves = role[m] == ONLINE or (role[m] == ANY and replicas[m] > 0)
    return serves and state[m] == ON and lending[m] == OWN and not surplus[m]


@inner
def add_up(
    columns: Columns, use_cpu_m: FloatArray, period_ms: int, before: FloatArray, after: FloatArray
) -> None:
    """Write what a sample sums up [3, machines] with one more period.

    Rows: use and reservation x time [millicores x ms]; 1 where a machine was not its own.
    """
    lending, reserved_cpu_m = columns[2], columns[6]
    for m in range(len(use_cpu_m)):
        after[USE, m] = before[USE, m] + use_cpu_m[m] * period_ms
        after[RESERVED, m] = before[RESERVED, m] + reserved_cpu_m[m] * period_ms
        after[STALE, m] = before[STALE, m] if lending[m] == OWN else 1.0


@entry
def sample(
    sums: FloatArray,
    measured_ms: int,
    columns: Columns,
    surplus: BoolArray,
    ratios: FloatArray,
    samples: IntArray,
    new_ratios: FloatArray,
    new_samples: IntArray,
    shares: FloatArray,
) -> None:
    """Write the samples of use over reservation [samples, machines] with that of `sums` last.

    `samples`: how many are in a row, none after one of a machine that did not serve all the time.
    `shares` [resources, machines]: CPU used and memory reserved; -1 of such a machine.
    """
    cpu_m, memory_mib, online_cpu_m, online_mib = columns[3], columns[4], columns[6], columns[7]
    most = len(ratios)
    for row in range(1, most):
        for m in range(len(samples)):
            new_ratios[row - 1, m] = ratios[row, m]
    for m in range(len(samples)):
        ratio = sums[USE, m] / max(sums[RESERVED, m], 1.0)
        new_ratios[most - 1, m] = min(ratio, 1.0)
        serves = is_shared(columns, surplus, m) and online_cpu_m[m] > 0
        if serves and sums[STALE, m] == 0.0:
            new_samples[m] = min(samples[m] + 1, most)
            shares[0, m] = sums[USE, m] / (measured_ms * cpu_m[m])
            shares[1, m] = online_mib[m] / memory_mib[m]
        else:
            new_samples[m] = 0
            shares[0, m] = shares[1, m] = -1.0


@entry
def aged(
    weights: Weights,
    kept: tuple[float, float],
    shares: FloatArray,
    new: Weights,
) -> None:
    """Write histograms with one more sample of each machine, see `peaks.added`."""
    resources, bins, machines = weights.shape
    for resource in range(resources):
        share = np.float32(kept[resource])
        for row in range(bins):
            for m in range(machines):
                new[resource, row, m] = weights[resource, row, m] * share
        for m in range(machines):
            if shares[resource, m] >= 0.0:
                row = min(int(shares[resource, m] * bins), bins - 1)
                new[resource, row, m] += np.float32(1.0)


@entry
def percentiles(weights: Weights, quantiles: tuple[float, float], ends: FloatArray) -> None:
    """Write the upper end of the bin that holds a quantile, see `peaks.percentiles`."""
    resources, bins, machines = weights.shape
    for resource in range(resources):
        share = np.float32(quantiles[resource])
        for m in range(machines):
            total = np.float32(0.0)
            for row in range(bins):
                total += weights[resource, row, m]
            below, short, least = np.float32(0.0), 0, share * total
            for row in range(bins):
                below += weights[resource, row, m]
                short += below < least
            ends[resource, m] = (short + 1) / bins


@inner
def _n_sigma(ratios: FloatArray, sigmas: float, mean: FloatArray, predicted: FloatArray) -> None:
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
def reserved_peaks(
    ratios: FloatArray,
    sigmas: float,
    columns: Columns,
    samples: IntArray,
    least: int,
    peaks: FloatArray,
) -> None:
    """Write `peaks` [resources, machines]: what services will use of the CPU by N-sigma.

    All that they reserve where fewer than `least` samples are in a row; of memory always.
    """
    online_cpu_m, online_mib = columns[6], columns[7]
    peak_cpu_m, peak_mib = peaks[0], peaks[1]
    _n_sigma(ratios, sigmas, peak_mib, peak_cpu_m)
    for m in range(len(samples)):
        share = peak_cpu_m[m] if samples[m] >= least else 1.0
        peak_cpu_m[m] = share * online_cpu_m[m]
        peak_mib[m] = online_mib[m]


@entry
def larger_peaks(
    ratios: FloatArray,
    sigmas: float,
    columns: Columns,
    histories: tuple[IntArray, IntArray],
    least: tuple[int, int],
    shares: FloatArray,
    factor: float,
    peaks: FloatArray,
) -> None:
    """Write the larger of two `peaks` [resources, machines], see `Colocation`.

    `histories`: samples in a row, and in all, of which `least` are needed; `shares` [resources,
    machines]: the percentiles of histograms, times `factor`.
    """
    cpu_m, memory_mib, online_cpu_m, online_mib = columns[3], columns[4], columns[6], columns[7]
    peak_cpu_m, peak_mib = peaks[0], peaks[1]
    _n_sigma(ratios, sigmas, peak_mib, peak_cpu_m)
    for m in range(len(cpu_m)):
        share = peak_cpu_m[m] if histories[0][m] >= least[0] else 1.0
        peak_cpu_m[m] = online_cpu_m[m]
        peak_mib[m] = online_mib[m]
        if histories[1][m] >= least[1]:
            used, reserved = factor * shares[0, m], factor * shares[1, m]
            peak_cpu_m[m] = max(share * online_cpu_m[m], used * cpu_m[m])
            peak_mib[m] = max(peak_mib[m], reserved * memory_mib[m])


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    kept, table, flags = given(WHOLE), given(REAL, 2), given(FLAG)
    columns = several(kept, len(COLUMNS))
    both, made = (several(kept, 2), several(WHOLE, 2)), written(REAL, 2)
    sample.compile((table, WHOLE, columns, flags, table, kept, made, written(WHOLE), made))
    weights, pair = given(SMALL_REAL, 3), several(REAL, 2)
    aged.compile((weights, pair, made, written(SMALL_REAL, 3)))
    percentiles.compile((weights, pair, made))
    reserved_peaks.compile((table, REAL, columns, kept, WHOLE, made))
    larger_peaks.compile((table, REAL, columns, *both, table, REAL, made))
