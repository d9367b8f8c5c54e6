"""The twin's replicas: placed, started, moved, dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.model import DRAINING
from tests.twin_batch import Batch, devices_without
from tests.twin_replicas import Replica, Service

if TYPE_CHECKING:
    from tests.twin import Machine

MOVE_J_PER_MIB = 0.512 * 1.048576 + 20.165 / 1024
MOVE_MS_PER_MIB = 1.048576 * 8 / 10


class Services(Batch):
    """Replicas on machines."""

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__()
        self.numbers = list(range(10_000))  # free numbers of replicas, last freed first
        self.counts = {"moves": 0, "rejected": 0, "power_cycles": 0}

    def size(self, s: Service) -> float:
        """Return a replica's dominant share of the largest machine."""
        memory_mib = max(m.kind.memory_mib - m.kind.reserved_memory_mib for m in self.machines)
        gpu_m = max(1, *(m.kind.gpus * 1000 for m in self.machines))
        cpu_m = max(m.cpu_m for m in self.machines)
        return max(s.gpu_m / gpu_m, s.cpu_m / cpu_m, s.memory_mib / max(1, memory_mib))

    def attach(self, s: Service, m: Machine, state: str) -> Replica:
        """Put a replica on a machine."""
        devices = m.devices(s.gpu_m) or []
        r = Replica(self.numbers.pop(0), s, m, state, devices)
        m.take(devices, s.gpu_m)
        m.replicas.insert(0, r)
        s.replicas.insert(0, r)
        self.file(m)
        return r

    def detach(self, r: Replica) -> None:
        """Take a replica off its machine."""
        m = r.machine
        if r.state != "standby":
            m.take(r.devices, -r.service.gpu_m)
        m.replicas.remove(r)
        r.service.replicas.remove(r)
        r.gone = True
        self.numbers.insert(0, r.number)
        self.look_again = self.look_for_replicas = True
        self.file(m)
        if m.state == DRAINING:
            self.rest_if_empty(m)

    def drop(self, r: Replica) -> None:
        """Remove a replica, and its twin if it moves."""
        if r.state == "online" and r.twin is not None:
            self.detach(r.twin)
        self.detach(r)

    def add(self, s: Service, *, at_once: bool) -> bool:
        """Place one more replica; say whether there was room."""
        m = self.find(s, online=True) or self.make_room(s)
        if m is None:
            return False
        if at_once or s.startup_ms <= 0:
            self.attach(s, m, "online")
            return True
        r = self.attach(s, m, "starting")

        def ready() -> None:
            if not r.gone and r.state == "starting":
                r.state = "online"

        self.timer(s.startup_ms, ready)
        return True

    def make_room(self, s: Service) -> Machine | None:
        """Evict batch on the machine with the fewest tasks where that lets a replica in."""
        able = [m for m in self.machines if m.tasks and self.can_yield(m, s)]
        if not able:
            return None
        m = min(able, key=lambda m: len(m.tasks))  # the first of these
        while not m.fits(s, online=True):
            assert self.evict_cheapest(m)
        return m

    def can_yield(self, m: Machine, s: Service) -> bool:
        """Say whether a replica fits once all that may be evicted is gone."""
        gone = [t for t in m.tasks if t.job.group.evictable]
        stay = [t for t in m.tasks if not t.job.group.evictable]
        held_mib = s.memory_mib + sum(t.memory_mib for t in stay)
        return (
            m.free_cpu_m(online=True) >= s.cpu_m
            and m.free_memory_mib() >= held_mib
            and not 0 < m.kind.pods_max <= len(m.serving) + len(stay)
            and devices_without(m, gone, s.gpu_m)
        )

    def move(self, r: Replica) -> bool:
        """Begin to move a replica; say whether there was room."""
        m = self.find(r.service, online=True, but=r.machine)
        if m is None:
            return False
        twin = self.attach(r.service, m, "arriving")
        twin.twin, r.twin = r, twin

        def moved() -> None:
            if twin.gone:
                return
            twin.twin = None
            self.detach(r)
            twin.state = "online"
            joules = r.service.memory_mib * MOVE_J_PER_MIB
            key = (twin.machine.kind.name, twin.machine.role_name())
            self.energy_j[key] = self.energy_j.get(key, 0.0) + joules
            r.service.energy_j += joules
            self.counts["moves"] += 1

        self.timer(max(1, int(r.service.memory_mib * MOVE_MS_PER_MIB)), moved)
        return True
