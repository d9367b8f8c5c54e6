"""Who is evicted, what that keeps, and that nobody is evicted in vain."""

from __future__ import annotations

import pytest

from greensched.engine.simulate import simulate
from greensched.model import BatchLimit, JobClass, Scale
from tests.engine.worlds import Scripted, jobs, machines, numbers, services, setting

KEEPS = JobClass(name="keeps", checkpoint_interval_ms=10_000, checkpoint_cost_ms=1_000)
LOW, HIGH = JobClass(name="low"), JobClass(name="high", priority=1)
FIXED = JobClass(name="fixed", evictable=False)


def test_a_checkpoint_outlives_a_second_eviction() -> None:
    """A job evicted before its next checkpoint goes back to the one that it started from."""
    # Evicted at 25 s: 20 s less 1 s of saving are kept, 6 s lost. It goes on at 26 s, is evicted
    # at 26.5 s at 19.5 s of progress: 19 s are still kept, 0.5 s lost. 41 s are left at 27.5 s.
    high = {"duration_ms": 1_000, "cpu_m": 4_000, "job_class": 1}
    result = simulate(
        setting(
            machines(role="batch"),
            window_ms=120_000,
            jobs=jobs(
                {"duration_ms": 60_000, "cpu_m": 4_000},
                high | {"submit_ms": 25_000},
                high | {"submit_ms": 26_500},
                classes=(KEEPS, HIGH),
            ),
            discipline="priority",
        )
    )
    assert [2, 0, 0] == result.jobs.evictions.tolist()
    assert [6_500, 0, 0] == result.jobs.wasted_ms.tolist()
    assert [68_500, 26_000, 27_500] == result.jobs.end_ms.tolist()


@pytest.mark.parametrize(
    ("fixed_mib", "low_mib", "evictions", "pending"), [(400, 200, 0, 1), (200, 400, 1, 0)]
)
def test_a_replica_evicts_only_where_that_lets_it_in(
    fixed_mib: int, low_mib: int, evictions: int, pending: int
) -> None:
    """Jobs make room for a replica where their memory suffices, and else go on."""
    # 1,000 MiB hold a replica of 400 and both jobs; a second replica needs 400 more.
    limit = BatchLimit(machines=numbers(0), cpu_m=numbers(4_000), memory_mib=numbers(1_000))
    scale = Scale(services=numbers(0), replicas=numbers(2))
    hour = {"duration_ms": 3_600_000, "cpu_m": 500}
    result = simulate(
        setting(
            machines(role="online"),
            services=services({"replica_memory_mib": 400, "load_cpu_m": [500]}),
            jobs=jobs(
                hour | {"memory_mib": fixed_mib, "job_class": 1},
                hour | {"memory_mib": low_mib},
                classes=(LOW, FIXED),
            ),
            policies=(Scripted(script=((0, (limit,)), (5_000, (scale,)))),),
            end="cut",
        )
    )
    assert [0, evictions] == result.jobs.evictions.tolist()
    assert pending == result.counts["pending"]


def test_what_a_gang_loses_counts_over_all_of_its_tasks_there() -> None:
    """A gang on GPUs loses what its tasks did over how many are on the machine, not over one."""
    # At 30 s the single job has run for 30 s and the gang for 20 s, both of its tasks here.
    hour = {"duration_ms": 3_600_000, "cpu_m": 500}
    limits = [
        BatchLimit(
            machines=numbers(0), cpu_m=numbers(c), memory_mib=numbers(1_000), evict=c == 1_000
        )
        for c in (4_000, 1_000)
    ]
    result = simulate(
        setting(
            machines(role="online", gpus=1),
            jobs=jobs(hour, hour | {"submit_ms": 10_000, "tasks": 2, "gpu_m": 500}),
            policies=(Scripted(script=((0, (limits[0],)), (30_000, (limits[1],)))),),
            end="cut",
        )
    )
    assert [0, 1] == result.jobs.evictions.tolist()


@pytest.mark.parametrize(("kept", "evictions"), [(LOW, [0, 1]), (KEEPS, [1, 0])])
def test_who_loses_least_is_evicted(kept: JobClass, evictions: list[int]) -> None:
    """A limit takes the job that loses least: the younger one, or one with a checkpoint."""
    # At 25 s the first has run for 25 s (checkpoint at 20 s, less 1 s of saving: 6 s lost), the
    # second for 15 s; one of them has to go.
    hour = {"duration_ms": 3_600_000, "cpu_m": 500}
    limits = [
        BatchLimit(
            machines=numbers(0), cpu_m=numbers(c), memory_mib=numbers(1_000), evict=c == 500
        )
        for c in (1_000, 500)
    ]
    result = simulate(
        setting(
            machines(role="online"),
            jobs=jobs(hour, hour | {"submit_ms": 10_000, "job_class": 1}, classes=(kept, LOW)),
            policies=(Scripted(script=((0, (limits[0],)), (25_000, (limits[1],)))),),
            end="cut",
        )
    )
    assert evictions == result.jobs.evictions.tolist()


