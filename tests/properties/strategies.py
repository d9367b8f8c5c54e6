"""Hypothesis strategies: valid random snapshots, alone and as a run of wakes of one world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from greensched.engine.truth import Truth
from greensched.forecast import Calendar, fit
from greensched.model import (
    BOOTING,
    DRAINING,
    LEAVING,
    LENT,
    NONE,
    OFF,
    ON,
    OUT,
    OWN,
    ROLE_CODES,
    SLEEPING,
    WARM,
    MachineView,
    QueueView,
    ReplicaView,
    ServiceView,
    Snapshot,
)
from greensched.model.pools import with_sums
from greensched.units import MS_PER_DAY, MS_PER_MIN
from tests.properties.databases import make_databases
from tests.properties.waiting import make_waiting
from tests.snapshots import read_only

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greensched.forecast import Forecast

ONLINE, BATCH, ANY, DATABASE = (ROLE_CODES[r] for r in ("online", "batch", "any", "database"))
CPU_M, MEMORY_MIB = 64_000, 262_144
RUNS = (ON, DRAINING, LEAVING)  # states in which something may run on a machine


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What stays the same between the snapshots of one run."""

    role: NDArray[np.int64]
    machine_type: NDArray[np.int64]
    rack: NDArray[np.int64]
    surplus: NDArray[np.bool_]
    cpu_m: NDArray[np.int64]
    gpu_m: NDArray[np.int64]
    memory_mib: NDArray[np.int64]
    replica_cpu_m: NDArray[np.int64]
    replica_memory_mib: NDArray[np.int64]
    replica_gpu_m: NDArray[np.int64]
    replicas_min: NDArray[np.int64]
    replicas_max: NDArray[np.int64]
    startup_ms: NDArray[np.int64]


