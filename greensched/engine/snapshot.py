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


@dataclass(slots=True)
class Meter:
    """Integrals of use and load at a policy's last wake."""

    at_ms: int
    use: FloatArray
    load: FloatArray


class Sight:
    """Makes snapshots of one world; constant columns are made once."""

    def __init__(self, setting: Setting, world: World) -> None:
        """Keep the columns that no action changes."""
        services = setting.services
        n = 0 if services is None else len(services)
        none = np.zeros(n, np.int64)
        none.flags.writeable = False
        most = none if services is None else services.replicas_max
        most = np.where(most == NONE, UNLIMITED, most)
        most.flags.writeable = False
        self._offset_ms = setting.start_offset_ms
        self._fixed = {
            "replica_cpu_m": none if services is None else _frozen(services.replica_cpu_m),
            "replica_memory_mib":
                none if services is None else _frozen(services.replica_memory_mib),
            "replicas_min": none if services is None else _frozen(services.replicas_min),
            "replicas_max": most,
            "startup_ms": none if services is None else _frozen(services.startup_ms),
        }

    def meter(self, world: World) -> Meter:
        """Return a meter that starts now."""
        return Meter(int(world.w[0]["now_ms"]), world.mach["use_integral"].copy(),
                     world.svc["load_integral"].copy())

    def look(self, world: World, meter: Meter) -> Snapshot:
        """Return the snapshot for now and set `meter` anew; integrals are up to date."""
        now = int(world.w[0]["now_ms"])
        period_ms = now - meter.at_ms
        use, load = world.mach["use_integral"].copy(), world.svc["load_integral"].copy()
        if period_ms > 0:
            mean_use, mean_load = (use - meter.use) / period_ms, (load - meter.load) / period_ms
        else:
            mean_use, mean_load = world.mach["online_use_m"].copy(), world.svc["load_m"].copy()
        meter.at_ms, meter.use, meter.load = now, use, load
        return Snapshot(
            now_ms=now,
            period_ms=period_ms,
            time_of_day_ms=(now + self._offset_ms) % MS_PER_DAY,
            machines=_machines(world.mach, mean_use),
            services=self._services(world.svc, mean_load),
            replicas=_replicas(world),
            queue=_queue(world),
        )

    def _services(self, svc: NDArray[Any], load: FloatArray) -> ServiceView:
        """Return the services' columns."""
        return ServiceView(
            load_cpu_m=_frozen(load),
            online=_frozen(svc["n_online"]),
            starting=_frozen(svc["n_starting"]),
            standby=_frozen(svc["n_standby"]),
            pending=_frozen(svc["n_pending"]),
            **self._fixed,
        )


def _machines(mach: NDArray[Any], use: FloatArray) -> MachineView:
    """Return the machines' columns."""
    return MachineView(
        state=mach["state"].astype(np.int8),
        role=mach["role"].astype(np.int8),
        lending=mach["lending"].astype(np.int8),
        machine_type=_frozen(mach["machine_type"]),
        cpu_m=_frozen(mach["cpu_m"]),
        memory_mib=_frozen(mach["memory_mib"]),
        online_cpu_m=_frozen(mach["online_cpu_m"]),
        online_memory_mib=_frozen(mach["online_memory_mib"]),
        online_use_cpu_m=_frozen(use),
        batch_cpu_m=_frozen(mach["batch_cpu_m"]),
        batch_memory_mib=_frozen(mach["batch_memory_mib"]),
        batch_use_cpu_m=_frozen(mach["batch_use_m"] * mach["rate_f"]),
        batch_limit_cpu_m=_frozen(mach["limit_cpu_m"]),
        batch_limit_memory_mib=_frozen(mach["limit_memory_mib"]),
        replicas=_frozen(mach["n_reps"]),
        jobs=_frozen(mach["n_jobs"]),
        empty_since_ms=_frozen(mach["empty_since_ms"]),
        surplus=mach["surplus"] != 0,
    )


def _replicas(world: World) -> ReplicaView:
    """Return the columns of the replicas that exist."""
    rep = world.rep[: int(world.w[0]["n_reps"])]
    rows = np.flatnonzero(rep["state"] != A_FREE)
    return ReplicaView(
        service=rep["service"][rows],
        machine=rep["machine"][rows],
        online=rep["state"][rows] == A_ONLINE,
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
