"""Laws of replays: under a cap and beside reserved cores each tick is as the definitions say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched import registry
from greensched.shift.replay import beside_reserved, capped
from tests.effort import examples
from tests.shifting_cases import capped_twin, reserved_twin, studies, ticks_of

if TYPE_CHECKING:
    from greensched.ticks import TickIntensity, TickJobs


@pytest.mark.parametrize("name", ["no-wait", "lowest-window", "wait-awhile", "ecovisor"])
@settings(max_examples=examples(150))
@given(study=studies(), cpu_m=st.integers(2_000, 5_000))
def test_capped_is_its_definition(
    name: str, study: tuple[TickJobs, TickIntensity], cpu_m: int
) -> None:
    """First fit in the order of (planned start, arrival, row), tried at every single tick."""
    jobs = study[0]
    schedule = registry.load("shifting policy", name)().plan(*study)
    ran = capped(schedule, jobs, cpu_m)
    assert capped_twin(schedule, jobs, cpu_m) == [ticks_of(ran, j) for j in range(len(jobs))]


@pytest.mark.parametrize("name", ["no-wait", "lowest-slot", "lowest-window", "carbon-time"])
@settings(max_examples=examples(150))
@given(study=studies(), cpu_m=st.integers(0, 5_000))
def test_reserved_is_its_definition(
    name: str, study: tuple[TickJobs, TickIntensity], cpu_m: int
) -> None:
    """Due jobs and those that fit reserved cores start in order of arrival, at every tick."""
    policy = registry.load("shifting policy", name)()
    jobs, schedule = policy.window(*study), policy.plan(*study)
    ran = beside_reserved(schedule, jobs, cpu_m)
    start, reserved = reserved_twin(schedule.start.tolist(), jobs, cpu_m)
    np.testing.assert_array_equal(start, ran.schedule.start)
    np.testing.assert_array_equal(reserved, ran.reserved)


@pytest.mark.parametrize("name", registry.names("shifting policy"))
@settings(max_examples=examples(30))
@given(study=studies(), cpu_m=st.integers(0, 5_000))
def test_who_may_pause_keeps_the_planned_ticks(
    name: str, study: tuple[TickJobs, TickIntensity], cpu_m: int
) -> None:
    """Beside reserved cores jobs that may pause keep their ticks, also where none of them does."""
    jobs, series = study[0].interruptibly(pauses=True), study[1]
    policy = registry.load("shifting policy", name)()
    allowed, schedule = policy.window(jobs, series), policy.plan(jobs, series)
    ran = beside_reserved(schedule, allowed, cpu_m)
    if allowed.interruptible.any():
        np.testing.assert_array_equal(schedule.start, ran.schedule.start)
    else:
        assert np.all(ran.schedule.start <= schedule.start)
