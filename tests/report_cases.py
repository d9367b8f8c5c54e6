"""A summary and its tables, made by hand, and a small scenario that runs in a moment."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from greensched.experiment.backlog import UNDONE
from greensched.experiment.levels import NOBODY_HELD

if TYPE_CHECKING:
    from pathlib import Path

RESTING = ("booting", "sleeping", "off", "surplus")
ROLES = ("online", "shared", "lent", "batch", *RESTING, "database", "out")

NO_DATABASES: dict[str, Any] = {
    **dict.fromkeys(("databases", "replicas", "unplaced"), 0),
    **dict.fromkeys(("work_core_h", "shortage_share", "violation_min", "energy_kwh"), 0.0),
    "shortage_share_limit": 0.001,
    "shortage_share_ok": None,
    "violation_min_by_database": {},
    "machines_on_mean": 0.0,
    "machines_bound": None,
}
WINDOW: dict[str, Any] = {
    "start": "2023-03-06T00:00:00+08:00",
    "start_utc": "2023-03-05T16:00:00Z",
    "length_s": 604_800.0,
    "end_s": 608_400.0,
}
SCENARIO = """\
apiVersion: greensched/v1
kind: Scenario
name: small
window: {start: 2024-01-01T00:00+01:00, days: 1}
seed: 3
sites: [{name: here, zone: CN-EAST, pue: 1.2, intensity: 500 g/kWh}]
fleet:
  - name: server
    site: here
    count: 8
    cores: 16
    memory: 64 GiB
    power: {idle: 100 W, peak: 300 W}
    embodied: {kgco2e: 1000, range: [800, 1300], lifetime: 5 y}
traces:
  services: {file: services.csv}
  jobs: {file: jobs.csv}
