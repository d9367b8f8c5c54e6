"""Bounds against brute force: dynamic programs, all subsets, all assignments."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.bounds import (
    fewest_for_databases,
    fluid_servers,
    peaks_of_sums,
    right_sizing,
    room_beside,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

JOBS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 4), st.integers(1, 5)), max_size=4)


def proven(proof: Mapping[str, Any]) -> Fraction:
    """Return what a certificate proves: weak duality in fractions, sharing no code with ours."""
    columns = range(len(proof["cost"]))
    dual = list(map(Fraction, proof["dual"]))
    assert all(0 <= y for y in dual)
    matrix = [[Fraction(0)] * len(columns) for _ in dual]
    for i, row in enumerate(proof["rows"]):
        for j, value in row:
            matrix[i][j] += Fraction(value)
    bound = sum((dual[i] * Fraction(proof["least"][i]) for i in range(len(dual))), Fraction(0))
    for j in columns:
        slack = Fraction(proof["cost"][j]) - sum(
            (dual[i] * matrix[i][j] for i in range(len(dual))), Fraction(0)
        )
        bound += Fraction(proof["most"][j]) * min(Fraction(0), slack)
    return bound


def cheapest(need: list[int], keeping: int, switching: int) -> float:
    """Return the least cost of a plan by a dynamic program over all numbers of machines."""
    cost = {n: 0.0 if n == 0 else float("inf") for n in range(max(need) + 1)}
    for wanted in need:
        cost = {
            n: min(c + max(0, n - m) * switching for m, c in cost.items()) + n * keeping
            if n >= wanted
            else float("inf")
            for n in cost
        }
    return min(cost.values())


@given(
    need=st.lists(st.integers(0, 5), min_size=1, max_size=14),
    keeping=st.integers(0, 4),
    switching=st.integers(0, 12),
)
def test_right_sizing_is_the_optimum(need: list[int], keeping: int, switching: int) -> None:
    """The closed form costs what a dynamic program over all plans finds, and covers the need."""
    found = right_sizing(np.array(need), keeping, switching)
    assert cheapest(need, keeping, switching) == found.cost
    assert (found.on >= need).all()
    switched = np.maximum(np.diff(found.on, prepend=0), 0).sum()
    assert keeping * found.on.sum() + switching * switched == found.cost


@pytest.mark.parametrize(("switching", "on"), [(2, [3, 1, 1, 3]), (3, [3, 3, 3, 3])])
def test_a_gap_is_bridged_where_it_costs_less_than_a_switch(switching: int, on: list[int]) -> None:
    """Two idle steps at 1 are kept on through where a switch costs 3, and not where it costs 2."""
    assert on == right_sizing(np.array([3, 1, 1, 3]), 1, switching).on.tolist()


@given(online=st.lists(st.integers(0, 9), min_size=5, max_size=5), jobs=JOBS)
def test_fluid_bound_is_the_fullest_set_of_steps(
    online: list[int], jobs: list[tuple[int, int, int]]
) -> None:
    """The LP's exact value is the largest mean work over all sets of steps (Hall)."""
    jobs = [(work, first, max(first + 1, before)) for work, first, before in jobs]
    sets = [set(s) for k in range(1, 6) for s in itertools.combinations(range(5), k)]
    fullest = max(
        Fraction(
            sum(online[t] for t in s) + sum(w for w, r, d in jobs if set(range(r, d)) <= s),
            3 * len(s),
        )
        for s in sets
    )
    found = fluid_servers(online, jobs, 3)
    assert fullest - Fraction(1, 10**9) <= found.exact <= fullest
    assert proven(found.certificate) == found.exact
    assert found.servers == -(-found.exact // 1)


def test_work_moves_into_the_valley() -> None:
    """Work of 8 that may wait for the empty step needs no more servers than the peak does."""
    assert 4 == fluid_servers([8, 0, 8], [(8, 0, 3)], 2).servers
    assert 8 == fluid_servers([8, 0, 8], [(8, 0, 1)], 2).servers


def test_a_job_without_a_step_is_refused() -> None:
    """A job that ends before it begins has no bound."""
    with pytest.raises(ValueError, match="at least one step"):
        fluid_servers([1.0], [(1.0, 1, 1)], 1.0)


def test_a_forged_certificate_proves_less() -> None:
    """Other dual values than the solver's prove a bound too, and no larger one."""
    proof = dict(fluid_servers([8, 0, 8], [(8, 0, 1)], 2).certificate)
    exact = proven(proof)
    for scale in (0.0, 0.5, 2.0, 10.0):
        assert proven({**proof, "dual": [scale * y for y in proof["dual"]]}) <= exact


@given(
    use=st.lists(st.lists(st.integers(0, 10), min_size=2, max_size=2), min_size=1, max_size=8),
    ahead=st.integers(1, 4),
)
def test_room_beside_is_what_no_later_peak_takes(use: list[list[int]], ahead: int) -> None:
    """Room at t is, machine by machine, what stays free of use until the look ahead ends."""
    found = room_beside(np.array(use), np.array([10, 8]), 0.5, ahead)
    for t in range(len(use)):
        peaks = np.array(use[t : t + ahead]).max(axis=0)
        assert max(0, 5 - peaks[0]) + max(0, 4 - peaks[1]) == found[t]


def test_databases_need_the_peak_of_sums() -> None:
    """Two databases with peaks at different hours need less than the sum of their peaks."""
    demand = {"cpu": np.array([[6, 1], [1, 6]]), "memory": np.array([[5], [5]])}
    capacity = {"cpu": 4, "memory": 6}
    assert {"cpu": 2, "memory": 2} == peaks_of_sums(demand, capacity)
    assert 2 == fewest_for_databases(demand, capacity)
    assert 3 == fewest_for_databases(demand, capacity, copies=3)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=5))
def test_no_packing_beats_the_peaks_of_sums(sizes: list[tuple[int, int]]) -> None:
    """The fewest servers of all assignments of databases to servers are not below the bound."""
    rows = np.array(sizes)
    bound = fewest_for_databases({"a": rows[:, :1], "b": rows[:, 1:]}, {"a": 6, "b": 6})
    fewest = min(
        len(set(where))
        for where in itertools.product(range(len(sizes)), repeat=len(sizes))
        if all((rows[np.array(where) == s].sum(axis=0) <= 6).all() for s in set(where))
    )
    assert bound <= fewest
