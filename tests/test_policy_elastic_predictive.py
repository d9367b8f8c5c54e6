"""Predictive elastic capacity: replicas ahead of the load, and no more than waits allow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.forecast import Calendar, Recent, fit
from greensched.model import Scale
from greensched.policies.elastic import ElasticReactive
from greensched.policies.elastic_predictive import (
    ElasticOracle,
    ElasticPredictive,
)
from greensched.policies.memory import from_json, to_json
from greensched.policies.staffing import utilisation_table
from greensched.queueing import wait_tail
from greensched.units import MS_PER_DAY, MS_PER_MIN
from tests.snapshots import machine, service, snapshot

WAITS, SHARE = 0.2, 0.01


@dataclass(frozen=True)
class Recently:
    """What is recent: whether to trust the forecast."""

    good: bool = True

    def trusted(self, least_share: float) -> Any:
        """Trust it or not."""
        assert least_share == 0.9
        return np.array([self.good])


@dataclass(frozen=True)
class Told:
    """A forecaster that was told: load [millicores] from each time [ms] on."""

    steps: dict[int, float]
    good: bool = True
    predicts: bool = True
    seen_ms: list[int] = field(default_factory=list)

    @property
    def begin(self) -> Recently:
        """Return what was recent at first."""
        return Recently(self.good)

    def observe(self, recent: Any, now_ms: int, load_cpu_m: Any, **_: Any) -> Any:
        """Learn nothing but the time."""
        del load_cpu_m
        self.seen_ms.append(now_ms)
        return recent

    def upper(self, recent: Any, from_ms: int, until_ms: int, quantile: float) -> Any:
        """Return the largest load told of within the time."""
        del recent, quantile
        times = [max(t for t in self.steps if t <= from_ms)]
        times += [t for t in self.steps if from_ms < t < until_ms]
        return np.array([max(self.steps[t] for t in times)])

    def upto(self, recent: Any, ends_ms: Any, quantile: float) -> Any:
        """Return it from the first time until each of `ends_ms`."""
        return np.array([self.upper(recent, self.seen_ms[-1], end, quantile) for end in ends_ms])


def wanted(
    forecast: Any,
    load: float,
    present: int,
    minutes: int = 11,
    policy: Any = None,
    startup_ms: int = MS_PER_MIN,
) -> list[int]:
    """Return the replicas after each of some minutes in which load and forecast stay the same."""
    policy = policy or ElasticPredictive()
    memory, answers = policy.first_memory(), []
    for k in range(minutes):
        rows = [(0, 0, "online")] * present
        now = snapshot(
            [machine(cpu_m=200_000, memory_mib=200_000)],
            [service(load_cpu_m=load, startup_ms=startup_ms)],
            rows,
            now_ms=k * MS_PER_MIN,
            period_ms=MS_PER_MIN if k else 0,
        )
        object.__setattr__(now, "forecast", forecast)
        actions, memory = policy.decide(now, memory)
        for action in actions:
            if isinstance(action, Scale):
                present = int(action.replicas[0])
        answers.append(present)
    return answers


@pytest.mark.parametrize("cores", [1, 2, 10, 97, 1_000])
def test_table_is_erlang_c(cores: int) -> None:
    """The utilisation of a number of cores is where Erlang C's wait tail passes the share."""
    grid, most = utilisation_table(WAITS, SHARE)
    row = int(np.searchsorted(grid, cores))
    c, rho = int(grid[row]), float(most[row])
    assert wait_tail(c, c * rho, 50.0, 10.0) <= SHARE + 1e-9
    assert wait_tail(c, c * min(0.9999, rho + 2e-4), 50.0, 10.0) > SHARE