def make_world(
    rng: np.random.Generator, machines: int, services: int, databases: int = 0
) -> World:
    """Return a random world of so many machines and services, and machines for databases more.

    These are shown as surplus: they are nobody's who does not pack databases.
    """
    machines += databases
    types = rng.integers(0, 3, machines)
    least = rng.integers(0, 4, services)
    role = rng.choice([ONLINE, ONLINE, BATCH, ANY], machines)
    role[machines - databases :] = DATABASE
    return World(
        role=read_only(role, np.int64),
        machine_type=read_only(types, np.int64),
        rack=read_only(np.arange(machines) // int(rng.integers(1, 9)), np.int64),
        surplus=read_only((rng.random(machines) < 0.1) | (role == DATABASE), np.bool_),
        cpu_m=read_only(CPU_M // (1 + types), np.int64),
        gpu_m=read_only(np.where(types == 1, 4_000, 0), np.int64),
        memory_mib=read_only(MEMORY_MIB // (1 + types), np.int64),
        replica_cpu_m=read_only(rng.choice([500, 1_000, 4_000, 8_000], services), np.int64),
        replica_memory_mib=read_only(rng.choice([512, 4_096, 16_384], services), np.int64),
        replica_gpu_m=read_only(rng.choice([0, 0, 500, 2_000], services), np.int64),
        replicas_min=read_only(least, np.int64),
        replicas_max=read_only(least + rng.integers(0, 60, services), np.int64),
        startup_ms=read_only(rng.choice([0, 30_000, 120_000], services), np.int64),
    )


def tide_cpu_m(services: int) -> NDArray[np.int64]:
    """Return fifteen days of the load of so many services, a step each half an hour."""
    half_hours = np.arange(15 * 48)
    tide = 1.0 + 0.6 * np.sin(2 * np.pi * (half_hours / 48 + np.arange(services)[:, None] / 7))
    load: NDArray[np.int64] = (1_000 * tide + 150 * np.cos(half_hours * 1.7)).astype(np.int64)
    return load


def as_shown(policy: Any, snapshot: Snapshot) -> Snapshot:
    """Return what `policy` sees: an oracle has the truth where others have a forecast."""
    if snapshot.forecast is None or not getattr(policy, "oracle", False):
        return snapshot
    services = len(snapshot.services.online)
    load, half_hour_ms = tide_cpu_m(services), 30 * MS_PER_MIN
    both = with_sums(load, np.zeros(services, np.int64))
    sums = Truth(load_cpu_m=both, start_ms=0, step_ms=half_hour_ms)
    truth = Truth(load_cpu_m=load, start_ms=0, step_ms=half_hour_ms, with_sums=sums)
    return replace(snapshot, forecast=truth)


@cache
def known_forecast(services: int) -> Forecast:
    """Return the forecast of so many services after fifteen days of a tide, with their sums."""
    load = tide_cpu_m(services)

    def fitted(load_cpu_m: NDArray[np.int64]) -> Forecast:
        return fit(
            load_cpu_m,
            start_ms=-15 * MS_PER_DAY,
            step_ms=30 * MS_PER_MIN,
            calendar=Calendar(time_zone="UTC", zero_utc_ms=0),
            until_ms=11 * MS_PER_DAY,
        )

    sums = with_sums(load, np.zeros(services, np.int64))
    return replace(fitted(load), with_sums=fitted(sums))


def make_snapshot(
    rng: np.random.Generator,
    world: World,
    now_ms: int,
    period_ms: int,
    *,
    forecast: bool = False,
) -> Snapshot:
    """Return a random snapshot of `world`: any state, but its columns agree with each other."""
    count = len(world.role)
    state = rng.choice([OFF, BOOTING, ON, ON, ON, SLEEPING, DRAINING, LEAVING, OUT], count)
    own = world.role == DATABASE
    state = np.where(world.surplus & ~own, OFF, state)
    lends = (state == ON) & (world.role != BATCH) & ~own & (rng.random(count) < rng.random())
    lending = np.where(lends, rng.integers(OWN, WARM + 1, count), OWN)
    replicas, *room = _replicas(rng, world, state, lending)
    services = _services(rng, world, replicas, lending)
    machines = _machines(rng, world, now_ms, state, lending, replicas, *room)
    waiting, carbon = make_waiting(rng, now_ms)
    return Snapshot(
        now_ms=now_ms,
        period_ms=period_ms,
        time_of_day_ms=now_ms % MS_PER_DAY,
        steady_since_ms=now_ms,
        machines=machines,
        services=services,
        replicas=replicas,
        queue=_queue(rng, now_ms),
        forecast=known_forecast(len(world.startup_ms)) if forecast else None,
        databases=make_databases(rng, world.role, state),
        waiting=waiting,
        carbon=carbon,
    )


def _replicas(
    rng: np.random.Generator, world: World, state: Any, lending: Any
) -> tuple[ReplicaView, Any, Any]:
    """Place random replicas where they fit; lent machines hold standby ones only."""
    serves = (world.role != BATCH) & (world.role != DATABASE)
    hosts = np.flatnonzero(serves & np.isin(state, RUNS))
    room_cpu, room_memory = world.cpu_m.copy(), world.memory_mib.copy()
    rows: list[tuple[int, int, bool]] = []
    services = len(world.replica_cpu_m)
    wanted = int(rng.choice([0, 1, 3, 6])) * len(hosts) if services else 0
    for _ in range(wanted):
        s, m = int(rng.integers(services)), int(rng.choice(hosts))
        cpu, memory = world.replica_cpu_m[s], world.replica_memory_mib[s]
        if cpu <= room_cpu[m] and memory <= room_memory[m]:
            room_cpu[m] -= cpu
            room_memory[m] -= memory
            rows.append((s, m, bool(lending[m] == OWN and rng.random() < 0.9)))
    service, machine, online = zip(*rows, strict=True) if rows else ((), (), ())
    view = ReplicaView(
        service=read_only(service, np.int64),
        machine=read_only(machine, np.int64),
        online=read_only(online, np.bool_),
    )
    # What is lent is not reserved by the services that left it.
    room_cpu[lending == LENT] = world.cpu_m[lending == LENT]
    room_memory[lending == LENT] = world.memory_mib[lending == LENT]
    return view, room_cpu, room_memory


def _services(
    rng: np.random.Generator, world: World, replicas: ReplicaView, lending: Any
) -> ServiceView:
    """Count the replicas; those that do not serve are standby, on own machines any but online."""
    count = len(world.replica_cpu_m)
    own = lending[replicas.machine] == OWN
    online = np.bincount(replicas.service[replicas.online], minlength=count)
    idle = replicas.service[~replicas.online & own]
    starting, cutoff, kept = (np.bincount(idle[i::3], minlength=count) for i in range(3))
    standby = kept + np.bincount(replicas.service[~own], minlength=count)
    pending = np.where(rng.random(count) < 0.2, rng.integers(0, 5, count), 0)
    busy = rng.random(count) * rng.choice([0.3, 1.0, 2.0])
    return ServiceView(
        load_cpu_m=read_only(busy * (1 + online) * world.replica_cpu_m, np.float64),
        online=read_only(online, np.int64),
        starting=read_only(starting, np.int64),
        standby=read_only(standby, np.int64),
        cutoff=read_only(cutoff, np.int64),
        pending=read_only(pending, np.int64),
        replica_cpu_m=world.replica_cpu_m,
        replica_memory_mib=world.replica_memory_mib,
        replica_gpu_m=world.replica_gpu_m,
        replicas_min=world.replicas_min,
        replicas_max=world.replicas_max,
        startup_ms=world.startup_ms,
        service_time_ms=read_only(np.full(len(online), 50.0), np.float64),
    )


def _machines(
    rng: np.random.Generator,
    world: World,
    now_ms: int,
    state: Any,
    lending: Any,
    replicas: ReplicaView,
    room_cpu: Any,
    room_memory: Any,
) -> MachineView:
    count = len(world.role)
    held = np.bincount(replicas.machine, minlength=count)
    runs = np.isin(state, RUNS) & (world.role != DATABASE)
    jobs = np.where(runs & (rng.random(count) < 0.4), rng.integers(1, 9, count), 0)
    batch_cpu = np.where(jobs > 0, rng.integers(0, room_cpu + 1), 0)
    batch_memory = np.where(jobs > 0, rng.integers(0, room_memory + 1), 0)
    online_cpu = world.cpu_m - room_cpu
    empty = (held == 0) & (jobs == 0)
    gpu_free = rng.integers(0, world.gpu_m + 1)
    return MachineView(
        state=read_only(state, np.int64),
        role=world.role,
        lending=read_only(lending, np.int64),
        machine_type=world.machine_type,
        rack=world.rack,
        cpu_m=world.cpu_m,
        memory_mib=world.memory_mib,
        online_cpu_m=read_only(online_cpu, np.int64),
        online_memory_mib=read_only(world.memory_mib - room_memory, np.int64),
        online_use_cpu_m=read_only(online_cpu * rng.random(count), np.float64),
        batch_cpu_m=read_only(batch_cpu, np.int64),
        batch_memory_mib=read_only(batch_memory, np.int64),
        batch_use_cpu_m=read_only(batch_cpu * rng.random(count), np.float64),
        batch_limit_cpu_m=read_only(
            np.minimum(batch_cpu + rng.integers(0, 1_000, count), world.cpu_m), np.int64
        ),
        batch_limit_memory_mib=read_only(
            np.minimum(batch_memory + rng.integers(0, 999, count), world.memory_mib), np.int64
        ),
        replicas=read_only(held, np.int64),
        jobs=read_only(jobs, np.int64),
        gpu_m=world.gpu_m,
        gpu_free_m=read_only(np.where(empty, world.gpu_m, gpu_free), np.int64),
        empty_since_ms=read_only(
            np.where(empty, rng.integers(0, now_ms + 1, count), NONE), np.int64
        ),
        surplus=world.surplus,
    )


def _queue(rng: np.random.Generator, now_ms: int) -> QueueView:
    plain, gpus = (int(n) for n in rng.choice([0, 0, 1, 50, 5_000], 2))
    cpu_m, memory_mib = int(rng.integers(1, 8_000)), int(rng.integers(1, 8_192))
    return QueueView(
        jobs=plain + gpus,
        cpu_m=(plain + gpus) * cpu_m,
        memory_mib=(plain + gpus) * memory_mib,
        gpu_m=gpus * int(rng.choice([500, 4_000])),
        gpu_jobs=gpus,
        gpu_jobs_cpu_m=gpus * cpu_m,
        gpu_jobs_memory_mib=gpus * memory_mib,
        oldest_submit_ms=int(rng.integers(0, now_ms + 1)) if plain + gpus else NONE,
    )


SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def snapshots(draw: st.DrawFn, machines_max: int = 24, services_max: int = 6) -> Snapshot:
    """Draw one valid snapshot; its contents come from one drawn seed, so drawing is cheap."""
    rng = np.random.default_rng(draw(SEEDS))
    sizes = (st.integers(1, machines_max), st.integers(0, services_max), st.integers(0, 4))
    world = make_world(rng, *(draw(size) for size in sizes))
    period = draw(st.sampled_from([0, MS_PER_MIN, 15 * MS_PER_MIN]))
    now, forecast = draw(st.integers(0, 8 * MS_PER_DAY)), draw(st.booleans())
    return make_snapshot(rng, world, now, period, forecast=forecast)


@st.composite
def snapshot_runs(
    draw: st.DrawFn, machines_max: int = 16, services_max: int = 5, wakes_max: int = 8
) -> tuple[Snapshot, ...]:
    """Draw the snapshots of consecutive wakes of one world, in any state at each of them."""
    rng = np.random.default_rng(draw(SEEDS))
    sizes = (st.integers(1, machines_max), st.integers(0, services_max), st.integers(0, 4))
    world = make_world(rng, *(draw(size) for size in sizes))
    now = draw(st.integers(0, MS_PER_DAY))
    period = draw(st.sampled_from([MS_PER_MIN, 5 * MS_PER_MIN, 15 * MS_PER_MIN]))
    wakes, forecast = draw(st.integers(1, wakes_max)), draw(st.booleans())
    return tuple(
        make_snapshot(rng, world, now + k * period, period if k else 0, forecast=forecast)
        for k in range(wakes)
    )
