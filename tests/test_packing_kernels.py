"""The compiled loops of packing, against what they stand for, written down plainly."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from greensched.model import NONE
from greensched.policies import repacking
from greensched.policies.packing import Packing, case_of
from tests.packing_cases import cases, databases_of, free_case, room_for, room_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.model import BoolArray, Databases
    from greensched.policies.packing import Case, Room


def drawn(made: tuple[Databases, Room], seed: int) -> tuple[Case, repacking._Search, BoolArray]:
    """Return a case with machines that are out, a search in any plan of it, and where it looks."""
    draw = np.random.default_rng(seed)
    case = case_of(*made)
    machines = len(case.room)
    case = replace(case, closed=draw.random(machines) < 0.2)
    plan = draw.integers(NONE, machines, len(case))
    return case, repacking._Search(case, plan, None), draw.random(machines) < 0.7


@given(made=cases(equal=False), seed=st.integers(0, 10_000))
def test_begin_counts_what_is_placed(made: tuple[Databases, Room], seed: int) -> None:
    """What is left, who is where and each database's peaks are those of the plan."""
    case, search, _ = drawn(made, seed)
    for at in range(len(case.room)):
        there = np.flatnonzero(search.machine == at)
        assert len(there) == search.count[at]
        taken = case.need[case.database[there]].sum(axis=0)
        whole = np.repeat(case.room[at], np.diff(case.edges))
        np.testing.assert_array_equal(whole - taken, search.left[at])
    peaks = np.take_along_axis(case.need, search.probe, axis=1)
    np.testing.assert_array_equal(case.peak, peaks)


@given(made=cases(equal=False), seed=st.integers(0, 10_000))
def test_best_is_the_fullest_with_room(made: tuple[Databases, Room], seed: int) -> None:
    """The first of those that are filled best; `is_first`: the first with room at all."""
    case, search, among = drawn(made, seed)
    for replica in range(len(case)):
        found = room_for(search, replica, np.flatnonzero(among).tolist())
        assert min(found, key=found.__getitem__, default=NONE) == search.best(replica, among)
        assert next(iter(found), NONE) == search.best(replica, among, is_first=True)


def in_the_way(search: repacking._Search, replica: int, among: BoolArray) -> Iterator[int]:
    """Yield the smaller replicas without which there is room, the smallest first."""
    for other in search.order[::-1].tolist():
        at = int(search.machine[other])
        if at == NONE or not among[at] or search.sizes[other] >= search.sizes[replica]:
            continue
        gone = np.arange(len(search.case)) == other
        if room_for(Packing(search.case, np.where(gone, NONE, search.machine)), replica, [at]):
            yield other


@given(made=cases(equal=False), seed=st.integers(0, 10_000))
def test_who_is_in_the_way(made: tuple[Databases, Room], seed: int) -> None:
    """A replica stands in the way where its going, and no sibling's, makes room."""
    case, search, among = drawn(made, seed)
    for replica in range(len(case)):
        expected = [*in_the_way(search, replica, among)][: repacking.SWAPS_MAX]
        assert expected == [*repacking._in_the_way(search, replica, among)]


def test_no_more_are_tried_than_may_be() -> None:
    """Of forty that stand in the way the smallest are tried, as many as the limit says."""
    loads = [[500], *([10 + i] for i in range(40))]
    case = free_case(databases_of(loads), room_of(2, cpu_m=1_675))
    search = repacking._Search(case, np.array([0, *[1] * 40]), None)
    found = [*repacking._in_the_way(search, 0, np.array([False, True]))]
    expected = [*in_the_way(search, 0, np.array([False, True]))]
    assert repacking.SWAPS_MAX == len(found) < len(expected)
    assert expected[: repacking.SWAPS_MAX] == found
