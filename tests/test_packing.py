"""Packing by hand: terms, plans, distances, bounds, and the exact optimum of small cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from greensched.bounds import peaks_of_sums
from greensched.errors import UsageError
from greensched.model import BY_MACHINE, BY_RACK, BY_SITE, NONE
from greensched.policies.packing import (
    RESOURCES,
    Case,
    Terms,
    best_fit,
    bounds,
    case_of,
    collapsed,
    fewest,
    is_feasible,
    lower_bound,
    machines_used,
    one_each,
    overloaded,
    sum_of_peaks,
    too_near,
    unplaced,
)
from greensched.policies.repacking import consolidated
from tests.packing_cases import (
    databases_of,
    fewest_by_search,
    free_case,
    joined,
    room_of,
)


def random_case(seed: int, *, count: int, replicas: int = 1, steps: int = 6) -> Case:
    """Return a case with databases that are busy at different steps."""
    draw = np.random.default_rng(seed)
    base = draw.integers(20, 200, (count, 1))
    burst = np.where(draw.random((count, steps)) < 0.3, draw.integers(100, 600, (count, steps)), 0)
    databases = databases_of(
        (base + burst).tolist(),
        iops=draw.integers(0, 500, (count, steps)).tolist(),
        memory_mib=draw.integers(50, 450, count).tolist(),
        disk_gib=draw.integers(10, 300, count).tolist(),
        replicas=replicas,
        apart=BY_RACK,
    )
    return free_case(databases, room_of(count * replicas, racks=3))


# Terms --------------------------------------------------------------------------------------


def test_terms_are_those_documented() -> None:
    """CPU is 1.05 x 1.05, I/O and memory 1.05, disk 0.3 of today's; 70 % and 80 % are given."""
    databases = databases_of([[1000, 3]], iops=[[100, 1]], memory_mib=100, disk_gib=10)
    case = case_of(databases, room_of(1, cpu_m=64_000, iops=9, memory_mib=7, disk_gib=100))
    assert [[1103, 4, 105, 2, 105, 3_072]] == case.need.tolist()  # rounded up
    assert [[44_800, 9, 7, 81_920]] == case.room.tolist()
    assert (0, 2, 4, 5, 6) == case.edges


def test_terms_that_cannot_be_are_refused_together() -> None:
    """Shares below 0 and above 1 are refused, all in one error."""
    with pytest.raises(UsageError, match=r"(?s)cpu_headroom_share.*compression_share"):
        Terms(cpu_headroom_share=1.5, compression_share=-0.1)


# Plans --------------------------------------------------------------------------------------

TIDES = [[800, 100], [100, 800], [800, 100], [100, 800]]


def test_peaks_that_miss_each_other_share_a_machine() -> None:
    """Two day and two night databases take two machines, by the sum of their peaks four."""
    case = free_case(databases_of(TIDES), room_of(4))
    plan = best_fit(case)
    assert [0, 0, 1, 1] == plan.tolist()
    assert is_feasible(case, plan)
    assert 4 == machines_used(sum_of_peaks(case)) == machines_used(one_each(case))
    assert 2 == lower_bound(case) == machines_used(consolidated(case))


