"""The machines on which what a scenario runs must find room: those that may run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greensched.scenario.fits import check_sizes, for_jobs, jobs_fitting
from greensched.scenario.workload import Workload
from tests.engine.worlds import Scripted, jobs, machines, services

if TYPE_CHECKING:
    from greensched.model import MachineType, Policy

FLEET = tuple(
    machines(name=role, role=role, count=2, cpu_m=cpu_m)
    for role, cpu_m in (("any", 2_000), ("batch", 3_000), ("online", 4_000), ("database", 5_000))
)


def named(kind: str) -> Policy:
    """Return a policy of this kind; what it does is not asked."""
    return Scripted(script=(), kind=kind)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((), "any batch"),
        (("elastic-reactive", "shifting-greedy"), "any batch"),
        (("elastic-reactive", "tidal"), "any batch online"),
        (("colocation-max",), "any batch online"),
    ],
)
def test_machines_that_serve_take_jobs_where_policies_lend_them(
    kinds: tuple[str, ...], expected: str
) -> None:
    """What has the role `online` counts with tidal or co-location, a database's machine never."""
    found = for_jobs(FLEET, [named(kind) for kind in kinds])
    assert expected.split() == [kind.name for kind in found]


def told(fleet: tuple[MachineType, ...], tasks: int, cpu_m: int, *kinds: str) -> list[str]:
    """Return what is found of one job of so many tasks of that size."""
    workload = Workload(jobs=jobs({"tasks": tasks, "cpu_m": cpu_m}))
    return [f.what for f in check_sizes(workload, fleet, [named(kind) for kind in kinds])]


def test_which_machines_are_meant_is_told() -> None:
    """A job larger than what may run it, or a gang than all of that, is a finding that says so."""
    (what,) = told(FLEET, 1, 4_000)
    assert "larger than every machine that runs jobs under these policies, the first" in what
    assert [] == told(FLEET, 1, 4_000, "tidal")
    (what,) = told(FLEET, 7, 1_500)
    assert "all machines that run jobs under these policies together take at once" in what
    assert [] == told(FLEET, 8, 1_500, "tidal")
    assert [] == told(FLEET, 6, 1_500)
    (what,) = told(FLEET[:2], 1, 4_000)
    assert "larger than every machine, the first" in what


def test_a_job_of_no_cpu_starts_on_a_millicore() -> None:
    """It has no place where every core is reserved, and one where a millicore is left."""
    idle = jobs({"cpu_m": 0})
    for left_m, fits in ((0, False), (1, True)):
        full = machines(cpu_m=4_000, reserved_cpu_m=4_000 - left_m)
        assert fits == jobs_fitting((full,), idle).item()


def test_a_service_that_is_too_large_is_told_with_its_size() -> None:
    """Who it is, what one replica asks for, and what to do about it."""
    (found,) = check_sizes(
        Workload(services=services({"replica_cpu_m": 6_500, "load_cpu_m": [1]})), FLEET
    )
    assert "1 service has replicas larger than every machine: s0, 6.5 cores, 0 MiB" == found.what
    assert "add a fleet entry that holds one" in found.remedy
