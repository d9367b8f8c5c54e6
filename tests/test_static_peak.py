"""Static-peak on a fleet of several machine types: as few machines as it can be served on."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched.engine.simulate import Simulation
from greensched.experiment import batch_machines
from greensched.experiment.batch_machines import fewest_for_batch, orders
from greensched.experiment.fewest import fewest_machines
from greensched.experiment.filling import fillings
from greensched.experiment.partition import peak_replicas, static_peak
from greensched.experiment.size import size
from greensched.experiment.world import shared
from greensched.model import NONE, ROLE_CODES
from tests.effort import examples
from tests.mixed_cases import GPUS, LARGE, SMALL, by_type, mixed

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.experiment.world import Shared
    from greensched.model import IntArray

ONLINE, BATCH, ANY = (ROLE_CODES[role] for role in ("online", "batch", "any"))


def replicas_of(world: Shared) -> IntArray:
    """Return the replicas for the peak."""
    assert world.workload.services is not None
    return peak_replicas(world.workload.services, 0.3)[0]


def serving(world: Shared) -> list[list[int]]:
    """Return the machines that hold the replicas of the peak, by type, in each way to fill."""
    return [by_type(world, way.machines) for way in fillings(world, replicas_of(world))]


def given_out(world: Shared) -> list[list[int]]:
    """Return the machines of static-peak that serve and that compute, by type."""
    roles = static_peak(world, None).roles
    return [by_type(world, np.flatnonzero(roles == role)) for role in (ONLINE, BATCH)]


@pytest.fixture
def waiting(tmp_path: Path) -> Shared:
    """Return a world whose jobs may wait five minutes."""
    return shared(mixed(tmp_path, SMALL, LARGE, slo="batch_wait_p95: 5 min"))


@pytest.fixture(scope="module")
def uniform(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """Return a world of services alone on machines of one type."""
    world = shared(mixed(tmp_path_factory.mktemp("uniform"), LARGE))
    return dataclasses.replace(world, workload=dataclasses.replace(world.workload, jobs=None))


def test_large_machines_are_taken_first(tmp_path: Path) -> None:
    """Three large machines hold what fills 11 small ones, of which jobs take one instead."""
    world = shared(mixed(tmp_path, SMALL, LARGE))
    assert [[11, 0], [11, 0], [0, 3]] == serving(world)
    assert [[0, 3], [1, 0]] == given_out(world)
    turned = dataclasses.replace(world, fleet=world.fleet[::-1])
    assert [[0, 11], [3, 0]] == serving(turned)
    assert [[3, 0], [0, 1]] == given_out(turned)


def test_machines_with_equal_room_are_taken_as_the_engine_places(tmp_path: Path) -> None:
    """Types that differ in name and power alone, or of which one serves alone, have one way."""
    other = LARGE.replace("large", "other")
    only = SMALL.replace("small", "only") + ", role: batch"
    world = shared(mixed(tmp_path, LARGE, other, only))
    (way,) = fillings(world, replicas_of(world))
    assert ((), [0, 3, 0]) == (way.types, by_type(world, way.machines))
    assert () == static_peak(world, None).serve_types


@pytest.mark.parametrize("weigher", ["worst-fit", "spread"])
def test_who_spreads_gets_the_machines_that_packing_fills(tmp_path: Path, weigher: str) -> None:
    """Replicas are spread over as many machines as they need, not over all that there are."""
    world = shared(mixed(tmp_path, SMALL, LARGE).with_(**{"queue.weigher": weigher}))
    assert [[11, 0], [11, 0], [0, 3]] == serving(world)
    assert [[0, 3], [1, 0]] == given_out(world)


@pytest.mark.parametrize(
    ("weigher", "machines"), [("best-fit", 2), ("first-fit", 2), ("worst-fit", 3)]
)
def test_who_spreads_gets_more_where_what_is_left_is_in_pieces(
    uniform: Shared, weigher: str, machines: int
) -> None:
    """Three replicas of 5 cores and four of 4 fill two machines of 16 where they are packed."""
    services = uniform.workload.services
    assert services is not None
    services = dataclasses.replace(
        services,
        replica_cpu_m=np.array([5_000, 4_000]),
        replica_memory_mib=np.zeros(2, np.int64),
    )
    workload = dataclasses.replace(uniform.workload, services=services)
    scenario = uniform.scenario.with_(**{"queue.weigher": weigher})
    world = dataclasses.replace(uniform, scenario=scenario, workload=workload)
    (way,) = fillings(world, np.array([3, 4]))
    assert (machines, 0) == (len(way.machines), way.unplaced)


def test_who_needs_no_gpu_takes_none(tmp_path: Path) -> None:
    """Machines with GPUs are as large, and left alone while others have room."""
    world = shared(mixed(tmp_path, SMALL, GPUS, LARGE))
    assert [0, 0, 3] == serving(world)[-1]


def test_machines_with_gpus_are_kept_for_who_needs_them(tmp_path: Path) -> None:
    """Replicas with a GPU each keep three machines of four, and fill what else these have."""
    world = shared(mixed(tmp_path, SMALL, GPUS, LARGE))
    services = world.workload.services
    assert services is not None
    gpu_m = np.array([1000, 0])
    needing = dataclasses.replace(services, replica_gpu_m=gpu_m)
    world = dataclasses.replace(
        world, workload=dataclasses.replace(world.workload, services=needing)
    )
    assert [0, 3, 0] == serving(world)[-1]


def test_jobs_with_gpus_take_machines_that_have_most(tmp_path: Path) -> None:
    """Batch whose jobs want GPUs takes one machine with some, in proportion it takes more."""
    world = shared(mixed(tmp_path, SMALL, GPUS, LARGE, gpu_jobs=True))
    assert [[0, 0, 3], [0, 1, 0]] == given_out(world)
    jobs = world.workload.jobs
    assert jobs is not None
    rest = np.arange(world.machines)
    counts = [
        fewest_for_batch(world, jobs, order, lambda _: None)
        for order in orders(world, jobs, rest).values()
    ]
    assert [3, 1] == counts


def test_of_equal_counts_the_first_way_is_taken(tmp_path: Path) -> None:
    """Where no order takes fewer machines than the engine, its own is kept."""
    world = shared(mixed(tmp_path, GPUS, LARGE))
    assert [[0, 3], [3, 0], [0, 3]] == serving(world)
    static = static_peak(world, None)
    assert ((), ()) == (static.serve_types, static.batch_types)


def test_what_batch_misses_is_told(tmp_path: Path) -> None:
    """Jobs too many for all machines get all that are left; with none left that is told."""
    world = shared(mixed(tmp_path, SMALL.replace("12", "3"), slo="batch_wait_p95: 1 s"))
    assert "no machine is left for batch" in static_peak(world, None).findings
    alone = dataclasses.replace(world, workload=dataclasses.replace(world.workload, services=None))
    one = dataclasses.replace(alone, fleet=(dataclasses.replace(world.fleet[0], count=1),))
    told = "batch misses its objectives even with all 1 machine left"
    assert told in static_peak(one, None).findings


def test_where_batch_misses_it_gets_what_the_fewest_leave(tmp_path: Path) -> None:
    """Three large machines serve and leave one, where the engine would fill all four."""
    types = SMALL.replace("12", "1"), LARGE.replace("8", "3")
    world = shared(mixed(tmp_path, *types, slo="batch_wait_p95: 1 s"))
    assert [[1, 3], [0, 3]] == [serving(world)[0], serving(world)[-1]]
    assert [[0, 3], [1, 0]] == given_out(world)


def test_runs_are_stopped_only_where_batch_would_miss(
    waiting: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that nothing stops says of each number of machines what one that may be says."""
    given = waiting.workload.jobs
    assert given is not None
    submit_ms = given.submit_ms.copy()
    submit_ms[:3] = 0  # the third waits for one of two machines, one late job of forty
    jobs = dataclasses.replace(given, submit_ms=submit_ms)
    world = dataclasses.replace(waiting, workload=dataclasses.replace(waiting.workload, jobs=jobs))
    some = [np.arange(count) for count in range(1, 4)]
    early = [batch_machines._meets(world, jobs, machines) for machines in some]
    monkeypatch.setattr(batch_machines._Objectives, "__call__", lambda *_: None)
    assert early == [batch_machines._meets(world, jobs, machines) for machines in some]
    assert [False, True, True] == early


