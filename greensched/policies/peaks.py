"""What services will use at most of each machine: samples of what they used, and predictors.

Columns are machines. Predictors know no future and no replica: a machine is what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

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
class Samples:
    """Samples of machines: use over reservation [samples, machines] [1], the last one last.

    `in_a_row`: how many of a machine's are, none where it did not serve all the time.
    """

    ratios: FloatArray = field(default_factory=lambda: frozen(np.empty((0, 0))))
    in_a_row: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))


@cache
def nothing_taken(count: int) -> FloatArray:
    """Return the sums [3, machines] of a sample before anything was measured of `count` machines.

    See `kernels.add_up` for its rows.
    """
    return frozen(np.zeros((3, count)))


def sampled(
    before: Samples, m: MachineView, taken: FloatArray, measured_ms: int
) -> tuple[Samples, FloatArray]:
    """Return samples with the one that was `taken` in `measured_ms`, and its shares.

    Shares [resources, machines] are CPU used and memory reserved [1]; -1 where it did not serve.
    """
    ratios, in_a_row = np.empty_like(before.ratios), np.empty_like(before.in_a_row)
    shares = np.empty((2, len(in_a_row)))
    kernels.sample(
        *(taken, measured_ms, columns(m), m.surplus, before.ratios, before.in_a_row),
        *(ratios, in_a_row, shares),
    )
    return Samples(ratios=frozen(ratios), in_a_row=frozen(in_a_row)), shares


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
