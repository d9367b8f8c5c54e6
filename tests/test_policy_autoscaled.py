"""The baseline that most clusters run: when it removes and when it adds machines."""

from __future__ import annotations

from typing import Any

import pytest

from greensched.errors import UsageError
from greensched.model import BOOTING, OFF, Action, Power, Scale
from greensched.policies.autoscaled import Autoscaled, AutoscaledAsTheyAre
from greensched.units import MS_PER_MIN
from tests.snapshots import machine, service, snapshot, waiting

NOW_MS = 60 * MS_PER_MIN


def decided(*wakes: Any) -> dict[str, list[int]]:
    """Return the machines that the last of `wakes` switches, by the state they go to."""
    policy = Autoscaled()
    memory = policy.first_memory()
    actions: tuple[Action, ...] = ()
    for wake in wakes:
        actions, memory = policy.decide(wake, memory)
    return {a.to: a.machines.tolist() for a in actions if isinstance(a, Power)}


@pytest.mark.parametrize("role", ["online", "batch"])
@pytest.mark.parametrize(("minutes", "expected"), [(9, {}), (10, {"off": [1]})])
def test_empty_ten_minutes(role: str, minutes: int, expected: dict[str, list[int]]) -> None:
    """A machine is switched off once it was empty for ten minutes, not before."""
    empty = machine(role=role, empty_since_ms=NOW_MS - minutes * MS_PER_MIN)
    world = snapshot([machine(), empty], [service()], [(0, 0, "online")], now_ms=NOW_MS)
    assert expected == decided(world)


def test_one_serving_machine_stays() -> None:
    """The last machine for services stays on, however empty; batch may go to none."""
    rows = [machine(role=r, empty_since_ms=0) for r in ("online", "any", "batch")]
    assert {"off": [1, 2]} == decided(snapshot(rows, now_ms=NOW_MS))


def test_pending_replicas_add_machines() -> None:
    """Replicas without room switch on as many machines as hold them, surplus ones never."""
    rows = [
        machine(),
        machine(state=OFF, surplus=True),
        *[machine(state=OFF)] * 3,
        machine(state=OFF, role="batch"),
    ]
    short = service(pending=11, load_cpu_m=12_000.0)
    world = snapshot(rows, [short], [(0, 0, "online")], now_ms=NOW_MS)
    assert {"on": [2, 3]} == decided(world)


def test_waiting_jobs_add_machines() -> None:
    """Jobs that wait switch on machines for batch, less what boots already."""
    rows = [machine(), *[machine(state=OFF, role="batch")] * 3]
    assert {"on": [1, 2]} == decided(snapshot(rows, queue=waiting(12_000)))
    rows[1] = machine(state=BOOTING, role="batch")
    assert {"on": [2]} == decided(snapshot(rows, queue=waiting(12_000)))


def test_stuck_jobs_try_each_type() -> None:
    """Jobs that wait for long get one machine of each type as well."""
    rows = [machine(state=OFF, role="batch", machine_type=t) for t in (0, 0, 1, 2)]
    assert {"on": [0]} == decided(snapshot(rows, queue=waiting(1)))
    assert {"on": [0, 2, 3]} == decided(snapshot(rows, queue=waiting(1), now_ms=NOW_MS))


def test_jobs_wake_machines_of_their_kind() -> None:
    """Jobs with GPUs wake as many machines as have these, jobs without wake others first."""
    gpus = {"gpu_m": 4_000, "gpu_free_m": 4_000, "machine_type": 1}
    rows = [machine(state=OFF, role="batch", **g) for g in (gpus, {}, gpus, gpus, {})]
    assert {"on": [0, 2]} == decided(snapshot(rows, queue=waiting(1, gpu_m=8_000)))
    assert {"on": [0, 2, 3]} == decided(snapshot(rows, queue=waiting(25_000, gpu_m=500)))
    assert {"on": [1]} == decided(snapshot(rows, queue=waiting(1)))
    assert {"on": [0, 1, 4]} == decided(snapshot(rows, queue=waiting(20_000)))
    rows[2] = machine(state=BOOTING, role="batch", **gpus)
    assert {"on": [0]} == decided(snapshot(rows, queue=waiting(1, gpu_m=8_000)))


def test_nothing_moves() -> None:
    """A machine with one replica is not emptied."""
    rows = [machine(), machine()]
    world = snapshot(
        rows, [service(load_cpu_m=1_200.0)], [(0, 0, "online"), (0, 1, "online")], now_ms=NOW_MS
    )
    assert {} == decided(world)


def test_scales_services() -> None:
    """Services follow the HPA rule at 60 % of the request."""
    policy = Autoscaled()
    world = snapshot([machine()], [service(load_cpu_m=3_000.0)], [(0, 0, "online")] * 2)
    actions, _ = policy.decide(world, policy.first_memory())
    assert [[5]] == [a.replicas.tolist() for a in actions if isinstance(a, Scale)]


def test_each_service_by_its_own_autoscaler() -> None:
    """A service is scaled at its own target, and one without an autoscaler keeps its replicas."""
    policy = AutoscaledAsTheyAre(targets=(0.9, 0.0, 0.6))
    places = [(i, 0, "online") for i in range(3) for _ in range(2)]
    services = [service(load_cpu_m=3_000.0) for _ in range(3)]
    world = snapshot([machine()], services, places)
    actions, _ = policy.decide(world, policy.first_memory())
    (scale,) = (a for a in actions if isinstance(a, Scale))
    assert ([0, 2], [4, 5]) == (scale.services.tolist(), scale.replicas.tolist())


def test_bad_settings() -> None:
    """All settings outside of their range are named at once."""
    with pytest.raises(UsageError, match=r"(?s)target: 60.*period_ms: 0"):
        Autoscaled(target=60, period_ms=0)
