"""How many machines of which size a trace needs, where it lists none: for `init`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.units import CPU_M_PER_CORE, GPU_M_PER_GPU, MIB_PER_GIB

if TYPE_CHECKING:
    from typing import TypeAlias

    from greensched.model import FloatArray, Int32Array, IntArray, Jobs, Services, Trace

    AnyIntArray: TypeAlias = IntArray | Int32Array

CORES, MEMORY_GIB, GPUS = 64, 256, 8
FLEET_FILL: Final = 0.65  # of the scarcest resource at the busiest known moment
REPLICA_FILL: Final = 0.6  # of a replica at the services' busiest moment
COUNT_MIN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """An assumed fleet of equal machines; without demand for GPUs they have none."""

    count: int
    cores: int
    memory_gib: int
    gpus: int


def assumed(source: Trace) -> Assumed:
    """Return machines that hold the largest request, enough of them for the busiest moment.

    Enough is 1 / 0.65 of what the scarcest of CPU, memory and GPUs needs, and at least three. Jobs
    of a population have no busiest moment: its services alone count.
    """
    cores, memory_gib, gpus = CORES, MEMORY_GIB, 0
    demand = np.zeros(3)
    services, jobs = source.services, source.jobs
    if services is not None and len(services):
        largest = services.replica_cpu_m, services.replica_memory_mib, services.replica_gpu_m
        cores, memory_gib, gpus = _holding((cores, memory_gib, gpus), largest)
        demand += _busiest_services(services)
    if jobs is not None and len(jobs):
        needs = jobs.cpu_m, jobs.memory_mib, jobs.gpu_m
        cores, memory_gib, gpus = _holding((cores, memory_gib, gpus), needs)
        if source.timeline:
            demand += _busiest_jobs(jobs)
    size = np.array([cores * CPU_M_PER_CORE, memory_gib * MIB_PER_GIB, gpus * GPU_M_PER_GPU])
    full = demand / np.maximum(size, 1)
    count = max(COUNT_MIN, int(np.ceil(full.max() / FLEET_FILL)))
    return Assumed(count=count, cores=cores, memory_gib=memory_gib, gpus=gpus)


def _holding(
    size: tuple[int, int, int], needs: tuple[AnyIntArray, AnyIntArray, AnyIntArray]
) -> tuple[int, int, int]:
    """Return the machine's cores, GiB and GPUs, grown to hold the largest request."""
    cores, memory_gib, gpus = size
    cpu_m, memory_mib, gpu_m = (int(column.max()) for column in needs)
    return (
        max(cores, -(-cpu_m // CPU_M_PER_CORE)),
        max(memory_gib, -(-memory_mib // MIB_PER_GIB)),
        max(gpus, GPUS if gpu_m else 0, -(-gpu_m // GPU_M_PER_GPU)),
    )


def _busiest_services(services: Services) -> FloatArray:
    """Return the CPU [millicores], memory [MiB] and GPUs [thousandths] of replicas 60 % full."""
    replicas = services.load_cpu_m / np.maximum(services.replica_cpu_m, 1)[:, None] / REPLICA_FILL
    sizes = services.replica_cpu_m, services.replica_memory_mib, services.replica_gpu_m
    return np.array([float((column @ replicas).max(initial=0.0)) for column in sizes])


def _busiest_jobs(jobs: Jobs) -> FloatArray:
    """Return the most CPU, memory and GPUs in use at once, as if jobs started on submission."""
    times_ms = np.concatenate([jobs.submit_ms, jobs.submit_ms + jobs.duration_ms])
    ends = np.repeat([1, 0], len(jobs))  # at one instant what ends goes first
    order = np.lexsort((ends == 1, times_ms))
    most = []
    for column in (jobs.cpu_m, jobs.memory_mib, jobs.gpu_m):
        total = column.astype(np.int64) * jobs.tasks
        change = np.concatenate([total, -total])[order]
        most.append(float(np.cumsum(change).max()))
    return np.array(most)
