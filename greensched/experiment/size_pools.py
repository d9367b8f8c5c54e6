"""The machines that a size is looked for among, and those that have to be left over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import plural
from greensched.experiment.size_probe import BATCH, ONLINE
from greensched.model import NONE, ROLE_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from greensched.experiment.partition import Partition
    from greensched.experiment.size_search import Size
    from greensched.model import FloatArray, Int8Array, IntArray, MachineType


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Machines that may fail at once: a number, or a share of the whole fleet bought."""

    machines: int = 0
    share: float = 0.0

    def added(self, needed: int) -> int:
        """Return how many machines more than `needed` there have to be."""
        if self.share:
            return int(np.ceil(needed / (1.0 - self.share) - 1e-9)) - needed
        return self.machines


def reserve_types(
    fleet: Sequence[MachineType], bought: Sequence[int], *, serve: bool, compute: bool
) -> tuple[list[int], bool]:
    """Return the types of which a reserve is bought, in order, and whether any will do.

    Those that can stand in for every machine of `bought` [machines of each type], whichever fails,
    as they are listed; where there are none, the one that can for most. `serve` and `compute` say
    what the machines bought do. None is for databases where others are.
    """
    types = [i for i, kind in enumerate(fleet) if kind.role != "database"]
    types = types or list(range(len(fleet)))
    does = {"any"} | ({"online"} if not compute else set()) | ({"batch"} if not serve else set())
    able = [
        sum(
            bought[j]
            for j in types
            if fleet[i].role in does | {fleet[j].role} and _holds(fleet[i], fleet[j])
        )
        for i in types
    ]
    most = max(able)
    best = [i for i, n in zip(types, able, strict=True) if n == most]
    whole = most == sum(bought[i] for i in types)
    return (best if whole else best[:1]), whole


def unmet(
    fleet: Sequence[MachineType], needed: Sequence[int], bought: Sequence[int], some: int | None
) -> Iterator[str]:
    """Yield what a reserve cannot do; it is bought of type `some`, which replaces only some.

    `needed` and `bought` are machines of each type, without the reserve and with it.
    """
    if some is not None:
        yield (
            "no machine type stands in for every machine that may fail: the reserve is of"
            f" {fleet[some].name}, which replaces only some of them"
        )
    databases = sum(n for n, kind in zip(needed, fleet, strict=True) if kind.role == "database")
    if databases and databases < sum(needed):
        yield (
            f"the reserve is for what serves and computes: none of the {databases:,} machines for"
            " databases can be replaced by it"
        )
    beyond = sum(max(0, n - kind.count) for n, kind in zip(bought, fleet, strict=True))
    if beyond:
        yield f"the fleet has {plural(beyond, 'machine')} less than the reserve asks for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """Machines that may serve and that may compute, in the order in which they are taken.

    What may do either is in both, and serves first. Static-peak takes `size` of them; with `most`
    its surplus is given out too. With `kind`, the type of each machine, the first ones of a type
    serve and the next compute, so that a fleet of that size and no other machine is the same run.
    """

    serve: IntArray
    compute: IntArray
    size: Size
    most: Size
    kind: IntArray | None = None

    @property
    def starts(self) -> tuple[Size, ...]:
        """Return where a search may begin; in the last one all computes that does not serve."""
        return self.size, self.most, (len(self.serve), len(self.compute))

    def taken(self, size: Size) -> tuple[IntArray, IntArray]:
        """Return the machines that serve and that compute where pools are cut to `size`."""
        serve = self.serve[: size[0]]
        return serve, self.compute[~np.isin(self.compute, serve)][: size[1]]

    def roles(self, size: Size, machines: int) -> Int8Array:
        """Return the roles of all machines where pools are cut to `size`; others are surplus."""
        roles = np.full(machines, NONE, np.int8)
        serve, compute = self.taken(size)
        if self.kind is None:
            roles[serve], roles[compute] = ONLINE, BATCH
            return roles
        for k in np.unique(self.kind):
            some = np.flatnonzero(self.kind == k)
            first, more = (int((self.kind[rows] == k).sum()) for rows in (serve, compute))
            roles[some[:first]], roles[some[first : first + more]] = ONLINE, BATCH
        return roles


def static_pools(static: Partition) -> Pools:
    """Return static-peak's machines by what they do, and no others."""
    serve, compute = (np.flatnonzero(static.roles == role) for role in (ONLINE, BATCH))
    size = len(serve), len(compute)
    return Pools(serve=serve, compute=compute, size=size, most=size)


