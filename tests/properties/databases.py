"""Databases in random snapshots: who they are, their record, where they are and go."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.model import NONE, ROLE_CODES, Compress, DatabaseView, Move
from greensched.units import MS_PER_MIN
from tests.snapshots import read_only

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greensched.model import Snapshot

STEP_MS = 30 * MS_PER_MIN
KNOWN = 60  # steps of half an hour at the first wake: more than a day
DATABASE = ROLE_CODES["database"]


def make_databases(
    rng: np.random.Generator, role: NDArray[np.int64], state: NDArray[np.int64]
) -> DatabaseView | None:
    """Return random databases on the machines of that role, anywhere; None without machines.

    Replicas may be nowhere, too near, on their way, on a machine that is too full for them.
    """
    machines = np.flatnonzero(role == DATABASE)
    if not machines.size:
        return None
    count, n = int(rng.integers(0, 6)), len(machines)
    copies = rng.integers(1, 4, count)
    total = int(copies.sum())
    known = int(rng.choice([0, 10, KNOWN]))
    size = rng.integers(1, 20_000, count)[:, None]
    machine = rng.choice([NONE, *machines], total)
    to = np.where(rng.random(total) < 0.1, rng.choice(machines, total), NONE)
    return DatabaseView(
        step_ms=STEP_MS,
        cpu_m=read_only(rng.random((count, known)) * size, np.int64),
        iops=read_only(rng.random((count, known)) * size, np.int64),
        memory_mib=read_only(rng.integers(1, 40_000, count), np.int64),
        disk_gib=read_only(rng.integers(0, 4_000, count), np.int64),
        kept_disk_share=read_only(np.ones(count), np.float64),
        apart=read_only(rng.integers(0, 3, count), np.int64),
        database=read_only(np.repeat(np.arange(count), copies), np.int64),
        machine=read_only(machine, np.int64),
        to=read_only(np.where(to == machine, NONE, to), np.int64),
        machines=read_only(machines, np.int64),
        machine_cpu_m=read_only(np.full(n, 32_000), np.int64),
        machine_iops=read_only(np.full(n, 40_000), np.int64),
        machine_memory_mib=read_only(np.full(n, 131_072), np.int64),
        machine_disk_gib=read_only(np.full(n, 8_000), np.int64),
        rack=read_only(np.arange(n) % 3, np.int64),
        site=read_only(np.zeros(n), np.int64),
    )


class ToyDatabases:
    """Three databases of two replicas, each alone at first, that move and shrink at once."""

    def __init__(self, machines: NDArray[np.int64]) -> None:
        """Put each replica on a machine of its own, as far as there are enough."""
        rng = np.random.default_rng(3)
        self.first = rng.integers(100, 3_000, (3, KNOWN))
        self.machine = machines[np.arange(6) % len(machines)].astype(np.int64)
        self.kept = np.ones(3)
        state = np.zeros(len(machines), np.int64)
        role = np.full(len(machines), DATABASE)
        view = None
        while view is None or len(view.memory_mib) != 3:
            view = make_databases(rng, role, state)
        self.view = replace(
            view,
            memory_mib=read_only([1_000, 2_000, 3_000], np.int64),
            disk_gib=read_only([10, 20, 30], np.int64),
            apart=read_only([0, 0, 0], np.int64),
            database=read_only([0, 0, 1, 1, 2, 2], np.int64),
            to=read_only([NONE] * 6, np.int64),
            machines=read_only(machines, np.int64),
        )

    def seen(self, snapshot: Snapshot, past: Any) -> Snapshot:
        """Return the snapshot with the databases, whose use follows `past` [wakes, services]."""
        later = np.resize(np.asarray(past)[:, :1].T % 3_000, (3, len(past)))
        use = np.concatenate([self.first, later], axis=1)
        view = replace(
            self.view,
            cpu_m=read_only(use, np.int64),
            iops=read_only(use, np.int64),
            kept_disk_share=read_only(self.kept, np.float64),
            machine=read_only(self.machine, np.int64),
        )
        return replace(snapshot, databases=view)

    def obey(self, actions: Any) -> None:
        """Carry out what moves and shrinks databases."""
        for action in actions:
            if isinstance(action, Move):
                self.machine[action.replicas] = action.to
            if isinstance(action, Compress):
                self.kept[action.databases] = 1.0 - action.disk_share
