"""A second model of the world, for tests: plain objects, a SimPy clock, nothing incremental.

Everything is worked out anew from lists at each event, slow on purpose. It says what
docs/reference/engine.md says, and shares with the engine only `greensched.model` and `watts`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import simpy

from greensched.model import BOOTING, DRAINING, LEAVING, LENT, NONE, OFF, ON, OUT, OWN, SLEEPING
from tests import twin_interference as interference
from tests.twin_shares import WHOLE, share

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from greensched.model import Interference, JobClass, MachineType, Setting
    from tests.twin_replicas import Replica, Service

ONE = 1 << 20  # progress of an undisturbed job in a millisecond
LEVELS = 1024
HOUR_MS, OVERRUN_MS, STEP_MS = 3_600_000, 60_000, 300_000
BATCH_ROLE = 1


def some(cpu_m: int) -> int:
    """Return the CPU that must be free for a task: at least a millicore."""
    return max(cpu_m, 1)


@dataclass(eq=False)
class Machine:
    """One machine; `tasks` and `replicas` newest first."""

    number: int
    kind: MachineType
    role: int
    surplus: bool
    harm: Interference
    state: int = ON
    lending: int = OWN
    limit_cpu_m: int = 0
    limit_memory_mib: int = 0
    use_share: float = 1.0
    warm_ms: int = 0
    stay_until_ms: float = float("inf")
    stay_ms_max: float = float("inf")
    sleep_to: int = SLEEPING
    returns: bool = False  # it boots once an outage is over
    told: bool = False  # that it will be out
    generation: int = 0
    tasks: list[Task] = field(default_factory=list)
    replicas: list[Replica] = field(default_factory=list)
    free_gpu_m: list[int] = field(default_factory=list)
    filed: dict[bool, tuple[int, int]] = field(default_factory=dict)  # level and age, by online

    @property
    def cpu_m(self) -> int:
        """Return the CPU that the system leaves."""
        return self.kind.cpu_m - self.kind.reserved_cpu_m

    @property
    def serving(self) -> list[Replica]:
        """Return the replicas that are not on standby."""
        return [r for r in self.replicas if r.state != "standby"]

    def reserved_cpu_m(self) -> int:
        """Return the CPU that replicas reserve."""
        return sum(r.service.cpu_m for r in self.serving)

    def online_use_m(self) -> float:
        """Return what the replicas use."""
        return float(sum(r.use_m() for r in self.replicas))

    def batch_use_m(self) -> int:
        """Return what the tasks would use."""
        return sum(t.use_m() for t in self.tasks)

    def share(self) -> int:
        """Return what each task gets of the CPU it would use; services come first."""
        wanted = self.batch_use_m()
        rest = min(self.cpu_m * self.use_share, float(self.cpu_m)) - self.online_use_m()
        if wanted == 0 or rest >= wanted:
            return ONE
        return 0 if rest <= 0 else int(rest * ONE / wanted)

    def rate(self) -> int:
        """Return the progress of each task in a millisecond."""
        return interference.rate(self)

    # ---- room ----------------------------------------------------------------------------

    def whole_for_batch(self) -> bool:
        """Say whether batch has the machine to itself."""
        return self.role == BATCH_ROLE or (self.role != 0 and not self.serving)

    def batch_limit_cpu_m(self) -> int:
        """Return the CPU that batch may reserve in all."""
        if self.state != ON or self.lending not in {OWN, LENT}:
            return 0
        if self.lending == LENT or self.whole_for_batch():
            return self.cpu_m
        return min(self.limit_cpu_m, self.cpu_m)

    def free_memory_mib(self) -> int:
        """Return the memory that replicas leave."""
        held = sum(r.memory_mib() for r in self.replicas)
        return self.kind.memory_mib - self.kind.reserved_memory_mib - held

    def batch_limit_memory_mib(self) -> int:
        """Return the memory that batch may reserve in all."""
        if self.lending == OWN and not self.whole_for_batch():
            return min(self.free_memory_mib(), self.limit_memory_mib)
        return self.free_memory_mib()

    def free_cpu_m(self, *, online: bool) -> int:
        """Return the CPU that a request may still reserve; -1: none at all."""
        if not online:
            return self.batch_limit_cpu_m() - sum(t.cpu_m for t in self.tasks)
        closed = self.state != ON or self.lending != OWN or self.role == BATCH_ROLE
        if closed or (self.role != 0 and not self.serving and self.tasks):
            return -1
        return self.cpu_m - self.reserved_cpu_m()

    def batch_memory_mib(self) -> int:
        """Return the memory that tasks reserve."""
        return sum(t.memory_mib for t in self.tasks)

    def devices(self, gpu_m: int) -> list[int] | None:
        """Return the devices a request takes: the fullest one, or the first free ones."""
        if gpu_m == 0:
            return []
        if gpu_m < 1000:
            able = [(f, d) for d, f in enumerate(self.free_gpu_m) if f >= gpu_m]
            return [min(able)[1]] if able else None
        whole = [d for d, f in enumerate(self.free_gpu_m) if f == 1000][: gpu_m // 1000]
        return whole if len(whole) == gpu_m // 1000 else None

    def may_stay(self, job: Job, now_ms: int) -> bool:
        """Say whether a job should start here that is to end, or pass four checkpoints."""
        stay_ms = job.estimate_ms
        if job.group.checkpoint_interval_ms > 0 and job.group.evictable:
            stay_ms = min(stay_ms, 4 * job.group.checkpoint_interval_ms)
        if self.lending != OWN and self.role != BATCH_ROLE:
            return now_ms + stay_ms <= self.stay_until_ms
        return self.whole_for_batch() or stay_ms <= self.stay_ms_max

    def fits(self, need: Any, *, online: bool, now_ms: int = 0) -> bool:
        """Say whether a replica or task fits now."""
        cpu_m = need.cpu_m
        if online:
            memory_mib = self.free_memory_mib() - self.batch_memory_mib()
        else:
            cpu_m = some(cpu_m)
            memory_mib = self.batch_limit_memory_mib() - self.batch_memory_mib()
            if self.kind.name not in need.types or self.kind.site not in need.sites:
                return False
            if not self.may_stay(need, now_ms):
                return False
        pods = len(self.serving) + len(self.tasks)
        return (
            self.free_cpu_m(online=online) >= cpu_m
            and memory_mib >= need.memory_mib
            and not 0 < self.kind.pods_max <= pods
            and self.devices(need.gpu_m) is not None
        )

    def take(self, devices: list[int], gpu_m: int) -> None:
        """Reserve devices, or give them back (negative)."""
        for d in devices:
            whole = 1000 if gpu_m > 0 else -1000
            self.free_gpu_m[d] -= gpu_m if abs(gpu_m) < 1000 else whole

    # ---- power ---------------------------------------------------------------------------

    def role_name(self) -> str:
        """Return the role in the usage table."""
        if self.surplus:
            return "surplus"
        resting = {OFF: "off", SLEEPING: "sleeping", BOOTING: "booting", OUT: "out"}
        if self.state in resting:
            return resting[self.state]
        if self.lending != OWN:
            return "lent"
        if self.role == BATCH_ROLE:
            return "batch"
        if not self.tasks:
            return "online"
        return "shared" if self.serving or self.role == 0 else "batch"

    def watts(self) -> float:
        """Return the power now."""
        k = self.kind
        resting = {OFF: k.off_w, OUT: k.off_w, SLEEPING: k.sleep_w, BOOTING: k.boot_w}
        if self.state in resting:
            return resting[self.state]
        rate = self.share() / ONE
        use = self.online_use_m() + rate * self.batch_use_m()
        gpus = sum(r.gpu_use_m() for r in self.replicas) + rate * sum(t.gpu_m for t in self.tasks)
        span_w = self.kind.gpu_peak_w - self.kind.gpu_idle_w
        cpu_w = self.kind.power.watts(min(1.0, use / self.kind.cpu_m))
        return cpu_w + self.kind.gpus * self.kind.gpu_idle_w + gpus * span_w / 1000


@dataclass(eq=False)
class Job:
    """A job, waiting or running; `done_ms` is what its checkpoints kept."""

    row: int
    submit_ms: int
    duration_ms: int
    cpu_m: int
    memory_mib: int
    gpu_m: int
    count: int
    given_ms: int
    group: JobClass
    uses: list[tuple[int, int]]
    types: set[str]
    sites: set[str]
    done_ms: int = 0
    estimate_ms: int = 0
    tasks: list[Task] = field(default_factory=list)  # that run, in the order they started
    start_ms: int = NONE
    end_ms: int = NONE
    wasted_ms: int = 0
    evictions: int = 0
    latest_ms: int = NONE  # when it joins the queue at the latest, if it may be held
    held: bool = False
    held_ms: int = 0
    pauses: int = 0
    energy_j: float = 0.0


@dataclass(eq=False)
class Task:
    """One running task; `done` counts progress in 1/ONE milliseconds."""

    job: Job
    machine: Machine
    devices: list[int]
    done: int
    expected_end_ms: int

    def __post_init__(self) -> None:
        """Take the job's size."""
        self.cpu_m, self.memory_mib = self.job.cpu_m, self.job.memory_mib
        self.gpu_m = self.job.gpu_m

    def step(self) -> tuple[int, int]:
        """Return until which progress [ms] the present use holds, and the use."""
        steps = self.job.uses or [(self.job.duration_ms, self.job.cpu_m)]
        for until_ms, use_m in steps[:-1]:
            if self.done < until_ms * ONE:
                return until_ms, use_m
        return self.job.duration_ms, steps[-1][1]

    def use_m(self) -> int:
        """Return the use now."""
        return self.step()[1]


