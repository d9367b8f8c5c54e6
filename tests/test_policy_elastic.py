"""Elastic capacity: whom it frees, what it keeps and when it wakes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given

from greensched.model import DRAINING, LENT, OFF, ON, SLEEPING, Action, Power, Scale, Snapshot
from greensched.policies.elastic import ElasticReactive
from greensched.policies.machines import online_room
from greensched.units import MS_PER_MIN
from tests.properties.strategies import snapshots
from tests.snapshots import machine, service, snapshot, waiting, with_machines

NOW_MS = 60 * MS_PER_MIN


def decided(*wakes: Snapshot, **settings: Any) -> dict[str, list[int]]:
    """Return the machines that the last of `wakes` switches, by the state they go to."""
    policy = ElasticReactive(**settings)
    memory = policy.first_memory()
    actions: tuple[Action, ...] = ()
    for wake in wakes:
        actions, memory = policy.decide(wake, memory)
    return {a.to: a.machines.tolist() for a in actions if isinstance(a, Power)}


def spread(held: list[int], **services: Any) -> Snapshot:
    """Return machines that hold so many one-core replicas each, at 60 % of their request."""
    rows = [(0, m, "online") for m, n in enumerate(held) for _ in range(n)]
    row = service(load_cpu_m=600.0 * len(rows), **services)
    return snapshot([machine()] * len(held), [row], rows, now_ms=NOW_MS)


def test_least_reserved_is_emptied() -> None:
    """The machine with the least reserved is emptied when the others can take its replicas."""
    assert {"sleep": [2]} == decided(spread([3, 4, 1, 5]))


def test_jobs_keep_a_machine() -> None:
    """A machine with jobs is not emptied, as they would keep it on: the next one goes."""
    world = spread([3, 4, 1, 5])
    jobs = world.machines.jobs.copy()
    jobs[2] = 1
    assert {"sleep": [0]} == decided(with_machines(world, jobs=jobs))


def test_moves_within_budget() -> None:
    """The moves of one answer stay within the budget, which the action carries."""
    world = spread([2, 2, 2, 2, 2, 2, 2, 2])
    assert {"sleep": [0]} == decided(world, moves_max=3, drains_share=1.0)
    assert {"sleep": [0, 1]} == decided(world, moves_max=4, drains_share=1.0)
    policy = ElasticReactive(moves_max=4)
    actions, _ = policy.decide(world, policy.first_memory())
    assert [4] == [a.moves_max for a in actions if isinstance(a, Power)]


def test_reserve_is_kept() -> None:
    """Nothing is emptied where that would use up the reserve and its quarter."""
    assert {} == decided(spread([6, 6, 6, 6]))
    assert {} == decided(spread([2, 2, 2, 2]), reserve_machines=3)


def test_headroom_counts_places() -> None:
    """Free CPU that is scattered in pieces smaller than a replica is no room."""
    large = service(load_cpu_m=2_400.0, replica_cpu_m=4_000, replica_memory_mib=10)
    small = service(load_cpu_m=12_600.0, replica_memory_mib=10)
    rows = [(0, 0, "online"), *[(1, m, "online") for m in (1, 2, 3) for _ in range(7)]]
    world = snapshot([machine()] * 4, [large, small], rows, now_ms=NOW_MS)
    assert {} == decided(world, reserve_machines=0, reserve_share=0.0)


def test_only_what_moves_has_to_fit() -> None:
    """A small replica moves though a large one, which stays, would find no place elsewhere."""
    large = service(load_cpu_m=4_800.0, replica_cpu_m=4_000, replica_memory_mib=10)
    small = service(load_cpu_m=3_000.0, replica_memory_mib=10)
    rows = [(0, m, "online") for m in (0, 2)]
    rows += [(1, m, "online") for m in (0, 0, 1, 2, 2)]
    world = snapshot([machine()] * 3, [large, small], rows, now_ms=NOW_MS)
    assert {"sleep": [1]} == decided(world, reserve_machines=0, reserve_share=0.0)


def test_not_again_for_half_an_hour() -> None:
    """A machine that was asked to empty itself and did not is left alone for a while."""
    first = spread([3, 4, 1, 5])
    later = [replace(first, now_ms=NOW_MS + k * 5 * MS_PER_MIN) for k in range(7)]
    assert {"sleep": [0]} == decided(*later[:2])
    assert {"sleep": [2]} == decided(later[0], later[6])


def test_few_drain_at_once() -> None:
    """While a machine drains, no further one is emptied beyond the share."""
    rows = [(0, m, "online") for m in range(4)]
    machines = [machine()] * 4 + [machine(state=DRAINING)]
    world = snapshot(machines, [service(load_cpu_m=2_400.0)], rows, now_ms=NOW_MS)
    assert {} == decided(world)


def test_wakes_before_need() -> None:
    """When less than the reserve is free, a sleeping machine wakes before any replica waits."""
    rows = [(0, 0, "online")] * 6
    machines = [machine(), machine(state=OFF), machine(state=SLEEPING)]
    world = snapshot(machines, [service(load_cpu_m=3_600.0)], rows, now_ms=NOW_MS)
    assert {"on": [2]} == decided(world)


def test_what_is_cut_off_needs_no_room() -> None:
    """No machine wakes for replicas that only get their traffic back."""
    # Five replicas of a core are loaded as eight should be, on a machine of ten cores of which two
    # are to stay free: a little more than two where three are to be added, else a little less.
    rows = [(0, 0, "online")] * 5
    machines = [machine(), machine(state=SLEEPING)]
    busy = service(load_cpu_m=4_800.0, replica_memory_mib=100)
    room = {"reserve_machines": 0, "reserve_share": 0.21}
    assert {"on": [1]} == decided(snapshot(machines, [busy], rows, now_ms=NOW_MS), **room)
    rows += [(0, 0, "cutoff")] * 3
    room["reserve_share"] = 0.19
    assert {} == decided(snapshot(machines, [busy], rows, now_ms=NOW_MS), **room)


def test_how_replicas_are_given_up_is_said() -> None:
    """A step down carries the times without traffic, which are none unless they are set."""
    world = snapshot([machine()], [service(load_cpu_m=600.0)], [(0, 0, "online")] * 5)
    keeps: dict[str, Any] = {"cutoff_ms": 300_000, "standby_ms": 600_000, "warm_ms": 20_000}
    for settings in ({}, keeps):
        policy = ElasticReactive(stabilisation_ms=0, **settings)
        actions, _ = policy.decide(world, policy.first_memory())
        (told,) = [a for a in actions if isinstance(a, Scale)]
        expected = {"cutoff_ms": 0, "standby_ms": 0, "warm_ms": 60_000} | settings
        assert expected == {name: getattr(told, name) for name in expected}


def test_wakes_for_pending() -> None:
    """Replicas without room wake machines even where the free sum would suffice."""
    rows = [(0, m, "online") for m in (0, 1) for _ in range(2)]
    machines = [machine(), machine(), machine(state=SLEEPING)]
    fine = service(load_cpu_m=2_400.0)
    assert {} == decided(snapshot(machines, [fine], rows, now_ms=NOW_MS, period_ms=0))
    stuck = fine | {"pending": 1}
    assert {"on": [2]} == decided(snapshot(machines, [stuck], rows, now_ms=NOW_MS))


def test_batch_sleeps_and_wakes() -> None:
    """An idle machine for batch sleeps, and one wakes when jobs wait."""
    rows = [machine(), machine(role="batch", empty_since_ms=0)]
    assert {"sleep": [1]} == decided(snapshot(rows, now_ms=NOW_MS))
    rows[1] = machine(role="batch", state=SLEEPING, empty_since_ms=0)
    assert {"on": [1]} == decided(snapshot(rows, now_ms=NOW_MS, queue=waiting(1)))


def test_lent_machines_are_left_alone() -> None:
    """What another policy has lent is neither emptied nor counted as room."""
    rows = [(0, m, "online") for m in (0, 1) for _ in range(6)] + [(0, 2, "standby")]
    machines = [machine(), machine(), machine(lending=LENT), machine(state=SLEEPING)]
    world = snapshot(machines, [service(load_cpu_m=7_200.0)], rows, now_ms=NOW_MS)
    assert {"on": [3]} == decided(world)


@given(world=snapshots())
def test_what_moves_fits(world: Snapshot) -> None:
    """The replicas of freed machines fit on the rest, largest first, whatever the state."""
    policy = ElasticReactive(drains_share=1.0, reserve_machines=0, reserve_share=0.0)
    actions, _ = policy.decide(world, policy.first_memory())
    freed = {
        int(m) for a in actions if isinstance(a, Power) and a.to == "sleep" for m in a.machines
    }
    m, replicas = world.machines, world.replicas
    cpu, memory = (room.copy() for room in online_room(m))
    kept = [
        k
        for k in range(len(cpu))
        if k not in freed and m.state[k] == ON and m.lending[k] == 0 and m.role[k] != 1
        and not m.surplus[k]
    ]  # fmt: skip
    moving = [
        int(s) for s, k in zip(replicas.service, replicas.machine, strict=True) if k in freed
    ]
    assert len(moving) <= policy.moves_max
    for s in moving:
        size = world.services.replica_cpu_m[s], world.services.replica_memory_mib[s]
        to = next(k for k in kept if cpu[k] >= size[0] and memory[k] >= size[1])
        cpu[to] -= size[0]
        memory[to] -= size[1]