def pools_of(fleet: Sequence[MachineType], static: Partition) -> Pools:
    """Return static-peak's machines by what they do, its surplus, and what does the other.

    Types are given up last-listed first or, where static-peak took them in an order of its own,
    from that order's end. Surplus comes before static-peak's machines of types that are given up
    sooner, where it can stand in for all of these.
    """
    kind = np.repeat(np.arange(len(fleet)), [k.count for k in fleet])
    role = np.array([ROLE_CODES[k.role] for k in fleet])[kind]
    only = static_pools(static)
    spare = np.flatnonzero((static.roles == NONE) & (role != ROLE_CODES["database"]))
    # what may do either follows what static-peak has more use for
    serves = role[spare] == ONLINE
    if not len(only.compute):
        serves |= role[spare] != BATCH
    some, others = spare[serves], spare[~serves]
    taken = (_ranks(fleet, types) for types in (static.serve_types, static.batch_types))
    serves_rank, computes_rank = taken
    serve = _ordered(fleet, kind, serves_rank, only.serve, (some, others, only.compute[::-1]))
    compute = _ordered(fleet, kind, computes_rank, only.compute, (others, some, only.serve[::-1]))
    return Pools(
        serve=serve[role[serve] != BATCH],
        compute=compute[role[compute] != ONLINE],
        size=only.size,
        most=(only.size[0] + len(some), only.size[1] + len(others)),
        kind=kind,
    )


def _ranks(fleet: Sequence[MachineType], types: tuple[int, ...]) -> IntArray:
    """Return the place of each type among `types`, in the fleet where these are empty."""
    return np.argsort(types or range(len(fleet)))


def _ordered(
    fleet: Sequence[MachineType],
    kind: IntArray,
    rank: IntArray,
    own: IntArray,
    more: tuple[IntArray, IntArray, IntArray],
) -> IntArray:
    """Return `own` by the ranks of types, with surplus before what it stands in for, then `more`.

    `more` is surplus of two kinds and what does the other.
    """
    *surplus, others = more
    spare = np.concatenate(surplus)
    own_kinds = np.unique(kind[own]).tolist()
    stands = np.array([_stands_in(fleet, rank, k, own_kinds) for k in range(len(fleet))])
    first = np.concatenate([own, spare[stands[kind[spare]]]])
    added = np.arange(len(first)) >= len(own)
    first = first[np.lexsort((first, added, rank[kind[first]]))]
    return np.concatenate([first, spare[~stands[kind[spare]]], others])


def _stands_in(fleet: Sequence[MachineType], rank: IntArray, k: int, kinds: list[int]) -> bool:
    """Say whether a machine of type `k` can stand in for all of `kinds` that rank after it."""
    later = [fleet[j] for j in kinds if rank[j] > rank[k]]
    return bool(later) and all(_holds(fleet[k], other) for other in later)


def _holds(one: MachineType, other: MachineType) -> bool:
    """Say whether a machine holds whatever fits another, at the same place."""
    pods = not one.pods_max or 0 < other.pods_max <= one.pods_max
    return pods and one.site == other.site and bool(np.all(_room(one) >= _room(other)))


def _room(kind: MachineType) -> FloatArray:
    """Return what of a machine can be given out, and what its second hyperthreads add."""
    cpu_m = kind.cpu_m - kind.reserved_cpu_m
    memory_mib = kind.memory_mib - kind.reserved_memory_mib
    return np.array([cpu_m, memory_mib, kind.gpus, kind.smt_factor])
