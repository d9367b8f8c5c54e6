"""Laws of databases: what policies may move, and what the engine keeps while they move."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given

from greensched.model import NONE, ON, DatabaseView, Move, Power, Snapshot
from tests.properties.strategies import snapshot_runs
from tests.properties.test_policies import build, every_policy, few, kept_for, replay, rows


@every_policy
@few
@given(run=snapshot_runs())
def test_databases_move_to_room(name: str, run: tuple[Snapshot, ...]) -> None:
    """Moves go to machines that are on and have room, apart; none goes off that has replicas."""
    for snapshot, actions, _ in replay(build(name), run):
        view = snapshot.databases
        to = np.empty(0, np.int64) if view is None else view.to.copy()
        for move in (a for a in actions if isinstance(a, Move)):
            assert view is not None
            assert (to[move.replicas] == NONE).all()
            assert (move.to != view.machine[move.replicas]).all()
            assert (snapshot.machines.state[move.to] == ON).all()
            to[move.replicas] = move.to
            for replica, machine in zip(move.replicas, move.to, strict=True):
                assert not near(view, to, int(replica), int(machine))
            for machine in np.unique(move.to):
                here = view.database[(view.machine == machine) | (to == machine)]
                row = np.searchsorted(view.machines, machine)
                assert view.memory_mib[here].sum() <= view.machine_memory_mib[row]
                stored = view.disk_gib[here] * np.minimum(view.kept_disk_share[here], 0.3)
                assert stored.sum() <= view.machine_disk_gib[row]
        if view is not None and kept_for(name, snapshot):
            off = rows(actions, Power, to="sleep") + rows(actions, Power, to="off")
            assert not set(off) & set(np.concatenate([view.machine, to]).tolist())


def near(view: DatabaseView, to: Any, replica: int, machine: int) -> bool:
    """Return whether another replica of the same database is, or goes, too near."""
    place = {
        int(m): (m, r, s) for m, r, s in zip(view.machines, view.rack, view.site, strict=True)
    }
    rule = view.apart[view.database[replica]]
    others = [
        int(m)
        for held in (view.machine, to)
        for i, m in enumerate(held)
        if i != replica and m != NONE and view.database[i] == view.database[replica]
    ]
    return any(place[m][rule] == place[machine][rule] for m in others)
