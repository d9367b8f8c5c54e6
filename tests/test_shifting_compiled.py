"""The compiled plan is that of the solver without a compiler, to the tick."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from greensched.model import NONE
from greensched.policies.shifting.compiled import CompiledPlan
from greensched.policies.shifting.plan import Plan
from greensched.ticks import TickIntensity, TickJobs
from tests.shifting_cases import intensity_of, jobs_of, studies


def both(
    jobs: TickJobs, series: TickIntensity, held: Any, **settings: Any
) -> list[list[list[int]]]:
    """Return the pieces of both plans."""
    found = []
    for kind in (Plan, CompiledPlan):
        schedule = kind(**settings).plan(jobs, series, held)
        found.append([c.tolist() for c in (schedule.job, schedule.start, schedule.stop)])
    return found


@given(
    studies(),
    st.integers(0, 2**32),
    st.sampled_from([NONE, 2_000, 2_500, 5_000]),
    st.sampled_from([0.0, 0.3]),
)
def test_compiled_plan_is_the_plan(
    study: tuple[TickJobs, TickIntensity], seed: int, cpu_m: int, hysteresis: float
) -> None:
    """Under a cap or none, with pauses that cost and starts that are held, both plan the same."""
    jobs, series = study
    rng = np.random.default_rng(seed)
    held = rng.integers(-1, series.length, len(jobs))
    cost = rng.choice([0.0, 0.1, 1.5], len(jobs))
    costly = replace(jobs, checkpoint=cost)
    for own in (jobs, costly):
        for was in (held, None):
            a, b = both(own, series, was, cpu_m=cpu_m, hysteresis=hysteresis)
            assert a == b


def test_a_pause_must_pay_its_checkpoint() -> None:
    """A job pauses for a saving of 8 where a pause costs 7.9, and not where it costs 8.1."""
    series, job = intensity_of(1.0, 9.0, 1.0, 9.0, 9.0), jobs_of((0, 2, 3), pauses=True)
    for cost, starts in ((7.9, [0, 2]), (8.1, [0])):
        costly = replace(job, checkpoint=np.array([cost]))
        assert starts == CompiledPlan().plan(costly, series).start.tolist()


def test_no_jobs_and_the_exact_solver_are_planned_as_ever() -> None:
    """No jobs make no pieces; the exact solver is not the loop's."""
    series = intensity_of(9.0, 1.0, 2.0, 9.0)
    jobs = jobs_of((0, 1, 3), (1, 1, 0), pauses=True)
    names = [f.name for f in fields(jobs) if f.name != "checkpoint"]
    columns: dict[str, Any] = {name: getattr(jobs, name)[:0] for name in names}
    none = TickJobs(**columns)
    assert [[], [], []] == both(none, series, None)[1]
    exact = CompiledPlan(solver="exact", cpu_m=1_000).plan(jobs, series)
    assert [2, 1] == exact.start.tolist()


def test_some_of_the_jobs_keep_their_own_checkpoints() -> None:
    """Where some jobs are taken, each has what its own pause costs."""
    jobs = replace(jobs_of((0, 1, 1), (0, 2, 1), (1, 3, 1)), checkpoint=np.array([0.5, 1.0, 1.5]))
    taken = jobs.taken(np.array([True, False, True]))
    assert taken.checkpoint is not None
    assert [0.5, 1.5] == taken.checkpoint.tolist()
    assert [1, 3] == taken.length.tolist()
