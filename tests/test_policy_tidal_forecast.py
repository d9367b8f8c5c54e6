"""Tidal scheduling by forecast: how many machines go, for how long, and which come back first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.engine.simulate import Simulation
from greensched.errors import UsageError
from greensched.forecast import Calendar, Recent, fit
from greensched.model import DRAIN, LENT, OWN, SLEEPING, Action, Lend, Power, Recall, Snapshot
from greensched.model.pools import with_sums
from greensched.policies.elastic import ElasticReactive
from greensched.policies.memory import from_json, to_json
from greensched.policies.tidal import TidalTimetable
from greensched.policies.tidal_forecast import TidalForecast, TidalOracle, _recall_order
from greensched.queueing import wait_tail
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_MIN
from tests.engine.worlds import machines, setting
from tests.properties.strategies import snapshots
from tests.snapshots import EMPTY_QUEUE, machine, service, snapshot, waiting, with_machines
from tests.tidal_cases import WORK, Told, flat, told, world


def decided(*wakes: Snapshot, **settings: Any) -> tuple[Action, ...]:
    """Return the answer to the last of `wakes`, the first look being a quarter of an hour before.

    All that may go goes at once.
    """
    policy = TidalForecast(**({"gray_share": 1.0} | settings))
    memory: Any = watched(policy, wakes[0])
    actions: tuple[Action, ...] = ()
    for wake in wakes:
        actions, memory = policy.decide(wake, memory)
    return actions


def watched(policy: TidalForecast, wake: Snapshot) -> Any:
    """Return the memory after a first look at a calm world, `step_ms` before `wake`."""
    before_ms = wake.now_ms - policy.step_ms
    if before_ms < 0:
        return policy.first_memory()
    calm = replace(wake.services, load_cpu_m=wake.services.load_cpu_m * 0.0)
    look = replace(wake, now_ms=before_ms, steady_since_ms=before_ms, services=calm)
    actions, memory = policy.decide(look, policy.first_memory())
    assert not [row for row in rows(actions, Lend) if wake.machines.lending[row] == OWN]
    return memory


def rows(actions: tuple[Action, ...], kind: Any) -> list[int]:
    """Return the machines that actions of `kind` name, sorted."""
    return sorted(r for a in actions if isinstance(a, kind) for r in a.machines.tolist())


def test_lends_what_need_leaves() -> None:
    """All but the replicas that the load until recall needs may go, at most 70 %."""
    # 8.5 cores at 85 % are ten replicas; 5.1 at 85 % six, and their sum at 60 % nine.
    assert 10 == len(rows(decided(world(flat(8_500.0)), max_utilisation=0.85), Lend))
    assert 11 == len(rows(decided(world(flat(5_100.0))), Lend))
    assert 14 == len(rows(decided(world(flat(100.0))), Lend))
    assert not decided(world(flat(12_100.0)))


def test_waits_are_short_after_lending() -> None:
    """Where requests are long it is the wait that says how many replicas stay, by Erlang C."""
    slow = world(flat(4_000.0), service={"service_time_ms": 50.0})
    left = 20 - len(rows(decided(slow, max_utilisation=0.85), Lend))
    assert wait_tail(left, 4.0, 50.0, 10.0) <= 0.01
    assert wait_tail(left - 1, 4.0, 50.0, 10.0) > 0.01


def test_load_of_now_counts() -> None:
    """However low the forecast, the load that is measured stays served."""
    assert 20 - 12 == len(rows(decided(world(flat(10.0), load=10_000.0)), Lend))


def test_sums_are_forecast_as_sums() -> None:
    """Of two services that never peak together the sum says how many machines go."""
    both = {"replica_cpu_m": 1_000, "service_time_ms": 1.0, "load_cpu_m": 1_000.0}
    made = snapshot(
        [machine(rack=i) for i in range(20)],
        [service(**both), service(**both)],
        [(m % 2, m, "online") for m in range(20)],
        now_ms=15 * MS_PER_MIN,
        queue=WORK,
    )
    for total, expected in ((4_800.0, 12), (7_200.0, 8)):
        forecast = Told({0: (3_400.0, 3_400.0, total, 0.0)}, good=(True,) * 4)
        assert expected == len(rows(decided(replace(made, forecast=forecast)), Lend))


def test_one_gray_step_at_a_time() -> None:
    """A quarter of what may be out goes at each look, fifteen minutes apart."""
    calm = flat(5_100.0)
    first = decided(world(calm), gray_share=0.25)
    assert 3 == len(rows(first, Lend))
    policy = TidalForecast()
    memory = watched(policy, world(calm))
    _, memory = policy.decide(world(calm), memory)
    assert not policy.decide(world(calm, 29, lent=3), memory)[0]
    after, _ = policy.decide(world(calm, 30, lent=3), memory)
    assert 6 == len(rows(after, Lend))  # three more, and the terms of three renewed


def test_terms_follow_the_forecast() -> None:
    """Who is needed in five hours goes for four, who is not at all for a day."""
    rise = told((0, 600.0), (15 + 300, 8_500.0))
    lends = [a for a in decided(world(rise), max_utilisation=0.85) if isinstance(a, Lend)]
    ahead_ms = 390_000  # of the need: 5 min of lead, 30 s of grace, 60 s to warm
    got = {(a.until_ms + ahead_ms) // MS_PER_MIN - 15: len(a.machines) for a in lends}
    assert {4 * 60: 4, 24 * 60: 10} == got


def test_not_lent_for_less_than_a_term() -> None:
    """What is needed within the hour stays; nor does it go for four times what a switch takes."""
    soon = told((0, 600.0), (15 + 59, 12_100.0))
    assert not decided(world(soon))
    later = told((0, 600.0), (15 + 61, 12_100.0))
    assert 14 == len(rows(decided(world(later)), Lend))
    assert not decided(world(later), switch_factor=30.0)


def test_recall_ahead_of_the_need() -> None:
    """Machines come back at the last look from which they can serve in time, none too many."""
    rise = told((0, 600.0), (60, 8_500.0))
    late = world(rise, 39, lent=14)
    assert [6, 7, 8, 9] == rows(decided(late, max_utilisation=0.85), Recall)
    assert not rows(decided(world(rise, 38, lent=14), max_utilisation=0.85), Recall)


def test_who_stays_out_keeps_his_term() -> None:
    """What comes back now counts as serving when the terms of the others are renewed."""
    rise = told((0, 600.0), (60, 8_500.0))
    actions = decided(world(rise, 39, lent=14), max_utilisation=0.85)
    (renewed,) = [a for a in actions if isinstance(a, Lend)]
    assert list(range(10, 20)) == renewed.machines.tolist()
    assert 39 * MS_PER_MIN + MS_PER_DAY - 390_000 == renewed.until_ms


def test_least_batch_comes_back_first() -> None:
    """Of equal terms the machines with the least batch are recalled first."""
    busy = {row: {"batch_cpu_m": 9_000, "jobs": 9} for row in (6, 7, 9)}
    late = world(told((0, 600.0), (60, 8_500.0)), 39, lent=14, machines=busy)
    back = rows(decided(late, max_utilisation=0.85), Recall)
    assert not set(back) & set(busy)


def test_the_shortest_term_comes_back_before_the_least_batch() -> None:
    """Batch was told when machines go; of equal terms the least batch comes first."""
    busy = {17: {"batch_cpu_m": 9_000}, 18: {"batch_cpu_m": 2_000}, 19: {"batch_cpu_m": 1_000}}
    made = world(flat(600.0), lent=3, machines=busy)
    until_ms = np.full(20, 2 * MS_PER_H)
    until_ms[17] = MS_PER_H
    assert [17, 19, 18] == _recall_order(made, made.machines.lending == LENT, until_ms).tolist()


def test_where_a_replica_starts_nothing_is_lent() -> None:
    """What starts there is about to be needed."""
    made = world(flat(100.0))
    online = made.replicas.online.copy()
    online[made.replicas.machine >= 12] = False
    starting = replace(made, replicas=replace(cast("Any", made.replicas), online=online))
    assert max(rows(decided(made), Lend)) >= 12
    assert 0 < len(gone := rows(decided(starting), Lend))
    assert max(gone) < 12


def test_breach_recalls_at_once_and_nothing_goes_for_an_hour() -> None:
    """Load above 85 % of what serves calls back what it needs, and lending pauses."""
    calm = flat(600.0)
    breach = world(calm, 20, lent=14, load=5_101.0)
    assert not rows(decided(world(calm, 15, lent=14), world(calm, 20, lent=14)), Recall)
    assert 3 == len(rows(decided(world(calm, 15, lent=14), breach), Recall))  # 5.1 at 60 %: nine
    fewer = [world(calm, minute, lent=11) for minute in (35, 50, 65, 80)]
    assert 11 == len(rows(decided(breach, *fewer[:3]), Lend))  # only renewed
    assert 14 == len(rows(decided(breach, *fewer), Lend))


def test_steady_load_is_counted_until_it_changes() -> None:
    """The mean load of a quarter of an hour is told right, also where wakes saw nothing new."""
    seen: list[float] = []

    class Listening(Told):
        def observe(self, recent: Any, now_ms: int, load_cpu_m: Any, **_: Any) -> Any:
            del now_ms
            seen.append(float(load_cpu_m[0]))
            return recent

    calm = Listening({0: (600.0, 600.0, 0.0)})
    wakes = [world(calm, 0)]
    for minute in range(1, 16):
        load, since = (1_000.0, 0) if minute <= 5 else (4_000.0, 6)
        one = world(calm, minute, load=load, queue=EMPTY_QUEUE)
        wakes.append(replace(one, steady_since_ms=since * MS_PER_MIN))
    decided(*wakes)
    assert [1_000.0, (5 * 1_000.0 + 10 * 4_000.0) / 15] == pytest.approx(seen)


def test_distrusted_service_lends_nothing() -> None:
    """A service whose band broke too often keeps its machines; so do all where a sum's did."""
    assert not decided(world(flat(600.0, good=(False, True, True))))
    assert not decided(world(flat(600.0, good=(True, False, True))))
    made = snapshot(
        [machine(rack=i) for i in range(20)],
        [service(load_cpu_m=100.0, service_time_ms=1.0)] * 2,
        [(m % 2, m, "online") for m in range(20)],
        now_ms=15 * MS_PER_MIN,
        queue=WORK,
    )
    one = Told({0: (100.0, 100.0, 200.0, 0.0)}, good=(False, True, True, True))
    assert list(range(1, 19, 2)) == rows(decided(replace(made, forecast=one)), Lend)


