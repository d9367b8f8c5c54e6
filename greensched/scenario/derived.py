"""Workloads made of a population of pods that is no timeline (openb).

Services: every pod that is not batch lives through the whole window; pods of one request are the
replicas of one service, and use = request x tide.

Batch: jobs are drawn with the scenario's seed. With c_i and d_i the CPU request and the duration
of the batch pods that ran, and R the CPU that *all* pods of the class ask for (also those that
never ran: they too are demand), jobs arrive as a Poisson process of rate

    lambda = share x R / mean(c_i x d_i)                                        [1/s]

and each takes request and duration together from one pod that ran, drawn uniformly. So the mean
CPU that batch works on is share x R. For openb: 0.5 x 24,045.722 cores / 19,432.98 core-seconds
x 604,800 s = 374,180 jobs a week.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import DataError, Finding
from greensched.model import NONE, JobClass, Jobs, Services
from greensched.units import CPU_M_PER_CORE, MS_PER_S

if TYPE_CHECKING:
    from greensched.model import FloatArray

JOBS_MAX: Final = 200_000_000
ARRIVALS, ROWS = 1, 2  # streams of the seed


def living(services: Services, share: FloatArray, step_ms: int) -> Services:
    """Return `services` with load = the request of all their replicas x `share` of each step.

    `share[k]` [1] holds on step k of `step_ms` [ms].
    """
    request_cpu_m = services.replica_cpu_m * services.replicas
    load = np.rint(request_cpu_m[:, None] * share[None, :]).astype(np.int64)
    load.setflags(write=False)
    return replace(services, start_ms=0, step_ms=step_ms, load_cpu_m=load)


def drawn(ran: Jobs, demand_cpu_m: float, window_ms: int, seed: int, name: str) -> Jobs:
    """Return jobs of `[0, window_ms)` with the sizes and durations of `ran`, Poisson arrivals.

    `demand_cpu_m` [millicores] is the mean CPU they work on. Equal seeds give equal jobs.
    Raises DataError where `ran` has no work to draw from.
    """
    work = ran.cpu_m.astype(np.float64) * ran.duration_ms * ran.tasks
    if not len(ran) or not work.mean() > 0.0:
        raise DataError(Finding(where="draw", what=f"no {name} pod ran, so none can be drawn"))
    expected = demand_cpu_m / float(work.mean()) * window_ms
    if expected > JOBS_MAX:
        what = f"{expected:,.0f} jobs are more than {JOBS_MAX:,}"
        raise DataError(Finding(where="draw", what=what, remedy="lower 'share' or the window"))
    arrivals = np.random.default_rng([seed, ARRIVALS])
    count = int(arrivals.poisson(expected))
    submit_ms = np.sort(arrivals.integers(0, window_ms, count))
    rows = np.random.default_rng([seed, ROWS]).integers(0, len(ran), count)
    jobs = Jobs(
        submit_ms=submit_ms,
        duration_ms=np.asarray(ran.duration_ms)[rows],
        cpu_m=np.asarray(ran.cpu_m)[rows],
        memory_mib=np.asarray(ran.memory_mib)[rows],
        gpu_m=np.asarray(ran.gpu_m)[rows],
        tasks=np.asarray(ran.tasks)[rows],
        estimate_ms=np.full(count, NONE, np.int64),
        deadline_ms=np.full(count, NONE, np.int64),
        job_class=np.zeros(count, np.int32),
        classes=(JobClass(name=name),),
    )
    for column in ("submit_ms", "duration_ms", "cpu_m", "memory_mib", "gpu_m", "tasks"):
        getattr(jobs, column).setflags(write=False)
    return jobs


def demand_text(demand_cpu_m: float, jobs: Jobs, name: str) -> str:
    """Return one line that says what was drawn."""
    hours = float(np.dot(jobs.cpu_m.astype(np.float64), jobs.duration_ms)) / (
        CPU_M_PER_CORE * MS_PER_S * 3600
    )
    return (
        f"{len(jobs):,} {name} jobs drawn for a mean demand of "
        f"{demand_cpu_m / CPU_M_PER_CORE:,.0f} cores ({hours:,.0f} core-hours)"
    )
