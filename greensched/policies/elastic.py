"""Adaptive elastic capacity: replicas follow the load, freed machines are emptied and sleep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.policies import hpa
from greensched.policies.batch import SPARE_SHARE, wake_for_queue
from greensched.policies.kernels import machines as kernels
from greensched.policies.kernels.waking import MARKS
from greensched.policies.machines import NOTHING, ONLINE, columns, power_actions
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
    cutoff_ms: int = 0  # replicas to go stay so long without traffic, back at once
    standby_ms: int = 0  # then so long on standby, before they are deleted
    warm_ms: int = 60_000  # from there until they serve again

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
                "cutoff_ms",
                "standby_ms",
                "warm_ms",
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
        wanted, news = self._wanted(snapshot, memory)
        asked_ms = _asked(snapshot, memory)
        scale, wake, leave, rest = self._fitted(snapshot, wanted, asked_ms, free=free)
        if free:
            if leave.size:
                asked_ms = asked_ms.copy()
                asked_ms[leave] = now
            news |= {"asked_ms": frozen(asked_ms), "freed_ms": now}
        return (
            *scale,
            *power_actions(wake, "on", others=jobs),
            *power_actions(leave, "sleep", self.moves_max, others=rest),
        ), changed(memory, **news)

    def _is_settled(self, snapshot: Snapshot, memory: ElasticMemory) -> bool:
        """Say whether the replicas are as wanted, and will be until something changes."""
        return hpa.is_settled(snapshot, memory.hpa)

    def _wanted(
        self, snapshot: Snapshot, memory: ElasticMemory
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return the replicas that each service is to have, and what is to be remembered."""
        wanted, windows = hpa.wanted_replicas(snapshot, memory.hpa, self._rule())
        return frozen(wanted), {"hpa": windows}

    def _fitted(
        self, snapshot: Snapshot, wanted: IntArray, asked_ms: IntArray, *, free: bool
    ) -> tuple[tuple[Action, ...], IntArray, IntArray, IntArray]:
        """Return what makes replicas as wanted, and the machines to wake, to empty and to rest.

        The last two when it is time to `free` machines; `asked_ms`: as it is remembered.
        """
        m, view, now = snapshot.machines, snapshot.services, snapshot.now_ms
        replicas, seen, sizes = np.empty((2, len(wanted)), np.int64), columns(m), hpa.sizes(view)
        table = np.empty((kernels.ROWS, len(asked_ms)), np.int64)
        scaled, woken, freed, rested, closely = kernels.fit(
            *(seen, m.surplus, hpa.counts(view), sizes, wanted, self._reserve),
            (now - self.idle_ms, now - self.retry_ms, self.moves_max, snapshot.queue.jobs),
            *(asked_ms, free, replicas, np.empty((MARKS, len(asked_ms)), np.bool_), table),
        )
        if closely:
            places = snapshot.replicas.machine, snapshot.replicas.service
            freed = kernels.spare(seen, freed, self.headroom, *places, sizes, table)
        return (
            hpa.scale(replicas, scaled, **self._terms_ms),
            table[kernels.WOKEN, :woken],
            table[kernels.FREED, :freed],
            table[kernels.RESTED, :rested],
        )

    @property
    def _terms_ms(self) -> dict[str, int]:
        """Return how replicas are given up, as `Scale` has it."""
        return {
            "cutoff_ms": self.cutoff_ms,
            "standby_ms": self.standby_ms,
            "warm_ms": self.warm_ms,
        }

    @property
    def _reserve(self) -> tuple[int, float, float, float, float]:
        """Return what stays free, as `kernels.fit` takes it."""
        shares = self.reserve_share, self.drains_share, self.headroom
        return self.reserve_machines, *shares, SPARE_SHARE

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


def _asked(snapshot: Snapshot, memory: ElasticMemory) -> IntArray:
    """Return when each machine was asked to empty."""
    count = len(snapshot.machines.state)
    if len(memory.asked_ms) == count:
        return memory.asked_ms
    return frozen(np.full(count, LONG_AGO_MS, np.int64))
