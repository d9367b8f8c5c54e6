"""Databases packed by night: peaks of sums, a move budget, compression, machines switched off.

Each night one plan is made from the record of the last days (`greensched.policies.packing` and
`repacking`) and carried out until the night ends: machines that it needs are switched on, what
has room moves, machines that are empty are switched off. By day nothing is moved or switched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.model import (
    LEAVING,
    NONE,
    OFF,
    ON,
    OUT,
    SLEEPING,
    Compress,
    Databases,
    Move,
)
from greensched.policies.machines import power_actions
from greensched.policies.memory import frozen
from greensched.policies.packing import (
    Case,
    Packing,
    Room,
    Terms,
    best_fit,
    case_of,
    collapsed,
    machines_used,
    unplaced,
)
from greensched.policies.repacking import repack
from greensched.policies.settings import check
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_MIN

if TYPE_CHECKING:
    from greensched.model import Action, BoolArray, DatabaseView, IntArray, Power, Snapshot

KEPT_ABOUT: Final = 1e-3  # a share of disk is what was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """The night that was planned last, and its plan: a machine for each replica, or nothing."""

    begin_ms: int
    plan: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Consolidation:
    """Settings; shares of machines and databases as in `Terms`.

    `days` of the record are planned on, the largest use in each `step_ms`. Of all replicas
    `moves_share` move in a night, and `moves_first_share` in the first, which makes the plan that
    the others keep.
    """

    period_ms: int = 30 * MS_PER_MIN
    start_ms: int = MS_PER_H  # of the night, local time of day
    end_ms: int = 5 * MS_PER_H
    days: int = 14
    step_ms: int = 5 * MS_PER_MIN
    moves_share: float = 0.02
    moves_first_share: float = 1.0
    cpu_headroom_share: float = 0.30
    disk_headroom_share: float = 0.20
    isolation_share: float = 0.05
    compression_share: float = 0.70
    compression_cpu_share: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what cannot be; raises UsageError."""
        shares = [name for name in self.__slots__ if name.endswith("_share")]
        positive = ("period_ms", "days", "step_ms")
        check(self, shares=shares, positive=positive, natural=("start_ms", "end_ms"))

    @property
    def kind(self) -> str:
        """Return the registered name."""
        return "consolidation"

    @property
    def packs(self) -> bool:
        """Say that it wants to see databases."""
        return True

    @property
    def terms(self) -> Terms:
        """Return what packing costs and keeps free."""
        return Terms(**{name: getattr(self, name) for name in Terms.__slots__})

    def first_memory(self) -> Night:
        """Return the memory before the first wake."""
        return Night(begin_ms=NONE, plan=frozen(np.empty(0, np.int64)))

    def decide(self, snapshot: Snapshot, memory: Night) -> tuple[tuple[Action, ...], Night]:
        """Return what to do now and which plan is being carried out."""
        view = snapshot.databases
        since_ms = (snapshot.time_of_day_ms - self.start_ms) % MS_PER_DAY
        if view is None or since_ms >= (self.end_ms - self.start_ms) % MS_PER_DAY:
            return (), memory
        begin_ms, at = snapshot.now_ms - since_ms, _rows(view, view.machine)
        planned = begin_ms == memory.begin_ms and len(memory.plan) == len(at)
        if planned and bool((memory.plan == at).all()):
            return _switched(view, snapshot, memory.plan), memory
        case = self._case(view)
        if case is None:
            return (), memory
        if not planned:
            plan = np.where(view.to == NONE, at, _rows(view, view.to))
            case = replace(case, closed=_is_out(view, snapshot))
            plan = self._planned(case, plan, self._budget(memory.plan, at))
            memory = Night(begin_ms=begin_ms, plan=frozen(plan))
        return (
            *self._compressed(view),
            *_moves(case, view, snapshot, memory.plan),
            *_switched(view, snapshot, memory.plan),
        ), memory

    def _budget(self, before: IntArray, at: IntArray) -> int:
        """Return how many replicas may move tonight: at least what the plan before left undone."""
        if len(before) != len(at):
            return _up(self.moves_first_share * len(at))
        return max(_up(self.moves_share * len(at)), int((before != at).sum()))

    def first_plan(self, view: DatabaseView) -> IntArray | None:
        """Return the plan from nothing, in rows of the view's machines; None: nothing is known."""
        case = self._case(view)
        if case is None:
            return None
        return self._planned(case, np.full(len(case), NONE, np.int64), len(case))

    def _case(self, view: DatabaseView) -> Case | None:
        """Return what has to find room; None while too little is known."""
        width = max(1, self.step_ms // view.step_ms)
        steps = min(self.days * MS_PER_DAY // view.step_ms, view.cpu_m.shape[1]) // width
        if steps * width * view.step_ms < self._least_ms:
            return None
        known = self._known(steps * width)
        databases = Databases(
            names=("",) * len(view.memory_mib),
            start_ms=0,
            step_ms=width * view.step_ms,
            cpu_m=_largest(view.cpu_m[:, known], width),
            iops=_largest(view.iops[:, known], width),
            memory_mib=view.memory_mib,
            disk_gib=view.disk_gib,
            replicas=np.bincount(view.database, minlength=len(view.memory_mib)),
            apart=view.apart,
        )
        room = Room(
            cpu_m=view.machine_cpu_m,
            iops=view.machine_iops,
            memory_mib=view.machine_memory_mib,
            disk_gib=view.machine_disk_gib,
            rack=view.rack,
            site=view.site,
        )
        return case_of(databases, room, self.terms)

    @property
    def _least_ms(self) -> int:
        """Return how long a record a plan needs."""
        return MS_PER_DAY

    def _known(self, steps: int) -> slice:
        """Return the part of the record that is planned on: its end."""
        return slice(-steps, None)

    def _planned(self, case: Case, plan: IntArray, moves_max: int) -> IntArray:
        """Return the plan of a night that begins with `plan`, in rows of the view's machines."""
        kept = repack(case, plan, moves_max)
        if moves_max < len(case):
            return kept
        stays = np.where((plan != NONE) & case.closed[plan], plan, NONE)
        anew = repack(case, best_fit(case, stays))
        return min(
            kept, anew, key=lambda p: (unplaced(p), machines_used(p), int((p != plan).sum()))
        )

    def _compressed(self, view: DatabaseView) -> tuple[Compress, ...]:
        """Return what is still to be compressed."""
        kept = 1.0 - self.compression_share
        rows = np.flatnonzero(np.abs(view.kept_disk_share - kept) > KEPT_ABOUT)
        if not rows.size:
            return ()
        share, cpu_share = self.compression_share, self.compression_cpu_share
        return (Compress(databases=frozen(rows), disk_share=share, cpu_share=cpu_share),)


class ConsolidationOracle(Consolidation):
    """The same given the true use to come: what perfect foresight would be worth."""

    @property
    def kind(self) -> str:
        """Return the registered name."""
        return "consolidation-oracle"

    @property
    def oracle(self) -> bool:
        """Say that it is shown the future; nothing can be deployed with it."""
        return True

    @property
    def _least_ms(self) -> int:
        """Return how long a record a plan needs: any."""
        return 1

    def _known(self, steps: int) -> slice:
        """Return the part of what comes that is planned on: its beginning."""
        return slice(None, steps)


class ConsolidationPeaks(Consolidation):
    """The same by sums of peaks, as packers without a time axis do: the rival."""

    @property
    def kind(self) -> str:
        """Return the registered name."""
        return "consolidation-peaks"

    def _planned(self, case: Case, plan: IntArray, moves_max: int) -> IntArray:
        """Return the plan of a night, every resource's peak standing for all steps."""
        return repack(collapsed(case), plan, moves_max)


def _up(moves: float) -> int:
    """Return moves rounded up, but for what a product of floats is too large by."""
    return math.ceil(round(moves, 6))


def _largest(use: IntArray, width: int) -> IntArray:
    """Return the largest of each `width` steps."""
    largest: IntArray = use.reshape(len(use), use.shape[1] // width, width).max(axis=2)
    return largest


def _rows(view: DatabaseView, machines: IntArray) -> IntArray:
    """Return rows of the view's machines for numbers in the fleet; NONE stays."""
    rows = np.searchsorted(view.machines, machines)
    return np.where(machines == NONE, NONE, rows)


def _is_out(view: DatabaseView, snapshot: Snapshot) -> BoolArray:
    """Say which of the view's machines have failed or are under maintenance, or soon will be."""
    state = snapshot.machines.state[view.machines]
    out: BoolArray = (state == OUT) | (state == LEAVING)
    return out


def _moves(case: Case, view: DatabaseView, snapshot: Snapshot, plan: IntArray) -> tuple[Move, ...]:
    """Return the moves towards `plan` that have room now, the largest first.

    What moves counts at both ends, all of it, until it has arrived.
    """
    at, to = _rows(view, view.machine), _rows(view, view.to)
    wanted = (plan != NONE) & (plan != at) & (to == NONE)
    wanted &= (at == NONE) | ~_is_out(view, snapshot)[at]
    if not wanted.any():
        return ()
    state = snapshot.machines.state[view.machines]
    left = Packing(case, at).left
    for replica in np.flatnonzero(to != NONE):
        left[to[replica]] -= case.need[case.database[replica]]
    chosen = []
    rows = np.flatnonzero(wanted)
    for replica in rows[np.argsort(-case.size[case.database[rows]], kind="stable")].tolist():
        machine, database = int(plan[replica]), int(case.database[replica])
        if state[machine] != ON or (left[machine] < case.need[database]).any():
            continue
        others = case.database == database
        others[replica] = False
        held = np.concatenate([at[others], to[others]])
        group = case.group[case.apart[database]]
        if (group[held[held != NONE]] == group[machine]).any():
            continue
        left[machine] -= case.need[database]
        to[replica] = machine
        chosen.append(replica)
    if not chosen:
        return ()
    found = np.array(chosen, np.int64)
    return (Move(replicas=frozen(found), to=frozen(view.machines[plan[found]])),)


def _switched(view: DatabaseView, snapshot: Snapshot, plan: IntArray) -> tuple[Power, ...]:
    """Return which machines to switch on for `plan`, and off as nothing is or goes there."""
    state = snapshot.machines.state[view.machines]
    holds = np.zeros(len(view.machines), np.bool_)
    for used in (plan, _rows(view, view.machine), _rows(view, view.to)):
        holds[used[used != NONE]] = True
    wake = np.flatnonzero(holds & ((state == OFF) | (state == SLEEPING)))
    rest = np.flatnonzero(~holds & (state == ON))
    return (
        *power_actions(view.machines[wake], "on"),
        *power_actions(view.machines[rest], "off"),
    )