class Clock:
    """Time and energy: what happens between two events, and which event is next."""

    setting: Setting
    machines: list[Machine]
    services: list[Service]
    jobs: list[Job]

    def __init__(self) -> None:
        """Start at 0."""
        self.env = simpy.Environment()
        self.timers: list[tuple[int, int, Callable[[], None]]] = []
        self.timer_count = 0
        self.energy_j: dict[tuple[str, str], float] = {}
        self.machine_ms: dict[tuple[str, str], int] = {}
        self.look_again = self.look_for_replicas = False  # at waiting jobs, for room
        self.since_ms = 0

    @property
    def now(self) -> int:
        """Return the time [ms]."""
        return int(self.env.now)

    def timer(self, after_ms: int, act: Callable[[], None]) -> None:
        """Let `act` happen later; timers of one instant ring in the order they were set."""
        self.timer_count += 1
        self.timers.append((self.now + after_ms, self.timer_count, act))

    def integrate(self) -> None:
        """Add up energy, service and progress since the last event."""
        dt, self.since_ms = self.now - self.since_ms, self.now
        if dt == 0:
            return
        for s in self.services:
            room = s.count("online") * s.cpu_m
            s.online_ms += s.count("online") * dt
            s.cutoff_ms += s.count("cutoff") * dt
            s.standby_ms += s.count("standby") * dt
            s.work += s.load_m * dt / 1e6
            s.shortage += max(0.0, s.load_m - room) * dt / 1e6
            s.short_ms += dt if s.load_m > room else 0
        for m in self.machines:
            key = (m.kind.name, m.role_name())
            self.energy_j[key] = self.energy_j.get(key, 0.0) + m.watts() * dt / 1000
            self.machine_ms[key] = self.machine_ms.get(key, 0) + dt
            if m.state in {ON, DRAINING, LEAVING}:
                self._split(m, dt / 1000)
            interference.tell(m, dt)
            rate = m.rate()
            for t in m.tasks:
                t.done += rate * dt

    def _split(self, m: Machine, dt_s: float) -> None:
        """Split a machine's energy: idle by reserved share, dynamic by use."""
        rate = m.share() / ONE
        kind = m.kind
        use = m.online_use_m() + rate * m.batch_use_m()
        idle_w = kind.power.watts(0.0)
        cpu_w = kind.power.watts(min(1.0, use / kind.cpu_m)) - idle_w
        each_w = cpu_w / use if use > 0 else 0.0
        gpu_w = (kind.gpu_peak_w - kind.gpu_idle_w) / 1000
        held = sum(share(m, r.service) for r in m.serving) + sum(share(m, t) for t in m.tasks)
        idle_w = (idle_w + kind.gpus * kind.gpu_idle_w) / max(1.0, held / WHOLE)
        for r in m.serving:
            w = idle_w * share(m, r.service) / WHOLE + each_w * r.use_m() + gpu_w * r.gpu_use_m()
            r.service.energy_j += w * dt_s
        for t in m.tasks:
            w = idle_w * share(m, t) / WHOLE + rate * (each_w * t.use_m() + gpu_w * t.gpu_m)
            t.job.energy_j += w * dt_s

    def job_event_ms(self, m: Machine) -> int | None:
        """Return when the next task of machine m ends or changes its use."""
        rate = m.rate()
        if not m.tasks or rate == 0:
            return None
        left = min(t.step()[0] * ONE - t.done for t in m.tasks)
        return self.now + max(0, -(-left // rate))

    def next_ms(self, *more_ms: int) -> int:
        """Return when something happens next; `more_ms` may come before."""
        times = [*more_ms, *(at for at, _, _ in self.timers)]
        times += [at for m in self.machines if (at := self.job_event_ms(m)) is not None]
        times += [
            (self.now // s.step_ms + 1) * s.step_ms
            for s in self.services
            if self.now // s.step_ms + 1 < len(s.load)
        ]
        return min(times)

    def sleep_until(self, at_ms: int) -> Generator[simpy.Event, None, None]:
        """Let the time pass."""
        yield self.env.timeout(at_ms - self.now)
        self.integrate()
