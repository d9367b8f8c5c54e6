"""Waits in one machine against the formula of Erlang C."""

from __future__ import annotations

import numpy as np
import pytest

from greensched.engine.simulate import simulate
from greensched.model import NONE, Jobs
from greensched.queueing import wait_mean_ms
from tests.engine.worlds import machines, setting

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
