"""The baseline that most clusters run today: the HPA rule and a node autoscaler."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from greensched.model import ON
from greensched.policies import hpa
from greensched.policies.batch import wake_for_queue
from greensched.policies.machines import (
    BATCH,
    NOTHING,
    ONLINE,
    idle_for,
    ours,
    power_actions,
    to_hold_pending,
)
from greensched.policies.memory import frozen
from greensched.policies.settings import check

if TYPE_CHECKING:
    from greensched.model import Action, IntArray, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AutoscaledMemory:
    """The HPA's windows."""

    hpa: hpa.HpaMemory = field(default_factory=hpa.HpaMemory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaled:
    """HPA rule for services, node autoscaler for machines, batch on submit.

    The node autoscaler switches machines off that were empty for `empty_ms` (10 minutes, the
    Kubernetes cluster autoscaler's `scale-down-unneeded-time`), never the last `machines_min`
    that serve, and switches machines on when replicas find no room or jobs wait. It moves
    nothing, and keeps no reserve. HPA defaults: tolerance 0.1, scale-down window 300 s, up by
    a factor of 2 or 4 replicas, down without a limit beyond the window (Kubernetes, "Horizontal
    Pod Autoscaling"); the target is that of `elastic`, so that no saving comes from it.
    """

    period_ms: int = 60_000
    target: float = 0.6  # mean use of a replica's request [1]
    tolerance: float = 0.1
    stabilisation_ms: int = 300_000
    up_factor: float = 2.0
    up_step: int = 4
    empty_ms: int = 600_000
    machines_min: int = 1
    patience_ms: int = 600_000

    def __post_init__(self) -> None:
        """Refuse settings outside of their range (`UsageError`)."""
        check(
            self,
            shares=("target", "tolerance"),
            positive=("period_ms", "target", "up_step"),
            natural=("stabilisation_ms", "up_factor", "empty_ms", "machines_min", "patience_ms"),
        )

    @property
    def kind(self) -> str:
        """Return the registered name."""
        return "autoscaled"

    def first_memory(self) -> AutoscaledMemory:
        """Return the memory before the first wake."""
        return AutoscaledMemory()

    def decide(
        self, snapshot: Snapshot, memory: AutoscaledMemory
    ) -> tuple[tuple[Action, ...], AutoscaledMemory]:
        """Return the actions to take now and the memory for the next wake."""
        machines, wake = snapshot.machines, NOTHING
        scale: tuple[Action, ...] = ()
        wanted, windows = self._wanted(snapshot, memory.hpa)
        if windows is not memory.hpa:
            scale, lack = hpa.scaled(snapshot.services, frozen(wanted))
            wake = to_hold_pending(snapshot, machines.role != BATCH) if lack else NOTHING
            memory = AutoscaledMemory(hpa=windows)
        if snapshot.queue.jobs:
            takes_jobs = machines.role != ONLINE
            for_jobs = wake_for_queue(snapshot, takes_jobs, patience_ms=self.patience_ms)
            wake = np.concatenate([wake, for_jobs])
        actions = (
            *scale,
            *power_actions(wake, "on"),
            *power_actions(self._unneeded(snapshot), "off"),
        )
        return actions, memory

    def _wanted(self, snapshot: Snapshot, memory: hpa.HpaMemory) -> tuple[IntArray, hpa.HpaMemory]:
        """Return the replicas that each service is to have, and what to remember."""
        return hpa.wanted_replicas(snapshot, memory, self._rule())

    def _unneeded(self, snapshot: Snapshot) -> IntArray:
        """Return the machines to switch off: empty long enough, and nothing waits for them."""
        machines = snapshot.machines
        idle = idle_for(snapshot, self.empty_ms)
        if not idle.size:
            return NOTHING
        serves = machines.role != BATCH
        if snapshot.queue.jobs > 0:
            idle = idle[machines.role[idle] == ONLINE]
        if snapshot.services.pending.any():
            idle = idle[machines.role[idle] == BATCH]
        serving = idle[serves[idle]]
        on = int(((machines.state == ON) & ours(machines) & serves).sum())
        surplus = max(0, on - self.machines_min)
        return np.concatenate([serving[::-1][:surplus], idle[~serves[idle]]])

    def _rule(self) -> hpa.HpaRule:
        return hpa.HpaRule(
            target=self.target,
            tolerance=self.tolerance,
            stabilisation_ms=self.stabilisation_ms,
            up_factor=self.up_factor,
            up_step=self.up_step,
            down_share=1.0,
            down_window_ms=0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoscaledAsTheyAre(Autoscaled):
    """The same with the autoscalers of a cluster: a target for each service, in their order.

    A service with target 0 is scaled by none and keeps its replicas.
    """

    targets: tuple[float, ...]

    def _wanted(self, snapshot: Snapshot, memory: hpa.HpaMemory) -> tuple[IntArray, hpa.HpaMemory]:
        """Return the replicas by each service's own target.

        The rule knows request x target only, so a target of its own is a request of another size.
        """
        view, targets = snapshot.services, np.array(self.targets)
        is_scaled = targets > 0.0
        scale = np.where(is_scaled, targets, self.target) / self.target
        cpu_m = np.maximum(1, np.rint(view.replica_cpu_m * scale)).astype(np.int64)
        seen = replace(snapshot, services=replace(view, replica_cpu_m=cpu_m))
        wanted, windows = hpa.wanted_replicas(seen, memory, self._rule())
        return np.where(is_scaled, wanted, hpa.present(view)), windows
