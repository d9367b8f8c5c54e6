"""What services will use at most of each machine: samples of what they used, and predictors.

Columns are machines. Predictors know no future and no replica: a machine is what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from greensched.policies.kernels import peaks as kernels
from greensched.policies.machines import columns
from greensched.policies.memory import frozen

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray, MachineView

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
        return _nothing_measured(count)

    def sample(self, m: MachineView, ratios: FloatArray, samples: IntArray) -> Sample:
        """Return the sample that these sums make, after those of before."""
        new_ratios, new_samples = np.empty(ratios.shape), np.empty(samples.shape, np.int64)
        shares = np.empty((2, len(samples)))
        kernels.sample(
            *(self.taken, self.measured_ms, columns(m), m.surplus, ratios, samples),
            *(new_ratios, new_samples, shares),
        )
        return Sample(self.measured_ms, frozen(new_ratios), frozen(new_samples), shares)


@cache
def _nothing_measured(count: int) -> Sums:
    return Sums(taken=frozen(np.zeros((3, count))))


class Sample(NamedTuple):
    """One more sample of each machine, and those before it as far as they count."""

    measured_ms: int  # for how long it was measured
    ratios: FloatArray  # [samples, machines] use over reservation [1], the last one last
    samples: IntArray  # how many of them are in a row, none where it did not serve all the time
    shares: FloatArray  # [resources, machines] CPU used, memory reserved [1]; -1 where it did not


def added(weights: Weights, kept: tuple[float, float], shares: FloatArray) -> Weights:
    """Return histograms with one more sample of each machine.

    `weights` [resources, BINS, machines] lose all but `kept` of what they held; a sample `shares`
    [resources, machines] counts 1, one below 0 nothing. Exponential decay as in Autopilot (Rzadca
    et al., EuroSys 2020, doi:10.1145/3342195.3387524) and in Koordinator.
    """
    decayed = np.empty(weights.shape, np.float32)
    kernels.aged(weights, kept, shares, decayed)
    return frozen(decayed)


def percentiles(weights: Weights, quantiles: tuple[float, float]) -> FloatArray:
    """Return the upper end of the bin [1] that holds each of `quantiles` of a histogram."""
    resources, _, machines = weights.shape
    ends = np.empty((resources, machines))
    kernels.percentiles(weights, quantiles, ends)
    return frozen(ends)
