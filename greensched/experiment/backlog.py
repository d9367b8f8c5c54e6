"""What a run left undone, and what it would still take: so that runs that were cut compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.units import (
    CPU_M_PER_CORE,
    G_PER_KG,
    MS_PER_H,
    MWH_MILLI_PER_KWH,
)

if TYPE_CHECKING:
    from greensched.accounting import Factors
    from greensched.engine.result import RunResult
    from greensched.model import IntArray, Jobs


UNDONE = ("backlog_core_h", "backlog_energy_kwh", "backlog_scope2_kg")


def backlog(
    run: RunResult, jobs: Jobs, factors: Factors, job_mwh: IntArray
) -> dict[str, float | None]:
    """Return the unfinished work, and its facility energy and emissions at the last intensity.

    The work [core-h] is taken to need as much IT energy an hour as this run's jobs took, at the
    run's sites in proportion to their energy, under the last PUE and intensity of each. None
    where no job has run yet, so that nothing is known of what they take.
    """
    cores = jobs.cpu_m / CPU_M_PER_CORE
    left_core_h = float((run.jobs.left_ms * cores).sum() / MS_PER_H)
    total_ms = jobs.duration_ms * jobs.tasks - run.jobs.left_ms + run.jobs.wasted_ms
    ran_core_h = float((total_ms * cores).sum() / MS_PER_H)
    if left_core_h == 0.0:
        return dict.fromkeys(UNDONE, 0.0)
    if ran_core_h <= 0.0:
        return dict(zip(UNDONE, (left_core_h, None, None), strict=True))
    it_kwh = left_core_h * int(job_mwh.sum()) / MWH_MILLI_PER_KWH / ran_core_h
    joules: dict[str, float] = {}
    for group, column in zip(run.usage.groups, run.usage.energy_j.T, strict=True):
        joules[group.site] = joules.get(group.site, 0.0) + float(column.sum())
    all_j = sum(joules.values())
    facility_kwh = emitted_kg = 0.0
    for site in factors.sites:
        kwh = it_kwh * joules.get(site.site, 0.0) / all_j * float(site.pue.slope[-1])
        facility_kwh += kwh
        emitted_kg += kwh * float(site.intensity_g_per_kwh[-1]) / G_PER_KG
    return dict(zip(UNDONE, (left_core_h, facility_kwh, emitted_kg), strict=True))
