"""The machines that a size is looked for among: which of several types are given up first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import greensched as gs
from greensched.experiment.lent import Lent
from greensched.experiment.partition import Partition
from greensched.experiment.size import _planned, size
from greensched.experiment.size_pools import pools_of, static_pools
from greensched.experiment.size_search import Ask
from greensched.experiment.tally import Tally
from greensched.experiment.world import shared
from greensched.model import NONE, ROLE_CODES, MachineType
from greensched.power import Linear
from greensched.report.sizing import remarks
from tests.mixed_cases import LARGE as LARGE_LISTED
from tests.mixed_cases import SMALL as SMALL_LISTED
from tests.mixed_cases import mixed
from tests.report_cases import write_scenario

if TYPE_CHECKING:
    from pathlib import Path

LARGE = MachineType(
    name="large",
    site="here",
    count=3,
    cpu_m=16_000,
    memory_mib=65_536,
    power=Linear(idle_w=100.0, peak_w=300.0),
)
SMALL = replace(LARGE, name="small", count=2, cpu_m=4_000)
ONLINE, BATCH = ROLE_CODES["online"], ROLE_CODES["batch"]


def given_out(*roles: int) -> Partition:
    """Return static-peak with these roles, by machine."""
    return Partition(roles=np.array(roles, np.int8), replicas=None)


def test_surplus_comes_before_what_is_listed_later() -> None:
    """A large machine that static-peak can spare serves before the small ones it filled."""
    static = given_out(ONLINE, BATCH, NONE, ONLINE, ONLINE)
    pools = pools_of((LARGE, SMALL), static)
    assert [0, 2, 3, 4, 1] == pools.serve.tolist()
    assert [1, 2, 4, 3, 0] == pools.compute.tolist()
    assert ((3, 1), (3, 2), (5, 5)) == pools.starts
    assert [[0, 3, 4], [1]] == [rows.tolist() for rows in static_pools(static).taken((3, 1))]


def test_the_first_of_a_type_serve_and_the_next_compute() -> None:
    """Whichever static-peak took: so a fleet that has no other machines is the same run."""
    static = given_out(BATCH, NONE, ONLINE, ONLINE, ONLINE)
    pools = pools_of((LARGE, SMALL), static)
    assert [[2, 1], [0]] == [rows.tolist() for rows in pools.taken((2, 1))]
    assert [ONLINE, ONLINE, BATCH, NONE, NONE] == pools.roles((2, 1), 5).tolist()
    own = static_pools(static)
    assert [BATCH, NONE, ONLINE, ONLINE, ONLINE] == own.roles(own.size, 5).tolist()


@pytest.mark.parametrize(
    "other",
    [{"cpu_m": 20_000}, {"memory_mib": 70_000}, {"gpus": 1}, {"site": "there"}, {"pods_max": 0}],
    ids=str,
)
def test_surplus_that_cannot_stand_in_comes_last(other: dict[str, int | str]) -> None:
    """What has less of anything, or is elsewhere, is taken after what static-peak chose."""
    first = replace(LARGE, pods_max=1) if "pods_max" in other else LARGE
    fleet = (first, replace(SMALL, **other))  # type: ignore[arg-type]  # fields by name
    pools = pools_of(fleet, given_out(ONLINE, NONE, NONE, ONLINE, NONE))
    assert [0, 3, 1, 2, 4] == pools.serve.tolist()


def test_roles_of_types_are_kept() -> None:
    """What may only serve never computes, and the other way round; nobody does both."""
    fleet = (replace(LARGE, role="online"), replace(SMALL, role="batch"))
    pools = pools_of(fleet, given_out(ONLINE, ONLINE, NONE, BATCH, NONE))
    assert ([0, 1, 2], [3, 4]) == (pools.serve.tolist(), pools.compute.tolist())
    both = pools_of((LARGE,), given_out(ONLINE, BATCH, NONE))
    assert [ONLINE, BATCH, BATCH] == both.roles((1, 3), 3).tolist()


def test_what_static_peak_took_last_is_given_up_first() -> None:
    """Pools are cut from the end of the order in which static-peak took types, not the fleet's."""
    static = replace(given_out(ONLINE, BATCH, NONE, ONLINE, BATCH), serve_types=(1, 0))
    fleet = (replace(SMALL, count=3), replace(LARGE, count=2))
    pools = pools_of(fleet, static)
    assert [3, 0] == pools.serve[:2].tolist()
    assert [1, 4] == pools.compute[:2].tolist()
    turned = pools_of(fleet, replace(static, batch_types=(1, 0)))
    assert [4, 1] == turned.compute[:2].tolist()


@pytest.mark.parametrize(("turned", "small"), [(False, 0), (True, 1)])
def test_small_machines_are_given_up_where_large_ones_are_left(
    tmp_path: Path, small: int, *, turned: bool
) -> None:
    """Wherever small machines are listed three machines do; one computes where listed first."""
    types = (SMALL_LISTED, LARGE_LISTED) if turned else (LARGE_LISTED, SMALL_LISTED)
    document = size(mixed(tmp_path, *types)).document
    sizes = {one["machine_type"]: one["machines"] for one in document["by_type"]}
    assert {"small": small, "large": 3 - small} == sizes
    assert 4 == document["static_peak_machines"]


def test_what_static_peak_gives_out_is_no_limit(tmp_path: Path) -> None:
    """Three machines hold, though static-peak lets all of them serve and has too few for that."""
    path = write_scenario(tmp_path)
    text = path.read_text(encoding="utf-8").replace("kind: autoscaled", "kind: static-peak")
    slo = "slo: {shortage_share: 0.01, batch_wait_p95: 30 min}"
    old = next(line for line in text.splitlines() if line.startswith("slo:"))
    path.write_text(text.replace(old, slo), encoding="utf-8")
    document = size(gs.load(path, {"fleet.0.count": 3})).document
    held = {run["name"]: run["held"] for run in document["runs"]}
    assert {"baseline": False, "static_peak": False, "scenario": True} == held
    assert 3 == document["machines"]
    assert "no machine is left for batch" in document["findings"]
    said = "static-peak does not keep the objectives with its 3 machines: jobs wait too long"
    assert 1 == sum(text.startswith(said) for text in remarks(document))


@pytest.mark.parametrize(("machines", "fewer"), [(8, False), (2, True)])
def test_replicas_for_the_peak_begin_where_all_find_room(
    tmp_path: Path, machines: int, *, fewer: bool
) -> None:
    """A fleet without room for static-peak's replicas begins with those for its first hour."""
    scenario = gs.load(write_scenario(tmp_path), {"fleet.0.count": machines})
    plan = _planned(Lent(shared(scenario)), None, Tally.of(None))
    assert fewer == (plan.static.unplaced > 0)
    begun = plan.task(scenario.policies, Ask(size=plan.pools.size)).replicas
    assert begun is not None
    assert plan.static.replicas is not None
    assert fewer == bool((begun < plan.static.replicas).all())