def test_without_a_forecast_the_timetable() -> None:
    """Where history is too short it is the timetable, with the same settings."""
    wakes = [world(None, minute) for minute in (0, 60, 200, 470, 480)]
    rule, memory = TidalTimetable(share=0.4), TidalTimetable().first_memory()
    policy = TidalForecast(share=0.4)
    for forecast in (None, flat(600.0, predicts=False)):
        first, second = memory, cast("Any", policy.first_memory())
        for wake in wakes:
            expected, first = rule.decide(wake, first)
            found, second = policy.decide(replace(wake, forecast=forecast), second)
            assert [str(a) for a in expected] == [str(a) for a in found]


def test_most_room_goes_first() -> None:
    """Machines whose replicas leave batch the most memory are lent first."""
    made = world(flat(6_000.0), queue=waiting(40_000))
    memory = made.machines.online_memory_mib.copy()
    memory[:12] = 9_000
    queue = replace(made.queue, memory_mib=40_000)
    made = replace(with_machines(made, online_memory_mib=memory), queue=queue)
    gone = rows(decided(made), Lend)
    assert 7 == len(gone)  # 1.5 x 40 cores on machines that have room for nine each
    assert min(gone) >= 12


def test_no_more_than_batch_can_use() -> None:
    """Nothing goes without jobs, and beside sleeping machines only once batch's own are on."""
    assert not decided(world(flat(600.0), queue=EMPTY_QUEUE))
    own = machine(role="batch", jobs=3, batch_cpu_m=10_000, batch_memory_mib=10)
    mixed = world(flat(600.0), queue=EMPTY_QUEUE, others=[own])
    assert 2 == len(rows(decided(mixed), Lend))  # 15 cores on machines of ten
    sleeps = machine(state=SLEEPING, empty_since_ms=0, rack=99)
    assert not decided(world(flat(600.0), queue=EMPTY_QUEUE, others=[own, sleeps]))
    rests = machine(role="batch", state=SLEEPING, empty_since_ms=0)
    assert not rows(decided(world(flat(600.0), others=[own, sleeps, rests])), Lend)
    assert not rows(decided(world(flat(600.0), 29, others=[own, sleeps])), Lend)
    assert 14 == len(rows(decided(world(flat(600.0), 30, others=[own, sleeps])), Lend))


