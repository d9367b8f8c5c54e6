"""What limits a fleet: which service or job, which resource, at which hour."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.experiment.levels import queue_waits_ms
from greensched.model import NONE, ROLE_CODES
from greensched.units import MS_PER_H, MS_PER_S

if TYPE_CHECKING:
    from greensched.engine.result import RunResult
    from greensched.experiment.world import Shared
    from greensched.model import FloatArray, IntArray

RESOURCES: Final = ("cpu", "memory", "gpu")
SERVICE_OBJECTIVES: Final = ("shortage_share", "latency_factor_p99")
_BATCH = ROLE_CODES["batch"]
_WORDS: Final = {
    "shortage_share": "finds no CPU",
    "latency_factor_p99": "answers too slowly",
    "deadline_miss": "jobs miss their deadlines",
    "batch_wait_p95": "jobs wait too long",
    "unfinished": "jobs are not finished",
    "end": "jobs end too late",
}
BOUND: Final = "lower_bound"
TOO_FEW: Final = "the services' load exceeds all that serve, whatever the policy"
NO_FLEET: Final = "no machine is left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a re-run has to keep: the scenario's `slo`, what is assumed, and the latest end.

    `reference_ms` are the baseline's responses on the whole fleet [steps + 1, services].
    """

    latency_factor: float | None
    shortage_share: float | None
    deadline_miss: float | None
    wait_p95_ms: int | None
    end_ms: int
    reference_ms: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A limit that a fleet breaks, and where it is worst; `at_ms` from the window's start.

    `resource`: what was reserved most; None where nothing was.
    """

    objective: str
    service: str | None
    resource: str | None
    at_ms: int

    @property
    def is_service(self) -> bool:
        """Say whether it is the services that lack machines."""
        return self.objective in SERVICE_OBJECTIVES

    def document(self, shared: Shared) -> dict[str, Any]:
        """Return it as plain values, the hour in the scenario's own time."""
        start = shared.scenario.spec.window.start
        hour_ms = self.at_ms // MS_PER_H * MS_PER_H
        hour = (start + timedelta(milliseconds=hour_ms)).isoformat()
        who = f"service {self.service} " if self.service else ""
        what = f"{who}{_WORDS.get(self.objective)}, worst in the hour from {hour}; "
        what += (
            f"{self.resource} is what is reserved most"
            if self.resource
            else "nothing is reserved there"
        )
        if self.objective == BOUND:
            what = f"{TOO_FEW}, most in the hour from {hour} and of {who.strip()}; "
            what += f"{self.resource} is what it lacks"
        return {
            "objective": self.objective,
            "service": self.service,
            "resource": self.resource,
            "hour": hour,
            "at_s": self.at_ms / MS_PER_S,
            "text": what,
        }


@dataclass(slots=True)
class Fullness:
    """How full the two kinds of machines have been at most, by resource (reserved shares)."""

    serving: FloatArray = field(default_factory=lambda: np.zeros(3))
    computing: FloatArray = field(default_factory=lambda: np.zeros(3))

    def look(self, world: Any) -> None:
        """Take the present shares into account."""
        mach = world.mach
        own = mach["surplus"] == 0
        batch = own & (mach["role"] == _BATCH)
        self.serving = np.maximum(self.serving, _shares(mach[own & ~batch], "online"))
        # without machines of its own, batch is limited by the room beside services
        part = batch if batch.any() else own
        self.computing = np.maximum(self.computing, _shares(mach[part], "batch"))

    def fullest(self, *, serving: bool) -> str | None:
        """Return the resource that was fullest; None where nothing was reserved."""
        shares = self.serving if serving else self.computing
        return RESOURCES[int(np.argmax(shares))] if shares.any() else None


def _shares(mach: Any, kind: str) -> FloatArray:
    """Return the reserved share of each resource of some machines."""
    gpus = int(mach["n_gpus"].sum()) * 1000
    return np.array(
        [
            mach[f"{kind}_cpu_m"].sum() / max(1, int(mach["cpu_m"].sum())),
            mach[f"{kind}_memory_mib"].sum() / max(1, int(mach["memory_mib"].sum())),
            (gpus - mach["gpu_free_m"].sum()) / gpus if gpus else 0.0,
        ]
    )


def worst(shared: Shared, world: Any, fullness: Fullness) -> Broken:
    """Return the service with most shortage and the step in which it lacked most."""
    row = int(np.argmax(world.svc["shortage_integral"]))
    lacked = _lacked(shared, world.short_ms, world.online_ms)
    return _of_service(shared, row, lacked, "shortage_share", fullness)


def _lacked(shared: Shared, short_ms: Any, online_ms: Any) -> FloatArray:
    """Return about how much work found no CPU, by step and service [millicore ms]."""
    services = shared.workload.services
    assert services is not None
    load = np.vstack([services.load_cpu_m.T, services.load_cpu_m[:, -1]])
    served = online_ms * services.replica_cpu_m / services.step_ms
    lacked: FloatArray = np.where(short_ms > 0, np.maximum(load - served, 1.0) * short_ms, 0.0)
    return lacked


def _of_service(
    shared: Shared, row: int, weight: Any, objective: str, fullness: Fullness
) -> Broken:
    """Return a broken objective of one service; `weight` [steps + 1, services] says when."""
    services = shared.workload.services
    assert services is not None
    step = int(np.argmax(weight[:, row]))
    return Broken(
        objective=objective,
        service=services.names[row],
        resource=fullness.fullest(serving=True),
        at_ms=max(0, services.start_ms + step * services.step_ms),
    )


def late_job(shared: Shared, rows: IntArray, objective: str, fullness: Fullness) -> Broken:
    """Return a broken objective of batch: the hour in which most of the jobs were submitted."""
    jobs = shared.workload.jobs
    assert jobs is not None
    hour = 0
    if len(rows):
        hour = int(np.bincount(np.maximum(jobs.submit_ms[rows], 0) // MS_PER_H).argmax())
    return Broken(
        objective=objective,
        service=None,
        resource=fullness.fullest(serving=False),
        at_ms=hour * MS_PER_H,
    )


def broken_at_end(
    shared: Shared,
    limits: Limits,
    run: RunResult,
    own_ms: FloatArray,
    objective: str,
    fullness: Fullness,
) -> Broken:
    """Return what a run broke that went to its end."""
    if objective == "shortage_share":
        row = int(np.argmax(run.services.shortage_core_s))
        lacked = _lacked(shared, run.services.short_ms, run.services.online_ms)
        return _of_service(shared, row, lacked, objective, fullness)
    if objective == "latency_factor_p99":
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = own_ms / limits.reference_ms
        factor = np.where(np.isfinite(factor), factor, 0.0)
        row = int(np.argmax(factor.max(axis=0)))
        return _of_service(shared, row, factor, objective, fullness)
    jobs, out = shared.workload.jobs, run.jobs
    assert jobs is not None
    ended = np.where(out.end_ms == NONE, run.end_ms, out.end_ms)
    if objective == "batch_wait_p95":
        rows = np.flatnonzero(queue_waits_ms(run, jobs) > (limits.wait_p95_ms or 0))
    elif objective == "deadline_miss":
        rows = np.flatnonzero((jobs.deadline_ms != NONE) & (ended > jobs.deadline_ms))
    else:
        rows = np.flatnonzero(ended >= ended.max(initial=0))
    return late_job(shared, rows, objective, fullness)
