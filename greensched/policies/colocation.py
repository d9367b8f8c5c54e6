"""Co-location: batch runs beside services in what they reserve and will not use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import Finding
from greensched.model import NONE, ON, BatchLimit
from greensched.policies.batch import REST_BELOW, average_task, to_rest, wake_for_queue
from greensched.policies.kernels import colocation as kernels
from greensched.policies.machines import (
    BATCH,
    NOTHING,
    ONLINE,
    columns,
    ours,
    power_actions,
)
from greensched.policies.memory import changed, frozen
from greensched.policies.peaks import Sums, n_sigma
from greensched.policies.settings import check
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from greensched.model import (
        Action,
        BoolArray,
        FloatArray,
        IntArray,
        MachineView,
        Snapshot,
    )

HOURS = 24
USES_ALL = 0.9  # of what it is allowed (Koordinator: 90 %)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColocationMemory:
    """Samples of use over reservation [samples, machines] [1], when limits were set, starvation.

    `samples`: how many of a machine's are in a row; `lows`: fewest machines that served in each
    hour of the last day; `starved_ms`: for how long batch has been held below its satisfaction.
    """

    sums: Sums = field(default_factory=Sums)
    ratios: FloatArray = field(default_factory=lambda: frozen(np.empty((0, 0))))
    samples: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))
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
        memory = self._measured(snapshot, memory)
        if memory.limited_ms != NONE and now - memory.limited_ms < self.limit_period_ms:
            return self._watched(snapshot, memory)
        rows = _shared(m)
        lows = _lows(memory.lows, memory.limited_ms, now, len(rows))
        cpu, memory_mib = self._limits(snapshot, memory)
        self._leave_steady(m, rows, int(lows.min()), cpu)
        cpu = self._given(snapshot, cpu)
        guard = _Guard.of(m, rows, self.max_cpu)
        starved_ms = self._starved(snapshot, memory.starved_ms, guard)
        actions = self._guarded(m, guard, cpu, memory_mib, starved_ms, due=True)
        actions += self._wakes(snapshot, cpu, memory_mib)
        actions += self._rests(snapshot, cpu, memory_mib)
        return actions, changed(memory, limited_ms=now, lows=lows, starved_ms=starved_ms)

    def _watched(
        self, snapshot: Snapshot, memory: ColocationMemory
    ) -> tuple[tuple[Action, ...], ColocationMemory]:
        """Return the answer between two updates of all limits: guards, and machines to wake."""
        m = snapshot.machines
        cpu, memory_mib = m.batch_limit_cpu_m, m.batch_limit_memory_mib
        actions: tuple[Action, ...] = ()
        rows = self._suspect(m)
        if rows.size or memory.starved_ms.size:
            guard = _Guard.of(m, rows, self.max_cpu)
            starved_ms = self._starved(snapshot, memory.starved_ms, guard)
            actions = self._guarded(m, guard, cpu, memory_mib, starved_ms, due=False)
            if starved_ms is not memory.starved_ms:
                memory = changed(memory, starved_ms=starved_ms)
        return actions + self._wakes(snapshot, cpu, memory_mib), memory

    def _suspect(self, m: MachineView) -> IntArray:
        """Return the machines with jobs where a guard may have something to do; mostly none."""
        rows = np.empty(len(m.state), np.int64)
        count = kernels.suspects(
            *(columns(m), m.surplus, m.batch_limit_cpu_m, m.online_use_cpu_m, m.batch_use_cpu_m),
            *(self.max_cpu, self.max_memory, self.starved_below),
            rows,
        )
        return rows[:count]

    def _wakes(
        self, snapshot: Snapshot, cpu: IntArray, memory_mib: IntArray
    ) -> tuple[Action, ...]:
        """Return the machines for batch alone to wake for what finds no room beside services."""
        m = snapshot.machines
        if not snapshot.queue.jobs:
            return ()
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
        m = snapshot.machines
        if snapshot.queue.jobs:
            return ()
        light = (m.role == BATCH) & (m.state == ON) & (m.batch_cpu_m <= REST_BELOW * m.cpu_m)
        if not light.any():
            return ()
        room = _room(snapshot, cpu, memory_mib)
        return power_actions(to_rest(snapshot, self.sleep_idle_ms, *room), "sleep")

    def _starved(self, snapshot: Snapshot, before: IntArray, guard: _Guard) -> IntArray:
        """Return for how long batch has been held below its satisfaction on each machine."""
        m = snapshot.machines
        if len(before) != len(m.state):
            before = NOTHING
        batch_cpu_m = m.batch_cpu_m[guard.rows]
        starves = guard.busy & (guard.left_cpu_m < self.starved_below * batch_cpu_m)
        # It uses what it is allowed: a job that idles does not starve.
        starves &= m.batch_use_cpu_m[guard.rows] >= USES_ALL * guard.left_cpu_m
        if not starves.any():
            return NOTHING
        starved_ms = np.zeros(len(m.state), np.int64)
        rows = guard.rows[starves]
        starved_ms[rows] = snapshot.period_ms
        if before.size:
            starved_ms[rows] += before[rows]
        return frozen(starved_ms)

    def _measured(self, snapshot: Snapshot, memory: ColocationMemory) -> ColocationMemory:
        """Return the memory with the use since the last wake, a sample taken when it is full."""
        m = snapshot.machines
        if len(memory.samples) != len(m.state):
            memory = self._begun(memory, len(m.state))
        sums = memory.sums.and_of(m, snapshot.period_ms)
        if sums.measured_ms < self.sample_ms:
            return changed(memory, sums=sums)
        known = np.zeros(len(m.state), np.bool_)
        known[_shared(m)] = True
        known &= (m.online_cpu_m > 0) & ~sums.stale
        return self._sampled(snapshot, changed(memory, sums=sums), known)

    def _begun(self, memory: ColocationMemory, count: int) -> ColocationMemory:
        """Return the memory of `count` machines without samples."""
        return changed(
            memory,
            sums=Sums.none(count),
            ratios=frozen(np.zeros((self.samples, count))),
            samples=frozen(np.zeros(count, np.int64)),
        )

    def _sampled(
        self, snapshot: Snapshot, memory: ColocationMemory, known: BoolArray
    ) -> ColocationMemory:
        """Return the memory with the sample that its sums make; a machine apart starts anew."""
        ratios, samples = memory.sums.sample(known, memory.ratios, memory.samples)
        count = len(snapshot.machines.state)
        return changed(memory, sums=Sums.none(count), ratios=ratios, samples=samples)

    def _leave_steady(self, m: MachineView, rows: IntArray, count: int, cpu: IntArray) -> None:
        """Leave room on those of machines `rows` that batch may join: at most `count`.

        Those with jobs first, then those with the most reserved.
        """
        chosen, keys, scratch = np.empty((3, len(cpu)), np.int64)
        kernels.steady(columns(m), rows, count, self.min_reserved, cpu, chosen, keys, scratch)

    def _given(self, snapshot: Snapshot, cpu: IntArray) -> IntArray:
        """Return what batch is given of the CPU that it might have of each machine: all."""
        del snapshot
        return cpu

    def _peaks(
        self, snapshot: Snapshot, memory: ColocationMemory
    ) -> tuple[FloatArray, FloatArray]:
        """Return what services will use of each machine's CPU, and reserve of its memory."""
        m = snapshot.machines
        warm = memory.samples >= self.samples
        share = np.where(warm, n_sigma(memory.ratios, self.sigmas), 1.0)
        return share * m.online_cpu_m, m.online_memory_mib.astype(np.float64)

    def _limits(self, snapshot: Snapshot, memory: ColocationMemory) -> tuple[IntArray, IntArray]:
        """Return the CPU [millicores] and memory [MiB] that batch may reserve of each machine."""
        m = snapshot.machines
        peak_cpu_m, peak_memory_mib = self._peaks(snapshot, memory)
        cpu, memory_mib = np.empty((2, len(m.state)), np.int64)
        reclaimed = (self.reclaim_cpu_share, self.reclaim_memory_share)
        kernels.room(columns(m), peak_cpu_m, peak_memory_mib, reclaimed, cpu, memory_mib)
        return cpu, memory_mib

    def _guarded(
        self,
        m: MachineView,
        guard: _Guard,
        cpu: IntArray,
        memory: IntArray,
        starved_ms: IntArray,
        *,
        due: bool,
    ) -> tuple[Action, ...]:
        """Return the limits to set: all when due, else those that a guard lowers."""
        rows, busy = guard.rows, guard.busy
        batch_cpu_m = m.batch_cpu_m[rows]
        hot = busy & (m.batch_use_cpu_m[rows] > guard.left_cpu_m)
        evict = np.zeros(len(rows), np.bool_)
        held = np.where(hot, np.minimum(cpu[rows], batch_cpu_m), cpu[rows])
        held_mib = memory[rows]
        if self.max_memory < 1 or starved_ms.size:
            evict, held, held_mib = self._evicting(m, guard, held, held_mib, starved_ms)
        plain = ~evict if due else hot & (held < m.batch_limit_cpu_m[rows]) & ~evict
        return tuple(
            BatchLimit(
                machines=frozen(rows[which]),
                cpu_m=frozen(held[which]),
                memory_mib=frozen(held_mib[which]),
                use_share=self.max_cpu,
                job_ms_max=self.job_max_ms,
                evict=evicts,
            )
            for which, evicts in ((plain, False), (evict, True))
            if which.any()
        )

    def _evicting(
        self,
        m: MachineView,
        guard: _Guard,
        cpu: IntArray,
        memory: IntArray,
        starved_ms: IntArray,
    ) -> tuple[BoolArray, IntArray, IntArray]:
        """Return the machines of `guard` that evict, and all limits with what evicts."""
        rows = guard.rows
        batch_cpu_m, batch_memory_mib = m.batch_cpu_m[rows], m.batch_memory_mib[rows]
        online_memory_mib = m.online_memory_mib[rows]
        allowed = np.floor(self.max_memory * m.memory_mib[rows]).astype(np.int64)
        full = guard.busy & (online_memory_mib + batch_memory_mib > allowed)
        # Evicting for one resource must not also evict for the other.
        cpu = np.where(full, np.maximum(cpu, batch_cpu_m), cpu)
        memory = np.where(full, np.maximum(allowed - online_memory_mib, 0), memory)
        if not starved_ms.size:
            return full, cpu, memory
        starved = starved_ms[rows] >= max(self.starved_after_ms, 1)
        kept = (1 - self.starved_to) * batch_cpu_m + np.maximum(guard.left_cpu_m, 0)
        kept = np.floor(kept).astype(np.int64)
        cpu = np.where(starved, np.minimum(kept, batch_cpu_m), cpu)
        memory = np.where(starved & ~full, np.maximum(memory, batch_memory_mib), memory)
        return full | starved, cpu, memory


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guard:
    """Machines that share, which of them have jobs, and the CPU that is left for these."""

    rows: IntArray
    busy: BoolArray  # of `rows`
    left_cpu_m: FloatArray  # of `max_cpu`, by services; negative where they use more

    @classmethod
    def of(cls, m: MachineView, rows: IntArray, max_cpu: float) -> _Guard:
        left_cpu_m = max_cpu * m.cpu_m[rows] - m.online_use_cpu_m[rows]
        return cls(rows=rows, busy=m.jobs[rows] > 0, left_cpu_m=left_cpu_m)


