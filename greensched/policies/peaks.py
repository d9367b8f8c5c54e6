"""What services will use at most of each machine: samples of what they used, and predictors.

Columns are machines. Predictors know no future and no replica: a machine is what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from greensched.policies.kernels import peaks as kernels
from greensched.policies.machines import columns
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

    def sample(self, m: MachineView, ratios: FloatArray, samples: IntArray) -> Sample:
        """Return the sample that these sums make, after those of before."""
        count = len(samples)
        new_ratios, new_samples = np.empty_like(ratios), np.empty_like(samples)
        known, shares = np.empty(count, np.bool_), np.empty((2, count))
        kernels.sample(
            *(self.taken, self.measured_ms, columns(m), m.surplus, ratios, samples),
            *(new_ratios, new_samples, known, shares),
        )
        return Sample(
            measured_ms=self.measured_ms,
            ratios=frozen(new_ratios),
            samples=frozen(new_samples),
            known=frozen(known),
            shares=frozen(shares),
        )


class Sample(NamedTuple):
    """One more sample of each machine, and those before it as far as they count."""

    measured_ms: int  # for how long it was measured
    ratios: FloatArray  # [samples, machines] use over reservation [1], the last one last
    samples: IntArray  # how many of them are in a row
    known: BoolArray  # machines that served all the time
    shares: FloatArray  # [resources, machines] CPU used and memory reserved, of the machine [1]


def added(weights: Weights, kept: FloatArray, shares: FloatArray, known: BoolArray) -> Weights:
    """Return histograms with one more sample of each machine that is `known`.

    `weights` [resources, BINS, machines] lose all but `kept` [resources] of what they held; a
    sample `shares` [resources, machines] counts 1. Exponential decay as in Autopilot (Rzadca et
    al., EuroSys 2020, doi:10.1145/3342195.3387524) and in Koordinator.
    """
    decayed = np.empty_like(weights)
    kernels.aged(weights, kept, shares, known, decayed)
    return frozen(decayed)


def percentiles(weights: Weights, quantiles: FloatArray) -> FloatArray:
    """Return the upper end of the bin [1] that holds each of `quantiles` of a histogram."""
    below = np.add.accumulate(weights, axis=1)
    short = below < quantiles.astype(np.float32)[:, None, None] * below[:, -1:]
    found: FloatArray = (short.sum(axis=1) + 1) / BINS
    return found
