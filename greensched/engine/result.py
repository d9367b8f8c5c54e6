"""What one run measured, copied out of the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.accounting.usage import ROLES, Group, Usage
from greensched.engine import paging
from greensched.engine.kernels.control import control
from greensched.engine.kernels.layout import C_SETTLE
from greensched.engine.shifting import chosen_waits_ms
from greensched.errors import InternalError
from greensched.model import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greensched.engine.kernels.layout import World
    from greensched.engine.preview import Preview
    from greensched.model import FloatArray, Int32Array, IntArray, Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOutcome:
    """Services, one row (or column) each; S services, T load steps and one row for the drain."""

    names: tuple[str, ...]
    online_ms: IntArray  # [T + 1, S] replica-milliseconds that served
    short_ms: IntArray  # [T + 1, S] time in which load was above capacity
    pressed_ms: FloatArray  # [T + 1, S] slow-down by batch's pressure x replica-milliseconds
    smt_ms: FloatArray  # [T + 1, S] the same by hyperthreads that share a core
    work_core_s: FloatArray  # wanted
    shortage_core_s: FloatArray  # wanted and not served
    energy_j: FloatArray
    cutoff_ms: IntArray  # replica-milliseconds cut off
    standby_ms: IntArray  # replica-milliseconds on standby


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOutcome:
    """Databases, one row each, of all their replicas together."""

    names: tuple[str, ...]
    work_core_s: FloatArray  # wanted
    shortage_core_s: FloatArray  # wanted and not had
    short_ms: IntArray  # replica-milliseconds short of CPU or I/O, or nowhere
    energy_j: FloatArray
    machine: IntArray  # of each replica at the end; NONE: nowhere


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """Jobs, one row each, in the order of the trace; NONE: not yet."""

    start_ms: IntArray  # of the first attempt
    end_ms: IntArray
    wasted_ms: IntArray  # task-milliseconds done and lost
    left_ms: IntArray  # task-milliseconds to do
    evictions: Int32Array
    held_ms: IntArray  # that a policy kept it from joining the queue
    pauses: Int32Array  # times that a policy took it off its machines
    machine: Int32Array  # of the task that ended last
    energy_j: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageOutcome:
    """What outages of machines, failed or under maintenance, did to a run."""

    outages: int  # of machines that take part in the run
    machines_peak: int  # out at once
    machines_peak_ms: int  # when that was so first
    replicas_lost: int  # of services
    jobs_lost: int  # times that a job was set back
    lost_core_s: float  # what they had done since their last checkpoint
    database_ms: int  # replica-milliseconds of databases that were out


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One run: usage for the account, outcomes for the service levels, and counts."""

    name: str
    end_ms: int
    usage: Usage
    services: ServiceOutcome
    jobs: JobOutcome
    databases: DatabaseOutcome
    outages: OutageOutcome
    machines_on_peak: int
    machines_on_peak_ms: int
    counts: dict[str, int]
    move_energy_j: float
    previews: tuple[Preview, ...] = ()  # of policies that only say what they would do


def _column(out: NDArray[Any], name: str) -> NDArray[Any]:
    """Return a read-only view of one column: a run that has a result goes no further."""
    view = out[name].view(np.ndarray)
    view.flags.writeable = False
    return view


COUNTS = (
    "n_completed",
    "n_waiting",
    "n_running",
    "n_evictions",
    "n_moves",
    "n_rejected",
    "n_power_cycles",
    "n_pending",
)


def _usage(setting: Setting, world: World, end_ms: int) -> Usage:
    """Return the usage until `end_ms`, groups that never held a machine left out."""
    k = int(np.searchsorted(world.edges, end_ms))
    edges = world.edges[: k + 1].copy()
    edges[-1] = end_ms
    joules = world.energy_mj[:k] / 1000.0
    joules[-1] += world.energy_mj[k:].sum(axis=0) / 1000.0  # of moves that ended at this instant
    used = np.flatnonzero(world.machine_ms[:k].any(axis=0) | joules.any(axis=0))
    groups = tuple(
        Group(site=kind.site, machine_type=kind.name, role=role)
        for kind in setting.fleet
        for role in ROLES
    )
    return Usage(
        edges_ms=edges,
        groups=tuple(groups[g] for g in used),
        energy_j=joules[:, used],
        machine_ms=world.machine_ms[:k, used].copy(),
    )


def _left_ms(
    setting: Setting, world: World, running_ms: NDArray[np.int64], running: NDArray[np.int64]
) -> IntArray:
    """Return what is left of each job [task-milliseconds].

    Given of each: how far its running tasks are, and how many these are.
    """
    if setting.jobs is None:
        return running_ms
    table = setting.jobs
    left = paging.zeros_like(world.out, np.int64)
    for rows in paging.chunks(len(left)):
        some = rows.start + np.flatnonzero(world.out["end_ms"][rows] == NONE)
        duration, tasks, now = table.duration_ms[some], table.tasks[some], running[some]
        ended = np.where(now > 0, tasks - now, 0)  # mates of running tasks
        left[some] = duration * (tasks - ended) - running_ms[some]
        paging.let_go([left, world.out, table.duration_ms, table.tasks])
    held = np.flatnonzero(world.held["kept_ms"] > 0)
    left[held] -= world.held["kept_ms"][held] * table.tasks[held]
    queue = waiting(world)
    left[queue["job"]] -= queue["done_ms"] * queue["tasks"]
    return left


