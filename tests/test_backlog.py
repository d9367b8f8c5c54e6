"""What a run that was cut left undone, and what that would still take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from greensched.accounting.factors import Factors, SiteFactors, constant_pue
from greensched.engine.simulate import simulate
from greensched.experiment.backlog import UNDONE, backlog
from greensched.model import JobClass, Jobs
from greensched.units import MS_PER_H, MS_PER_MIN
from tests.engine.worlds import jobs, machines, setting

FACTORS = Factors(
    sites=(
        SiteFactors(
            site="here",
            edges_ms=np.array([0, MS_PER_H, 2 * MS_PER_H]),
            intensity_g_per_kwh=np.array([100.0, 500.0]),
            pue=constant_pue(1.5),
        ),
    ),
    machine_types=(),
)


def undone(table: Jobs, window_ms: int, mwh: int = 0, **having: Any) -> list[float | None]:
    """Return the backlog of a run that is cut at its window's end; its jobs took `mwh` in all."""
    run = simulate(setting(machines(), window_ms=window_ms, jobs=table, end="cut", **having))
    job_mwh = np.array([mwh, *[0] * (len(table) - 1)])
    return [backlog(run, table, FACTORS, job_mwh)[name] for name in UNDONE]


def test_what_runs_and_what_waits_is_priced_at_the_last_intensity() -> None:
    """16 of 21 core-hours are left; 5 took 5 kWh, so 16 kWh x PUE 1.5 x 500 g/kWh are to come."""
    table = jobs(
        {"duration_ms": MS_PER_H},
        {"duration_ms": 3 * MS_PER_H, "tasks": 4, "submit_ms": MS_PER_H},
        {"duration_ms": 2 * MS_PER_H, "tasks": 4, "submit_ms": MS_PER_H},
    )
    left = undone(table, 2 * MS_PER_H, mwh=5_000_000, discipline="fifo")
    assert [16.0, 24.0, 12.0] == pytest.approx(left)


def test_what_checkpoints_kept_is_not_left() -> None:
    """A job evicted after 30 of 60 minutes, its checkpoints kept, has 30 minutes left."""
    classes = (JobClass(checkpoint_interval_ms=MS_PER_MIN), JobClass(priority=1))
    table = jobs(
        {"duration_ms": MS_PER_H, "cpu_m": 4_000},
        {"duration_ms": MS_PER_H, "cpu_m": 4_000, "submit_ms": MS_PER_H // 2, "job_class": 1},
        classes=classes,
    )
    left = undone(table, MS_PER_H * 3 // 4, discipline="priority")
    assert 4 * (0.5 + 0.75) == pytest.approx(left[0])


def test_nothing_left_and_nothing_known() -> None:
    """Finished work leaves zeros; work of which nothing ran has no price."""
    assert [0.0, 0.0, 0.0] == undone(jobs({"duration_ms": 1_000}), MS_PER_MIN, mwh=7)
    large = jobs({"duration_ms": MS_PER_H}, {"duration_ms": MS_PER_H, "submit_ms": MS_PER_H - 1})
    late = undone(large, MS_PER_H, mwh=7)
    assert late[0] == pytest.approx(1.0, abs=1e-6)
    never = jobs({"duration_ms": MS_PER_H, "submit_ms": MS_PER_MIN - 1})
    busy = undone(never, MS_PER_MIN)
    assert busy[0] == pytest.approx(1.0, abs=1e-6)
