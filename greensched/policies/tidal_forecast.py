"""Tidal scheduling by forecast: as many machines are lent as the load leaves until recall."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.errors import Finding
from greensched.forecast import LEADS_MS, QUANTILES, nothing_recent
from greensched.model import LENT, NONE, ON, Lend, Recall
from greensched.model.pools import POOLS, with_sums
from greensched.policies.kernels.lending import add_work, breaks
from greensched.policies.lending import (
    Strength,
    Tenants,
    on_loan,
    serving,
    spare_in_racks,
    within,
)
from greensched.policies.lent_batch import (
    could_sleep,
    room_cpu_m,
    to_leave,
    to_take_in,
    wanted_cpu_m,
)
from greensched.policies.machines import ANY, NOTHING, ONLINE, ours, power_actions
from greensched.policies.memory import changed, frozen
from greensched.policies.settings import check
from greensched.policies.staffing import Staffing
from greensched.policies.tidal import LENT_SHARE_MAX, REST_PERIOD_MS, TidalMemory, TidalTimetable

if TYPE_CHECKING:
    from greensched.model import Action, BoolArray, FloatArray, Forecaster, IntArray, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TidalForecastMemory(TidalMemory):
    """That of the timetable, what the forecast remembers, and when recalls are expected.

    `work_mc`: load x time [millicores x ms] from `planned_ms` until `seen_ms`, when the load was
    `load_cpu_m`; `breached_ms`: of the last breach; `until_ms`: expected recall of each machine
    that is lent.
    """

    recent: Any = field(default_factory=nothing_recent)
    planned_ms: int = NONE
    seen_ms: int = NONE
    breached_ms: int = NONE
    load_cpu_m: FloatArray = field(default_factory=lambda: frozen(np.empty(0)))
    work_mc: FloatArray = field(default_factory=lambda: frozen(np.empty(0)))
    until_ms: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TidalForecast(TidalTimetable):
    """Lend the largest number of machines that the forecast need leaves until their recall.

    Every `step_ms`: a machine may be lent for a term (`min_lend_ms`, and at least
    `switch_factor` times what lending and recall take; 4, 8, 24 h up to `horizon_ms`) where with
    probability `quantile` until its end the replicas that stay keep waits short and their use
    below `breach_utilisation`, service by service, and below `max_utilisation` in the sum of all
    services of a pool. Of what may go `gray_share` goes at a time, those with the most room for
    batch first. Terms are renewed at every look; jobs are placed where they end, or get on by
    some checkpoints, within the term. Recall as early as replicas must serve again `lead_ms`
    before they are needed, the shortest term and the least batch first; at once on a breach, and
    then nothing is lent for `min_lend_ms`. A service whose load stayed below its band in less
    than `coverage_min` of the last day's periods lends nothing more; without a forecast the
    timetable is followed.

    Sources: states, minimum term, lead, share and switch factor as collected from Ant's and
    Kapacity's descriptions; conformal bands: Lei et al. 2018 (see `forecast.bands`).
    """

    quantile: float = 0.99
    horizon_ms: int = 86_400_000
    lent_share: float = LENT_SHARE_MAX
    gray_share: float = 0.25
    switch_factor: float = 4.0
    lend_after_ms: int = 1_800_000
    wait_ms: float = 10.0
    wait_share: float = 0.01
    coverage_min: float = 0.9

    def __post_init__(self) -> None:
        """Refuse settings outside of their range (`UsageError`)."""
        TidalTimetable.__post_init__(self)
        least, most = QUANTILES[0], QUANTILES[-1]
        findings = []
        if not least <= self.quantile <= most:
            what = f"{self.quantile} is no quantile between {least} and {most}"
            findings.append(Finding(where="quantile", what=what))
        if max(self._leads_ms) > LEADS_MS[-1]:
            what = "a term of more than 24 h; there are no bands for it"
            findings.append(Finding(where="min_lend_ms, step_ms, switch_factor", what=what))
        check(
            self,
            shares=("lent_share", "gray_share", "wait_share", "coverage_min"),
            positive=("step_ms", "wait_ms", "wait_share", "max_utilisation"),
            natural=("horizon_ms", "switch_factor", "lend_after_ms"),
            findings=findings,
        )

    @property
    def kind(self) -> str:
        """Return the registered name."""
        return "tidal"

    @property
    def forecasts(self) -> bool:
        """Say that it uses a forecast of the services."""
        return True

    @property
    def forecasts_sums(self) -> bool:
        """Say that it uses a forecast of their sums too."""
        return True

    @property
    def fallback(self) -> str:
        """Say what it does without a forecast."""
        return "the timetable"

    def first_memory(self) -> TidalForecastMemory:
        """Return the memory before the first wake."""
        return TidalForecastMemory()

    @property
    def _ahead_ms(self) -> int:
        """Return how long before replicas are needed their machines are recalled."""
        return self.lead_ms + self.grace_ms + self.warm_ms

    @property
    def _leads_ms(self) -> tuple[int, ...]:
        """Return how far forecasts are asked for: the next look, then the end of each term."""
        near_ms = self.step_ms + self._ahead_ms
        switch_ms = self.drain_ms + self.grace_ms + self.warm_ms
        least_ms = max(near_ms, self.min_lend_ms, round(self.switch_factor * switch_ms))
        return near_ms, least_ms, *(t for t in LEADS_MS if least_ms < t <= self.horizon_ms)

    def decide(
        self, snapshot: Snapshot, memory: TidalMemory
    ) -> tuple[tuple[Action, ...], TidalMemory]:
        """Return the actions to take now and the memory for the next wake."""
        assert isinstance(memory, TidalForecastMemory)
        forecast = None if snapshot.forecast is None else snapshot.forecast.with_sums
        if forecast is None or not forecast.predicts:
            return TidalTimetable.decide(self, snapshot, memory)
        m, now = snapshot.machines, snapshot.now_ms
        due = snapshot.period_ms > 0 and self._is_due(memory.planned_ms, self.step_ms, now)
        rest = self._is_due(memory.rested_ms, REST_PERIOD_MS, now)
        steady = memory.seen_ms != NONE and snapshot.steady_since_ms <= memory.seen_ms
        calm = not due and not rest and snapshot.queue.jobs == 0
        if steady and calm:
            return (), memory
        lent, out = on_loan(m)
        measured = due or not steady
        memory = self._measured(snapshot, memory) if measured else memory
        if calm and not out:
            return (), memory
        wake, leave = self._woken(snapshot), NOTHING
        lends: tuple[Lend, ...] = ()
        back = self._breached_by(snapshot, lent, memory) if measured and out else NOTHING
        if back.size:
            memory = changed(memory, breached_ms=now)
        elif due:
            trusted, memory = self._observed(snapshot, forecast, memory)
            if out or self._may_lend(snapshot, trusted, lent, memory):
                needs = self._needs(snapshot, forecast, memory.recent)
                back, lends, memory = self._planned(snapshot, needs, trusted, lent, memory)
        if back.size:
            wake = np.concatenate([wake, to_take_in(snapshot, back)])
        elif rest:
            leave = to_leave(snapshot, lent) if out else NOTHING
            memory = changed(memory, rested_ms=now)
        return (
            *self._recalls(back),
            *lends,
            *power_actions(wake, "on"),
            *power_actions(leave, "sleep"),
        ), memory

    @staticmethod
    def _is_due(last_ms: int, period_ms: int, now_ms: int) -> bool:
        return last_ms == NONE or now_ms - last_ms >= period_ms

    def _recalls(self, back: IntArray) -> tuple[Recall, ...]:
        """Return the recall of machines `back`, or none."""
        if not back.size:
            return ()
        rows = frozen(np.sort(back))
        return (Recall(machines=rows, grace_ms=self.grace_ms, warm_ms=self.warm_ms),)

    def _measured(self, snapshot: Snapshot, memory: TidalForecastMemory) -> TidalForecastMemory:
        """Return the memory with the load since it was last seen.

        At wakes between it was the same as then.
        """
        load_cpu_m, now = snapshot.services.load_cpu_m, snapshot.now_ms
        machines = len(snapshot.machines.state)
        if len(memory.load_cpu_m) != len(load_cpu_m) or len(memory.until_ms) != machines:
            memory = TidalForecastMemory(
                work_mc=frozen(np.zeros(len(load_cpu_m))),
                load_cpu_m=frozen(np.zeros(len(load_cpu_m))),
                until_ms=frozen(np.zeros(machines, np.int64)),
            )
        quiet_ms = 0 if memory.seen_ms == NONE else now - snapshot.period_ms - memory.seen_ms
        seen = np.empty((2, len(load_cpu_m)))
        before_cpu_m, period_ms = memory.load_cpu_m, snapshot.period_ms
        add_work(before_cpu_m, quiet_ms, load_cpu_m, period_ms, memory.work_mc, seen)
        work_mc, load_cpu_m = frozen(seen)
        return changed(memory, work_mc=work_mc, load_cpu_m=load_cpu_m, seen_ms=now)

    def _breached_by(
        self, snapshot: Snapshot, lent: BoolArray, memory: TidalForecastMemory
    ) -> IntArray:
        """Return the machines to recall at once for services whose load breaks the limit."""
        view = snapshot.services
        if snapshot.period_ms == 0:
            return NOTHING
        counts = view.replica_cpu_m, view.online, view.starting
        if not breaks(view.load_cpu_m, *counts, self.breach_utilisation):
            return NOTHING
        has = serving(snapshot)
        wanted = view.load_cpu_m / (np.maximum(view.replica_cpu_m, 1) * self.max_utilisation)
        most_cpu_m = self.breach_utilisation * view.replica_cpu_m * has.replicas
        too_few = view.load_cpu_m > most_cpu_m
        needed = np.where(too_few, np.ceil(wanted).astype(np.int64), 0)
        need = Strength(frozen(needed[np.newaxis]), frozen(np.zeros((1, POOLS))))
        tenants = Tenants.of(snapshot, _recall_order(snapshot, lent, memory.until_ms))
        back: IntArray = tenants.order[tenants.wanted_back(has, need) == 0]
        return back

    def _observed(
        self, snapshot: Snapshot, forecast: Forecaster, memory: TidalForecastMemory
    ) -> tuple[BoolArray, TidalForecastMemory]:
        """Return whose forecast can be trusted, the load since the last look being known."""
        view, now, first = snapshot.services, snapshot.now_ms, memory.planned_ms == NONE
        past_ms = snapshot.period_ms if first else now - memory.planned_ms
        load_cpu_m = memory.work_mc / past_ms
        recent = forecast.observe(
            forecast.begin if first else memory.recent,
            now,
            with_sums(load_cpu_m, view.replica_gpu_m),
            quantile=self.quantile,
            period_ms=self.step_ms,
        )
        # The first look only watches: what others switch off shows within a few minutes.
        trusted = recent.trusted(self.coverage_min)
        if first or not all(trusted[-POOLS:].tolist()):
            trusted = np.zeros_like(trusted)
        return trusted[:-POOLS], changed(
            memory,
            recent=recent,
            planned_ms=now,
            work_mc=frozen(np.zeros(len(load_cpu_m))),
        )

    def _may_lend(
        self, snapshot: Snapshot, trusted: BoolArray, lent: BoolArray, memory: TidalForecastMemory
    ) -> bool:
        """Say whether any machine might be lent now, and batch would use it."""
        if not self._is_due(memory.breached_ms, self.min_lend_ms, snapshot.now_ms):
            return False
        if not trusted.any() or snapshot.services.pending.any():
            return False
        uses = self.demand_factor == 0 or wanted_cpu_m(snapshot, lent, self.lend_after_ms) > 0
        return bool(uses)

    def _needs(self, snapshot: Snapshot, forecast: Forecaster, recent: Any) -> Strength:
        """Return what has to serve until each lead."""
        view, now = snapshot.services, snapshot.now_ms
        ends_ms = [now + lead for lead in self._leads_ms]
        upper_cpu_m = forecast.upto(recent, ends_ms, self.quantile, whole=True)
        each = np.maximum(upper_cpu_m[:, :-POOLS], view.load_cpu_m)
        replicas = self._staffing.replicas(view, frozen(each))
        total_cpu_m = upper_cpu_m[:, -POOLS:] / self.max_utilisation
        return Strength(frozen(np.maximum(replicas, view.replicas_min)), frozen(total_cpu_m))

    @property
    def _staffing(self) -> Staffing:
        return Staffing(
            wait_ms=self.wait_ms,
            wait_share=self.wait_share,
            max_utilisation=self.breach_utilisation,
        )

    def _planned(
        self,
        snapshot: Snapshot,
        needs: Strength,
        trusted: BoolArray,
        lent: BoolArray,
        memory: TidalForecastMemory,
    ) -> tuple[IntArray, tuple[Lend, ...], TidalForecastMemory]:
        """Return the machines to recall, what to lend or renew, and the terms remembered."""
        m, view, now = snapshot.machines, snapshot.services, snapshot.now_ms
        has = serving(snapshot)
        tenants = Tenants.of(snapshot, _recall_order(snapshot, lent, memory.until_ms))
        returns = tenants.wanted_back(has, needs.until(1)) == 0
        if could_sleep(m):
            returns |= (m.jobs == 0)[tenants.order] & (m.lending == LENT)[tenants.order]
        back, goes = tenants.order[returns], NOTHING
        if not back.size and self._may_lend(snapshot, trusted, lent, memory):
            term = needs.replicas[1], needs.cpu_m[1]
            allowed = np.where(trusted, np.maximum(view.online - term[0], 0), 0)
            goes = self._goes(snapshot, lent, allowed, has.cpu_m - term[1])
        until_ms = memory.until_ms.copy()
        if back.size or goes.size:
            until_ms[goes] = 0
            lent = lent.copy()
            lent[back], lent[goes] = False, True
            moved = Tenants.of(snapshot, back if back.size else goes).strength(len(view.online))
            has = has.more(moved) if back.size else has.less(moved)
            tenants = Tenants.of(snapshot, _recall_order(snapshot, lent, until_ms))
        until_ms[tenants.order] = self._terms(tenants, needs, has, now)
        lends = self._lends(tenants.order, until_ms)
        return back, lends, changed(memory, until_ms=frozen(until_ms))

    def _terms(self, out: Tenants, needs: Strength, has: Strength, now_ms: int) -> IntArray:
        """Return when each machine of `out` is expected back, some of them before each lead."""
        ends_ms = np.array(self._leads_ms) + (now_ms - self._ahead_ms)
        until_ms: IntArray = ends_ms[out.wanted_back(has, needs.since(1))]
        return until_ms

    def _lends(self, rows: IntArray, until_ms: IntArray) -> tuple[Lend, ...]:
        """Return what lends machines `rows`, or renews their terms: one action a term."""
        rows = np.sort(rows)
        terms_ms = until_ms[rows]
        return tuple(
            Lend(machines=frozen(rows[terms_ms == at_ms]), drain_ms=self.drain_ms, until_ms=at_ms)
            for at_ms in sorted(set(terms_ms.tolist()))
        )

    def _goes(
        self, snapshot: Snapshot, lent: BoolArray, allowed: IntArray, spare_cpu_m: FloatArray
    ) -> IntArray:
        """Return the machines to lend now: no service or pool gives up more than is allowed."""
        m, replicas = snapshot.machines, snapshot.replicas
        own = ((m.role == ONLINE) | ((m.role == ANY) & (m.replicas > 0))) & (m.state == ON)
        own &= ours(m)
        out = int(lent.sum())
        count = int(self.lent_share * (int(own.sum()) + out)) - out
        room = room_cpu_m(snapshot, self.standby_share)
        wanted = math.inf  # all that may go
        if self.demand_factor > 0:
            wanted = self.demand_factor * wanted_cpu_m(snapshot, lent, self.lend_after_ms)
            wanted -= float(room[lent].sum())
        if count <= 0 or wanted <= 0:
            return NOTHING
        candidates = own & (m.jobs == 0)
        if snapshot.queue.jobs == 0:
            candidates &= m.replicas > 0  # an empty machine could sleep instead
        candidates[replicas.machine[~replicas.online]] = False  # something starts there
        rows = np.flatnonzero(candidates)
        order = rows[np.argsort(-room[rows], kind="stable")]
        order = within(snapshot, order, allowed, spare_in_racks(snapshot, own), count)
        given = np.cumsum(Tenants.of(snapshot, order).cpu_m, axis=1)
        held = (given <= np.maximum(spare_cpu_m, 0.0)[:, np.newaxis]).all(axis=0)
        enough = int(np.cumsum(room[order]).searchsorted(wanted)) + 1
        may = min(int(np.append(~held, True).argmax()), enough)
        return order[: min(may, math.ceil(self.gray_share * (out + may)))]


def _recall_order(snapshot: Snapshot, lent: BoolArray, until_ms: IntArray) -> IntArray:
    """Return the machines that are lent: the shortest term, then the least batch, first."""
    rows = np.flatnonzero(lent)
    order: IntArray = rows[np.lexsort((snapshot.machines.batch_cpu_m[rows], until_ms[rows]))]
    return order


@dataclass(frozen=True, slots=True, kw_only=True)
class TidalOracle(TidalForecast):
    """The forecasting policy given the true future: what a perfect forecast would be worth."""

    @property
    def kind(self) -> str:
        """Return the registered name."""
        return "tidal-oracle"

    @property
    def oracle(self) -> bool:
        """Say that it is shown the future; nothing can be deployed with it."""
        return True