def _room(snapshot: Snapshot, cpu: IntArray, memory_mib: IntArray) -> tuple[float, float]:
    """Return the CPU and memory of the places for an average task beside services."""
    m = snapshot.machines
    task_cpu_m, task_memory_mib = average_task(snapshot)
    # Room for a part of a job is none: count places for an average one.
    places = np.minimum(
        (cpu - m.batch_cpu_m) // max(task_cpu_m, 1.0),
        (memory_mib - m.batch_memory_mib) // max(task_memory_mib, 1.0),
    )
    places_sum = float(np.maximum(places, 0)[_shared(m)].sum())
    return places_sum * task_cpu_m, places_sum * task_memory_mib


def _shared(m: MachineView) -> IntArray:
    """Return the machines that serve and may take jobs as well: on, ours, with services."""
    rows = np.empty(len(m.state), np.int64)
    return rows[: kernels.shared(columns(m), m.surplus, rows)]


def _lows(before: IntArray, last_ms: int, now_ms: int, count: int) -> IntArray:
    """Return the fewest machines that served in each hour of the last day."""
    if not before.size:
        return frozen(np.full(HOURS, count, np.int64))
    lows, hour = before.copy(), now_ms // MS_PER_H
    same = hour == last_ms // MS_PER_H
    lows[hour % HOURS] = min(count, int(lows[hour % HOURS])) if same else count
    return frozen(lows)
