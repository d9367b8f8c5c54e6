"""Laws of LMDI: sums without residue, signs, and the mean that they rest on."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from greensched.accounting.lmdi import explain, log_mean

FACTOR = st.one_of(st.just(0.0), st.floats(1e-3, 1e3))
FACTORS = st.lists(FACTOR, min_size=3, max_size=3)


def _named(factors: list[float], total: int) -> dict[str, float]:
    """Return the factors with one more that makes their product `total`, 0 where one is 0."""
    product = math.prod(factors)
    last = total / product if product else 1.0
    return {**{f"x{k}": x for k, x in enumerate(factors)}, "y": last}


def _total(factors: list[float], total: int) -> int:
    return total if math.prod(factors) else 0


@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9))
def test_i31_the_logarithmic_mean_lies_between(a: float, b: float) -> None:
    """The logarithmic mean is symmetric, at least the geometric, at most the arithmetic mean."""
    assert log_mean(a, b) == log_mean(b, a)
    assert math.sqrt(a * b) * (1 - 1e-9) <= log_mean(a, b) <= (a + b) / 2 * (1 + 1e-9)


@given(before=FACTORS, after=FACTORS, one=st.integers(1, 10**15), other=st.integers(1, 10**15))
def test_i31_effects_sum_and_flip_sign(
    before: list[float], after: list[float], one: int, other: int
) -> None:
    """Effects sum to the change to the last unit, and are the negatives the other way round."""
    low, high = _total(before, one), _total(after, other)
    factors = _named(before, one), _named(after, other)
    there = explain(low, high, factors[0], factors[1])
    back = explain(high, low, factors[1], factors[0])
    assert high - low == sum(there.values())
    assert {name: -effect for name, effect in there.items()} == back


@given(
    factors=st.lists(st.floats(1e-2, 1e2), min_size=3, max_size=3),
    changes=st.lists(st.floats(0.5, 2.0), min_size=3, max_size=3),
)
def test_i31_a_factor_that_grew_never_lowers(factors: list[float], changes: list[float]) -> None:
    """A factor that grew never has a negative effect, one that fell never a positive one."""
    changed = [x * by for x, by in zip(factors, changes, strict=True)]
    scale = 10**12
    one, other = round(scale * math.prod(factors)), round(scale * math.prod(changed))
    found = explain(
        one,
        other,
        {**{f"x{k}": x for k, x in enumerate(factors)}, "y": one / math.prod(factors)},
        {**{f"x{k}": x for k, x in enumerate(changed)}, "y": other / math.prod(changed)},
    )
    for k, by in enumerate(changes):
        # To the two units that rounding may move.
        assert found[f"x{k}"] >= -2 if by >= 1.0 else found[f"x{k}"] <= 2
