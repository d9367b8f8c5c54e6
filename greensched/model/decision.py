"""What a policy sees (a snapshot's columns, read-only) and what it says (actions)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

from greensched.model.codes import NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.model.codes import BoolArray, FloatArray, IntArray
    from greensched.model.machines import MachineView


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """Services in a snapshot, one row each; load is measured since the policy's last wake."""

    load_cpu_m: FloatArray  # mean work wanted
    online: IntArray  # replicas that serve
    starting: IntArray
    standby: IntArray  # on lent machines, or after they were cut off
    pending: IntArray  # wanted, but no machine has room
    cutoff: IntArray  # without traffic, for a while; they come back at once when wanted
    replica_cpu_m: IntArray
    replica_memory_mib: IntArray
    replica_gpu_m: IntArray
    replicas_min: IntArray
    replicas_max: IntArray  # a number, never NONE
    startup_ms: IntArray
    service_time_ms: FloatArray  # mean time for which one request holds a core


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaView:
    """Replicas that exist, one row each."""

    service: IntArray
    machine: IntArray
    online: BoolArray


class Replicas(Protocol):
    """A `ReplicaView`, or what reads its columns only when they are asked for."""

    @property
    def service(self) -> IntArray:
        """Return the service of each replica."""
        ...

    @property
    def machine(self) -> IntArray:
        """Return the machine of each."""
        ...

    @property
    def online(self) -> BoolArray:
        """Say of each whether it serves."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """The jobs that wait, in sum; `gpu_jobs` are those of them that want GPUs."""

    jobs: int
    cpu_m: int
    memory_mib: int
    gpu_m: int
    gpu_jobs: int
    gpu_jobs_cpu_m: int
    gpu_jobs_memory_mib: int
    oldest_submit_ms: int  # NONE when empty


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseView:
    """Databases [D], their replicas [R] in rows of their database, and machines for them [N].

    Use is that of one uncompressed replica in the steps that have ended, the latest last; who
    says that he is an oracle is shown the steps to come instead. What moves takes room at both
    ends.
    """

    step_ms: int
    cpu_m: IntArray  # [D, K]
    iops: IntArray  # [D, K]
    memory_mib: IntArray  # [D]
    disk_gib: IntArray  # [D] before compression
    kept_disk_share: FloatArray  # [D] of the disk, by compression
    apart: IntArray  # [D] BY_MACHINE .. BY_SITE
    database: IntArray  # [R] row of the database
    machine: IntArray  # [R] number in the fleet; NONE: nowhere
    to: IntArray  # [R] machine that it moves to; NONE: it does not move
    machines: IntArray  # [N] numbers in the fleet, rising; the columns below are theirs
    machine_cpu_m: IntArray
    machine_iops: IntArray
    machine_memory_mib: IntArray
    machine_disk_gib: IntArray
    rack: IntArray
    site: IntArray


class Forecaster(Protocol):
    """Forecasts of services' load, as `greensched.forecast.Forecast` makes them.

    `recent` is what a policy remembers of the last hours, `begin` the first of its kind.
    """

    @property
    def begin(self) -> Any:
        """Return what was recent as history ended."""
        ...

    @property
    def predicts(self) -> bool:
        """Say whether there is a forecast at all."""
        ...

    def observe(
        self, recent: Any, now_ms: int, load_cpu_m: FloatArray, *, quantile: float, period_ms: int
    ) -> Any:
        """Return what is recent now, the mean load since `recent` being known."""
        ...

    def upper(
        self, recent: Any, from_ms: int, until_ms: int, quantile: float, *, whole: bool = False
    ) -> FloatArray:
        """Return what load [millicores, a row a service] stays below, each within the time.

        With `whole` all the way from now until `until_ms`.
        """
        ...

    def upto(
        self, recent: Any, ends_ms: Sequence[int], quantile: float, *, whole: bool = False
    ) -> FloatArray:
        """Return the same from `recent` until each of `ends_ms`, one row each; they rise."""
        ...

    @property
    def with_sums(self) -> Forecaster | None:
        """Return the same with more rows: the services' sums by pool (`model.pools.with_sums`).

        None where nobody asked. A sum's band is far narrower than the sum of bands.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a policy may know at `now_ms`: measured history and estimates, never the truth.

    Its columns hold until the policy has answered: what is to be remembered is copied.
    """

    now_ms: int
    period_ms: int  # since this policy's last wake; 0 at the first
    time_of_day_ms: int  # local to the scenario's start offset
    steady_since_ms: (
        int  # loads and counts (starting or online) are as now since; `now_ms`: unknown
    )
    machines: MachineView
    services: ServiceView
    replicas: Replicas
    queue: QueueView
    forecast: Forecaster | None = None  # fitted on history; None: nobody asked for one
    databases: DatabaseView | None = None  # for who packs them; None: there are none
    sensitivity: FloatArray | None = None  # of services to batch beside them; None: not told
    waiting: WaitingView | None = None  # for who shifts; None: no job may wait
    carbon: Any = None  # for who shifts: a ticks.TickIntensity from now on; None: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Set the wanted number of serving replicas of `services`.

    What serves and is to go is cut off for `cutoff_ms`: it gets no traffic, keeps all that it
    reserves and serves again at once should more be wanted. Then it stands by for `standby_ms`,
    its CPU given back, `warm_ms` from serving where its machine has room. Then it is deleted.
    """

    services: IntArray
    replicas: IntArray
    cutoff_ms: int = 0
    standby_ms: int = 0
    warm_ms: int = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Switch `machines` on, or empty them and put them to sleep or off.

    A machine to sleep takes no new work, its replicas move within `moves_max` in all, and it
    stays on if they find no room; jobs on it run to their end.
    """

    machines: IntArray
    to: Literal["on", "sleep", "off"]
    moves_max: int = 0


# Of a replica's memory, kept on standby where a policy has no `standby_share` of its own: 15 % of
# it swapped out to 0.3 of its size, as Ant's keep-alive is told of. No measurement is public.
STANDBY_SHARE: Final = 0.15 * 0.3 + 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Lend:
    """Drain `machines` (their replicas go to standby) and give them to batch.

    Jobs that keep no checkpoints are placed there only if they are estimated to end by
    `until_ms`, when the machines are expected to be recalled (NONE: not known). A machine that is
    lent already stays as it is and has the new `until_ms`.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Copy replicas of databases (rows of the view) to machines, where they then serve.

    A machine sends or takes one copy at a time. A move is refused where the machine is not on,
    has no memory or disk for it now, or holds another replica too near.
    """

    replicas: IntArray
    to: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Compress:
    """Keep `databases` (rows of the view) on less disk, at more CPU, from now on."""

    databases: IntArray
    disk_share: float  # of the disk is saved
    cpu_share: float  # more CPU


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingView:
    """Jobs that may wait or pause and have not ended, one row each, in order of submission."""

    job: IntArray  # who it is, the same at every wake
    submit_ms: IntArray
    latest_start_ms: IntArray  # the last instant at which what is left may begin, without a pause
    left_ms: IntArray  # estimated time to run, above 0
    cpu_m: IntArray  # of all tasks
    interruptible: BoolArray
    started: BoolArray
    running: BoolArray  # started, and not suspended
    checkpoint_ms: IntArray | None = None  # work that each pause costs; None: none


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Let waiting `jobs` start at `at_ms`, each at a site (row; NONE: its own)."""

    jobs: IntArray
    at_ms: IntArray
    site: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend:
    """Stop running `jobs` at `at_ms`, their work kept."""

    jobs: IntArray
    at_ms: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Let suspended `jobs` go on at `at_ms`."""

    jobs: IntArray
    at_ms: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Keep deferrable jobs that arrive before this policy's next wake from starting until then.

    Those whose latest start comes before it are not held.
    """


Shift: TypeAlias = Release | Suspend | Resume
Action: TypeAlias = Scale | Power | Lend | Recall | BatchLimit | Move | Compress | Hold | Shift


class CarbonForecaster(Protocol):
    """Tells the carbon intensity to come, as known at an instant."""

    @property
    def tick_ms(self) -> int:
        """Return the tick in which it tells it."""
        ...

    def issued(self, now_ms: int, *, truth: bool) -> Any:
        """Return a ticks.TickIntensity whose tick 0 is at `now_ms`; None where nothing is known.

        `truth`: what will come true, for oracles alone.
        """
        ...


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
