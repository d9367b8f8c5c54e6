"""Large worlds, and many runs of a small one."""

from __future__ import annotations

import resource
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import Figures, benchmark, best_times, peak_rss_mib
from benchmarks.worlds import ROOT, tiny, week, with_databases, with_shifting
from greensched.engine.simulate import simulate
from greensched.experiment import Processes, Question, run
from greensched.experiment.size import size
from greensched.experiment.sweep import sweep
from greensched.experiment.sweep_pool import processes
from greensched.scenario import load
from tests.sweep_cases import write_tiny

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.experiment.executor import Executor
    from greensched.model import Setting
    from greensched.scenario import Scenario

ALIBABA_JOBS, ALIBABA_MACHINES, ALIBABA_DAYS = 14_300_000, 4_034, 8
ALIBABA_SHORTER = 50  # lengths are divided by this: half of the batch machines are then in use
ALIBABA_SHORTER_SINGLE = 18  # the same work where each job has one task
ALIBABA_DATABASES, ALIBABA_DATA_MACHINES = 240, 120
WORKERS = 2
POINTS = 1_000
WEEK = ROOT / "simulations" / "tidal-week.yaml"


@benchmark("alibaba", limit_s=300, at_most={"replay_s": 10.0, "peak_rss_mib": 2_048})
def alibaba_size() -> Figures:
    """Replay a generated trace of Alibaba 2018's size with all switches.

    14.3 million jobs (gangs among them), 100 services and 240 databases on 4,034 machines for 8
    days; elastic capacity, tidal scheduling, co-location and consolidation, the lesser of two
    runs after the kernels are loaded: the first also waits for memory that the machine has not
    handed out before.
    """
    tiny()
    return _replayed(_alibaba(ALIBABA_SHORTER))


@benchmark("alibaba-single", limit_s=300)
def alibaba_single() -> Figures:
    """Replay the same with one task a job instead of 2.8: 14.3 million tasks, not 39.4."""
    tiny()
    setting = _alibaba(ALIBABA_SHORTER_SINGLE)
    assert setting.jobs is not None
    single = replace(setting.jobs, tasks=np.ones_like(setting.jobs.tasks))
    return _replayed(replace(setting, jobs=single))


@benchmark("alibaba-shifting", limit_s=300)
def alibaba_shifting() -> Figures:
    """Replay two of the eight days with one task a job, without shifting and with it.

    Half of the jobs may wait: some 250,000 are held at a time, and planned anew at every hour.
    """
    tiny()
    days = 2
    setting = _alibaba(ALIBABA_SHORTER_SINGLE, days=days)
    assert setting.jobs is not None
    single = replace(setting.jobs, tasks=np.ones_like(setting.jobs.tasks))
    setting = replace(setting, jobs=single)
    cpu_s = [
        best_times(partial(simulate, given), repeats=2)[1]
        for given in (setting, with_shifting(setting))
    ]
    return {"jobs": len(single), "as_they_come_cpu_s": cpu_s[0], "shifted_cpu_s": cpu_s[1]}


def _alibaba(shorter: int, *, days: int = ALIBABA_DAYS) -> Setting:
    """Return the generated world of Alibaba 2018's size, or its first days."""
    jobs = ALIBABA_JOBS * days // ALIBABA_DAYS
    setting = week(job_count=jobs, machines=ALIBABA_MACHINES, days=days, shorter=shorter)
    return with_databases(setting, count=ALIBABA_DATABASES, machines=ALIBABA_DATA_MACHINES)


def _replayed(setting: Setting) -> Figures:
    """Return the figures of two replays."""
    generated_mib = peak_rss_mib()
    completed = []
    wall_s, cpu_s = best_times(
        lambda: completed.append(simulate(setting).counts["completed"]), repeats=2
    )
    return {
        "completed": completed[0],
        "replay_s": wall_s,
        "replay_cpu_s": cpu_s,
        "us_per_job": 1e6 * cpu_s / ALIBABA_JOBS,
        "generated_rss_mib": generated_mib,
    }


