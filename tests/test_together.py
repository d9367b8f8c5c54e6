"""What is wrong with a command's scenario and its files is told at once, whatever found it."""

from __future__ import annotations

import pytest

from greensched.cli.gate import read_gates
from greensched.errors import DataError, GreenschedError, InternalError, UsageError, together
from greensched.experiment.world import shared
from greensched.scenario import loads
from tests.test_scenario import GOOD

TWO_SITES = """\
apiVersion: greensched/v1
kind: Scenario
name: wrong
window: {start: 2024-01-16T00:00Z, hours: 1}
sites:
  - {name: here, zone: A, pue: 1.2, intensity: first.csv}
  - {name: there, zone: B, pue: 1.2, intensity: second.csv}
fleet:
  - {name: m, site: here, count: 4, cores: 16, memory: 64 GiB, power: {idle: 90 W, peak: 250 W}}
  - {name: n, site: there, count: 4, cores: 16, memory: 64 GiB, power: {idle: 90 W, peak: 250 W}}
traces: {services: services.csv, jobs: jobs.csv}
"""


def test_files_of_all_parts_are_told() -> None:
    """Traces and grids that are not there are four findings of one error."""
    with pytest.raises(GreenschedError) as told:
        shared(loads(TWO_SITES))
    for name in ("services.csv", "jobs.csv", "first.csv", "second.csv"):
        assert 1 == sum(f"'{name}' is not there" in f.what for f in told.value.findings)


def test_overrides_are_told_with_what_they_put_in() -> None:
    """Paths that lead nowhere are told with values and keys of other overrides that cannot be."""
    given = {"nope.x": "2", "fleet.9.count": "2", "seed": "x", "fleet.0.cnt": "1"}
    with pytest.raises(UsageError) as told:
        loads(GOOD, overrides=given)
    expected = ("--set nope.x", "--set fleet.9.count", "--set seed", "--set fleet.0.cnt")
    places = [f.where for f in told.value.findings]
    assert all(any(place.endswith(name) for place in places) for name in expected)


def test_gates_are_told() -> None:
    """Every gate that cannot be is told, be it its shape or where it leads."""
    with pytest.raises(UsageError) as told:
        read_gates(["x", "y > 1", "batch.jobs > 1", "z > a"])
    assert [f"--fail-if '{t}'" for t in ("x", "y > 1", "z > a")] == [
        f.where for f in told.value.findings
    ]


def test_a_bug_is_not_gathered() -> None:
    """An error of ours is raised as it is, the kind of users' mistakes is that of the first."""

    def fails(error: Exception) -> None:
        raise error

    same = DataError("b")
    with pytest.raises(DataError, match="b\na"):
        together([lambda: fails(same), lambda: fails(UsageError("a")), lambda: fails(same)])
    with pytest.raises(InternalError):
        together([lambda: fails(same), lambda: fails(InternalError("c"))])
