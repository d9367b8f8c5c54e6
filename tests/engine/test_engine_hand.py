"""Worlds small enough to work out by hand: energy to the joule, times to the millisecond."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from greensched.engine.simulate import simulate
from greensched.model import BatchLimit, JobClass, Lend, Power, Recall, Scale, Setting
from greensched.power import Linear
from tests.engine.worlds import Scripted, jobs, machines, numbers, services, setting

H_MS = 3_600_000
KEEPS = JobClass(name="keeps", checkpoint_interval_ms=10_000, checkpoint_cost_ms=1_000)


def day() -> Setting:
    """Return a day of one machine that serves and one for batch, which sleeps and is off."""
    fleet = [
        machines(name=name, role=role, boot_w=50.0, off_w=2.0, sleep_w=5.0)
        for name, role in (("serve", "online"), ("work", "batch"))
    ]
    switches: tuple[tuple[int, Literal["on", "sleep", "off"]], ...] = (
        (4, "sleep"),
        (10, "on"),
        (11, "off"),
        (20, "on"),
    )
    script = tuple((h * H_MS, (Power(machines=numbers(1), to=to),)) for h, to in switches)
    return setting(
        *fleet,
        window_ms=24 * H_MS,
        services=services({"replicas": 2, "load_cpu_m": [2_000, 800]}, step_ms=12 * H_MS),
        jobs=jobs(
            {"duration_ms": H_MS, "cpu_m": 4_000},
            {"submit_ms": H_MS // 2, "duration_ms": 2 * H_MS},
            {"submit_ms": 19 * H_MS, "duration_ms": H_MS, "cpu_m": 2_000},
        ),
        policies=(Scripted(script=script, period_ms=H_MS),),
    )


def test_hand_computed_day_to_the_joule() -> None:
    """Two machines, one service of two load levels and three jobs take the energy worked out."""
    # Linear, 100 W idle, 200 W at 4,000 millicores: 0.025 W a millicore. Boot 50 W for 180 s from
    # off and for 30 s from sleep, sleep 5 W, off 2 W. Machine 0 serves, machine 1 is for batch.
    #
    # Machine 0, on all day: load 2,000 millicores for 12 h, then 800 (two replicas of 1,000):
    #   12 h x (100 + 50) W + 12 h x (100 + 20) W = 43,200 s x 270 W        = 11,664,000 J  online
    # Machine 1: A (4,000 millicores) 0..1 h, B (1,000) 0.5 h..2.5 h waits for A: 1 h..3 h.
    #   1 h x 200 W + 2 h x 125 W                    = 720,000 + 900,000 J  =  1,620,000 J  batch
    #   idle 3 h..4 h at 100 W                                              =    360,000 J  batch
    #   sleeps 4 h..10 h at 5 W = 21,600 s x 5 W                            =    108,000 J  asleep
    #   wakes at 10 h in 30 s at 50 W                                       =      1,500 J  booting
    #   idle 10 h + 30 s..11 h at 100 W = 3,570 s                           =    357,000 J  batch
    #   off 11 h..20 h at 2 W = 32,400 s x 2 W                              =     64,800 J  off
    #   boots at 20 h in 180 s at 50 W                                      =      9,000 J  booting
    #   C (2,000), submitted at 19 h, runs 20 h + 180 s..21 h + 180 s 150 W =    540,000 J  batch
    #   idle 21 h + 180 s..24 h = 10,620 s x 100 W                          =  1,062,000 J  batch
    result = simulate(day())
    usage = result.usage
    energy_j = {
        (group.machine_type, group.role): joules
        for group, joules in zip(usage.groups, usage.energy_j.sum(axis=0), strict=True)
    }
    expected_j = {
        ("serve", "online"): 11_664_000.0,
        ("work", "batch"): 1_620_000.0 + 360_000.0 + 357_000.0 + 540_000.0 + 1_062_000.0,
        ("work", "sleeping"): 108_000.0,
        ("work", "booting"): 1_500.0 + 9_000.0,
        ("work", "off"): 64_800.0,
    }
    assert expected_j == pytest.approx(energy_j, rel=1e-12)
    assert [0, H_MS, 20 * H_MS + 180_000] == result.jobs.start_ms.tolist()
    assert [H_MS, 3 * H_MS, 21 * H_MS + 180_000] == result.jobs.end_ms.tolist()
    # A reserves the whole machine; B reserves a quarter: 25 W idle + 25 W use for 2 h; C half
    assert [720_000.0, 360_000.0, 360_000.0] == pytest.approx(result.jobs.energy_j.tolist())
    # half of machine 0 is reserved: 50 W idle all day, use 50 W and then 20 W
    assert [43_200 * (100 + 50 + 20.0)] == pytest.approx(result.services.energy_j.tolist())
    assert 24 * H_MS == result.end_ms
    assert 2 == result.counts["power_cycles"]
    assert 2 == result.machines_on_peak


def test_contention_slows_batch_and_services_come_first() -> None:
    """Batch beside a service gets what the service leaves, and its end moves accordingly."""
    # Four cores; the service uses 1,000 for 60 s and 3,000 after. The job asks for 2,000 for
    # 120 s and starts at 0: full speed for 60 s, then half speed (1,000 left of 2,000 wanted)
    # for the remaining 60 s of work = 120 s, so it ends at 180 s.
    limit = BatchLimit(machines=numbers(0), cpu_m=numbers(4_000), memory_mib=numbers(1_000))
    result = simulate(
        setting(
            machines(role="online"),
            window_ms=600_000,
            services=services({"replica_cpu_m": 3_000, "load_cpu_m": [1_000, 3_000]}),
            jobs=jobs({"duration_ms": 120_000, "cpu_m": 2_000}),
            policies=(Scripted(script=((0, (limit,)),)),),
        )
    )
    assert [180_000] == result.jobs.end_ms.tolist()
    # 60 s at 3,000 = 175 W; 120 s at 4,000 = 200 W; then 420 s at 3,000
    assert 60 * 175.0 + 120 * 200.0 + 420 * 175.0 == pytest.approx(result.usage.energy_j.sum())
    assert 0.0 == result.services.shortage_core_s.sum()


def test_use_steps_are_integrated_exactly() -> None:
    """A job that uses 500, then 3,000 millicores draws 112.5 W and 175 W in those spans."""
    result = simulate(
        setting(
            machines(role="batch"),
            jobs=jobs(
                {"duration_ms": 30_000, "cpu_m": 4_000}, uses=[[(10_000, 500), (30_000, 3_000)]]
            ),
        )
    )
    assert [30_000] == result.jobs.end_ms.tolist()
    assert 10 * 112.5 + 20 * 175.0 + 30 * 100.0 == pytest.approx(result.usage.energy_j.sum())


def test_preemption_keeps_what_checkpoints_kept() -> None:
    """A preempted job repeats the work since its last checkpoint, and that is counted."""
    # The low job starts at 0 and gives way at 25 s. Its last checkpoint is at 20 s of progress,
    # of which saving cost 1 s: 19 s are kept, 6 s lost. It continues at 35 s with 60 - 19 = 41 s
    # to do, and ends at 76 s.
    low = JobClass(name="low", priority=0, checkpoint_interval_ms=10_000, checkpoint_cost_ms=1_000)
    high = JobClass(name="high", priority=1)
    result = simulate(
        setting(
            machines(role="batch"),
            jobs=jobs(
                {"duration_ms": 60_000, "cpu_m": 4_000},
                {"submit_ms": 25_000, "duration_ms": 10_000, "cpu_m": 3_000, "job_class": 1},
                classes=(low, high),
            ),
            discipline="priority",
        )
    )
    assert [0, 25_000] == result.jobs.start_ms.tolist()
    assert [76_000, 35_000] == result.jobs.end_ms.tolist()
    assert [6_000, 0] == result.jobs.wasted_ms.tolist()
    assert [1, 0] == result.jobs.evictions.tolist()


def test_eviction_without_checkpoints_loses_all() -> None:
    """A job evicted after 5 s without checkpoints starts anew and counts 5 s as lost."""
    script = (
        (0, (BatchLimit(machines=numbers(0), cpu_m=numbers(4_000), memory_mib=numbers(0)),)),
        (
            5_000,
            (
                BatchLimit(
                    machines=numbers(0), cpu_m=numbers(0), memory_mib=numbers(0), evict=True
                ),
            ),
        ),
        (9_000, (BatchLimit(machines=numbers(0), cpu_m=numbers(4_000), memory_mib=numbers(0)),)),
    )
    result = simulate(
        setting(
            machines(role="online"),
            jobs=jobs({"duration_ms": 10_000}),
            policies=(Scripted(script=script),),
        )
    )
    assert [0] == result.jobs.start_ms.tolist()
    assert [19_000] == result.jobs.end_ms.tolist()
    assert [5_000] == result.jobs.wasted_ms.tolist()
    assert 15 * 125.0 + 45 * 100.0 == pytest.approx(result.usage.energy_j.sum())


def test_gang_is_evicted_as_one_and_its_work_counted() -> None:
    """Eviction of one of two tasks stops both; both lose the work since the checkpoint."""
    # Each of two online machines takes one task. At 25 s machine 0 is closed to batch: 20 s are
    # kept less 1 s of saving, 2 x (25 - 19) = 12 s of task time are lost. At 40 s it opens again:
    # the gang needs both machines, and runs 60 - 19 = 41 s more, to 81 s.

    def limit(machine: int, cpu_m: int, *, evict: bool = False) -> BatchLimit:
        return BatchLimit(
            machines=numbers(machine), cpu_m=numbers(cpu_m), memory_mib=numbers(0), evict=evict
        )

    script = (
        (0, (limit(0, 4_000), limit(1, 4_000))),
        (25_000, (limit(0, 0, evict=True),)),
        (40_000, (limit(0, 4_000),)),
    )
    result = simulate(
        setting(
            machines(role="online", count=2),
            window_ms=120_000,
            jobs=jobs({"duration_ms": 60_000, "cpu_m": 3_000, "tasks": 2}, classes=(KEEPS,)),
            policies=(Scripted(script=script),),
        )
    )
    assert [81_000] == result.jobs.end_ms.tolist()
    assert [12_000] == result.jobs.wasted_ms.tolist()
    assert [1] == result.jobs.evictions.tolist()
    # executed = 2 x 60 s of work + 12 s lost, each at 75 W above idle
    assert (120 + 12) * 75.0 + 2 * 120 * 100.0 == pytest.approx(result.usage.energy_j.sum())


def test_evicted_gang_also_loses_what_ended_mates_had_done() -> None:
    """A task that ended before its gang was evicted is repeated, and counted as lost."""
    # Machine 1 has a service that halves the batch there, so task 0 ends at 10 s and task 1 stands
    # at 6 s of progress at 12 s, when it is evicted: 10 s + 6 s are lost.

    def limit(*machine: int, cpu_m: int, evict: bool = False) -> BatchLimit:
        return BatchLimit(
            machines=numbers(*machine),
            cpu_m=numbers(*[cpu_m] * len(machine)),
            memory_mib=numbers(*[0] * len(machine)),
            evict=evict,
        )

    fleet = (machines(name="quiet", role="batch"), machines(name="busy", role="online"))
    script = (
        (0, (limit(1, cpu_m=4_000),)),
        (12_000, (limit(1, cpu_m=0, evict=True),)),
        (20_000, (limit(1, cpu_m=4_000),)),
    )
    result = simulate(
        setting(
            *fleet,
            services=services({"replica_cpu_m": 2_000, "load_cpu_m": [2_000]}),
            jobs=jobs({"duration_ms": 10_000, "cpu_m": 4_000, "tasks": 2}),
            policies=(Scripted(script=script),),
        )
    )
    assert [16_000] == result.jobs.wasted_ms.tolist()
    assert [40_000] == result.jobs.end_ms.tolist()


def test_gang_that_never_fits_waits() -> None:
    """A gang of which only a part fits neither starts nor keeps the engine busy."""
    result = simulate(
        setting(
            machines(role="batch", cpu_m=3_000),
            jobs=jobs({"cpu_m": 2_000, "tasks": 2}),
            end="cut",
        )
    )
    assert [-1] == result.jobs.start_ms.tolist()
    assert 1 == result.counts["waiting"]
    assert 60 * 100.0 == pytest.approx(result.usage.energy_j.sum())


def test_blocked_head_of_easy_backfill_is_not_starved() -> None:
    """With exact estimates a blocked head starts when the jobs before it have ended."""
    first = [{"duration_ms": 10_000 + 2_500 * i} for i in range(4)]
    head = {"submit_ms": 1_000, "duration_ms": 5_000, "cpu_m": 4_000}
    behind = [{"submit_ms": 2_000 + 100 * i, "duration_ms": 10_000} for i in range(40)]
    result = simulate(setting(machines(role="batch"), jobs=jobs(*first, head, *behind)))
    assert 17_500 == result.jobs.start_ms[4]
    assert 22_500 == result.jobs.start_ms[5:].min()


def test_job_starts_where_its_size_found_no_room_before() -> None:
    """A size that found no room while the machine was full starts once it is not."""
    rows = [
        {"duration_ms": 10_000, "cpu_m": 4_000},
        {"submit_ms": 1_000, "duration_ms": 10_000},
        {"submit_ms": 11_000, "duration_ms": 10_000},
    ]
    result = simulate(setting(machines(role="batch"), jobs=jobs(*rows)))
    assert [0, 10_000, 11_000] == result.jobs.start_ms.tolist()


def test_short_job_overtakes_a_blocked_head() -> None:
    """A job that ends before the head can start overtakes it; a longer one does not."""
    rows = [
        {"duration_ms": 20_000, "cpu_m": 3_000},
        {"submit_ms": 1_000, "duration_ms": 5_000, "cpu_m": 4_000},
        {"submit_ms": 2_000, "duration_ms": 19_000},
        {"submit_ms": 3_000, "duration_ms": 17_000},
    ]
    result = simulate(setting(machines(role="batch"), jobs=jobs(*rows)))
    assert [0, 20_000, 25_000, 3_000] == result.jobs.start_ms.tolist()


def test_lent_machine_serves_batch_and_comes_back() -> None:
    """A machine drained, lent and recalled gives batch its time and the service its replica."""
    # Lent at 60 s with 10 s of drain: the job waits until 70 s. Recalled at 100 s with 5 s of
    # grace: the job (40 s) is evicted at 105 s with 35 s lost; the replica serves again at 125 s.
    script = (
        (60_000, (Lend(machines=numbers(0), drain_ms=10_000),)),
        (100_000, (Recall(machines=numbers(0), grace_ms=5_000, warm_ms=20_000),)),
    )
    result = simulate(
        setting(
            machines(role="online"),
            window_ms=240_000,
            services=services({"load_cpu_m": [1_000]}, step_ms=240_000),
            jobs=jobs({"duration_ms": 40_000, "cpu_m": 4_000}),
            policies=(Scripted(script=script),),
            end="cut",
        )
    )
    assert [70_000] == result.jobs.start_ms.tolist()
    assert [-1] == result.jobs.end_ms.tolist()
    assert [35_000] == result.jobs.wasted_ms.tolist()
    roles = {
        group.role: int(ms)
        for group, ms in zip(result.usage.groups, result.usage.machine_ms.sum(axis=0), strict=True)
    }
    assert {"online": 60_000 + 115_000, "lent": 65_000} == roles
    assert [175_000] == result.services.online_ms.sum(axis=0).tolist()
    assert [65.0] == pytest.approx(result.services.shortage_core_s.tolist())


def test_emptied_machine_sleeps_after_its_replicas_moved() -> None:
    """Replicas move within the budget, their energy is counted, and the machine sleeps."""
    # A replica of 1,000 MiB moves in 838 ms and takes 0.512 x 1,048.576 + 20.165 x 1,000 / 1,024
    # = 556.56 J.
    script = ((10_000, (Power(machines=numbers(1), to="sleep", moves_max=1),)),)
    row = {
        "replica_cpu_m": 2_000,
        "replica_memory_mib": 1_000,
        "replicas": 2,
        "load_cpu_m": [4_000],
    }
    result = simulate(
        setting(
            machines(role="online", count=2, memory_mib=2_500),
            services=services(row),
            policies=(Scripted(script=script),),
            weigher="spread",
        )
    )
    move_j = 0.512 * 1_048.576 + 20.165 * 1_000 / 1_024
    assert 1 == result.counts["moves"]
    assert move_j == pytest.approx(result.move_energy_j)
    by_role = dict(
        zip(
            (g.role for g in result.usage.groups),
            result.usage.machine_ms.sum(axis=0).tolist(),
            strict=True,
        )
    )
    assert {"online": 60_000 + 10_838, "sleeping": 49_162} == by_role
    # two machines at 150 W to 10.838 s, then one at 200 W and one asleep at 5 W
    expected_j = 10.838 * 2 * 150.0 + 49.162 * (200.0 + 5.0) + move_j
    assert expected_j == pytest.approx(result.usage.energy_j.sum())


def test_move_that_ends_with_the_run_is_paid_for() -> None:
    """The energy of a move that ends at the run's very end is in its last interval."""
    script = ((10_000, (Power(machines=numbers(1), to="sleep", moves_max=1),)),)
    row = {"replica_memory_mib": 1_000, "replicas": 2, "load_cpu_m": [0]}
    fleet = machines(role="online", count=2, memory_mib=2_500)
    policies, load = (Scripted(script=script),), services(row)
    values = {"services": load, "policies": policies, "weigher": "spread", "end": "cut"}
    result = simulate(setting(fleet, window_ms=10_838, **values))
    assert 1 == result.counts["moves"]
    expected_j = 10.838 * 200.0 + result.move_energy_j
    assert expected_j == pytest.approx(result.usage.energy_j.sum())


