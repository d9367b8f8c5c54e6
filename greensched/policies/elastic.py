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
        table = np.empty((kernels.ROWS, len(snapshot.machines.state)), np.int64)
        short, left = self._rooms(snapshot, present, wanted, table)
        wake, sleep = _to_wake(snapshot, *short), NOTHING
        if free:
            sleep, asked_ms = to_rest(snapshot, self.idle_ms), _asked(snapshot, memory)
            leave = NOTHING if wake.size else self._freed(snapshot, *left, asked_ms, table)
            if leave.size:
                sleep, asked_ms = np.concatenate([leave, sleep]), asked_ms.copy()
                asked_ms[leave] = now
            news |= {"asked_ms": frozen(asked_ms), "freed_ms": now}
        return (
            *scale,
            *power_actions(np.concatenate([wake, jobs]) if jobs.size else wake, "on"),
            *power_actions(sleep, "sleep", self.moves_max),
        ), changed(memory, **news)

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

    def _rooms(
        self, snapshot: Snapshot, present: IntArray, wanted: IntArray, table: IntArray
    ) -> tuple[tuple[float, float, int], tuple[float, float, int]]:
        """Write the room of machines; return what is short, and what sleep has to leave.

        Short of the reserve are CPU, memory and GPUs, with the replicas that are added. Sleep
        leaves CPU and memory free, and so many machines empty at one time.
        """
        m, view = snapshot.machines, snapshot.services
        cpu_m, memory_mib, gpu_m, least_cpu_m, least_mib, serving = kernels.rooms(
            *(columns(m), m.surplus, present, wanted),
            (view.replica_cpu_m, view.replica_memory_mib, view.replica_gpu_m),
            *(self.reserve_machines, self.reserve_share, table),
        )
        drains = max(1, int(self.drains_share * serving))
        return (cpu_m, memory_mib, gpu_m), (least_cpu_m, least_mib, drains)

    def _freed(
        self,
        snapshot: Snapshot,
        least_cpu_m: float,
        least_mib: float,
        drains: int,
        asked_ms: IntArray,
        table: IntArray,
    ) -> IntArray:
        """Return the machines to empty and put to sleep, those with the least reserved first.

        Those that are idle, and those without jobs whose replicas may move: jobs would keep it
        on, and what uses a GPU cannot move at all. Beyond the budget nothing moves, only so many
        may be under way, and all that moves has to fit elsewhere.
        """
        m, view, now = snapshot.machines, snapshot.services, snapshot.now_ms
        count, moves = kernels.to_free(
            *(columns(m), m.surplus, least_cpu_m, least_mib, asked_ms),
            *(now - self.idle_ms, now - self.retry_ms),
            *(self.moves_max, drains, snapshot.queue.jobs, table),
        )
        if moves:
            replicas = snapshot.replicas
            count = kernels.spare(
                *(m.cpu_m, m.memory_mib, m.replicas, count, self.headroom),
                *(replicas.machine, replicas.service),
                *(view.replica_cpu_m, view.replica_memory_mib, table),
            )
        return table[kernels.FREED, :count]

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


def _to_wake(snapshot: Snapshot, cpu_m: float, memory_mib: float, gpu_m: int) -> IntArray:
    """Return the machines to wake: for what is short of the reserve, and of room for replicas."""
    pending = snapshot.services.pending.any()
    if cpu_m <= 0 and memory_mib <= 0 and gpu_m <= 0 and not pending:
        return NOTHING
    m = snapshot.machines
    serves = m.role != BATCH
    wake = to_wake(m, serves, cpu_m, memory_mib)
    if gpu_m > 0:
        wake = np.concatenate([wake, to_wake(m, serves, 0, 0, gpu_m)])
    return np.concatenate([wake, to_hold_pending(snapshot, serves)]) if pending else wake


def _asked(snapshot: Snapshot, memory: ElasticMemory) -> IntArray:
    """Return when each machine was asked to empty."""
    count = len(snapshot.machines.state)
    if len(memory.asked_ms) == count:
        return memory.asked_ms
    return frozen(np.full(count, LONG_AGO_MS, np.int64))