def test_a_fleet_that_is_just_enough_is_given_out_again(tmp_path: Path) -> None:
    """The fleet that a size finds is found again where there is no other machine, and is least."""
    slo = "shortage_share: 0.01, batch_wait_p95: 5 min"
    found = size(mixed(tmp_path, SMALL, LARGE, slo=slo)).document
    small, large = (one["machines"] for one in found["by_type"])
    assert found["lower_bound"] <= found["machines"] <= found["static_peak_machines"]
    tight = SMALL.replace("12", str(small)), LARGE.replace("8", str(large))
    again = size(mixed(tmp_path, *tight, slo=slo)).document
    assert found["machines"] == again["machines"] == again["fleet_machines"]


@given(
    cores=st.lists(st.sampled_from([4, 8, 16, 32]), min_size=2, max_size=3),
    counts=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    replicas=st.lists(st.integers(1, 14), min_size=2, max_size=2),
    weigher=st.sampled_from(["best-fit", "first-fit", "worst-fit", "spread"]),
)
@settings(max_examples=examples(40))
def test_replicas_find_room_on_what_is_taken(
    uniform: Shared, cores: list[int], counts: list[int], replicas: list[int], weigher: str
) -> None:
    """On any fleet each way has room for all, and what is found takes no more than any."""
    (kind,) = uniform.fleet
    scenario = uniform.scenario.with_(**{"queue.weigher": weigher})
    fleet = tuple(
        dataclasses.replace(kind, name=f"k{i}", cpu_m=1000 * n, memory_mib=4096 * n, count=count)
        for i, (n, count) in enumerate(zip(cores, counts, strict=False))
    )
    world = dataclasses.replace(uniform, fleet=fleet, scenario=scenario)
    wanted = np.array(replicas)
    ways = fillings(world, wanted)
    found = fewest_machines(world, np.full(world.machines, ANY, np.int8), wanted, None)
    for way in ways:
        roles = np.full(world.machines, NONE, np.int8)
        roles[way.machines] = ONLINE
        setting = world.setting("packing", roles=roles, replicas=wanted)
        assert way.unplaced == int(Simulation(setting).world.w[0]["n_pending"])
    assert not found.filling.unplaced or len(ways) == 1
    assert len(found.filling.machines) == min(len(way.machines) for way in ways)
