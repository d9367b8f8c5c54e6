"""The nightly policy by hand: when it plans, what it moves and switches, oracle and rival."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from greensched import registry
from greensched.errors import UsageError
from greensched.model import (
    LEAVING,
    NONE,
    OFF,
    ON,
    OUT,
    Compress,
    DatabaseView,
    Move,
    Power,
    Snapshot,
)
from greensched.policies.consolidation import Consolidation, Night
from greensched.units import MS_PER_H
from tests.snapshots import machine, snapshot

DAY = np.tile([900, 100], 12)  # busy in even hours
ODD = np.tile([100, 900], 12)  # and in odd ones
FREE: dict[str, Any] = {
    "cpu_headroom_share": 0.0,
    "disk_headroom_share": 0.0,
    "isolation_share": 0.0,
    "compression_share": 0.0,
    "compression_cpu_share": 0.0,
}


def view(*use: Any, at: list[int], servers: int = 3, **having: Any) -> DatabaseView:
    """Return single databases of 100 MiB with this record, on machines of one core."""
    n, ones = len(use), np.ones(servers, np.int64)
    values: dict[str, Any] = {
        "step_ms": MS_PER_H,
        "cpu_m": np.array(use, np.int64),
        "iops": np.zeros((n, len(use[0])), np.int64),
        "memory_mib": np.full(n, 100),
        "disk_gib": np.full(n, 10),
        "kept_disk_share": np.ones(n),
        "apart": np.zeros(n, np.int64),
        "database": np.arange(n),
        "machine": np.array(at),
        "to": np.full(n, NONE),
        "machines": np.arange(servers),
        "machine_cpu_m": ones * 1_000,
        "machine_iops": ones * 1_000,
        "machine_memory_mib": ones * 1_000,
        "machine_disk_gib": ones * 1_000,
        "rack": np.arange(servers),
        "site": ones * 0,
    }
    return DatabaseView(**(values | having))


def seen(databases: DatabaseView, hour: float, states: list[int] | None = None) -> Snapshot:
    """Return the snapshot at `hour`, with machines for databases in these states."""
    states = states or [ON] * len(databases.machines)
    servers = [machine(role="database", state=s, surplus=True) for s in states]
    return replace(snapshot(servers, now_ms=int(hour * MS_PER_H)), databases=databases)


def told(policy: Any, given: Snapshot, memory: Any = None) -> tuple[list[Any], Any]:
    """Return the actions as plain values, and the memory."""
    actions, after = policy.decide(given, policy.first_memory() if memory is None else memory)
    plain: list[Any] = []
    for action in actions:
        match action:
            case Move():
                plain.append(("move", action.replicas.tolist(), action.to.tolist()))
            case Power():
                plain.append((action.to, action.machines.tolist()))
            case Compress():
                plain.append(("compress", action.databases.tolist(), action.disk_share))
    return plain, after


def test_peaks_that_do_not_coincide_share_a_machine() -> None:
    """Two databases busy in turn move together, and the machines that hold nothing go off."""
    actions, memory = told(Consolidation(**FREE), seen(view(DAY, ODD, at=[0, 1]), 1.0))
    assert [("move", [0], [1]), ("off", [2])] == actions
    assert [1, 1] == memory.plan.tolist()


def test_machine_goes_off_at_the_wake_after_it_was_left() -> None:
    """Once the move is complete, a later wake of the same night switches the machine off."""
    policy = Consolidation(**FREE)
    memory = told(policy, seen(view(DAY, ODD, at=[0, 1]), 1.0))[1]
    there = view(DAY, ODD, at=[0, 1], to=np.array([1, NONE]))
    assert [] == told(policy, seen(there, 1.5, [ON, ON, OFF]), memory)[0]
    after = seen(view(DAY, ODD, at=[1, 1]), 2.0, [ON, ON, OFF])
    assert [("off", [0])] == told(policy, after, memory)[0]


@pytest.mark.parametrize("hour", [0.0, 0.5, 5.0, 12.0, 23.5])
def test_nothing_happens_by_day(hour: float) -> None:
    """Outside the night nothing moves and nothing is switched, whatever could be saved."""
    policy = Consolidation()
    assert [] == told(policy, seen(view(DAY, ODD, at=[0, 1]), hour))[0]


def test_night_may_span_midnight() -> None:
    """From 22:00 to 4:00 is one night: what was planned before midnight holds after it."""
    policy = Consolidation(start_ms=22 * MS_PER_H, end_ms=4 * MS_PER_H, **FREE)
    begun = told(policy, seen(view(DAY, ODD, at=[0, 1]), 23.0))[1]
    later = told(policy, seen(view(DAY, ODD, at=[0, 1]), 27.0), begun)
    assert begun.begin_ms == 22 * MS_PER_H == later[1].begin_ms
    assert [] == told(policy, seen(view(DAY, ODD, at=[0, 1]), 28.0), begun)[0]


@pytest.mark.parametrize("state", [OUT, LEAVING])
def test_what_is_out_is_left_alone(state: int) -> None:
    """A machine that is out, or leaves, gives nothing up and takes nothing; others are packed."""
    # Without the outage the three calm ones would meet on one machine.
    calm = [DAY // 4] * 3
    given = seen(view(*calm, at=[0, 1, 2], servers=4), 1.0, [state, ON, ON, OFF])
    actions, memory = told(Consolidation(**FREE), given)
    assert 0 == memory.plan[0]
    assert 2 == len(set(memory.plan.tolist()))
    assert 0 not in {to for a in actions if a[0] == "move" for to in a[2]}
    assert not [a for a in actions if a[0] in {"on", "off"} and 0 in a[1]]


def test_nothing_is_read_from_what_goes_out_after_the_plan() -> None:
    """A move that was planned before its source went out waits, and the others begin."""
    policy = Consolidation(**FREE)
    known = Night(begin_ms=MS_PER_H, plan=np.array([2, 2, 2]))
    given = seen(view(*[DAY // 4] * 3, at=[0, 1, 2]), 1.5, [OUT, ON, ON])
    assert [("move", [1], [2])] == [a for a in told(policy, given, known)[0] if a[0] == "move"]


def test_what_is_on_its_way_takes_room_where_it_goes() -> None:
    """Of three that a machine has room for two of, one is on its way there, so one more begins."""
    plan = Night(begin_ms=MS_PER_H, plan=np.array([2, 2, 2]))
    calm = [np.full(24, 400)] * 3
    for to, begun in ((NONE, [0, 1]), (2, [1])):
        given = seen(view(*calm, at=[0, 1, 1], to=np.array([to, NONE, NONE])), 1.5)
        actions = told(Consolidation(**FREE), given, plan)[0]
        assert begun == next(a for a in actions if a[0] == "move")[1]


def test_later_nights_keep_to_their_budget() -> None:
    """After the first night, of four databases none moves at 0 %, one at 2 % and at 25 %."""
    four = view(*[DAY // 4] * 4, at=[0, 1, 2, 3], servers=4)
    known = Night(begin_ms=MS_PER_H, plan=np.arange(4))
    for share, moved in ((0.0, 0), (0.02, 1), (0.25, 1), (0.3, 2)):
        actions = told(Consolidation(moves_share=share, **FREE), seen(four, 25.0), known)[0]
        assert moved == sum(len(a[1]) for a in actions if a[0] == "move")


def test_a_budget_is_rounded_up_from_what_it_is() -> None:
    """Of 100 replicas 7 % are seven, though 0.07 x 100 is a little more in floats."""
    at = np.arange(100)
    assert 0.07 * 100 > 7
    assert 7 == Consolidation(moves_share=0.07)._budget(at, at)
    assert 8 == Consolidation(moves_share=0.071)._budget(at, at)
    assert 7 == Consolidation(moves_first_share=0.07)._budget(at[:0], at)


def test_what_a_night_leaves_undone_is_done_in_the_next() -> None:
    """A plan of which two moves are left gives the next night a budget of two, not of one."""
    four = view(*[DAY // 4] * 4, at=[0, 1, 2, 3], servers=4)
    left = Night(begin_ms=MS_PER_H, plan=np.array([0, 1, 0, 1]))
    actions = told(Consolidation(**FREE), seen(four, 25.0), left)[0]
    assert 2 == sum(len(a[1]) for a in actions if a[0] == "move")


def test_less_than_a_day_is_no_record() -> None:
    """With 23 hours known nothing is planned; with 24 it is."""
    policy = Consolidation(**FREE)
    assert [] == told(policy, seen(view(DAY[:23], ODD[:23], at=[0, 1]), 1.0))[0]
    assert told(policy, seen(view(DAY, ODD, at=[0, 1]), 1.0))[0]


def test_only_the_last_days_are_planned_on() -> None:
    """A clash that is more than `days` ago no longer keeps two databases apart."""
    old, new = np.concatenate([DAY, DAY]), np.concatenate([DAY, ODD])
    given = seen(view(old, new, at=[0, 1]), 1.0)
    assert not [a for a in told(Consolidation(days=2, **FREE), given)[0] if a[0] == "move"]
    assert [a for a in told(Consolidation(days=1, **FREE), given)[0] if a[0] == "move"]


def test_steps_of_a_plan_hold_their_largest_use() -> None:
    """In steps of two hours the two databases are busy all the time, and stay apart."""
    given = seen(view(DAY, ODD, at=[0, 1]), 1.0)
    coarse = Consolidation(step_ms=2 * MS_PER_H, **FREE)
    assert not [a for a in told(coarse, given)[0] if a[0] == "move"]


def test_oracle_plans_on_what_comes_first() -> None:
    """The oracle is shown what comes, and plans on its beginning, be it less than a day."""
    policy = registry.load("policy", "consolidation-oracle")(days=1, **FREE)
    coming = np.concatenate([ODD, DAY])
    given = seen(view(np.concatenate([DAY, DAY]), coming, at=[0, 1]), 1.0)
    assert ("move", [0], [1]) in told(policy, given)[0]
    assert told(policy, seen(view(DAY[:3], ODD[:3], at=[0, 1]), 1.0))[0]


def test_rival_adds_up_peaks() -> None:
    """Sums of peaks leave the two databases where they are."""
    policy = registry.load("policy", "consolidation-peaks")(**FREE)
    assert [("off", [2])] == told(policy, seen(view(DAY, ODD, at=[0, 1]), 1.0))[0]


def test_compression_is_asked_for_once() -> None:
    """What is not yet kept at 0.3 of its disk is compressed with the first plan, and no more."""
    policy = Consolidation(moves_first_share=0.0)
    plain = told(policy, seen(view(DAY, ODD, at=[0, 1]), 1.0))[0]
    assert [("compress", [0, 1], 0.7), ("off", [2])] == plain
    kept = np.full(2, 1 - 700 / 1_000)
    shrunk = view(DAY, ODD, at=[0, 1], kept_disk_share=kept)
    assert [("off", [2])] == told(policy, seen(shrunk, 1.0))[0]


def test_machine_that_the_plan_needs_is_switched_on_first() -> None:
    """An overloaded machine gives a database to one that is off, which is switched on first."""
    policy, both = Consolidation(**FREE), view(DAY, DAY, at=[0, 0], servers=2)
    actions, memory = told(policy, seen(both, 1.0, [ON, OFF]))
    assert [("on", [1])] == actions
    assert [("move", [1], [1])] == told(policy, seen(both, 1.5, [ON, ON]), memory)[0]


def test_moves_wait_for_room_at_both_ends() -> None:
    """Two databases that have to change places do not move where neither end has room for both."""
    policy = Consolidation(**FREE)
    crossed = view(DAY, ODD, at=[0, 1], servers=2, memory_mib=np.array([600, 600]))
    memory = Night(begin_ms=MS_PER_H, plan=np.array([1, 0]))
    assert [] == told(policy, seen(crossed, 1.5), memory)[0]


def test_moves_of_one_wake_leave_room_for_each_other() -> None:
    """Of two databases that go where a third one leaves, the second waits until it has left."""
    policy = Consolidation(**FREE)
    memory_mib = np.array([400, 400, 500])
    crowded = view(DAY // 9, DAY // 9, DAY // 9, at=[0, 0, 1], memory_mib=memory_mib)
    plan = Night(begin_ms=MS_PER_H, plan=np.array([1, 1, 2]))
    assert [("move", [2, 0], [2, 1])] == told(policy, seen(crowded, 1.5), plan)[0]


def test_settings_that_cannot_be_are_refused_together() -> None:
    """A share above 1 and a night of no days are told in one error."""
    with pytest.raises(UsageError) as error:
        Consolidation(moves_share=1.5, days=0)
    assert ["moves_share", "days"] == [f.where for f in error.value.findings]


def test_without_databases_nothing_is_done() -> None:
    """A snapshot without databases asks for nothing."""
    assert [] == told(Consolidation(), snapshot([machine()], now_ms=MS_PER_H))[0]
