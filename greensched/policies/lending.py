"""Which machines to lend and which to take back, so that no service and no rack is left short."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from greensched.model.pools import POOLS
from greensched.policies.kernels import lending as kernels
from greensched.policies.machines import BATCH, NOTHING
from greensched.policies.memory import frozen

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray, MachineView, Snapshot

PASSES_MAX = 64  # of choosing machines to lend; each takes at least one, or is the last


def on_loan(m: MachineView) -> tuple[BoolArray, int]:
    """Return which machines are lent, or drain for it, and how many."""
    lent = np.empty(len(m.lending), np.bool_)
    return lent, kernels.on_loan(m.lending, lent)


class Strength(NamedTuple):
    """What serves, or has to: replicas of each service, and the CPU of each pool in sum."""

    replicas: IntArray  # [services]
    cpu_m: FloatArray  # [POOLS] reserved by replicas

    def less(self, other: Strength) -> Strength:
        """Return what this has beyond `other`."""
        return Strength(self.replicas - other.replicas, self.cpu_m - other.cpu_m)

    def more(self, other: Strength) -> Strength:
        """Return both together."""
        return Strength(self.replicas + other.replicas, self.cpu_m + other.cpu_m)


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
        place = np.empty(len(snapshot.machines.state), np.int64)
        ends, starts = np.empty(len(order) + 1, np.int64), np.empty(len(view.online) + 1, np.int64)
        by_place, at, service = np.empty((3, len(replicas.service)), np.int64)
        cpu_m = np.empty((POOLS, len(order)))
        count = kernels.tenants(
            frozen(order.copy()),
            *(replicas.machine, replicas.service, view.replica_cpu_m, view.replica_gpu_m),
            *(place, ends, starts, by_place, at, service, cpu_m),
        )
        return cls(order, frozen(at[:count]), frozen(service[:count]), frozen(cpu_m))

    def strength(self, services: int) -> Strength:
        """Return what these replicas are in sum."""
        return Strength(np.bincount(self.service, minlength=services), self.cpu_m.sum(axis=1))

    def covering(self, missing: Strength) -> BoolArray:
        """Return which machines hold what is missing, as early in the order as can be."""
        taken = np.empty(len(self.order), np.bool_)
        kernels.covering(self.at, self.service, self.cpu_m, *missing, taken)
        return taken


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
    replicas, machines = snapshot.replicas, len(snapshot.machines.state)
    services = len(allowed)
    allowed = np.concatenate([allowed, spare])
    chosen = NOTHING
    for _ in range(PASSES_MAX):
        place = np.full(machines, -1, np.int64)
        place[order] = np.arange(len(order))
        at = place[replicas.machine]
        of = np.concatenate([replicas.service[at >= 0], services + snapshot.machines.rack[order]])
        at = np.concatenate([at[at >= 0], np.arange(len(order))])
        by = np.lexsort((at, of))
        at, of = at[by], of[by].astype(np.int64, copy=False)
        able = np.ones(len(order), np.bool_)
        able[at[ranks(of * machines + at) >= allowed[of]]] = False
        at, of = at[able[at]], of[able[at]]
        free = able.copy()
        free[at[ranks(of) >= allowed[of]]] = False
        taken = np.flatnonzero(free)[: count - len(chosen)]
        chosen = np.concatenate([chosen, order[taken]])
        if not taken.size or len(chosen) == count:
            break
        allowed = allowed - np.bincount(of[np.isin(at, taken)], minlength=len(allowed))
        order = order[able & ~free]
    return chosen


def ranks(keys: IntArray) -> IntArray:
    """Return the place of each element among its equals; `keys` are sorted."""
    place = np.arange(len(keys))
    first = np.ones(len(keys), np.bool_)
    first[1:] = keys[1:] != keys[:-1]
    found: IntArray = place - np.maximum.accumulate(np.where(first, place, 0))
    return found