slo: {latency_factor_p99: 2.0, deadline_miss: 0.5}
baseline: {kind: autoscaled}
policies: [{kind: elastic}]
"""


def write_scenario(folder: Path, *, bad_job: bool = False) -> Path:
    """Write the small scenario and its traces into `folder`; return the scenario's path."""
    rows = ["service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib"]
    rows += [
        f"{name},{3600 * hour},{4000 + 12000 * (8 <= hour < 20)},2000,2048"
        for name in ("shop", "web")
        for hour in range(24)
    ]
    (folder / "services.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    jobs = ["job,submit_s,duration_s,cpu_m,memory_mib"]
    jobs += [f"j{i},{600 * i},{900 if i or not bad_job else -5},4000,1024" for i in range(40)]
    (folder / "jobs.csv").write_text("\n".join(jobs) + "\n", encoding="utf-8")
    path = folder / "small.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def outcome(machines: float, energy_kwh: float, *, factor: float = 1.0) -> dict[str, Any]:
    """Return one run's part of a summary."""
    return {
        "machines_on_mean": machines,
        "machines_on_peak": 400,
        "energy_it_kwh": energy_kwh / 1.25,
        "energy_facility_kwh": energy_kwh,
        "scope2_location_kg": energy_kwh * 0.55,
        "embodied_kg": 1993.0,
        "embodied_low_kg": 1380.0,
        "embodied_high_kg": 3220.0,
        "cost": energy_kwh * 0.12,
        "service": {
            "latency_factor_p99": factor,
            "latency_factor_p99_limit": 1.1,
            "latency_factor_p99_ok": factor <= 1.1,
            "shortage_share": 0.0002,
            "shortage_share_limit": 0.001,
            "shortage_share_ok": True,
            "violation_min": 12.0,
            "violation_min_by_service": {"shop.eu": 8.0, "web": 4.0},
            "work_core_h": 12345.0,
            **dict.fromkeys(REPLICAS, 444.2),
            "energy_kwh": 3000.0,
        },
        "batch": {
            "jobs": 20153,
            "completed": 20153,
            "unfinished": 0,
            "deadlines": 100,
            "deadline_miss_share": 0.004,
            "deadline_miss_limit": 0.01,
            "deadline_miss_ok": True,
            "wait_mean_s": 44.0,
            "wait_p95_s": 480.0,
            "wait_p95_limit_s": None,
            "wait_p95_ok": None,
            "evictions": 312,
            "wasted_core_h": 18.4,
            **NOBODY_HELD | dict.fromkeys(UNDONE, 0.0) | {"start_p95_s": 600.0},
            "work_core_h": 7777.0,
            "energy_kwh": 2000.0,
        },
        "databases": NO_DATABASES,
        "energy_unallocated_kwh": 1.0,
        "machine_h": {"online": 5.0},
        "moves": 22,
        "power_cycles": 99,
        "actions_rejected": 3,
    }


REPLICAS = tuple(f"replicas{state}_mean" for state in ("", "_cutoff", "_standby"))
SAVED = (
    *("machines_on_mean", "machines_on_peak", "energy_it_kwh", "energy_facility_kwh"),
    *("scope2_location_kg", "embodied_kg", "embodied_low_kg", "embodied_high_kg", "cost"),
)
SERVICE = (
    *("latency_factor_p99", "shortage_share", "violation_min", "replicas_mean", "energy_kwh"),
)
BATCH = (
    *("completed", "unfinished", "deadline_miss_share", "wait_mean_s", "wait_p95_s"),
    *("start_p95_s", "held", "pauses", "evictions", "wasted_core_h", *UNDONE, "energy_kwh"),
)

DATABASES = ("shortage_share", "violation_min", "machines_on_mean", "energy_kwh")


def summary(*, factor: float = 1.0, energy_kwh: float = 11_030.0) -> dict[str, Any]:
    """Return a summary whose scenario takes `energy_kwh` of facility energy, baseline 12,710."""
    base, after = outcome(331.0, 12_710.0), outcome(268.0, energy_kwh, factor=factor)
    saved = {key: base[key] - after[key] for key in SAVED}
    return copy.deepcopy(
        {
            "schema": "greensched/summary/v1",
            "name": "tidal-week",
            "scenario_sha256": "a" * 64,
            "seed": 7,
            "version": "0.1.0",
            "stamp": {
                "data": "synthetic",
                "result": "modelled",
                "calibration": "uncalibrated",
            },
            "window": dict(WINDOW),
            "demand": {
                "services": 40,
                "jobs": 20153,
                "databases": 0,
                "machines": 400,
                "machines_surplus": 20,
                "findings": ["jobs.csv: 3 rows dropped (0.01 %)"],
            },
            "baseline": {
                "kind": "autoscaled",
                "text": "the HPA rule",
                "id": "autoscaled-1",
                "sha256": "c" * 64,
                **base,
            },
            "static_peak": outcome(400.0, 14_620.0),
            "scenario": {"policies": ["elastic-reactive"], **after},
            "savings": {
                "baseline_id": "autoscaled-1",
                "baseline_sha256": "c" * 64,
                **saved,
                "share": {key: saved[key] / base[key] for key in SAVED},
                "in_window": {
                    key: saved[key] for key in ("energy_facility_kwh", "scope2_location_kg")
                },
                "service": {k: base["service"][k] - after["service"][k] for k in SERVICE},
                "batch": {k: base["batch"][k] - after["batch"][k] for k in BATCH},
                "databases": dict.fromkeys(DATABASES, 0.0),
            },
            "currency": "EUR",
        }
    )


def series(hours: int = 48) -> pd.DataFrame:
    """Return the series of a summary: hourly rows of three runs."""
    frames = []
    for run in ("baseline", "static_peak", "scenario"):
        columns: dict[str, Any] = {
            "run": np.full(hours, run),
            "time_utc": np.datetime64("2023-03-05T16:00:00", "ms")
            + np.arange(hours).astype("timedelta64[h]"),
            "interval_s": np.full(hours, 3600.0),
        }
        for i, role in enumerate(ROLES):
            columns[f"machines_{role}"] = np.linspace(10 * i, 5, hours)
        columns["power_it_w"] = np.linspace(1e5, 2e5, hours)
        columns["power_facility_w"] = columns["power_it_w"] * 1.25
        columns["intensity_g_per_kwh"] = np.linspace(400, 600, hours)
        columns["scope2_location_kg"] = np.ones(hours)
        columns["load_cores"] = np.ones(hours)
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


MANIFEST = {
    "command": "greensched run tidal-week.yaml",
    "versions": {"python": "3.11.7"},
    "inputs": [{"source": "jobs.csv", "sha256": "d" * 64}],
    "scenario": "name: tidal-week\n# <script>alert(1)</script>\n",
}
