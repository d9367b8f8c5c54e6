"""Databases on their machines: the arrays for the kernels, moves that take time, what is seen.

A copy of a replica takes disk / bandwidth of time and room at both ends while it lasts; a machine
sends or takes one at a time. The replica serves where it was until the copy is complete.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.engine.kernels import layout
from greensched.engine.records import records
from greensched.model import (
    BOOTING,
    BY_RACK,
    BY_SITE,
    NONE,
    ON,
    OUT,
    ROLE_CODES,
    DatabaseView,
)
from greensched.units import MIB_PER_GIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from greensched.engine.kernels.layout import World
    from greensched.model import Compress, Databases, IntArray, MachineType, Setting, Site

UNLIMITED: Final = 1 << 36  # where a machine type tells no disk or I/O
PERMILLE: Final = 1_000  # in whole ones disk is kept: what is stored never depends on rounding
_ROLE: Final = ROLE_CODES["database"]


def database_arrays(setting: Setting, w: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a world that are of databases, and set their clock in `w`."""
    table = setting.databases
    w["db_step"], w["db_next_ms"] = -1, layout.INF
    if table is None:
        none = np.zeros((0, 1), np.int64)
        dbs, copy = records(layout.DATABASE, 0), records(layout.COPY, 0)
        return {"dbs": dbs, "copy": copy, "db_cpu_m": none, "db_iops": none}
    w["db_next_ms"], w["db_start_ms"], w["db_step_ms"] = 0, table.start_ms, table.step_ms
    dbs = records(layout.DATABASE, len(table))
    dbs["memory_mib"], dbs["cpu_factor"] = table.memory_mib, 1.0
    copy = records(layout.COPY, int(table.replicas.sum()))
    copy["database"] = np.repeat(np.arange(len(table)), table.replicas)
    copy["machine"] = NONE
    return {
        "dbs": dbs,
        "copy": copy,
        "db_cpu_m": np.ascontiguousarray(table.cpu_m, np.int64),
        "db_iops": np.ascontiguousarray(table.iops, np.int64),
    }


