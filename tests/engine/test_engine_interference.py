"""Interference by hand: how batch and services slow each other, and what that does not change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched.engine.simulate import simulate
from greensched.model import NO_INTERFERENCE, BatchLimit, Interference, JobClass, Setting
from tests.effort import examples
from tests.engine.random_worlds import full_worlds
from tests.engine.worlds import Scripted, jobs, machines, numbers, services, setting

MINUTE_MS = 60_000
LINEAR = Interference(model="linear", curve=((0.0, 0.0), (1.0, 0.4)))


def shared(interference: Interference = NO_INTERFERENCE, **having: Any) -> Setting:
    """Return four cores of which a service uses one, and a job of two cores and 30 s beside it."""
    limit = BatchLimit(machines=numbers(0), cpu_m=numbers(4_000), memory_mib=numbers(1_000))
    row = {"cpu_m": 2_000, "duration_ms": 30_000}
    return setting(
        machines(role="online", **having),
        services=services({"load_cpu_m": [1_000]}),
        jobs=jobs(row, classes=(JobClass(name="hot"),)),
        policies=(Scripted(script=((0, (limit,)),)),),
        interference=interference,
        end="cut",
    )


def pressed_ms(run: Any) -> float:
    """Return the slow-down of the one replica by pressure x milliseconds."""
    return float(run.services.pressed_ms.sum())


def test_none_slows_nobody_and_measures_pressure() -> None:
    """Half of the machine is pressed for 30 s; the job takes its 30 s."""
    run = simulate(shared())
    assert [30_000] == run.jobs.end_ms.tolist()
    assert 0.5 * 30_000 == pytest.approx(pressed_ms(run))


def test_linear() -> None:
    """With slope 0.4 the job's half slows the service by 0.2, its quarter the job by 0.1."""
    run = simulate(shared(LINEAR))
    assert [33_001] == run.jobs.end_ms.tolist()  # progress is rounded down
    assert 0.2 * 33_001 == pytest.approx(pressed_ms(run))


def test_jobs_that_are_slowed_hold_their_cpu() -> None:
    """A job slowed to 33 s takes its dynamic power for 33 s."""
    calm, slow = (simulate(shared(i)).jobs.energy_j[0] for i in (NO_INTERFERENCE, LINEAR))
    assert calm * 33_001 / 30_000 == pytest.approx(slow)


def test_bubble() -> None:
    """A class that presses half as much stands at a quarter of the curve; jobs suffer twofold."""
    run = simulate(
        shared(
            Interference(
                model="bubble",
                curve=((0.0, 0.0), (0.25, 0.05), (1.0, 2.0)),
                pressure=(("hot", 0.5),),
                batch_sensitivity=2.0,
            )
        )
    )
    assert [33_001] == run.jobs.end_ms.tolist()
    assert 0.05 * 33_001 == pytest.approx(pressed_ms(run))


def test_hyperthreads() -> None:
    """Three of four threads on two cores do the work of 2.3: both are 3 / 2.3 as slow."""
    run = simulate(shared(smt_factor=0.3))
    slow = 3 / 2.3
    assert int(30_000 * slow) + 1 == run.jobs.end_ms[0]
    assert (slow - 1) * run.jobs.end_ms[0] == pytest.approx(run.services.smt_ms.sum())


def test_nobody_is_slowed_alone() -> None:
    """Without a service beside it a job takes its time, whatever the curve."""
    alone = replace(shared(LINEAR, smt_factor=0.3), services=None, policies=())
    alone = replace(alone, fleet=(replace(alone.fleet[0], role="batch"),))
    assert [30_000] == simulate(alone).jobs.end_ms.tolist()


def test_each_step_has_its_own() -> None:
    """What was pressed is told by load step: the job ends in the second of two."""
    once = shared()
    twice = replace(
        once,
        services=services({"load_cpu_m": [1_000, 2_000]}, step_ms=20_000),
    )
    run = simulate(twice)
    assert [0.5 * 20_000, 0.5 * 10_000, 0.0] == pytest.approx(run.services.pressed_ms[:, 0])


@settings(max_examples=examples(60))
@given(full_worlds(), st.floats(0.0, 3.0))
def test_none_is_the_same_with_any_curve(world: Setting, slope: float) -> None:
    """Where jobs are not slowed no curve changes what happens, to the bit."""
    fleet = tuple(replace(kind, smt_factor=1.0) for kind in world.fleet)
    calm = replace(world, fleet=fleet, interference=NO_INTERFERENCE)
    other = Interference(model="linear", curve=((0.0, 0.0), (1.0, slope)), batch_sensitivity=0.0)
    before, after = simulate(calm), simulate(replace(calm, interference=other))
    assert before.usage.energy_j.tobytes() == after.usage.energy_j.tobytes()
    assert before.jobs.end_ms.tobytes() == after.jobs.end_ms.tobytes()
    assert slope * before.services.pressed_ms == pytest.approx(after.services.pressed_ms)


@settings(max_examples=examples(60))
@given(
    st.floats(0, 4_000),
    st.floats(0, 4_000),
    st.floats(0.0, 1.0),
)
def test_more_pressure_slows_no_less(load: float, more: float, factor: float) -> None:
    """Slow-down of services rises with what batch uses beside them, in each of its two parts."""

    def told(cpu_m: int) -> Any:
        world = shared(LINEAR, smt_factor=factor)
        table = jobs({"cpu_m": max(1, cpu_m), "duration_ms": 10 * MINUTE_MS})
        return simulate(
            replace(world, jobs=table, services=services({"load_cpu_m": [int(min(load, 1_000))]}))
        ).services

    less, most = told(int(min(load, more))), told(int(max(load, more)))
    assert (less.pressed_ms <= most.pressed_ms + 1e-9).all()
    assert (less.smt_ms <= most.smt_ms + 1e-9).all()
    assert np.isfinite(most.smt_ms).all()
