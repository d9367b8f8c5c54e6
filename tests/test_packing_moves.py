"""Local search on plans by hand: moves, swaps, budgets, repair, new databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from greensched.model import NONE
from greensched.policies.packing import is_feasible, machines_used, overloaded
from greensched.policies.repacking import repack
from tests.packing_cases import databases_of, free_case, room_of

if TYPE_CHECKING:
    from greensched.model import IntArray

FLAT = [[400], [300], [300], [200]]


def moved(before: list[int], after: IntArray) -> int:
    """Return how many replicas that had a place have another one."""
    begin = np.array(before)
    return int(((begin != NONE) & (begin != after)).sum())


def test_lightest_machine_is_emptied_by_moves() -> None:
    """Four databases of 0.4, 0.3, 0.3 and 0.2 on three machines go to two, in one move."""
    case = free_case(databases_of(FLAT), room_of(4))
    assert [0, 0, 1, 0] == repack(case, np.array([0, 0, 1, 2])).tolist()


def test_swap_finds_room_that_no_single_move_finds() -> None:
    """0.5 fits neither beside 0.5 + 0.3 nor beside 0.6, until 0.3 has gone to 0.6."""
    case = free_case(databases_of([[500], [300], [600], [500]]), room_of(4))
    before = np.array([0, 0, 1, 2])
    assert [0, 1, 1, 0] == repack(case, before).tolist()
    assert [0, 1, 1, 0] == repack(case, before, moves_max=2).tolist()
    assert [0, 0, 1, 2] == repack(case, before, moves_max=1).tolist()


@pytest.mark.parametrize(("budget", "machines"), [(0, 4), (1, 3), (2, 2), (3, 2)])
def test_budget_limits_how_many_machines_are_emptied(budget: int, machines: int) -> None:
    """Each of four databases of a quarter is one move; so many moves, so many machines less."""
    case = free_case(databases_of([[300]] * 4), room_of(4))
    plan = repack(case, np.arange(4), moves_max=budget)
    assert machines == machines_used(plan)
    assert budget >= moved([0, 1, 2, 3], plan)


def test_half_emptied_machine_is_put_back() -> None:
    """A machine of which only one of two replicas finds a place keeps both."""
    case = free_case(databases_of([[700], [600], [600], [200]]), room_of(3))
    before = [0, 1, 2, 2]
    assert before == repack(case, np.array(before)).tolist()


def test_overload_is_relieved_before_machines_are_emptied() -> None:
    """Where load has grown, the smallest database that suffices moves, if need be to a new one."""
    case = free_case(databases_of([[700], [350], [200], [800]]), room_of(4))
    before = [0, 0, 0, 1]
    assert [0] == overloaded(case, np.array(before)).tolist()
    plan = repack(case, np.array(before), moves_max=1)
    assert is_feasible(case, plan)
    assert [0, 2, 0, 1] == plan.tolist()
    kept = repack(case, np.array(before), moves_max=0)
    assert before == kept.tolist()


def test_two_have_to_go_where_one_does_not_suffice() -> None:
    """Where no single database relieves a machine, the largest that finds room goes first."""
    case = free_case(databases_of([[500], [500], [500], [500]]), room_of(2))
    plan = repack(case, np.array([0, 0, 0, 0]))
    assert [2, 2] == np.bincount(plan).tolist()
    assert is_feasible(case, plan)


def test_overload_without_room_stays() -> None:
    """Where no machine can take anything, an overload stays as it is."""
    case = free_case(databases_of([[700], [700], [700]]), room_of(2))
    assert [0, 0, 1] == repack(case, np.array([0, 0, 1])).tolist()


def test_new_databases_get_a_place_and_count_as_no_move() -> None:
    """A database without a place fills a machine in use, else opens one, without budget."""
    case = free_case(databases_of([[500], [300], [800]]), room_of(3))
    plan = repack(case, np.array([1, NONE, NONE]), moves_max=0)
    assert [1, 1, 0] == plan.tolist()


def test_plan_that_is_given_is_not_changed() -> None:
    """The search works on a copy."""
    case = free_case(databases_of(FLAT), room_of(4))
    before = np.arange(4)
    before.flags.writeable = False
    assert 2 == machines_used(repack(case, before))
    assert [0, 1, 2, 3] == before.tolist()
