"""Gangs that no fleet can start: refused when a scenario is checked, or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import greensched as gs
from greensched.errors import ScenarioError
from greensched.scenario.fits import fitting_together
from tests.engine.worlds import jobs, machines
from tests.report_cases import write_scenario

if TYPE_CHECKING:
    from pathlib import Path


def test_all_tasks_of_a_job_find_room_or_do_not() -> None:
    """By CPU, memory, devices whole and in parts, and pods, over all types of machines."""
    fleet = (
        machines(count=2, cpu_m=4_000, memory_mib=1_000, gpus=2),
        machines(name="b", count=3, cpu_m=2_000, memory_mib=1_000, reserved_cpu_m=500, pods_max=1),
    )
    for row, most in (
        ({"cpu_m": 1_000, "memory_mib": 0}, 2 * 4 + 3),
        ({"cpu_m": 2_000, "memory_mib": 0}, 2 * 2),
        ({"cpu_m": 0, "memory_mib": 500}, 2 * 2 + 3),
        ({"cpu_m": 100, "memory_mib": 0, "gpu_m": 300}, 2 * 2 * 3),
        ({"cpu_m": 100, "memory_mib": 0, "gpu_m": 1_000}, 2 * 2),
        ({"cpu_m": 100, "memory_mib": 0, "gpu_m": 2_000}, 2),
    ):
        table = jobs({**row, "tasks": most}, {**row, "tasks": most + 1}, {**row, "tasks": 1})
        assert [True, False, True] == fitting_together(fleet, table).tolist()


def test_a_gang_larger_than_the_fleet_is_refused_or_dropped(tmp_path: Path) -> None:
    """Its tasks and size are told; nothing behind it waits for ever."""
    path = write_scenario(tmp_path)
    table = (tmp_path / "jobs.csv").read_text(encoding="utf-8").splitlines()
    rows = [f"{table[0]},tasks", "gang,100,900,4000,1024,33", *(f"{one},1" for one in table[1:])]
    (tmp_path / "jobs.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    what = "1 job has more tasks than all machines together take at once, the first: 33"
    with pytest.raises(ScenarioError, match=what):
        gs.run(gs.load(path))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("jobs.csv}", "jobs.csv, on_bad: drop}"), encoding="utf-8")
    summary = gs.run(gs.load(path), bounds=False).summary
    assert 40 == summary["demand"]["jobs"]
    told = "1 job with more tasks than all machines together take at once, dropped"
    assert told in summary["demand"]["findings"]
