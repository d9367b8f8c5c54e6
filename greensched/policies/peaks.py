"""What services will use at most of each machine: samples of what they used, and predictors.

Columns are machines. Predictors know no future and no replica: a machine is what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from greensched.policies.kernels import colocation as kernels
from greensched.policies.memory import frozen

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray, MachineView

BINS: Final = 40  # of a histogram, of equal width: a peak is told to 2.5 % of a machine
CPU, MEMORY = range(2)  # rows of histograms
Weights: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """The sample that is being taken: see `kernels.add_up` for its rows [3, machines]."""

    taken: FloatArray = field(default_factory=lambda: frozen(np.empty((3, 0))))
    measured_ms: int = 0

    @classmethod
    def none(cls, count: int) -> Sums:
        """Return the sums of `count` machines before anything was measured."""
        return cls(taken=frozen(np.zeros((3, count))))

    def and_of(self, m: MachineView, period_ms: int) -> Sums:
        """Return the sums with what was measured in the last period."""
        taken = np.empty_like(self.taken)
        kernels.add_up(m.online_use_cpu_m, m.online_cpu_m, m.lending, period_ms, self.taken, taken)
        return Sums(taken=frozen(taken), measured_ms=self.measured_ms + period_ms)

    @property
    def use(self) -> FloatArray:
        """Return use x time [millicores x ms]."""
        use: FloatArray = self.taken[kernels.USE]
        return use

    @property
    def stale(self) -> BoolArray:
        """Say which machines were not their own at some time."""
        stale: BoolArray = self.taken[kernels.STALE] != 0
        return stale

    def sample(
        self, known: BoolArray, ratios: FloatArray, samples: IntArray
    ) -> tuple[FloatArray, IntArray]:
        """Return the samples with this one last, and how many of a machine's are in a row."""
        new_ratios, new_samples = np.empty_like(ratios), np.empty_like(samples)
        kernels.taken(self.taken, frozen(known), ratios, samples, new_ratios, new_samples)
        return frozen(new_ratios), frozen(new_samples)


def n_sigma(ratios: FloatArray, sigmas: float) -> FloatArray:
    """Return mean and `sigmas` deviations of samples [samples, machines], at most 1.

    Source: Bashir et al., EuroSys 2021, doi:10.1145/3447786.3456259.
    """
    mean, predicted = np.empty((2, ratios.shape[1]))
    kernels.n_sigma(ratios, sigmas, mean, predicted)
    return predicted


def added(weights: Weights, kept: FloatArray, shares: FloatArray, known: BoolArray) -> Weights:
    """Return histograms with one more sample of each machine that is `known`.

    `weights` [resources, BINS, machines] lose all but `kept` [resources] of what they held; a
    sample `shares` [resources, machines] counts 1. Exponential decay as in Autopilot (Rzadca et
    al., EuroSys 2020, doi:10.1145/3342195.3387524) and in Koordinator.
    """
    decayed = np.empty_like(weights)
    kernels.aged(frozen(weights), frozen(kept), frozen(shares), frozen(known), decayed)
    return decayed


def percentiles(weights: Weights, quantiles: FloatArray) -> FloatArray:
    """Return the upper end of the bin [1] that holds each of `quantiles` of a histogram."""
    below = np.add.accumulate(weights, axis=1)
    short = below < quantiles.astype(np.float32)[:, None, None] * below[:, -1:]
    found: FloatArray = (short.sum(axis=1) + 1) / BINS
    return found
