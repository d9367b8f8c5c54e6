"""Laws of packing: what holds for all databases, machines, plans and budgets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from greensched.model import NONE, Databases
from greensched.policies.packing import (
    Packing,
    Room,
    best_fit,
    bounds,
    case_of,
    collapsed,
    is_feasible,
    lower_bound,
    machines_used,
    one_each,
    overloaded,
    sum_of_peaks,
    too_near,
    unplaced,
)
from greensched.policies.repacking import consolidated, repack
from tests.effort import examples
from tests.packing_cases import cases, fewest_by_search, free_case, joined, room_for, room_of

if TYPE_CHECKING:
    from greensched.model import IntArray
    from greensched.policies.packing import Case

MAKERS = (best_fit, sum_of_peaks, one_each, consolidated)


def rows(databases: Databases, order: IntArray) -> Databases:
    """Return the databases in another order."""
    names = tuple(databases.names[i] for i in order)
    columns = ("cpu_m", "iops", "memory_mib", "disk_gib", "replicas", "apart")
    return replace(databases, names=names, **{c: getattr(databases, c)[order] for c in columns})


def scattered(case: Case, seed: int) -> IntArray:
    """Return a feasible plan, as if placed one after the other by chance."""
    draw = np.random.default_rng(seed)
    packing = Packing(case)
    for replica in draw.permutation(len(case)).tolist():
        at = [*room_for(packing, replica, range(len(case.room)))]
        if at:
            packing.put(replica, int(draw.choice(at)))
    return packing.machine


@given(made=cases())
def test_every_plan_is_feasible(made: tuple[Databases, Room]) -> None:
    """With machines enough every plan places all replicas, with room and apart."""
    case = free_case(*made)
    for make in MAKERS:
        assert is_feasible(case, make(case))


@given(made=cases(equal=False))
def test_what_is_placed_is_feasible_on_any_machines(made: tuple[Databases, Room]) -> None:
    """Short of machines, or on different ones, what is placed has room and is apart."""
    case = case_of(*made)
    for make in MAKERS:
        plan = make(case)
        assert 0 == len(overloaded(case, plan)) == len(too_near(case, plan))


@given(made=cases())
def test_i16_no_plan_is_below_the_bound(made: tuple[Databases, Room]) -> None:
    """The lower bound is at least each resource's, and at most what any plan takes."""
    case = free_case(*made)
    assert max(bounds(case).values()) <= lower_bound(case)
    assert all(lower_bound(case) <= machines_used(make(case)) for make in MAKERS)


@settings(max_examples=examples(50))
@given(made=cases(most=4, replicas_max=2, equal=False))
def test_bound_is_at_most_the_optimum(made: tuple[Databases, Room]) -> None:
    """On different machines too the bound is at most the optimum, and no plan is below that."""
    case = free_case(*made)
    assume(len(case) <= 6)
    exact = fewest_by_search(case)
    if exact is None:
        assert all(unplaced(make(case)) for make in MAKERS)
    else:
        assert lower_bound(case) <= exact
        plans = [make(case) for make in MAKERS]
        assert all(exact <= machines_used(plan) for plan in plans if not unplaced(plan))


@given(made=cases())
def test_search_never_takes_more_than_it_began_with(made: tuple[Databases, Room]) -> None:
    """From first-fit on sums of peaks, and in the whole, never more machines than that took."""
    case = free_case(*made)
    baseline = sum_of_peaks(case)
    for plan in (repack(case, baseline), consolidated(case)):
        assert is_feasible(case, plan)
        assert machines_used(plan) <= machines_used(baseline)
    assert machines_used(baseline) <= machines_used(one_each(case))


@given(made=cases(), seed=st.integers(0, 1_000), moves_max=st.integers(0, 12))
def test_move_budget_is_kept(made: tuple[Databases, Room], seed: int, moves_max: int) -> None:
    """From any feasible plan at most so many replicas move, and it stays feasible and small."""
    case = free_case(*made)
    before = scattered(case, seed)
    assume(not unplaced(before))
    after = repack(case, before, moves_max)
    assert moves_max >= (before != after).sum()
    assert is_feasible(case, after)
    assert machines_used(after) <= machines_used(before)
    if moves_max == 0:
        np.testing.assert_array_equal(before, after)


