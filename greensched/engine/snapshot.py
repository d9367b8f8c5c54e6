"""What a policy sees: read-only columns over the world, with use measured since its last wake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.engine.kernels import layout, sight
from greensched.model import (
    NONE,
    MachineView,
    QueueView,
    ReplicaView,
    ServiceView,
    Setting,
    Snapshot,
)
from greensched.units import GPU_M_PER_GPU, MS_PER_DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greensched.engine.kernels.layout import World
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
            "gpu_m": _frozen(mach["n_gpus"] * GPU_M_PER_GPU),
            "surplus": _frozen(mach["surplus"] != 0),
            **{view: _copy(mach[column]) for view, column in STEADY_MACHINE.items()},
        }
        self._steady_services = {
            "replicas_min": _frozen(none if services is None else services.replicas_min),
            "replicas_max": _frozen(most),
            **{view: _copy(svc[column]) for view, column in STEADY_SERVICE.items()},
        }
        self._replicas: ReplicaView | None = None
        self._replicas_seen = -1

    def meter(self, world: World) -> Meter:
        """Return a meter that starts now."""
        return Meter(
            int(world.w["now_ms"][0]),
            world.mach["use_integral"].copy(),
            world.svc["load_integral"].copy(),
        )

    def look(self, world: World, pages: Any, meter: Meter) -> Snapshot:
        """Return the snapshot for now and set `meter` anew; integrals are up to date."""
        m, s = len(world.mach), len(world.svc)
        whole = np.empty(layout.MACHINE_COLUMNS * m + layout.SERVICE_COLUMNS * s, np.int64)
        real = np.empty(layout.MACHINE_REALS * m + layout.SERVICE_REALS * s)
        sight.columns(pages, whole, real)
        whole.flags.writeable = real.flags.writeable = False
        w: Any = world.w[0]
        now = int(w["now_ms"])
        period_ms = now - meter.at_ms
        use, load = real[:m], real[layout.MACHINE_REALS * m :][:s]
        if period_ms > 0:
            mean_use, mean_load = (use - meter.use) / period_ms, (load - meter.load) / period_ms
            mean_use.flags.writeable = mean_load.flags.writeable = False
        else:
            mean_use, mean_load = real[m : 2 * m], real[layout.MACHINE_REALS * m + s :]
        meter.at_ms, meter.use, meter.load = now, use, load
        return Snapshot(
            now_ms=now,
            period_ms=period_ms,
            time_of_day_ms=(now + self._offset_ms) % MS_PER_DAY,
            machines=MachineView(
                online_use_cpu_m=mean_use,
                batch_use_cpu_m=real[2 * m : 3 * m],
                **dict(zip(MACHINE_VIEWS, _rows(whole, layout.MACHINE_COLUMNS, m), strict=True)),
                **self._steady,
            ),
            services=ServiceView(
                load_cpu_m=mean_load,
                steady_since_ms=int(w["steady_since_ms"]),
                **dict(
                    zip(
                        SERVICE_VIEWS,
                        _rows(whole[layout.MACHINE_COLUMNS * m :], layout.SERVICE_COLUMNS, s),
                        strict=True,
                    )
                ),
                **self._steady_services,
            ),
            replicas=self._replicas_of(world, pages),
            queue=_queue(world),
        )

    def _replicas_of(self, world: World, pages: Any) -> ReplicaView:
        """Return the replicas that exist; the same view while none comes, goes or moves."""
        w: Any = world.w[0]
        if self._replicas is None or int(w["n_replica_changes"]) != self._replicas_seen:
            self._replicas_seen = int(w["n_replica_changes"])
            service, machine, online = np.empty((3, int(w["n_alive"])), np.int64)
            sight.replicas(pages, service, machine, online)
            self._replicas = ReplicaView(
                service=_frozen(service), machine=_frozen(machine), online=_frozen(online == 1)
            )
        return self._replicas


STEADY_MACHINE = {
    "role": "role",
    "machine_type": "machine_type",
    "cpu_m": "cpu_m",
    "memory_mib": "memory_mib",
}
STEADY_SERVICE = {
    "replica_cpu_m": "cpu_m",
    "replica_memory_mib": "memory_mib",
    "replica_gpu_m": "gpu_m",
    "startup_ms": "startup_ms",
}
# In the order in which the kernel writes them.
MACHINE_VIEWS = (
    "state",
    "lending",
    "online_cpu_m",
    "online_memory_mib",
    "batch_cpu_m",
    "batch_memory_mib",
    "batch_limit_cpu_m",
    "batch_limit_memory_mib",
    "gpu_free_m",
    "replicas",
    "jobs",
    "empty_since_ms",
)
SERVICE_VIEWS = ("online", "starting", "standby", "pending")


def _rows(array: NDArray[Any], count: int, length: int) -> list[NDArray[Any]]:
    """Return the first `count` pieces of `length` elements."""
    return [array[i * length : (i + 1) * length] for i in range(count)]


def _queue(world: World) -> QueueView:
    """Return the waiting jobs in sum, and those among them that want GPUs."""
    lane: Any = world.lane
    if not world.w["n_waiting"][0]:
        return NOBODY_WAITS
    submit_ms = world.wait["submit_ms"]
    oldest = [int(submit_ms[h]) for h in lane["head"] if h >= 0]  # lists are in this order
    for heap, n in zip(world.queue, lane["heap_n"], strict=True):
        oldest += [int(submit_ms[heap[:n]].min())] if n else []
    jobs, gpu_jobs = lane["n"].tolist()
    cpu_m, gpu_jobs_cpu_m = lane["cpu_m"].tolist()
    memory_mib, gpu_jobs_memory_mib = lane["memory_mib"].tolist()
    return QueueView(
        jobs=jobs + gpu_jobs,
        cpu_m=cpu_m + gpu_jobs_cpu_m,
        memory_mib=memory_mib + gpu_jobs_memory_mib,
        gpu_m=int(lane["gpu_m"][1]),
        gpu_jobs=gpu_jobs,
        gpu_jobs_cpu_m=gpu_jobs_cpu_m,
        gpu_jobs_memory_mib=gpu_jobs_memory_mib,
        oldest_submit_ms=min(oldest, default=NONE),
    )


NOBODY_WAITS = QueueView(
    jobs=0,
    cpu_m=0,
    memory_mib=0,
    gpu_m=0,
    gpu_jobs=0,
    gpu_jobs_cpu_m=0,
    gpu_jobs_memory_mib=0,
    oldest_submit_ms=NONE,
)


def indices(array: NDArray[Any]) -> IntArray:
    """Return a policy's array as the kernels take it."""
    return np.array(array, np.int64)  # of its own: kernels are compiled for writable arrays
