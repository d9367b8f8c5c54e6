"""PlanetLab's days, packed: the figures of docs/decisions/0014-consolidation.md."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from greensched.policies.packing import (
    Room,
    case_of,
    is_feasible,
    lower_bound,
    machines_used,
    overloaded,
    sum_of_peaks,
)
from greensched.policies.repacking import consolidated, repack
from greensched.readers import planetlab
from greensched.readers.options import ReadOptions

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import Databases

pytestmark = pytest.mark.data
COLUMNS = ("cpu_m", "iops", "memory_mib", "disk_gib", "replicas", "apart")


def day_of(data_folder: Path, day: str, memory_mib: int) -> Databases:
    """Return the virtual machines of a day as databases of one replica."""
    path = data_folder / "workload" / "other" / "planetlab.tar.xz"
    options = ReadOptions(member=day, replica_memory_mib=memory_mib)
    found = planetlab.read([path], options).databases
    assert found is not None
    return replace(found, replicas=np.ones(len(found), np.int64))


def servers(count: int) -> Room:
    """Return machines of 64 cores and 256 GiB in twelve racks."""
    ones = np.ones(count, np.int64)
    return Room(
        cpu_m=ones * 64_000, iops=ones, memory_mib=ones * 262_144, disk_gib=ones,
        rack=np.arange(count) % 12, site=ones * 0,
    )  # fmt: skip


@pytest.mark.parametrize(("memory_mib", "expected"), [(0, (50, 16, 15)), (8_192, (56, 36, 35))])
def test_first_day(data_folder: Path, memory_mib: int, expected: tuple[int, int, int]) -> None:
    """1,052 servers become 50 by sums of peaks and 16 by peaks of sums, of at least 15."""
    databases = day_of(data_folder, "20110303", memory_mib)
    case = case_of(databases, servers(len(databases)))
    baseline, plan = sum_of_peaks(case), consolidated(case)
    assert is_feasible(case, plan)
    assert expected == (machines_used(baseline), machines_used(plan), lower_bound(case))


def test_plan_of_one_day_on_another(data_folder: Path) -> None:
    """What was planned on one day breaks into the reserve three days later, never beyond it."""
    days = [day_of(data_folder, day, 0) for day in ("20110303", "20110306")]
    names = sorted(set(days[0].names) & set(days[1].names))
    assert 558 == len(names)
    cases = []
    for day in days:
        at = [day.names.index(name) for name in names]
        known = replace(day, names=tuple(names), **{c: getattr(day, c)[at] for c in COLUMNS})
        cases.append(case_of(known, servers(len(names))))
    plan = consolidated(cases[0])
    full = case_of(
        known, replace(servers(len(names)), cpu_m=np.full(len(names), 64_000 * 10 // 7))
    )
    assert 0 < len(overloaded(cases[1], plan)) < machines_used(plan)
    assert 0 == len(overloaded(full, plan))
    moves_max = len(names) // 50
    mended = repack(cases[1], plan, moves_max)
    assert moves_max >= (mended != plan).sum()
    assert len(overloaded(cases[1], mended)) < len(overloaded(cases[1], plan))
