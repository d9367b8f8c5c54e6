"""Predictive elastic capacity: as many replicas as the upper forecast needs, ahead of the load."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.forecast import Recent
from greensched.model import NONE
from greensched.policies import hpa
from greensched.policies.elastic import ElasticMemory, ElasticReactive
from greensched.policies.memory import frozen
from greensched.policies.settings import check
from greensched.units import CPU_M_PER_CORE

if TYPE_CHECKING:
    from greensched.model import FloatArray, Forecaster, IntArray, ServiceView, Snapshot

CORES_MAX = 100_000
PRECISION = 1e-4  # of utilisations


def _nothing_recent() -> Recent:
    """Return what stands for no observation yet."""
    whole, real = frozen(np.empty(0, np.int64)), frozen(np.empty(0))
    return Recent(
        at_ms=0,
        sums_cpu_m=frozen(np.empty((0, 0))),
        level_factor=frozen(np.empty((0, 0))),
        promised=False,
        promised_cpu_m=real,
        hits=frozen(np.empty((0, 0), np.int64)),
        tries=whole,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PredictiveMemory(ElasticMemory):
    """That of the reactive rule, what the forecast remembers, and the plan made from it.

    `up`, `down`: replicas needed soon, and those kept; `work_mc`: load x time [millicores x ms]
    since the plan was made; `seen_ms`: when replicas were last as it wants them; `counts`: those
    at the plans of the last `down_window_ms`, one row a plan.
    """

    recent: Any = field(default_factory=_nothing_recent)
    planned_ms: int = NONE
    seen_ms: int = NONE
    up: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))
    down: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))
    work_mc: FloatArray = field(default_factory=lambda: frozen(np.empty(0)))
    counts: IntArray = field(default_factory=lambda: frozen(np.empty((0, 0), np.int64)))


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

    def __post_init__(self) -> None:
        """Refuse settings outside of their range (`UsageError`)."""
        ElasticReactive.__post_init__(self)
        check(
            self,
            shares=("quantile", "max_utilisation", "wait_share", "coverage_min"),
            positive=("max_utilisation", "wait_share", "wait_ms", "plan_period_ms"),
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
        if memory.planned_ms == NONE:
            return hpa.is_settled(snapshot, memory.hpa)
        planned = snapshot.now_ms - memory.planned_ms < self.plan_period_ms
        return planned and snapshot.steady_since_ms <= memory.seen_ms

    def _wanted(self, snapshot: Snapshot, memory: ElasticMemory) -> tuple[IntArray, ElasticMemory]:
        """Return the replicas that each service is to have, and what is to be remembered."""
        assert isinstance(memory, PredictiveMemory)
        forecast = snapshot.forecast
        if forecast is None or not forecast.predicts or snapshot.period_ms == 0:
            wanted, windows = hpa.wanted_replicas(snapshot, memory.hpa, self._rule())
            return wanted, replace(memory, hpa=windows)
        memory = self._planned(snapshot, forecast, memory)
        wanted = self._followed(snapshot, memory)
        trusted = memory.recent.trusted(self.coverage_min)
        if not trusted.all():
            reactive, windows = hpa.wanted_replicas(snapshot, memory.hpa, self._rule())
            wanted, memory = np.where(trusted, wanted, reactive), replace(memory, hpa=windows)
        still = trusted.all() and np.array_equal(wanted, hpa.present(snapshot.services))
        return wanted, replace(memory, seen_ms=snapshot.now_ms if still else NONE)

    def _planned(
        self, snapshot: Snapshot, forecast: Forecaster, memory: PredictiveMemory
    ) -> PredictiveMemory:
        """Return the memory with a plan that is not older than `plan_period_ms`."""
        view, now = snapshot.services, snapshot.now_ms
        first = memory.planned_ms == NONE
        quiet_ms = snapshot.period_ms  # wakes that nothing came of had this same load
        if not first and memory.seen_ms != NONE:
            quiet_ms = now - memory.seen_ms
        work_mc = view.load_cpu_m * quiet_ms + (0.0 if first else memory.work_mc)
        since_ms = now - snapshot.period_ms if first else memory.planned_ms
        if not first and now - since_ms < self.plan_period_ms:
            return replace(memory, work_mc=frozen(work_mc))
        recent = forecast.observe(
            forecast.begin if first else memory.recent,
            now,
            work_mc / (now - since_ms),
            quantile=self.quantile,
            period_ms=self.plan_period_ms,
        )
        soon_ms = now + self.plan_period_ms + self.lead_ms + int(view.startup_ms.max(initial=0))
        later_ms = max(soon_ms, now + self.plan_period_ms + self.hold_ms)
        soon = forecast.upper(recent, now, soon_ms, self.quantile)
        later = np.maximum(soon, forecast.upper(recent, soon_ms, later_ms, self.quantile))
        up, down = self._needed(view, np.stack([soon, later]))
        return replace(
            memory,
            recent=recent,
            planned_ms=now,
            up=frozen(up),
            down=frozen(down),
            work_mc=frozen(np.zeros(len(work_mc))),
            counts=frozen(self._counted(view, memory.counts)),
        )

    def _counted(self, view: ServiceView, before: IntArray) -> IntArray:
        """Return the replicas at the plans of the last `down_window_ms`, those of now included."""
        current = hpa.present(view)[np.newaxis]
        if before.shape[1] != current.shape[1]:
            return current
        rows = math.ceil(self.down_window_ms / self.plan_period_ms)
        counted: IntArray = np.concatenate([before[-rows:], current])
        return counted

    def _followed(self, snapshot: Snapshot, memory: PredictiveMemory) -> IntArray:
        """Return what plan and load of now ask for, within limits and steps."""
        view = snapshot.services
        current = hpa.present(view)
        each = np.maximum(view.replica_cpu_m, 1) * self.max_utilisation
        least = np.ceil(view.load_cpu_m / each - hpa.ROUNDING).astype(np.int64)
        up, down = np.maximum(memory.up, least), np.maximum(memory.down, least)
        most = memory.counts.max(axis=0)
        floor = np.ceil(most * (1 - self.down_share) - hpa.ROUNDING).astype(np.int64)
        kept = np.minimum(current, np.maximum(down, floor))
        return hpa.within_limits(view, np.maximum(up, kept))

    def _needed(self, view: ServiceView, load_cpu_m: FloatArray) -> IntArray:
        """Return the smallest numbers of replicas under whose cores waits are short.

        `load_cpu_m` [..., services]; so is the answer.
        """
        load = load_cpu_m / CPU_M_PER_CORE
        each = np.maximum(view.replica_cpu_m, 1) / CPU_M_PER_CORE
        needed = np.empty(load.shape, np.int64)
        for time_ms in np.unique(view.service_time_ms).tolist():
            rows = np.flatnonzero(view.service_time_ms == time_ms)
            cores, most = utilisation_table(self.wait_ms / time_ms, self.wait_share)
            most = np.minimum(most, self.max_utilisation)
            found = np.interp(load[..., rows], cores * most, cores)
            count = np.ceil(found / each[rows] - hpa.ROUNDING)
            # Between two numbers of the table the line is a little too low.
            held = count * each[rows]
            needed[..., rows] = count + (load[..., rows] > held * np.interp(held, cores, most))
        return needed


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


@cache
def utilisation_table(waits: float, share: float) -> tuple[FloatArray, FloatArray]:
    """Return numbers of cores and the largest utilisation of each at which P(W > w) <= share.

    `waits` is w over the mean service time. Utilisation is concave in the cores, so that straight
    lines between the numbers stay below it. Erlang C by the recursion of the inverse of Erlang B.
    """
    grid = np.unique(np.geomspace(1, CORES_MAX, 120).astype(np.int64))
    return grid.astype(np.float64), np.array([_most(int(c), waits, share) for c in grid])


def _most(cores: int, waits: float, share: float) -> float:
    """Return the largest utilisation by bisection, to `PRECISION` below it."""
    low, high = 0.0, 1.0
    while high - low > PRECISION:
        middle = (low + high) / 2
        if _tail(cores, middle, waits) <= share:
            low = middle
        else:
            high = middle
    return low


def _tail(cores: int, utilisation: float, waits: float) -> float:
    """Return P(W > w) of M/M/c."""
    if utilisation <= 0.0:
        return 0.0
    offered = cores * utilisation
    # 1 / B = sum over k of c! / (c - k)! / a^k; terms fall off once c - k < a
    steps = np.arange(cores, 0, -1, dtype=np.float64) / offered
    logs = np.cumsum(np.log(steps))
    top = max(0.0, float(logs.max()))
    inverse = math.exp(-top) + float(np.exp(logs - top).sum())
    blocked = math.exp(-top) / inverse
    waiting = blocked / (1 - utilisation * (1 - blocked))
    return waiting * math.exp(-(cores - offered) * waits)
