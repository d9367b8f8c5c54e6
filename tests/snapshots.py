"""Builders of small snapshots by hand: machines and services as rows, the sums worked out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from greensched.model import (
    NONE,
    ON,
    OWN,
    ROLE_CODES,
    MachineView,
    QueueView,
    ReplicaView,
    ServiceView,
    Snapshot,
)
from greensched.units import MS_PER_DAY, MS_PER_MIN

MACHINE = {
    "state": ON,
    "role": "online",
    "lending": OWN,
    "machine_type": 0,
    "rack": 0,
    "cpu_m": 10_000,
    "memory_mib": 10_000,
    "online_use_cpu_m": 0.0,
    "batch_cpu_m": 0,
    "batch_memory_mib": 0,
    "batch_use_cpu_m": 0.0,
    "batch_limit_cpu_m": 0,
    "batch_limit_memory_mib": 0,
    "jobs": 0,
    "gpu_m": 0,
    "gpu_free_m": 0,
    "empty_since_ms": NONE,
    "surplus": False,
}
SERVICE = {
    "load_cpu_m": 0.0,
    "pending": 0,
    "replica_cpu_m": 1_000,
    "replica_memory_mib": 1_000,
    "replica_gpu_m": 0,
    "replicas_min": 1,
    "replicas_max": 100,
    "startup_ms": 0,
    "service_time_ms": 50.0,
}
EMPTY_QUEUE = QueueView(
    jobs=0,
    cpu_m=0,
    memory_mib=0,
    gpu_m=0,
    gpu_jobs=0,
    gpu_jobs_cpu_m=0,
    gpu_jobs_memory_mib=0,
    oldest_submit_ms=NONE,
)


def read_only(array: Any, dtype: Any) -> Any:
    """Return a read-only copy of `array` as `dtype`; loops are compiled for columns like that."""
    copy = np.array(array, dtype=dtype)
    copy.flags.writeable = False
    return copy


def machine(**having: Any) -> dict[str, Any]:
    """Return a machine of ten cores and 10,000 MiB that is on, online and empty, but for this."""
    return MACHINE | having


def service(**having: Any) -> dict[str, Any]:
    """Return a service of one-core replicas of 1,000 MiB without load, but for this."""
    return SERVICE | having


def waiting(cpu_m: int, *, jobs: int = 1, since_ms: int = 0, gpu_m: int = 0) -> QueueView:
    """Return a queue of so many millicores; all of its jobs want GPUs, or none does."""
    return replace(
        EMPTY_QUEUE,
        jobs=jobs,
        cpu_m=cpu_m,
        gpu_m=gpu_m,
        gpu_jobs=jobs if gpu_m else 0,
        gpu_jobs_cpu_m=cpu_m if gpu_m else 0,
        oldest_submit_ms=since_ms,
    )


def snapshot(
    machines: list[dict[str, Any]],
    services: list[dict[str, Any]] | None = None,
    replicas: list[tuple[int, int, str]] | None = None,
    *,
    now_ms: int = 0,
    period_ms: int = MS_PER_MIN,
    queue: QueueView = EMPTY_QUEUE,
) -> Snapshot:
    """Return a snapshot; `replicas` are (service, machine, online|starting|cutoff|standby).

    The time of day is that of `now_ms`: the scenario starts at midnight.
    """
    services, replicas = services or [], replicas or []
    count: dict[str, Any] = {
        state: read_only(
            np.bincount([s for s, _, is_ in replicas if is_ == state], minlength=len(services)),
            np.int64,
        )
        for state in ("online", "starting", "standby", "cutoff")
    }
    return Snapshot(
        now_ms=now_ms,
        period_ms=period_ms,
        time_of_day_ms=now_ms % MS_PER_DAY,
        steady_since_ms=now_ms,
        machines=_machines(machines, services, replicas),
        services=ServiceView(
            **count,
            **{k: _column([row[k] for row in services], k) for k in SERVICE},
        ),
        replicas=ReplicaView(
            service=read_only([s for s, _, _ in replicas], np.int64),
            machine=read_only([m for _, m, _ in replicas], np.int64),
            online=read_only([is_ == "online" for _, _, is_ in replicas], np.bool_),
        ),
        queue=queue,
    )


def with_machines(seen: Snapshot, **columns: Any) -> Snapshot:
    """Return the snapshot with other columns of machines."""
    machines = seen.machines
    new = {k: read_only(v, getattr(machines, k).dtype) for k, v in columns.items()}
    return replace(seen, machines=replace(machines, **new))


def _machines(
    machines: list[dict[str, Any]],
    services: list[dict[str, Any]],
    replicas: list[tuple[int, int, str]],
) -> MachineView:
    held = np.zeros((3, len(machines)), np.int64)
    for s, m, _ in replicas:
        held[:, m] += (1, services[s]["replica_cpu_m"], services[s]["replica_memory_mib"])
    columns = {k: _column([row[k] for row in machines], k) for k in MACHINE}
    held_columns = ("replicas", "online_cpu_m", "online_memory_mib")
    sums = {k: read_only(row, np.int64) for k, row in zip(held_columns, held, strict=True)}
    return MachineView(**sums, **columns)


def _column(values: list[Any], name: str) -> Any:
    if name == "role":
        return read_only([ROLE_CODES[value] for value in values], np.int64)
    small = {"state": np.int64, "lending": np.int64, "machine_type": np.int64, "surplus": np.bool_}
    use = (
        np.float64
        if name.endswith("use_cpu_m") or name in {"load_cpu_m", "service_time_ms"}
        else np.int64
    )
    return read_only(values, small.get(name, use))
