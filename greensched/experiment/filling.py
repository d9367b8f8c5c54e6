"""Ways to fill a fleet with the replicas of the peak: which machine types are taken first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.engine.simulate import Simulation
from greensched.model import NONE, ROLE_CODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.experiment.world import Shared
    from greensched.model import BoolArray, IntArray, MachineType, Weigher

_ONLINE = ROLE_CODES["online"]
SPREADING: Final = ("worst-fit", "spread")  # weighers that begin a machine before one is full


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """Machines that hold replicas, and how many replicas found no room.

    `types`: machine types in the order in which they were taken; empty: as the engine places.
    """

    machines: IntArray
    unplaced: int
    types: tuple[int, ...] = ()


def kinds(fleet: Sequence[MachineType]) -> IntArray:
    """Return the number of the type of each machine [machines]."""
    return np.repeat(np.arange(len(fleet)), [kind.count for kind in fleet])


def fillings(shared: Shared, replicas: IntArray | None) -> list[Filling]:
    """Return the ways to fill the fleet, the engine's own first.

    In the others each type is given up as far as all replicas find room on the rest: the last
    listed first, and the smallest first. Machines with equal room know the first way alone, and
    so does a fleet that is too small.
    """
    fleet, services = shared.fleet, shared.workload.services
    if services is None or replicas is None:
        return [Filling(machines=np.empty(0, np.int64), unplaced=0)]
    serves = np.array([kind.role not in ("batch", "database") for kind in fleet], np.bool_)
    may = serves[kinds(fleet)]
    first = _placed(shared, may, replicas)
    if first.unplaced or not differ(fleet, serves):
        return [first]
    sizes = services.replica_cpu_m, services.replica_memory_mib
    wanted = [int(replicas @ size) for size in sizes]
    # machines with GPUs are given up first: replicas that need some keep as many as they fill
    orders = tuple(range(len(fleet))), largest_first(fleet, wanted, gpus_first=False)
    return [first, *(_given_up(shared, first, may, replicas, t) for t in dict.fromkeys(orders))]


def differ(fleet: Sequence[MachineType], which: BoolArray) -> bool:
    """Say whether some of the types [types] have more room than others."""
    some = [kind for kind, may in zip(fleet, which.tolist(), strict=True) if may]
    return len({(_room(kind), kind.gpus, kind.gpu_model, kind.pods_max) for kind in some}) > 1


def largest_first(
    fleet: Sequence[MachineType], wanted: Sequence[int], *, gpus_first: bool
) -> tuple[int, ...]:
    """Return the types by what part of `wanted` a machine of each has room for, largest first.

    `wanted` is CPU [millicores] and memory [MiB]. Those with GPUs come last, or before all others
    by how many they have.
    """

    def rank(number: int) -> tuple[int, float]:
        kind = fleet[number]
        shares = (have / max(1, want) for have, want in zip(_room(kind), wanted, strict=True))
        return -kind.gpus if gpus_first else int(kind.gpus > 0), -min(shares)

    return tuple(sorted(range(len(fleet)), key=rank))


def _room(kind: MachineType) -> tuple[int, int]:
    """Return the CPU [millicores] and the memory [MiB] of a machine that can be given out."""
    return kind.cpu_m - kind.reserved_cpu_m, kind.memory_mib - kind.reserved_memory_mib


def _given_up(
    shared: Shared, first: Filling, may: BoolArray, replicas: IntArray, types: tuple[int, ...]
) -> Filling:
    """Return the filling of what is left where types are given up from the end of `types`."""
    kind, best = kinds(shared.fleet), first
    for number in reversed(types):
        rows = np.flatnonzero(may & (kind == number))
        low, high = -1, len(rows)
        while high - low > 1:
            middle = (low + high) // 2 if low >= 0 else 0  # mostly none of a type is needed
            left = may.copy()
            left[rows[middle:]] = False
            found = _placed(shared, left, replicas)
            if found.unplaced:
                low = middle
            else:
                high, best = middle, found
        may = may.copy()
        may[rows[high:]] = False
    return replace(best, types=types)


def _placed(shared: Shared, may: BoolArray, replicas: IntArray) -> Filling:
    """Return the machines on which the engine places the replicas among those that may serve.

    An engine that spreads replicas would take all machines there are: it gets those that packing
    fills, and as many more as it then needs.
    """
    if shared.scenario.queue.weigher not in SPREADING:
        return _engines(shared, may, replicas)
    packed = _engines(shared, may, replicas, weigher="best-fit")
    if packed.unplaced:
        return packed
    others = np.setdiff1d(np.flatnonzero(may), packed.machines)
    order = np.concatenate([packed.machines, others])

    def missing(machines: int) -> int:
        some = np.zeros(len(may), np.bool_)
        some[order[:machines]] = True
        return _engines(shared, some, replicas).unplaced

    low, high = len(packed.machines), len(order)
    if not missing(low):
        return packed
    if left := missing(high):
        return Filling(machines=np.sort(order), unplaced=left)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if missing(middle) else (low, middle)
    return Filling(machines=np.sort(order[:high]), unplaced=0)


def _engines(
    shared: Shared, may: BoolArray, replicas: IntArray, weigher: Weigher | None = None
) -> Filling:
    """Return the machines that the engine fills, with another weigher than the scenario's."""
    roles = np.where(may, _ONLINE, NONE).astype(np.int8)
    setting = replace(shared.setting("packing", roles=roles, replicas=replicas), jobs=None)
    setting = setting if weigher is None else replace(setting, weigher=weigher)
    world = Simulation(setting).world
    used = np.flatnonzero(world.mach["n_reps"] > 0)
    return Filling(machines=used.astype(np.int64), unplaced=int(world.w[0]["n_pending"]))
