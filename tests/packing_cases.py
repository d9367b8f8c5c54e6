"""Small cases of packing, and a search that is slow, exact and shares no code with it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from greensched.model import BY_MACHINE, BY_SITE, NONE, Databases
from greensched.policies.packing import Case, Room, Terms, case_of
from tests.drawn import shares, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypothesis.strategies import DrawFn

    from greensched.model import IntArray
    from greensched.policies.packing import Packing

FREE = Terms(
    cpu_headroom_share=0.0,
    disk_headroom_share=0.0,
    isolation_share=0.0,
    compression_share=0.0,
    compression_cpu_share=0.0,
)


def databases_of(
    cpu_m: Sequence[Sequence[int]] | IntArray,
    *,
    iops: Sequence[Sequence[int]] | IntArray | None = None,
    memory_mib: Sequence[int] | IntArray | int = 0,
    disk_gib: Sequence[int] | IntArray | int = 0,
    replicas: Sequence[int] | IntArray | int = 1,
    apart: Sequence[int] | IntArray | int = BY_MACHINE,
) -> Databases:
    """Return databases `d0`, `d1`, .. that use `cpu_m`, hourly."""
    load = np.array(cpu_m, np.int64)
    zeros = np.zeros(len(load), np.int64)
    return Databases(
        names=tuple(f"d{i}" for i in range(len(load))),
        start_ms=0,
        step_ms=3_600_000,
        cpu_m=load,
        iops=np.zeros_like(load) if iops is None else np.array(iops, np.int64),
        memory_mib=zeros + memory_mib,
        disk_gib=zeros + disk_gib,
        replicas=zeros + replicas,
        apart=zeros + apart,
    )


def room_of(
    count: int,
    *,
    cpu_m: int = 1_000,
    iops: int = 1_000,
    memory_mib: int = 1_000,
    disk_gib: int = 1_000,
    racks: int = 1,
    sites: int = 1,
) -> Room:
    """Return `count` equal machines, spread over racks, and racks over sites, in turns."""
    ones = np.ones(count, np.int64)
    rack = np.arange(count) % max(racks, sites)
    return Room(
        cpu_m=ones * cpu_m,
        iops=ones * iops,
        memory_mib=ones * memory_mib,
        disk_gib=ones * disk_gib,
        rack=rack,
        site=rack % sites,
    )


def joined(first: Room, second: Room) -> Room:
    """Return the machines of both; racks of the second are others, as none is in two sites."""
    second = replace(second, rack=second.rack + first.rack.max() + 1)
    return Room(
        **{n: np.concatenate([getattr(first, n), getattr(second, n)]) for n in Room.__slots__}
    )


def columns_of_room(case: Case) -> IntArray:
    """Return what each machine gives in each column, [machines, columns]."""
    return np.repeat(case.room, np.diff(case.edges), axis=1)


def fewest_by_search(case: Case) -> int | None:
    """Return the fewest machines of any feasible plan, by trying all; None: there is none."""
    left = columns_of_room(case).copy()
    plan: list[int] = []
    best: int | None = None

    def tried(used: frozenset[int]) -> None:
        nonlocal best
        if best is not None and len(used) >= best:
            return
        if len(plan) == len(case):
            best = len(used)
            return
        database = case.database[len(plan)]
        group = case.group[case.apart[database]]
        near = {group[at] for b, at in enumerate(plan) if case.database[b] == database}
        fits = np.flatnonzero((left >= case.need[database]).all(axis=1)).tolist()
        for at in sorted(fits, key=lambda at: at not in used):  # few machines are found early
            if group[at] not in near:
                left[at] -= case.need[database]
                plan.append(at)
                tried(used | {at})
                plan.pop()
                left[at] += case.need[database]

    tried(frozenset())
    return best


def room_for(packing: Packing, replica: int, among: Iterable[int]) -> dict[int, float]:
    """Return the machines with room, and how little of any resource each has left then."""
    case, found = packing.case, {}
    database = case.database[replica]
    group, need = case.group[case.apart[database]], case.need[database]
    kin = [r for r in np.flatnonzero(case.database == database) if r != replica]
    near = {group[packing.machine[r]] for r in kin if packing.machine[r] != NONE}
    for at in among:
        left = (packing.left[at] - need).tolist()
        if min(left) >= 0 and group[at] not in near and not case.closed[at]:
            found[at] = min(
                min(left[a:b]) / max(1, int(most))
                for (a, b), most in zip(pairwise(case.edges), case.room[at], strict=True)
            )
    return found


@st.composite
def cases(
    draw: DrawFn, *, most: int = 12, replicas_max: int = 3, equal: bool = True
) -> tuple[Databases, Room]:
    """Return databases and machines; where `equal`, so many that a plan exists."""
    count, steps = draw(st.integers(1, most)), draw(st.integers(1, 6))
    row = shares(draw, most, 17)[:count]  # of a database: 14 needs, its size, replicas, apart
    largest = np.minimum(whole(row[:, 14:15], 0, 1_250), 1_000)  # many fill a machine
    need = whole(row[:, :14], 0, largest)
    databases = databases_of(
        need[:, :steps],
        iops=need[:, 6 : 6 + steps],
        memory_mib=need[:, 12],
        disk_gib=need[:, 13],
        replicas=whole(row[:, 15], 1, replicas_max),
        apart=whole(row[:, 16], BY_MACHINE, BY_SITE),
    )
    machines = 3 * int(databases.replicas.sum()) if equal else draw(st.integers(1, 8))
    room = room_of(machines, racks=draw(st.integers(replicas_max, 6)), sites=replicas_max)
    if not equal:
        room = joined(room, room_of(draw(st.integers(1, 4)), cpu_m=500, iops=1_500, racks=3))
    return databases, room


def free_case(databases: Databases, room: Room) -> Case:
    """Return the case without overheads and reserves."""
    return case_of(databases, room, FREE)
