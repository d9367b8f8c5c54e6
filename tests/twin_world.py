"""The twin's service side and its run: replicas, actions, and what happens at one instant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched.model import (
    DRAIN,
    DRAINING,
    LENT,
    NONE,
    OFF,
    ON,
    OUT,
    OWN,
    RECALL,
    SLEEPING,
    WARM,
    Action,
    BatchLimit,
    Lend,
    Power,
    Recall,
    Scale,
    Setting,
)
from tests import twin_build as build
from tests.twin import STEP_MS, Machine
from tests.twin_outages import plan
from tests.twin_shifting import Shifting, is_shift, latest_ms

if TYPE_CHECKING:
    from collections.abc import Generator

    import simpy


class World(Shifting):
    """One run of a setting; `run()` brings it to its end."""

    def __init__(self, setting: Setting) -> None:
        """Build machines, services and jobs, and place the first replicas."""
        super().__init__()
        self.setting, self.plan = setting, plan(setting)
        self.machines = build.machines(setting)
        self.services = build.services(setting)
        self.jobs = build.jobs(setting)
        for job in self.jobs:
            job.latest_ms = latest_ms(setting, job)
        self.on_peak = sum(m.state == ON for m in self.machines)
        for m in self.machines:
            self.file(m)
        table = setting.services
        wanted = table.replicas if setting.replicas is None and table else setting.replicas
        for s in sorted(self.services, key=self.size, reverse=True):  # the largest first
            assert wanted is not None
            self.scale(s, max(1, int(wanted[s.row])), at_once=True)

    # ---- actions ---------------------------------------------------------------------------

    def act(self, action: Action) -> None:
        """Carry an action out."""
        match action:
            case Scale():
                for row, n in zip(action.services, action.replicas, strict=True):
                    s = self.services[row]
                    s.keep_ms, s.warm_ms = action.standby_ms, action.warm_ms
                    self.scale(s, int(n), at_once=False, cutoff_ms=action.cutoff_ms)
            case Power():
                self.power(action)
            case Lend():
                for m in (self.machines[number] for number in action.machines):
                    self.lend(m, action)
            case Recall():
                for number in action.machines:
                    self.recall(self.machines[number], action)
            case BatchLimit():
                for number, cpu_m, memory_mib in zip(
                    action.machines, action.cpu_m, action.memory_mib, strict=True
                ):
                    self.limit(self.machines[number], int(cpu_m), int(memory_mib), action)
            case _:
                raise TypeError(action)

    def power(self, action: Power) -> None:
        """Switch machines."""
        left = action.moves_max
        to = SLEEPING if action.to == "sleep" else OFF
        for number in action.machines:
            m = self.machines[number]
            if action.to == "on":
                self.counts["rejected"] += not self.wake(m)
            elif m.state == to or (m.state == DRAINING and m.sleep_to == to):
                continue  # it is so, or will be
            elif m.state != ON or m.lending != OWN:
                self.counts["rejected"] += 1
            else:
                left -= self.rest(m, to, left)

    def wake(self, m: Machine) -> bool:
        """Begin to switch a machine on; say whether that could be."""
        if m.state == DRAINING:
            m.state = ON
            m.generation += 1
            self.file(m)
            self.look_for_replicas = True
            return True
        if m.surplus or m.state not in {SLEEPING, OFF}:
            return not m.surplus and m.state != OUT  # else it is on, or on its way
        self.boot(m, m.kind.wake_ms if m.state == SLEEPING else m.kind.boot_ms)
        return True

    def rest(self, m: Machine, to: int, moves_max: int) -> int:
        """Begin to empty machine m; return the moves begun."""
        self.clear(m)
        m.state, m.sleep_to = DRAINING, to
        m.generation += 1
        self.file(m)
        moves = 0
        for r in list(m.replicas):
            if r.state == "online" and r.twin is not None:
                continue
            if r.state != "online" or moves >= moves_max or not self.move(r):
                m.state = ON
                self.file(m)
                return moves
            moves += 1
        self.rest_if_empty(m)
        return moves

    def rest_if_empty(self, m: Machine) -> None:
        """Let a drained machine rest."""
        if m.state == DRAINING and not m.replicas and not m.tasks:
            m.state = m.sleep_to
            m.generation += 1
            self.counts["power_cycles"] += 1
            self.file(m)

    def may_lend(self, m: Machine, action: Lend) -> bool:
        """Note when a machine is expected back; say whether it is one to be lent now."""
        again = m.lending in {DRAIN, LENT}
        if not again and (m.state != ON or m.lending != OWN or m.surplus):
            self.counts["rejected"] += 1
            return False
        m.stay_until_ms = float("inf") if action.until_ms == NONE else action.until_ms
        return not again

    def lend(self, m: Machine, action: Lend) -> None:
        """Give a machine to batch; its replicas go to standby."""
        if not self.may_lend(m, action):
            return
        self.clear(m)
        m.lending = DRAIN
        self.file(m)
        for r in list(m.replicas):
            if r.state == "online":
                if r.twin is not None:
                    self.drop(r.twin)
                    r.twin = None
                m.take(r.devices, -r.service.gpu_m)
                r.state = "standby"
            elif r.state == "starting":
                self.drop(r)
                r.service.pending += 1
                while r.service.pending and self.add(r.service, at_once=False):
                    r.service.pending -= 1
            elif r.state == "arriving":
                self.undo_move(r)

        def lent() -> None:
            m.lending = LENT
            self.file(m)
            self.look_again = True

        self.later(m, action.drain_ms, lent)

    def recall(self, m: Machine, action: Recall) -> None:
        """Take a lent machine back."""
        if m.lending not in {LENT, DRAIN}:
            self.counts["rejected"] += 1
            return
        m.limit_cpu_m, m.warm_ms = 0, action.warm_ms
        if not m.tasks:
            self.warm(m)
            return
        m.lending = RECALL

        def due() -> None:
            while self.evict_cheapest(m):
                pass
            if not m.tasks:
                self.warm(m)

        self.later(m, action.grace_ms, due)

    def warm(self, m: Machine) -> None:
        """Let a machine's replicas come back."""
        m.lending = WARM

        def home() -> None:
            m.lending = OWN
            for r in m.replicas:
                if r.state == "standby":
                    r.devices = m.devices(r.service.gpu_m) or []
                    m.take(r.devices, r.service.gpu_m)
                    r.state = "online"
            self.file(m)
            self.look_again = self.look_for_replicas = True

        self.look_again = True
        self.later(m, m.warm_ms, home)

    def limit(self, m: Machine, cpu_m: int, memory_mib: int, action: BatchLimit) -> None:
        """Set what batch may have of a machine."""
        m.limit_cpu_m, m.limit_memory_mib, m.use_share = cpu_m, memory_mib, action.use_share
        m.stay_ms_max = float("inf") if action.job_ms_max == NONE else action.job_ms_max
        self.file(m)
        while (
            action.evict
            and m.lending == OWN
            and (
                sum(t.cpu_m for t in m.tasks) > m.batch_limit_cpu_m()
                or m.batch_memory_mib() > m.batch_limit_memory_mib()
            )
        ):
            if not self.evict_cheapest(m):
                break

    # ---- the run ---------------------------------------------------------------------------

    def run(self) -> World:
        """Bring the world to its end: the window's, or that of all jobs that were admitted."""
        window_ms = self.setting.window_ms
        self.env.process(self.life())
        end_ms = window_ms
        self.env.run(until=end_ms + 1)
        limit_ms = 5 * window_ms + 86_400_000
        while self.setting.end == "drain" and self.open_jobs() and end_ms < limit_ms:
            end_ms += STEP_MS
            self.env.run(until=end_ms + 1)
        self.end_ms = end_ms
        for job in self.jobs:
            if job.held and job.start_ms == NONE:
                job.held_ms = end_ms - job.submit_ms
        return self

    def open_jobs(self) -> int:
        """Return how many jobs wait or run."""
        running = sum(bool(j.tasks) or j.held for j in self.jobs)
        return running + sum(len(lane.jobs) for lane in self.lanes)

    def life(self) -> Generator[simpy.Event, None, None]:
        """Go from event to event."""
        policies: tuple[Any, ...] = self.setting.policies  # that do what a script says
        script = {at_ms: told for p in policies for at_ms, told in p.script}
        to_come = [j for j in self.jobs if j.submit_ms < self.setting.window_ms]
        while True:
            self.strike()
            told = script.pop(self.now, ())
            for action in told:
                if not is_shift(action):
                    self.act(action)
                    self.look_again = True
            self.plan_ahead(told)
            self.shift()
            self.events()
            self.place_or_start()
            while to_come and to_come[0].submit_ms == self.now:
                self.arrive(to_come.pop(0))
                self.place_or_start()
            beyond_ms = max(0, self.now - self.setting.window_ms + STEP_MS) // STEP_MS * STEP_MS
            end_ms = self.setting.window_ms + beyond_ms  # the end may be here
            more = [end_ms, *script, *(j.submit_ms for j in to_come[:1])]
            more += [at_ms for at_ms, _ in self.plan]
            more += [one[0] for one in self.due] + [self.wake_ms] * (self.wake_ms < float("inf"))
            yield from self.sleep_until(self.next_ms(*more))

    def events(self) -> None:
        """Load first, then jobs that end, then timers in the order they were set."""
        for s in self.services:
            s.load_m = float(s.load[min(self.now // s.step_ms, len(s.load) - 1)])
        while True:
            due = [
                m for m in self.machines if any(t.done >= t.job.duration_ms << 20 for t in m.tasks)
            ]
            rings = sorted((at, n) for at, n, _ in self.timers if at <= self.now)
            if due:
                self.finish(due[0])
            elif rings:
                at = next(i for i, t in enumerate(self.timers) if t[1] == rings[0][1])
                self.timers.pop(at)[2]()
            else:
                return

    def place_or_start(self) -> None:
        """Place replicas that found no room, then start waiting jobs, until nothing changes."""
        while self.look_again or self.look_for_replicas:
            while self.look_for_replicas:
                self.look_for_replicas = False
                self.place_pending()
            self.look_again = False
            for lane in self.lanes:
                self.dispatch(lane)
            self.events()  # who goes on may have nothing left to do