def test_a_gang_counts_what_its_other_tasks_lose() -> None:
    """Of two jobs on a machine the older single one goes before a gang with a task elsewhere."""
    # The gang of two has one task here and one there: 2 x 15 s are lost for one place, or 25 s.
    hour = {"duration_ms": 3_600_000, "cpu_m": 500}
    limits = [
        BatchLimit(
            machines=numbers(0, 1),
            cpu_m=numbers(*cpu_m),
            memory_mib=numbers(1_000, 1_000),
            evict=sum(cpu_m) == 1_000,
        )
        for cpu_m in ((1_000, 500), (500, 500))
    ]
    result = simulate(
        setting(
            machines(role="online", count=2),
            jobs=jobs(hour, hour | {"submit_ms": 10_000, "tasks": 2}),
            policies=(Scripted(script=((0, (limits[0],)), (25_000, (limits[1],)))),),
            weigher="worst-fit",
            end="cut",
        )
    )
    assert [1, 0] == result.jobs.evictions.tolist()


def test_scattered_devices_do_not_keep_others_from_preemption() -> None:
    """A machine whose free devices suffice in sum only is passed over for one that yields."""
    # Machine 0 has 400 milli-GPUs free on each of two devices; the job that wants 700 in one piece
    # takes the place of the low job on machine 1.
    half = {"gpu_m": 600, "duration_ms": 30_000, "job_class": 2}
    result = simulate(
        setting(
            machines(role="batch", count=2, gpus=2),
            jobs=jobs(
                half,
                half,
                {"gpu_m": 2_000, "duration_ms": 30_000},
                {"submit_ms": 1_000, "gpu_m": 700, "duration_ms": 5_000, "job_class": 1},
                classes=(LOW, HIGH, FIXED),
            ),
            discipline="priority",
            weigher="first-fit",
        )
    )
    assert [0, 0, 1, 0] == result.jobs.evictions.tolist()
    assert 1_000 == result.jobs.start_ms[3]


def test_a_full_list_of_pods_yields_to_preemption() -> None:
    """Where pods are what is missing, one that is of lower priority goes."""
    result = simulate(
        setting(
            machines(role="batch", pods_max=1),
            jobs=jobs(
                {"duration_ms": 30_000},
                {"submit_ms": 1_000, "duration_ms": 5_000, "job_class": 1},
                classes=(LOW, HIGH),
            ),
            discipline="priority",
        )
    )
    assert [0, 1_000] == result.jobs.start_ms.tolist()
    assert [1, 0] == result.jobs.evictions.tolist()


def test_a_gang_that_outgrows_the_records_leaves_no_trace() -> None:
    """Tasks started before the records of a machine had to grow are taken back, not run twice."""
    # Forty tasks on one machine are more than its first heaps hold; each is a record of its own.
    result = simulate(
        setting(
            machines(role="batch", cpu_m=100_000),
            jobs=jobs({"tasks": 40}, {"submit_ms": 500, "cpu_m": 60_000}),
            weigher="spread",
        )
    )
    assert [0, 500] == result.jobs.start_ms.tolist()
    assert [1_000, 1_500] == result.jobs.end_ms.tolist()
    # 100 W a whole machine in use: 40 % for a second, and 60 % for another
    assert 60 * 100.0 + 40.0 + 60.0 == pytest.approx(result.usage.energy_j.sum())


def test_preemption_counts_jobs_not_tasks() -> None:
    """One gang of two tasks goes rather than two jobs of one: fewer jobs lose their work."""
    half = {"cpu_m": 2_000, "duration_ms": 30_000}
    result = simulate(
        setting(
            machines(role="batch", count=2),
            jobs=jobs(
                half,
                half,
                half | {"tasks": 2},
                {"submit_ms": 1_000, "cpu_m": 4_000, "job_class": 1},
                classes=(LOW, HIGH),
            ),
            discipline="priority",
            weigher="first-fit",
        )
    )
    assert [0, 0, 1, 0] == result.jobs.evictions.tolist()
    assert [0, 0, 0, 1_000] == result.jobs.start_ms.tolist()
