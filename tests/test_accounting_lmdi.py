"""LMDI: a worked example, sums without residue, signs, analytical limits of zeros."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from greensched.accounting.lmdi import energy_factors, explain, log_mean
from greensched.errors import InternalError


def test_two_factors_by_hand() -> None:
    """From 10 x 2 to 30 x 1: L = 10 / ln 1.5, times ln 3 and ln 1/2."""
    mean = 10_000_000 / math.log(1.5)
    found = explain(20_000_000, 30_000_000, {"a": 10e6, "b": 2.0}, {"a": 30e6, "b": 1.0})
    assert {"a": round(mean * math.log(3)), "b": round(mean * math.log(0.5))} == found


def test_log_mean() -> None:
    """L(e, 1) is e - 1, L(a, a) is a, L(a, 0) is 0, and it lies between both."""
    assert math.e - 1 == pytest.approx(log_mean(math.e, 1.0), rel=1e-15)
    assert (3.0, 0.0, 0.0) == (log_mean(3.0, 3.0), log_mean(3.0, 0.0), log_mean(0.0, 0.0))
    assert 1.0 <= log_mean(1.0, 1.0 + 1e-15) <= 1.0 + 1e-15


def test_large_numbers_sum_to_the_last_unit() -> None:
    """Where floats are off by hundreds of units the effects still sum to the change."""
    low, high = 10**18 + 1, 3 * 10**18 + 7
    found = explain(
        low, high, {"a": 7.0, "b": low / 7, "c": 1.0}, {"a": 11.0, "b": high / 33, "c": 3.0}
    )
    assert high - low == sum(found.values())


def test_a_factor_that_stays_has_no_effect() -> None:
    """Where floats are off by hundreds of units no unit goes to a factor that did not change."""
    low, high = 10**18 + 1, 3 * 10**18 + 7
    found = explain(
        low, high, {"a": 1.0, "b": low / 7, "c": 7.0}, {"a": 1.0, "b": high / 11, "c": 11.0}
    )
    assert (0, high - low) == (found["a"], found["b"] + found["c"])


def test_what_neither_run_defines_has_no_effect() -> None:
    """A factor without a value in both runs leaves the others' effects as they are."""
    one, other = {"a": 2.0, "b": 3.0}, {"a": 4.0, "b": 5.0}
    more = {"c": math.nan}
    assert explain(6, 20, one, other) | {"c": 0} == explain(6, 20, one | more, other | more)


def test_order_of_factors_changes_nothing() -> None:
    """The same factors in another order have the same effects, in their own order."""
    one = explain(6, 20, {"a": 2.0, "b": 3.0}, {"a": 4.0, "b": 5.0})
    other = explain(6, 20, {"b": 3.0, "a": 2.0}, {"b": 5.0, "a": 4.0})
    assert one == other
    assert ["b", "a"] == list(other)


@pytest.mark.parametrize(
    ("before", "after", "effects"),
    [
        # Ang, Zhang and Choi 1998, cases 1 to 8 of (C, x): new, gone, and nothing at all.
        ([0.0, 5.0], [3.0, 4.0], [12, 0]),
        ([3.0, 4.0], [0.0, 5.0], [-12, 0]),
        ([5.0, 0.0], [4.0, 3.0], [0, 12]),
        ([0.0, 5.0], [0.0, 7.0], [0, 0]),
        ([0.0, 5.0], [3.0, 0.0], [0, 0]),
        ([0.0, 0.0], [3.0, 4.0], [6, 6]),
        ([3.0, 4.0], [3.0, 4.0], [0, 0]),
        ([0.1, 0.1], [0.2, 0.0], [0, 0]),
    ],
)
def test_zeros_have_their_limits(
    before: list[float], after: list[float], effects: list[int]
) -> None:
    """A factor that vanishes explains the whole change; two that vanish together share it."""
    names = ("a", "b")
    found = explain(
        round(math.prod(before)),
        round(math.prod(after)),
        dict(zip(names, before, strict=True)),
        dict(zip(names, after, strict=True)),
    )
    assert effects == list(found.values())


