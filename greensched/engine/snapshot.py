"""What a policy sees: read-only columns over the world, with use measured since its last wake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.engine.kernels.layout import A_FREE, A_ONLINE, World
from greensched.model import (
    NONE,
    MachineView,
    QueueView,
    ReplicaView,
    ServiceView,
    Setting,
    Snapshot,
)
from greensched.units import MS_PER_DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greensched.model import FloatArray, IntArray

UNLIMITED = np.int64(1) << np.int64(40)


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view


def _copy(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only copy without gaps, which policies read several times as fast."""
    copy = array.copy()
    copy.flags.writeable = False
    return copy


@dataclass(slots=True)
class Meter:
    """Integrals of use and load at a policy's last wake."""

    at_ms: int
    use: FloatArray
    load: FloatArray


class Sight:
    """Makes snapshots of one world.

    Columns are read-only; those that no action changes, and the replicas while none comes or
    goes, are made once.
    """

    def __init__(self, setting: Setting, world: World) -> None:
        """Make the views."""
        services = setting.services
        none = np.zeros(0, np.int64)
        most = none if services is None else services.replicas_max
        most = np.where(most == NONE, UNLIMITED, most)
        self._offset_ms = setting.start_offset_ms
        mach, svc = world.mach, world.svc
        self._steady = {
            view: _frozen(mach[column].copy()) for view, column in STEADY_VIEWS.items()
        }
        self._service_views = {
            "online": _frozen(svc["n_online"]),
            "starting": _frozen(svc["n_starting"]),
            "standby": _frozen(svc["n_standby"]),
            "pending": _frozen(svc["n_pending"]),
            "replica_cpu_m": _frozen(svc["cpu_m"]),
            "replica_memory_mib": _frozen(svc["memory_mib"]),
            "startup_ms": _frozen(svc["startup_ms"]),
            "replicas_min": _frozen(none if services is None else services.replicas_min),
            "replicas_max": _frozen(most),
        }
        self._surplus = _frozen(mach["surplus"] != 0)
        self._replicas = _replicas(world)
        self._replicas_seen = -1

    def meter(self, world: World) -> Meter:
        """Return a meter that starts now."""
        return Meter(
            int(world.w["now_ms"][0]),
            world.mach["use_integral"].copy(),
            world.svc["load_integral"].copy(),
        )

    def look(self, world: World, meter: Meter) -> Snapshot:
        """Return the snapshot for now and set `meter` anew; integrals are up to date."""
        mach, svc = world.mach, world.svc
        now = int(world.w["now_ms"][0])
        period_ms = now - meter.at_ms
        use, load = mach["use_integral"].copy(), svc["load_integral"].copy()
        if period_ms > 0:
            mean_use, mean_load = (use - meter.use) / period_ms, (load - meter.load) / period_ms
        else:
            mean_use, mean_load = mach["online_use_m"].copy(), svc["load_m"].copy()
        meter.at_ms, meter.use, meter.load = now, use, load
        changes = int(world.w["n_replica_changes"][0])
        if changes != self._replicas_seen:
            self._replicas, self._replicas_seen = _replicas(world), changes
        return Snapshot(
            now_ms=now,
            period_ms=period_ms,
            time_of_day_ms=(now + self._offset_ms) % MS_PER_DAY,
            machines=MachineView(
                online_use_cpu_m=_frozen(mean_use),
                batch_use_cpu_m=_frozen(mach["batch_use_m"] * mach["rate_f"]),
                surplus=self._surplus,
                **self._steady,
                **{name: _copy(mach[column]) for name, column in MACHINE_VIEWS.items()},
            ),
            services=ServiceView(load_cpu_m=_frozen(mean_load), **self._service_views),
            replicas=self._replicas,
            queue=_queue(world),
        )


STEADY_VIEWS = {
    "role": "role",
    "machine_type": "machine_type",
    "cpu_m": "cpu_m",
    "memory_mib": "memory_mib",
}
MACHINE_VIEWS = {
    "state": "state",
    "lending": "lending",
    "online_cpu_m": "online_cpu_m",
    "online_memory_mib": "online_memory_mib",
    "batch_cpu_m": "batch_cpu_m",
    "batch_memory_mib": "batch_memory_mib",
    "batch_limit_cpu_m": "limit_cpu_m",
    "batch_limit_memory_mib": "limit_memory_mib",
    "replicas": "n_reps",
    "jobs": "n_jobs",
    "empty_since_ms": "empty_since_ms",
}


def _replicas(world: World) -> ReplicaView:
    """Return the columns of the replicas that exist."""
    rep = world.rep[: int(world.w["n_reps"][0])]
    state = rep["state"]
    rows = np.flatnonzero(state != A_FREE)
    return ReplicaView(
        service=_frozen(rep["service"][rows]),
        machine=_frozen(rep["machine"][rows]),
        online=_frozen(state[rows] == A_ONLINE),
    )


def _queue(world: World) -> QueueView:
    """Return the waiting jobs in sum."""
    lane, submit_ms = world.lane, world.wait["submit_ms"]
    oldest = [int(submit_ms[h]) for h in lane["head"] if h >= 0]  # lists are in this order
    for heap, n in zip(world.queue, lane["heap_n"], strict=True):
        oldest += [int(submit_ms[heap[:n]].min())] if n else []
    return QueueView(
        jobs=int(lane["n"].sum()),
        cpu_m=int(lane["cpu_m"].sum()),
        memory_mib=int(lane["memory_mib"].sum()),
        gpu_m=int(lane["gpu_m"].sum()),
        oldest_submit_ms=min(oldest, default=NONE),
    )


def indices(array: NDArray[Any]) -> IntArray:
    """Return a policy's array as the kernels take it."""
    return np.ascontiguousarray(array, np.int64)
