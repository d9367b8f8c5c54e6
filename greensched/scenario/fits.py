"""What of the demand is larger than every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.errors import Finding
from greensched.scenario.databases import check_databases
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from greensched.model import Jobs, MachineType, Policy
    from greensched.scenario.workload import Workload


DROP: Final = "drop them with --on-bad=drop"
LENDING: Final = ("tidal", "colocation")  # kinds of policy that let jobs on what serves
DEVICE: Final = 1_000  # thousandths of a GPU


def check_sizes(
    workload: Workload, fleet: tuple[MachineType, ...], policies: Iterable[Policy] = ()
) -> tuple[Finding, ...]:
    """Return a finding for what is larger than every machine: replicas, jobs and databases."""
    findings = []
    services, jobs = workload.services, workload.jobs
    if services is not None:
        fits = fitting(
            fleet, services.replica_cpu_m, services.replica_memory_mib, services.replica_gpu_m
        )
        bad = np.flatnonzero(~fits)
        if len(bad):
            have, s = "service has" if len(bad) == 1 else "services have", int(bad[0])
            what = f"{len(bad)} {have} replicas larger than every machine: {services.names[s]}, "
            what += _size(
                services.replica_cpu_m[s],
                services.replica_memory_mib[s],
                services.replica_gpu_m[s],
            )
            remedy = "add a fleet entry that holds one, or correct 'replica_' columns of the trace"
            findings.append(Finding(where="traces.services", what=what, remedy=remedy))
    if jobs is not None and len(jobs):
        computing = for_jobs(fleet, policies)
        fits = jobs_fitting(computing, jobs)
        bad = np.flatnonzero(~fits)
        if len(bad):
            are = "job is" if len(bad) == 1 else "jobs are"
            first = _sized(jobs, int(bad[0]))
            what = f"{len(bad):,} {are} larger than every machine"
            what += f"{_that_compute(fleet, computing, 'runs')}, the first: {first}"
            findings.append(Finding(where="traces.jobs", what=what, remedy=DROP))
        bad = np.flatnonzero(fits & ~fitting_together(computing, jobs))
        if len(bad):
            have, first = "job has" if len(bad) == 1 else "jobs have", _sized(jobs, int(bad[0]))
            what = f"{len(bad):,} {have} more tasks than all machines"
            what += f"{_that_compute(fleet, computing, 'run')} together take at once, the"
            what += f" first: {jobs.tasks[bad[0]]:,} tasks of {first}"
            findings.append(Finding(where="traces.jobs", what=what, remedy=DROP))
    if workload.databases is not None:
        findings += check_databases(workload.databases, fleet)
    return tuple(findings)


def _that_compute(
    fleet: Sequence[MachineType], computing: Sequence[MachineType], verb: str
) -> str:
    """Return which machines are meant, where they are not all of the fleet."""
    return "" if len(computing) == len(fleet) else f" that {verb} jobs under these policies"


def _sized(jobs: Jobs, row: int) -> str:
    """Return what a job asks for and when it was submitted, by which it is found in its file."""
    size = _size(jobs.cpu_m[row], jobs.memory_mib[row], jobs.gpu_m[row])
    return f"{size}, submitted {jobs.submit_ms[row] / MS_PER_S:,.10g} s into the window"


def _size(cpu_m: int, memory_mib: int, gpu_m: int) -> str:
    """Return what is asked for, in words."""
    gpus = f", {gpu_m / 1000:g} GPUs" if gpu_m else ""
    return f"{cpu_m / 1000:,g} cores, {memory_mib:,} MiB{gpus}"


def jobs_fitting(fleet: tuple[MachineType, ...], jobs: Jobs) -> Any:
    """Return whether a task of each job fits on an empty machine; it starts on a millicore."""
    return fitting(fleet, np.maximum(jobs.cpu_m, 1), jobs.memory_mib, jobs.gpu_m)


def for_jobs(
    fleet: tuple[MachineType, ...], policies: Iterable[Policy]
) -> tuple[MachineType, ...]:
    """Return the machine types on which jobs may run: those that serve where policies let them."""
    lent = any(policy.kind.startswith(LENDING) for policy in policies)
    return tuple(k for k in fleet if k.role in ("any", "batch") or (lent and k.role == "online"))


def fitting_together(fleet: tuple[MachineType, ...], jobs: Jobs) -> Any:
    """Return whether all tasks of each job, which start at once, find room in the empty fleet."""
    gangs = np.flatnonzero(jobs.tasks > 1)
    tasks, gpu_m = jobs.tasks[gangs].astype(np.int64), jobs.gpu_m[gangs].astype(np.int64)
    sizes = jobs.cpu_m[gangs].astype(np.int64), jobs.memory_mib[gangs].astype(np.int64)
    places = np.zeros(len(gangs), np.int64)
    for kind in fleet:
        room = tasks.copy()
        cpu_m, memory_mib = (
            kind.cpu_m - kind.reserved_cpu_m,
            kind.memory_mib - kind.reserved_memory_mib,
        )
        for size, free in zip(sizes, (cpu_m, memory_mib), strict=True):
            room = np.where(size > 0, np.minimum(room, free // np.maximum(size, 1)), room)
        each = np.maximum(DEVICE // np.maximum(gpu_m, 1), 1)  # of a fraction several on a device
        devices = kind.gpus * each // np.maximum(gpu_m // DEVICE, 1)
        room = np.where(gpu_m > 0, np.minimum(room, devices), room)
        room = np.minimum(room, kind.pods_max) if kind.pods_max else room
        places += kind.count * np.maximum(room, 0)
    fits = np.ones(len(jobs), np.bool_)
    fits[gangs] = places >= tasks
    return fits


def fitting(fleet: tuple[MachineType, ...], cpu_m: Any, memory_mib: Any, gpu_m: Any) -> Any:
    """Return whether each size fits on an empty machine of some type."""
    fits = np.zeros(len(cpu_m), np.bool_)
    for kind in fleet:
        if kind.count:
            fits |= (
                (cpu_m <= kind.cpu_m - kind.reserved_cpu_m)
                & (memory_mib <= kind.memory_mib - kind.reserved_memory_mib)
                & (gpu_m <= kind.gpus * 1000)
            )
    return fits
