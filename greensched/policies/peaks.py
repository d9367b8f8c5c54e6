"""What services will use at most of each machine: samples of what they used, and predictors.

Columns are machines. Predictors know no future and no replica: a machine is what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from greensched.policies.kernels import add_up
from greensched.policies.memory import frozen

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray, MachineView

BINS: Final = 40  # of a histogram, of equal width: a peak is told to 2.5 % of a machine
CPU, MEMORY = range(2)  # rows of histograms
Weights: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """The sample that is being taken: use and reservation x time [millicores x ms]."""

    use: FloatArray = field(default_factory=lambda: frozen(np.empty(0)))
    reserved: FloatArray = field(default_factory=lambda: frozen(np.empty(0)))
    stale: BoolArray = field(default_factory=lambda: frozen(np.empty(0, np.bool_)))
    measured_ms: int = 0

    @classmethod
    def none(cls, count: int) -> Sums:
        """Return the sums of `count` machines before anything was measured."""
        empty = frozen(np.zeros(count))
        return cls(use=empty, reserved=empty, stale=frozen(np.zeros(count, np.bool_)))

    def and_of(self, m: MachineView, period_ms: int) -> Sums:
        """Return the sums with what was measured in the last period."""
        use, reserved, stale = self.use.copy(), self.reserved.copy(), self.stale.copy()
        add_up(m.online_use_cpu_m, m.online_cpu_m, m.lending, period_ms, use, reserved, stale)
        return Sums(
            use=frozen(use),
            reserved=frozen(reserved),
            stale=frozen(stale),
            measured_ms=self.measured_ms + period_ms,
        )

    @property
    def ratio(self) -> FloatArray:
        """Return use over reservation [1], at most 1."""
        ratio: FloatArray = np.minimum(self.use / np.maximum(self.reserved, 1.0), 1.0)
        return ratio


def n_sigma(ratios: FloatArray, sigmas: float) -> FloatArray:
    """Return mean and `sigmas` deviations of samples [samples, machines], at most 1.

    Source: Bashir et al., EuroSys 2021, doi:10.1145/3447786.3456259.
    """
    count = len(ratios)
    mean = ratios.sum(axis=0) / count
    apart = ratios - mean
    # As std(axis=0), at a third of its time.
    deviation = np.sqrt(np.einsum("ij,ij->j", apart, apart) / count)
    predicted: FloatArray = np.minimum(mean + sigmas * deviation, 1)
    return predicted


def added(weights: Weights, kept: FloatArray, shares: FloatArray, known: BoolArray) -> Weights:
    """Return histograms with one more sample of each machine that is `known`.

    `weights` [resources, BINS, machines] lose all but `kept` [resources] of what they held; a
    sample `shares` [resources, machines] counts 1. Exponential decay as in Autopilot (Rzadca et
    al., EuroSys 2020, doi:10.1145/3342195.3387524) and in Koordinator.
    """
    decayed: Weights = weights * kept.astype(np.float32)[:, None, None]
    rows = np.flatnonzero(known)
    bins = np.minimum((shares[:, rows] * BINS).astype(np.int64), BINS - 1)
    for resource in range(len(kept)):
        decayed[resource, bins[resource], rows] += 1.0
    return decayed


def percentiles(weights: Weights, quantiles: FloatArray) -> FloatArray:
    """Return the upper end of the bin [1] that holds each of `quantiles` of a histogram."""
    below = np.add.accumulate(weights, axis=1)
    short = below < quantiles.astype(np.float32)[:, None, None] * below[:, -1:]
    found: FloatArray = (short.sum(axis=1) + 1) / BINS
    return found


def counted(samples: IntArray, known: BoolArray, most: int) -> IntArray:
    """Return the number of samples in a row, at most `most`; none where one is not `known`."""
    in_a_row: IntArray = np.where(known, np.minimum(samples + 1, most), 0)
    return in_a_row
