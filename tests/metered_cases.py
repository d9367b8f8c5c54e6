"""A small week whose machines draw other watts than its scenario says, and what meters read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import greensched as gs
from greensched.engine.simulate import Simulation
from greensched.experiment.partition import as_recorded
from greensched.experiment.world import shared
from tests.report_cases import write_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import FloatArray
    from greensched.scenario import Scenario

DAYS = 6
IDLE_W, PEAK_W, PUE = 120.0, 260.0, 1.33  # the scenario says 100 W, 300 W and 1.2
NOISE = 0.01


def write_days(folder: Path, days: int = DAYS) -> Path:
    """Write the small scenario with `days` whose load is never twice the same; return it."""
    path = write_scenario(folder)
    draw = np.random.default_rng(1)
    rows = ["service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib"]
    for name in ("shop", "web"):
        more = draw.integers(0, 3000, 24 * days)
        load = 4000 + 12000 * ((np.arange(24 * days) % 24 - 8) % 24 < 12) + more
        rows += [f"{name},{3600 * hour},{cpu_m},2000,2048" for hour, cpu_m in enumerate(load)]
    (folder / "services.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    text = path.read_text(encoding="utf-8").replace("days: 1", f"days: {days}")
    path.write_text(text, encoding="utf-8")
    return path


def hourly_kwh(scenario: Scenario) -> FloatArray:
    """Return the IT energy [kWh] of each hour of the as-recorded run, by the engine alone."""
    world = shared(scenario)
    plan = as_recorded(world)
    setting = world.setting("metered", roles=plan.roles, replicas=plan.replicas)
    usage = Simulation(setting).finish().result().usage
    sums = np.concatenate([[0.0], np.cumsum(usage.energy_j.sum(axis=1))])
    edges = np.arange(0, scenario.window_ms + 1, 3_600_000)
    found: FloatArray = np.diff(np.interp(edges, usage.edges_ms, sums)) / 3.6e6
    return found


def write_meters(path: Path, kwh: FloatArray, *places: tuple[str, str, float]) -> Path:
    """Write readings by the hour, with noise: a (column, name, factor) for each meter."""
    draw = np.random.default_rng(2)
    columns = list(dict.fromkeys(place[0] for place in places))
    rows = ["from,until,energy_kwh," + ",".join(columns)]
    for column, name, factor in places:
        for hour, energy in enumerate(kwh * factor * (1 + NOISE * draw.standard_normal(len(kwh)))):
            begin = np.datetime64("2023-12-31T23:00") + np.timedelta64(hour, "h")
            cells = ",".join(name if c == column else "" for c in columns)
            rows.append(f"{begin}Z,{begin + np.timedelta64(1, 'h')}Z,{energy:.6f},{cells}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def true_watts(path: Path) -> Scenario:
    """Return the scenario with the watts that its machines really draw."""
    watts = {"fleet.server.power.idle": f"{IDLE_W} W", "fleet.server.power.peak": f"{PEAK_W} W"}
    return gs.load(path, watts)
