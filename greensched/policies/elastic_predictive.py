"""Predictive elastic capacity: as many replicas as the upper forecast needs, ahead of the load."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.forecast import nothing_recent
from greensched.model import NONE
from greensched.policies import hpa
from greensched.policies.elastic import ElasticMemory, ElasticReactive
from greensched.policies.kernels import services as kernels
from greensched.policies.memory import frozen
from greensched.policies.settings import check
from greensched.policies.staffing import Staffing

if TYPE_CHECKING:
    from greensched.model import (
        BoolArray,
        FloatArray,
        Forecaster,
        IntArray,
        Snapshot,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What a look at the forecast told at `made_ms`, and what the forecast remembers.

    `trusted`: whose forecast has held of late; `up`, `down`: replicas needed soon, and those kept;
    `counts`: replicas at the plans of the last `down_window_ms`, one row a plan.
    """

    made_ms: int = NONE
    recent: Any = field(default_factory=nothing_recent)
    trusted: BoolArray = field(default_factory=lambda: frozen(np.empty(0, np.bool_)))
    up: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))
    down: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))
    counts: IntArray = field(default_factory=lambda: frozen(np.empty((0, 0), np.int64)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PredictiveMemory(ElasticMemory):
    """That of the reactive rule, the last plan, and what was seen since.

    `work_mc`: load x time [millicores x ms] from the plan until `seen_ms`, when the load was
    `load_cpu_m` and replicas were `wanted`.
    """

    plan: Plan = field(default_factory=Plan)
    seen_ms: int = NONE
    load_cpu_m: FloatArray = field(default_factory=lambda: frozen(np.empty(0)))
    wanted: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))
    work_mc: FloatArray = field(default_factory=lambda: frozen(np.empty(0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticPredictive(ElasticReactive):
    """Replicas from a conformal upper forecast, never fewer than the load of now needs.

    n = smallest number whose waits are short: P(W > `wait_ms`) <= `wait_share` by Erlang C for
    the whole cores of all replicas, and use at most `max_utilisation`, at the load that is not
    exceeded with probability `quantile` from now until replicas that are started now have served
    for `lead_ms` (up), or until `hold_ms` from now (down). Down by at most `down_share` in
    `down_window_ms`. A service whose load stayed below its band in less than `coverage_min` of the
    last day's periods follows the reactive rule, and so do all where history is too short for a
    forecast. Machines as in `elastic-reactive`.

    Sources: forecast, quantile and fall-back as collected from Autopilot (EuroSys 2020) and
    Kapacity (`scale-up-ahead-seconds`); Erlang C: Gross et al., Fundamentals of Queueing Theory.
    """

    quantile: float = 0.95
    lead_ms: int = 120_000  # beyond a replica's start-up: a machine may have to wake for it
    hold_ms: int = 900_000
    max_utilisation: float = 0.85
    wait_ms: float = 10.0
    wait_share: float = 0.01
    coverage_min: float = 0.9
    plan_period_ms: int = 300_000  # between two looks at the forecast
    gray_share: float = 0.25  # of what may go at one of them

    def __post_init__(self) -> None:
        """Refuse settings outside of their range (`UsageError`)."""
        ElasticReactive.__post_init__(self)
        check(
            self,
            shares=("quantile", "max_utilisation", "wait_share", "coverage_min", "gray_share"),
            positive=("max_utilisation", "wait_share", "wait_ms", "plan_period_ms", "gray_share"),
            natural=("lead_ms", "hold_ms"),
        )

    @property
    def kind(self) -> str:
        """Return the registered name."""
        return "elastic-predictive"

    @property
    def forecasts(self) -> bool:
        """Say that it uses a forecast of the services."""
        return True

    def first_memory(self) -> PredictiveMemory:
        """Return the memory before the first wake."""
        return PredictiveMemory()

    def _is_settled(self, snapshot: Snapshot, memory: ElasticMemory) -> bool:
        """Say whether nothing has changed since the plan was last compared with what there is."""
        assert isinstance(memory, PredictiveMemory)
        settled, plan = hpa.is_settled(snapshot, memory.hpa), memory.plan
        if plan.made_ms == NONE:
            return settled
        if snapshot.now_ms - plan.made_ms >= self.plan_period_ms:
            return False
        view = snapshot.services
        return len(memory.wanted) == len(view.online) and kernels.unchanged(
            *(view.load_cpu_m, view.online, view.starting, view.pending),
            *(memory.load_cpu_m, memory.wanted, plan.trusted, settled),
        )

    def _wanted(
        self, snapshot: Snapshot, memory: ElasticMemory
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return the replicas that each service is to have, and what is to be remembered."""
        assert isinstance(memory, PredictiveMemory)
        forecast = snapshot.forecast
        if forecast is None or not forecast.predicts or snapshot.period_ms == 0:
            wanted, windows = hpa.wanted_replicas(snapshot, memory.hpa, self._rule())
            return wanted, {"hpa": windows}
        load_cpu_m, work_mc = self._seen(snapshot, memory)
        now, plan, windows = snapshot.now_ms, memory.plan, memory.hpa
        if plan.made_ms == NONE or now - plan.made_ms >= self.plan_period_ms:
            plan = self._planned(snapshot, forecast, plan, work_mc)
            if plan.trusted.tobytes() != memory.plan.trusted.tobytes():
                windows = hpa.unsettled(snapshot, windows)  # others follow the reactive rule
            work_mc = frozen(np.zeros(len(work_mc)))
        wanted = self._followed(snapshot, plan)
        if not all(plan.trusted.tolist()):
            rule = self._rule()
            reactive, windows = hpa.wanted_replicas(snapshot, windows, rule, plan.trusted)
            wanted = np.where(plan.trusted, wanted, reactive)
        return wanted, {
            "hpa": windows,
            "plan": plan,
            "seen_ms": now,
            "load_cpu_m": load_cpu_m,
            "wanted": frozen(wanted),
            "work_mc": work_mc,
        }

    def _seen(self, snapshot: Snapshot, memory: PredictiveMemory) -> FloatArray:
        """Return the load, and load x time since the plan [2, S].

        Wakes that were settled had the load seen before.
        """
        load_cpu_m, period_ms = snapshot.services.load_cpu_m, snapshot.period_ms
        assert len(memory.work_mc) in {0, len(load_cpu_m)}
        quiet_ms = snapshot.now_ms - period_ms - memory.seen_ms
        seen = np.empty((2, len(load_cpu_m)))
        kernels.add_work(
            *(load_cpu_m, float(period_ms), memory.load_cpu_m, float(quiet_ms)),
            *(memory.work_mc, seen),
        )
        return frozen(seen)

    def _planned(
        self,
        snapshot: Snapshot,
        forecast: Forecaster,
        before: Plan,
        work_mc: FloatArray,
    ) -> Plan:
        """Return a new plan, `work_mc` having been the load x time since the one `before`.

        Where only a part of what may go goes, the rest is kept until the next look.
        """
        view, now, first = snapshot.services, snapshot.now_ms, before.made_ms == NONE
        since_ms = now - snapshot.period_ms if first else before.made_ms
        recent = forecast.observe(
            forecast.begin if first else before.recent,
            now,
            work_mc / (now - since_ms),
            quantile=self.quantile,
            period_ms=self.plan_period_ms,
        )
        startup_ms = max(view.startup_ms.tolist(), default=0)
        soon_ms = now + self.plan_period_ms + self.lead_ms + startup_ms
        later_ms = max(soon_ms, now + self.plan_period_ms + self.hold_ms)
        upper = frozen(forecast.upto(recent, (soon_ms, later_ms), self.quantile))
        known, services = before.counts.shape
        known = known if services == len(view.online) else 0
        rows = min(known, math.ceil(self.down_window_ms / self.plan_period_ms))
        table = np.empty((kernels.PLANNED + rows + 1, len(view.online)), np.int64)
        for tables in self._staffing.tables(view):
            plan = upper, hpa.columns(view), self.gray_share, before.counts
            if kernels.plan(*plan, *tables, table):
                break
        frozen(table)  # and with it its parts
        return Plan(
            made_ms=now,
            recent=recent,
            trusted=frozen(recent.trusted(self.coverage_min)),
            up=table[0],
            down=table[1],
            counts=table[kernels.PLANNED :],
        )

    def _followed(self, snapshot: Snapshot, plan: Plan) -> IntArray:
        """Return what plan and load of now ask for, within limits and steps."""
        view = snapshot.services
        wanted = np.empty(len(view.online), np.int64)
        kernels.follow(
            *(view.load_cpu_m, hpa.columns(view), plan.up, plan.down, plan.counts),
            *(self.max_utilisation, self.down_share, wanted),
        )
        return wanted

    @property
    def _staffing(self) -> Staffing:
        return Staffing(
            wait_ms=self.wait_ms,
            wait_share=self.wait_share,
            max_utilisation=self.max_utilisation,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticOracle(ElasticPredictive):
    """The predictive policy given the true future: what a perfect forecast would be worth."""

    @property
    def kind(self) -> str:
        """Return the registered name."""
        return "elastic-oracle"

    @property
    def oracle(self) -> bool:
        """Say that it is shown the future; nothing can be deployed with it."""
        return True