@given(made=cases(equal=False), seed=st.integers(0, 1_000), moves_max=st.integers(0, 12))
def test_budget_is_kept_also_in_repair(
    made: tuple[Databases, Room], seed: int, moves_max: int
) -> None:
    """From any plan, overloaded or with databases missing, no more move and none are lost."""
    case = free_case(*made)
    draw = np.random.default_rng(seed)
    before = draw.integers(NONE, len(case.room), len(case))
    after = repack(case, before, moves_max)
    assert moves_max >= ((before != after) & (before != NONE)).sum()
    assert not ((before != NONE) & (after == NONE)).any()
    assert set(overloaded(case, after).tolist()) <= set(overloaded(case, before).tolist())
    assert set(too_near(case, after).tolist()) <= set(too_near(case, before).tolist())


@given(made=cases())
def test_same_case_same_plan(made: tuple[Databases, Room]) -> None:
    """Whatever was computed before, a case has one plan."""
    for make in MAKERS:
        first, again = make(free_case(*made)), make(free_case(*made))
        np.testing.assert_array_equal(first, again)


@given(made=cases(), seed=st.integers(0, 1_000))
def test_order_and_names_of_databases_change_nothing(
    made: tuple[Databases, Room], seed: int
) -> None:
    """Databases of different sizes in another order, or renamed, get the same machines."""
    databases, room = made
    # Different sizes and one replica each, so that no tie is broken by the order.
    databases = replace(
        databases,
        memory_mib=np.arange(len(databases)) + 988,
        cpu_m=databases.cpu_m * 9 // 10,
        iops=databases.iops * 9 // 10,
        disk_gib=databases.disk_gib * 9 // 10,
        replicas=np.ones(len(databases), np.int64),
    )
    order = np.random.default_rng(seed).permutation(len(databases))
    for make in MAKERS:
        plain = make(free_case(databases, room))
        np.testing.assert_array_equal(plain[order], make(free_case(rows(databases, order), room)))
        renamed = replace(databases, names=tuple("x" + n for n in databases.names))
        np.testing.assert_array_equal(plain, make(free_case(renamed, room)))


@given(made=cases(), more=st.integers(1, 5))
def test_more_machines_never_raise_what_is_taken(made: tuple[Databases, Room], more: int) -> None:
    """Where all have a place, machines added to the racks that are there change no plan."""
    databases, room = made
    places = {name: np.resize(getattr(room, name), more) for name in ("rack", "site")}
    added = joined(room, replace(room_of(more), **places))
    for make in MAKERS:
        few, many = make(free_case(databases, room)), make(free_case(databases, added))
        np.testing.assert_array_equal(few, many)


@settings(max_examples=examples(40))
@given(made=cases(most=3, replicas_max=2, equal=False), more=st.integers(1, 2))
def test_i18_more_machines_never_raise_the_optimum(
    made: tuple[Databases, Room], more: int
) -> None:
    """With machines of any kind added, neither the optimum nor the bound can rise."""
    databases, room = made
    assume(int(databases.replicas.sum()) <= 5)
    few = free_case(databases, room)
    many = free_case(databases, joined(room, room_of(more, cpu_m=700, racks=2)))
    assume((optimum := fewest_by_search(few)) is not None)
    best = fewest_by_search(many)
    assert best is not None
    assert optimum is not None
    assert best <= optimum
    assert lower_bound(many) <= lower_bound(few)


@given(made=cases())
def test_time_never_hurts(made: tuple[Databases, Room]) -> None:
    """What is feasible by sums of peaks is feasible by peaks of sums, and its bound no lower."""
    case = free_case(*made)
    flat = collapsed(case)
    assert is_feasible(case, best_fit(flat))
    assert lower_bound(case) <= lower_bound(flat)