class Hosting:
    """Where the replicas of databases are and go, and which machines there are for them."""

    def __init__(self, setting: Setting, table: Databases, world: World) -> None:
        """Begin with nothing placed."""
        mach = world.mach
        ours = np.flatnonzero((mach["role"] == _ROLE) & (mach["surplus"] == 0))
        self.table, self.machines = table, ours.astype(np.int64)
        self.database = np.repeat(np.arange(len(table)), table.replicas)
        self.to = np.full(len(self.database), NONE, np.int64)
        self.due_ms = self.to.copy()  # when a copy will be complete
        self.kept_permille = np.full(len(table), PERMILLE, np.int64)
        self.disk_gib, self.iops = limits(setting.fleet)
        self.group = machine_groups(setting.fleet, setting.sites)
        self.busy_until_ms = np.zeros(len(mach), np.int64)
        self._record: dict[str, IntArray] = {}
        for name in ("cpu_m", "iops"):
            parts = [getattr(table, name)]
            if setting.past_databases is not None:
                parts.insert(0, getattr(setting.past_databases, name))
            self._record[name] = _frozen(np.concatenate(parts, axis=1))
        self._before = self._record["cpu_m"].shape[1] - table.cpu_m.shape[1]
        self._steady = self._steadily(mach)

    def accepts(self, world: World, replica: int, machine: int) -> bool:
        """Say whether a copy of `replica` may begin to `machine` now."""
        at = world.copy["machine"]
        if self.to[replica] != NONE or machine == at[replica] or machine not in self.machines:
            return False
        b, d = world.mach[machine], int(self.database[replica])
        if at[replica] != NONE and world.mach["state"][at[replica]] in (OUT, BOOTING):
            return False  # nobody reads from a machine that is out
        if b["state"] != ON or b["memory_mib"] - b["online_memory_mib"] < self.table.memory_mib[d]:
            return False
        if self.disk_free_gib(world)[machine] < self.stored_gib[d]:
            return False
        return not self._too_near(at, replica, machine)

    def _too_near(self, at: IntArray, replica: int, machine: int) -> bool:
        """Say whether another replica of the same database is, or comes, too near `machine`."""
        group = self.group[self.table.apart[self.database[replica]]]
        others = self.database == self.database[replica]
        others[replica] = False
        held = np.concatenate([at[others], self.to[others]])
        return bool((group[held[held != NONE]] == group[machine]).any())

    @property
    def stored_gib(self) -> IntArray:
        """Return the disk [GiB] that one replica of each database takes."""
        stored: IntArray = -(-self.table.disk_gib * self.kept_permille // PERMILLE)
        return stored

    def disk_free_gib(self, world: World) -> IntArray:
        """Return the disk [GiB] that is left of every machine of the fleet."""
        free = self.disk_gib.copy()
        for held in (world.copy["machine"], self.to):
            there = held != NONE
            np.subtract.at(free, held[there], self.stored_gib[self.database[there]])
        return free

    def begin(self, world: World, replica: int, machine: int, now_ms: int) -> int:
        """Let a copy begin; return when it will be complete [ms]."""
        source = int(world.copy["machine"][replica])
        ends = [machine] if source == NONE else [machine, source]
        ms_per_mib = float(world.w["move_ms_per_mib"][0])
        took_ms = max(1, int(self.copied_mib(replica) * ms_per_mib))
        done_ms = max(now_ms, int(self.busy_until_ms[ends].max())) + took_ms
        self.busy_until_ms[ends] = done_ms
        self.to[replica], self.due_ms[replica] = machine, done_ms
        return done_ms

    def end(self, replica: int) -> int:
        """Let a copy end, complete or not; return the machine that it went to."""
        machine = int(self.to[replica])
        self.to[replica] = self.due_ms[replica] = NONE
        return machine

    def cut(self, world: World, machines: IntArray) -> IntArray:
        """Return the replicas whose copies machines at either end cut off by going out."""
        gone = np.isin(self.to, machines) | np.isin(world.copy["machine"], machines)
        return np.flatnonzero(gone & (self.to != NONE)).astype(np.int64)

    def copied_mib(self, replica: int) -> int:
        """Return how much is sent to move a replica [MiB]: what is stored, and memory."""
        d = self.database[replica]
        return int(self.stored_gib[d] * MIB_PER_GIB + self.table.memory_mib[d])

    def compress(self, world: World, action: Compress) -> None:
        """Store databases on less disk at more CPU; their copies have been settled."""
        self.kept_permille[action.databases] = PERMILLE - round(action.disk_share * PERMILLE)
        world.dbs["cpu_factor"][action.databases] = 1.0 + action.cpu_share

    def view(self, world: World, now_ms: int, *, ahead: bool) -> DatabaseView:
        """Return what is seen at `now_ms`; `ahead`: the use that comes instead of what was."""
        table = self.table
        steps = min(max(0, (now_ms - table.start_ms) // table.step_ms), table.cpu_m.shape[1])
        now = self._before + steps
        part = slice(now, None) if ahead else slice(None, now)
        return replace(
            self._steady,
            cpu_m=self._record["cpu_m"][:, part],
            iops=self._record["iops"][:, part],
            kept_disk_share=_frozen(self.kept_permille / PERMILLE),
            machine=_frozen(np.array(world.copy["machine"], np.int64)),
            to=_frozen(self.to.copy()),
        )

    def _steadily(self, mach: Any) -> DatabaseView:
        """Return a view whose columns that do not change are right."""
        table, own = self.table, self.machines
        return DatabaseView(
            step_ms=table.step_ms,
            cpu_m=self._record["cpu_m"],
            iops=self._record["iops"],
            memory_mib=_frozen(table.memory_mib),
            disk_gib=_frozen(table.disk_gib),
            kept_disk_share=_frozen(np.ones(len(table))),
            apart=_frozen(table.apart),
            database=_frozen(self.database),
            machine=_frozen(self.to),
            to=_frozen(self.to),
            machines=_frozen(own),
            machine_cpu_m=_frozen(np.array(mach["cpu_m"][own], np.int64)),
            machine_iops=_frozen(self.iops[own]),
            machine_memory_mib=_frozen(np.array(mach["memory_mib"][own], np.int64)),
            machine_disk_gib=_frozen(self.disk_gib[own]),
            rack=_frozen(self.group[BY_RACK][own]),
            site=_frozen(self.group[BY_SITE][own]),
        )


def limits(fleet: Sequence[MachineType]) -> tuple[IntArray, IntArray]:
    """Return every machine's disk [GiB] and I/O [operations/s]; much where none is told."""
    disk_gib = [kind.disk_gib or UNLIMITED for kind in fleet for _ in range(kind.count)]
    iops = [kind.iops or UNLIMITED for kind in fleet for _ in range(kind.count)]
    return np.array(disk_gib, np.int64), np.array(iops, np.int64)


def machine_groups(fleet: Sequence[MachineType], sites: Sequence[Site]) -> IntArray:
    """Return, of every machine, itself, its rack and its site [3, machines], as numbers.

    A type's machines are dealt to its racks in turn; no two types share a rack.
    """
    rack, site, first = [], [], 0
    names = [s.name for s in sites]
    for kind in fleet:
        racks = kind.racks or max(1, kind.count)
        rack.append(first + np.arange(kind.count, dtype=np.int64) % racks)
        site.append(np.full(kind.count, names.index(kind.site), np.int64))
        first += racks
    own = np.arange(sum(kind.count for kind in fleet), dtype=np.int64)
    return np.stack([own, np.concatenate(rack), np.concatenate(site)])


def _frozen(array: Any) -> Any:
    """Return a read-only view."""
    view = np.asarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view
