"""Outages in the engine: days by hand, and the second model on random worlds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched.engine.simulate import simulate
from greensched.model import NONE, JobClass, Outages, Power, Setting, merged
from tests.effort import examples
from tests.engine.crowded_worlds import crowded
from tests.engine.database_worlds import Drawn, database_worlds
from tests.engine.outage_worlds import outages_of, with_outages
from tests.engine.random_worlds import full_worlds
from tests.engine.test_engine_databases import agree as databases_agree
from tests.engine.test_engine_twin import agree
from tests.engine.worlds import Scripted, jobs, machines, numbers, services, setting
from tests.packing_cases import databases_of

SEEDS = st.integers(0, 2**32 - 1)


def out(machine: int, from_ms: int, until_ms: int, notice_ms: int = 0) -> Outages:
    """Return one outage, announced `notice_ms` before."""
    leave_ms = numbers(from_ms - notice_ms)
    return merged(numbers(machine), leave_ms, numbers(from_ms), numbers(until_ms))


def test_failure_by_hand() -> None:
    """A job loses 2 s of work, waits for the repair, and each state draws its power so long."""
    told = setting(
        machines(role="batch", boot_ms=1_000, boot_w=150.0, off_w=5.0),
        jobs=jobs({"duration_ms": 3_000, "cpu_m": 4_000}),
        outages=out(0, 2_000, 5_000),
    )
    run = simulate(told)
    assert [9_000] == run.jobs.end_ms.tolist()
    assert [2_000] == run.jobs.wasted_ms.tolist()
    spent = dict(zip([g.role for g in run.usage.groups], run.usage.energy_j.sum(0), strict=True))
    assert spent == pytest.approx(
        {"batch": 2 * 200.0 + 3 * 200.0 + 51 * 100.0, "booting": 150.0, "out": 15.0}
    )
    assert (1, 1, 2_000, 1) == (
        run.outages.outages, run.outages.machines_peak, run.outages.machines_peak_ms,
        run.outages.jobs_lost,
    )  # fmt: skip
    assert 8.0 == run.outages.lost_core_s  # 2 s of four cores


def test_checkpoint_outlives_a_failure() -> None:
    """A job that wrote a checkpoint each second repeats what came after the last one only."""
    keeps = JobClass(checkpoint_interval_ms=1_000, evictable=False)
    told = setting(
        machines(role="batch", boot_ms=0),
        jobs=jobs({"duration_ms": 5_000}, classes=(keeps,)),
        outages=out(0, 2_700, 3_000),
    )
    run = simulate(told)
    assert [700] == run.jobs.wasted_ms.tolist()
    assert [6_000] == run.jobs.end_ms.tolist()


def test_maintenance_costs_a_checkpoint() -> None:
    """A job under notice writes a checkpoint as it stops: it repeats what that costs only."""
    keeps = JobClass(checkpoint_interval_ms=1_000, checkpoint_cost_ms=50)
    told = setting(
        machines(role="batch", boot_ms=0),
        jobs=jobs({"duration_ms": 5_000}, classes=(keeps,)),
        outages=out(0, 2_700, 3_000, notice_ms=500),
    )
    run = simulate(told)
    assert [50] == run.jobs.wasted_ms.tolist()
    assert [5_350] == run.jobs.end_ms.tolist()


def test_replicas_are_placed_again() -> None:
    """A lost replica starts elsewhere; until it serves, load beyond the rest is shortage."""
    told = setting(
        machines(role="online", count=2, cpu_m=1_000),
        services=services({"replicas": 1, "startup_ms": 4_000, "load_cpu_m": [600]}),
        outages=out(1, 10_000, 50_000),
    )
    run = simulate(told)
    assert 1 == run.outages.replicas_lost
    assert [4_000] == run.services.short_ms.sum(axis=0).tolist()
    assert [0.6 * 4] == pytest.approx(run.services.shortage_core_s.tolist())


def test_without_room_a_replica_waits_for_the_repair() -> None:
    """Where no other machine has room shortage lasts until repair, boot and start-up are over."""
    told = setting(
        machines(role="online", boot_ms=3_000),
        services=services({"replicas": 1, "startup_ms": 4_000, "load_cpu_m": [600]}),
        outages=out(0, 10_000, 20_000),
    )
    run = simulate(told)
    assert [17_000] == run.services.short_ms.sum(axis=0).tolist()


def test_notice_lets_replicas_move_and_jobs_end() -> None:
    """Announced 10 s before, an outage loses neither the replica nor the job that ends in time."""
    told = setting(
        machines(role="online", count=1, cpu_m=2_000),
        machines(name="b", role="batch", cpu_m=1_000),
        machines(name="c", role="online", cpu_m=2_000, memory_mib=900),
        services=services({"replica_memory_mib": 950, "load_cpu_m": [600]}),
        jobs=jobs({"duration_ms": 18_000}, {"submit_ms": 1, "duration_ms": 10_000}),
        outages=out(1, 20_000, 30_000, notice_ms=10_000),
    )
    run = simulate(told)
    assert 0 == run.outages.jobs_lost
    assert [0, 30_000 + 180_000] == run.jobs.start_ms.tolist()  # nothing begins after the notice
    moved = simulate(
        replace(
            told,
            fleet=(machines(role="online", count=2, cpu_m=2_000),),
            jobs=None,
            outages=out(1, 20_000, 30_000, notice_ms=10_000),
        )
    )
    assert 1 == moved.counts["moves"]
    assert 0 == moved.outages.replicas_lost
    assert 0 == moved.services.short_ms.sum()


def test_a_machine_that_is_out_cannot_be_woken() -> None:
    """On, off and sleep are refused while it is out; as it was on before, it boots when back."""
    asked = tuple(Power(machines=numbers(0), to=to) for to in ("on", "off", "sleep"))
    told = setting(
        machines(boot_ms=1_000),
        outages=out(0, 5_000, 20_000),
        policies=(Scripted(script=((10_000, asked),)),),
    )
    run = simulate(told)
    assert 3 == run.counts["rejected"]
    hours = dict(zip([g.role for g in run.usage.groups], run.usage.machine_ms.sum(0), strict=True))
    assert {"online": 44_000, "booting": 1_000, "out": 15_000} == hours


def test_a_machine_that_was_off_stays_off() -> None:
    """What was asleep as it failed is off afterwards, until a policy wants it."""
    asleep = Power(machines=numbers(0), to="sleep")
    told = setting(
        machines(),
        outages=out(0, 5_000, 20_000),
        policies=(Scripted(script=((0, (asleep,)),)),),
    )
    run = simulate(told)
    hours = dict(zip([g.role for g in run.usage.groups], run.usage.machine_ms.sum(0), strict=True))
    assert {"sleeping": 5_000, "out": 15_000, "off": 40_000} == hours


def test_a_database_is_short_only_while_all_its_replicas_are_out() -> None:
    """Of two replicas one is out for 30 s, both for 10 s: shortage is that of the 10 s."""
    told = setting(
        machines(role="database", count=2, boot_ms=0),
        databases=databases_of([[2_000]], replicas=2, apart=0),
        places=numbers(0, 1),
        outages=merged(
            numbers(0, 1), numbers(10_000, 30_000), numbers(10_000, 30_000),
            numbers(40_000, 50_000),
        ),
    )  # fmt: skip
    run = simulate(told)
    assert [2 * 2.0 * 60] == run.databases.work_core_s.tolist()
    assert [2 * 2.0 * 10] == pytest.approx(run.databases.shortage_core_s.tolist())
    assert [2 * 10_000] == run.databases.short_ms.tolist()
    assert 30_000 + 20_000 == run.outages.database_ms
    assert [0, 1] == run.databases.machine.tolist()


def test_machines_beyond_the_run_do_not_count() -> None:
    """A surplus machine's outage is none of this run."""
    told = setting(machines(count=2), roles=numbers(2, NONE), outages=out(1, 5_000, 20_000))
    run = simulate(told)
    assert 0 == run.outages.outages
    assert {"online", "surplus"} == {g.role for g in run.usage.groups}


@pytest.mark.parametrize("hundred", range(3))
def test_twin_agrees_on_crowded_worlds_with_outages(hundred: int) -> None:
    """Engine and twin agree where machines fail amid gangs, moves, lending and boots."""
    for seed in range(100 * hundred, 100 * (hundred + 1)):
        try:
            agree(with_outages(crowded(seed), seed))
        except AssertionError as error:
            error.add_note(f"the world is crowded({seed}) with_outages {seed}")
            raise


@settings(max_examples=examples(100))
@given(full_worlds(), SEEDS)
def test_twin_agrees_on_outages(told: Setting, seed: int) -> None:
    """Engine and twin agree on outages beside everything that policies may do."""
    agree(with_outages(told, seed))


@settings(max_examples=examples(150))
@given(database_worlds(), SEEDS)
def test_twin_agrees_on_databases_with_outages(drawn: Drawn, seed: int) -> None:
    """Engine and twin agree on databases that fail over, and on copies that are cut off."""
    count = sum(kind.count for kind in drawn.setting.fleet)
    outages = outages_of(count, drawn.setting.window_ms, seed)
    databases_agree(replace(drawn, setting=replace(drawn.setting, outages=outages)))