@given(load=st.floats(10.0, 150_000.0), each=st.sampled_from([500, 1_000, 4_000]))
def test_smallest_number_with_short_waits(load: float, each: int) -> None:
    """Fewer replicas do not keep waits short, but for one or two where the table is a line."""
    policy = ElasticPredictive(max_utilisation=0.99)
    view = snapshot([machine()], [service(replica_cpu_m=each, load_cpu_m=load)], []).services
    n = int(policy._staffing.replicas(view, np.array([[load]]))[0, 0])

    def short(replicas: int) -> bool:
        cores, offered = int(replicas * each / 1_000), load / 1_000
        if cores < 1 or offered >= cores:
            return False
        return wait_tail(cores, offered, 50.0, 10.0) <= SHARE and offered <= 0.99 * cores

    per_core = max(1, 1_000 // each)
    assert short(n) or n * each <= 1_000
    assert not short(n - 2 * per_core - 1)


def test_ahead_of_the_load() -> None:
    """A rise told for five minutes from now is met before it comes; the reactive rule waits."""
    rise = Told({0: 5_000.0, 16 * MS_PER_MIN: 20_000.0})
    before = wanted(rise, 5_000.0, 10, minutes=15)
    assert before[5] < 20
    assert before[-1] >= 20_000 / 1_000 / 0.85
    assert 10 >= wanted(None, 5_000.0, 10, minutes=15)[-1]


@pytest.mark.parametrize(("startup_min", "looked_min"), [(1, 26), (11, 16), (21, 6)])
def test_ahead_by_the_time_to_start(startup_min: int, looked_min: int) -> None:
    """The longer replicas take to start, the earlier the look at which the rise is met."""
    rise = Told({0: 5_000.0, 31 * MS_PER_MIN: 20_000.0})
    counts = wanted(rise, 5_000.0, 10, minutes=31, startup_ms=startup_min * MS_PER_MIN)
    assert looked_min == next(k for k, count in enumerate(counts) if count >= 20)


@pytest.mark.parametrize(
    ("share", "looks"), [(1.0, [6, 6]), (0.25, [24, 19, 15, 12, 10]), (0.5, [18, 12, 9, 7, 6])]
)
def test_down_in_gray_steps(share: float, looks: list[int]) -> None:
    """Of the 24 replicas that may go of 30, a share goes at each look, of what then may go."""
    # 2 cores on 6 replicas wait shortly; a look each five minutes, no other limit on the step
    policy = ElasticPredictive(gray_share=share, down_share=1.0)
    kept = wanted(Told({0: 2_000.0}), 2_000.0, 30, minutes=5 * len(looks) + 1, policy=policy)
    assert [30, *looks] == kept[::5]


def test_kept_for_what_comes_soon() -> None:
    """Replicas that the next quarter of an hour needs are not given up for the lull before."""
    lull = Told({0: 2_000.0, 12 * MS_PER_MIN: 20_000.0})
    assert 30 == wanted(lull, 2_000.0, 30, minutes=1)[-1]
    assert wanted(lull, 2_000.0, 30, minutes=8)[-1] >= 20_000 / 1_000 / 0.85
    over = wanted(Told({0: 2_000.0}), 2_000.0, 30, minutes=100)
    assert over[-1] <= 6


def test_floor_of_the_load_of_now() -> None:
    """However low the forecast, the load of now is held at most at the largest utilisation."""
    low = wanted(Told({0: 10.0}), 17_000.0, 30, minutes=60)
    assert 20 == low[-1]


def test_distrust_and_no_forecast_follow_the_reactive_rule() -> None:
    """Without trust, without a forecast, or with one that says nothing, it is the HPA's rule."""
    reactive = wanted(None, 17_000.0, 30, minutes=20, policy=ElasticReactive())
    for forecast in (None, Told({0: 1.0}, good=False), Told({0: 1.0}, predicts=False)):
        assert reactive == wanted(forecast, 17_000.0, 30, minutes=20)


def test_steps_down_are_limited() -> None:
    """At most 30 % fewer within ten minutes."""
    fall = wanted(Told({0: 100.0}), 100.0, 100, minutes=40)
    assert all(fall[k] >= 0.7 * fall[k - 10] - 1 for k in range(10, 40))
    assert fall[-1] < 40


def test_only_the_oracle_is_one() -> None:
    """The oracle says so, by name and by mark; the policy that is deployed does not."""
    assert "elastic-oracle" == ElasticOracle().kind
    assert ElasticOracle().oracle
    assert not hasattr(ElasticPredictive(), "oracle")


def test_memory_with_a_real_forecast_round_trips() -> None:
    """What the forecast remembers is part of the memory's JSON, and goes on from it."""
    load = np.tile(np.repeat(np.arange(1, 25) * 1_000, 12), 21)[None].astype(np.int64)
    forecast = fit(
        load,
        start_ms=-21 * MS_PER_DAY,
        step_ms=5 * MS_PER_MIN,
        calendar=Calendar(),
        until_ms=MS_PER_DAY,
    )
    policy = ElasticPredictive()
    memory: Any = policy.first_memory()
    for k in range(8):
        now = snapshot(
            [machine()],
            [service(load_cpu_m=1_000.0)],
            [(0, 0, "online")],
            now_ms=k * MS_PER_MIN,
            period_ms=MS_PER_MIN if k else 0,
        )
        object.__setattr__(now, "forecast", forecast)
        again = from_json(to_json(memory), policy.first_memory())
        first, memory = policy.decide(now, memory)
        second, after = policy.decide(now, again)
        assert [str(a) for a in first] == [str(a) for a in second]
        assert to_json(memory) == to_json(after)
    assert isinstance(memory.plan.recent, Recent)
    assert int(memory.plan.recent.tries.sum()) >= 0
