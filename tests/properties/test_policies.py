"""Laws that every registered policy keeps; a new one is tested without being named here."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched import registry
from greensched.model import (
    DRAIN,
    DRAINING,
    LENT,
    NONE,
    OFF,
    ON,
    OWN,
    ROLE_CODES,
    SLEEPING,
    BatchLimit,
    Lend,
    MachineView,
    Power,
    Recall,
    ReplicaView,
    Scale,
    Snapshot,
    Suspend,
)
from greensched.policies.memory import from_json, to_json
from greensched.units import MS_PER_MIN
from tests.effort import examples
from tests.properties.databases import ToyDatabases
from tests.properties.strategies import (
    SEEDS,
    as_shown,
    make_snapshot,
    make_world,
    snapshot_runs,
    snapshots,
)
from tests.properties.waiting import with_waiting
from tests.snapshots import EMPTY_QUEUE, read_only, waiting

# One name of each policy: a second name of the same class proves nothing more.
POLICIES = sorted({entry: name for name, entry in registry.POLICIES.items()}.values())
JOBS_UNTIL = 20  # so many wakes jobs wait in the toy world
every_policy = pytest.mark.parametrize("name", POLICIES)
few = settings(max_examples=examples(30))


def build(name: str) -> Any:
    """Return the policy registered as `name` with its default settings."""
    return registry.load("policy", name)()


def image(value: Any) -> Any:
    """Return all that `value` holds, arrays as bytes, so that `==` compares bit for bit."""
    if is_dataclass(value):
        parts = (image(getattr(value, f.name)) for f in fields(value))
        return (type(value).__name__, *parts)
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, value.tobytes())
    if isinstance(value, tuple):
        return tuple(image(part) for part in value)
    return value


def arrays(value: Any) -> list[Any]:
    """Return every array that `value` holds."""
    if is_dataclass(value):
        return [a for f in fields(value) for a in arrays(getattr(value, f.name))]
    if isinstance(value, tuple):
        return [a for part in value for a in arrays(part)]
    return [value] if isinstance(value, np.ndarray) else []


def replay(policy: Any, run: tuple[Snapshot, ...]) -> list[tuple[Snapshot, Any, Any]]:
    """Return (snapshot, actions, memory) of each wake of `run`."""
    memory, wakes = policy.first_memory(), []
    for snapshot in (as_shown(policy, seen) for seen in run):
        actions, memory = policy.decide(snapshot, memory)
        wakes.append((snapshot, actions, memory))
    return wakes


def rows(actions: Any, kind: Any, **having: Any) -> list[int]:
    """Return the machines that actions of `kind` with these values name, in sum."""
    found = [
        a.machines
        for a in actions
        if isinstance(a, kind) and all(getattr(a, k) == v for k, v in having.items())
    ]
    return [int(row) for part in found for row in part]


@every_policy
@few
@given(run=snapshot_runs())
def test_i26_same_answer(name: str, run: tuple[Snapshot, ...]) -> None:
    """The same snapshot and memory give the same answer, bit for bit, by any instance."""
    first = [(image(a), image(m)) for _, a, m in replay(build(name), run)]
    again = [(image(a), image(m)) for _, a, m in replay(build(name), run)]
    assert first == again


@every_policy
@few
@given(run=snapshot_runs())
def test_inputs_unchanged(name: str, run: tuple[Snapshot, ...]) -> None:
    """A decision changes neither the snapshot nor the memory that it is given."""
    policy = build(name)
    memory = policy.first_memory()
    for snapshot in (as_shown(policy, seen) for seen in run):
        before = (image(snapshot), image(memory))
        after_memory = policy.decide(snapshot, memory)[1]
        assert before == (image(snapshot), image(memory))
        memory = after_memory


@every_policy
@few
@given(run=snapshot_runs())
def test_what_is_remembered_is_copied(name: str, run: tuple[Snapshot, ...]) -> None:
    """No memory holds on to a snapshot's columns: the engine overwrites them."""
    for snapshot, _, memory in replay(build(name), run):
        kept, seen = list(arrays(memory)), list(arrays(snapshot))
        assert not any(np.shares_memory(a, b) for a in kept for b in seen)


@every_policy
@few
@given(run=snapshot_runs())
def test_answers_are_read_only(name: str, run: tuple[Snapshot, ...]) -> None:
    """No array of an action or a memory can be written to."""
    for _, actions, memory in replay(build(name), run):
        assert not any(a.flags.writeable for a in arrays((actions, memory)))


@every_policy
@few
@given(run=snapshot_runs())
def test_i28_memory_round_trips(name: str, run: tuple[Snapshot, ...]) -> None:
    """A memory written as JSON and read again is the same, and decides the same."""
    policy = build(name)
    memory = policy.first_memory()
    for seen in run:
        # What an oracle knows is never deployed, so never written.
        snapshot = replace(seen, forecast=None) if getattr(policy, "oracle", False) else seen
        read = from_json(to_json(memory), policy.first_memory())
        assert image(memory) == image(read)
        expected = policy.decide(snapshot, memory)
        assert image(expected) == image(policy.decide(snapshot, read))
        memory = expected[1]


