"""The twin's outages: machines that fail or are maintained, and what was on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.model import BOOTING, DRAINING, LEAVING, OFF, ON, OUT, OWN, SLEEPING
from tests.twin_standby import Standby

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.model import Setting
    from tests.twin import Machine
    from tests.twin_replicas import Replica

RETURN, LEAVE, FAIL = range(3)  # in the order in which they happen at one instant


def plan(setting: Setting) -> dict[tuple[int, int], list[int]]:
    """Return the machines of each event, by time and kind."""
    told: dict[tuple[int, int], list[int]] = {}
    table = setting.outages
    if table is None:
        return told
    columns = (table.machine, table.leave_ms, table.from_ms, table.until_ms)
    for number, leave_ms, from_ms, until_ms in zip(*(c.tolist() for c in columns), strict=True):
        told.setdefault((until_ms, RETURN), []).append(number)
        told.setdefault((from_ms, FAIL), []).append(number)
        if leave_ms < from_ms:
            told.setdefault((leave_ms, LEAVE), []).append(number)
    return told


class Outages(Standby):
    """Machines that go out of service and come back."""

    def __init__(self) -> None:
        """Begin with all in service."""
        super().__init__()
        self.plan: dict[tuple[int, int], list[int]] = {}
        self.on_peak = self.out_peak = 0
        self.lost = {"outages": 0, "replicas_lost": 0, "jobs_lost": 0}
        self.lost_work = 0  # [millicore-milliseconds]

    def strike(self) -> None:
        """Carry out what happens to machines at this instant."""
        for kind, act in ((RETURN, self.come_back), (LEAVE, self.announce), (FAIL, self.fail)):
            numbers = self.plan.pop((self.now, kind), [])
            machines = [self.machines[n] for n in sorted(numbers)]
            act([m for m in machines if not m.surplus])

    def announce(self, machines: list[Machine]) -> None:
        """Announce an outage."""
        for m in machines:
            if m.state in {ON, DRAINING}:
                self.clear(m)
                m.returns = m.state == ON
                m.state, m.told = LEAVING, True
                self.file(m)
                self.look_again = True
            elif m.state not in {OUT, LEAVING}:
                self.go_out(m)
        for m in machines:
            for r in list(m.replicas) if m.state == LEAVING else []:
                if r.state == "online" and r.twin is None:
                    self.move(r)
                elif r.state in {"starting", "arriving"}:
                    self.lose(r)

    def fail(self, machines: list[Machine]) -> None:
        """Stop machines, all at once, and take away what ran on them."""
        for m in machines:
            if m.state != OUT:
                self.clear(m)
                self.go_out(m)
        for m in machines:
            for r in list(m.replicas):
                self.lost["replicas_lost"] += r.state != "arriving"
                self.lose(r)
            self.graceful = m.told
            while m.tasks:
                task = m.tasks[0]
                before = task.job.wasted_ms
                self.evict(task)
                self.lost["jobs_lost"] += 1
                self.lost_work += (task.job.wasted_ms - before) * task.cpu_m
            self.graceful = False

    def go_out(self, m: Machine) -> None:
        """Put a machine out of service."""
        if m.state != LEAVING:
            m.returns = m.state in {ON, BOOTING}
        m.state, m.lending = OUT, OWN
        m.limit_cpu_m, m.limit_memory_mib, m.use_share = 0, 0, 1.0
        m.stay_ms_max = float("inf")
        m.generation += 1
        self.lost["outages"] += 1
        self.out_peak = max(self.out_peak, sum(o.state == OUT for o in self.machines))
        self.file(m)
        self.look_again = True

    def lose(self, r: Replica) -> None:
        """Take a replica away; one that serves, starts or stands by is wanted anew."""
        if r.state == "arriving":
            self.undo_move(r)
            return
        self.drop(r)
        r.service.pending += 1

    def come_back(self, machines: list[Machine]) -> None:
        """Let machines be used again."""
        for m in machines:
            m.state, m.told = OFF, False
            m.generation += 1
            if m.returns:
                self.boot(m, m.kind.boot_ms)
            self.file(m)
            self.look_again = True

    def boot(self, m: Machine, took_ms: int) -> None:
        """Switch a machine on."""
        m.state = BOOTING
        on = sum(o.state not in {OFF, SLEEPING, OUT} for o in self.machines)
        self.on_peak = max(self.on_peak, on)

        def booted() -> None:
            m.state = ON
            self.file(m)
            self.look_again = self.look_for_replicas = True

        self.later(m, took_ms, booted)

    def later(self, m: Machine, after_ms: int, act: Callable[[], None]) -> None:
        """Let `act` happen to machine m unless it has changed its state before."""
        m.generation += 1
        self.file(m)
        meant = m.generation
        self.timer(after_ms, lambda: act() if m.generation == meant else None)

    def undo_move(self, twin: Replica) -> None:
        """Drop a twin that arrives; a machine that was to be emptied keeps what it has."""
        source = twin.twin
        assert source is not None
        source.twin = None
        self.drop(twin)
        if source.machine.state == DRAINING:
            self.wake(source.machine)

    def wake(self, m: Machine) -> bool:
        """Begin to switch a machine on; say whether that could be."""
        raise NotImplementedError
