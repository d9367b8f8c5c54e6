"""The lower bound beside a size: what any fleet needs for this demand and these limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.bounds import Capacity, Demand, Fleet, fewest_machines, server_need
from greensched.experiment.levels import step_lengths_ms
from greensched.experiment.size_limits import BOUND, NO_FLEET, RESOURCES, Broken
from greensched.experiment.size_probe import work_until

if TYPE_CHECKING:
    from greensched.experiment.size_limits import Limits
    from greensched.experiment.world import Shared
    from greensched.model import FloatArray, Jobs


NOBODY: Final = {"service": None, "resource": None, "hour": None, "at_s": None}


def lower_bound(shared: Shared, limits: Limits) -> Fleet:
    """Return the fewest machines that could hold, under any policy (`greensched.bounds`)."""
    return fewest_machines(server_need(demand(shared, limits)), capacities(shared))


def serving_need(shared: Shared, limits: Limits) -> tuple[int, ...]:
    """Return the capacity of each resource that machines that serve need in all."""
    return server_need(demand(shared, limits)).online


def limited_by_bound(shared: Shared, limits: Limits, machines: int) -> dict[str, Any]:
    """Return what limits a size of so many machines that is its own bound, as plain values."""
    if machines <= 1:
        return {**NOBODY, "objective": BOUND, "text": NO_FLEET}
    return _too_few(shared, limits).document(shared)


def _too_few(shared: Shared, limits: Limits) -> Broken:
    """Return what services lack where fewer machines cannot serve them, whatever the policy.

    The resource of which they need most of what machines that serve have, the step in which all
    of them want most of it, and the service that then wants most.
    """
    services = shared.workload.services
    assert services is not None
    room = np.array([np.array(k.size) * k.count for k in capacities(shared) if k.serves])
    r = int(np.argmax(np.array(serving_need(shared, limits)) / np.maximum(1, room.sum(axis=0))))
    size = (services.replica_cpu_m, services.replica_memory_mib, services.replica_gpu_m)[r]
    wanted = services.load_cpu_m * (size / services.replica_cpu_m)[:, np.newaxis]
    step = int(np.argmax(wanted.sum(axis=0)))
    return Broken(
        objective=BOUND,
        service=services.names[int(np.argmax(wanted[:, step]))],
        resource=RESOURCES[r],
        at_ms=max(0, services.start_ms + step * services.step_ms),
    )


def capacities(shared: Shared) -> list[Capacity]:
    """Return the machine types as bounds take them."""
    return [
        Capacity(
            name=kind.name,
            count=0 if kind.role == "database" else kind.count,
            size=(
                kind.cpu_m - kind.reserved_cpu_m,
                kind.memory_mib - kind.reserved_memory_mib,
                1000 * kind.gpus,
            ),
            serves=kind.role != "batch",
        )
        for kind in shared.fleet
    ]


def demand(shared: Shared, limits: Limits) -> Demand:
    """Return the demand as bounds take it.

    Services count in the window only, and jobs where all of them have to be finished.
    """
    scenario, services, jobs = shared.scenario, shared.workload.services, shared.workload.jobs
    length_ms = np.array([scenario.window_ms], np.int64)
    load, size = np.zeros((0, 1), np.int64), np.zeros((3, 0), np.int64)
    if services is not None and len(services):
        length_ms = step_lengths_ms(services, scenario.window_ms)[:-1]
        load = services.load_cpu_m
        size = np.array(
            [services.replica_cpu_m, services.replica_memory_mib, services.replica_gpu_m]
        )
    share = 1.0 if limits.shortage_share is None else limits.shortage_share
    counted = jobs if jobs is not None and scenario.spec.end == "drain" else None
    return Demand(
        load_cpu_m=load,
        length_ms=length_ms,
        size=size,
        shortage_allowed=int(share * work_until(shared, limits.end_ms)),
        submit_ms=np.zeros(0, np.int64) if counted is None else np.asarray(counted.submit_ms),
        work=np.zeros((3, 0)) if counted is None else work_of(counted),
        end_ms=limits.end_ms,
    )


def work_of(jobs: Jobs) -> FloatArray:
    """Return what jobs take of each resource over their duration [3, jobs], times ms."""
    length: Any = jobs.duration_ms.astype(np.float64) * jobs.tasks
    cpu = length * jobs.cpu_m
    if len(jobs.use_offsets):
        cpu = _used(jobs)
    return np.array([cpu, length * jobs.memory_mib, length * jobs.gpu_m])


def _used(jobs: Jobs) -> FloatArray:
    """Return the CPU work of jobs whose use is a step function of progress [millicore ms]."""
    first, last = jobs.use_offsets[:-1], jobs.use_offsets[1:]
    until = np.asarray(jobs.use_until_ms, np.float64)
    before = np.append(0.0, until[:-1])
    stepped = last > first
    before[first[stepped]] = 0.0
    use = np.append(0.0, np.cumsum((until - before) * jobs.use_cpu_m))
    whole = jobs.duration_ms.astype(np.float64) * jobs.cpu_m
    per_task: FloatArray = np.where(stepped, use[last] - use[first], whole)
    return np.minimum(per_task, whole) * jobs.tasks
