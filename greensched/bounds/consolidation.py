"""Fewest servers for databases that stay where they are put: peaks of sums, and exactly."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.model import IntArray


def peaks_of_sums(
    demand: Mapping[str, IntArray], capacity: Mapping[str, int | IntArray]
) -> dict[str, int]:
    """Return, for each resource, the fewest servers that give max_t sum_i d_i(t).

    `demand[resource]` [instances, T] whole numbers of a unit (what does not change has T = 1), and
    `capacity[resource]` of one server in the same unit, of which there are enough, or of each
    server that there is: the largest of them, and one more than there are where all are too few.

    Source: the vector lower bound of Kairos (Curino et al., SIGMOD 2011, doi
    10.1145/1989323.1989357). Loose because instances are cut at will among servers, and each
    resource is looked at alone.
    """
    return {
        name: _fewest(int(np.asarray(rows, np.int64).sum(axis=0).max(initial=0)), capacity[name])
        for name, rows in demand.items()
    }


def _fewest(most: int, given: int | IntArray) -> int:
    """Return how many servers give `most` in sum."""
    if not isinstance(given, np.ndarray):
        return -(-most // int(given))
    sums = np.cumsum(np.sort(given)[::-1])
    return int(np.searchsorted(sums, most)) + 1 if most else 0


def fewest_for_databases(
    demand: Mapping[str, IntArray], capacity: Mapping[str, int | IntArray], copies: int = 1
) -> int:
    """Return the largest of `peaks_of_sums`, at least the servers that `copies` must be apart.

    `demand` counts every copy. Loose as `peaks_of_sums`, and because only the copies of one
    instance are kept apart.
    """
    return max([copies, *peaks_of_sums(demand, capacity).values()])


def fewest_exactly(
    need: IntArray, room: IntArray, database: IntArray, group: IntArray
) -> int | None:
    """Return the fewest servers of any feasible plan; None where there is none.

    `need` [databases, columns] of one replica, `room` [servers, columns], `database` [replicas],
    `group` [databases, servers]: replicas of a database are in different groups of its row. A
    column is a resource at a step. An integer program: exact, and meant for small cases, as in
    algorithms.md C4 (at most 60 replicas and 12 steps). Servers that are alike in all are used in
    their order, and replicas of a database are placed in theirs, so that equal plans count once.
    Raises InternalError where the solver fails.
    """
    import highspy

    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("threads", 1)
    servers, replicas = range(len(room)), range(len(database))
    used = [solver.addBinary(obj=1.0) for _ in servers]
    at = [[solver.addBinary() for _ in servers] for _ in replicas]
    for row in at:
        solver.addConstr(sum(row) == 1)
    _within_room(solver, used, at, need[database], room)
    for d in range(len(need)):
        own = np.flatnonzero(database == d).tolist()
        for place in np.unique(group[d]) if len(own) > 1 else ():
            near = np.flatnonzero(group[d] == place).tolist()
            solver.addConstr(sum(at[r][m] for r in own for m in near) <= 1)
        for a, b in itertools.pairwise(own):
            here, there = (sum(m * at[r][m] for m in servers) for r in (a, b))
            solver.addConstr(here <= there)
    for m, alike in enumerate(_alike(room, group)):
        if alike is not None:
            solver.addConstr(used[m] <= used[alike])
    solver.run()
    status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return None
    if status != highspy.HighsModelStatus.kOptimal:
        message = f"HiGHS: {solver.modelStatusToString(status)}"
        raise InternalError(message)
    return round(solver.getInfo().objective_function_value)


def _within_room(
    solver: Any, used: Sequence[Any], at: Sequence[Sequence[Any]], taken: IntArray, room: IntArray
) -> None:
    """Add that no server gives more than it has, and nothing unless it is used."""
    for m, row in enumerate(room.tolist()):
        for replica in at:
            solver.addConstr(replica[m] <= used[m])
        for column in np.flatnonzero(taken.any(axis=0)).tolist():
            sizes = taken[:, column].tolist()
            load = sum(n * at[r][m] for r, n in enumerate(sizes) if n)
            solver.addConstr(load <= row[column] * used[m])


def _alike(room: IntArray, group: IntArray) -> list[int | None]:
    """Return, of each server, the one before it that no plan can tell from it; None: none.

    Alike are servers with the same room that are in the same groups, or alone in theirs.
    """
    alone = np.stack([np.bincount(row, minlength=row.max() + 1)[row] == 1 for row in group])
    found: list[int | None] = []
    last: dict[Any, int] = {}
    for m in range(len(room)):
        key = (room[m].tobytes(), np.where(alone[:, m], -1, group[:, m]).tobytes())
        found.append(last.get(key))
        last[key] = m
    return found
