"""What is in a trace: rows, span, resources, quality, concurrency, the shape of the day."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.readers.store import span_ms
from greensched.units import (
    CPU_M_PER_CORE,
    H_PER_DAY,
    MIB_PER_GIB,
    MS_PER_DAY,
    MS_PER_H,
    MS_PER_S,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.model import Databases, FloatArray, IntArray, Jobs, Machines, Services, Trace

POINTS_MAX = 10_000  # of the concurrency over time; longer traces get a multiple of an hour
BLOCKS = "▁▂▃▄▅▆▇█"
NO_TIMELINE = (
    "This trace is a population to pack, not a record over time: its times do not show a load "
    "that rises and falls, and no tide can be read from it."
)


def inspect(trace: Trace) -> dict[str, Any]:
    """Return what `trace inspect -o json` prints; `rows` of each kind are there even when 0.

    Concurrency and the day take every job as running from its submission. Hours of the day are
    in UTC where the trace has a calendar, else from trace zero.
    """
    first_ms, last_ms = span_ms(trace)
    over_time = _concurrency(trace, first_ms, last_ms)
    profile, shows = _day_profile(trace, over_time)
    return {
        "jobs": _jobs(trace.jobs),
        "services": _services(trace.services),
        "machines": _machines(trace.machines),
        "databases": _databases(trace.databases),
        "start_s": first_ms / MS_PER_S,
        "span_s": (last_ms - first_ms) / MS_PER_S,
        "zero_utc": trace.zero_utc or None,
        "is_timeline": trace.timeline,
        "timeline_note": "" if trace.timeline else NO_TIMELINE,
        "is_synthetic": trace.synthetic,
        "checksum": trace.checksum,
        "findings": list(trace.findings),
        "concurrency": over_time,
        "day_profile": profile,
        "day_profile_of": shows,
    }


def _spread(values: IntArray, per: float) -> dict[str, float]:
    quantiles = np.quantile(values, (0.5, 0.95)) if len(values) else (0.0, 0.0)
    return {
        "min": float(values.min()) / per if len(values) else 0.0,
        "p50": float(quantiles[0]) / per,
        "mean": float(values.mean()) / per if len(values) else 0.0,
        "p95": float(quantiles[1]) / per,
        "max": float(values.max()) / per if len(values) else 0.0,
    }


def _jobs(jobs: Jobs | None) -> dict[str, Any]:
    if jobs is None:
        return {"rows": 0}
    core_ms = jobs.duration_ms.astype(float) * jobs.cpu_m * jobs.tasks / CPU_M_PER_CORE
    return {
        "rows": len(jobs),
        "duration_s": _spread(jobs.duration_ms, MS_PER_S),
        "cores": _spread(jobs.cpu_m.astype(np.int64) * jobs.tasks, CPU_M_PER_CORE),
        "memory_gib": _spread(jobs.memory_mib.astype(np.int64) * jobs.tasks, MIB_PER_GIB),
        "gpus": _spread(jobs.gpu_m.astype(np.int64) * jobs.tasks, CPU_M_PER_CORE),
        "core_h": float(core_ms.sum()) / MS_PER_H,
        "gangs": int((jobs.tasks > 1).sum()),
        "with_estimate": int((jobs.estimate_ms >= 0).sum()),
        "with_deadline": int((jobs.deadline_ms != -1).sum()),
        "use_steps": len(jobs.use_until_ms),
        "classes": {
            c.name: int(n)
            for c, n in zip(
                jobs.classes,
                np.bincount(jobs.job_class, minlength=len(jobs.classes)),
                strict=True,
            )
        },
    }


def _services(services: Services | None) -> dict[str, Any]:
    if services is None:
        return {"rows": 0}
    total = services.load_cpu_m.sum(axis=0)
    known = services.replicas[services.replicas >= 0]
    return {
        "rows": len(services),
        "steps": services.load_cpu_m.shape[1],
        "step_s": services.step_ms / MS_PER_S,
        "load_cores": _spread(total, CPU_M_PER_CORE),
        "replicas": int(known.sum()) if len(known) else None,
        "service_time_assumed": int(services.service_time_assumed.sum()),
    }


def _databases(databases: Databases | None) -> dict[str, Any]:
    """Return what one replica of each takes, in sum over the databases where it is a spread."""
    if databases is None:
        return {"rows": 0}
    return {
        "rows": len(databases),
        "steps": databases.cpu_m.shape[1],
        "step_s": databases.step_ms / MS_PER_S,
        "load_cores": _spread(databases.cpu_m.sum(axis=0), CPU_M_PER_CORE),
        "peak_cores": float(databases.cpu_m.max(axis=1).sum()) / CPU_M_PER_CORE,
        "iops": _spread(databases.iops.sum(axis=0), 1),
        "memory_gib": float(databases.memory_mib.sum()) / MIB_PER_GIB,
        "disk_gib": float(databases.disk_gib.sum()),
        "replicas": int(databases.replicas.sum()),
    }


def _machines(machines: Machines | None) -> dict[str, Any]:
    if machines is None:
        return {"rows": 0}
    count = machines.count
    return {
        "rows": len(machines),
        "count": int(count.sum()),
        "cores": float((count * machines.cpu_m).sum()) / CPU_M_PER_CORE,
        "memory_gib": float((count * machines.memory_mib).sum()) / MIB_PER_GIB,
        "gpus": int((count * machines.gpus).sum()),
    }


def _concurrency(trace: Trace, first_ms: int, last_ms: int) -> dict[str, Any]:
    """Return jobs and cores that run, and load, by the hour (or a multiple) from the start."""
    jobs = trace.jobs
    hours = max(1, -(-(last_ms - first_ms) // MS_PER_H))
    step_ms = MS_PER_H * -(-hours // POINTS_MAX)
    steps = max(1, -(-(last_ms - first_ms) // step_ms))
    edges = first_ms + step_ms * np.arange(steps + 1, dtype=np.int64)
    load = _load_mean(trace.services, edges).tolist()
    found: dict[str, Any] = {"step_s": step_ms / MS_PER_S, "load_cores_mean": load}
    if jobs is None or not len(jobs):
        return {**found, "jobs_mean": [], "jobs_max": [], "cores_mean": []}
    end_ms = jobs.submit_ms + jobs.duration_ms
    order = np.argsort(end_ms, kind="stable")
    ones = np.ones(len(jobs))
    cores = jobs.cpu_m.astype(float) * jobs.tasks / CPU_M_PER_CORE
    return {
        **found,
        "jobs_mean": _mean(jobs.submit_ms, end_ms[order], ones, ones, edges).tolist(),
        "jobs_max": _most(jobs.submit_ms, end_ms[order], edges).tolist(),
        "cores_mean": _mean(jobs.submit_ms, end_ms[order], cores, cores[order], edges).tolist(),
    }


def _load_mean(services: Services | None, edges: IntArray) -> FloatArray:
    """Return the mean load [cores] of all services between the edges, until it is known no more.

    Before the first step it is 0.
    """
    if services is None or not services.load_cpu_m.size:
        return np.zeros(0)
    total = services.load_cpu_m.sum(axis=0) / CPU_M_PER_CORE
    at_ms = services.start_ms + services.step_ms * np.arange(len(total) + 1, dtype=np.int64)
    edges = edges[: int(np.searchsorted(edges, at_ms[-1])) + 1]
    upto = np.interp(edges, at_ms, np.concatenate([[0.0], np.cumsum(total * services.step_ms)]))
    known_ms = np.diff(np.clip(edges, at_ms[0], at_ms[-1]))  # the last step may be known in part
    means: FloatArray = np.round(np.diff(upto) / np.maximum(known_ms, 1), 6)
    return means


def _mean(
    start_ms: IntArray,
    end_ms: IntArray,
    at_start: FloatArray,
    at_end: FloatArray,
    edges: IntArray,
) -> FloatArray:
    """Return the mean of a sum of weights on [start, end), both sorted, between the edges."""
    area = _ramp(start_ms, at_start, edges) - _ramp(end_ms, at_end, edges)
    means: FloatArray = np.round(np.diff(area) / np.diff(edges), 6)
    return means


def _ramp(since_ms: IntArray, weight: FloatArray, edges: IntArray) -> FloatArray:
    """Return sum over i of weight[i] x (t - since[i]) for since[i] <= t, at each edge t."""
    offset = (since_ms - edges[0]).astype(float)
    weights = np.concatenate([[0.0], np.cumsum(weight)])
    moments = np.concatenate([[0.0], np.cumsum(weight * offset)])
    upto = np.searchsorted(since_ms, edges, side="right")
    ramp: FloatArray = weights[upto] * (edges - edges[0]) - moments[upto]
    return ramp


def _most(start_ms: IntArray, end_ms: IntArray, edges: IntArray) -> IntArray:
    """Return the largest number of intervals [start, end) at once in each step."""
    times = np.concatenate([start_ms, end_ms])
    change = np.concatenate([np.ones(len(start_ms), np.int64), -np.ones(len(end_ms), np.int64)])
    order = np.lexsort((change, times))  # an end before a start at the same instant
    times, level = times[order], np.cumsum(change[order])
    level = np.concatenate([[0], level])
    at_edge = np.searchsorted(times, edges[:-1], side="right")  # level that holds at the edge
    until = np.searchsorted(times, edges[1:], side="left")
    # A level inside an instant (ends counted, starts not yet) is lower than one that holds: no max
    # of it can be too large.
    return np.array(
        [level[a : b + 1].max() for a, b in zip(at_edge, np.maximum(until, at_edge), strict=True)],
        np.int64,
    )


def _day_profile(trace: Trace, over_time: dict[str, Any]) -> tuple[list[float], str]:
    """Return 24 means by hour of the day [cores], and of what they are."""
    services = trace.services
    if services is not None and services.load_cpu_m.size:
        total = services.load_cpu_m.sum(axis=0) / CPU_M_PER_CORE
        parts = -(-services.step_ms // MS_PER_H)  # a step longer than an hour counts in each
        total = np.repeat(total, parts)
        step_ms = services.step_ms // parts
        at_ms = services.start_ms + step_ms * np.arange(len(total), dtype=np.int64)
        shows = "cores of work that services want"
    elif over_time["cores_mean"]:
        total = np.array(over_time["cores_mean"])
        first_ms, _ = span_ms(trace)
        step_ms = int(over_time["step_s"] * MS_PER_S)
        at_ms = first_ms + step_ms * np.arange(len(total), dtype=np.int64)
        shows = "cores of jobs that run"
    else:
        return [0.0] * H_PER_DAY, "nothing"
    hour = (at_ms + _midnight_ms(trace)) % MS_PER_DAY // MS_PER_H
    sums = np.bincount(hour, weights=total, minlength=H_PER_DAY)
    counts = np.bincount(hour, minlength=H_PER_DAY)
    return np.round(sums / np.maximum(counts, 1), 6).tolist(), shows


def _midnight_ms(trace: Trace) -> int:
    """Return the time since midnight UTC [ms] at trace zero; 0 without a calendar."""
    if not trace.zero_utc:
        return 0
    zero = datetime.fromisoformat(trace.zero_utc)
    return int(zero.timestamp() * MS_PER_S) % MS_PER_DAY


def sparkline(values: Sequence[float]) -> str:
    """Return one block for each of `values` (none negative), scaled from 0 to the largest."""
    largest = max(values, default=0.0)
    if largest <= 0:
        return BLOCKS[0] * len(values)
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[min(top, int(v / largest * len(BLOCKS)))] for v in values)
