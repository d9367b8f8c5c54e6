"""Builders of small settings by hand, and a policy that does what a script says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from greensched.model import (
    NONE,
    Action,
    JobClass,
    Jobs,
    MachineType,
    Services,
    Setting,
    Site,
    Snapshot,
)
from greensched.power import Linear

STEP_MS = 300_000
JOB = {
    "submit_ms": 0,
    "duration_ms": 1_000,
    "cpu_m": 1_000,
    "memory_mib": 0,
    "gpu_m": 0,
    "tasks": 1,
    "deadline_ms": NONE,
    "job_class": 0,
}
JOB_TYPES = {name: np.int64 if name.endswith("_ms") else np.int32 for name in JOB}
MACHINE: dict[str, Any] = {
    "name": "m",
    "site": "here",
    "count": 1,
    "cpu_m": 4_000,
    "memory_mib": 1_000,
    "power": Linear(idle_w=100.0, peak_w=200.0),
}
SERVICE = {
    "replica_cpu_m": 1_000,
    "replica_memory_mib": 0,
    "replica_gpu_m": 0,
    "replicas": 1,
    "replicas_min": 1,
    "replicas_max": NONE,
    "startup_ms": 0,
}


def jobs(
    *rows: dict[str, Any],
    classes: tuple[JobClass, ...] = (JobClass(),),
    uses: list[list[tuple[int, int]]] | None = None,
    estimated: bool = True,
) -> Jobs:
    """Return jobs of one core and one second, but for what a row says; exact estimates.

    `uses`: for each job the steps (until [ms of progress], use [millicores]).
    """
    columns: dict[str, Any] = {
        name: np.array([row.get(name, first) for row in rows], JOB_TYPES[name])
        for name, first in JOB.items()
    }
    estimate = [
        row.get("estimate_ms", row.get("duration_ms", 1_000) if estimated else NONE)
        for row in rows
    ]
    if uses is not None:
        steps = [step for own in uses for step in own]
        columns["use_offsets"] = np.cumsum([0, *(len(own) for own in uses)])
        columns["use_until_ms"] = np.array([until for until, _ in steps], np.int64)
        columns["use_cpu_m"] = np.array([use for _, use in steps], np.int32)
    return Jobs(estimate_ms=np.array(estimate, np.int64), classes=classes, **columns)


def machines(**having: Any) -> MachineType:
    """Return one machine of four cores, 100 W idle and 200 W at full load, but for this."""
    return MachineType(**(MACHINE | having))


def services(*rows: dict[str, Any], step_ms: int = 60_000) -> Services:
    """Return services; each row has its `load_cpu_m` by step."""
    columns: dict[str, Any] = {
        name: np.array([row.get(name, first) for row in rows], np.int64)
        for name, first in SERVICE.items()
    }
    return Services(
        names=tuple(row.get("name", f"s{i}") for i, row in enumerate(rows)),
        service_time_ms=np.full(len(rows), 50.0),
        service_time_assumed=np.ones(len(rows), np.bool_),
        start_ms=0,
        step_ms=step_ms,
        load_cpu_m=np.array([row["load_cpu_m"] for row in rows], np.int64),
        **columns,
    )


def setting(*fleet: MachineType, window_ms: int = 60_000, **having: Any) -> Setting:
    """Return a run of these machines, at one site, in intervals of at most five minutes."""
    values: dict[str, Any] = {
        "name": "test",
        "sites": (Site(name="here", zone="zone"),),
        "fleet": fleet,
        "services": None,
        "jobs": None,
        "window_ms": window_ms,
        "edges_ms": np.append(np.arange(0, window_ms, STEP_MS), window_ms),
    }
    return Setting(**(values | having))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """A policy that does at given times what it was told; the times are wakes of its period."""

    script: tuple[tuple[int, tuple[Action, ...]], ...]
    period_ms: int = 1_000
    kind: str = "scripted"

    def first_memory(self) -> None:
        """Return the memory before the first wake: none."""

    def decide(self, snapshot: Snapshot, memory: None) -> tuple[tuple[Action, ...], None]:
        """Return what the script says for now."""
        actions = [a for at_ms, told in self.script if at_ms == snapshot.now_ms for a in told]
        return tuple(actions), memory


def numbers(*values: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the values as an action carries them."""
    return np.array(values, np.int64)
