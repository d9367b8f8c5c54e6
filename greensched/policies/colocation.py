"""Co-location: batch runs beside services in what they reserve and will not use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import Finding
from greensched.model import NONE, ON, OWN, BatchLimit
from greensched.policies.batch import average_task, to_rest, wake_for_queue
from greensched.policies.machines import (
    ANY,
    BATCH,
    NOTHING,
    ONLINE,
    idle_for,
    ours,
    power_actions,
)
from greensched.policies.memory import frozen
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
class PeakMemory:
    """Use over reservation of each machine [1]: full samples, and the sums of the next one."""

    ratios: FloatArray = field(default_factory=lambda: frozen(np.empty((0, 0), np.float64)))
    samples: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))
    use: FloatArray = field(default_factory=lambda: frozen(np.empty(0, np.float64)))
    reserved: FloatArray = field(default_factory=lambda: frozen(np.empty(0, np.float64)))
    stale: BoolArray = field(default_factory=lambda: frozen(np.empty(0, np.bool_)))
    measured_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColocationMemory:
    """Samples of use, when limits were set, and for how long batch starves."""

    peak: PeakMemory = field(default_factory=PeakMemory)
    limited_ms: int = NONE
    lows: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))
    starved_ms: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))


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
        peak = self._measured(snapshot, memory.peak)
        limited_ms, lows = memory.limited_ms, memory.lows
        cpu, memory_mib = m.batch_limit_cpu_m, m.batch_limit_memory_mib
        due = limited_ms == NONE or now - limited_ms >= self.limit_period_ms
        if due:
            rows = np.flatnonzero(_shared(m))
            cpu, memory_mib = self._limits(m, peak)
            lows = _lows(memory.lows, limited_ms, now, len(rows))
            cpu = cpu * self._steady(m, rows, int(lows.min()))
            limited_ms = now
        else:
            rows = np.flatnonzero((m.jobs > 0) & (m.role != BATCH))
            rows = rows[_shared(m)[rows]] if rows.size else rows
        guard = _Guard.of(m, rows, self.max_cpu)
        starved_ms = self._starved(snapshot, memory.starved_ms, guard)
        actions = self._guarded(m, guard, cpu, memory_mib, starved_ms, due=due)
        wake, sleep = self._dedicated(snapshot, cpu, memory_mib, due=due)
        actions += (*power_actions(wake, "on"), *power_actions(sleep, "sleep"))
        return actions, ColocationMemory(
            peak=peak, limited_ms=limited_ms, lows=lows, starved_ms=starved_ms
        )

    def _dedicated(
        self,
        snapshot: Snapshot,
        cpu: IntArray,
        memory_mib: IntArray,
        *,
        due: bool,
    ) -> tuple[IntArray, IntArray]:
        """Return the machines for batch alone to wake and to rest."""
        m = snapshot.machines
        if not due and (snapshot.queue.jobs == 0 or not (m.state != ON).any()):
            return NOTHING, NOTHING
        task_cpu_m, task_memory_mib = average_task(snapshot)
        # Room for a part of a job is none: count places for an average one.
        places = np.minimum(
            (cpu - m.batch_cpu_m) // max(task_cpu_m, 1.0),
            (memory_mib - m.batch_memory_mib) // max(task_memory_mib, 1.0),
        )
        places_sum = float(np.maximum(places, 0) @ _shared(m))
        room_cpu_m, room_memory_mib = places_sum * task_cpu_m, places_sum * task_memory_mib
        wake = wake_for_queue(
            snapshot,
            m.role != ONLINE,
            patience_ms=self.patience_ms,
            room_cpu_m=int(room_cpu_m),
            room_memory_mib=int(room_memory_mib),
        )
        if not due:
            return wake, NOTHING
        idle = idle_for(snapshot, self.sleep_idle_ms)
        return wake, to_rest(snapshot, idle, room_cpu_m, room_memory_mib)

    def _starved(self, snapshot: Snapshot, before: IntArray, guard: _Guard) -> IntArray:
        """Return for how long batch has been held below its satisfaction on each machine."""
        m = snapshot.machines
        if len(before) != len(m.state):
            before = frozen(np.zeros(len(m.state), np.int64))
        batch_cpu_m = m.batch_cpu_m[guard.rows]
        starves = guard.busy & (guard.left_cpu_m < self.starved_below * batch_cpu_m)
        # It uses what it is allowed: a job that idles does not starve.
        starves &= m.batch_use_cpu_m[guard.rows] >= USES_ALL * guard.left_cpu_m
        if not starves.any() and not before.any():
            return before
        starved_ms = np.zeros(len(before), np.int64)
        rows = guard.rows[starves]
        starved_ms[rows] = before[rows] + snapshot.period_ms
        return frozen(starved_ms)

    def _measured(self, snapshot: Snapshot, memory: PeakMemory) -> PeakMemory:
        """Return `memory` with the use since the last wake; a machine apart starts anew."""
        m, period = snapshot.machines, snapshot.period_ms
        count = len(m.state)
        if len(memory.samples) != count:
            memory = PeakMemory(
                ratios=np.zeros((self.samples, count)),
                samples=np.zeros(count, np.int64),
                use=np.zeros(count),
                reserved=np.zeros(count),
                stale=np.zeros(count, np.bool_),
            )
        use = memory.use + m.online_use_cpu_m * period
        reserved = memory.reserved + m.online_cpu_m * period
        stale = memory.stale | (m.lending != OWN)
        measured_ms = memory.measured_ms + period
        ratios, samples = memory.ratios, memory.samples
        if measured_ms >= self.sample_ms:
            ratio = np.minimum(use / np.maximum(reserved, 1.0), 1.0)
            ratios = np.concatenate([ratios[1:], ratio[None]])
            known = _shared(m) & (m.online_cpu_m > 0) & ~stale
            samples = np.where(known, np.minimum(samples + 1, self.samples), 0)
            use, reserved, stale = np.zeros(count), np.zeros(count), np.zeros(count, np.bool_)
            measured_ms = 0
        return PeakMemory(
            ratios=frozen(ratios),
            samples=frozen(samples),
            use=frozen(use),
            reserved=frozen(reserved),
            stale=frozen(stale),
            measured_ms=measured_ms,
        )

    def _steady(self, m: MachineView, rows: IntArray, count: int) -> BoolArray:
        """Return those of machines `rows` that batch may join: with jobs, then most reserved."""
        rows = rows[m.online_cpu_m[rows] >= self.min_reserved * m.cpu_m[rows]]
        order = rows[np.lexsort((-m.online_cpu_m[rows], m.jobs[rows] == 0))]
        steady = np.zeros(len(m.state), np.bool_)
        steady[order[:count]] = True
        return steady

    def _limits(self, m: MachineView, peak: PeakMemory) -> tuple[IntArray, IntArray]:
        """Return the CPU [millicores] and memory [MiB] that batch may reserve of each machine."""
        mean = peak.ratios.sum(axis=0) / self.samples
        apart = peak.ratios - mean
        # As std(axis=0), at a third of its time.
        deviation = np.sqrt(np.einsum("ij,ij->j", apart, apart) / self.samples)
        predicted = np.minimum(mean + self.sigmas * deviation, 1)
        share = np.where(peak.samples >= self.samples, predicted, 1.0)
        cpu = np.floor(self.reclaim_cpu_share * m.cpu_m - np.ceil(share * m.online_cpu_m))
        memory = np.floor(self.reclaim_memory_share * m.memory_mib) - m.online_memory_mib
        return np.maximum(cpu, 0).astype(np.int64), np.maximum(memory, 0).astype(np.int64)

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
        batch_cpu_m, batch_memory_mib = m.batch_cpu_m[rows], m.batch_memory_mib[rows]
        online_memory_mib = m.online_memory_mib[rows]
        hot = busy & (m.batch_use_cpu_m[rows] > guard.left_cpu_m)
        allowed = np.floor(self.max_memory * m.memory_mib[rows]).astype(np.int64)
        full = busy & (online_memory_mib + batch_memory_mib > allowed)
        starved = starved_ms[rows] >= max(self.starved_after_ms, 1)
        evict = full | starved
        if not due and not (hot | evict).any():
            return ()
        cpu, memory = cpu[rows], memory[rows]
        cpu = np.where(hot, np.minimum(cpu, batch_cpu_m), cpu)
        # Evicting for one resource must not also evict for the other.
        cpu = np.where(full, np.maximum(cpu, batch_cpu_m), cpu)
        memory = np.where(full, np.maximum(allowed - online_memory_mib, 0), memory)
        kept = (1 - self.starved_to) * batch_cpu_m + np.maximum(guard.left_cpu_m, 0)
        kept = np.floor(kept).astype(np.int64)
        cpu = np.where(starved, np.minimum(kept, batch_cpu_m), cpu)
        memory = np.where(starved & ~full, np.maximum(memory, batch_memory_mib), memory)
        plain = ~evict if due else hot & (cpu < m.batch_limit_cpu_m[rows]) & ~evict
        return tuple(
            BatchLimit(
                machines=frozen(rows[which]),
                cpu_m=frozen(cpu[which]),
                memory_mib=frozen(memory[which]),
                use_share=self.max_cpu,
                job_ms_max=self.job_max_ms,
                evict=evicts,
            )
            for which, evicts in ((plain, False), (evict, True))
            if which.any()
        )


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


def _shared(m: MachineView) -> BoolArray:
    """Return the machines that serve and may take jobs as well: on, ours, with services."""
    serves = (m.role == ONLINE) | ((m.role == ANY) & (m.replicas > 0))
    shared: BoolArray = serves & (m.state == ON) & ours(m)
    return shared


def _lows(before: IntArray, last_ms: int, now_ms: int, count: int) -> IntArray:
    """Return the fewest machines that served in each hour of the last day."""
    if not before.size:
        return frozen(np.full(HOURS, count, np.int64))
    lows, hour = before.copy(), now_ms // MS_PER_H
    same = hour == last_ms // MS_PER_H
    lows[hour % HOURS] = min(count, int(lows[hour % HOURS])) if same else count
    return frozen(lows)
