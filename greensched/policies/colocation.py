"""Co-location: batch runs beside services in what they reserve and will not use."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.errors import Finding
from greensched.model import NONE, ON, BatchLimit
from greensched.policies.batch import to_rest, wake_for_queue
from greensched.policies.kernels import colocation as kernels
from greensched.policies.machines import (
    NOTHING,
    ONLINE,
    columns,
    ours,
    power_actions,
)
from greensched.policies.memory import changed, frozen
from greensched.policies.peaks import Samples, no_samples, nothing_taken, sampled
from greensched.policies.settings import check
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from greensched.model import (
        Action,
        FloatArray,
        IntArray,
        Snapshot,
    )
    from greensched.policies.kernels.peaks import Rule

HOURS = 24
UNKNOWN: FloatArray = frozen(np.empty(0))

# What guards compare with, as their loops take it.
_bounds = attrgetter("max_cpu", "max_memory", "starved_below", "starved_to")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColocationMemory:
    """The sample being taken, those of before, when limits were set, and where batch starves.

    `taken` [3, machines] in `measured_ms`, see `kernels.peaks.add_up`; `lows`: fewest machines
    that served in each hour of the last day; `starved_ms`: for how long batch has been held below
    its satisfaction.
    """

    taken: FloatArray = field(default_factory=lambda: nothing_taken(0))
    measured_ms: int = 0
    samples: Samples = field(default_factory=Samples)
    limited_ms: int = NONE
    lows: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))
    starved_ms: IntArray = field(default_factory=lambda: NOTHING)  # empty: nowhere


@dataclass(frozen=True, slots=True, kw_only=True)
class ColocationNsigma:
    """Allocatable batch = capacity - safety margin - predicted peak of online use, guarded.

    Every `limit_period_ms` each machine that serves lets batch reserve `reclaim_cpu_share` of its
    CPU less the predicted peak of its services, and `reclaim_memory_share` of its memory less what
    they reserve (their memory in use is not measured). The peak is the mean and `sigmas` standard
    deviations of `samples` samples of `sample_ms`, at most the reservation; samples are of use
    over reservation, so that replicas which come or go count at once. Until a machine has
    all its samples it counts as fully used. Guards at every wake: batch may use what services
    leave of `max_cpu` of the CPU (suppress), takes no more work above it, and is evicted where
    more than `max_memory` of the memory is allocated. Dedicated batch machines empty for
    `sleep_idle_ms` sleep, and wake for jobs that wait beyond the room left beside services.

    Sources: Bashir et al., EuroSys 2021, doi:10.1145/3447786.3456259 (N-sigma, n = 5, 24
    samples of 5 min, cap at the limit); Koordinator (formula, reclaim thresholds CPU 60 %,
    memory 65 %, update 300 s, suppress above 65 % CPU, evict above 70 % memory).
    """

    period_ms: int = 60_000
    limit_period_ms: int = 300_000
    reclaim_cpu_share: float = 0.60
    reclaim_memory_share: float = 0.65
    max_cpu: float = 0.65
    max_memory: float = 0.70
    min_reserved: float = 0.5  # by services of the CPU; machines below are to become empty
    job_max_ms: int = 14_400_000  # for jobs without checkpoints
    starved_below: float = 0.60  # what batch may use over what it reserves
    starved_to: float = 0.80
    starved_after_ms: int = 300_000
    sigmas: float = 5.0
    samples: int = 24
    sample_ms: int = 300_000
    sleep_idle_ms: int = 1_800_000
    patience_ms: int = 300_000

    def __post_init__(self) -> None:
        """Refuse settings outside of their range (`UsageError`)."""
        findings = []
        if self.reclaim_memory_share > self.max_memory:
            findings.append(
                Finding(
                    where="reclaim_memory_share",
                    what="is above max_memory",
                    remedy="else batch is admitted to be evicted",
                )
            )
        check(
            self,
            shares=(
                "reclaim_cpu_share",
                "reclaim_memory_share",
                "max_cpu",
                "max_memory",
                "min_reserved",
                "starved_below",
                "starved_to",
            ),
            positive=("period_ms", "limit_period_ms", "samples", "sample_ms", "job_max_ms"),
            natural=("sigmas", "sleep_idle_ms", "patience_ms", "starved_after_ms"),
            findings=findings,
        )

    @property
    def kind(self) -> str:
        """Return the registered name."""
        return "colocation-nsigma"

    def first_memory(self) -> ColocationMemory:
        """Return the memory before the first wake."""
        return ColocationMemory()

    def decide(
        self, snapshot: Snapshot, memory: ColocationMemory
    ) -> tuple[tuple[Action, ...], ColocationMemory]:
        """Return the actions to take now and the memory for the next wake."""
        m, now = snapshot.machines, snapshot.now_ms
        if memory.taken.shape[1] != len(m.state):
            memory = self._begun(memory, len(m.state))
        taken, suspicious = self._watched(snapshot, memory.taken)
        measured_ms, samples = memory.measured_ms + snapshot.period_ms, memory.samples
        if measured_ms >= self.sample_ms:
            samples = self._sampled(snapshot, samples, taken, measured_ms)
            taken, measured_ms = nothing_taken(len(m.state)), 0
        news: dict[str, Any] = {"taken": taken, "measured_ms": measured_ms, "samples": samples}
        limits, dedicated = (m.batch_limit_cpu_m, m.batch_limit_memory_mib), False
        due = memory.limited_ms == NONE or now - memory.limited_ms >= self.limit_period_ms
        if due:
            news["lows"], limits, dedicated = self._limits(snapshot, memory, samples)
            news["limited_ms"] = now
        actions: tuple[Action, ...] = ()
        if due or suspicious or memory.starved_ms.size:
            before_ms = memory.starved_ms
            actions, news["starved_ms"] = self._guarded(snapshot, limits, before_ms, due=due)
        if snapshot.queue.jobs:
            actions += self._wakes(snapshot, *limits)
        elif dedicated:
            actions += self._rests(snapshot, *limits)
        return actions, changed(memory, **news)

    def _watched(self, snapshot: Snapshot, before: FloatArray) -> tuple[FloatArray, bool]:
        """Return the sums with what was measured since the last wake, and whether to look closer.

        That is where a guard may have something to do on any machine; mostly there is none.
        """
        m, taken = snapshot.machines, before.copy()
        suspicious = kernels.watch(
            *(columns(m), m.surplus, m.batch_limit_cpu_m, m.online_use_cpu_m, m.batch_use_cpu_m),
            *(_bounds(self), snapshot.period_ms, taken),
        )
        return frozen(taken), suspicious

    def _wakes(
        self, snapshot: Snapshot, cpu: IntArray, memory_mib: IntArray
    ) -> tuple[Action, ...]:
        """Return the machines for batch alone to wake for what finds no room beside services."""
        m = snapshot.machines
        among = m.role != ONLINE
        if not ((m.state != ON) & among & ours(m)).any():
            return ()
        room_cpu_m, room_memory_mib = _room(snapshot, cpu, memory_mib)
        wake = wake_for_queue(
            snapshot,
            among,
            patience_ms=self.patience_ms,
            room_cpu_m=int(room_cpu_m),
            room_memory_mib=int(room_memory_mib),
        )
        return power_actions(wake, "on")

    def _rests(
        self, snapshot: Snapshot, cpu: IntArray, memory_mib: IntArray
    ) -> tuple[Action, ...]:
        """Return the machines for batch alone to put to rest while there is room elsewhere."""
        room = _room(snapshot, cpu, memory_mib)
        return power_actions(to_rest(snapshot, self.sleep_idle_ms, *room), "sleep")

    def _begun(self, memory: ColocationMemory, count: int) -> ColocationMemory:
        """Return the memory of `count` machines without samples."""
        return changed(
            memory,
            taken=nothing_taken(count),
            measured_ms=0,
            samples=self._no_samples(count),
            starved_ms=NOTHING,
        )

    def _no_samples(self, count: int) -> Samples:
        """Return those of `count` machines before anything was measured."""
        return no_samples(self.samples, count, histograms=False)

    def _sampled(
        self, snapshot: Snapshot, before: Samples, taken: FloatArray, measured_ms: int
    ) -> Samples:
        """Return samples with one more; a machine apart starts anew."""
        return sampled(before, snapshot.machines, taken, measured_ms)

    def _limits(
        self, snapshot: Snapshot, memory: ColocationMemory, samples: Samples
    ) -> tuple[IntArray, tuple[IntArray, IntArray], bool]:
        """Return what batch may reserve: CPU [millicores] and memory [MiB] of each machine.

        Before it the fewest machines in each hour of the last day that served and might take
        jobs: as many as ever have room, those with jobs first, then those with the most reserved.
        After it whether any machine that is on is for batch alone.
        """
        m, hour = snapshot.machines, snapshot.now_ms // MS_PER_H
        lows = memory.lows.copy() if memory.lows.size else np.full(HOURS, NONE, np.int64)
        peaks, made = np.empty((2, len(m.state))), np.empty((6, len(m.state)), np.int64)
        dedicated = kernels.limits(
            *(columns(m), m.surplus, samples.ratios, samples.counts, samples.shares),
            *(self._rule, self._known_cpu_m(snapshot)),
            *((self.reclaim_cpu_share, self.reclaim_memory_share), self.min_reserved),
            *(hour % HOURS, hour == memory.limited_ms // MS_PER_H, lows),
            *(peaks, made),
        )
        cpu_m = self._given(snapshot, frozen(made[0]))
        return frozen(lows), (cpu_m, frozen(made[1])), dedicated

    @property
    def _rule(self) -> Rule:
        """Return how peaks are predicted, as the loop takes it."""
        return float(self.sigmas), self.samples, 0, 0.0

    def _known_cpu_m(self, snapshot: Snapshot) -> FloatArray:
        """Return what services will use of each machine's CPU; empty: nobody knows."""
        del snapshot
        return UNKNOWN

    def _given(self, snapshot: Snapshot, cpu: IntArray) -> IntArray:
        """Return what batch is given of the CPU that it might have of each machine: all."""
        del snapshot
        return cpu

    def _guarded(
        self,
        snapshot: Snapshot,
        limits: tuple[IntArray, IntArray],
        before_ms: IntArray,
        *,
        due: bool,
    ) -> tuple[tuple[Action, ...], IntArray]:
        """Return the limits to set on machines: all when due, else those that a guard lowers.

        And for how long batch has been held below its satisfaction, as `before_ms` has it.
        """
        m = snapshot.machines
        starved_ms, held = np.empty(len(m.state), np.int64), np.empty((6, len(m.state)), np.int64)
        plain, evicting, starves = kernels.guard(
            *(columns(m), m.surplus, m.batch_limit_cpu_m, m.online_use_cpu_m, m.batch_use_cpu_m),
            *(_bounds(self), (snapshot.period_ms, self.starved_after_ms), due, before_ms),
            *(*limits, starved_ms, held),
        )
        actions: tuple[Action, ...] = (self._limit(held[:3, :plain]),) if plain else ()
        if evicting:
            actions += (self._limit(held[3:, :evicting], evict=True),)
        return actions, frozen(starved_ms) if starves else NOTHING

    def _limit(self, held: IntArray, *, evict: bool = False) -> BatchLimit:
        """Return the limits of machines: rows of `held` are machine, CPU and memory."""
        machines, cpu_m, memory_mib = frozen(held)
        return BatchLimit(
            machines=machines,
            cpu_m=cpu_m,
            memory_mib=memory_mib,
            use_share=self.max_cpu,
            job_ms_max=self.job_max_ms,
            evict=evict,
        )


def _room(snapshot: Snapshot, cpu: IntArray, memory_mib: IntArray) -> tuple[float, float]:
    """Return the CPU and memory of the places for an average task beside services."""
    m, queue = snapshot.machines, snapshot.queue
    waits = queue.cpu_m / max(1, queue.jobs), queue.memory_mib / max(1, queue.jobs)
    room: tuple[float, float] = kernels.beside(columns(m), m.surplus, cpu, memory_mib, waits)
    return room
