"""The twin's replicas without traffic: cut off, on standby, back again, deleted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from greensched.model import DRAINING, ON, OWN
from tests.twin_services import Services

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.twin import Machine
    from tests.twin_replicas import Replica, Service


class Standby(Services):
    """Services that get more replicas, or can do without some."""

    def place_pending(self) -> None:
        """Place wanted replicas that found no room before."""
        for s in self.services:
            while s.pending and self.one_more(s, at_once=False):
                s.pending -= 1

    def scale(self, s: Service, wanted: int, *, at_once: bool, cutoff_ms: int = 0) -> None:
        """Bring a service to the wanted number of replicas."""
        present = s.count("online") + s.count("starting") + s.pending
        room = True
        for _ in range(wanted - present):
            room = room and self.one_more(s, at_once=at_once)
            s.pending += not room
        for _ in range(present - wanted):
            if s.pending:
                s.pending -= 1
            else:
                able = [r for r in s.replicas if r.state in {"starting", "online"}]
                self.give_up(min(able, key=_worth), cutoff_ms)

    def one_more(self, s: Service, *, at_once: bool) -> bool:
        """Let a replica without traffic serve again, that on the fullest machine, or add one."""
        cut = [r for r in s.replicas if r.state == "cutoff"]
        able = cut or [r for r in s.replicas if r.state == "standby" and _has_room(r)]
        if not able:
            return self.add(s, at_once=at_once)
        r = max(able, key=lambda r: (r.machine.reserved_cpu_m(), -r.number))
        if r.state == "standby":
            r.devices = r.machine.devices(s.gpu_m) or []
            r.machine.take(r.devices, s.gpu_m)
        if r.state == "standby" and s.warm_ms:
            self.turn(r, "starting", s.warm_ms, lambda: self.turn(r, "online"))
        else:
            self.turn(r, "online")
        return True

    def turn(
        self, r: Replica, state: str, after_ms: int = 0, act: Callable[[], None] | None = None
    ) -> None:
        """Let a replica be in another state; unless that changes `act` happens later."""
        r.state, r.turns = state, r.turns + 1
        turns = r.turns
        if act is not None:
            self.timer(after_ms, lambda: act() if not r.gone and r.turns == turns else None)
        self.file(r.machine)

    def give_up(self, r: Replica, cutoff_ms: int) -> None:
        """Begin to do without a replica that serves and stays; drop any other."""
        moves = r.twin is not None or r.machine.state != ON
        if r.state != "online" or moves or cutoff_ms + r.service.keep_ms == 0:
            self.drop(r)
        elif cutoff_ms:
            self.turn(r, "cutoff", cutoff_ms, lambda: self.stand_by(r))
        else:
            self.stand_by(r)

    def stand_by(self, r: Replica) -> None:
        """Let a replica stand by for a while, or drop it at once."""
        if not r.service.keep_ms:
            self.drop(r)
            return
        r.machine.take(r.devices, -r.service.gpu_m)
        self.turn(r, "standby", r.service.keep_ms, lambda: self.drop(r))
        self.look_again = self.look_for_replicas = True

    def clear(self, m: Machine) -> None:
        """Drop what has no traffic on a machine that is to be empty, unless it is lent."""
        idle = {"cutoff", "standby"} if m.lending == OWN else {"cutoff"}
        for r in [r for r in m.replicas if r.state in idle]:
            self.drop(r)


def _worth(r: Replica) -> tuple[int, int]:
    """Return the order in which replicas go: starting ones, then from the emptiest machine."""
    if r.state == "starting":
        return (-1, r.number)
    if r.machine.state == DRAINING:
        return (0, r.number)
    return (1 + r.machine.reserved_cpu_m(), r.number)


def _has_room(r: Replica) -> bool:
    """Say whether a replica on standby finds what it gave back on its machine."""
    s = r.service
    more = SimpleNamespace(cpu_m=s.cpu_m, memory_mib=s.memory_mib - r.memory_mib(), gpu_m=s.gpu_m)
    return r.machine.lending == OWN and r.machine.fits(more, online=True)