def waiting(world: World) -> NDArray[Any]:
    """Return the records of jobs that wait."""
    rows: list[int] = []
    for heap, lane in zip(world.queue, world.lane, strict=True):
        rows += heap[: lane["heap_n"]].tolist()
        e = int(lane["head"])
        while e >= 0:
            rows.append(e)
            e = int(world.wait["next"][e])
    return world.wait[np.array(rows, np.int64)]


def _databases(setting: Setting, world: World) -> DatabaseOutcome:
    """Return what databases wanted, had and took."""
    dbs = world.dbs
    return DatabaseOutcome(
        names=() if setting.databases is None else setting.databases.names,
        work_core_s=dbs["load_integral"] / 1e6,
        shortage_core_s=dbs["shortage_integral"] / 1e6,
        short_ms=dbs["short_ms"].copy(),
        energy_j=dbs["energy"] / 1000.0,
        machine=world.copy["machine"].copy(),
    )


def _services(setting: Setting, world: World) -> ServiceOutcome:
    """Return what services got."""
    names = () if setting.services is None else setting.services.names
    return ServiceOutcome(
        names=names,
        online_ms=world.online_ms.copy(),
        short_ms=world.short_ms.copy(),
        pressed_ms=world.pressed_ms.copy(),
        smt_ms=world.smt_ms.copy(),
        work_core_s=world.svc["load_integral"] / 1e6,
        shortage_core_s=world.svc["shortage_integral"] / 1e6,
        energy_j=world.svc["energy"] / 1000.0,
        cutoff_ms=world.svc["cutoff_ms"].copy(),
        standby_ms=world.svc["standby_ms"].copy(),
    )


def _outages(world: World) -> OutageOutcome:
    """Return what outages did."""
    w: Any = world.w[0]
    return OutageOutcome(
        outages=int(w["n_outages"]),
        machines_peak=int(w["n_out_peak"]),
        machines_peak_ms=int(w["n_out_peak_ms"]),
        replicas_lost=int(w["n_replicas_lost"]),
        jobs_lost=int(w["n_jobs_lost"]),
        lost_core_s=int(w["lost_work"]) / 1e6,
        database_ms=int(world.dbs["out_ms"].sum()),
    )


def _jobs(setting: Setting, world: World, left_ms: IntArray, running_j: FloatArray) -> JobOutcome:
    """Return what jobs got; `running_j` is the energy of the tasks that run."""
    out, held = world.out, world.held
    submit_ms = left_ms[:0] if setting.jobs is None else setting.jobs.submit_ms
    never = np.broadcast_to(np.int32(0), len(out))
    energy_j = _column(out, "energy_j")
    if running_j.any():
        energy_j = paging.zeros_like(out, np.float64)
        for rows in paging.chunks(len(out)):
            energy_j[rows] = out["energy_j"][rows] + running_j[rows]
            paging.let_go([energy_j, out])
    return JobOutcome(
        start_ms=_column(out, "start_ms"),
        end_ms=_column(out, "end_ms"),
        wasted_ms=_column(out, "wasted_ms"),
        left_ms=left_ms,
        evictions=_column(out, "evictions"),
        held_ms=chosen_waits_ms(world, submit_ms, int(world.w["now_ms"][0])),
        pauses=_column(held, "pauses") if len(held) else never,
        machine=_column(out, "machine"),
        energy_j=energy_j,
    )


def _balance(world: World, usage: Usage, tasks: NDArray[np.int64]) -> None:
    """See that every machine is in one role, and every job that came in one place.

    `tasks` are those of each job that run. Raises InternalError where one is not.
    """
    w: Any = world.w[0]
    total_ms = len(world.mach) * int(w["now_ms"])
    if int(usage.machine_ms.sum()) != total_ms:
        message = f"machine time {usage.machine_ms.sum()} ms is not the fleet's {total_ms} ms"
        raise InternalError(message)
    places = {name: int(w[f"n_{name}"]) for name in ("completed", "waiting", "held")}
    places["running"] = int(np.count_nonzero(tasks))
    if sum(places.values()) != int(w["cursor"]):
        message = f"jobs {places} are not the {w['cursor']} that came"
        raise InternalError(message)


def collect(setting: Setting, world: World, pages: Any, jobs: Any, end_ms: int) -> RunResult:
    """Return the result of a run that stands at `end_ms`."""
    w: Any = world.w[0]
    if int(w["now_ms"]) != end_ms:
        message = f"the world stands at {w['now_ms']} ms, not at {end_ms} ms"
        raise InternalError(message)
    # of jobs that do not run nothing is written here, so these take no memory
    running = np.zeros(len(world.out))
    done_ms, tasks = np.zeros((2, len(world.out)), np.int64)
    none = np.empty(0, np.int64)
    control(
        *(pages, jobs, C_SETTLE, done_ms, tasks, none, 0, 0),
        share=1.0,
        flag=False,
        table=running,
    )
    usage = _usage(setting, world, end_ms)
    _balance(world, usage, tasks)
    return RunResult(
        name=setting.name,
        end_ms=end_ms,
        usage=usage,
        services=_services(setting, world),
        jobs=_jobs(setting, world, _left_ms(setting, world, done_ms, tasks), running),
        databases=_databases(setting, world),
        outages=_outages(world),
        machines_on_peak=int(w["n_on_peak"]),
        machines_on_peak_ms=int(w["n_on_peak_ms"]),
        counts={name.removeprefix("n_"): int(w[name]) for name in COUNTS},
        move_energy_j=float(w["move_energy_j"]),
    )
