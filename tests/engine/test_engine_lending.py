"""What runs on a lent machine: only what ends, or gets on far enough, before its recall."""

from __future__ import annotations

from typing import Any

import numpy as np

from greensched.engine.simulate import Simulation, simulate
from greensched.engine.snapshot import Roster, Sight
from greensched.model import JobClass, Lend
from tests.engine.worlds import Scripted, jobs, machines, numbers, services, setting

KEEPS = JobClass(name="keeps", checkpoint_interval_ms=10_000, checkpoint_cost_ms=1_000)


def started_ms(*terms: tuple[int, int], **job: Any) -> list[int]:
    """Return when a job starts on a machine lent at each time [ms] of `terms` until the next."""
    lends = (
        (at_ms, (Lend(machines=numbers(0), drain_ms=0, until_ms=until_ms),))
        for at_ms, until_ms in terms
    )
    result = simulate(
        setting(
            machines(role="online"),
            window_ms=120_000,
            services=services({"load_cpu_m": [1_000, 0]}),
            jobs=jobs({"duration_ms": 50_000} | job, classes=(KEEPS, JobClass(name="loses"))),
            policies=(Scripted(script=tuple(lends)),),
            end="cut",
        )
    )
    assert 0 == result.counts["rejected"]
    start_ms: list[int] = result.jobs.start_ms.tolist()
    return start_ms


def test_a_renewed_term_lets_longer_jobs_in() -> None:
    """A machine that is lent again stays lent, and from then on has the new term."""
    assert [-1] == started_ms((1_000, 40_000), job_class=1)
    assert [20_000] == started_ms((1_000, 40_000), (20_000, 70_000), job_class=1)
    assert [-1] == started_ms((1_000, 40_000), (20_000, 69_999), job_class=1)


def test_a_term_can_be_cut() -> None:
    """What a machine was lent for at first no longer counts once it is to come back earlier."""
    late = {"submit_ms": 10_000, "job_class": 1}
    assert [10_000] == started_ms((1_000, 90_000), **late)
    assert [-1] == started_ms((1_000, 90_000), (5_000, 50_000), **late)


def test_checkpoints_need_four_intervals() -> None:
    """A job that keeps checkpoints needs time for four of them, or for its end if that is less."""
    assert [1_000] == started_ms((1_000, 41_000))
    assert [-1] == started_ms((1_000, 40_999))
    assert [1_000] == started_ms((1_000, 16_000), duration_ms=15_000)


def test_racks_are_seen() -> None:
    """A type's machines are dealt to its racks in turn; without any each is its own."""
    run = Simulation(setting(machines(count=5, racks=2), machines(name="b", count=2)))
    seen = Sight(run.setting, run.world, Roster()).look(run._book)
    np.testing.assert_array_equal([0, 1, 0, 1, 0, 2, 3], seen.machines.rack)