@benchmark("shared-machines", limit_s=120, at_most={"ratio": 2.0})
def shared_machines() -> Figures:
    """Replay a day of Alibaba's size with co-location alone, and without any switch.

    Most machines are then open to batch with CPU that is left and little memory: `ratio` tells
    whether jobs find room without a look at each of them.
    """
    tiny()
    setting = week(
        job_count=ALIBABA_JOBS // ALIBABA_DAYS,
        machines=ALIBABA_MACHINES,
        days=1,
        shorter=ALIBABA_SHORTER,
    )
    shared = tuple(p for p in setting.policies if p.kind.startswith("colocation"))
    cpu_s = [
        best_times(partial(simulate, replace(setting, policies=policies)), repeats=2)[1]
        for policies in ((), shared)
    ]
    return {"alone_cpu_s": cpu_s[0], "shared_cpu_s": cpu_s[1], "ratio": cpu_s[1] / cpu_s[0]}


@benchmark("combinations", limit_s=300, at_most={"all_s": 10.0})
def all_combinations() -> Figures:
    """Attribute the bundled week: all 32 combinations of its five switches, in two processes.

    From the loaded scenario to the parts; of the times see `with_children`.
    """
    tiny()
    return _attributed(load(WEEK))


@benchmark("combinations-four", limit_s=300, at_most={"all_s": 5.0})
def combinations_of_four() -> Figures:
    """Attribute the bundled week without shifting: all 16 combinations of its switches."""
    tiny()
    scenario = load(WEEK)
    return _attributed(
        replace(scenario, policies=tuple(p for p in scenario.policies if p.kind != "shifting"))
    )


def _attributed(scenario: Scenario) -> Figures:
    times = with_children(
        lambda executor: run(scenario, attribution=Question(), bounds=False, executor=executor)
    )
    return {**times, "sets": 2 ** len(scenario.policies)}


@benchmark("size", limit_s=600, at_most={"all_s": 10.0})
def sizing() -> Figures:
    """Size the bundled week: scenario, baseline and static-peak, in two processes."""
    tiny()
    scenario = load(WEEK)
    found = []
    times = with_children(lambda executor: found.append(size(scenario, executor=executor)))
    return {**times, **{f"{k}_machines": n or 0 for k, n in found[0].needed.items()}}


def with_children(work: Callable[[Executor], object]) -> Figures:
    """Return the time [s] of work on two processes.

    `all_s` is wall clock with the start and end of the second, and `cpu_s` what both take;
    `loaded_s` is wall clock once the second has loaded modules and kernels as well.
    """
    began_s, began = perf_counter(), _cpu_s()
    with Processes(WORKERS) as executor:
        work(executor)
    all_s, cpu_s = perf_counter() - began_s, _cpu_s() - began
    with Processes(WORKERS) as executor:
        executor.start()
        executor.map(_nothing, range(WORKERS), None)
        began_s = perf_counter()
        work(executor)
        loaded_s = perf_counter() - began_s
    return {"all_s": all_s, "loaded_s": loaded_s, "cpu_s": cpu_s}


def _nothing(_item: int, _tell: object) -> None:
    """Show that a process is there."""


def _cpu_s() -> float:
    """Return the CPU time [s] of this process and of those that it had started and ended."""
    own, others = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


@benchmark("sweep", limit_s=600, at_least={"efficiency": 0.9})
def thousand_points() -> Figures:
    """Sweep over 1,000 small points: in this process, then in two.

    `efficiency` is the time of one over twice that of two, once the pool has started; `_cpu` the
    same of CPU times, which other work on the machine disturbs less.
    """
    with tempfile.TemporaryDirectory() as folder:
        scenario = load(write_tiny(Path(folder)))
        grid = {"seed": list(range(POINTS))}
        sweep(scenario, {"seed": [0, 1]})
        began_s, began = perf_counter(), _cpu_s()
        sweep(scenario, grid)
        one_s, one_cpu_s = perf_counter() - began_s, _cpu_s() - began
        began = _cpu_s()
        with processes(WORKERS) as pool:
            sweep(scenario, {"seed": list(range(4 * WORKERS))}, executor=pool)
            began_s = perf_counter()
            sweep(scenario, grid, executor=pool)
            two_s = perf_counter() - began_s
        two_cpu_s = _cpu_s() - began
    return {
        "one_s": one_s,
        "two_s": two_s,
        "efficiency": one_s / (WORKERS * two_s),
        "one_cpu_s": one_cpu_s,
        "two_cpu_s": two_cpu_s,
        "efficiency_cpu": one_cpu_s / two_cpu_s,
    }
