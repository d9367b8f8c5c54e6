"""The worlds that are timed; `python -m benchmarks.worlds [NAME...]` runs each once.

Run so, in a process of its own, it is what a cold start costs.
"""

from __future__ import annotations

import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from greensched import registry
from greensched.engine.simulate import simulate
from greensched.forecast import Calendar
from greensched.generate import databases, jobs, services, uniform_jobs
from greensched.model import NONE, MachineType, Setting, Site
from greensched.policies.packing import case_of, sum_of_peaks
from greensched.power import Linear
from greensched.units import (
    CPU_M_PER_CORE,
    H_PER_DAY,
    MIB_PER_GIB,
    MS_PER_DAY,
    MS_PER_H,
    MS_PER_MIN,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.model import Databases, IntArray, Jobs, Policy, Role
    from greensched.scenario import Scenario

SEED = 7
ROOT = Path(__file__).resolve().parent.parent
SHORTER = 10  # lengths of generated jobs are divided by this: a million of them then fit
PAST_DAYS = 14  # of the databases' record before the window
MEAN_CORES = 22.0  # of generated services for each machine that may serve
SITE = Site(name="here", zone="CN-EAST", pue_slope=1.25)


def kind(name: str, count: int, role: Role) -> MachineType:
    """Return machines of 64 cores."""
    return MachineType(
        name=name,
        site=SITE.name,
        count=count,
        cpu_m=64 * CPU_M_PER_CORE,
        memory_mib=256 * MIB_PER_GIB,
        power=Linear(idle_w=110.0, peak_w=320.0),
        role=role,
    )


def grid(window_ms: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the breakpoints [ms] of usage, five minutes apart."""
    return np.append(np.arange(0, window_ms, 5 * MS_PER_MIN), window_ms).astype(np.int64)


def first(table: Jobs, count: int) -> Jobs:
    """Return the first `count` jobs."""
    long = len(table)
    rows = {
        f.name: getattr(table, f.name)[:count]
        for f in fields(table)
        if isinstance(getattr(table, f.name), np.ndarray) and len(getattr(table, f.name)) == long
    }
    return replace(table, **rows)


def day(table: Jobs, *, machines: int = 100, share: float = 1.0) -> Setting:
    """Return a day of one-core jobs on machines of 64 cores, or its first `share`."""
    window_ms = round(share * MS_PER_DAY)
    return Setting(
        name="day",
        sites=(SITE,),
        fleet=(kind("batch", machines, "batch"),),
        services=None,
        jobs=first(table, int(np.searchsorted(table.submit_ms, window_ms))),
        window_ms=window_ms,
        edges_ms=grid(window_ms),
        discipline="fifo",
    )


def day_jobs(count: int = 1_000_000) -> Jobs:
    """Return `count` one-core jobs over a day, lengths exponential with a mean of 300 s."""
    return uniform_jobs(SEED, count=count)


def switches() -> tuple[Policy, ...]:
    """Return elastic capacity, tidal scheduling and co-location."""
    tidal = registry.load("policy", "tidal")
    return (
        registry.load("policy", "elastic")(),
        tidal(start_ms=MS_PER_H, end_ms=8 * MS_PER_H),
        registry.load("policy", "colocation")(),
    )


def week(
    *,
    job_count: int = 1_000_000,
    machines: int = 1_000,
    service_count: int = 100,
    days: int = 7,
    cores: int | None = None,
    shorter: int = SHORTER,
) -> Setting:
    """Return generated jobs and services on machines of which three in five serve.

    `cores`: what the recorded replicas of all services take; None: as suits the machines.
    """
    online = machines * 3 // 5
    if cores is None:
        cores = 52 * online
    table = jobs(SEED, count=job_count, days=days)
    table = replace(
        table,
        duration_ms=np.maximum(table.duration_ms // shorter, 1),
        estimate_ms=np.maximum(table.estimate_ms // shorter, 1),
    )
    return Setting(
        name="week",
        sites=(SITE,),
        fleet=(kind("online", online, "online"), kind("batch", machines - online, "batch")),
        services=services(SEED, count=service_count, days=days, cores=cores),
        jobs=table,
        window_ms=days * MS_PER_DAY,
        edges_ms=grid(days * MS_PER_DAY),
        policies=switches(),
    )


def with_databases(setting: Setting, *, count: int, machines: int) -> Setting:
    """Return it with databases that are consolidated; of its batch machines some hold them."""
    from greensched.experiment.databases import AS_STORED, room_for_databases

    table = databases(SEED, count=count, days=PAST_DAYS + setting.window_ms // MS_PER_DAY)
    past, ahead = np.split(
        np.arange(table.cpu_m.shape[1]), [PAST_DAYS * MS_PER_DAY // table.step_ms]
    )
    online, batch = setting.fleet
    data = replace(
        kind("data", machines, "database"),
        cpu_m=16 * CPU_M_PER_CORE,
        memory_mib=128 * MIB_PER_GIB,
        disk_gib=8 * MIB_PER_GIB,
        iops=40_000,
        racks=6,
        power=Linear(idle_w=55.0, peak_w=160.0),
    )
    shown = _steps(table, ahead, start_ms=0)
    plan = sum_of_peaks(case_of(shown, room_for_databases([data], setting.sites), AS_STORED))
    assert (plan != NONE).all()
    first = online.count + batch.count - machines
    return replace(
        setting,
        fleet=(online, replace(batch, count=batch.count - machines), data),
        databases=shown,
        past_databases=_steps(table, past, start_ms=-PAST_DAYS * MS_PER_DAY),
        places=first + plan,
        policies=(*setting.policies, registry.load("policy", "consolidation")()),
    )


def _steps(table: Databases, steps: IntArray, *, start_ms: int) -> Databases:
    """Return some steps of databases."""
    cpu_m, iops = table.cpu_m[:, steps], table.iops[:, steps]
    return replace(table, start_ms=start_ms, cpu_m=cpu_m, iops=iops)


def with_shifting(setting: Setting) -> Setting:
    """Return it with deferrable jobs that wait for a sunny noon, forecast as in a run."""
    from greensched.carbon import CarbonIntensity
    from greensched.experiment.carbon_forecast import CarbonForecast

    hours = np.arange(
        -PAST_DAYS * H_PER_DAY, setting.window_ms // MS_PER_H + 2 * PAST_DAYS * H_PER_DAY
    )
    carbon = CarbonForecast(
        series=CarbonIntensity(
            zone=SITE.zone,
            edges_ms=np.append(hours, hours[-1] + 1) * MS_PER_H,
            values_g_per_kwh=500 + 150 * np.cos(hours * 2 * np.pi / H_PER_DAY),
        ),
        start_utc_ms=0,
        window_ms=setting.window_ms,
        offset_ms=0,
        history_ms=PAST_DAYS * MS_PER_DAY,
        tick_ms=5 * MS_PER_MIN,
        calendar=Calendar(),
    )
    shifting = registry.load("policy", "shifting")()
    return replace(setting, policies=(*setting.policies, shifting), carbon=carbon)


def surf() -> Scenario:
    """Return the scenario of the SURF week on 279 machines."""
    from greensched.scenario import load  # what reads scenarios is no part of other worlds' memory

    return load(ROOT / "simulations" / "surf-week.yaml")


def surf_setting(scenario: Scenario) -> Setting:
    """Return its baseline's setting: every machine on; opens the trace store."""
    from greensched.experiment.partition import as_recorded
    from greensched.experiment.world import shared

    world = shared(scenario)
    fleet = as_recorded(world)
    return world.setting("surf-week", roles=fleet.roles, replicas=fleet.replicas)


def tiny() -> None:
    """Run small worlds that load, or compile, every kernel."""
    simulate(week(job_count=2_000, machines=20, service_count=5, days=1))
    simulate(day(day_jobs(1_000)))


WORLDS: dict[str, Callable[[], object]] = {
    "tiny": tiny,
    "day": lambda: simulate(day(day_jobs())),
    "week": lambda: simulate(week()),
    "surf": lambda: simulate(surf_setting(surf())),
}


def main() -> None:
    """Run each world that the command line names."""
    for name in sys.argv[1:]:
        WORLDS[name]()


if __name__ == "__main__":
    main()
