"""What there is: machines, services, jobs, sites, and the trace that tells of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from greensched.model.codes import NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from greensched.model.codes import BoolArray, FloatArray, Int32Array, IntArray, Role


class PowerModel(Protocol):
    """Utilisation to electric power of one machine that is on; see `greensched.power`."""

    @property
    def curve(self) -> tuple[int, FloatArray]:
        """Return the model's kind code and its parameters [W or 1], as the kernels take them."""
        ...

    def watts(self, utilisation: float) -> float:
        """Return the power [W] at `utilisation` in [0, 1]."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineType:
    """A number of equal machines at one site."""

    name: str
    site: str
    count: int
    cpu_m: int
    memory_mib: int
    power: PowerModel
    role: Role = "any"
    gpus: int = 0
    gpu_model: str = ""
    gpu_idle_w: float = 0.0
    gpu_peak_w: float = 0.0
    gpu_power_assumed: bool = False
    reserved_cpu_m: int = 0
    reserved_memory_mib: int = 0
    pods_max: int = 0  # 0: no limit
    disk_gib: int = 0  # 0: not told, no limit
    iops: int = 0  # operations/s; 0: not told, no limit
    racks: int = 0  # machines are dealt to so many failure domains in turn; 0: each is its own
    labels: tuple[tuple[str, str], ...] = ()
    boot_ms: int = 180_000
    boot_w: float = 0.0
    wake_ms: int = 30_000  # sleeping -> on
    sleep_w: float = 5.0
    off_w: float = 5.0
    embodied_known: bool = False  # else it counts as 0
    embodied_kg: float = 0.0
    embodied_low_kg: float = 0.0
    embodied_high_kg: float = 0.0
    embodied_source: str = ""  # of a published type: the source and the type's name in it
    lifetime_ms: int = 4 * 365 * 86_400_000
    is_released: bool = False  # a cloud's: off and asleep it is somebody else's
    smt_factor: float = 1.0  # what a core's second hyperthread adds; below 1 CPU counts those


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Online services: who they are and their load as a step function on a uniform grid.

    `load_cpu_m[s, k]` [millicores of work wanted] holds on
    `[start_ms + k * step_ms, start_ms + (k + 1) * step_ms)`. Sorted by name.
    """

    names: tuple[str, ...]
    replica_cpu_m: IntArray
    replica_memory_mib: IntArray
    replica_gpu_m: IntArray  # 0; 1..999 of one device; or whole devices x 1000
    replicas: IntArray  # as recorded; NONE where only load is known
    replicas_min: IntArray
    replicas_max: IntArray  # NONE: no limit
    startup_ms: IntArray
    service_time_ms: FloatArray  # mean time one request holds one core
    service_time_assumed: BoolArray
    start_ms: int
    step_ms: int
    load_cpu_m: IntArray  # [services, steps]

    def __len__(self) -> int:
        """Return the number of services."""
        return len(self.names)


# What the replicas of one database may not share, as the `apart` column holds it.
BY_MACHINE, BY_RACK, BY_SITE = range(3)
APART: tuple[str, ...] = ("machine", "rack", "site")


@dataclass(frozen=True, slots=True, kw_only=True)
class Databases:
    """Databases: who they are and what one replica of each takes, on a uniform grid.

    `cpu_m[d, k]` [millicores] and `iops[d, k]` [operations/s] hold on
    `[start_ms + k * step_ms, start_ms + (k + 1) * step_ms)`. Each replica takes as much, so that
    any may lead. Memory is not shared with anybody. Sorted by name.
    """

    names: tuple[str, ...]
    start_ms: int
    step_ms: int
    cpu_m: IntArray  # [databases, steps]
    iops: IntArray  # [databases, steps]
    memory_mib: IntArray
    disk_gib: IntArray  # as stored today, before any compression
    replicas: IntArray
    apart: IntArray  # BY_MACHINE .. BY_SITE: no two replicas of a database in one

    def __len__(self) -> int:
        """Return the number of databases."""
        return len(self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobClass:
    """What jobs of one class have in common."""

    name: str = "batch"
    priority: int = 0  # larger goes first
    evictable: bool = True
    deferrable: bool = False
    max_delay_ms: int = NONE
    interruptible: bool = False
    checkpoint_interval_ms: int = 0  # 0: no checkpoints, all work is lost on eviction
    checkpoint_cost_ms: int = 0
    machine_types: tuple[str, ...] = ()  # empty: any
    sites: tuple[str, ...] = ()  # empty: any
    attributes: tuple[tuple[str, str], ...] = ()  # what a trace tells that rules may go by


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """Offline jobs, sorted by (submit, stable order of id).

    A job is `tasks` equal parts that start together (a gang), each of the row's size for
    `duration_ms` at its requested CPU. CPU use is the request, or a step function of progress:
    steps `use_offsets[j]:use_offsets[j + 1]`, of which step i holds until progress
    `use_until_ms[i]` and uses `use_cpu_m[i]`; `use_offsets` is empty where no job has steps.
    """

    submit_ms: IntArray
    duration_ms: IntArray
    cpu_m: Int32Array
    memory_mib: Int32Array
    gpu_m: Int32Array
    tasks: Int32Array
    estimate_ms: IntArray  # NONE: not known
    deadline_ms: IntArray  # finish by; NONE: none
    job_class: Int32Array  # row of `classes`
    classes: tuple[JobClass, ...] = (JobClass(),)
    use_offsets: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    use_until_ms: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    use_cpu_m: Int32Array = field(default_factory=lambda: np.empty(0, np.int32))
    ids: Sequence[str] | NDArray[Any] | None = None  # None: the row number is the id

    def __len__(self) -> int:
        """Return the number of jobs."""
        return len(self.submit_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """Machines as a trace lists them, one row a group of equal ones."""

    names: tuple[str, ...]
    count: IntArray
    cpu_m: IntArray
    memory_mib: IntArray
    gpus: IntArray
    gpu_models: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of rows (groups of equal machines)."""
        return len(self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What a reader makes of files: any of services, jobs, machines, databases; how good it is.

    Times count from `zero_utc` (ISO 8601; empty where the file has no calendar).
    """

    services: Services | None = None
    jobs: Jobs | None = None
    machines: Machines | None = None
    databases: Databases | None = None
    zero_utc: str = ""
    timeline: bool = True  # False: a population to pack, not a record over time
    synthetic: bool = False
    checksum: str = ""
    findings: tuple[str, ...] = ()  # what was dropped, sorted, assumed; in words with counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place with one grid zone; facility power is `fixed_w + pue_slope x IT power`."""

    name: str
    zone: str
    pue_slope: float = 1.0
    fixed_w: float = 0.0
