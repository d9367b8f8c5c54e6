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
from greensched.policies.kernels.resting import ONLINE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greensched.model import BoolArray, FloatArray, IntArray

    Weights = NDArray[np.float32]
    # Sigmas, samples in a row that they need, samples in all that histograms need, their factor.
    Rule = tuple[float, int, int, float]

ANY = ROLE_CODES["any"]
USE, RESERVED, STALE = range(3)  # rows of what a sample sums up
IN_A_ROW, IN_ALL = range(2)  # rows of how many samples there are
CPU, MEMORY = range(2)  # rows of histograms and peaks


@inner
def is_shared(columns: IntArray, surplus: BoolArray, m: int) -> bool:
    """Say whether machine m serves and may take jobs as well: on, ours, with services."""
    state, role, lending, replicas = columns[0], columns[1], columns[2], columns[11]
    serves = role[m] == ONLINE or (role[m] == ANY and replicas[m] > 0)
    return serves and state[m] == ON and lending[m] == OWN and not surplus[m]


@inner
def add_up(columns: IntArray, use_cpu_m: FloatArray, period_ms: int, taken: FloatArray) -> None:
    """Add one more period to what a sample sums up [3, machines].

    Rows: use and reservation x time [millicores x ms]; 1 where a machine was not its own.
    """
    lending, reserved_cpu_m = columns[2], columns[6]
    for m in range(len(use_cpu_m)):
        taken[USE, m] += use_cpu_m[m] * period_ms
        taken[RESERVED, m] += reserved_cpu_m[m] * period_ms
        if lending[m] != OWN:
            taken[STALE, m] = 1.0


@inner
def _age(weights: Weights, kept: tuple[float, float], new: Weights) -> None:
    """Write what is left of histograms [resources, bins, machines]."""
    resources, bins, machines = weights.shape
    for resource in range(resources):
        share = np.float32(kept[resource])
        for row in range(bins):
            for m in range(machines):
                new[resource, row, m] = weights[resource, row, m] * share


@inner
def _count_in(weights: Weights, resource: int, share: float, m: int) -> None:
    """Add a sample of machine m to a histogram."""
    bins = weights.shape[1]
    if share >= 0.0:  # not where there is none of the resource
        weights[resource, min(int(share * bins), bins - 1), m] += np.float32(1.0)


@entry
def sample(
    sums: FloatArray,
    measured_ms: int,
    columns: IntArray,
    surplus: BoolArray,
    ratios: FloatArray,
    counts: IntArray,
    weights: Weights,
    kept: tuple[float, float],
    new_ratios: FloatArray,
    new_counts: IntArray,
    new_weights: Weights,
) -> None:
    """Write samples with the one that `sums` tells, see `peaks.Samples`.

    A machine that did not serve all the time has none in a row then. Histograms, where there are
    some, keep shares `kept` of their weights.
    """
    cpu_m, memory_mib, online_cpu_m, online_mib = columns[3], columns[4], columns[6], columns[7]
    most, machines = ratios.shape
    for row in range(1, most):
        for m in range(machines):
            new_ratios[row - 1, m] = ratios[row, m]
    _age(weights, kept, new_weights)
    for m in range(machines):
        ratio = sums[USE, m] / max(sums[RESERVED, m], 1.0)
        new_ratios[most - 1, m] = min(ratio, 1.0)
        serves = is_shared(columns, surplus, m) and online_cpu_m[m] > 0
        if serves and sums[STALE, m] == 0.0:
            new_counts[IN_A_ROW, m] = min(counts[IN_A_ROW, m] + 1, most)
            new_counts[IN_ALL, m] = counts[IN_ALL, m] + 1
            if len(weights) > 0:
                _count_in(new_weights, CPU, sums[USE, m] / (measured_ms * cpu_m[m]), m)
                _count_in(new_weights, MEMORY, online_mib[m] / memory_mib[m], m)
        else:
            new_counts[IN_A_ROW, m] = 0
            new_counts[IN_ALL, m] = counts[IN_ALL, m]


@entry
def percentiles(
    weights: Weights, quantiles: tuple[float, float], work: Weights, ends: FloatArray
) -> None:
    """Write the upper end of the bin that holds a quantile, see `peaks.renewed`.

    For work: `work` [2, machines].
    """
    resources, bins, machines = weights.shape
    least, below = work[0], work[1]
    for resource in range(resources):
        least[:], below[:], ends[resource] = 0.0, 0.0, 1.0
        for row in range(bins):
            for m in range(machines):
                least[m] += weights[resource, row, m]
        share = np.float32(quantiles[resource])
        for m in range(machines):
            least[m] *= share
        for row in range(bins):
            for m in range(machines):
                below[m] += weights[resource, row, m]
                ends[resource, m] += below[m] < least[m]
        for m in range(machines):
            ends[resource, m] /= bins


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


@inner
def predict(
    columns: IntArray,
    ratios: FloatArray,
    counts: IntArray,
    shares: FloatArray,
    rule: Rule,
    peaks: FloatArray,
) -> None:
    """Write `peaks` [resources, machines]: what services will use and reserve, see `Colocation`.

    Of samples and percentiles `shares` as `peaks.Samples` has them.
    """
    cpu_m, memory_mib, online_cpu_m, online_mib = columns[3], columns[4], columns[6], columns[7]
    sigmas, in_a_row, in_all, factor = rule
    peak_cpu_m, peak_mib = peaks[CPU], peaks[MEMORY]
    _n_sigma(ratios, sigmas, peak_mib, peak_cpu_m)
    for m in range(len(cpu_m)):
        share = peak_cpu_m[m] if counts[IN_A_ROW, m] >= in_a_row else 1.0
        peak_cpu_m[m] = online_cpu_m[m]
        peak_mib[m] = online_mib[m]
        if counts[IN_ALL, m] >= in_all:
            used, reserved = factor * shares[CPU, m], factor * shares[MEMORY, m]
            peak_cpu_m[m] = max(share * online_cpu_m[m], used * cpu_m[m])
            peak_mib[m] = max(peak_mib[m], reserved * memory_mib[m])


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    weights, pair = given(SMALL_REAL, 3), several(REAL, 2)
    seen = given(REAL, 2), WHOLE, given(WHOLE, 2), given(FLAG)
    before = given(REAL, 2), given(WHOLE, 2), weights, pair
    sample.compile((*seen, *before, written(REAL, 2), written(WHOLE, 2), written(SMALL_REAL, 3)))
    percentiles.compile((weights, pair, written(SMALL_REAL, 2), written(REAL, 2)))
