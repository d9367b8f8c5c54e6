"""Small cases of packing, and a search that is slow, exact and shares no code with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from greensched.model import BY_MACHINE, BY_RACK, BY_SITE, Databases
from greensched.policies.packing import Case, Room, Terms, case_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn

    from greensched.model import IntArray

FREE = Terms(
    cpu_headroom_share=0.0,
    disk_headroom_share=0.0,
    isolation_share=0.0,
    compression_share=0.0,
    compression_cpu_share=0.0,
)


def databases_of(
    cpu_m: Sequence[Sequence[int]],
    *,
    iops: Sequence[Sequence[int]] | None = None,
    memory_mib: Sequence[int] | int = 0,
    disk_gib: Sequence[int] | int = 0,
    replicas: Sequence[int] | int = 1,
    apart: Sequence[int] | int = BY_MACHINE,
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
    """Return the machines of both."""
    return Room(
        **{n: np.concatenate([getattr(first, n), getattr(second, n)]) for n in Room.__slots__}
    )


def clashes(case: Case, a: int, b: int, at: int, other: int) -> bool:
    """Tell whether replica `a` on machine `at` is too near to `b` on `other`."""
    if case.database[a] != case.database[b]:
        return False
    group = case.group[case.apart[case.database[a]]]
    return bool(group[at] == group[other])


def columns_of_room(case: Case) -> IntArray:
    """Return what each machine gives in each column, [machines, columns]."""
    return np.repeat(case.room, np.diff(case.edges), axis=1)


def fewest_by_search(case: Case) -> int | None:
    """Return the fewest machines of any feasible plan, by trying all; None: there is none."""
    left = columns_of_room(case).copy()
    plan: list[int] = []
    best: int | None = None

    def tried(used: int) -> None:
        nonlocal best
        if best is not None and used >= best:
            return
        if len(plan) == len(case):
            best = used
            return
        replica = len(plan)
        need = case.need[case.database[replica]]
        for at in range(len(left)):
            if (left[at] < need).any():
                continue
            if any(clashes(case, replica, b, at, plan[b]) for b in range(replica)):
                continue
            left[at] -= need
            plan.append(at)
            tried(used + (at not in plan[:-1]))
            plan.pop()
            left[at] += need

    tried(0)
    return best


@st.composite
def cases(
    draw: DrawFn, *, most: int = 12, replicas_max: int = 3, equal: bool = True
) -> tuple[Databases, Room]:
    """Return databases and machines; where `equal`, so many that a plan exists."""
    count, steps = draw(st.integers(1, most)), draw(st.integers(1, 6))
    shape = st.lists(st.integers(0, 1_000), min_size=steps, max_size=steps)
    rows = st.lists(shape, min_size=count, max_size=count)

    def each(low: int, high: int) -> st.SearchStrategy[list[int]]:
        return st.lists(st.integers(low, high), min_size=count, max_size=count)

    databases = databases_of(
        draw(rows),
        iops=draw(rows),
        memory_mib=draw(each(0, 1_000)),
        disk_gib=draw(each(0, 1_000)),
        replicas=draw(each(1, replicas_max)),
        apart=draw(st.lists(st.sampled_from((BY_MACHINE, BY_RACK, BY_SITE)),
                            min_size=count, max_size=count)),
    )  # fmt: skip
    machines = 3 * int(databases.replicas.sum()) if equal else draw(st.integers(1, 8))
    room = room_of(machines, racks=draw(st.integers(replicas_max, 6)), sites=replicas_max)
    if not equal:
        room = joined(room, room_of(draw(st.integers(1, 4)), cpu_m=500, iops=1_500, racks=3))
    return databases, room


def free_case(databases: Databases, room: Room) -> Case:
    """Return the case without overheads and reserves."""
    return case_of(databases, room, FREE)