@every_policy
@few
@given(run=snapshot_runs())
def test_i24_min_and_max(name: str, run: tuple[Snapshot, ...]) -> None:
    """Every wanted number of replicas lies within the service's minimum and maximum."""
    for snapshot, actions, _ in replay(build(name), run):
        view = snapshot.services
        for scale in (a for a in actions if isinstance(a, Scale)):
            assert len(scale.services) == len(set(scale.services.tolist()))
            assert (scale.replicas >= view.replicas_min[scale.services]).all()
            assert (scale.replicas <= view.replicas_max[scale.services]).all()


@every_policy
@few
@given(run=snapshot_runs())
def test_one_thing_a_machine(name: str, run: tuple[Snapshot, ...]) -> None:
    """No answer lends, recalls or switches one machine twice: it lends or it serves."""
    for _, actions, _ in replay(build(name), run):
        touched = rows(actions, Power) + rows(actions, Lend) + rows(actions, Recall)
        assert len(touched) == len(set(touched))
        limited = rows(actions, BatchLimit)
        assert len(limited) == len(set(limited))
        assert not set(limited) & set(touched)


@every_policy
@few
@given(run=snapshot_runs())
def test_legal_states(name: str, run: tuple[Snapshot, ...]) -> None:
    """Machines are switched, lent and recalled only from the states that allow it."""
    for snapshot, actions, _ in replay(build(name), run):
        m = snapshot.machines
        for row in rows(actions, Power, to="on"):
            # A machine for batch that drains may be kept.
            drains = m.state[row] == DRAINING and m.role[row] == ROLE_CODES["batch"]
            assert m.state[row] in {OFF, SLEEPING} or drains
            assert not m.surplus[row] or row in kept_for(name, snapshot)
        for row in rows(actions, Power, to="sleep") + rows(actions, Power, to="off"):
            assert m.state[row] == ON
            assert m.lending[row] == OWN
            assert not m.surplus[row] or row in kept_for(name, snapshot)
        for row in rows(actions, Lend):
            assert m.state[row] == ON
            assert m.lending[row] in {OWN, DRAIN, LENT}  # what is lent has its term renewed
            assert m.role[row] != ROLE_CODES["batch"]
        assert all(m.lending[row] in {DRAIN, LENT} for row in rows(actions, Recall))


def kept_for(name: str, snapshot: Snapshot) -> set[int]:
    """Return the machines for databases, where the policy packs them."""
    packs = getattr(build(name), "packs", False)
    return set(snapshot.databases.machines.tolist()) if packs and snapshot.databases else set()


@every_policy
@few
@given(run=snapshot_runs())
def test_never_beyond_capacity(name: str, run: tuple[Snapshot, ...]) -> None:
    """Batch is never let reserve a negative amount or more than a machine has."""
    for snapshot, actions, _ in replay(build(name), run):
        m = snapshot.machines
        for limit in (a for a in actions if isinstance(a, BatchLimit)):
            assert (limit.cpu_m >= 0).all()
            assert (limit.memory_mib >= 0).all()
            assert (limit.cpu_m <= m.cpu_m[limit.machines]).all()
            assert (limit.memory_mib <= m.memory_mib[limit.machines]).all()
            assert 0 <= limit.use_share <= 1


@every_policy
@few
@given(run=snapshot_runs())
def test_no_deadline_endangered(name: str, run: tuple[Snapshot, ...]) -> None:
    """No job is stopped that doing nothing would have let run on its own machine."""
    # Only jobs that may pause are suspended; machines for batch are not emptied (what runs there
    # runs to its end) while jobs wait, and never evict.
    for snapshot, actions, _ in replay(build(name), run):
        m, waiting = snapshot.machines, snapshot.waiting
        for suspended in (a.jobs for a in actions if isinstance(a, Suspend)):
            assert waiting is not None
            may = waiting.job[waiting.interruptible]
            assert set(suspended.tolist()) <= set(may.tolist())
        for row in rows(actions, Power, to="sleep") + rows(actions, Power, to="off"):
            if m.role[row] == ROLE_CODES["batch"]:
                assert snapshot.queue.jobs == 0
        evicting = rows(actions, BatchLimit, evict=True)
        assert all(m.role[row] != ROLE_CODES["batch"] for row in evicting)


@every_policy
@few
@given(snapshot=snapshots())
def test_any_fleet_from_one_memory(name: str, snapshot: Snapshot) -> None:
    """A memory of another fleet and other services is no obstacle: both may change."""
    rng = np.random.default_rng(0)
    policy = build(name)
    snapshot = as_shown(policy, snapshot)
    other = as_shown(policy, make_snapshot(rng, make_world(rng, 5, 3), 0, 0, forecast=True))
    memory = policy.decide(other, policy.first_memory())[1]
    later = replace(snapshot, now_ms=snapshot.now_ms + MS_PER_MIN)
    known = build(name).decide(later, policy.decide(snapshot, memory)[1])
    assert image(known[1]) == image(policy.decide(later, policy.decide(snapshot, memory)[1])[1])
    assert not np.isnan(np.concatenate([[0.0], *(a.ravel() for a in arrays(known))])).any()


