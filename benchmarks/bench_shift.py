"""Shifting: a year of 100,000 jobs under every policy, a plan under a cap, and the exact one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import Figures, benchmark, best_of, best_times
from greensched import registry
from greensched.bounds.shifting import least_emissions
from greensched.bounds.transport import Transport
from greensched.policies.shifting.carbon_scaler import scaled_jobs
from greensched.policies.shifting.exact import rounded
from greensched.policies.shifting.greedy import greedy
from greensched.policies.shifting.sites import Places, placed
from greensched.shift.account import usual_cpu_m
from greensched.ticks import TickIntensity, TickJobs, contiguous
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Callable

YEAR_H, WEEK_H = 8_760, 168
TICKS_PER_H = 720  # of 5 s
YEAR_JOBS, WEEK_JOBS = 100_000, 10_000


def series(hours: int, width: int, seed: int = 3) -> TickIntensity:
    """Return hourly intensity with days, weeks and weather."""
    draw, t = np.random.default_rng(seed), np.arange(hours)
    values = 400 + 120 * np.sin(t / 24 * 2 * np.pi) + 60 * np.sin(t / 168 * 2 * np.pi)
    return TickIntensity(
        values_g_per_kwh=values + draw.normal(0, 25, hours),
        width=width,
        length=hours * width,
        tick_ms=MS_PER_H // width,
    )


def jobs(count: int, hours: int, width: int, *, pauses: bool, seed: int = 0) -> TickJobs:
    """Return jobs of one to eight cores, 3 h long in the mean, that may wait 6 or 24 h."""
    draw = np.random.default_rng(seed)
    length = np.clip(draw.lognormal(0.0, 1.5, count) * width, 1, 72 * width).astype(np.int64)
    arrival = np.sort(draw.integers(0, hours * width, count))
    length = np.minimum(length, hours * width - arrival)
    wait = np.where(length < 2 * width, 6, 24) * width
    return TickJobs(
        arrival=arrival,
        length=length,
        latest=np.minimum(arrival + wait, hours * width - length),
        expected=np.minimum(length, 3 * width),
        cpu_m=draw.choice([1_000, 2_000, 4_000, 8_000], count),
        interruptible=np.full(count, pauses),
    )


@benchmark("shift-year", limit_s=120, at_most={"slowest_cpu_s": 1.0})
def shift_year() -> Figures:
    """Plan 100,000 jobs of a year of hours, in ticks of 5 s, under each policy without a cap.

    Also jobs that scale on up to four workers, and three sites. Seconds of one core's work.
    """
    year = series(YEAR_H, TICKS_PER_H)
    both = {p: jobs(YEAR_JOBS, YEAR_H, TICKS_PER_H, pauses=p) for p in (False, True)}
    profile, three = np.array([1.0, 1.9, 2.7, 3.4]), sites(year)
    calls: dict[str, list[Callable[[], object]]] = {}
    for name in registry.names("shifting policy"):
        policy = registry.load("shifting policy", name)()
        calls[name] = [partial(policy.plan, mine, year) for mine in both.values()]
    calls["carbon-scaler"] = [partial(scaled_jobs, both[True], year, profile)]
    calls["plan-sites"] = [partial(placed, mine, three) for mine in both.values()]
    calls["bound"] = [partial(least_emissions, both[False], year)]
    times = {name: [best_times(call) for call in found] for name, found in calls.items()}
    figures: Figures = {f"{n}_cpu_s": max(cpu for _, cpu in t) for n, t in times.items()}
    return figures | {
        "slowest_s": max(wall for t in times.values() for wall, _ in t),
        "slowest_cpu_s": max(cpu for t in times.values() for _, cpu in t),
    }


def sites(year: TickIntensity) -> Places:
    """Return three sites, the home first, to which 1 GiB of each job's data has to move."""
    values = year.values_g_per_kwh
    others = (
        replace(year, values_g_per_kwh=v) for v in (values[::-1].copy(), np.roll(values, 77))
    )
    return Places(
        series=(year, *others),
        home=np.zeros(YEAR_JOBS, np.int64),
        allowed=np.ones((YEAR_JOBS, 3), np.bool_),
        data_gib=np.ones(YEAR_JOBS),
        kwh_per_gib=0.0001,
        ticks_per_gib=2.0,
    )


@benchmark("shift-greedy", limit_s=120, at_most={"greedy_cpu_s": 1.0})
def shift_greedy() -> Figures:
    """Plan 10,000 jobs of 168 hours under a cap: contiguous, and with pauses."""
    week = series(WEEK_H, 1)
    figures: Figures = {}
    for name, pauses in (("contiguous", False), ("pauses", True)):
        mine = jobs(WEEK_JOBS, WEEK_H, 1, pauses=pauses)
        cap = usual_cpu_m(contiguous(mine, mine.arrival), mine.cpu_m)
        wall_s, cpu_s = best_times(partial(greedy, mine, week, cap))
        figures |= {f"{name}_s": wall_s, f"{name}_cpu_s": cpu_s}
    return figures | {"greedy_cpu_s": max(v for k, v in figures.items() if k.endswith("cpu_s"))}


@benchmark("shift-exact", limit_s=240, at_most={"cold_s": 5.0, "again_share": 0.6})
def shift_exact() -> Figures:
    """Solve the linear program of 10,000 jobs x 168 h, then again with another forecast.

    The new forecast differs by 5 %, its errors correlated over about a day; `again_share` is
    against solving that one cold.
    """
    week = series(WEEK_H, 1)
    mine = jobs(WEEK_JOBS, WEEK_H, 1, pauses=True)
    cap = usual_cpu_m(contiguous(mine, mine.arrival), mine.cpu_m)
    other = revised(week)
    program = Transport(mine, week, cap)
    cold_s = best_of(lambda: Transport(mine, week, cap).solve(week))
    flow = program.solve(week)
    again_s = best_of(lambda: program.solve(other), repeats=1)
    fresh_s = best_of(lambda: Transport(mine, other, cap).solve(other))
    return {
        "classes": len(np.unique(np.stack((mine.arrival, mine.latest, mine.length)), axis=1).T),
        "cold_s": cold_s,
        "again_s": again_s,
        "again_cold_s": fresh_s,
        "again_share": again_s / fresh_s,
        "rounding_s": best_of(lambda: rounded(mine, week, cap, flow)),
    }


def revised(week: TickIntensity) -> TickIntensity:
    """Return a forecast made later: errors of 5 %, 0.97 of each in the next hour's."""
    draw, errors = np.random.default_rng(9), np.zeros(WEEK_H)
    for t in range(1, WEEK_H):
        errors[t] = 0.97 * errors[t - 1] + draw.normal(0, 0.05 * np.sqrt(1 - 0.97**2))
    return replace(week, values_g_per_kwh=week.values_g_per_kwh * (1 + errors))
