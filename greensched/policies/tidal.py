"""Tidal scheduling by a timetable: whole machines serve by day and run batch by night."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import Finding
from greensched.model import (
    DRAINING,
    NONE,
    ON,
    OWN,
    RECALL,
    STANDBY_SHARE,
    WARM,
    Lend,
    Recall,
)
from greensched.policies.batch import SPARE_SHARE, to_rest, wake_for_queue
from greensched.policies.lending import on_loan, spare_in_racks, within
from greensched.policies.machines import (
    ANY,
    BATCH,
    NOTHING,
    ONLINE,
    ours,
    power_actions,
    to_wake,
)
from greensched.policies.memory import changed, frozen
from greensched.policies.settings import check
from greensched.units import MS_PER_DAY

if TYPE_CHECKING:
    from greensched.model import Action, BoolArray, IntArray, Snapshot

REST_PERIOD_MS = 300_000  # between two choices of batch machines to rest
LENT_SHARE_MAX = 0.7  # of the machines that serve


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TidalMemory:
    """Whether a recall broke this window, and when we last lent and rested."""

    broken: bool = False
    tried_ms: int = NONE
    rested_ms: int = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class TidalTimetable:
    """Lend a share of the machines that serve from `start_ms` to `end_ms`, local time of day.

    Lending begins at the window's start (machines drain for `drain_ms`, their replicas go to
    standby). Recall begins `lead_ms` + `grace_ms` + `warm_ms` before the end, so that replicas
    serve again `lead_ms` before it. Each service keeps at least its minimum, its share of
    replicas that is not lent, and enough that its load stays within `max_utilisation` of what
    serves: fewer machines are lent then, and more are tried every `step_ms`. Nor is more lent
    than `demand_factor` times what jobs reserve and wait for: a machine lent for nothing could
    sleep. When a service's load passes `breach_utilisation` of its remaining replicas, its
    machines are recalled at once and nothing more is lent in that window. While machines are
    lent, dedicated batch machines empty for `sleep_idle_ms` sleep; they wake for waiting jobs,
    and before recall for the jobs on lent machines.

    Sources: the fixed timetable 00:00-08:00, 50 %, that published tidal (time-slice)
    co-location starts from; lead 5 min, grace 30 s, warm 60 s, least lend 60 min, breach at
    85 % and at most 70 % lent as collected from Ant's and Kapacity's descriptions.
    """

    period_ms: int = 60_000
    start_ms: int = 0  # local time of day
    end_ms: int = 8 * 3_600_000  # local time of day; before the start: the next day
    share: float = 0.5
    drain_ms: int = 60_000
    lead_ms: int = 300_000
    grace_ms: int = 30_000
    warm_ms: int = 60_000
    min_lend_ms: int = 3_600_000
    step_ms: int = 900_000
    demand_factor: float = 1.5  # lend for so much times what jobs hold and wait for; 0: the share
    max_utilisation: float = 0.6
    breach_utilisation: float = 0.85
    sleep_idle_ms: int = 1_800_000
    wake_lead_ms: int = 300_000  # batch machines wake so long before the recall
    patience_ms: int = 600_000
    standby_share: float = STANDBY_SHARE  # of a replica's memory, while its machine is lent

    def __post_init__(self) -> None:
        """Refuse settings outside of their range (`UsageError`)."""
        findings = [
            Finding(where=name, what=f"{getattr(self, name)} is no time of day in milliseconds")
            for name in ("start_ms", "end_ms")
            if not 0 <= getattr(self, name) <= MS_PER_DAY
        ]
        if self.share > LENT_SHARE_MAX:
            findings.append(
                Finding(
                    where="share",
                    what=f"{self.share} is above {LENT_SHARE_MAX}",
                    remedy="at most 70 % of the machines that serve may be lent",
                )
            )
        if self.breach_utilisation < self.max_utilisation:
            findings.append(
                Finding(
                    where="breach_utilisation",
                    what="is below max_utilisation",
                    remedy="else what is lent is recalled at once",
                )
            )
        check(
            self,
            shares=("share", "max_utilisation", "breach_utilisation", "standby_share"),
            positive=("period_ms", "max_utilisation"),
            natural=(
                "drain_ms",
                "lead_ms",
                "grace_ms",
                "warm_ms",
                "min_lend_ms",
                "step_ms",
                "demand_factor",
                "sleep_idle_ms",
                "wake_lead_ms",
                "patience_ms",
            ),
            findings=findings,
        )

    @property
    def kind(self) -> str:
        """Return the registered name."""
        return "tidal-timetable"

    def first_memory(self) -> TidalMemory:
        """Return the memory before the first wake."""
        return TidalMemory()

    def decide(
        self, snapshot: Snapshot, memory: TidalMemory
    ) -> tuple[tuple[Action, ...], TidalMemory]:
        """Return the actions to take now and the memory for the next wake."""
        m, now = snapshot.machines, snapshot.now_ms
        inside, left_ms = self._window(snapshot.time_of_day_ms)
        until_recall_ms = left_ms - self.lead_ms - self.grace_ms - self.warm_ms
        lent, out = on_loan(m)
        due = not inside or until_recall_ms <= 0
        broken, tried_ms = memory.broken and inside, memory.tried_ms
        recall, lend = np.flatnonzero(lent) if out else NOTHING, NOTHING
        if not due:
            recall = self._breached(snapshot, lent) if out else NOTHING
            broken = broken or recall.size > 0
            waited = tried_ms == NONE or now - tried_ms >= self.step_ms
            if not broken and waited and until_recall_ms >= self.min_lend_ms:
                lend, tried_ms = self._lendable(snapshot, lent), now
        elif not inside:
            tried_ms = NONE
        soon = due or until_recall_ms <= self.wake_lead_ms or recall.size > 0
        rested_ms = memory.rested_ms
        rest = rested_ms == NONE or now - rested_ms >= REST_PERIOD_MS
        sleep = NOTHING
        wake = self._woken(snapshot)
        if out:
            sleep, wake = self._batch(snapshot, lent, wake, soon=soon, rest=rest)
        actions: list[Action] = []
        if recall.size:
            actions.append(
                Recall(machines=frozen(recall), grace_ms=self.grace_ms, warm_ms=self.warm_ms)
            )
        if lend.size:
            until_ms = now + until_recall_ms
            actions.append(Lend(machines=frozen(lend), drain_ms=self.drain_ms, until_ms=until_ms))
        actions += [*power_actions(wake, "on"), *power_actions(sleep, "sleep")]
        return tuple(actions), changed(
            memory,
            broken=broken,
            tried_ms=tried_ms,
            rested_ms=now if rest else rested_ms,
        )

    def _woken(self, snapshot: Snapshot) -> IntArray:
        """Return the dedicated batch machines to wake for jobs that wait."""
        if not snapshot.queue.jobs:
            return NOTHING
        dedicated = snapshot.machines.role == BATCH
        if not dedicated.any():
            return NOTHING
        return wake_for_queue(snapshot, dedicated, patience_ms=self.patience_ms)

    def _window(self, time_of_day_ms: int) -> tuple[bool, int]:
        """Return whether machines may be lent at this time of day, and how long still."""
        length_ms = (self.end_ms - self.start_ms) % MS_PER_DAY
        into_ms = (time_of_day_ms - self.start_ms) % MS_PER_DAY
        return into_ms < length_ms, length_ms - into_ms

    def _breached(self, snapshot: Snapshot, lent: BoolArray) -> IntArray:
        """Return the lent machines to recall early: those of services short of replicas."""
        if snapshot.period_ms == 0:
            return NOTHING
        m, view, replicas = snapshot.machines, snapshot.services, snapshot.replicas
        back = ((m.lending == RECALL) | (m.lending == WARM))[replicas.machine]
        coming = np.bincount(replicas.service[back], minlength=len(view.online))
        serving_cpu_m = (view.online + view.starting + coming) * view.replica_cpu_m
        short = (view.load_cpu_m > self.breach_utilisation * serving_cpu_m) & (view.standby > 0)
        if not short.any():
            return NOTHING
        hold = replicas.machine[short[replicas.service] & lent[replicas.machine]]
        return np.unique(hold).astype(np.int64, copy=False)

    def _lendable(self, snapshot: Snapshot, lent: BoolArray) -> IntArray:
        """Return the machines to lend now, in the order of the fleet."""
        m, view, replicas = snapshot.machines, snapshot.services, snapshot.replicas
        if snapshot.period_ms == 0 or view.pending.any():
            return NOTHING
        serves = (m.role == ONLINE) | ((m.role == ANY) & (m.replicas > 0))
        own = serves & (m.state == ON) & ours(m)
        serving = int(own.sum()) + int((m.lending != OWN).sum())
        count = int(self.share * serving) - int(lent.sum())
        count = min(count, self._usable(snapshot, lent, own))
        if count <= 0:
            return NOTHING
        # An empty machine could sleep instead: it is lent only to jobs that have no other place.
        candidates = own if snapshot.queue.jobs > 0 else own & (m.replicas > 0)
        candidates[replicas.machine[~replicas.online]] = False  # something starts there
        rows = np.flatnonzero(candidates)
        order = rows[np.argsort(m.replicas[rows], kind="stable")]
        spare = spare_in_racks(snapshot, own)
        chosen = within(snapshot, order, self._allowance(snapshot), spare, count)
        chosen.sort()
        return chosen

    def _usable(self, snapshot: Snapshot, lent: BoolArray, own: BoolArray) -> int:
        """Return how many more machines of average size batch has work for."""
        m, queue = snapshot.machines, snapshot.queue
        if self.demand_factor == 0:
            return len(m.state)
        most = 0
        for size, reserved, waits in (
            (m.cpu_m, m.batch_cpu_m, queue.cpu_m),
            (m.memory_mib, m.batch_memory_mib, queue.memory_mib),
        ):
            held = int(reserved @ lent) + waits
            wanted = self.demand_factor * held + SPARE_SHARE * int(reserved.sum())
            average = max(1.0, int(size @ own) / max(1, int(own.sum())))
            most = max(most, math.ceil((wanted - int(size @ lent)) / average))
        return most

    def _allowance(self, snapshot: Snapshot) -> IntArray:
        """Return how many more replicas of each service may go to standby."""
        view = snapshot.services
        all_replicas = view.online + view.starting + view.standby
        kept = np.ceil((1 - self.share) * all_replicas - 1e-9)
        cpu_m = np.maximum(view.replica_cpu_m, 1)
        needed = np.ceil(view.load_cpu_m / (cpu_m * self.max_utilisation) - 1e-9)
        floor = np.maximum(np.maximum(kept, needed), view.replicas_min)
        allowance: IntArray = np.maximum(view.online - floor, 0).astype(np.int64)
        return allowance

    def _batch(
        self,
        snapshot: Snapshot,
        lent: BoolArray,
        wake: IntArray,
        *,
        soon: bool,
        rest: bool,
    ) -> tuple[IntArray, IntArray]:
        """Return the dedicated batch machines to put to sleep and to wake, `wake` among them.

        While some are lent.
        """
        m = snapshot.machines
        dedicated = m.role == BATCH
        if soon:
            need = []
            for size, used in ((m.cpu_m, m.batch_cpu_m), (m.memory_mib, m.batch_memory_mib)):
                free = (size - used)[dedicated & ((m.state == ON) | (m.state == DRAINING))]
                need.append(int(used[lent].sum()) - int(free.sum()))
            back = np.flatnonzero(dedicated & (m.state == DRAINING) & ours(m))
            return NOTHING, _union(wake, back, to_wake(m, dedicated, *need))
        if not rest:
            return NOTHING, wake
        room_cpu_m = int((m.cpu_m - m.batch_cpu_m)[lent].sum())
        held = m.online_memory_mib + m.batch_memory_mib
        room_memory_mib = int((m.memory_mib - held)[lent].sum())
        return to_rest(snapshot, self.sleep_idle_ms, room_cpu_m, room_memory_mib), wake


def _union(*rows: IntArray) -> IntArray:
    """Return all rows once."""
    return np.unique(np.concatenate(rows))
