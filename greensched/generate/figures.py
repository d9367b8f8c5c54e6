"""What generated samples achieve, beside the published figures that they were fitted to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from greensched.generate.words import SATURDAY, weekday
from greensched.units import CPU_M_PER_CORE, H_PER_DAY, MS_PER_DAY, MS_PER_H, MS_PER_MIN

if TYPE_CHECKING:
    from greensched.generate.grid import HourlyIntensity
    from greensched.model import Databases, FloatArray, IntArray, Jobs, Services

_BIN_MS = 5 * MS_PER_MIN


def day_ratios(table: Services) -> FloatArray:
    """Return greatest over least mean load by hour of day, one a service, over whole days."""
    hour = MS_PER_H // table.step_ms
    by_hour = table.load_cpu_m.reshape(len(table), -1, H_PER_DAY, hour).mean(axis=(1, 3))
    return np.asarray(by_hour.max(axis=1) / by_hour.min(axis=1))


def service_figures(table: Services) -> dict[str, float]:
    """Return figures of services; utilisation is load over the recorded replicas' CPU."""
    recorded = table.replicas * table.replica_cpu_m
    hour = MS_PER_H // table.step_ms
    total = table.load_cpu_m.sum(axis=0)
    share = total / recorded.sum() * 100
    by_hour = share.reshape(-1, H_PER_DAY, hour).mean(axis=(0, 2))
    by_day = share.reshape(-1, H_PER_DAY * hour).mean(axis=1)
    weekend = weekday(len(by_day), 1) >= SATURDAY
    ratios = day_ratios(table)
    web = np.array([name.startswith(("web", "media")) for name in table.names])
    inference = np.array([name.startswith("inference") for name in table.names])
    memory_mib = int((table.replicas * table.replica_memory_mib).sum())
    return {
        "recorded_cores": recorded.sum() / CPU_M_PER_CORE,
        "recorded_replicas": float(table.replicas.sum()),
        "recorded_memory_gib": memory_mib / 1_024,
        "utilisation_mean_percent": float(share.mean()),
        "utilisation_hour_most_percent": float(by_hour.max()),
        "utilisation_hour_least_percent": float(by_hour.min()),
        "web_peak_over_trough_median": float(np.median(ratios[web])),
        "inference_peak_over_trough_least": float(ratios[inference].min()),
        "weekend_over_workday": float(by_day[weekend].mean() / by_day[~weekend].mean()),
    }


def job_figures(table: Jobs, from_ms: int = 0, to_ms: int | None = None) -> dict[str, float]:
    """Return figures of jobs, and of cores in use in [from_ms, to_ms) if none ever waited."""
    cores = table.tasks * table.cpu_m / CPU_M_PER_CORE
    length_h = table.duration_ms / MS_PER_H
    core_h = np.sort(cores * length_h)[::-1]
    end_ms = to_ms or -(-int(table.submit_ms.max() + 1) // MS_PER_DAY) * MS_PER_DAY
    running = _running(table, cores)[from_ms // _BIN_MS : end_ms // _BIN_MS]
    tasks = _running(table, table.tasks.astype(np.float64))
    gaps = np.diff(table.submit_ms)
    found = {
        "core_hours_a_job": float(core_h.mean()),
        "top_1_percent_share": float(core_h[: len(table) // 100].sum() / core_h.sum()),
        "cores_mean": float(running.mean()),
        "cores_p95": float(np.quantile(running, 0.95)),
        "cores_peak": float(running.max()),
        "tasks_running_mean": float(tasks[from_ms // _BIN_MS : end_ms // _BIN_MS].mean()),
        "gap_variation": float(gaps.std() / gaps.mean()),
        "estimate_over_length_mean": float((table.estimate_ms / table.duration_ms).mean()),
    }
    for percent in (5, 25, 50, 75, 90, 95, 99):
        found[f"length_p{percent}_h"] = float(np.quantile(length_h, percent / 100))
        found[f"cores_p{percent}_job"] = float(np.quantile(cores, percent / 100))
    return found


def database_figures(table: Databases) -> dict[str, float]:
    """Return figures of databases; use is of a server of 16 cores for each replica."""
    peak = table.cpu_m.max(axis=1)
    return {
        "database_replicas": float(table.replicas.sum()),
        "database_use_mean_percent": float(table.cpu_m.mean() / (16 * CPU_M_PER_CORE) * 100),
        "database_mean_over_peak": float((table.cpu_m.mean(axis=1) / peak).mean()),
        "database_sum_of_peaks_over_peak_of_sum": float(
            peak.sum() / table.cpu_m.sum(axis=0).max()
        ),
        "database_memory_gib": float(table.memory_mib.sum() / 1_024),
        "database_disk_gib": float(table.disk_gib.sum()),
        "database_iops_most": float(table.iops.sum(axis=0).max()),
    }


def intensity_figures(table: HourlyIntensity) -> dict[str, float]:
    """Return mean and coefficient of variation of each zone."""
    found: dict[str, float] = {}
    for zone, row in zip(table.zones, table.g_per_kwh, strict=True):
        found[f"{zone}_mean_g_per_kwh"] = float(row.mean())
        found[f"{zone}_variation"] = float(row.std() / row.mean())
    return found


def _running(table: Jobs, weight: FloatArray) -> FloatArray:
    """Return the sum of `weight` over jobs that run, by five minutes, if all start at once."""
    begin: IntArray = table.submit_ms // _BIN_MS
    end: IntArray = -(-(table.submit_ms + table.duration_ms) // _BIN_MS)
    change = np.zeros(int(end.max()) + 1)
    np.add.at(change, begin, weight)
    np.subtract.at(change, end, weight)
    return np.cumsum(change)