@pytest.mark.parametrize(
    ("resource", "fits"), [("memory_mib", 2), ("disk_gib", 4), ("iops", 3), ("cpu_m", 1)]
)
def test_every_resource_limits(resource: str, fits: int) -> None:
    """What fits in one machine is what its scarcest resource holds, whichever it is."""
    need = {"memory_mib": 1_000 // fits, "disk_gib": 1_000 // fits, "iops": [[1_000 // fits]] * 12}
    given = {resource: need[resource]} if resource in need else {}
    cpu_m = [[1_000 if resource == "cpu_m" else 1]] * 12
    case = free_case(databases_of(cpu_m, **given), room_of(12))  # type: ignore[arg-type]
    assert 12 // fits == machines_used(best_fit(case)) == lower_bound(case)


@pytest.mark.parametrize(("apart", "placed"), [(BY_MACHINE, 3), (BY_RACK, 3), (BY_SITE, 2)])
def test_replicas_stay_apart(apart: int, placed: int) -> None:
    """Three replicas go to three machines or racks; of two sites each takes one, a third none."""
    databases = databases_of([[1]], replicas=3, apart=apart)
    case = free_case(databases, room_of(9, racks=4, sites=2))
    for make in (best_fit, sum_of_peaks, one_each, consolidated):
        plan = make(case)
        assert placed == (plan != NONE).sum()
        rule = case.group[apart]
        assert placed == len({int(rule[m]) for m in plan if m != NONE})
        assert (placed == 3) == is_feasible(case, plan)


def test_too_near_and_overloaded_are_seen() -> None:
    """A plan with two replicas in one rack, or more on a machine than it has, is not feasible."""
    databases = databases_of([[600], [500]], replicas=[2, 1], apart=BY_RACK)
    case = free_case(databases, room_of(4, racks=2))
    near = np.array([0, 2, 1])
    assert [0] == too_near(case, near).tolist()
    assert [] == overloaded(case, near).tolist()
    full = np.array([0, 1, 1])
    assert [] == too_near(case, full).tolist()
    assert [1] == overloaded(case, full).tolist()
    assert not is_feasible(case, near)
    assert not is_feasible(case, full)
    assert not is_feasible(case, np.array([0, 1, NONE]))
    assert is_feasible(case, np.array([0, 1, 2]))


def test_what_fits_nowhere_has_no_place() -> None:
    """A database larger than every machine, or one too many, is left without a place."""
    case = free_case(databases_of([[1_001], [600], [600], [600]]), room_of(2))
    for make in (best_fit, sum_of_peaks, one_each, consolidated):
        plan = make(case)
        assert NONE == plan[0]
        assert 2 == unplaced(plan)


def test_nothing_needs_nothing() -> None:
    """Without databases every plan is empty and the bound is 0."""
    one = databases_of([[1, 2, 3]])
    columns = ("cpu_m", "iops", "memory_mib", "disk_gib", "replicas", "apart")
    none = replace(one, names=(), **{name: getattr(one, name)[:0] for name in columns})
    empty = free_case(none, room_of(2))
    assert 0 == machines_used(consolidated(empty)) == lower_bound(empty)
    assert is_feasible(empty, best_fit(empty))


# Bounds -------------------------------------------------------------------------------------


def test_bounds_are_peaks_of_sums() -> None:
    """For equal machines the bound of each resource is the one that `greensched.bounds` gives."""
    case = random_case(3, count=30, replicas=2)
    copies = case.need[case.database]
    demand = {
        name: copies[:, a:b]
        for name, a, b in zip(RESOURCES, case.edges, case.edges[1:], strict=False)
    }
    expected = peaks_of_sums(demand, dict(zip(RESOURCES, case.room[0].tolist(), strict=True)))
    assert expected == bounds(case)


def test_bound_takes_the_largest_machines() -> None:
    """With machines of 1,000 and 3,000 millicores, 4,000 of load need at least two."""
    room = joined(room_of(5), room_of(1, cpu_m=3_000))
    case = free_case(databases_of([[500]] * 8), room)
    assert 2 == bounds(case)["cpu_m"]
    assert 3 == bounds(free_case(databases_of([[500]] * 9), room))["cpu_m"]


def test_bound_counts_racks() -> None:
    """Three replicas in three racks of each of five databases of 0.6 need three in each rack."""
    databases = databases_of([[300]] * 5, replicas=3, apart=BY_RACK)
    case = free_case(databases, room_of(30, racks=3))
    assert 5 == bounds(case)["cpu_m"]  # 15 x 0.3
    assert 6 == lower_bound(case)  # 3 racks x ceil(5 x 0.3)
    assert 6 == machines_used(best_fit(case))


def test_bound_beyond_all_machines() -> None:
    """Where all machines together are too small, the bound is one more than there are."""
    case = free_case(databases_of([[1_000]] * 5), room_of(3))
    assert 4 == lower_bound(case)


# The exact optimum --------------------------------------------------------------------------


def test_two_exact_solvers_agree() -> None:
    """Trying all plans and an integer program find the same optimum on 25 cases."""
    for seed in range(20):
        case = random_case(seed, count=5)
        assert fewest_by_search(case) == fewest(case)
    for seed in range(5):
        racks = random_case(300 + seed, count=2, replicas=2)
        assert fewest_by_search(racks) == fewest(racks)
    far = free_case(databases_of([[1]], replicas=3, apart=BY_SITE), room_of(4, sites=2))
    assert fewest_by_search(far) is None
    assert fewest(far) is None


@pytest.mark.slow
def test_eight_databases_are_packed_as_few_as_can_be() -> None:
    """Of 40 cases with eight databases 37 are packed optimally, the others one machine above."""
    above = []
    for seed in range(40):
        case = random_case(100 + seed, count=8)
        exact = fewest(case)
        assert exact is not None
        plan = consolidated(case)
        assert is_feasible(case, plan)
        assert lower_bound(case) <= exact
        above.append(machines_used(plan) - exact)
    assert [37, 3] == np.bincount(above).tolist()


@pytest.mark.slow
def test_replicas_in_racks_are_packed_as_few_as_can_be() -> None:
    """Four databases of two replicas in three racks are packed optimally in all of 15 cases."""
    found = []
    for seed in range(15):
        case = random_case(200 + seed, count=4, replicas=2)
        exact = fewest(case)
        assert exact is not None
        assert lower_bound(case) <= exact
        found.append(machines_used(consolidated(case)) == exact)
    assert 15 == sum(found)


def test_collapsed_case_is_its_peaks() -> None:
    """Without its time axis a case has one column a resource: the largest of its steps."""
    case = random_case(1, count=3)
    flat = collapsed(case)
    assert (0, 1, 2, 3, 4) == flat.edges
    assert case.need[:, :6].max(axis=1).tolist() == flat.need[:, 0].tolist()
    assert case.need[:, -1].tolist() == flat.need[:, 3].tolist()
