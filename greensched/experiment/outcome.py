"""One run, accounted: entries, service levels, and its part of the summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.accounting import (
    Check,
    Entries,
    Factors,
    account,
    apportion,
    balance,
    total,
    totals,
)
from greensched.experiment.backlog import UNDONE, backlog
from greensched.experiment.databases import database_level
from greensched.experiment.levels import ServiceParts, batch_level, service_level, service_parts
from greensched.units import MS_PER_H, MS_PER_MIN, MWH_MILLI_PER_KWH, S_PER_H

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greensched.engine.result import RunResult
    from greensched.experiment.world import Shared
    from greensched.model import FloatArray, IntArray, MachineType

TOTALS = (
    "machines_on_mean",
    "machines_on_peak",
    "energy_it_kwh",
    "energy_facility_kwh",
    "scope2_location_kg",
    "embodied_kg",
    "embodied_low_kg",
    "embodied_high_kg",
    "cost",
)
EMBODIED = ("embodied_kg", "embodied_low_kg", "embodied_high_kg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run with its account; the parts of its energy sum with `unallocated_mwh`."""

    run: RunResult
    entries: Entries
    service_mwh: IntArray
    job_mwh: IntArray
    database_mwh: IntArray
    unallocated_mwh: int
    service: dict[str, Any]
    batch: dict[str, Any]
    databases: dict[str, Any]
    service_parts: ServiceParts | None  # None: no services
    spare: int = 0  # machines that serve for when others are out
    embodied_known: bool = True  # of any machine type

    def checks(self, fleet: Iterable[MachineType]) -> tuple[Check, ...]:
        """Return the balance checks of this run on the machines of `fleet`."""
        counts: dict[tuple[str, str], int] = {}
        for one in fleet:
            counts[one.site, one.name] = counts.get((one.site, one.name), 0) + one.count
        parts = {
            "services": int(self.service_mwh.sum()),
            "jobs": int(self.job_mwh.sum()),
            "databases": int(self.database_mwh.sum()),
            "unallocated": self.unallocated_mwh,
        }
        return balance(self.entries, parts, counts)

    @property
    def summary(self) -> dict[str, Any]:
        """Return this run's part of `summary.json`."""
        sums = totals(self.entries)
        usage = self.run.usage
        hours: dict[str, float] = {}
        for group, column in zip(usage.groups, usage.machine_ms.T, strict=True):
            hours[group.role] = hours.get(group.role, 0.0) + int(column.sum()) / MS_PER_H
        counts = self.run.counts
        if not self.embodied_known:
            sums |= dict.fromkeys(EMBODIED)
        return {
            **{name: sums[name] for name in TOTALS},
            "service": {**self.service, "energy_kwh": _kwh(self.service_mwh)},
            "batch": {**self.batch, "energy_kwh": _kwh(self.job_mwh)},
            "databases": {**self.databases, "energy_kwh": _kwh(self.database_mwh)},
            "energy_unallocated_kwh": self.unallocated_mwh / MWH_MILLI_PER_KWH,
            "machine_h": dict(sorted(hours.items())),
            "outages": _outages(self.run, self.spare),
            "moves": counts["moves"],
            "power_cycles": counts["power_cycles"],
            "actions_rejected": counts["rejected"],
        }


def _outages(run: RunResult, spare: int) -> dict[str, Any] | None:
    """Return what outages did to a run; None where there were none."""
    told = run.outages
    if not told.outages:
        return None
    out = [group.role == "out" for group in run.usage.groups]
    return {
        "outages": told.outages,
        "machines_peak": told.machines_peak,
        "machines_spare": spare,
        "machine_h": int(run.usage.machine_ms[:, out].sum()) / MS_PER_H,
        "replicas_lost": told.replicas_lost,
        "jobs_lost": told.jobs_lost,
        "lost_core_h": told.lost_core_s / S_PER_H,
        "database_replica_min": told.database_ms / MS_PER_MIN,
    }


def _kwh(parts: IntArray) -> float:
    """Return the sum of integer milliwatt-hours as kWh."""
    return int(parts.sum()) / MWH_MILLI_PER_KWH


def _batch(shared: Shared, run: RunResult, factors: Factors, job_mwh: IntArray) -> dict[str, Any]:
    """Return the batch account of a run with what it left undone."""
    jobs = shared.workload.jobs
    undone: dict[str, float | None] = dict.fromkeys(UNDONE, 0.0)
    if jobs is not None and len(jobs):
        undone = backlog(run, jobs, factors, job_mwh)
    return {**batch_level(shared, run), **undone}


def outcome(
    shared: Shared,
    run: RunResult,
    factors: Factors,
    own_ms: FloatArray,
    reference_ms: FloatArray,
) -> Outcome:
    """Return a run's outcome; latency factors are against the baseline's `reference_ms`."""
    entries = account(run.usage, factors)
    parts = np.concatenate([run.services.energy_j, run.jobs.energy_j, run.databases.energy_j])
    parts = np.maximum(parts, 0.0)
    split, rest = apportion(parts, total(entries).energy_it_mwh)
    n = len(run.services.energy_j)
    judged = service_parts(shared, run, own_ms, reference_ms)
    split, database_mwh = np.split(split, [n + len(run.jobs.energy_j)])
    return Outcome(
        run=run,
        entries=entries,
        service_mwh=split[:n],
        job_mwh=split[n:],
        database_mwh=database_mwh,
        unallocated_mwh=rest,
        service=service_level(shared, run, judged),
        service_parts=judged,
        batch=_batch(shared, run, factors, split[n:]),
        databases=database_level(shared, run),
        embodied_known=any(kind.embodied_known for kind in shared.fleet),
    )
