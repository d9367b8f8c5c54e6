"""The clock: SimPy wakes each policy at its period; kernels run in between.

run = Simulation(setting)
run.finish()
run.result()
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import simpy

from greensched.engine import paging
from greensched.engine.databases import Hosting
from greensched.engine.kernels import warm
from greensched.engine.kernels.advance import advance
from greensched.engine.kernels.control import control
from greensched.engine.kernels.layout import (
    C_FAIL,
    C_HOLD,
    C_LEND,
    C_LIMIT,
    C_MOVE,
    C_OPEN,
    C_PLACE,
    C_POWER,
    C_RECALL,
    C_RETRY,
    C_RING,
    C_SCALE,
    C_SHIFT,
    DONE,
    GROW,
    INF,
    RING,
    World,
)
from greensched.engine.kernels.memory import JOB_DTYPES, WORLD_DTYPES, address, book
from greensched.engine.outages import Event, events
from greensched.engine.preview import Shadow
from greensched.engine.result import RunResult, collect
from greensched.engine.shifting import Shifts
from greensched.engine.snapshot import Roster, Sight, indices
from greensched.engine.truth import Truth
from greensched.engine.world import MARGIN, build, grown, more_intervals
from greensched.errors import InternalError
from greensched.model import (
    NONE,
    OFF,
    ON,
    SLEEPING,
    Action,
    BatchLimit,
    Compress,
    Hold,
    Lend,
    Move,
    Policy,
    Power,
    Recall,
    Release,
    Resume,
    Scale,
    Setting,
    Suspend,
)
from greensched.units import MS_PER_DAY, MS_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from greensched.model import DatabaseView, IntArray, Services

STEP_MS = 5 * MS_PER_MIN  # intervals of usage beyond the window
DRAIN_LIMIT_WINDOWS = 4  # a drain is cut after so many windows more
PULSES = 200  # how often a run without policies comes up for air
NOBODY = np.empty(0, np.int64)
NOTHING = np.empty(0, np.float64)
SHIFTS = (Hold, Release, Suspend, Resume)
_TARGETS = {"on": ON, "sleep": SLEEPING, "off": OFF}


class Simulation:
    """One run of a setting; can be continued beyond its end to match a longer one."""

    def __init__(self, setting: Setting, progress: Callable[[float], None] | None = None) -> None:
        """Build the world and place the first replicas."""
        self.setting = setting
        warm.ensure()
        world, self._table = build(setting)
        self._job_rows = book(self._table, JOB_DTYPES)
        self._jobs = address(self._job_rows)
        self._paged = [a for a in (world.out, *self._table) if paging.is_paged(a)]
        self._use(world)
        self._control(C_OPEN)
        self._roster = Roster()
        self._shadows: list[Shadow] = []
        self._progress = progress
        self._env = simpy.Environment()
        self.end_ms = 0
        self._place_first()
        self._hosting = self._host()
        self._shifts = Shifts(setting, self._table) if len(self._table.latest_ms) else None
        # Processes know the run weakly: else the clock and the run hold each other, and its arrays
        # stay until the collector of cycles comes by.
        me = weakref.proxy(self)
        if setting.outages is not None:
            self._env.process(Simulation._strike(me, events(setting.outages)))
        for period_ms in sorted({p.period_ms for p in setting.policies}):
            group = [p for p in setting.policies if p.period_ms == period_ms]
            self._env.process(Simulation._wake(me, group, period_ms))
        self._env.process(Simulation._pulse(me, max(MS_PER_MIN, setting.window_ms // PULSES)))

    def _use(self, world: World) -> None:
        """Take a world whose arrays may be new."""
        self.world = world
        self._rows = book(world, WORLD_DTYPES)
        self._book = address(self._rows)
        self._scalars: Any = world.w[0]
        self._last_edge_ms = int(world.edges[-1])

    def _place_first(self) -> None:
        """Let the services' first replicas serve from the start, the largest placed first."""
        services = self.setting.services
        if services is None:
            return
        wanted = services.replicas if self.setting.replicas is None else self.setting.replicas
        numbers = _largest_first(services, self.world.mach)
        first = Scale(services=numbers, replicas=np.maximum(wanted, 1)[numbers])
        self._scale(first, at_once=True)

    def _host(self) -> Hosting | None:
        """Let the databases' replicas serve from where they are at the start."""
        if self.setting.databases is None:
            return None
        hosting = Hosting(self.setting, self.setting.databases, self.world)
        if self.setting.places is not None:
            rows = np.flatnonzero(self.setting.places != NONE)
            machines = indices(self.setting.places[rows])
            self._control(C_HOLD, indices(rows), machines)
            self._control(C_MOVE, indices(rows), machines, share=0.0)
        return hosting

    def _room(self, replicas: int) -> None:
        """Make sure that `replicas` more fit the pools of records."""
        world, w = self.world, self._scalars
        machines = len(world.mach)
        free, timers = len(world.rep) - int(w["n_alive"]), len(world.timer) - int(w["timer_n"])
        if free <= replicas + 8 or timers <= replicas + 8 + machines:
            self._use(grown(world, replicas + machines))

    def _make_room(self) -> None:
        """Make sure that all jobs that run or are held may wait."""
        if len(self.world.wait) < self._open_jobs() + MARGIN:
            self._use(grown(self.world))

    def _advance(self, until_ms: int, *, closing: bool = False) -> None:
        """Run the data plane up to `until_ms`."""
        if until_ms >= self._last_edge_ms:
            more = np.arange(self._last_edge_ms + STEP_MS, until_ms + 2 * STEP_MS, STEP_MS)
            self._use(more_intervals(self.world, np.append(self.world.edges, more)))
        while (why := advance(self._book, self._jobs, until_ms, int(closing))) != DONE:
            if why == GROW:
                self._use(grown(self.world))
            else:
                self._control(C_RING if why == RING else C_PLACE)

    def _pulse(self, period_ms: int) -> Generator[simpy.Event, None, None]:
        """Come up for air: progress, and a chance to be interrupted."""
        while True:
            yield self._env.timeout(period_ms)
            self._advance(int(self._env.now))
            paging.let_go(self._paged)
            if self._progress is not None:
                self._progress(min(1.0, self._env.now / self.setting.window_ms))

    def _strike(self, plan: list[Event]) -> Generator[simpy.Event, None, None]:
        """Let machines go out of service and come back, before policies look at that instant."""
        # all are set now: at one instant SimPy goes by the order in which timeouts were set
        clocks = [self._env.timeout(event.at_ms) if event.at_ms else None for event in plan]
        for clock, event in zip(clocks, plan, strict=True):
            if clock is not None:
                yield clock
            self._advance(event.at_ms)
            self._make_room()  # jobs that are set back wait
            self._room(int(self._scalars["n_alive"]) + len(event.machines))
            if self._hosting is not None and event.operation == C_FAIL:
                cut = self._hosting.cut(self.world, event.machines)
                targets = indices([self._hosting.end(replica) for replica in cut.tolist()])
                self._control(C_HOLD, cut, targets, flag=True)
            self._control(event.operation, event.machines)

    def _wake(self, group: list[Policy], period_ms: int) -> Generator[simpy.Event, None, None]:
        """Wake the policies of one period together: all see the same snapshot."""
        memories = [policy.first_memory() for policy in group]
        services = self.setting.services
        truth = None if services is None else Truth.of(services)
        sight = Sight(self.setting, self.world, self._roster)
        oracles = [getattr(policy, "oracle", False) for policy in group]
        packs = [getattr(policy, "packs", False) for policy in group]
        shifts = [getattr(policy, "shifts", False) for policy in group]
        shifting = self._shifts if any(shifts) else None
        shadows = [Shadow(p.kind) if getattr(p, "preview", False) else None for p in group]
        self._shadows += [shadow for shadow in shadows if shadow is not None]
        while True:
            self._advance(int(self._env.now))
            snapshot = sight.look(self._book)
            decided: list[Action] = []
            for i, policy in enumerate(group):
                seen = replace(snapshot, forecast=truth) if oracles[i] else snapshot
                if packs[i] and self._hosting is not None:
                    view = self._hosting.view(self.world, snapshot.now_ms, ahead=oracles[i])
                    seen = replace(seen, databases=view)
                if shifts[i] and shifting is not None:
                    seen = shifting.shown(self._book, self._jobs, seen, truth=oracles[i])
                shadow = shadows[i]
                if shadow is None:
                    actions, memories[i] = policy.decide(seen, memories[i])
                    decided += actions
                else:
                    actions, memories[i] = policy.decide(shadow.seen(seen), memories[i])
                    shadow.obey(actions)
            for action in decided:
                self._apply(action)
            if decided and not all(isinstance(action, SHIFTS) for action in decided):
                self._control(C_RETRY)
            if shifting is not None:
                self._env.process(Simulation._shift(self, shifting, period_ms))
            yield self._env.timeout(period_ms)

    def _control(
        self,
        op: int,
        who: IntArray = NOBODY,
        first: IntArray = NOBODY,
        second: IntArray = NOBODY,
        *,
        x: int = 0,
        y: int = 0,
        share: float = 1.0,
        flag: bool = False,
    ) -> None:
        """Let the kernel carry out what is rare."""
        control(self._book, self._jobs, op, who, first, second, x, y, share, flag, NOTHING)

    def _apply(self, action: Action) -> None:
        """Carry one action out."""
        match action:
            case Scale():
                self._scale(action)
            case Power():
                who = indices(action.machines)
                self._room(action.moves_max + len(who))
                self._control(C_POWER, who, x=_TARGETS[action.to], y=action.moves_max)
            case Lend():
                self._room(int(self._scalars["n_alive"]))
                until_ms = INF if action.until_ms == NONE else action.until_ms
                self._control(C_LEND, indices(action.machines), x=action.drain_ms, y=until_ms)
            case Recall():
                who = indices(action.machines)
                self._room(len(who))
                self._control(C_RECALL, who, x=action.grace_ms, y=action.warm_ms)
            case BatchLimit():
                self._limit(action)
            case Move():
                self._move(action)
            case Compress() if self._hosting is not None:
                self._control(C_MOVE)
                self._hosting.compress(self.world, action)
                self._control(C_MOVE)
            case Hold() | Release() | Suspend() | Resume() if self._shifts is not None:
                self._shifts.note(action)  # carried out when it is due
            case _:
                message = f"the engine cannot carry out {type(action).__name__} yet"
                raise InternalError(message)

    def _scale(self, action: Scale, *, at_once: bool = False) -> None:
        """Carry a scale out; each replica that is kept without traffic has a timer."""
        terms_ms = indices([action.cutoff_ms, action.standby_ms, action.warm_ms])
        self._room(int(action.replicas.sum()) + int(self._scalars["n_alive"]))
        services, wanted = indices(action.services), indices(action.replicas)
        self._control(C_SCALE, services, wanted, terms_ms, flag=at_once)

    def _limit(self, action: BatchLimit) -> None:
        """Carry a limit out; evicted jobs need room to wait."""
        if action.evict:
            self._make_room()
        longest_ms = INF if action.job_ms_max == NONE else action.job_ms_max
        self._control(
            C_LIMIT,
            indices(action.machines),
            indices(action.cpu_m),
            indices(action.memory_mib),
            x=longest_ms,
            share=float(action.use_share),
            flag=action.evict,
        )

    def _move(self, action: Move) -> None:
        """Begin to copy replicas of databases; those without room are refused."""
        hosting, me = self._hosting, weakref.proxy(self)
        for replica, machine in zip(action.replicas.tolist(), action.to.tolist(), strict=True):
            if hosting is None or not hosting.accepts(self.world, replica, machine):
                self.world.w["n_rejected"] += 1
                continue
            self._control(C_HOLD, indices([replica]), indices([machine]))
            done_ms = hosting.begin(self.world, replica, machine, int(self._env.now))
            self._env.process(Simulation._copy(me, hosting, replica, done_ms))

    def _copy(
        self, hosting: Hosting, replica: int, done_ms: int
    ) -> Generator[simpy.Event, None, None]:
        """Let a replica serve from its new machine once it has been copied."""
        yield self._env.timeout(done_ms - int(self._env.now))
        if hosting.due_ms[replica] != done_ms:
            return  # a machine at either end went out
        self._advance(done_ms)
        joules = hosting.copied_mib(replica) * float(self.world.w["move_j_per_mib"][0])
        self._control(C_MOVE, indices([replica]), indices([hosting.end(replica)]), share=joules)

    def _shift(self, shifts: Shifts, period_ms: int) -> Generator[simpy.Event, None, None]:
        """Release and suspend jobs as decided until the next wake, the overdue at once."""
        next_ms = int(self._env.now) + period_ms
        for at_ms, suspended, released in shifts.until(self.world, next_ms):
            yield self._env.timeout(at_ms - int(self._env.now))
            self._advance(at_ms)
            self._make_room()
            self._control(C_SHIFT, suspended, released)

    def finish(self) -> Simulation:
        """Run the window and, unless cut, until all admitted work has finished."""
        window_ms = self.setting.window_ms
        self._env.run(until=window_ms)
        self._advance(window_ms, closing=True)
        end_ms = window_ms
        limit_ms = window_ms * (1 + DRAIN_LIMIT_WINDOWS) + MS_PER_DAY
        while self.setting.end == "drain" and self._open_jobs() and end_ms < limit_ms:
            end_ms += STEP_MS
            self._env.run(until=end_ms)
            self._advance(end_ms, closing=True)
        self.end_ms = end_ms
        return self

    def extend(self, end_ms: int) -> Simulation:
        """Go on to `end_ms`, services held at their last level, so that two runs compare."""
        if end_ms > self.end_ms:
            self._env.run(until=end_ms)
            self._advance(end_ms, closing=True)
            self.end_ms = end_ms
        return self

    def _open_jobs(self) -> int:
        """Return how many jobs wait or run."""
        w = self._scalars
        return int(w["n_waiting"]) + int(w["n_running"]) + int(w["n_held"])

    def databases_seen(self, *, ahead: bool = False) -> DatabaseView:
        """Return what a policy sees of the databases now; there have to be some."""
        assert self._hosting is not None
        return self._hosting.view(self.world, int(self._env.now), ahead=ahead)

    def result(self) -> RunResult:
        """Return what was measured until now."""
        found = collect(self.setting, self.world, self._book, self._jobs, self.end_ms)
        return replace(found, previews=tuple(shadow.result() for shadow in self._shadows))


def _largest_first(services: Services, mach: NDArray[Any]) -> IntArray:
    """Return the services by the dominant share of the largest machine, largest first.

    First-fit and best-fit *decreasing* pack with far fewer machines than in any other order.
    """
    share = services.replica_gpu_m / max(1, int(mach["n_gpus"].max()) * 1000)
    for size, capacity in (("replica_cpu_m", "cpu_m"), ("replica_memory_mib", "memory_mib")):
        share = np.maximum(share, getattr(services, size) / max(1, int(mach[capacity].max())))
    return np.argsort(-share, kind="stable").astype(np.int64)


def simulate(setting: Setting, progress: Callable[[float], None] | None = None) -> RunResult:
    """Run a setting to its end."""
    return Simulation(setting, progress).finish().result()
