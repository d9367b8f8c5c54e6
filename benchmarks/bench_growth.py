"""How time grows when jobs, machines and services are doubled."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import Figures, benchmark, best_times, exponent
from benchmarks.worlds import day, day_jobs, tiny, week
from greensched.engine.simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.model import Setting

DAY_JOBS = (250_000, 500_000, 1_000_000, 2_000_000)
DAY_MACHINES = (500, 1_000, 2_000, 4_000, 8_000)
WEEK_MACHINES = (250, 500, 1_000, 2_000)
WEEK_SERVICES = (50, 100, 200, 400)


def grown(
    what: str, sizes: tuple[int, ...], make: Callable[[int], Setting], *, repeats: int = 3
) -> Figures:
    """Return the CPU time at each size and the exponent of its growth."""
    tiny()
    figures: Figures = {}
    times_s = []
    for size in sizes:
        setting = make(size)
        times_s.append(best_times(partial(simulate, setting), repeats=repeats)[1])
        figures[f"{what}_{size}_cpu_s"] = times_s[-1]
    figures["exponent"] = exponent(sizes, times_s)
    return figures


@benchmark("growth-jobs", limit_s=180, at_most={"exponent": 1.15})
def jobs() -> Figures:
    """Double the one-core jobs of a day on 200 machines."""
    return grown("jobs", DAY_JOBS, lambda n: day(day_jobs(n), machines=200))


@benchmark("growth-machines", limit_s=180, at_most={"exponent": 0.5})
def machines() -> Figures:
    """Double the machines under 1,000,000 one-core jobs of a day."""
    table = day_jobs()
    return grown("machines", DAY_MACHINES, lambda n: day(table, machines=n))


def with_switches(**having: int) -> Setting:
    """Return two days with every switch and 20,000 jobs."""
    return week(days=2, job_count=20_000, **having)


@benchmark("growth-machines-switches", limit_s=300)
def machines_switches() -> Figures:
    """Double the machines of two days with every switch, at the same jobs and services."""
    make = lambda n: with_switches(machines=n, cores=7_000)  # noqa: E731
    return grown("machines", WEEK_MACHINES, make, repeats=2)


@benchmark("growth-services-switches", limit_s=300)
def services_switches() -> Figures:
    """Double the services of two days with every switch, at the same load in all."""
    make = lambda n: with_switches(machines=1_000, service_count=n)  # noqa: E731
    return grown("services", WEEK_SERVICES, make, repeats=2)


@benchmark("growth-services", limit_s=180, at_most={"exponent": 1.15})
def services() -> Figures:
    """Double the services of a week without switches, at the same load in all."""
    return grown(
        "services",
        WEEK_SERVICES,
        lambda n: replace(week(job_count=20_000, service_count=n), policies=()),
    )
