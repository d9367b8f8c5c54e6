"""Random worlds of databases, and a script of moves, switches and compression for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from greensched.model import NONE, Action, Compress, Databases, Move, Power, Setting
from tests.engine.worlds import Scripted, machines, numbers, setting

if TYPE_CHECKING:
    from greensched.model import MachineType

MIN_MS = 60_000
WINDOW_MS = 60 * MIN_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A setting, and what its policy does when."""

    setting: Setting
    script: tuple[tuple[int, Action], ...]


def databases(rng: np.random.Generator, count: int, steps: int) -> Databases:
    """Return random databases that fit a machine, in steps of 7 minutes."""
    return Databases(
        names=tuple(f"d{i}" for i in range(count)),
        start_ms=0,
        step_ms=7 * MIN_MS,
        cpu_m=rng.integers(0, 3_000, (count, steps)),
        iops=rng.integers(0, 400, (count, steps)),
        memory_mib=rng.integers(1, 500, count),
        disk_gib=rng.integers(0, 40, count),
        replicas=rng.integers(1, 4, count),
        apart=rng.integers(0, 3, count),
    )


def fleet(rng: np.random.Generator) -> tuple[MachineType, ...]:
    """Return one or two types of machines for databases."""
    return tuple(
        machines(
            name=f"m{i}",
            role="database",
            count=int(rng.integers(1, 5)),
            disk_gib=int(rng.choice([0, 60, 100])),
            iops=int(rng.choice([0, 500, 1_000])),
            racks=int(rng.choice([0, 1, 2])),
            boot_ms=90_500,
            boot_w=150.0,
            off_w=3.0,
        )
        for i in range(int(rng.integers(1, 3)))
    )


def apart_and_held(
    rng: np.random.Generator, table: Databases, kinds: tuple[MachineType, ...]
) -> Any:
    """Return a random machine for each replica that has memory, disk and distance; else NONE."""
    servers = [(k, (k.name, i % (k.racks or k.count))) for k in kinds for i in range(k.count)]
    memory = [k.memory_mib for k, _ in servers]
    disk = [k.disk_gib or 1 << 20 for k, _ in servers]
    places: list[int] = []
    for d, copies in enumerate(table.replicas.tolist()):
        taken: list[int] = []
        for _ in range(copies):
            free = [
                m
                for m, (kind, rack) in enumerate(servers)
                if memory[m] >= table.memory_mib[d]
                and disk[m] >= table.disk_gib[d]
                and not any(
                    (m == t, rack == servers[t][1], kind.site == servers[t][0].site)[
                        table.apart[d]
                    ]
                    for t in taken
                )
            ]
            place = int(rng.choice(free)) if free and rng.random() < 0.9 else NONE
            if place != NONE:
                taken.append(place)
                memory[place] -= int(table.memory_mib[d])
                disk[place] -= int(table.disk_gib[d])
            places.append(place)
    return numbers(*places)


def action(rng: np.random.Generator, copies: int, servers: int, count: int) -> Action:
    """Return a random action, which may well be impossible."""
    what = rng.random()
    if what < 0.7:
        n = int(rng.integers(1, 4))
        return Move(replicas=rng.integers(0, copies, n), to=rng.integers(0, servers, n))
    if what < 0.9:
        return Power(machines=rng.integers(0, servers, 1), to="off" if what < 0.8 else "on")
    return Compress(databases=rng.integers(0, count, 1), disk_share=0.6, cpu_share=0.1)


@st.composite
def database_worlds(draw: st.DrawFn) -> Drawn:
    """Draw a world of databases and its script; its contents come from one drawn seed."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = fleet(rng)
    table = databases(rng, int(rng.integers(1, 6)), int(rng.integers(1, 12)))
    servers, copies = sum(k.count for k in kinds), int(table.replicas.sum())
    script = tuple(
        (int(at) * MIN_MS, action(rng, copies, servers, len(table)))
        for at in np.sort(rng.integers(0, WINDOW_MS // MIN_MS, int(rng.integers(0, 25))))
    )
    policy = Scripted(script=tuple((at, (told,)) for at, told in script), period_ms=MIN_MS)
    return Drawn(
        setting=setting(
            *kinds,
            window_ms=WINDOW_MS,
            databases=table,
            places=apart_and_held(rng, table, kinds),
            policies=(policy,),
        ),
        script=script,
    )
