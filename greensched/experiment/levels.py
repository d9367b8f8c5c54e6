"""What services and jobs got: no saving is told without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.engine.kernels.latency import response_table
from greensched.experiment.latency import measured, slowdowns
from greensched.model import NONE
from greensched.units import CPU_M_PER_CORE, MS_PER_H, MS_PER_MIN, MS_PER_S, S_PER_H

if TYPE_CHECKING:
    from greensched.engine.result import JobOutcome, RunResult
    from greensched.experiment.world import Shared
    from greensched.model import FloatArray, IntArray, Jobs, Services

NOBODY_HELD: Final = {
    "start_p95_s": None,
    "held": 0,
    "held_mean_s": None,
    "held_p95_s": None,
    "pauses": 0,
}


def step_lengths_ms(services: Services, end_ms: int) -> IntArray:
    """Return the length [ms] of each load step within the run, and of the drain behind them."""
    steps = services.load_cpu_m.shape[1]
    edges = services.start_ms + services.step_ms * np.arange(steps + 1)
    edges = np.clip(np.append(edges, max(end_ms, int(edges[-1]))), 0, end_ms)
    lengths: IntArray = np.diff(edges)
    return lengths


def requests(services: Services, end_ms: int) -> FloatArray:
    """Return the requests of each load step and service [steps + 1, services], to a constant."""
    lengths = step_lengths_ms(services, end_ms)
    load = np.vstack([services.load_cpu_m.T, services.load_cpu_m[:, -1]])
    weight: FloatArray = load * lengths[:, None] / services.service_time_ms
    return weight


def responses_ms(shared: Shared, run: RunResult, slow: FloatArray | None = None) -> FloatArray:
    """Return the 99th-percentile response [steps + 1, services] [ms]; inf: overload.

    M/M/c with c the whole cores of the mean replicas that served in a load step, at least one;
    where it was measured, what was measured at the utilisation of these replicas. Requests take
    `slow` times as long as alone (None: as the run's batch slowed them; 0: not asked for).
    """
    services = shared.workload.services
    if services is None or not len(services):
        return np.empty((0, 0))
    lengths = step_lengths_ms(services, run.end_ms)
    slow = slowdowns(shared, run) if slow is None else slow
    found_ms: FloatArray = response_table(
        np.ascontiguousarray(services.load_cpu_m, np.int64),
        run.services.online_ms,
        lengths,
        np.ascontiguousarray(services.replica_cpu_m, np.int64),
        np.ascontiguousarray(services.service_time_ms, np.float64),
        np.ascontiguousarray(slow, np.float64),
    )
    for s, utilisation, p99_ms in measured(shared):
        load = np.append(services.load_cpu_m[s], services.load_cpu_m[s, -1])
        served = run.services.online_ms[:, s] * services.replica_cpu_m[s]
        used = load * lengths * slow[:, s] / np.maximum(served, 1)
        own_ms = slow[:, s] * np.interp(used, utilisation, p99_ms)
        found_ms[:, s] = np.where(used > utilisation[-1], np.inf, own_ms)
    return found_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceParts:
    """What the service account of a run is made of, by service [S].

    Responses are weighted by requests and summed where both runs are stable.
    """

    own_ms: FloatArray
    reference_ms: FloatArray  # of the baseline
    violated_ms: FloatArray


def service_parts(
    shared: Shared, run: RunResult, own_ms: FloatArray, reference_ms: FloatArray
) -> ServiceParts | None:
    """Return what `service_level` sums up, None without services."""
    services, limit = shared.workload.services, shared.scenario.slo.latency_factor_p99
    if services is None or not len(services):
        return None
    lengths = step_lengths_ms(services, run.end_ms)
    weight = requests(services, run.end_ms)
    # a drain that the baseline does not have is judged by shortage alone
    stable = np.isfinite(own_ms) & np.isfinite(reference_ms) & (weight > 0) & (reference_ms > 0)
    late = np.zeros(own_ms.shape, np.bool_)
    if limit is not None:
        late[stable] = own_ms[stable] > limit * reference_ms[stable]
        late |= np.isinf(own_ms) & np.isfinite(reference_ms) & (weight > 0)
    own, reference = (np.where(stable, ms, 0.0) * weight for ms in (own_ms, reference_ms))
    return ServiceParts(
        own_ms=own.sum(axis=0),
        reference_ms=reference.sum(axis=0),
        violated_ms=np.where(late, lengths[:, None], run.services.short_ms).sum(axis=0),
    )


def service_level(shared: Shared, run: RunResult, parts: ServiceParts | None) -> dict[str, Any]:
    """Return the service account of a run; its latency factor is against the baseline."""
    slo = shared.scenario.slo
    services = shared.workload.services
    if services is None or parts is None:
        return _no_services(slo.latency_factor_p99, slo.shortage_share)
    base = float(parts.reference_ms.sum())
    factor = float(parts.own_ms.sum()) / base if base > 0 else None
    work, shortage = run.services.work_core_s.sum(), run.services.shortage_core_s.sum()
    share = float(shortage / work) if work > 0 else 0.0
    minutes = parts.violated_ms / MS_PER_MIN
    return {
        "latency_factor_p99": factor,
        "latency_factor_p99_limit": slo.latency_factor_p99,
        "latency_factor_p99_ok": _ok(factor, slo.latency_factor_p99),
        "shortage_share": share,
        "shortage_share_limit": slo.shortage_share,
        "shortage_share_ok": _ok(share, slo.shortage_share),
        "violation_min": float(minutes.sum()),
        "violation_min_by_service": {
            name: float(m) for name, m in zip(services.names, minutes, strict=True) if m > 0
        },
        "work_core_h": float(work) / S_PER_H,
        "replicas_mean": float(run.services.online_ms.sum() / run.end_ms),
        "replicas_cutoff_mean": float(run.services.cutoff_ms.sum() / run.end_ms),
        "replicas_standby_mean": float(run.services.standby_ms.sum() / run.end_ms),
    }


def _no_services(factor_limit: float | None, shortage_limit: float | None) -> dict[str, Any]:
    """Return the account of a run without services."""
    return {
        "latency_factor_p99": None,
        "latency_factor_p99_limit": factor_limit,
        "latency_factor_p99_ok": None,
        "shortage_share": 0.0,
        "shortage_share_limit": shortage_limit,
        "shortage_share_ok": None,
        "violation_min": 0.0,
        "violation_min_by_service": {},
        "work_core_h": 0.0,
        "replicas_mean": 0.0,
        "replicas_cutoff_mean": 0.0,
        "replicas_standby_mean": 0.0,
    }


def _ok(value: float | None, limit: float | None) -> bool | None:
    """Say whether an objective is met; None where there is none."""
    if limit is None or value is None:
        return None
    return value <= limit


def queue_waits_ms(run: RunResult, jobs: Jobs) -> IntArray:
    """Return how long [ms] each job was in the queue before its first start, or until the end.

    What a policy kept it from the queue before that, waiting for cleaner hours, is no such wait.
    """
    begun_ms = np.where(run.jobs.start_ms == NONE, run.end_ms, run.jobs.start_ms)
    waits: IntArray = begun_ms - jobs.submit_ms - run.jobs.held_ms
    return waits


def _held(jobs: JobOutcome, waits_s: FloatArray) -> dict[str, int | float | None]:
    """Return how many jobs a policy held at arrival, how long, and how often it paused any.

    And with that, within what time of their submission 95 of 100 jobs begin.
    """
    held_s = jobs.held_ms[jobs.held_ms > 0] / MS_PER_S
    told = NOBODY_HELD | {
        "start_p95_s": float(np.percentile(waits_s + jobs.held_ms / MS_PER_S, 95)),
        "pauses": int(jobs.pauses.sum()),
    }
    if not len(held_s):
        return told
    return told | {
        "held": len(held_s),
        "held_mean_s": float(held_s.mean()),
        "held_p95_s": float(np.percentile(held_s, 95)),
    }


def batch_level(shared: Shared, run: RunResult) -> dict[str, Any]:
    """Return the batch account of a run; a job that never started waits until the end."""
    slo, jobs = shared.scenario.slo, shared.workload.jobs
    counted = {
        "deadline_miss_limit": slo.deadline_miss,
        "wait_p95_limit_s": None if slo.batch_wait_p95 is None else slo.batch_wait_p95 / MS_PER_S,
    }
    if jobs is None or not len(jobs):
        return {
            "jobs": 0,
            "completed": 0,
            "unfinished": 0,
            "deadlines": 0,
            "deadline_miss_share": None,
            "deadline_miss_ok": None,
            "wait_mean_s": None,
            "wait_p95_s": None,
            "wait_p95_ok": None,
            **NOBODY_HELD,
            "evictions": 0,
            "wasted_core_h": 0.0,
            "work_core_h": 0.0,
            **counted,
        }
    out = run.jobs
    waits_s = queue_waits_ms(run, jobs) / MS_PER_S
    done = out.end_ms != NONE
    due = jobs.deadline_ms != NONE
    missed = due & (~done | (out.end_ms > jobs.deadline_ms))
    miss = float(missed.sum() / due.sum()) if due.any() else None
    p95_s = float(np.percentile(waits_s, 95))
    cores = jobs.cpu_m / CPU_M_PER_CORE
    work_ms = (jobs.duration_ms * cores * jobs.tasks)[done].sum()
    return {
        "jobs": len(jobs),
        "completed": int(done.sum()),
        "unfinished": int((~done).sum()),
        "deadlines": int(due.sum()),
        "deadline_miss_share": miss,
        "deadline_miss_ok": _ok(miss, slo.deadline_miss),
        "wait_mean_s": float(waits_s.mean()),
        "wait_p95_s": p95_s,
        "wait_p95_ok": _ok(p95_s, counted["wait_p95_limit_s"]),
        **_held(out, waits_s),
        "evictions": int(out.evictions.sum()),
        "wasted_core_h": float((out.wasted_ms * cores).sum() / MS_PER_H),
        "work_core_h": float(work_ms / MS_PER_H),
        **counted,
    }
