"""Jobs that scale, in a study: `carbon-scaler` beside the policies that run jobs at one width."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.errors import Finding, UsageError
from greensched.policies.shifting.carbon_scaler import (
    KIND,
    Workers,
    scaled_jobs,
    scaled_under_cap,
)
from greensched.policies.shifting.elastic import is_concave
from greensched.shift.account import core_tick_kwh, peak_cpu_m
from greensched.shift.outcome import Outcome
from greensched.shift.replay import beside_reserved
from greensched.units import CPU_M_PER_CORE

if TYPE_CHECKING:
    from greensched.model import FloatArray
    from greensched.shift.measured import Study
    from greensched.ticks import TickIntensity, TickJobs

JOBS_MAX: Final = 100  # of which each is a MILP


def scaling_row(study: Study, throughput: tuple[float, ...]) -> dict[str, Any]:
    """Return the row of jobs of which n workers do `throughput[n - 1]` of what one does.

    Raises UsageError where so many jobs cannot be solved for a profile that is not concave.
    """
    profile = np.array(throughput)
    jobs = len(study.case.jobs)
    if not is_concave(profile) and jobs > JOBS_MAX:
        shown = ",".join(f"{v:g}" for v in envelope(profile).round(6).tolist())
        what = f"a worker adds more than the one before: a MILP for each of {jobs:,} jobs"
        remedy = f"take its concave envelope, {shown}, or at most {JOBS_MAX} jobs"
        raise UsageError(Finding(where="--throughput", what=what, remedy=remedy))
    return study.row(KIND, partial(_ran, study, profile))


def envelope(throughput: FloatArray) -> FloatArray:
    """Return the least concave profile that is nowhere below `throughput`, from 0 workers on."""
    points = np.concatenate(([0.0], throughput))
    found = points.copy()
    for left in range(len(points)):
        for right in range(left + 2, len(points)):
            inside = np.arange(left + 1, right)
            chord = np.interp(inside, (left, right), (points[left], points[right]))
            found[inside] = np.maximum(found[inside], chord)
    return found[1:]


def _ran(study: Study, profile: FloatArray, *, oracle: bool, under_cap: bool) -> Outcome:
    """Return what scaling comes to, without a cap or under it."""
    case = study.case
    signal = case.intensity if oracle else case.signal
    jobs = study.small if under_cap else case.jobs
    patience = case.patience[study.fits] if under_cap else case.patience
    workers = (
        scaled_under_cap(jobs, signal, profile, study.cap)
        if under_cap
        else scaled_jobs(jobs, signal, profile)
    )
    pieces = workers.pieces()
    reserved = None
    if case.terms.reserved_cpu_m:
        reserved = beside_reserved(pieces, jobs, case.terms.reserved_cpu_m, fixed=True).reserved
    series = case.intensity.held_until(int(pieces.stop.max()))
    waited = workers.waited(jobs)
    end = np.zeros(len(jobs), np.int64)
    np.maximum.at(end, workers.job, pieces.stop)
    reached = replace(jobs, latest=np.maximum(jobs.latest, end - jobs.length))
    core_w, other = case.terms.core_w, case.marginal
    return Outcome(
        emitted_g=workers_g(workers, jobs, series, core_w),
        bound_g=workers_g(scaled_jobs(reached, series, profile), jobs, series, core_w),
        waited=waited,
        late=int((end > jobs.arrival + patience + jobs.length).sum()),
        peak_cpu_m=peak_cpu_m(pieces, jobs.cpu_m),
        cost=study.cost(pieces, jobs.cpu_m, reserved),
        marginal_g=None
        if other is None
        else workers_g(workers, jobs, other.held_until(series.length), core_w),
        more={"core_h": _core_ticks(workers, jobs).sum() * study.tick_h},
    )


def workers_g(workers: Workers, jobs: TickJobs, intensity: TickIntensity, core_w: float) -> float:
    """Return the emissions [g CO2e] of workers whose cores take `core_w` [W]."""
    values, kind = np.unique(intensity.values_g_per_kwh, return_inverse=True)
    use = _core_ticks(workers, jobs) * CPU_M_PER_CORE
    by_value = np.bincount(kind[intensity.slot(workers.start)], weights=use, minlength=len(values))
    return float((values * by_value).sum()) * core_tick_kwh(intensity, core_w)


def _core_ticks(workers: Workers, jobs: TickJobs) -> FloatArray:
    """Return the cores of each piece x its ticks."""
    use: FloatArray = workers.ticks * jobs.cpu_m[workers.job] / CPU_M_PER_CORE
    return use
