"""One re-run on a smaller fleet, stopped as soon as an objective is broken beyond repair."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.engine.simulate import Simulation
from greensched.experiment.lateness import late, late_needed, missed
from greensched.experiment.levels import (
    batch_level,
    responses_ms,
    service_level,
    service_parts,
    step_lengths_ms,
)
from greensched.experiment.partition import scales
from greensched.experiment.size_limits import (
    SERVICE_OBJECTIVES,
    Broken,
    Fullness,
    broken_at_end,
    late_job,
    worst,
)
from greensched.model import NONE, ROLE_CODES
from greensched.units import CPU_M_PER_CORE, MS_PER_H, MS_PER_S, S_PER_H

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greensched.engine.result import RunResult
    from greensched.experiment.lent import Lent
    from greensched.experiment.size_limits import Limits
    from greensched.experiment.world import Shared
    from greensched.model import FloatArray, Int8Array, IntArray, Jobs, Policy, Setting

ONLINE, BATCH = ROLE_CODES["online"], ROLE_CODES["batch"]
HOPELESS: Final = 8.0  # times the shortage that is allowed: a scout need not see more


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A fleet to try: which machines serve and which compute, under which switches.

    A scout looks at services alone, under the switches that scale them.
    """

    lent: Lent
    limits: Limits
    policies: tuple[Policy, ...]
    roles: Int8Array
    replicas: IntArray | None
    scout: bool = False

    @property
    def shared(self) -> Shared:
        """Return the world, without jobs for a scout."""
        world = self.lent.world
        if not self.scout:
            return world
        return replace(world, workload=replace(world.workload, jobs=None))

    def setting(self, shared: Shared) -> Setting:
        """Return the setting of the run.

        Nobody asks when energy was used: one interval for all spares thousands of cuts.
        """
        setting = shared.setting(
            "sizing",
            policies=tuple(p for p in self.policies if not self.scout or scales(p)),
            roles=self.roles,
            replicas=self.replicas,
        )
        whole = np.array([0, setting.window_ms, int(setting.edges_ms[-1])])
        return replace(setting, edges_ms=np.unique(whole))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a fleet keeps the limits, what broke if not, and what was measured if it ended.

    `jobs_kept`: to the end, whatever services lacked.
    """

    broken: Broken | None
    stopped_ms: int
    use_cpu_share: float | None = None  # of machines that were on, in core-hours
    shortage: float | None = None  # of services, over what is allowed
    jobs_kept: bool = False
    measured: Mapping[str, float | None] | None = None  # of each objective, if it ended

    @property
    def held(self) -> bool:
        """Say whether all limits were kept."""
        return self.broken is None


class _Stop(Exception):  # noqa: N818 not an error: a run that has told enough
    """Carries the verdict out of a simulation; SimPy makes it anew from its arguments."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict)
        self.verdict = verdict


def probe(task: Task, tell: Callable[[float], None] | None) -> Verdict:
    """Return whether the fleet of `task` keeps its limits; `tell` is told the share done."""
    shared = task.shared
    guard = _Guard(task, shared, tell)
    guard.simulation = simulation = Simulation(task.setting(shared), guard)
    try:
        simulation.finish()
    except _Stop as stop:
        return stop.verdict
    short = guard.shortage
    if not task.scout:
        return replace(judged(task, simulation, guard.fullness), shortage=short)
    if short is not None and short > 1.0:
        broken = worst(shared, simulation.world, guard.fullness)
        return Verdict(broken=broken, stopped_ms=simulation.end_ms, shortage=short)
    rest = replace(task, limits=replace(task.limits, shortage_share=None))
    return replace(judged(rest, simulation, guard.fullness), shortage=short)


def judged(task: Task, simulation: Simulation, fullness: Fullness) -> Verdict:
    """Return the verdict on a run that has ended."""
    run, shared = simulation.result(), task.shared
    names, measured, own_ms = _broken(task.limits, shared, run)
    broken = None
    if names:
        broken = broken_at_end(shared, task.limits, run, own_ms, names[0], fullness)
    return Verdict(
        broken=broken,
        stopped_ms=run.end_ms,
        use_cpu_share=_use_share(shared, run),
        jobs_kept=set(names) <= set(SERVICE_OBJECTIVES),
        measured=measured,
    )


def seen(task: Task, run: RunResult) -> Verdict | None:
    """Return the verdict on a run that was made for a table; None where it broke something.

    It may have gone on beyond its end, and have databases. Why it broke only a re-run tells.
    """
    names, measured, _ = _broken(task.limits, task.shared, run)
    if names:
        return None
    return Verdict(
        broken=None,
        stopped_ms=run.end_ms,
        use_cpu_share=_use_share(task.shared, run),
        jobs_kept=True,
        measured=measured,
    )


