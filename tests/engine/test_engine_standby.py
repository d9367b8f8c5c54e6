"""Replicas without traffic, worked out by hand: cut off, on standby, back again or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from greensched.engine.simulate import Simulation, simulate
from greensched.model import Action, Lend, Power, Recall, Scale, Setting, merged
from tests.engine.worlds import Scripted, machines, numbers, services, setting

if TYPE_CHECKING:
    from greensched.engine.result import RunResult

FALLS_AND_RISES = ((60_000, 1), (120_000, 2))
STANDS_BY: dict[str, Any] = {"standby_ms": 90_000, "warm_ms": 10_000}


def two(*counts: tuple[int, int], then: tuple[Any, ...] = (), **having: Any) -> Setting:
    """Return three minutes of a service with two replicas that start in 30 s.

    `counts`: how many replicas it is to have from when [ms] on; `then`: other actions, which come
    first; the rest are terms of the scales, or what the setting is to have.
    """
    terms = {k: having.pop(k) for k in ("cutoff_ms", "standby_ms", "warm_ms") if k in having}
    script: list[tuple[int, tuple[Action, ...]]] = [
        (at_ms, (Scale(services=numbers(0), replicas=numbers(n), **terms),)) for at_ms, n in counts
    ]
    load = services({"replicas": 2, "startup_ms": 30_000, "load_cpu_m": [2_000, 500, 2_000]})
    told: dict[str, Any] = {
        "window_ms": 180_000,
        "services": load,
        "policies": (Scripted(script=(*then, *script)),),
    }
    return setting(*having.pop("fleet", [machines(role="online")]), **(told | having))


def energies(result: RunResult) -> tuple[float, float]:
    """Return what machines and services took [J]."""
    return float(result.usage.energy_j.sum()), float(result.services.energy_j.sum())


def test_deleted_replicas_are_missed_when_the_load_returns() -> None:
    """Without a cutoff the second replica starts for 30 s, and half of the load is short."""
    # Four cores, 100 W idle, 0.025 W a millicore; a replica reserves a quarter: 25 W.
    # Uses 2,000, then 500, then 1,000 for the 30 s in which the second one starts, then 2,000.
    result = simulate(two(*FALLS_AND_RISES))
    assert [30.0] == pytest.approx(result.services.shortage_core_s.tolist())
    machine_j = 60 * 150 + 60 * 112.5 + 30 * 125 + 30 * 150
    service_j = 60 * (50 + 50) + 60 * (25 + 12.5) + 30 * (50 + 25) + 30 * (50 + 50)
    assert (machine_j, service_j) == pytest.approx(energies(result))
    assert [0] == result.services.cutoff_ms.tolist()


def test_cut_off_replicas_serve_at_once_when_the_load_returns() -> None:
    """Within the cutoff the load finds both replicas at once: no shortage, and idle watts paid."""
    # One replica alone serves from 60 to 120 s: it uses 500. The other keeps its 25 W of idle.
    result = simulate(two(*FALLS_AND_RISES, cutoff_ms=60_001))
    assert [0.0] == result.services.shortage_core_s.tolist()
    assert [[120_000], [60_000], [120_000]] == result.services.online_ms[:3].tolist()
    assert [60_000] == result.services.cutoff_ms.tolist()
    machine_j = 60 * 150 + 60 * 112.5 + 60 * 150
    service_j = 60 * (50 + 50) + 60 * (50 + 12.5) + 60 * (50 + 50)
    assert (machine_j, service_j) == pytest.approx(energies(result))


def test_replicas_are_deleted_when_their_cutoff_is_over() -> None:
    """A replica that nobody wanted back in time is gone, and its reservation with it."""
    result = simulate(two(*FALLS_AND_RISES, cutoff_ms=20_000))
    assert [30.0] == pytest.approx(result.services.shortage_core_s.tolist())
    assert [20_000] == result.services.cutoff_ms.tolist()
    service_j = 6_000 + 20 * (50 + 12.5) + 40 * (25 + 12.5) + 30 * 75 + 30 * 100
    assert service_j == pytest.approx(energies(result)[1])


def test_who_came_back_is_not_deleted_by_an_earlier_end() -> None:
    """The end of a first cutoff does not count for a replica that serves or is cut off again."""
    # Cut off at 60 s until 80 s, but back at 70 s; cut off again at 75 s until 95 s, back at 90 s.
    turns = ((60_000, 1), (70_000, 2), (75_000, 1), (90_000, 2))
    result = simulate(two(*turns, cutoff_ms=20_000))
    assert [10_000 + 15_000] == result.services.cutoff_ms.tolist()
    assert [[120_000], [120_000 - 25_000], [120_000]] == result.services.online_ms[:3].tolist()


def test_standby_follows_the_cutoff_and_warms_up() -> None:
    """After its cutoff a replica stands by without a reservation, and serves after its warm-up."""
    # Cut off from 60 to 80 s, on standby until 120 s, then 10 s of warming up, all reserved.
    result = simulate(two(*FALLS_AND_RISES, cutoff_ms=20_000, standby_ms=41_000, warm_ms=10_000))
    assert [20_000] == result.services.cutoff_ms.tolist()
    assert [40_000] == result.services.standby_ms.tolist()
    assert [10.0] == pytest.approx(result.services.shortage_core_s.tolist())
    service_j = 6_000 + 20 * (50 + 12.5) + 40 * (25 + 12.5) + 10 * 75 + 50 * 100
    assert service_j == pytest.approx(energies(result)[1])


def test_standby_ends_with_deletion() -> None:
    """A replica without a cutoff stands by at once, and is deleted when that time is over."""
    result = simulate(two(*FALLS_AND_RISES, standby_ms=40_000, warm_ms=10_000))
    assert [0] == result.services.cutoff_ms.tolist()
    assert [40_000] == result.services.standby_ms.tolist()
    assert [30.0] == pytest.approx(result.services.shortage_core_s.tolist())


def test_who_is_cut_off_comes_back_before_who_stands_by() -> None:
    """Of one replica on standby and one that is cut off a service gets the latter, at once."""
    # Cut off from 60 to 80 s, on standby from then on; the second one cut off from 90 to 100 s.
    load = services({"replicas": 3, "load_cpu_m": [500]})
    turns = ((60_000, 2), (90_000, 1), (100_000, 2))
    result = simulate(two(*turns, services=load, cutoff_ms=20_000, standby_ms=200_000))
    assert [20_000 + 10_000] == result.services.cutoff_ms.tolist()
    assert [180_000 - 80_000] == result.services.standby_ms.tolist()


def test_standby_without_room_is_passed_over() -> None:
    """Where others took the CPU that a standby replica gave back, a new one starts elsewhere."""
    # Four replicas of a core fill the first machine; a fifth one needs the core given back.
    load = services(
        {"replicas": 2, "startup_ms": 30_000, "load_cpu_m": [2_000, 500, 2_000]},
        {"replicas": 2, "load_cpu_m": [0, 0, 0]},
    )
    fleet = [machines(role="online", cpu_m=4_000), machines(name="b", role="online", cpu_m=1_000)]
    told = {"services": load, "fleet": fleet, "weigher": "first-fit"} | STANDS_BY
    other = (90_000, (Scale(services=numbers(1), replicas=numbers(3)),))
    for then, short_core_s in (((), 10.0), ((other,), 30.0)):
        run = simulate(two(*FALLS_AND_RISES, then=then, **told))
        assert [short_core_s, 0.0] == pytest.approx(run.services.shortage_core_s.tolist())


def test_standby_needs_its_devices_as_well() -> None:
    """A replica of a whole GPU does not come back where only parts of several are free."""
    # Of four devices two are held by the first service and 0.6 of two by the second one, whose
    # third replica takes 0.6 of the one that is given back: 1.2 are free, on three devices.
    load = services(
        {"replicas": 2, "load_cpu_m": [500], "replica_gpu_m": 1_000},
        {"replicas": 2, "load_cpu_m": [0], "replica_cpu_m": 100, "replica_gpu_m": 600},
    )
    other = (90_000, (Scale(services=numbers(1), replicas=numbers(3)),))
    told = {"services": load, "fleet": [machines(role="online", gpus=4)]} | STANDS_BY
    for then, waiting in (((), 0), ((other,), 1)):
        run = simulate(two(*FALLS_AND_RISES, then=then, **told))
        assert waiting == run.counts["pending"]


def test_idle_power_is_shared_anew_where_one_comes_back() -> None:
    """On a machine whose shares exceed it services take all of its energy, and no more."""
    # Shares of CPU 0.475 each and of memory 0.9: 1.85, or 1.375 while one of the first stands by.
    load = services(
        {"replicas": 2, "load_cpu_m": [500], "replica_cpu_m": 1_900},
        {"replicas": 1, "load_cpu_m": [0], "replica_cpu_m": 100, "replica_memory_mib": 900},
    )
    result = simulate(two(*FALLS_AND_RISES, services=load, **STANDS_BY))
    assert [60_000, 0] == result.services.standby_ms.tolist()
    assert energies(result)[0] == pytest.approx(energies(result)[1])


def test_a_machine_on_which_replicas_only_stand_by_is_empty() -> None:
    """It is empty from when the last of them lost its traffic until one is wanted again."""
    load = services({"replicas": 4, "load_cpu_m": [500], "replica_cpu_m": 2_000})
    told: dict[str, Any] = {"services": load, "fleet": [machines(role="online", count=2)]}
    run = Simulation(two((60_000, 2), **told, **STANDS_BY, window_ms=80_000)).finish()
    assert [-1, 60_000] == run.world.mach["empty_since_ms"].tolist()
    run = Simulation(two((60_000, 2), (90_000, 3), **told, **STANDS_BY, window_ms=95_000)).finish()
    assert [-1, -1] == run.world.mach["empty_since_ms"].tolist()


def alive(run: Simulation) -> int:
    """Return how many replicas there are, whatever their state."""
    return int(run.world.w["n_alive"][0])


@pytest.mark.parametrize("terms", [{"cutoff_ms": 90_000}, {"standby_ms": 90_000}])
@pytest.mark.parametrize(
    "told", [Power(machines=numbers(1), to="sleep", moves_max=9), Lend(machines=numbers(1))]
)
def test_an_emptied_machine_loses_what_has_no_traffic(told: Action, terms: dict[str, int]) -> None:
    """Such replicas on a machine that is to sleep or is lent are not moved, and come not back."""
    load = services({"replicas": 4, "load_cpu_m": [500], "replica_cpu_m": 2_000})
    back = (100_000, (Recall(machines=numbers(1), grace_ms=0, warm_ms=0),))
    then = ((70_000, (told,)), *((back,) if isinstance(told, Lend) else ()))
    fleet = [machines(role="online", count=2)]
    run = Simulation(two((60_000, 2), then=then, services=load, fleet=fleet, **terms)).finish()
    result = run.result()
    assert 2 == alive(run)
    assert 20_000 == int(result.services.cutoff_ms[0] + result.services.standby_ms[0])
    assert (0, 0) == (result.counts["moves"], result.counts["rejected"])


def test_a_replica_that_moves_is_deleted_at_once() -> None:
    """One that is under way to another machine is not cut off, and its copy goes with it."""
    # Both replicas move, 3.4 s for 4,000 MiB; after 1 s the machine is to stay on and one to go.
    load = services({"replicas": 2, "load_cpu_m": [500], "replica_memory_mib": 4_000})
    fleet = [machines(role="online", count=2, memory_mib=8_000)]
    then = (
        (60_000, (Power(machines=numbers(1), to="sleep", moves_max=9),)),
        (61_000, (Power(machines=numbers(1), to="on"),)),
    )
    run = Simulation(
        two((61_000, 1), then=then, services=load, fleet=fleet, cutoff_ms=90_000)
    ).finish()
    result = run.result()
    assert (1, 1) == (alive(run), result.counts["moves"])
    assert [0] == result.services.cutoff_ms.tolist()


def failing(number: int, notice_ms: int = 0) -> Simulation:
    """Return a run of two machines with two replicas each, of which machine 1's are cut off.

    Machine `number` fails 30 s later, or is maintained, which is told `notice_ms` before.
    """
    leave_ms = numbers(90_000 - notice_ms)
    outage = merged(numbers(number), leave_ms, numbers(90_000), numbers(900_000))
    load = services({"replicas": 4, "load_cpu_m": [500], "replica_cpu_m": 2_000})
    fleet = [machines(role="online", count=2)]
    told = two((60_000, 2), services=load, fleet=fleet, cutoff_ms=200_000, outages=outage)
    return Simulation(told).finish()


def test_what_fails_without_traffic_is_not_missed() -> None:
    """A cut-off replica on a machine that fails is not wanted anew, nor counted as lost."""
    run = failing(1)
    assert (2, 0) == (alive(run), run.result().outages.replicas_lost)
    assert [2 * 30_000] == run.result().services.cutoff_ms.tolist()


def test_what_has_no_traffic_is_gone_as_its_machine_leaves() -> None:
    """A cut-off replica is deleted when maintenance of its machine is told, not when it begins."""
    run = failing(1, notice_ms=20_000)
    assert (2, 0) == (alive(run), run.result().outages.replicas_lost)
    assert [2 * 10_000] == run.result().services.cutoff_ms.tolist()


def test_cut_off_replicas_take_the_place_of_lost_ones() -> None:
    """Those that are cut off elsewhere serve at once in place of replicas lost with a machine."""
    run = failing(0)
    assert (2, 2) == (alive(run), run.result().outages.replicas_lost)
    assert [2 * 30_000] == run.result().services.cutoff_ms.tolist()
    assert [0.0] == run.result().services.shortage_core_s.tolist()
