"""Rounding at its limits: exact instants, ties, and sums beyond what int64 holds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from greensched.accounting.rounding import apportion, settle, times
from greensched.errors import InternalError
from greensched.units import J_PER_MWH_MILLI


def test_a_meter_waits_for_the_next_unit() -> None:
    """1.5 is 2 in all: 1 as the first whole unit is reached, not before, and 1 at the end."""
    assert [[1], [1]] == settle(np.array([[2], [1]]), [2], [0]).tolist()


def test_large_cells_with_small_ratios_stay_exact() -> None:
    """10^14 at a ratio whose last digits overflow int64 is exact, and so is one at 999,999 e-9."""
    for nano in (1_250_999_999, 999_999):
        amounts = np.array([[10**14], [3]], np.int64)
        found = settle(amounts, [1], [0], np.full((2, 1), nano, np.int64))
        assert round(Fraction((10**14 + 3) * nano, 10**9)) == int(found.sum())


def test_large_cells_with_large_ratios_stay_exact() -> None:
    """2 x 10^12 mWh at 6,000 g/kWh, whose limbs together are more than int64 holds, are exact."""
    found = settle(np.array([[2 * 10**12]]), [1], [0], np.array([[6_000 * 10**9]]))
    assert [[12 * 10**15]] == found.tolist()


def test_large_sums_without_ratios_stay_exact() -> None:
    """Five cells of 2^61 are more than int64 holds and are exactly their quotient."""
    amounts = np.full((5, 1), 2**61, np.int64)
    assert 5 * 2**61 // 2**10 == int(settle(amounts, [2**10], [0]).sum())


def test_products_beyond_int64_are_exact() -> None:
    """The largest factor decides whether Python's integers are needed, not the least."""
    found = times(np.array([[10**10, 10**10]], np.int64), [1, 10**10])
    assert [[10**10, 10**20]] == found.tolist()
    assert [[10**19]] * 3 == times(np.full((3, 1), 10**10, np.int64), [10**9]).tolist()


def test_parts_may_exceed_by_what_floats_explain_and_no_more() -> None:
    """Two units more than a total are fitted, three are not; nor is half as much again."""
    parts, rest = apportion(np.array([2.0]) * J_PER_MWH_MILLI, 0)
    assert ([0], 0) == (parts.tolist(), rest)
    with pytest.raises(InternalError, match="of a total of 0 mWh"):
        apportion(np.array([3.0]) * J_PER_MWH_MILLI, 0)
    with pytest.raises(InternalError, match="of a total of 1,000 mWh"):
        apportion(np.array([1_500.0]) * J_PER_MWH_MILLI, 1_000)


def test_who_has_least_of_a_unit_gives_it_back() -> None:
    """3.9 and 2.1 of a total of 5: nobody gets the missing unit, the second has less of one."""
    exact = np.array([3.9, 3.1]) * J_PER_MWH_MILLI
    parts, rest = apportion(exact, 5)
    assert ([3, 2], 0) == (parts.tolist(), rest)
