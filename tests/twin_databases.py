"""A second model of databases on machines, for tests: everything anew at each event, in a loop.

It says what docs/reference/engine.md says of databases, and shares with the engine only the
values of `greensched.model` and a power model's `watts`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from greensched.model import (
    BOOTING,
    DRAINING,
    LEAVING,
    NONE,
    OFF,
    ON,
    OUT,
    Compress,
    Move,
    Power,
)
from tests.twin_outages import FAIL, LEAVE, RETURN, plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.model import Action, MachineType, Setting

MS_PER_MIB = 1.048576 * 8 / 10
J_PER_MIB = 0.512 * 1.048576 + 20.165 / 1024
WHOLE = 1_000_000


@dataclass(eq=False)
class Copy:
    """A replica of a database; `at` and `to` are machines, NONE: none."""

    database: int
    at: int
    to: int = NONE
    done_ms: int = 0


@dataclass(eq=False)
class Server:
    """One machine for databases."""

    kind: MachineType
    rack: tuple[str, int]
    state: int = ON
    on_ms: int = 0
    busy_until_ms: int = 0
    returns: bool = False


@dataclass(eq=False)
class Told:
    """What the model tells of one run."""

    energy_j: dict[tuple[str, str], float] = field(default_factory=dict)
    machine_ms: dict[tuple[str, str], int] = field(default_factory=dict)
    database_j: list[float] = field(default_factory=list)
    work_core_s: list[float] = field(default_factory=list)
    shortage_core_s: list[float] = field(default_factory=list)
    short_ms: list[int] = field(default_factory=list)
    moves: int = 0
    rejected: int = 0
    power_cycles: int = 0
    move_energy_j: float = 0.0
    outages: int = 0
    out_ms: int = 0


class Databases:
    """The model of one setting whose policy is a script of actions."""

    def __init__(self, setting: Setting, script: Sequence[tuple[int, Action]]) -> None:
        """Put replicas where the setting has them."""
        assert setting.databases is not None
        assert setting.places is not None
        self.setting, self.table, self.script = setting, setting.databases, list(script)
        self.servers = [
            Server(kind, (kind.name, i % (kind.racks or kind.count)))
            for kind in setting.fleet
            for i in range(kind.count)
        ]
        self.plan = plan(setting)
        rows = [d for d, n in enumerate(self.table.replicas.tolist()) for _ in range(n)]
        places = setting.places.tolist()
        self.copies = [Copy(d, m) for d, m in zip(rows, places, strict=True)]
        n = len(self.table)
        self.kept, self.factor = [Fraction(1)] * n, [1.0] * n
        self.told = Told()
        self.told.database_j, self.told.work_core_s = [0.0] * n, [0.0] * n
        self.told.shortage_core_s, self.told.short_ms = [0.0] * n, [0] * n

    def run(self) -> Told:
        """Go from event to event until the window ends."""
        now, end = 0, self.setting.window_ms
        steps = range(0, end, self.table.step_ms)
        while now < end:
            for kind in (RETURN, LEAVE, FAIL):
                self.strike(kind, self.plan.pop((now, kind), []), now)
            for copy in self.copies:
                if copy.to != NONE and copy.done_ms == now:
                    self.arrived(copy)
            for at, action in self.script:
                if at == now:
                    self.carry_out(action, now)
            for server in self.servers:
                if server.state == BOOTING and server.on_ms == now:
                    server.state = ON
            self.settle()
            nexts = [end, *steps, *(at for at, _ in self.script)]
            nexts += [c.done_ms for c in self.copies if c.to != NONE]
            nexts += [at for at, _ in self.plan]
            nexts += [s.on_ms for s in self.servers if s.state == BOOTING]
            until = min(t for t in nexts if t > now)
            self.spend(now, until)
            now = until
        return self.told

    def strike(self, kind: int, machines: list[int], now: int) -> None:
        """Let machines leave, fail or come back."""
        for m in machines:
            server = self.servers[m]
            if kind == RETURN:
                server.state = BOOTING if server.returns or self.holds(m) else OFF
                server.on_ms = now + server.kind.boot_ms
            elif kind == LEAVE and server.state in {ON, DRAINING}:
                server.returns, server.state = server.state == ON, LEAVING
            elif server.state != OUT:
                if server.state != LEAVING:
                    server.returns = server.state in {ON, BOOTING}
                server.state = OUT
                self.told.outages += 1
        for copy in self.copies if kind == FAIL else []:
            if copy.at in machines or copy.to in machines:
                copy.to = NONE

    def down(self, copy: Copy) -> bool:
        """Tell whether a copy's machine is out, or not back yet."""
        return copy.at != NONE and self.servers[copy.at].state in {OUT, BOOTING}

    def holds(self, m: int) -> list[Copy]:
        """Return the copies that take room on machine m."""
        return [c for c in self.copies if m in (c.at, c.to)]

    def stored_gib(self, d: int) -> int:
        """Return the disk of one replica, rounded up."""
        return math.ceil(int(self.table.disk_gib[d]) * self.kept[d])

    def carry_out(self, action: Action, now: int) -> None:
        """Do what an action says, or count what cannot be."""
        if isinstance(action, Compress):
            for d in action.databases.tolist():
                self.kept[d] = 1 - Fraction(str(action.disk_share))
                self.factor[d] = 1.0 + action.cpu_share
        elif isinstance(action, Move):
            for r, m in zip(action.replicas.tolist(), action.to.tolist(), strict=True):
                self.move(self.copies[r], m, now)
        elif isinstance(action, Power):
            for m in action.machines.tolist():
                self.switch(self.servers[m], action.to, now)

    def switch(self, server: Server, to: str, now: int) -> None:
        """Switch a machine on, or let it go off once it is empty."""
        if to == "on":
            if server.state == OFF:
                server.state, server.on_ms = BOOTING, now + server.kind.boot_ms
            elif server.state == DRAINING:
                server.state = ON
            elif server.state == OUT:
                self.told.rejected += 1
        elif server.state == ON:
            server.state = DRAINING
        elif server.state in {BOOTING, LEAVING, OUT}:
            self.told.rejected += 1

    def settle(self) -> None:
        """Switch off what drains and is empty."""
        for m, server in enumerate(self.servers):
            if server.state == DRAINING and not self.holds(m):
                server.state = OFF
                self.told.power_cycles += 1

    def move(self, copy: Copy, m: int, now: int) -> None:
        """Begin a move where it may be."""
        self.settle()
        server, d = self.servers[m], copy.database
        there = self.holds(m)
        memory = sum(int(self.table.memory_mib[c.database]) for c in there)
        disk = sum(self.stored_gib(c.database) for c in there)
        near = any(
            self.near(other, m, int(self.table.apart[d]))
            for c in self.copies
            if c.database == d and c is not copy
            for other in (c.at, c.to)
        )
        full = memory + int(self.table.memory_mib[d]) > server.kind.memory_mib
        if server.kind.disk_gib:
            full = full or disk + self.stored_gib(d) > server.kind.disk_gib
        refused = copy.to != NONE or copy.at == m or self.down(copy)
        if refused or server.state != ON or near or full:
            self.told.rejected += 1
            return
        ends = [server] + ([] if copy.at == NONE else [self.servers[copy.at]])
        begin = max(now, *(s.busy_until_ms for s in ends))
        copy.to, copy.done_ms = m, begin + max(1, int(self.copied_mib(d) * MS_PER_MIB))
        for s in ends:
            s.busy_until_ms = copy.done_ms

    def near(self, other: int, m: int, rule: int) -> bool:
        """Tell whether a replica on machine `other` is too near to machine m."""
        if other == NONE:
            return False
        a, b = self.servers[other], self.servers[m]
        return (other == m, a.rack == b.rack, a.kind.site == b.kind.site)[rule]

    def copied_mib(self, d: int) -> int:
        """Return what is sent to move a replica."""
        return self.stored_gib(d) * 1024 + int(self.table.memory_mib[d])

    def arrived(self, copy: Copy) -> None:
        """Let a replica serve where it was copied to."""
        joules = self.copied_mib(copy.database) * J_PER_MIB
        key = (self.servers[copy.to].kind.name, "database")
        self.told.energy_j[key] = self.told.energy_j.get(key, 0.0) + joules
        self.told.database_j[copy.database] += joules
        self.told.move_energy_j += joules
        self.told.moves += 1
        copy.at, copy.to = copy.to, NONE

    def spend(self, now: int, until: int) -> None:
        """Account for what lasts from `now` to `until`."""
        step = min(
            (now - self.table.start_ms) // self.table.step_ms, self.table.cpu_m.shape[1] - 1
        )
        span_s = (until - now) / 1000
        wanted = [float(self.table.cpu_m[c.database, step]) * self.factor[c.database]
                  for c in self.copies]  # fmt: skip
        up = {c.database for c in self.copies if c.at != NONE and not self.down(c)}
        self.told.out_ms += (until - now) * sum(map(self.down, self.copies))
        for c, want in zip(self.copies, wanted, strict=True):
            self.told.work_core_s[c.database] += want * span_s / 1000
            if c.at == NONE or (self.down(c) and c.database not in up):
                self.told.shortage_core_s[c.database] += want * span_s / 1000
                self.told.short_ms[c.database] += until - now
        for m, server in enumerate(self.servers):
            here = [i for i, c in enumerate(self.copies) if c.at == m and not self.down(c)]
            self.spend_at(server, here, wanted, step, until - now)

    def spend_at(
        self, server: Server, here: list[int], wanted: list[float], step: int, span_ms: int
    ) -> None:
        """Account for one machine."""
        kind, told = server.kind, self.told
        role = {OFF: "off", BOOTING: "booting", OUT: "out"}.get(server.state, "database")
        total = sum(wanted[i] for i in here)
        iops = sum(int(self.table.iops[self.copies[i].database, step]) for i in here)
        use = min(total, float(kind.cpu_m))
        watts = {"off": kind.off_w, "out": kind.off_w, "booting": kind.boot_w}.get(
            role, kind.power.watts(min(1.0, use / kind.cpu_m))
        )
        key = (kind.name, role)
        told.energy_j[key] = told.energy_j.get(key, 0.0) + watts * span_ms / 1000
        told.machine_ms[key] = told.machine_ms.get(key, 0) + span_ms
        shares = [self.memory_share(i, kind) for i in here]
        for i, share in zip(here, shares, strict=True):
            d = self.copies[i].database
            had = wanted[i] * use / total if total else 0.0
            told.shortage_core_s[d] += (wanted[i] - had) * span_ms / 1e6
            if total > kind.cpu_m or 0 < kind.iops < iops:
                told.short_ms[d] += span_ms
            idle_w = kind.power.watts(0.0)
            own_w = idle_w * share / max(1.0, sum(shares))
            own_w += (watts - idle_w) * had / use if use else 0.0
            told.database_j[d] += own_w * span_ms / 1000

    def memory_share(self, i: int, kind: MachineType) -> float:
        """Return the share of a machine's memory that a copy takes, in whole millionths."""
        memory_mib = int(self.table.memory_mib[self.copies[i].database])
        return memory_mib * WHOLE // kind.memory_mib / WHOLE
