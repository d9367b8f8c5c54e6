"""The tidal timetable: when machines go and come back, and what stays to serve."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.errors import UsageError
from greensched.model import (
    LENT,
    NONE,
    OWN,
    RECALL,
    SLEEPING,
    Action,
    Lend,
    Power,
    Recall,
    Snapshot,
)
from greensched.policies.lending import within
from greensched.policies.tidal import TidalTimetable
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_MIN
from tests.properties.strategies import snapshots
from tests.snapshots import EMPTY_QUEUE, machine, service, snapshot, waiting, with_machines

WORK = waiting(100_000)  # enough for ten machines


def decided(*wakes: Snapshot, **settings: Any) -> tuple[Action, ...]:
    """Return the answer to the last of `wakes`."""
    policy = TidalTimetable(**settings)
    memory = policy.first_memory()
    actions: tuple[Action, ...] = ()
    for wake in wakes:
        actions, memory = policy.decide(wake, memory)
    return actions


def machines_of(actions: tuple[Action, ...], kind: Any, **having: Any) -> list[int]:
    """Return the machines of the only action of `kind`, or none."""
    found = [
        a.machines.tolist()
        for a in actions
        if isinstance(a, kind) and all(getattr(a, k) == v for k, v in having.items())
    ]
    assert len(found) <= 1
    return found[0] if found else []


def night(minute: int, *, load: float = 1_000.0, lent: int = 0, **world: Any) -> Snapshot:
    """Return ten machines with one replica each, the last `lent` lent, at a minute of the day."""
    states = ["online"] * (10 - lent) + ["standby"] * lent
    rows = [(0, m, state) for m, state in enumerate(states)]
    machines = [machine(lending=OWN if s == "online" else LENT) for s in states]
    machines += world.pop("others", [])
    world.setdefault("queue", EMPTY_QUEUE if lent else WORK)
    return snapshot(
        machines,
        [service(load_cpu_m=load) | world.pop("service", {})],
        rows,
        now_ms=minute * MS_PER_MIN,
        **world,
    )


@pytest.mark.parametrize(
    ("minute", "expected"), [(0, 5), (419, 0), (413, 5), (414, 0), (480, 0), (720, 0), (1439, 0)]
)
def test_lends_half_in_the_window(minute: int, expected: int) -> None:
    """Half of the machines go from midnight on, none when less than an hour is left to lend."""
    assert expected == len(machines_of(decided(night(minute)), Lend))


def test_local_time_counts() -> None:
    """The window is one of local time of day, whenever the scenario started."""
    noon = night(12 * 60)
    assert not decided(noon)
    assert decided(replace(noon, time_of_day_ms=MS_PER_H))


def test_window_over_midnight() -> None:
    """A window may begin before midnight and end after it."""
    late = {"start_ms": 22 * MS_PER_H, "end_ms": 6 * MS_PER_H}
    assert 5 == len(machines_of(decided(night(23 * 60), **late), Lend))
    assert 5 == len(machines_of(decided(night(60), **late), Lend))
    assert not decided(night(21 * 60), **late)


@pytest.mark.parametrize(("minute", "expected"), [(473, []), (474, [5, 6, 7, 8, 9])])
def test_recall_leads(minute: int, expected: list[int]) -> None:
    """Recall begins lead + grace + warm-up (6.5 min) before 08:00, at the first wake after."""
    actions = decided(night(minute, lent=5))
    assert expected == machines_of(actions, Recall, grace_ms=30_000, warm_ms=60_000)


def test_load_limits_lending() -> None:
    """Only so many go that the load stays within 60 % of the replicas that remain."""
    assert 3 == len(machines_of(decided(night(0, load=4_200.0)), Lend))
    assert not decided(night(0, load=7_000.0))


def test_minimum_stays() -> None:
    """A service keeps its minimum, and half of its replicas rounded up."""
    assert 2 == len(machines_of(decided(night(0, service={"replicas_min": 8})), Lend))
    rows = [(0, m, "online") for m in range(3)]
    odd = snapshot([machine()] * 6, [service()], rows, queue=WORK)
    assert [3, 4, 5] == machines_of(decided(odd), Lend)
    even = snapshot([machine()] * 3, [service()], rows, queue=WORK)
    assert [0] == machines_of(decided(even), Lend)


def test_no_more_than_batch_can_use() -> None:
    """No more is lent than 1.5 times what waits or is held there, and a spare of 5 %."""
    assert not decided(night(0, queue=EMPTY_QUEUE))
    assert 3 == len(machines_of(decided(night(0, queue=waiting(20_000))), Lend))
    held = machine(role="batch", jobs=3, batch_cpu_m=10_000)
    mixed = night(0, queue=waiting(5_000), others=[held])
    assert 1 == len(machines_of(decided(mixed), Lend))  # 7.5 cores and half a core
    assert 5 == len(machines_of(decided(mixed, demand_factor=0.0), Lend))


def test_lent_until_recall() -> None:
    """Lending says when recall is expected: 6.5 minutes before the end of the window."""
    lend = [a for a in decided(night(60)) if isinstance(a, Lend)]
    assert [473.5 * MS_PER_MIN] == [a.until_ms for a in lend]


def test_empty_machines_may_sleep() -> None:
    """A machine without replicas is lent only while jobs wait: else it could sleep."""
    held = machine(role="batch", jobs=1, batch_cpu_m=5_000)
    world = [machine(), machine(), held], [service()], [(0, 0, "online")]
    assert not decided(snapshot(*world))
    assert [1] == machines_of(decided(snapshot(*world, queue=WORK)), Lend)


def test_one_service_does_not_block_others() -> None:
    """A service at its minimum keeps its machines; those of others go in their place."""
    bound, free = service(replicas_min=2), service(replicas_min=0)
    rows = [(0, 0, "online"), (0, 1, "online"), *[(1, m, "online") for m in (2, 3, 4, 5)]]
    world = snapshot([machine()] * 6, [bound, free], rows, queue=WORK)
    assert [2, 3] == machines_of(decided(world), Lend)


def test_blocked_machines_use_up_no_allowance() -> None:
    """A machine that cannot go does not keep those after it from going."""
    bound, free = service(replicas_min=1), service(replicas_min=0)
    rows = [(0, 0, "online"), (1, 0, "online"), (1, 1, "online"), (1, 1, "online")]
    world = snapshot([machine()] * 2, [bound, free], rows, queue=WORK)
    assert not decided(world, share=0.4)
    assert [1] == machines_of(decided(world, share=0.7), Lend)


def test_a_rack_keeps_one_that_serves() -> None:
    """Of the last two machines of a rack that serve never both go; who stays takes no turn."""
    bound, free = service(replicas_min=1), service(replicas_min=0)
    rows = [(0, 0, "online"), *[(1, m, "online") for m in range(1, 8)]]
    world = snapshot([machine(rack=m // 2) for m in range(8)], [bound, free], rows, queue=WORK)
    assert [1, 2, 4, 6] == machines_of(decided(world, share=0.7), Lend)


def test_nothing_goes_while_replicas_wait() -> None:
    """No machine is lent while a replica finds no room, nor one on which a replica starts."""
    assert not decided(night(0, service={"pending": 1}))
    rows = [(0, 0, "starting"), *[(0, m, "online") for m in (1, 2, 3)]]
    world = snapshot([machine()] * 4, [service()], rows, queue=WORK)
    assert [1] == machines_of(decided(world), Lend)


def test_more_is_tried_every_quarter() -> None:
    """What the load did not allow at midnight is tried again after 15 minutes, not before."""
    full, calm = night(0, load=7_000.0), night(14)
    assert not decided(full, calm)
    assert 5 == len(machines_of(decided(full, calm, night(15)), Lend))


def test_early_recall_and_no_more_that_night() -> None:
    """Load above 85 % of what serves calls machines back, and nothing goes until tomorrow."""
    assert not decided(night(60, lent=5, load=4_250.0))
    breach, calm = night(60, lent=5, load=4_251.0), night(90)
    assert [5, 6, 7, 8, 9] == machines_of(decided(breach), Recall)
    assert not decided(breach, calm)
    tomorrow = night(24 * 60)
    assert 5 == len(machines_of(decided(breach, calm, night(600), tomorrow), Lend))


def test_recall_once() -> None:
    """Replicas that are on their way back count: a breach does not call for the others too."""
    rows = [(0, m, "online") for m in range(5)] + [(0, m, "standby") for m in range(5, 10)]
    lending = [OWN] * 5 + [RECALL] * 4 + [LENT]
    world = snapshot(
        [machine(lending=phase) for phase in lending],
        [service(load_cpu_m=4_500.0)],
        rows,
        now_ms=MS_PER_H,
    )
    assert not decided(world)


def test_batch_sleeps_while_others_are_lent() -> None:
    """Dedicated batch machines empty for 30 minutes sleep, but only while machines are lent."""
    idle = machine(role="batch", empty_since_ms=0)
    assert [10] == machines_of(decided(night(31, lent=5, others=[idle])), Power, to="sleep")
    assert not decided(night(29, lent=5, others=[idle]))
    assert not decided(night(720, others=[idle]))
    assert not decided(night(31, lent=5, others=[idle], queue=waiting(1)))


def test_batch_wakes_for_jobs_and_before_recall() -> None:
    """What sleeps wakes for waiting jobs, and before recall for the jobs of lent machines."""
    idle = machine(role="batch", empty_since_ms=0)
    asleep = machine(role="batch", empty_since_ms=0, state=SLEEPING)
    first = night(40, lent=5, others=[idle] * 2)
    jobs = night(50, lent=5, others=[asleep] * 2, queue=waiting(8_000))
    assert [10] == machines_of(decided(first, jobs), Power, to="on")
    before = night(470, lent=5, others=[asleep] * 2)
    batch = before.machines.batch_cpu_m.copy()
    batch[9] = 10_000
    busy = with_machines(before, batch_cpu_m=batch)
    assert [10] == machines_of(decided(first, busy), Power, to="on")
    assert not decided(first, before)


@given(world=snapshots(), share=st.floats(0.1, 0.7), at=st.floats(0.3, 0.85))
def test_what_stays_serves(world: Snapshot, share: float, at: float) -> None:
    """After lending, each service keeps its minimum, its share and its utilisation limit."""
    world = replace(world, time_of_day_ms=0, period_ms=MS_PER_MIN)
    quiet = replace(world.services, pending=world.services.pending * 0)
    world = replace(world, services=quiet)
    policy = TidalTimetable(share=share, max_utilisation=at)
    actions, _ = policy.decide(world, policy.first_memory())
    lent = machines_of(actions, Lend)
    view = world.services
    for s in range(len(view.online)):
        rows = world.replicas.service == s
        gone = int(sum(m in lent for m in world.replicas.machine[rows].tolist()))
        if not gone:
            continue
        left = int(view.online[s]) - gone
        held = int(view.online[s] + view.starting[s] + view.standby[s])
        assert left >= view.replicas_min[s]
        assert left >= (1 - share) * held - 1e-6
        assert view.load_cpu_m[s] <= left * view.replica_cpu_m[s] * at + 1e-6


def test_bad_settings() -> None:
    """Times of day, too large a share and limits that contradict are named at once."""
    with pytest.raises(UsageError, match=r"(?s)end_ms.*share: 0.9.*breach_utilisation"):
        TidalTimetable(end_ms=MS_PER_DAY + 1, share=0.9, breach_utilisation=NONE)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(0, 4), max_size=6)), max_size=12),
    st.lists(st.integers(0, 5), min_size=5, max_size=5),
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
    st.integers(1, 12),
)
def test_as_many_go_as_may(
    machines: list[tuple[int, list[int]]], allowed: list[int], spare: list[int], count: int
) -> None:
    """No service and no rack gives more than it may, and no machine stays that could go too."""
    world = snapshot(
        [machine(rack=rack) for rack, _ in machines],
        [service()] * len(allowed),
        [(s, m, "online") for m, (_, held) in enumerate(machines) for s in held],
    )
    order = np.arange(len(machines))[::-1].copy()
    goes = within(world, order, np.array(allowed), np.array(spare), count).tolist()

    def may(rows: list[int]) -> bool:
        held = [s for m in rows for s in machines[m][1]]
        racks = [machines[m][0] for m in rows]
        services = all(held.count(s) <= most for s, most in enumerate(allowed))
        return services and all(racks.count(r) <= most for r, most in enumerate(spare))

    assert len(set(goes)) == len(goes) <= count
    assert may(goes)
    stay = set(range(len(machines))) - set(goes)
    assert len(goes) == count or not any(may([*goes, m]) for m in stay)
