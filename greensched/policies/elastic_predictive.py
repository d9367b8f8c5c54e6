"""Predictive elastic capacity: as many replicas as the upper forecast needs, ahead of the load."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.errors import Finding
from greensched.forecast import LEADS_MS, QUANTILES, nothing_recent
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

    `trusted`: whose forecast has held of late; `table`: replicas needed soon, those kept, and
    those at the plans of the last `down_window_ms`, one row a plan.
    """

    made_ms: int = NONE
    recent: Any = field(default_factory=nothing_recent)
    trusted: BoolArray = field(default_factory=lambda: frozen(np.empty(0, np.bool_)))
    table: IntArray = field(
        default_factory=lambda: frozen(np.empty((kernels.COUNTS, 0), np.int64))
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PredictiveMemory(ElasticMemory):
    """That of the reactive rule, the last plan, and what was seen since.

    `seen` [3, S]: the load [millicores] at `seen_ms`, when replicas were `wanted`, load x time
    [millicores x ms] until then from the last plan before, and the mean load of that time.
    """

    plan: Plan = field(default_factory=Plan)
    seen_ms: int = NONE
    seen: FloatArray = field(default_factory=lambda: frozen(np.empty((3, 0))))
    wanted: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))


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
        findings = []
        if not QUANTILES[0] <= self.quantile <= QUANTILES[-1]:
            what = f"{self.quantile} is no quantile between {QUANTILES[0]} and {QUANTILES[-1]}"
            findings.append(Finding(where="quantile", what=what))
        if self.plan_period_ms + max(self.lead_ms, self.hold_ms) > LEADS_MS[-1]:
            names = ("plan_period_ms", "lead_ms", "hold_ms")
            what = "plan_period and the longer of lead and hold look more than 24 h ahead; there "
            what += "are no bands for it"
            longest = max(names, key=lambda name: int(getattr(self, name)))
            findings.append(Finding(where=longest, what=what))
        check(
            self,
            findings=findings,
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
            *(memory.seen, memory.wanted, plan.trusted, settled),
        )

    def _wanted(
        self, snapshot: Snapshot, memory: ElasticMemory
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return the replicas that each service is to have, and what is to be remembered."""
        assert isinstance(memory, PredictiveMemory)
        forecast = snapshot.forecast
        if forecast is None or not forecast.predicts or snapshot.period_ms == 0:
            wanted, windows = hpa.wanted_replicas(snapshot, memory.hpa, self._rule())
            return frozen(wanted), {"hpa": windows}
        now, plan, windows = snapshot.now_ms, memory.plan, memory.hpa
        seen = self._seen(snapshot, memory)
        if plan.made_ms == NONE or now - plan.made_ms >= self.plan_period_ms:
            plan, wanted = self._planned(snapshot, forecast, plan, seen[2])
            if plan.trusted.tobytes() != memory.plan.trusted.tobytes():
                windows = hpa.unsettled(snapshot, windows)  # others follow the reactive rule
        else:
            wanted = self._followed(snapshot, plan)
        if not all(plan.trusted.tolist()):
            rule = self._rule()
            reactive, windows = hpa.wanted_replicas(snapshot, windows, rule, plan.trusted)
            wanted = np.where(plan.trusted, wanted, reactive)
        return frozen(wanted), {
            "hpa": windows,
            "plan": plan,
            "seen_ms": now,
            "seen": seen,
            "wanted": wanted,
        }

    def _seen(self, snapshot: Snapshot, memory: PredictiveMemory) -> FloatArray:
        """Return the load, load x time since the last plan, and the mean load since [3, S].

        Wakes that were settled had the load seen before.
        """
        load_cpu_m, made_ms = snapshot.services.load_cpu_m, memory.plan.made_ms
        before, last_ms = memory.seen, snapshot.now_ms - snapshot.period_ms
        assert before.shape[1] in {0, len(load_cpu_m)}
        past_ms = snapshot.now_ms - (last_ms if made_ms == NONE else made_ms)
        seen = np.empty((3, len(load_cpu_m)))
        kernels.add_work(
            *(load_cpu_m, float(snapshot.period_ms), before, float(last_ms - memory.seen_ms)),
            *(memory.seen_ms == made_ms, float(past_ms), seen),
        )
        return frozen(seen)

    def _planned(
        self,
        snapshot: Snapshot,
        forecast: Forecaster,
        before: Plan,
        load_cpu_m: FloatArray,
    ) -> tuple[Plan, IntArray]:
        """Return a new plan, and what it asks for now.

        `load_cpu_m`: the mean since the plan `before`. Where only a part of what may go goes, the
        rest is kept until the next look.
        """
        view, now = snapshot.services, snapshot.now_ms
        recent = forecast.observe(
            forecast.begin if before.made_ms == NONE else before.recent,
            now,
            load_cpu_m,
            quantile=self.quantile,
            period_ms=self.plan_period_ms,
        )
        startup_ms = _longest(view.startup_ms.tobytes())
        soon_ms = now + self.plan_period_ms + self.lead_ms + startup_ms
        later_ms = max(soon_ms, now + self.plan_period_ms + self.hold_ms)
        upper = frozen(forecast.upto(recent, (soon_ms, later_ms), self.quantile))
        known, services = before.table.shape
        known = known - kernels.COUNTS if services == len(view.online) else 0
        rows = min(known, math.ceil(self.down_window_ms / self.plan_period_ms))
        table = np.empty((kernels.COUNTS + rows + 1, len(view.online)), np.int64)
        wanted = np.empty(len(view.online), np.int64)
        plan = upper, hpa.columns(view), self.gray_share, before.table
        for tables in self._staffing.tables(view):
            if kernels.plan(*plan, view.load_cpu_m, *self._limits, *tables, table, wanted):
                break
        trusted = frozen(recent.trusted(self.coverage_min))
        return Plan(made_ms=now, recent=recent, trusted=trusted, table=frozen(table)), wanted

    def _followed(self, snapshot: Snapshot, plan: Plan) -> IntArray:
        """Return what plan and load of now ask for, within limits and steps."""
        view = snapshot.services
        wanted = np.empty(len(view.online), np.int64)
        services = hpa.columns(view)
        kernels.follow(view.load_cpu_m, services, plan.table, *self._limits, wanted)
        return wanted

    @property
    def _limits(self) -> tuple[float, float]:
        return self.max_utilisation, self.down_share

    @property
    def _staffing(self) -> Staffing:
        return Staffing(
            wait_ms=self.wait_ms,
            wait_share=self.wait_share,
            max_utilisation=self.max_utilisation,
        )


@lru_cache(maxsize=8)
def _longest(times_ms: bytes) -> int:
    """Return the longest of times, int64 as bytes; 0 where there are none."""
    return int(np.frombuffer(times_ms, np.int64).max(initial=0))


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
