"""Co-location by the larger of two predicted peaks, and its oracle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import UsageError
from greensched.model import NONE
from greensched.policies.batch import PACKING
from greensched.policies.colocation import UNKNOWN, ColocationNsigma
from greensched.policies.memory import frozen
from greensched.policies.peaks import no_samples, renewed, sampled
from greensched.policies.settings import check
from greensched.units import MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from greensched.errors import Finding
    from greensched.model import FloatArray, IntArray, Snapshot
    from greensched.policies.kernels.peaks import Rule
    from greensched.policies.peaks import Samples


RENEWED_MS = MS_PER_H  # between two looks at histograms that change over half a day


@dataclass(frozen=True, slots=True, kw_only=True)
class Colocation(ColocationNsigma):
    """Allocatable batch from the larger of two predicted peaks: N-sigma, and percentiles of days.

    As `colocation-nsigma`, with a second predictor: for each machine the `quantile_used` of the
    CPU that services used and the `quantile_reserved` of the memory that they reserved, times 1 +
    `margin`, of histograms whose samples lose half of their weight in `cpu_half_life_ms` and
    `memory_half_life_ms`. N-sigma knows the last two hours, the histograms what each day brings.
    The larger peak holds. Until a machine has been measured for `cold_start_ms` in all it counts
    what it reserves.

    Sources: Bashir et al., EuroSys 2021, doi:10.1145/3447786.3456259 (the maximum of predictors);
    Koordinator (95th percentile of CPU, 98th of memory, 10 %, 12 h, 24 h, cold start 24 h).
    """

    quantile_used: float = 0.95
    quantile_reserved: float = 0.98
    margin: float = 0.10
    cpu_half_life_ms: int = 43_200_000
    memory_half_life_ms: int = 86_400_000
    cold_start_ms: int = 86_400_000

    def __post_init__(self) -> None:
        """Refuse settings outside of their range (`UsageError`)."""
        found: tuple[Finding, ...] = ()
        try:
            ColocationNsigma.__post_init__(self)
        except UsageError as error:
            found = error.findings
        check(
            self,
            shares=("quantile_used", "quantile_reserved"),
            positive=("cpu_half_life_ms", "memory_half_life_ms"),
            natural=("margin", "cold_start_ms"),
            findings=found,
        )

    @property
    def kind(self) -> str:
        """Return the registered name."""
        return "colocation"

    def _no_samples(self, count: int) -> Samples:
        """Return those of `count` machines before anything was measured."""
        return no_samples(self.samples, count, histograms=True)

    def _sampled(
        self, snapshot: Snapshot, before: Samples, taken: FloatArray, measured_ms: int
    ) -> Samples:
        """Return samples with one more, in histograms as well."""
        now, last_ms = snapshot.now_ms, before.renewed_ms
        kept = (
            0.5 ** (measured_ms / self.cpu_half_life_ms),
            0.5 ** (measured_ms / self.memory_half_life_ms),
        )
        samples = sampled(before, snapshot.machines, taken, measured_ms, kept)
        if last_ms != NONE and now - last_ms < RENEWED_MS:
            return samples
        return renewed(samples, (self.quantile_used, self.quantile_reserved), now)

    @property
    def _rule(self) -> Rule:
        """Return how peaks are predicted, as the loop takes it."""
        in_all = math.ceil(self.cold_start_ms / self.sample_ms)
        return float(self.sigmas), self.samples, in_all, 1.0 + self.margin

    def _given(self, snapshot: Snapshot, cpu: IntArray) -> IntArray:
        """Return what batch is given of the CPU that it might have: where services suffer least.

        Where sensitivities are told pressure x sensitivity is levelled, and no higher than room
        for all jobs that run or wait asks for. Each machine counts the mean of what is reserved.
        """
        if snapshot.sensitivity is None:
            return cpu
        m, replicas = snapshot.machines, snapshot.replicas
        harmed = np.zeros(len(m.state))
        each = snapshot.sensitivity * snapshot.services.replica_cpu_m
        np.add.at(harmed, replicas.machine, each[replicas.service])
        bears = m.cpu_m * m.online_cpu_m / np.maximum(harmed, 1.0)
        need = PACKING * (int(m.batch_cpu_m.sum()) + snapshot.queue.cpu_m)
        at = level(cpu, bears, need)
        if at == math.inf:
            return cpu
        levelled: IntArray = np.minimum(cpu, np.ceil(at * bears).astype(np.int64))
        return frozen(levelled)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColocationOracle(Colocation):
    """The same given the true load of a day: what perfect prediction of CPU would be worth.

    The horizon is that of the oracle of Bashir et al. The peak of a machine is that of its
    replicas: of each its part of the service's largest load, if as many serve as now. Memory that
    will be reserved is what policies decide, which nobody knows: it is predicted as ever.
    """

    @property
    def kind(self) -> str:
        """Return the registered name."""
        return "colocation-oracle"

    @property
    def oracle(self) -> bool:
        """Say that it is shown the future; nothing can be deployed with it."""
        return True

    def _known_cpu_m(self, snapshot: Snapshot) -> FloatArray:
        """Return what services will use of each machine's CPU."""
        services, truth = snapshot.services, snapshot.forecast
        if truth is None:
            return UNKNOWN
        now = snapshot.now_ms
        most_cpu_m = truth.upper(None, now, now + MS_PER_DAY, 1.0)
        each_cpu_m = most_cpu_m / np.maximum(services.online, 1)
        each_cpu_m = np.minimum(each_cpu_m, services.replica_cpu_m)
        serve = snapshot.replicas.online
        used = each_cpu_m[snapshot.replicas.service[serve]]
        peaks_cpu_m = np.zeros(len(snapshot.machines.state))
        np.add.at(peaks_cpu_m, snapshot.replicas.machine[serve], used)
        return frozen(peaks_cpu_m)


def level(room: IntArray, bears: FloatArray, need: float) -> float:
    """Return the least level at which min(room, level x bears) sums to `need`; inf: never does."""
    rows = np.flatnonzero((room > 0) & (bears > 0))
    rows = rows[np.argsort(room[rows] / bears[rows], kind="stable")]
    full = np.concatenate([[0], np.cumsum(room[rows])])  # of the first ones, that are filled up
    rest = np.cumsum(bears[rows][::-1])[::-1]
    levels = (need - full[:-1]) / rest
    holds = np.flatnonzero(levels <= room[rows] / bears[rows])
    return float(levels[holds[0]]) if holds.size else math.inf
