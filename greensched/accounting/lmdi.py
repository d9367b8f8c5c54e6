"""Why a quantity changed: additive LMDI over factors whose product it is.

    C = x_1 x_2 .. x_m        dC_k = L(C', C) ln(x'_k / x_k),   L(a, b) = (a - b) / (ln a - ln b)

The effects sum to C' - C without residue, and change sign when the two runs change places
(LMDI-I: Ang 2005, Energy Policy 33, 867-871). Zeros have their analytical limits (Ang, Zhang and
Choi 1998, Energy 23, 489-495; Wood and Lenzen 2006, Energy Policy 34, 1326-1331), not a small
number in their place: where one factor vanishes it explains the whole change, where several
vanish together they share it equally, and where the quantity is 0 in both runs nothing is to
explain. A factor that one run does not define (NaN: kWh per hour without hours) is taken for
unchanged, so that what it depends on explains the change.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from greensched.accounting.attribution import round_parts
from greensched.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARTS: Final = 1_000_000  # of a unit: effects are whole numbers of them before rounding
_PRODUCT_REL: Final = 1e-9  # by so much the factors' product may differ from the quantity


def log_mean(a: float, b: float) -> float:
    """Return the logarithmic mean of `a`, `b` >= 0: between both, a where they are equal."""
    low, high = sorted((a, b))
    if low in {0.0, high}:
        return low
    ratio = (high - low) / low
    return (high - low) / math.log1p(ratio)


def explain(
    before: int,
    after: int,
    factors_before: Mapping[str, float],
    factors_after: Mapping[str, float],
) -> dict[str, int]:
    """Return what each factor adds to `after - before`, in whole units that sum to it.

    `before` and `after` are whole numbers >= 0, each the product of its factors (floats >= 0 in
    any units, the same names in both; NaN where a run does not define one). Raises
    InternalError where they are not.
    """
    names = sorted(factors_before)
    if names != sorted(factors_after) or not names:
        message = "both runs need the same factors, at least one"
        raise InternalError(message)
    pairs = [_defined(factors_before[name], factors_after[name]) for name in names]
    one = (before, [pair[0] for pair in pairs])
    other = (after, [pair[1] for pair in pairs])
    for total, factors in (one, other):
        _check(total, dict(zip(names, factors, strict=True)))
    # Always from the lower to the higher, so that rounding too is the same both ways.
    low, high = sorted((one, other))
    effects = _effects(low, high)
    # Floats do not sum to the last unit: the largest effect takes the difference.
    exact = [Fraction(round(effect * _PARTS), _PARTS) for effect in effects]
    largest = max(range(len(exact)), key=lambda k: abs(effects[k]))
    exact[largest] += high[0] - low[0] - sum(exact)
    whole = round_parts(dict(zip(names, exact, strict=True)))
    sign = 1 if low is one else -1
    return {name: sign * whole[name] for name in factors_before}


def energy_factors(
    *, work: float, machine_h: float, it_kwh: float, facility_kwh: float, emitted_g: float
) -> dict[str, float]:
    """Return the factors of emissions: work x hours/work x kWh/hour x PUE x g/kWh.

    `work` is completed work in any unit, `machine_h` the hours of machines that are on. What is
    0 of 0 is NaN: not defined. Raises InternalError where nothing takes something (hours without
    work).
    """
    chain = {
        "machine_h_per_work": (machine_h, work),
        "it_kwh_per_machine_h": (it_kwh, machine_h),
        "pue": (facility_kwh, it_kwh),
        "intensity_g_per_kwh": (emitted_g, facility_kwh),
    }
    factors = {"work": work}
    for name, (part, of) in chain.items():
        if of == 0.0 and part > 0.0:
            message = f"{name}: {part:g} of nothing; such a run has no factors"
            raise InternalError(message)
        factors[name] = part / of if of > 0.0 else math.nan
    return factors


def _defined(before: float, after: float) -> tuple[float, float]:
    """Return both values of a factor, one that is not defined being that of the other run."""
    if math.isnan(before):
        return (1.0, 1.0) if math.isnan(after) else (after, after)
    return (before, before) if math.isnan(after) else (before, after)


def _check(total: int, factors: Mapping[str, float]) -> None:
    bad = [name for name, x in factors.items() if not (math.isfinite(x) and x >= 0.0)]
    if bad or total < 0:
        message = f"{', '.join(bad) or 'the quantity'} is negative or not finite"
        raise InternalError(message)
    product = math.prod(factors.values())
    if not math.isclose(product, total, rel_tol=_PRODUCT_REL, abs_tol=0.5):
        message = f"the factors' product is {product:,.3f}, the quantity {total:,}"
        raise InternalError(message)


def _effects(low: tuple[int, list[float]], high: tuple[int, list[float]]) -> list[float]:
    """Return the effect of each factor from `low` to `high`, which is no less."""
    vanished = [x == 0.0 for x in low[1]]
    if high[0] == 0:
        return [0.0] * len(vanished)
    if any(vanished):
        share = high[0] / sum(vanished)
        return [share if gone else 0.0 for gone in vanished]
    mean = log_mean(math.prod(low[1]), math.prod(high[1]))
    return [mean * math.log(y / x) for x, y in zip(low[1], high[1], strict=True)]
