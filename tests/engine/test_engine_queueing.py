"""Waits: against the formula of Erlang C, and where many machines are freed at once."""

from __future__ import annotations

import numpy as np
import pytest

from greensched.engine.simulate import simulate
from greensched.model import NONE, Jobs
from greensched.queueing import wait_mean_ms
from tests.engine.worlds import jobs, machines, setting

SERVICE_MS = 100_000  # mean; large against the millisecond that times are rounded to
JOBS = 1_500_000


def _jobs(rng: np.random.Generator, load: float) -> Jobs:
    """Return one-core jobs, exponential, that offer `load` erlang."""
    n = JOBS
    submit_ms = np.cumsum(rng.exponential(SERVICE_MS / load, n)).astype(np.int64)
    duration_ms = np.maximum(1, np.rint(rng.exponential(SERVICE_MS, n))).astype(np.int64)
    ones, none = np.ones(n, np.int32), np.zeros(n, np.int32)
    return Jobs(
        submit_ms=submit_ms,
        duration_ms=duration_ms,
        cpu_m=1_000 * ones,
        memory_mib=none,
        gpu_m=none,
        tasks=ones,
        estimate_ms=duration_ms,
        deadline_ms=np.full(n, NONE),
        job_class=none,
    )


@pytest.mark.parametrize(("cores", "load"), [(1, 0.5), (2, 1.4), (4, 3.0), (16, 13.0), (64, 54.0)])
def test_mean_wait_is_that_of_erlang_c(cores: int, load: float) -> None:
    """The mean wait of Poisson arrivals on one c-core machine is that of M/M/c within 2 %."""
    table = _jobs(np.random.default_rng(20_240_101 + cores), load)
    result = simulate(
        setting(
            machines(role="batch", cpu_m=1_000 * cores, memory_mib=1),
            window_ms=int(table.submit_ms[-1]) + 1,
            jobs=table,
            discipline="fifo",
        )
    )
    waits_ms = (result.jobs.start_ms - table.submit_ms)[JOBS // 50 :]  # without the warm-up
    assert JOBS == result.counts["completed"]
    assert wait_mean_ms(cores, load, SERVICE_MS) == pytest.approx(waits_ms.mean(), rel=0.02)


@pytest.mark.parametrize("small", [0, 1, 7, 8, 9, 30])
@pytest.mark.parametrize("tasks", [1, 2])
def test_all_that_are_freed_are_tried(small: int, tasks: int) -> None:
    """Whoever waits for the last of many machines that are freed at one instant starts there."""
    result = simulate(
        setting(
            machines(name="small", role="batch", count=small, cpu_m=1_000),
            machines(name="large", role="batch", cpu_m=4_000),
            jobs=jobs(
                *[{"cpu_m": 1_000, "duration_ms": 5_000}] * small,
                {"cpu_m": 4_000, "duration_ms": 5_000},
                {"submit_ms": 1_000, "cpu_m": 4_000 // tasks, "tasks": tasks},
            ),
        )
    )
    assert [0] * small + [0, 5_000] == result.jobs.start_ms.tolist()


@pytest.mark.parametrize("tasks", [1, 2])
def test_what_was_kept_from_a_job_is_tried_once_it_is_not(tasks: int) -> None:
    """Who needs the machine kept for the head starts there when another is kept instead."""
    fleet = [machines(name=name, role="batch", cpu_m=6_000) for name in ("first", "second")]
    result = simulate(
        setting(
            *fleet,
            machines(name="small", role="batch", cpu_m=1_000),
            jobs=jobs(
                {"cpu_m": 2_000, "duration_ms": 30_000, "estimate_ms": 5_000},
                {"cpu_m": 5_000, "duration_ms": 30_000, "estimate_ms": 8_000},
                {"cpu_m": 600, "duration_ms": 6_000},
                {"submit_ms": 1_000, "cpu_m": 6_000},  # `first` is kept for it until 5 s
                {
                    "submit_ms": 2_000,
                    "duration_ms": 20_000,
                    "cpu_m": 4_000 // tasks,
                    "tasks": tasks,
                },
            ),
        )
    )
    assert result.jobs.start_ms[3] == 30_000
    assert result.jobs.start_ms[4] == 6_000  # when the third ends, of which it has no use


def test_without_a_millicore_nothing_starts() -> None:
    """A job that asks for no CPU waits while a machine has none left, as others do."""
    rows = [{"cpu_m": 500, "duration_ms": ms} for ms in (5_000, 9_000, 9_000)]
    setup = setting(machines(role="batch", cpu_m=1_000), jobs=jobs(*rows, {"cpu_m": 0}))
    assert simulate(setup).jobs.start_ms.tolist() == [0, 0, 5_000, 9_000]
