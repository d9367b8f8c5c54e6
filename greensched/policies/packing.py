"""Packing of databases onto machines: what is to be placed where, first plans and bounds.

A replica takes CPU and I/O that change with time, and memory and disk that do not. A plan is
feasible where, on each machine and at each step, the *sum* of what its replicas take stays within
what it gives: peaks that do not coincide share the same room (Kairos, SIGMOD 2011,
doi:10.1145/1989323.1989357).
All is whole numbers, so that moving a replica away and back leaves nothing behind.

`best_fit` is best-fit decreasing on the dominant resource with that test; `sum_of_peaks` is
first-fit decreasing that adds up peaks, as packers without a time axis do; `one_each` gives each
replica a machine of its own. `greensched.policies.repacking` improves any plan by moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.bounds import fewest_exactly, peaks_of_sums
from greensched.model import BY_RACK, BY_SITE, NONE
from greensched.policies.kernels import packing as kernels
from greensched.policies.settings import check
from greensched.units import MIB_PER_GIB

if TYPE_CHECKING:
    from greensched.model import BoolArray, Databases, FloatArray, IntArray

RESOURCES: Final = ("cpu_m", "iops", "memory_mib", "disk_mib")
PERMILLE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What packing costs and keeps free, as shares; `docs/reference/consolidation.md` has why."""

    cpu_headroom_share: float = 0.30
    disk_headroom_share: float = 0.20
    isolation_share: float = 0.05  # more CPU, I/O and memory, for walls between tenants
    compression_share: float = 0.70  # of the disk that compression saves
    compression_cpu_share: float = 0.05  # more CPU, to pack and unpack

    def __post_init__(self) -> None:
        """Refuse what cannot be; raises UsageError."""
        check(self, shares=self.__slots__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Machines that databases may use, one row each; racks and sites are numbered from 0.

    A rack is in one site: replicas that share no site share no rack.
    """

    cpu_m: IntArray
    iops: IntArray
    memory_mib: IntArray
    disk_gib: IntArray
    rack: IntArray
    site: IntArray

    def __len__(self) -> int:
        """Return the number of machines."""
        return len(self.cpu_m)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is to be packed: needs after the terms, and room before anything is placed.

    A *column* is one resource at one step: CPU at each step, I/O at each step, memory, disk;
    those of resource r are `edges[r]:edges[r + 1]`. Replicas are in rows of their database, in
    order. A *plan* is an array [replicas] of machines, NONE for a replica without a place.
    """

    need: IntArray  # [databases, columns], of one replica
    room: IntArray  # [machines, 4]
    edges: tuple[int, ...]
    database: IntArray  # [replicas]
    apart: IntArray  # [databases] BY_MACHINE .. BY_SITE
    group: IntArray  # [3, machines]: the machine itself, its rack, its site
    closed: BoolArray  # [machines] where nothing can come to or go from now

    def __len__(self) -> int:
        """Return the number of replicas."""
        return len(self.database)

    @property
    def peak(self) -> IntArray:
        """Return the most that one replica takes of each resource, [databases, 4]."""
        return _peaks(self.need, self.edges)

    @property
    def size(self) -> FloatArray:
        """Return each database's dominant share: its peak over the largest machine's room."""
        most = np.maximum(self.room.max(axis=0, initial=1), 1)
        return np.asarray((self.peak / most).max(axis=1, initial=0.0))


def case_of(databases: Databases, room: Room, terms: Terms | None = None) -> Case:
    """Return the case of placing `databases` on `room`; needs are rounded up, room down."""
    terms = terms or Terms()
    walls = PERMILLE + _permille(terms.isolation_share)
    tax = PERMILLE + _permille(terms.compression_cpu_share)
    kept = PERMILLE - _permille(terms.compression_share)
    steps = databases.cpu_m.shape[1]
    need = np.concatenate(
        [
            _scaled(databases.cpu_m, walls * tax, PERMILLE * PERMILLE),
            _scaled(databases.iops, walls),
            _scaled(databases.memory_mib[:, None], walls),
            _scaled(databases.disk_gib[:, None] * MIB_PER_GIB, kept),
        ],
        axis=1,
    )
    free = PERMILLE - _permille(terms.cpu_headroom_share)
    free_disk = PERMILLE - _permille(terms.disk_headroom_share)
    given = [
        room.cpu_m * free // PERMILLE,
        room.iops,
        room.memory_mib,
        room.disk_gib * MIB_PER_GIB * free_disk // PERMILLE,
    ]
    return Case(
        need=need,
        room=np.stack(given, axis=1),
        edges=(0, steps, 2 * steps, 2 * steps + 1, 2 * steps + 2),
        database=np.repeat(np.arange(len(databases)), databases.replicas),
        apart=databases.apart,
        group=np.stack([np.arange(len(room)), room.rack, room.site]),
        closed=np.zeros(len(room), np.bool_),
    )


def collapsed(case: Case) -> Case:
    """Return `case` without its time axis: each resource's peak stands for all steps."""
    return Case(
        need=case.peak,
        room=case.room,
        edges=tuple(range(len(RESOURCES) + 1)),
        database=case.database,
        apart=case.apart,
        group=case.group,
        closed=case.closed,
    )


def _permille(share: float) -> int:
    return round(share * PERMILLE)


def _scaled(values: IntArray, by: int, of: int = PERMILLE) -> IntArray:
    """Return `values` x by / of, rounded up."""
    return np.asarray(-(-values.astype(np.int64) * by // of))


def _peaks(columns: IntArray, edges: tuple[int, ...]) -> IntArray:
    """Return the largest of each resource's columns, [rows, 4]."""
    parts = [columns[:, a:b].max(axis=1) for a, b in pairwise(edges)]
    return np.stack(parts, axis=1)


class Packing:
    """A plan that is being made: what is left of each machine, and who is where.

    The one mutable value here; it lives inside a function that returns the plan.
    """

    def __init__(self, case: Case, plan: IntArray | None = None) -> None:
        """Begin with `plan`, or with nothing placed."""
        self.case = case
        self.machine = np.full(len(case), NONE) if plan is None else plan.astype(np.int64)
        self.edges = np.array(case.edges, np.int64)
        self.left = np.repeat(case.room, np.diff(case.edges), axis=1)  # [machines, columns]
        self.count = np.zeros(len(case.room), np.int64)
        self.most = np.maximum(case.room, 1).astype(float)
        # Where the columns of a replica's own peaks lie: most places without room fail there.
        self.probe = np.empty((len(case.need), len(RESOURCES)), np.int64)
        kernels.begin(
            *(case.need, self.edges, case.database, self.machine),
            *(self.left, self.count, self.probe),
        )
        first = np.searchsorted(case.database, np.arange(len(case.need) + 1))
        self.first: list[int] = first.tolist()  # replica of each database

    def _take(self, replica: int, machine: int, sign: int) -> None:
        self.left[machine] -= sign * self.case.need[self.case.database[replica]]
        self.count[machine] += sign

    def put(self, replica: int, machine: int) -> None:
        """Move `replica` to `machine` (NONE: nowhere), whether or not there is room."""
        before = int(self.machine[replica])
        if before != NONE:
            self._take(replica, before, -1)
        self.machine[replica] = machine
        if machine != NONE:
            self._take(replica, machine, 1)

    def siblings(self, replica: int) -> tuple[int, int, int]:
        """Return `replica`, and the first and the end of the replicas of its database."""
        database = int(self.case.database[replica])
        return replica, self.first[database], self.first[database + 1]

    def allowed(self, replica: int) -> BoolArray:
        """Return where no other replica of the same database is too near, [machines]."""
        database = int(self.case.database[replica])
        group = self.case.group[self.case.apart[database]]
        free = np.ones(len(group), bool)
        for other in range(self.first[database], self.first[database + 1]):
            if other != replica and self.machine[other] != NONE:
                free &= group != group[self.machine[other]]
        return free

    def fresh(self, replica: int) -> int:
        """Return the first empty machine that can take `replica`, or NONE."""
        peak = self.case.need[self.case.database[replica]][self.probe[self.case.database[replica]]]
        fits = (self.count == 0) & (self.case.room >= peak).all(axis=1) & self.allowed(replica)
        fits &= ~self.case.closed
        return int(fits.argmax()) if fits.any() else NONE

    def best(self, replica: int, among: BoolArray, *, is_first: bool = False) -> int:
        """Return the machine of `among` with room that `replica` fills best, or NONE.

        That is the one with the least left over of any resource at any step, as a share of what
        there is; of ties the first. `is_first`: the first with room, however full.
        """
        case, database = self.case, int(self.case.database[replica])
        return int(
            kernels.place(
                *(self.left, case.need[database], self.probe[database]),
                *(self.edges, self.most, case.group[case.apart[database]], self.machine),
                *(self.siblings(replica), among, case.closed, is_first),
            )
        )


def by_size(case: Case) -> IntArray:
    """Return the replicas, those of the largest databases first; ties by database."""
    return np.argsort(-case.size[case.database], kind="stable")


def best_fit(case: Case, begin: IntArray | None = None) -> IntArray:
    """Return the plan of best-fit decreasing on peaks of sums of who has no place in `begin`."""
    packing = Packing(case, begin)
    order = by_size(case)
    for replica in order[packing.machine[order] == NONE].tolist():
        place = packing.best(replica, packing.count > 0)
        packing.put(replica, packing.fresh(replica) if place == NONE else place)
    return packing.machine


def sum_of_peaks(case: Case, begin: IntArray | None = None) -> IntArray:
    """Return the plan of first-fit decreasing on sums of peaks, the baseline to beat.

    Of who has no place in `begin`.
    """
    packing = Packing(collapsed(case), begin)
    order = by_size(case)
    for replica in order[packing.machine[order] == NONE].tolist():
        place = packing.best(replica, packing.count > 0, is_first=True)
        packing.put(replica, packing.fresh(replica) if place == NONE else place)
    return packing.machine


def one_each(case: Case) -> IntArray:
    """Return the plan that gives every replica a machine of its own."""
    packing = Packing(collapsed(case))
    for replica in by_size(case).tolist():
        packing.put(replica, packing.fresh(replica))
    return packing.machine


def machines_used(plan: IntArray) -> int:
    """Return how many machines hold a replica in `plan`."""
    return len(np.unique(plan[plan != NONE]))


def unplaced(plan: IntArray) -> int:
    """Return how many replicas have no place in `plan`."""
    return int((plan == NONE).sum())


def overloaded(case: Case, plan: IntArray) -> IntArray:
    """Return the machines that give less than their replicas take at some step."""
    return np.flatnonzero((Packing(case, plan).left < 0).any(axis=1))


def too_near(case: Case, plan: IntArray) -> IntArray:
    """Return the databases with two replicas on one machine, or in one rack or site of theirs."""
    placed = np.flatnonzero(plan != NONE)
    database = case.database[placed]
    group = case.group[case.apart[database], plan[placed]]
    _, first, count = np.unique(
        np.stack([database, group]), axis=1, return_index=True, return_counts=True
    )
    return np.unique(database[first[count > 1]])


def is_feasible(case: Case, plan: IntArray) -> bool:
    """Tell whether every replica has a place, all have room, and none are too near."""
    return not (unplaced(plan) or len(overloaded(case, plan)) or len(too_near(case, plan)))


def bounds(case: Case) -> dict[str, int]:
    """Return, by resource, the fewest machines that could give what is needed at its peak.

    The peak of the sum over all replicas, were they divisible at will: exact for a relaxation
    without pieces, other resources and distances, so no plan can use fewer.
    """
    copies = np.bincount(case.database, minlength=len(case.need))
    return dict(zip(RESOURCES, _fewest(case, copies, case.room), strict=True))


def lower_bound(case: Case) -> int:
    """Return a number of machines below which there is no feasible plan.

    The largest of `bounds`, of the replicas of one database, and of the sum over racks (sites)
    of what each must hold: a database with as many replicas as there are racks is in each.
    """
    copies = np.bincount(case.database, minlength=len(case.need))
    found = [*bounds(case).values(), int(copies.max(initial=0))]
    for rule in (BY_RACK, BY_SITE):
        groups = np.unique(case.group[rule])
        forced = np.where(case.apart >= rule, np.maximum(0, copies - len(groups) + 1), 0)
        if not forced.any():
            continue
        rooms = [case.room[case.group[rule] == group] for group in groups]
        found.append(sum(max(_fewest(case, forced, room)) for room in rooms))
    return max(found)


def fewest(case: Case) -> int | None:
    """Return the fewest machines of any feasible plan, exactly; None: there is none.

    For small cases: `greensched.bounds.fewest_exactly`.
    """
    room = np.repeat(case.room, np.diff(case.edges), axis=1)
    return fewest_exactly(case.need, room, case.database, case.group[case.apart])


def _fewest(case: Case, copies: IntArray, room: IntArray) -> list[int]:
    """Return, by resource, how many of the largest machines of `room` hold `copies` in sum."""
    total = (copies @ case.need)[None, :]
    rows = {
        name: total[:, a:b] for name, (a, b) in zip(RESOURCES, pairwise(case.edges), strict=True)
    }
    return list(peaks_of_sums(rows, dict(zip(RESOURCES, room.T, strict=True))).values())
