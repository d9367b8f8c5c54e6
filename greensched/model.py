"""The nouns of greensched: frozen values that every other module speaks in.

Times are int64 milliseconds since the scenario's start (UTC), intervals half-open. Resources are
integers: `cpu_m` [millicores], `memory_mib` [MiB], `gpu_m` [milli-GPUs]. Tables of many rows are
*columns*: one numpy array for each field, all of one length, read-only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

IntArray: TypeAlias = NDArray[np.int64]
Int32Array: TypeAlias = NDArray[np.int32]
Int8Array: TypeAlias = NDArray[np.int8]
FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]

Role: TypeAlias = Literal["online", "batch", "any"]
ROLE_CODES: dict[str, int] = {"online": 0, "batch": 1, "any": 2}

# Machine states, as the `state` column of a snapshot holds them.
OFF, BOOTING, ON, SLEEPING, DRAINING = range(5)
STATES: tuple[str, ...] = ("off", "booting", "on", "sleeping", "draining")

# Phases of lending, as the `lending` column of a snapshot holds them.
OWN, DRAIN, LENT, RECALL, WARM = range(5)
LENDING: tuple[str, ...] = ("own", "drain", "lent", "recall", "warm")

NONE = -1  # "no value" in an integer column


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
    labels: tuple[tuple[str, str], ...] = ()
    boot_ms: int = 180_000
    boot_w: float = 0.0
    wake_ms: int = 30_000  # sleeping -> on
    sleep_w: float = 5.0
    off_w: float = 5.0
    embodied_kg: float = 0.0
    embodied_low_kg: float = 0.0
    embodied_high_kg: float = 0.0
    lifetime_ms: int = 4 * 365 * 86_400_000


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
    """What a reader makes of a file: any of services, jobs and machines, and how good it is.

    Times count from `zero_utc` (ISO 8601; empty where the file has no calendar).
    """

    services: Services | None = None
    jobs: Jobs | None = None
    machines: Machines | None = None
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


# ------------------------------------------------------------------------------------------
# What a policy sees and says
# ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineView:
    """Machines in a snapshot, one row each; use is measured since the policy's last wake."""

    state: IntArray  # OFF .. DRAINING
    role: IntArray  # ROLE_CODES
    lending: IntArray  # OWN .. WARM
    machine_type: IntArray
    cpu_m: IntArray  # capacity less what the system keeps
    memory_mib: IntArray
    online_cpu_m: IntArray  # reserved by replicas
    online_memory_mib: IntArray
    online_use_cpu_m: FloatArray  # mean since the last wake
    batch_cpu_m: IntArray  # reserved by jobs
    batch_memory_mib: IntArray
    batch_use_cpu_m: FloatArray  # now
    batch_limit_cpu_m: IntArray
    batch_limit_memory_mib: IntArray
    replicas: IntArray
    jobs: IntArray
    empty_since_ms: IntArray  # NONE while anything runs on it
    surplus: BoolArray  # not part of this run's fleet; never to be switched on


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """Services in a snapshot, one row each; load is measured since the policy's last wake."""

    load_cpu_m: FloatArray  # mean work wanted
    online: IntArray  # replicas that serve
    starting: IntArray
    standby: IntArray
    pending: IntArray  # wanted, but no machine has room
    replica_cpu_m: IntArray
    replica_memory_mib: IntArray
    replicas_min: IntArray
    replicas_max: IntArray  # a number, never NONE
    startup_ms: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaView:
    """Replicas that exist, one row each."""

    service: IntArray
    machine: IntArray
    online: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """The jobs that wait, in sum."""

    jobs: int
    cpu_m: int
    memory_mib: int
    gpu_m: int
    oldest_submit_ms: int  # NONE when empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a policy may know at `now_ms`: measured history and estimates, never the truth."""

    now_ms: int
    period_ms: int  # since this policy's last wake; 0 at the first
    time_of_day_ms: int  # local to the scenario's start offset
    machines: MachineView
    services: ServiceView
    replicas: ReplicaView
    queue: QueueView


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Set the wanted number of serving replicas of `services`."""

    services: IntArray
    replicas: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Switch `machines` on, or empty them and put them to sleep or off.

    A machine to sleep takes no new work, its replicas move within `moves_max` in all, and it
    stays on if they find no room; jobs on it run to their end.
    """

    machines: IntArray
    to: Literal["on", "sleep", "off"]
    moves_max: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lend:
    """Drain `machines` (their replicas go to standby) and give them to batch.

    Jobs that keep no checkpoints are placed there only if they are estimated to end by
    `until_ms`, when the machines are expected to be recalled (NONE: not known).
    """

    machines: IntArray
    drain_ms: int = 60_000
    until_ms: int = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Take lent `machines` back: jobs get `grace_ms`, then the replicas warm for `warm_ms`."""

    machines: IntArray
    grace_ms: int = 30_000
    warm_ms: int = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimit:
    """Let batch reserve at most so much of each of `machines`; `evict` enforces it at once.

    `use_share` caps what batch may *use* to that share of capacity less the services' use
    (suppression); 1.0 leaves batch all that services do not use. Jobs that keep no checkpoints
    are placed there only if they are estimated to run no longer than `job_ms_max`.
    """

    machines: IntArray
    cpu_m: IntArray
    memory_mib: IntArray
    use_share: float = 1.0
    job_ms_max: int = NONE  # NONE: any
    evict: bool = False


Action: TypeAlias = Scale | Power | Lend | Recall | BatchLimit


class Memory(Protocol):
    """What a policy remembers between wakes: a frozen, serialisable value (a marker)."""


class Policy(Protocol):
    """A pure decision on a frozen dataclass of settings.

    `decide` never waits, reads a clock, draws a random number or changes what it is given.
    """

    @property
    def kind(self) -> str:
        """Return the registered name."""
        ...

    @property
    def period_ms(self) -> int:
        """Return how often it wakes."""
        ...

    def first_memory(self) -> Any:
        """Return the memory before the first wake."""
        ...

    def decide(self, snapshot: Snapshot, memory: Any) -> tuple[tuple[Action, ...], Any]:
        """Return the actions to take now and the memory for the next wake."""
        ...


# ------------------------------------------------------------------------------------------
# One run
# ------------------------------------------------------------------------------------------

Discipline: TypeAlias = Literal["fifo", "priority", "shortest-first", "easy-backfill"]
Weigher: TypeAlias = Literal["best-fit", "first-fit", "worst-fit", "spread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One run: a world, its demand and the switches that are on.

    `online_machines`/`batch_machines` (machine numbers in fleet order) are the machines that are
    on at the start; all others are `surplus` unless `surplus` is empty. `edges_ms` are the
    breakpoints of intensity and PUE within the window, at most five minutes apart.
    """

    name: str
    sites: tuple[Site, ...]
    fleet: tuple[MachineType, ...]
    services: Services | None
    jobs: Jobs | None
    window_ms: int
    edges_ms: IntArray
    policies: tuple[Policy, ...] = ()
    replicas: IntArray | None = None  # at the start, one a service; None: recorded, else needed
    roles: Int8Array | None = None  # per machine, overriding its type's; NONE: surplus
    discipline: Discipline = "easy-backfill"
    weigher: Weigher = "best-fit"
    end: Literal["drain", "cut"] = "drain"
    start_offset_ms: int = 0  # local time of day at the start
    seed: int = 0
