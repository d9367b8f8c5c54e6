"""Which machines to lend and which to take back, so that no service and no rack is left short."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from greensched.model.pools import POOLS
from greensched.policies.kernels import lending as kernels
from greensched.policies.machines import BATCH
from greensched.policies.memory import frozen

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray, MachineView, Snapshot


def on_loan(m: MachineView) -> tuple[BoolArray, int]:
    """Return which machines are lent, or drain for it, and how many."""
    lent = np.empty(len(m.lending), np.bool_)
    return lent, kernels.on_loan(m.lending, lent)


class Strength(NamedTuple):
    """What serves: replicas of each service, and the CPU of each pool in sum.

    Or what has to: the same with one more axis before, of instants.
    """

    replicas: IntArray  # [..., services]
    cpu_m: FloatArray  # [..., POOLS] reserved by replicas

    def less(self, other: Strength) -> Strength:
        """Return what this has beyond `other`."""
        return Strength(frozen(self.replicas - other.replicas), frozen(self.cpu_m - other.cpu_m))

    def until(self, row: int) -> Strength:
        """Return what has to serve at the instants before a row."""
        return Strength(self.replicas[:row], self.cpu_m[:row])

    def since(self, row: int) -> Strength:
        """Return what has to serve at the instants from a row on."""
        return Strength(self.replicas[row:], self.cpu_m[row:])

    def more(self, other: Strength) -> Strength:
        """Return both together."""
        return Strength(frozen(self.replicas + other.replicas), frozen(self.cpu_m + other.cpu_m))


def serving(snapshot: Snapshot) -> Strength:
    """Return what serves, starts, or is on its way back from machines that were lent."""
    view, replicas = snapshot.services, snapshot.replicas
    counts, cpu_m = np.empty(len(view.online), np.int64), np.empty(POOLS)
    kernels.serving(
        *(replicas.machine, replicas.service, snapshot.machines.lending),
        *((view.online, view.starting, view.replica_cpu_m, view.replica_gpu_m), counts, cpu_m),
    )
    return Strength(frozen(counts), frozen(cpu_m))


class Tenants(NamedTuple):
    """The replicas on some machines, by service and then in the order of these machines."""

    order: IntArray  # [machines] numbers in the fleet
    at: IntArray  # [replicas] place of its machine in `order`
    service: IntArray  # [replicas] rising
    cpu_m: FloatArray  # [POOLS, machines] reserved by them

    @classmethod
    def of(cls, snapshot: Snapshot, order: IntArray) -> Tenants:
        """Return the replicas on the machines of `order`."""
        replicas, view = snapshot.replicas, snapshot.services
        places = np.empty((2, len(snapshot.machines.state) + 1), np.int64)
        rows = np.empty((3, len(replicas.service)), np.int64)
        starts, cpu_m = np.empty(len(view.online) + 1, np.int64), np.empty((POOLS, len(order)))
        count = kernels.tenants(
            frozen(order),
            *(replicas.machine, replicas.service, view.replica_cpu_m, view.replica_gpu_m),
            *(places, starts, rows, cpu_m),
        )
        return cls(order, frozen(rows[0, :count]), frozen(rows[1, :count]), frozen(cpu_m))

    def strength(self, services: int) -> Strength:
        """Return what these replicas are in sum."""
        return Strength(np.bincount(self.service, minlength=services), self.cpu_m.sum(axis=1))

    def wanted_back(self, has: Strength, needs: Strength) -> IntArray:
        """Return the first of `needs` that each machine has to be back for; their number: none.

        Back are the machines that hold what is missing, as early in the order as can be.
        """
        first = np.empty(len(self.order), np.int64)
        taken = np.empty(len(self.order), np.bool_)
        kernels.wanted_back(self.at, self.service, self.cpu_m, *has, *needs, taken, first)
        return first


def spare_in_racks(snapshot: Snapshot, serving: BoolArray) -> IntArray:
    """Return how many of the machines that serve may leave each rack: not its last one.

    A rack with one machine for services has no other to keep.
    """
    m = snapshot.machines
    racks = int(m.rack.max(initial=-1)) + 1
    spare = np.bincount(m.rack[serving], minlength=racks)
    spare -= np.bincount(m.rack[(m.role != BATCH) & ~m.surplus], minlength=racks) > 1
    return np.maximum(spare, 0)


def within(
    snapshot: Snapshot, order: IntArray, allowed: IntArray, spare: IntArray, count: int
) -> IntArray:
    """Return up to `count` machines, first come first, that take no service below its floor.

    `allowed` are the replicas that may go of each service, `spare` the machines of each rack; a
    machine counts with its rack as a replica does with its service. Machines that would on their
    own take one below its floor are left out; each pass then ranks the replicas of a service
    along the order and takes the machines with none beyond the allowance, so at least the first
    one; the rest is tried again with what they left of it.
    """
    replicas = snapshot.replicas
    places = np.empty((4, len(snapshot.machines.state) + 1), np.int64)
    gone, by_place = np.empty((2, len(allowed)), np.int64), np.empty_like(replicas.service)
    chosen = kernels.within(
        *(frozen(order), replicas.machine, replicas.service, snapshot.machines.rack, count),
        *(allowed.copy(), spare.copy(), gone, np.empty_like(spare), places, by_place),
    )
    return places[3, :chosen]
