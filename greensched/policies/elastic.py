"""Adaptive elastic capacity: replicas follow the load, freed machines are emptied and sleep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.policies import hpa
from greensched.policies.batch import to_rest, wake_for_queue
from greensched.policies.kernels import machines as kernels
from greensched.policies.machines import (
    BATCH,
    NOTHING,
    ONLINE,
    columns,
    power_actions,
    to_hold_pending,
    to_wake,
)
from greensched.policies.memory import changed, frozen
from greensched.policies.settings import check

if TYPE_CHECKING:
    from greensched.model import (
        Action,
        IntArray,
        Snapshot,
    )

LONG_AGO_MS = -(1 << 60)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ElasticMemory:
    """The HPA's windows, when machines were last freed, and when each was asked to empty."""

    hpa: hpa.HpaMemory = field(default_factory=hpa.HpaMemory)
    asked_ms: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))
    freed_ms: int = LONG_AGO_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticReactive:
    """The HPA rule with step limits; machines it frees are emptied and put to sleep.

    Replicas: n = ceil(n x metric / target), tolerance 0.1, down to the highest recommendation of
    the last 300 s and by at most 30 % in 10 minutes, up by a factor of 2 or 4 replicas a wake;
    replicas that start count as present. Machines: a reserve (the larger of `reserve_machines`
    average machines and `reserve_share` of what is on) stays free of reservations, sleeping
    machines are woken before it is used up, and machines with the least reserved are emptied
    while the rest has room for their replicas and a quarter more than the reserve. Idle
    machines for batch sleep after `idle_ms` and wake for waiting jobs.

    Sources: Kubernetes, "Horizontal Pod Autoscaling"; target, window and step limit as
    collected from Autopilot (EuroSys 2020) and Kapacity; reserve, budget and headroom are ours.
    """

    period_ms: int = 60_000
    target: float = 0.6  # mean use of a replica's request [1]
    tolerance: float = 0.1
    stabilisation_ms: int = 300_000
    up_factor: float = 2.0
    up_step: int = 4
    down_share: float = 0.3
    down_window_ms: int = 600_000
    reserve_machines: int = 1
    reserve_share: float = 0.05
    headroom: float = 0.05  # of each machine, left free by replicas that move there
    free_period_ms: int = 300_000  # between two choices of machines to free
    moves_max: int = 20  # replicas moved at each of them
    drains_share: float = 0.05  # of machines on, emptying at one time (at least one)
    idle_ms: int = 600_000  # as the baseline: no saving comes from it
    retry_ms: int = 1_800_000  # between two attempts to empty one machine
    patience_ms: int = 600_000
    preview: bool = False  # say what it would do, and do nothing

    def __post_init__(self) -> None:
        """Refuse settings outside of their range (`UsageError`)."""
        check(
            self,
            shares=(
                "target",
                "tolerance",
                "down_share",
                "reserve_share",
                "headroom",
                "drains_share",
            ),
            positive=("period_ms", "target", "up_step"),
            natural=(
                "stabilisation_ms",
                "up_factor",
                "down_window_ms",
                "reserve_machines",
                "free_period_ms",
                "moves_max",
                "idle_ms",
                "retry_ms",
                "patience_ms",
            ),
        )

    @property
    def kind(self) -> str:
        """Return the registered name."""
        return "elastic-reactive"

    def first_memory(self) -> ElasticMemory:
        """Return the memory before the first wake."""
        return ElasticMemory()

    def decide(
        self, snapshot: Snapshot, memory: ElasticMemory
    ) -> tuple[tuple[Action, ...], ElasticMemory]:
        """Return the actions to take now and the memory for the next wake."""
        now = snapshot.now_ms
        free = snapshot.period_ms > 0 and now - memory.freed_ms >= self.free_period_ms
        jobs = NOTHING
        if snapshot.queue.jobs:
            takes_jobs = snapshot.machines.role != ONLINE
            jobs = wake_for_queue(snapshot, takes_jobs, patience_ms=self.patience_ms)
        if not free and self._is_settled(snapshot, memory):
            return power_actions(jobs, "on"), memory
        present = hpa.present(snapshot.services)
        wanted, news = self._wanted(snapshot, present, memory)
        scale, lack = hpa.scaled(snapshot.services, present, frozen(wanted))
        if not free and not lack:
            return (*scale, *power_actions(jobs, "on")), changed(memory, **news)
        fleet = _Fleet.of(snapshot, present, wanted, self)
        wake, sleep = fleet.to_wake(snapshot), NOTHING
        if free:
            sleep, rest = self._to_sleep(snapshot, memory, fleet, free=not wake.size)
            news |= rest
        return (
            *scale,
            *power_actions(np.concatenate([wake, jobs]), "on"),
            *power_actions(sleep, "sleep", self.moves_max),
        ), changed(memory, **news)

    def _to_sleep(
        self, snapshot: Snapshot, memory: ElasticMemory, fleet: _Fleet, *, free: bool
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return the machines to put to sleep, those that serve only if some are to be `free`.

        And what is to be remembered of it.
        """
        count, now = len(snapshot.machines.state), snapshot.now_ms
        sleep, asked_ms = to_rest(snapshot, self.idle_ms), memory.asked_ms
        if len(asked_ms) != count:
            asked_ms = frozen(np.full(count, LONG_AGO_MS, np.int64))
        freed = self._freed(snapshot, fleet, asked_ms) if free else NOTHING
        if freed.size:
            sleep, asked_ms = np.concatenate([freed, sleep]), asked_ms.copy()
            asked_ms[freed] = now
        return sleep, {"asked_ms": frozen(asked_ms), "freed_ms": now}

    def _is_settled(self, snapshot: Snapshot, memory: ElasticMemory) -> bool:
        """Say whether the replicas are as wanted, and will be until something changes."""
        return hpa.is_settled(snapshot, memory.hpa)

    def _wanted(
        self, snapshot: Snapshot, present: IntArray, memory: ElasticMemory
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return the replicas that each service is to have, and what is to be remembered."""
        del present
        wanted, windows = hpa.wanted_replicas(snapshot, memory.hpa, self._rule())
        return wanted, {"hpa": windows}

    def _freed(self, snapshot: Snapshot, fleet: _Fleet, asked_ms: IntArray) -> IntArray:
        """Return the machines to empty and put to sleep, those with the least reserved first.

        Those that are idle, and those without jobs whose replicas may move: jobs would keep it
        on, and what uses a GPU cannot move at all. Beyond the budget nothing moves, and only so
        many may be under way.
        """
        m, now = snapshot.machines, snapshot.now_ms
        rows, keys, scratch = np.empty((3, len(m.state)), np.int64)
        serving = int(fleet.total[kernels.SERVING])
        count = kernels.to_free(
            *(columns(m), m.surplus, fleet.room_cpu_m, fleet.room_memory_mib, fleet.total),
            *(fleet.kept_free, asked_ms, (now - self.idle_ms, now - self.retry_ms)),
            *(self.moves_max, max(1, int(self.drains_share * serving)), snapshot.queue.jobs),
            *(rows, keys, scratch),
        )
        return rows[: fleet.spare(snapshot, rows[:count], self.headroom)] if count else NOTHING

    def _rule(self) -> hpa.HpaRule:
        return hpa.HpaRule(
            target=self.target,
            tolerance=self.tolerance,
            stabilisation_ms=self.stabilisation_ms,
            up_factor=self.up_factor,
            up_step=self.up_step,
            down_share=self.down_share,
            down_window_ms=self.down_window_ms,
        )


RESERVE_TO_SLEEP = 1.25  # sleep leaves a quarter more free than wakes a machine: no flapping


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fleet:
    """Room and need of the machines that serve, at one wake."""

    room_cpu_m: IntArray  # of each machine; -1: it does not serve
    room_memory_mib: IntArray
    total: IntArray  # as `kernels.rooms` has it
    reserve_cpu_m: float
    reserve_memory_mib: float

    @classmethod
    def of(
        cls, snapshot: Snapshot, present: IntArray, wanted: IntArray, policy: ElasticReactive
    ) -> _Fleet:
        m, view = snapshot.machines, snapshot.services
        room_cpu_m, room_memory_mib = np.empty((2, len(m.state)), np.int64)
        total = np.empty(kernels.ROOMS, np.int64)
        kernels.rooms(
            m.state,
            m.lending,
            m.surplus,
            m.role,
            m.cpu_m,
            m.memory_mib,
            m.online_cpu_m,
            m.online_memory_mib,
            m.batch_cpu_m,
            m.batch_memory_mib,
            m.replicas,
            m.gpu_free_m,
            *(present, wanted),
            (view.replica_cpu_m, view.replica_memory_mib, view.replica_gpu_m),
            room_cpu_m,
            room_memory_mib,
            total,
        )
        serving = int(total[kernels.SERVING])
        least = max(policy.reserve_share, policy.reserve_machines / max(1, serving))
        return cls(
            room_cpu_m=room_cpu_m,
            room_memory_mib=room_memory_mib,
            total=total,
            reserve_cpu_m=least * int(total[kernels.SERVING_CPU_M]),
            reserve_memory_mib=least * int(total[kernels.SERVING_MEMORY_MIB]),
        )

    def to_wake(self, snapshot: Snapshot) -> IntArray:
        """Return the machines to wake: for the reserve, and for replicas without room."""
        view, total = snapshot.services, self.total.tolist()
        need_cpu_m = (
            self.reserve_cpu_m
            + total[kernels.COMING_CPU_M]
            - total[kernels.ROOM_CPU_M]
            - total[kernels.BOOTING_CPU_M]
        )
        need_memory_mib = (
            self.reserve_memory_mib
            + total[kernels.COMING_MEMORY_MIB]
            - total[kernels.ROOM_MEMORY_MIB]
            - total[kernels.BOOTING_MEMORY_MIB]
        )
        gpu_m = total[kernels.COMING_GPU_M] - total[kernels.ROOM_GPU_M]
        if need_cpu_m <= 0 and need_memory_mib <= 0 and gpu_m <= 0 and not view.pending.any():
            return NOTHING
        m = snapshot.machines
        serves = m.role != BATCH
        return np.concatenate(
            [
                to_wake(m, serves, need_cpu_m, need_memory_mib),
                to_wake(m, serves, 0, 0, gpu_m),
                to_hold_pending(snapshot, serves),
            ]
        )

    @property
    def kept_free(self) -> tuple[float, float]:
        """Return the CPU and memory that sleep leaves free: the reserve, and a quarter."""
        return (
            RESERVE_TO_SLEEP * self.reserve_cpu_m + int(self.total[kernels.ALL_CPU_M]),
            RESERVE_TO_SLEEP * self.reserve_memory_mib + int(self.total[kernels.ALL_MEMORY_MIB]),
        )

    def spare(self, snapshot: Snapshot, rows: IntArray, headroom: float) -> int:
        """Return how many of the first of `rows` may go, their replicas fitting elsewhere.

        Room is counted in places for the largest replica that may have to move, `headroom` of
        each machine left free, so that enough places means that every replica fits, whatever the
        order.
        """
        m, view, replicas = snapshot.machines, snapshot.services, snapshot.replicas
        count: int = kernels.spare(
            *(rows, self.room_cpu_m, self.room_memory_mib, m.cpu_m, m.memory_mib, m.replicas),
            *(headroom, replicas.machine, replicas.service),
            *(view.replica_cpu_m, view.replica_memory_mib, np.empty(len(m.state), np.int64)),
        )
        return count