def test_snapshot_holds_no_future() -> None:
    """A snapshot has no field for what is to come: its fields are these, all of them past."""
    expected = {
        "now_ms", "period_ms", "time_of_day_ms", "steady_since_ms",
        "machines", "services", "replicas", "queue", "forecast", "databases",
        "sensitivity", "waiting", "carbon",
    }  # fmt: skip
    assert expected == {f.name for f in fields(Snapshot)}


@every_policy
@settings(max_examples=examples(15))
@given(seed=SEEDS, cut=st.integers(1, 59), forecast=st.booleans())
def test_future_is_not_acted_on(name: str, seed: int, cut: int, forecast: bool) -> None:
    """Another demand from some wake on changes no decision before it."""
    rng = np.random.default_rng(seed)
    demand = rng.uniform(0, 200_000, (60, 3))
    other = demand.copy()
    other[cut:] = rng.uniform(0, 200_000, (60 - cut, 3))
    policy = build(name)
    whole, changed, truncated = (
        closed_loop(policy, load, forecast=forecast) for load in (demand, other, demand[:cut])
    )
    assert whole[:cut] == changed[:cut] == truncated


def closed_loop(policy: Any, demand: Any, *, forecast: bool) -> list[Any]:
    """Return the decisions of `policy` on a toy world of three services that obeys them at once.

    Twelve machines, and six for databases; services hold what they were scaled to, spread over
    machines that are on; power, lending, recall and moves take effect by the next wake.
    """
    rng = np.random.default_rng(7)
    world = make_world(rng, 12, demand.shape[1], databases=6)
    base = as_shown(policy, make_snapshot(rng, world, 0, 0, forecast=forecast))
    own = world.role == ROLE_CODES["database"]
    state = np.where(world.surplus & ~own, OFF, ON)
    lending, databases = np.full(len(own), OWN), ToyDatabases(np.flatnonzero(own))
    wanted = np.minimum(world.replicas_min + 5, world.replicas_max)  # so that some may go
    memory, decisions = policy.first_memory(), []
    for k, load in enumerate(demand):
        snapshot = toy_snapshot(base, world, k, load, (state, lending, wanted))
        snapshot = with_waiting(databases.seen(snapshot, demand[:k]))
        actions, memory = policy.decide(snapshot, memory)
        decisions.append(image(actions))
        wanted = wanted.copy()
        for action in actions:
            if isinstance(action, Scale):
                wanted[action.services] = action.replicas
        databases.obey(actions)
        state[rows(actions, Power, to="on")] = ON
        state[rows(actions, Power, to="sleep")] = SLEEPING
        state[rows(actions, Power, to="off")] = OFF
        lending[rows(actions, Lend)] = LENT
        lending[rows(actions, Recall)] = OWN
    return decisions


def toy_snapshot(base: Snapshot, world: Any, k: int, load: Any, now: Any) -> Snapshot:
    """Return the snapshot of wake `k` (every 10 minutes from 23:00) of the toy world."""
    state, lending, wanted = now
    hosts = np.flatnonzero((state == ON) & (lending == OWN) & (world.role == 0))
    service = np.repeat(np.arange(len(wanted)), wanted) if hosts.size else np.empty(0)
    machine = hosts[np.arange(len(service)) % max(1, len(hosts))]
    held = np.bincount(machine.astype(np.int64), minlength=len(state))
    view: MachineView = replace(
        base.machines,
        state=read_only(state, np.int64),
        lending=read_only(lending, np.int64),
        replicas=read_only(held, np.int64),
        jobs=read_only(np.zeros(len(state)), np.int64),
        empty_since_ms=read_only(np.where(held == 0, 0, NONE), np.int64),
        online_use_cpu_m=read_only(np.resize(load, len(state)) / 10, np.float64),
    )
    serving = wanted if hosts.size else np.zeros_like(wanted)
    zeros = read_only(np.zeros(len(wanted)), np.int64)
    return replace(
        base,
        now_ms=k * 10 * MS_PER_MIN,
        period_ms=10 * MS_PER_MIN if k else 0,
        steady_since_ms=k * 10 * MS_PER_MIN,
        time_of_day_ms=(23 * 60 + 10 * k) % (24 * 60) * MS_PER_MIN,
        machines=view,
        services=replace(
            base.services,
            load_cpu_m=read_only(load, np.float64),
            online=read_only(serving, np.int64),
            pending=read_only(wanted - serving, np.int64),
            starting=zeros,
            standby=zeros,
            cutoff=zeros,
        ),
        replicas=ReplicaView(
            service=read_only(service, np.int64),
            machine=read_only(machine, np.int64),
            online=read_only(np.ones(len(service)), np.bool_),
        ),
        queue=waiting(1_000_000, jobs=50) if k < JOBS_UNTIL else EMPTY_QUEUE,
    )


@every_policy
@pytest.mark.parametrize("forecast", [False, True])
def test_toy_world_moves(name: str, forecast: bool) -> None:
    """The toy world is one in which each policy acts, so that its laws are not empty."""
    demand = np.full((60, 3), 2_000.0)
    assert any(closed_loop(build(name), demand, forecast=forecast))
