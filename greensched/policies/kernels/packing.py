"""Packing of databases: where a replica has room, and which smaller one stands in its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, several, written
from greensched.model import NONE

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray


@entry
def begin(
    needs: IntArray,
    edges: IntArray,
    database: IntArray,
    machine: IntArray,
    left: IntArray,
    count: IntArray,
    probe: IntArray,
) -> None:
    """Take what is placed from `left` and count it; write the columns of each database's peaks.

    `left` [machines, columns], `count` [machines], `probe` [databases, resources].
    """
    for d in range(len(needs)):
        for resource in range(probe.shape[1]):
            at = edges[resource]
            for column in range(at + 1, edges[resource + 1]):
                if needs[d, column] > needs[d, at]:
                    at = column
            probe[d, resource] = at
    for replica in range(len(machine)):
        m = machine[replica]
        if m != NONE:
            count[m] += 1
            for column in range(left.shape[1]):
                left[m, column] -= needs[database[replica], column]


@inner
def _is_apart(group: IntArray, machine: IntArray, replica: int, among: range, m: int) -> bool:
    """Say whether none of the other replicas `among` is in the group of machine m."""
    for other in among:
        if other != replica and machine[other] != NONE and group[machine[other]] == group[m]:
            return False
    return True


@inner
def _fits_at(left: IntArray, need: IntArray, columns: IntArray) -> bool:
    """Say whether there is room in these columns, where most places without room fail."""
    for column in columns:  # noqa: SIM110 a compiled loop has no generators
        if left[column] < need[column]:
            return False
    return True


@inner
def _left_over(left: IntArray, need: IntArray, edges: IntArray, most: FloatArray) -> float:
    """Return how little of any resource is left of what there is; below 0: there is no room."""
    least = np.inf
    for resource in range(len(most)):
        fewest = left[edges[resource]] - need[edges[resource]]
        for column in range(edges[resource] + 1, edges[resource + 1]):
            fewest = min(fewest, left[column] - need[column])
        least = min(least, fewest / most[resource])
        if least < 0.0:
            break
    return least


@entry
def place(
    left: IntArray,
    need: IntArray,
    probe: IntArray,
    edges: IntArray,
    most: FloatArray,
    group: IntArray,
    machine: IntArray,
    replicas: tuple[int, int, int],
    among: BoolArray,
    closed: BoolArray,
    is_first: bool,
) -> int:
    """Return the machine of `among` that a replica fills best, or the first with room, or NONE.

    `left` [machines, columns]; `need` and `probe` are its own. `replicas`: itself, and the first
    and the end of those of its database, which are kept in other groups.
    """
    replica, begin, end = replicas
    best, least = NONE, np.inf
    for m in range(len(left)):
        if not among[m] or closed[m] or not _fits_at(left[m], need, probe):
            continue
        if not _is_apart(group, machine, replica, range(begin, end), m):
            continue
        over = _left_over(left[m], need, edges, most[m])
        if over >= 0.0 and (best == NONE or over < least):
            best, least = m, over
            if is_first:
                break
    return best


@entry
def next_in_the_way(
    order: IntArray,
    at: int,
    sizes: FloatArray,
    left: IntArray,
    needs: IntArray,
    probe: IntArray,
    database: IntArray,
    group: IntArray,
    machine: IntArray,
    replicas: tuple[int, int, int],
    among: BoolArray,
    closed: BoolArray,
) -> int:
    """Return the place before `at` in `order` of a smaller replica without which there is room.

    For the replica of `replicas`, on one of `among`; -1: there is none. See `place`.
    """
    replica, begin, end = replicas
    need = needs[database[replica]]
    for row in range(at - 1, -1, -1):
        other = order[row]
        m = machine[other]
        if m == NONE or sizes[other] >= sizes[replica] or not among[m] or closed[m]:
            continue
        if not _has_room(left[m], needs[database[other]], need, probe):
            continue
        if _is_apart(group, machine, replica, range(begin, end), m):
            return row
    return -1


@inner
def _has_room(left: IntArray, gone: IntArray, need: IntArray, probe: IntArray) -> bool:
    """Say whether `need` finds room where `gone` has gone from, its own peaks looked at first."""
    for column in probe:
        if left[column] + gone[column] < need[column]:
            return False
    for column in range(len(need)):  # noqa: SIM110 a compiled loop has no generators
        if left[column] + gone[column] < need[column]:
            return False
    return True


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    whole, table, flags, triple = given(WHOLE), given(WHOLE, 2), given(FLAG), several(WHOLE, 3)
    there = whole, whole, triple, flags, flags  # groups, machines, replicas, among, closed
    made, numbers = written(WHOLE, 2), written(WHOLE)
    begin.compile((table, *3 * (whole,), made, numbers, made))
    place.compile((table, *3 * (whole,), given(REAL, 2), *there, FLAG))
    next_in_the_way.compile((whole, WHOLE, given(REAL), table, table, whole, whole, *there))
