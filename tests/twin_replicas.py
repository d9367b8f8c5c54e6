"""The twin's services and their replicas."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.twin import Machine


@dataclass(eq=False)
class Service:
    """A service and its load now."""

    row: int
    cpu_m: int
    memory_mib: int
    gpu_m: int
    startup_ms: int
    load: list[int]
    step_ms: int
    load_m: float = 0.0
    pending: int = 0
    replicas: list[Replica] = field(default_factory=list)  # newest first
    online_ms: int = 0
    short_ms: int = 0
    pressed_ms: float = 0.0
    smt_ms: float = 0.0
    work: float = 0.0
    shortage: float = 0.0
    energy_j: float = 0.0
    cutoff_ms: int = 0
    standby_ms: int = 0
    keep_ms: int = 0  # what it can do without stands by so long
    warm_ms: int = 0

    def count(self, state: str) -> int:
        """Return how many replicas are in this state."""
        return sum(r.state == state for r in self.replicas)


@dataclass(eq=False)
class Replica:
    """One replica: starting, online, cutoff, standby or arriving (the twin of one that moves)."""

    number: int
    service: Service
    machine: Machine
    state: str
    devices: list[int]
    twin: Replica | None = None
    gone: bool = False
    turns: int = 0  # times that traffic was taken from it, and that it came back

    def use_m(self) -> float:
        """Return the use now."""
        if self.state != "online":
            return 0.0
        return min(self.service.load_m / self.service.count("online"), float(self.service.cpu_m))

    def gpu_use_m(self) -> float:
        """Return the use of GPUs now."""
        return self.service.gpu_m * self.use_m() / self.service.cpu_m

    def memory_mib(self) -> int:
        """Return the memory it holds; on standby a part of it is swapped out."""
        whole = self.service.memory_mib
        return int(whole * (0.15 * 0.3 + 0.85)) if self.state == "standby" else whole
