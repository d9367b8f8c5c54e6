"""What a policy sees: read-only columns over the world, with use measured since its last wake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.engine.databases import machine_groups
from greensched.engine.kernels import layout, sight
from greensched.model import (
    BY_RACK,
    NONE,
    ROLE_CODES,
    TABLED,
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
    from greensched.model import BoolArray, FloatArray, IntArray

DATABASE = ROLE_CODES["database"]
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


class Roster:
    """The replicas that exist; read from the world only when a policy asks for them."""

    def __init__(self) -> None:
        """Begin without a world."""
        self._view: ReplicaView | None = None
        self._seen = -1
        self._count = 0
        self._pages: Any = None

    def look(self, pages: Any, changes: int, count: int) -> Roster:
        """Return itself, showing the `count` replicas of now, after so many `changes`."""
        if changes != self._seen:
            self._view, self._seen, self._count = None, changes, count
        self._pages = pages
        return self

    def _read(self) -> ReplicaView:
        if self._view is None:
            service, machine, online = np.empty((3, self._count), np.int64)
            sight.replicas(self._pages, service, machine, online)
            self._view = ReplicaView(
                service=_frozen(service), machine=_frozen(machine), online=_frozen(online == 1)
            )
        return self._view

    @property
    def service(self) -> IntArray:
        """Return the service of each replica."""
        return self._read().service

    @property
    def machine(self) -> IntArray:
        """Return the machine of each."""
        return self._read().machine

    @property
    def online(self) -> BoolArray:
        """Say of each whether it serves."""
        return self._read().online


class Sight:
    """Makes the snapshots of policies that wake together.

    Views are made once; a look fills the columns under them anew.
    """

    def __init__(self, setting: Setting, world: World, roster: Roster) -> None:
        """Make the views; what is measured counts from now."""
        m, s = len(world.mach), len(world.svc)
        self._offset_ms = setting.start_offset_ms
        self._roster = roster
        self._forecast = setting.forecast
        self._sensitivity = _sensitivity(setting)
        self._told = np.zeros(sight.S_LENGTH, np.int64)
        self._whole = np.zeros(layout.MACHINE_COLUMNS * m + layout.SERVICE_COLUMNS * s, np.int64)
        self._real = np.zeros(layout.MACHINE_REALS * m + layout.SERVICE_REALS * s)
        self._before = np.concatenate([world.mach["use_integral"], world.svc["load_integral"]])
        self._at_ms = int(world.w["now_ms"][0])
        whole, real = _frozen(self._whole), _frozen(self._real)
        columns = dict(
            zip(MACHINE_VIEWS, _rows(self._whole, layout.MACHINE_COLUMNS, m), strict=True)
        )
        for view, column in STEADY_MACHINE.items():
            columns[view][:] = world.mach[column]
        columns["gpu_m"][:] = world.mach["n_gpus"] * GPU_M_PER_GPU
        self._machines = MachineView(
            online_use_cpu_m=real[:m],
            batch_use_cpu_m=real[m : 2 * m],
            machine_type=_copy(world.mach["machine_type"]),
            surplus=_frozen((world.mach["surplus"] != 0) | (world.mach["role"] == DATABASE)),
            rack=_frozen(machine_groups(setting.fleet, setting.sites)[BY_RACK]),
            table=whole[: len(TABLED) * m].reshape(len(TABLED), m),
            **{view: _frozen(column) for view, column in columns.items()},
        )
        table = setting.services
        none = np.zeros(0, np.int64)
        most = none if table is None else table.replicas_max
        counts = _rows(whole[layout.MACHINE_COLUMNS * m :], layout.SERVICE_COLUMNS, s)
        self._services = ServiceView(
            load_cpu_m=real[2 * m :],
            replicas_min=_frozen(none if table is None else table.replicas_min),
            replicas_max=_frozen(np.where(most == NONE, UNLIMITED, most)),
            service_time_ms=_frozen(np.zeros(0) if table is None else table.service_time_ms),
            **dict(zip(SERVICE_VIEWS, counts, strict=True)),
            **{view: _copy(world.svc[column]) for view, column in STEADY_SERVICE.items()},
        )

    def look(self, pages: Any) -> Snapshot:
        """Return the snapshot of now; the one before it is overwritten."""
        sight.columns(pages, self._whole, self._real, self._before, self._told, self._at_ms)
        told: list[int] = self._told.tolist()
        now = told[sight.S_NOW_MS]
        period_ms, self._at_ms = now - self._at_ms, now
        return Snapshot(
            now_ms=now,
            period_ms=period_ms,
            time_of_day_ms=(now + self._offset_ms) % MS_PER_DAY,
            steady_since_ms=told[sight.S_STEADY_MS],
            machines=self._machines,
            services=self._services,
            replicas=self._roster.look(pages, told[sight.S_CHANGES], told[sight.S_REPLICAS]),
            queue=_queue(told),
            forecast=self._forecast,
            sensitivity=self._sensitivity,
        )


STEADY_MACHINE = {"role": "role", "cpu_m": "cpu_m", "memory_mib": "memory_mib"}
STEADY_SERVICE = {
    "replica_cpu_m": "cpu_m",
    "replica_memory_mib": "memory_mib",
    "replica_gpu_m": "gpu_m",
    "startup_ms": "startup_ms",
}
# In the order in which the kernel writes them.
MACHINE_VIEWS = (*TABLED, "batch_limit_cpu_m", "batch_limit_memory_mib")
SERVICE_VIEWS = ("online", "starting", "standby", "pending", "cutoff")


def _rows(array: NDArray[Any], count: int, length: int) -> list[NDArray[Any]]:
    """Return the first `count` pieces of `length` elements."""
    return [array[i * length : (i + 1) * length] for i in range(count)]


def _sensitivity(setting: Setting) -> FloatArray | None:
    """Return how sensitive each service is to batch beside it; None where nobody told."""
    told, services = dict(setting.interference.sensitivity), setting.services
    if services is None or not told:
        return None
    return _frozen(np.array([told.get(name, 1.0) for name in services.names]))


def _queue(told: list[int]) -> QueueView:
    """Return the waiting jobs in sum, and those among them that want GPUs."""
    if not told[sight.S_WAITING]:
        return NOBODY_WAITS
    jobs, gpu_jobs = told[sight.S_JOBS : sight.S_JOBS + 2]
    cpu_m, gpu_jobs_cpu_m = told[sight.S_CPU_M : sight.S_CPU_M + 2]
    memory_mib, gpu_jobs_memory_mib = told[sight.S_MEMORY_MIB : sight.S_MEMORY_MIB + 2]
    oldest_ms = told[sight.S_OLDEST_MS]
    return QueueView(
        jobs=jobs + gpu_jobs,
        cpu_m=cpu_m + gpu_jobs_cpu_m,
        memory_mib=memory_mib + gpu_jobs_memory_mib,
        gpu_m=told[sight.S_GPU_M],
        gpu_jobs=gpu_jobs,
        gpu_jobs_cpu_m=gpu_jobs_cpu_m,
        gpu_jobs_memory_mib=gpu_jobs_memory_mib,
        oldest_submit_ms=NONE if oldest_ms == layout.INF else oldest_ms,
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


def indices(array: NDArray[Any] | list[int]) -> IntArray:
    """Return a policy's array as the kernels take it."""
    return np.array(array, np.int64)  # of its own: kernels are compiled for writable arrays