def test_pools_grow_with_what_runs_and_waits() -> None:
    """More than 1,024 running, 1,024 waiting jobs and 256 replicas keep their order and times."""
    # 2,000 one-core jobs of 1 h run at once; 3,000 more wait for them and start together; 400
    # replicas are asked for while 300 serve.
    script = ((60_000, (Scale(services=numbers(0), replicas=numbers(700)),)),)
    result = simulate(
        setting(
            machines(name="work", role="batch", count=20, cpu_m=100_000),
            machines(name="serve", role="online", count=80, cpu_m=10_000),
            window_ms=2 * H_MS,
            services=services({"replicas": 300, "load_cpu_m": [1_000]}),
            jobs=jobs(*[{"submit_ms": i, "duration_ms": H_MS} for i in range(5_000)]),
            policies=(Scripted(script=script),),
            discipline="fifo",
        )
    )
    start_ms = result.jobs.start_ms
    assert np.arange(2_000).tolist() == start_ms[:2_000].tolist()
    assert (H_MS + np.arange(2_000)).tolist() == start_ms[2_000:4_000].tolist()
    assert (2 * H_MS + np.arange(1_000)).tolist() == start_ms[4_000:].tolist()
    assert 5_000 == result.counts["completed"]
    assert 700 * (result.end_ms - 60_000) + 300 * 60_000 == result.services.online_ms.sum()


def test_growth_while_gangs_start() -> None:
    """A gang larger than the free records starts at once after they have grown."""
    result = simulate(
        setting(
            machines(
                role="batch", count=20, cpu_m=100_000, power=Linear(idle_w=0.0, peak_w=100.0)
            ),
            jobs=jobs({"tasks": 1_500}, {"submit_ms": 10, "tasks": 500}, {"submit_ms": 20}),
        )
    )
    assert [0, 10, 1_000] == result.jobs.start_ms.tolist()
    assert [1_000, 1_010, 2_000] == result.jobs.end_ms.tolist()
