"""Local search on a plan of databases: repair what does not fit, then empty machines by moves.

A machine is emptied where each of its replicas finds a place on another machine in use, if need
be after one smaller replica there has made room by moving on (a swap). What cannot be finished is
undone. The number of replicas that end elsewhere than they began never exceeds the move budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.model import NONE
from greensched.policies.kernels import packing as kernels
from greensched.policies.packing import (
    Packing,
    best_fit,
    lower_bound,
    machines_used,
    sum_of_peaks,
    unplaced,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greensched.model import BoolArray, IntArray
    from greensched.policies.packing import Case

SWAPS_MAX: Final = 32  # replicas that are tried to make way for another one


class _Search(Packing):
    """A packing with a log of what was moved, a budget, and a way back."""

    def __init__(self, case: Case, plan: IntArray, moves_max: int | None) -> None:
        """Begin with `plan`; NONE of it may be placed without being a move."""
        super().__init__(case, plan)
        self.begin = plan
        self.moves_max = len(case) if moves_max is None else moves_max
        self.moves = 0
        self.log: list[tuple[int, int]] = []
        self.sizes = case.size[case.database]
        self.order = np.argsort(-self.sizes, kind="stable")  # largest first

    def go(self, replica: int, machine: int) -> None:
        """Move `replica`, to be undone perhaps."""
        self.log.append((replica, int(self.machine[replica])))
        self._count(replica, -1)
        self.put(replica, machine)
        self._count(replica, 1)

    def _count(self, replica: int, sign: int) -> None:
        begin = self.begin[replica]
        self.moves += sign * int(begin != NONE and begin != self.machine[replica])

    def undo(self, mark: int) -> None:
        """Take back all moves after the first `mark`."""
        while len(self.log) > mark:
            replica, machine = self.log.pop()
            self._count(replica, -1)
            self.put(replica, machine)
            self._count(replica, 1)

    @property
    def within(self) -> bool:
        """Tell whether the budget is kept."""
        return self.moves <= self.moves_max

    def on(self, machine: int) -> list[int]:
        """Return the replicas on `machine` that can move, the largest first."""
        if self.case.closed[machine]:
            return []
        return [int(r) for r in self.order[self.machine[self.order] == machine]]


def repack(case: Case, plan: IntArray, moves_max: int | None = None) -> IntArray:
    """Return a plan with no more machines than `plan`, of which at most `moves_max` differ.

    Replicas without a place (NONE) get one first, which is no move; then overloaded machines give
    away what they must, opening others where needed; only then are machines emptied. A feasible
    `plan` gives a feasible one; one that is not may stay so where moves or machines are short.
    """
    search = _Search(case, plan, moves_max)
    _place_new(search)
    _relieve(search)
    least = lower_bound(case)
    while int((search.count > 0).sum()) > least and search.moves < search.moves_max:
        if not any(_emptied(search, machine) for machine in _lightest(search)):
            break
    return search.machine


def consolidated(case: Case) -> IntArray:
    """Return the better of two plans from nothing: best-fit on peaks of sums, sum of peaks.

    Both are improved without a budget; so it never takes more machines than `sum_of_peaks`.
    """
    plans = [repack(case, best_fit(case)), repack(case, sum_of_peaks(case))]
    return min(plans, key=lambda plan: (unplaced(plan), machines_used(plan)))


def _place_new(search: _Search) -> None:
    for replica in search.order[search.machine[search.order] == NONE].tolist():
        place = search.best(replica, search.count > 0)
        place = search.fresh(replica) if place == NONE else place
        if place != NONE:
            search.go(replica, place)


def _relieve(search: _Search) -> None:
    """Move replicas off overloaded machines: the smallest that suffices, else the largest."""
    for machine in np.flatnonzero((search.left < 0).any(axis=1)).tolist():
        while (search.left[machine] < 0).any() and search.moves < search.moves_max:
            if not _lightened(search, machine):
                break


def _lightened(search: _Search, machine: int) -> bool:
    """Move one replica off `machine`; return whether any could go."""
    there = search.on(machine)
    enough = [
        replica
        for replica in reversed(there)
        if (search.left[machine] + _need(search, replica) >= 0).all()
    ]
    among = search.count > 0
    among[machine] = False
    for replica in [*enough, *there]:
        mark = len(search.log)
        place = search.best(replica, among)
        place = search.fresh(replica) if place == NONE else place
        if place != NONE:
            search.go(replica, place)
            if search.within:
                return True
            search.undo(mark)
    return False


def _need(search: _Search, replica: int) -> IntArray:
    return np.asarray(search.case.need[search.case.database[replica]])


def _lightest(search: _Search) -> list[int]:
    """Return the machines in use, those with the smallest replicas in sum first."""
    placed = search.machine != NONE
    load = np.bincount(
        search.machine[placed], weights=search.sizes[placed], minlength=len(search.count)
    )
    used = np.flatnonzero((search.count > 0) & ~search.case.closed)
    return [int(m) for m in used[np.argsort(load[used], kind="stable")]]


def _emptied(search: _Search, machine: int) -> bool:
    """Move every replica off `machine`, or none; return which."""
    there = search.on(machine)
    leaving = search.begin[there] == machine  # the others have moved already, or may go home
    if search.moves + int(leaving.sum()) - int((~leaving).sum()) > search.moves_max:
        return False
    mark = len(search.log)
    among = search.count > 0
    among[machine] = False
    for replica in there:
        place = search.best(replica, among)
        if place != NONE:
            search.go(replica, place)
        elif not _swapped(search, replica, among):
            search.undo(mark)
            return False
        if not search.within:
            search.undo(mark)
            return False
    return True


def _swapped(search: _Search, replica: int, among: BoolArray) -> bool:
    """Put `replica` where a smaller one was that finds another place; return whether it could."""
    for other in _in_the_way(search, replica, among):
        here, mark = int(search.machine[other]), len(search.log)
        elsewhere = among.copy()
        elsewhere[here] = False
        place = search.best(other, elsewhere)
        if place == NONE:
            continue
        search.go(other, place)
        search.go(replica, here)
        if search.within:
            return True
        search.undo(mark)
    return False


def _in_the_way(search: _Search, replica: int, among: BoolArray) -> Iterable[int]:
    """Return smaller replicas without which `replica` would have room, the smallest first."""
    case, database = search.case, int(search.case.database[replica])
    at = len(search.order)
    for _ in range(SWAPS_MAX):
        at = kernels.next_in_the_way(
            *(search.order, at, search.sizes, search.left, case.need, search.probe[database]),
            *(case.database, case.group[case.apart[database]], search.machine),
            *(search.siblings(replica), among, case.closed),
        )
        if at == NONE:
            return
        yield int(search.order[at])