def test_limits_are_limits() -> None:
    """Small numbers in the place of a zero come ever closer to its analytical effect."""
    away = []
    for small in (1e-3, 1e-30, 1e-300):
        found = explain(0, 12 * 10**6, {"a": small, "b": 5.0}, {"a": 3e6, "b": 4.0})
        away.append(12 * 10**6 - found["a"])
    assert all(abs(far) > abs(near) > 0 for far, near in pairwise(away))


SUNNY = {"work": 5.0, "machine_h": 100.0, "it_kwh": 30.0, "facility_kwh": 36.0}


def test_factors_of_emissions() -> None:
    """Work x hours per work x kWh per hour x PUE x intensity is what was emitted."""
    factors = energy_factors(**SUNNY, emitted_g=7_200.0)
    assert {
        "work": 5.0,
        "machine_h_per_work": 20.0,
        "it_kwh_per_machine_h": 0.3,
        "pue": 1.2,
        "intensity_g_per_kwh": 200.0,
    } == pytest.approx(factors)
    assert 7_200.0 == pytest.approx(math.prod(factors.values()))


def test_a_run_without_work_is_explained_by_work() -> None:
    """Where nothing ran, factors that nothing defines do not change: work explains it all."""
    nothing = energy_factors(work=0.0, machine_h=0.0, it_kwh=0.0, facility_kwh=0.0, emitted_g=0.0)
    found = explain(7_200, 0, energy_factors(**SUNNY, emitted_g=7_200.0), nothing)
    assert -7_200 == found["work"]
    assert {0} == {effect for name, effect in found.items() if name != "work"}
    assert {0} == set(explain(0, 0, nothing, nothing).values())


def test_a_grid_that_turns_clean_is_explained_by_intensity() -> None:
    """With an intensity of 0 afterwards the grid explains the whole change."""
    found = explain(
        7_200,
        0,
        energy_factors(**SUNNY, emitted_g=7_200.0),
        energy_factors(**{**SUNNY, "it_kwh": 15.0, "facility_kwh": 18.0}, emitted_g=0.0),
    )
    assert -7_200 == found["intensity_g_per_kwh"] == sum(found.values())


def test_hours_without_work_have_no_factors() -> None:
    """Machine-hours for no work at all cannot be explained per work, and are refused."""
    for hours, told in ((100.0, "100"), (0.5, "0.5")):
        with pytest.raises(InternalError, match=f"machine_h_per_work: {told} of nothing"):
            energy_factors(**{**SUNNY, "work": 0.0, "machine_h": hours}, emitted_g=1.0)


def test_factors_of_less_than_one_unit() -> None:
    """A quarter of an hour for half a unit of work is half an hour a unit."""
    small = {"work": 0.5, "machine_h": 0.25, "it_kwh": 0.1, "facility_kwh": 0.2}
    factors = energy_factors(**small, emitted_g=0.1)
    assert [0.5, 0.5, 0.4, 2.0, 0.5] == pytest.approx(list(factors.values()))


@pytest.mark.parametrize(
    ("total", "factors", "words"),
    [
        (12, {"a": 3.0}, "the same factors"),
        (12, {"a": -3.0, "b": -4.0}, "a, b is negative"),
        (12, {"a": math.inf, "b": 4.0}, "a is negative or not finite"),
        (-12, {"a": 3.0, "b": 4.0}, "the quantity is negative"),
        (13, {"a": 3.0, "b": 4.0}, "product is 12.000, the quantity 13"),
    ],
)
def test_bad_factors_are_refused(total: int, factors: dict[str, float], words: str) -> None:
    """Factors of other names, below zero, infinite or of another product are refused."""
    good = {"a": 1.0, "b": 2.0}
    with pytest.raises(InternalError, match=words):
        explain(2, total, good, factors)
    with pytest.raises(InternalError, match="at least one"):
        explain(1, 1, {}, {})
