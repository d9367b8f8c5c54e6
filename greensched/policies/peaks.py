"""What services will use at most of each machine: samples of what they used, and predictors.

Columns are machines. Predictors know no future and no replica: a machine is what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from greensched.model import NONE
from greensched.policies.kernels import peaks as kernels
from greensched.policies.machines import columns
from greensched.policies.memory import changed, frozen

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray, MachineView

BINS: Final = 40  # of a histogram, of equal width: a peak is told to 2.5 % of a machine
RESOURCES: Final = 2  # CPU, memory: rows of histograms and of peaks
Weights: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Samples of machines, and decaying histograms of what services had of each.

    `ratios` [samples, machines] [1]: use over reservation, the last one last. `counts` [2,
    machines]: how many samples of a machine are in a row, none where it did not serve all the
    time; how many there are in all. `weights` [RESOURCES, BINS, machines] [1] of the CPU used and
    the memory reserved, as shares of the machine; without histograms [0, BINS, machines].
    `shares` [RESOURCES, machines] [1]: their percentiles at `renewed_ms`, 0 before.
    """

    ratios: FloatArray = field(default_factory=lambda: frozen(np.empty((0, 0))))
    counts: IntArray = field(default_factory=lambda: frozen(np.empty((2, 0), np.int64)))
    weights: Weights = field(default_factory=lambda: frozen(np.empty((0, 0, 0), np.float32)))
    shares: FloatArray = field(default_factory=lambda: frozen(np.empty((RESOURCES, 0))))
    renewed_ms: int = NONE


def no_samples(samples: int, count: int, *, histograms: bool) -> Samples:
    """Return those of `count` machines before anything was measured."""
    resources = RESOURCES if histograms else 0
    return Samples(
        ratios=frozen(np.zeros((samples, count))),
        counts=frozen(np.zeros((2, count), np.int64)),
        weights=frozen(np.zeros((resources, BINS, count), np.float32)),
        shares=frozen(np.zeros((RESOURCES, count))),
    )


@cache
def nothing_taken(count: int) -> FloatArray:
    """Return the sums [3, machines] of a sample before anything was measured of `count` machines.

    See `kernels.add_up` for its rows.
    """
    return frozen(np.zeros((3, count)))


def sampled(
    before: Samples,
    m: MachineView,
    taken: FloatArray,
    measured_ms: int,
    kept: tuple[float, float] = (1.0, 1.0),
) -> Samples:
    """Return samples with the one that was `taken` in `measured_ms`.

    Histograms lose all but shares `kept` of what they held; a sample counts 1, one of a machine
    that did not serve nothing. Exponential decay as in Autopilot (Rzadca et al., EuroSys 2020,
    doi:10.1145/3342195.3387524) and in Koordinator.
    """
    ratios, counts = np.empty(before.ratios.shape), np.empty(before.counts.shape, np.int64)
    weights = np.empty(before.weights.shape, np.float32)
    kernels.sample(
        *(taken, measured_ms, columns(m), m.surplus),
        *(before.ratios, before.counts, before.weights, kept, ratios, counts, weights),
    )
    return changed(before, ratios=frozen(ratios), counts=frozen(counts), weights=frozen(weights))


def renewed(samples: Samples, quantiles: tuple[float, float], now_ms: int) -> Samples:
    """Return samples with the percentiles of now: the upper end of the bin that holds each."""
    shares = np.empty(samples.shares.shape)
    work = np.empty(samples.shares.shape, np.float32)
    kernels.percentiles(samples.weights, quantiles, work, shares)
    return changed(samples, shares=frozen(shares), renewed_ms=now_ms)