def _broken(
    limits: Limits, shared: Shared, run: RunResult
) -> tuple[list[str], dict[str, float | None], FloatArray]:
    """Return the limits that a run broke, in the order in which they are told.

    Also what it measured of each objective, in the units of a document, and its responses.
    """
    own_ms = responses_ms(shared, run)
    parts = service_parts(shared, run, own_ms, limits.reference_ms)
    service = service_level(shared, run, parts)
    batch = batch_level(shared, run)
    held = (
        ("shortage_share", service["shortage_share"], limits.shortage_share),
        ("latency_factor_p99", service["latency_factor_p99"], limits.latency_factor),
        ("deadline_miss", batch["deadline_miss_share"], limits.deadline_miss),
        ("batch_wait_p95", (batch["wait_p95_s"] or 0.0) * MS_PER_S, limits.wait_p95_ms),
        ("unfinished", batch["unfinished"], 0 if _drains(shared) else None),
        ("end", run.end_ms, limits.end_ms if _drains(shared) else None),
    )
    broken = [n for n, v, most in held if most is not None and v is not None and v > most]
    measured = {
        "latency_factor_p99": service["latency_factor_p99"],
        "shortage_share": service["shortage_share"] if shared.workload.services else None,
        "deadline_miss_share": batch["deadline_miss_share"],
        "wait_p95_s": batch["wait_p95_s"],
        "end_s": run.end_ms / MS_PER_S,
    }
    return broken, measured, own_ms


def _drains(shared: Shared) -> bool:
    """Say whether all admitted work has to be finished."""
    return shared.scenario.spec.end == "drain"


def _use_share(shared: Shared, run: RunResult) -> float | None:
    """Return the CPU used over that of the machines that were on; None where none was."""
    own = [k for k in shared.fleet if k.role != "database"]
    size = {k.name: (k.cpu_m - k.reserved_cpu_m) / CPU_M_PER_CORE for k in own}
    off = ("off", "sleeping", "surplus", "out")
    on_core_h = sum(
        int(column.sum()) / MS_PER_H * size[group.machine_type]
        for group, column in zip(run.usage.groups, run.usage.machine_ms.T, strict=True)
        if group.role not in off and group.machine_type in size
    )
    return work_core_h(shared, run) / on_core_h if on_core_h else None


def work_core_h(shared: Shared, run: RunResult) -> float:
    """Return the work that services and completed jobs got [core-h]."""
    services = (run.services.work_core_s.sum() - run.services.shortage_core_s.sum()) / S_PER_H
    return float(services) + float(batch_level(shared, run)["work_core_h"])


class _Guard:
    """Is called as a run goes on; stops it once a limit is out of reach."""

    def __init__(self, task: Task, shared: Shared, tell: Callable[[float], None] | None) -> None:
        """Work out once what each limit allows in all."""
        self.simulation: Simulation | None = None
        self.fullness = Fullness()
        self._task, self._shared, self._tell = task, shared, tell
        self._jobs: Jobs | None = shared.workload.jobs
        limits = task.limits
        self._allowed = self._shortage_allowed(limits.shortage_share)
        n = 0 if self._jobs is None else len(self._jobs)
        self._late = late_needed(n)
        due = 0 if self._jobs is None else int((self._jobs.deadline_ms != NONE).sum())
        self._missed = None if limits.deadline_miss is None else limits.deadline_miss * due

    def _shortage_allowed(self, share: float | None) -> float | None:
        """Return the shortage allowed by the latest end [millicore ms]."""
        services = self._shared.workload.services
        if share is None or services is None:
            return None
        return share * float(work_until(self._shared, self._task.limits.end_ms))

    def __call__(self, share: float) -> None:
        """Look at the run; raises `_Stop` where it has told enough."""
        if self._tell is not None:
            self._tell(share)
        assert self.simulation is not None
        world = self.simulation.world
        now_ms = int(world.w[0]["now_ms"])
        self.fullness.look(world)
        broken = self._beyond_repair(world, now_ms)
        if broken is not None:
            raise _Stop(Verdict(broken=broken, stopped_ms=now_ms, shortage=self.shortage))

    @property
    def shortage(self) -> float | None:
        """Return the shortage until now over what is allowed; None where it is not limited."""
        assert self.simulation is not None
        if not self._allowed:
            return None
        short = self.simulation.world.svc["shortage_integral"]
        return float(short.sum()) / self._allowed

    def _beyond_repair(self, world: Any, now_ms: int) -> Broken | None:
        """Return what can no longer be kept, whatever comes."""
        limits = self._task.limits
        if self._allowed is not None:
            short = float(world.svc["shortage_integral"].sum())
            if short > self._allowed * (HOPELESS if self._task.scout else 1.0):
                return worst(self._shared, world, self.fullness)
        if self._jobs is None:
            return None
        if limits.wait_p95_ms is not None:
            rows = late(self._jobs, world, now_ms, limits.wait_p95_ms)
            if len(rows) >= self._late:
                return late_job(self._shared, rows, "batch_wait_p95", self.fullness)
        if self._missed is not None:
            rows = missed(self._jobs, world, now_ms)
            if len(rows) > self._missed:
                return late_job(self._shared, rows, "deadline_miss", self.fullness)
        if now_ms > limits.end_ms and _drains(self._shared):
            open_jobs = np.flatnonzero(world.out["end_ms"] == NONE)
            return late_job(self._shared, open_jobs, "end", self.fullness)
        return None


def work_until(shared: Shared, end_ms: int) -> int:
    """Return the work that services want until `end_ms` [millicore ms]."""
    services = shared.workload.services
    if services is None or not len(services):
        return 0
    lengths = step_lengths_ms(services, end_ms).tolist()
    loads = services.load_cpu_m.sum(axis=0).tolist()
    return sum(a * b for a, b in zip((*loads, loads[-1]), lengths, strict=True))