def test_unused_machines_come_back_where_they_could_sleep() -> None:
    """A lent machine without jobs is recalled while others for services sleep."""
    sleeps = machine(state=SLEEPING, empty_since_ms=0, rack=99)
    busy = {19: {"jobs": 1, "batch_cpu_m": 1_000}}
    three: dict[str, Any] = {"lent": 3, "machines": busy, "queue": EMPTY_QUEUE}
    assert not rows(decided(world(flat(600.0), **three)), Recall)
    assert [17, 18] == rows(decided(world(flat(600.0), others=[sleeps], **three)), Recall)


def test_a_rack_keeps_one_that_serves() -> None:
    """Of the last two machines of a rack that serve never both go; a rack of one has no two."""
    pairs = {row: {"rack": row // 2} for row in range(20)}
    gone = rows(decided(world(flat(600.0), machines=pairs)), Lend)
    assert len(gone) == len({row // 2 for row in gone}) == 10
    assert 14 == len(rows(decided(world(flat(600.0))), Lend))


def test_some_room_stays_free_for_batch() -> None:
    """Batch's own machines stay while else less than 5 % of what runs would be free."""
    own = machine(role="batch", jobs=4, batch_cpu_m=8_000, batch_memory_mib=8_000)
    for held, expected in ((9_000, [20]), (9_700, [])):  # 10 and 3 % of lent ones
        busy = {row: {"jobs": 9, "batch_cpu_m": held} for row in range(6, 20)}
        calm = world(flat(600.0), others=[own], lent=14, machines=busy, queue=EMPTY_QUEUE)
        sleep = [a for a in decided(calm) if isinstance(a, Power) and a.to == "sleep"]
        assert expected == [row for a in sleep for row in a.machines.tolist()]


def test_batch_moves_over_and_back() -> None:
    """Batch's own machines empty while lent ones have room, and wake for what comes back."""
    own = machine(role="batch", jobs=4, batch_cpu_m=4_000, batch_memory_mib=4_000)
    lent: dict[str, Any] = {"lent": 14, "queue": EMPTY_QUEUE}
    first = decided(world(flat(600.0), others=[own] * 2, **lent))
    assert [20, 21] == [r for a in first if isinstance(a, Power) and a.to == "sleep"
                        for r in a.machines.tolist()]  # fmt: skip
    rests = machine(role="batch", state=SLEEPING, empty_since_ms=0)
    busy = {row: {"jobs": 2, "batch_cpu_m": 3_000} for row in range(6, 20)}
    rise = told((0, 600.0), (60, 8_500.0))
    late = world(rise, 39, others=[rests] * 3, machines=busy, **lent)
    actions = decided(late, max_utilisation=0.85)
    woken = [r for a in actions if isinstance(a, Power) and a.to == "on"
             for r in a.machines.tolist()]  # fmt: skip
    assert 4 == len(rows(actions, Recall))
    assert [20, 21] == woken  # twelve cores on machines of ten


@given(made=snapshots(), seed=st.integers(0, 2**32 - 1), quantile=st.sampled_from([0.9, 0.99]))
def test_what_stays_serves(made: Snapshot, seed: int, quantile: float) -> None:
    """Whatever it lends, each service keeps its minimum and what it needs within the hour."""
    rng = np.random.default_rng(seed)
    view = made.services
    need = rng.uniform(0.0, 1.0, len(view.online)) * view.online * view.replica_cpu_m
    forecast = Told(
        {0: tuple(with_sums(need, view.replica_gpu_m))}, good=(True,) * (len(need) + 2)
    )
    quiet = replace(view, pending=view.pending * 0)
    now_ms = made.now_ms + MS_PER_H
    made = replace(made, now_ms=now_ms, services=quiet, forecast=forecast, period_ms=MS_PER_MIN)
    policy = TidalForecast(quantile=quantile, gray_share=1.0)
    actions, _ = policy.decide(made, watched(policy, made))
    lent, back = rows(actions, Lend), rows(actions, Recall)
    m = made.machines
    assert not set(lent) & set(back)
    assert all(m.lending[row] in {OWN, DRAIN, LENT} for row in lent)
    goes = [row for row in lent if m.lending[row] == OWN]
    for s in range(len(view.online)):
        gone = int(sum(row in goes for row in made.replicas.machine[made.replicas.service == s]))
        if gone:
            left = int(view.online[s]) - gone
            assert left >= view.replicas_min[s]
            assert need[s] <= left * view.replica_cpu_m[s] * 0.85 + 1e-6


@pytest.mark.parametrize("kind", [TidalTimetable, TidalForecast])
def test_standby_share_is_the_engines(kind: Any) -> None:
    """What a policy says that replicas keep on standby is what the engine lets them keep."""
    elastic = ElasticReactive()
    for policy in (kind(), kind(standby_share=0.3)):
        given = setting(machines(role="online"), policies=(elastic, policy))
        assert policy.standby_share == Simulation(given).world.w[0]["standby_share"]
    nobody = setting(machines(role="online"), policies=(elastic,))
    assert Simulation(nobody).world.w[0]["standby_share"] == pytest.approx(0.895)


def test_only_the_oracle_is_one() -> None:
    """The oracle says so, by name and by mark; the policy that is deployed does not."""
    assert "tidal-oracle" == TidalOracle().kind
    assert TidalOracle().oracle
    assert not hasattr(TidalForecast(), "oracle")


def test_memory_with_a_real_forecast_round_trips() -> None:
    """What the forecast remembers is part of the memory's JSON, and goes on from it."""
    load = np.tile(np.repeat(np.arange(1, 25) * 300, 12), 21)[None].astype(np.int64)

    def fitted(history: Any) -> Any:
        return fit(
            history,
            start_ms=-21 * MS_PER_DAY,
            step_ms=5 * MS_PER_MIN,
            calendar=Calendar(),
            until_ms=2 * MS_PER_DAY,
        )

    both = fitted(with_sums(load, np.zeros(1, np.int64)))
    forecast = replace(fitted(load), with_sums=both)
    policy = TidalForecast()
    memory: Any = policy.first_memory()
    lent = 0
    for k in range(5):
        now = world(forecast, 60 + 15 * k, load=600.0, lent=lent, period_ms=15 * MS_PER_MIN)
        again = from_json(to_json(memory), policy.first_memory())
        first, memory = policy.decide(now, memory)
        second, after = policy.decide(now, again)
        assert [str(a) for a in first] == [str(a) for a in second]
        assert to_json(memory) == to_json(after)
        lent = len(rows(first, Lend))
    assert isinstance(memory.recent, Recent)
    assert lent > 4
    assert int(memory.recent.tries.sum()) == 4


def test_bad_settings() -> None:
    """A quantile without a band and shares that cannot be are named at once."""
    with pytest.raises(UsageError, match=r"(?s)quantile: 1.0.*gray_share: 2"):
        TidalForecast(quantile=1.0, gray_share=2.0)
    with pytest.raises(UsageError, match="a term of more than 24 h"):
        TidalForecast(min_lend_ms=25 * MS_PER_H)
