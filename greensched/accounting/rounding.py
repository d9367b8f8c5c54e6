"""Exact rounding of many rational parts to integers whose sums are exact.

Three tools. `settle` rounds a table over time and groups: the whole is rounded once (half to
even), groups get the units by largest remainder, and each group's share of time is a meter that
counts up to its total. A meter's reading at an instant does not depend on how time is cut, so
splitting an interval changes no sum. `spread` divides integers in proportion to weights.
`apportion` divides a measured total among parts and leaves the remainder unallocated.

Nothing here is a float but the joules that `apportion` is given.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from greensched.errors import InternalError
from greensched.units import J_PER_MWH_MILLI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.model import FloatArray, IntArray

Table: TypeAlias = NDArray[Any]  # int64, or Python's integers where int64 could overflow

LIMB: Final = 1_000_000  # ratios are split at this base, so that products stay exact
NANO: Final = 1_000_000_000
INT64_SAFE: Final = 2.0**62  # sums that stay below cannot overflow int64
_EXCESS_REL: Final = 1e-9  # parts may exceed their total by so much of it (rounding of floats)
_EXCESS_MWH: Final = 2.0


def settle(
    amounts: Table,
    divisors: Sequence[int],
    rank: Sequence[int],
    ratios_nano: IntArray | None = None,
) -> IntArray:
    """Return int64[K, G]: the whole numbers nearest to `amounts x ratios / divisors`.

    `amounts` integers[K, G] >= 0; `divisors` [G] whole numbers > 0 by which a column is divided;
    `rank` [G] breaks ties between equal remainders, so that the order of columns does not
    matter; `ratios_nano` int64[K, G] >= 0 [1e-9], all 1 where absent. The table's sum is the
    exact sum rounded half to even; every column's sum is its exact sum rounded up or down; every
    running sum of a column is within one of the exact one.
    """
    high_sums, rest, per_unit = _running_sums(amounts, ratios_nano)
    scale = [d * per_unit for d in divisors]
    units = np.array(scale, high_sums.dtype)
    whole = high_sums // units
    limb = 1 if ratios_nano is None else LIMB
    fractions = [
        Fraction(int(high_sums[-1, g]) % scale[g] * limb + int(rest[-1, g]), scale[g] * limb)
        for g in range(len(scale))
    ]
    floor = sum(int(high_sums[-1, g]) // scale[g] for g in range(len(scale)))
    extra = round(floor + sum(fractions, Fraction(0))) - floor
    up = np.zeros(len(scale), np.bool_)
    up[sorted(range(len(scale)), key=lambda g: (-fractions[g], rank[g]))[:extra]] = True
    more = (high_sums - whole * units > 0) | (rest > 0)
    readings = (whole + (more & up[np.newaxis, :])).astype(np.int64)
    cells: IntArray = np.diff(readings, axis=0, prepend=0)
    return cells


def _running_sums(amounts: Table, ratios_nano: IntArray | None) -> tuple[Table, Table, int]:
    """Return exact running sums as `(high + rest / LIMB)` and how many of those make 1."""
    column = float(amounts.astype(np.float64).sum(axis=0).max(initial=0.0))
    if ratios_nano is None:
        dtype = np.int64 if column * 1.01 < INT64_SAFE else object
        high_sums: Table = np.cumsum(amounts.astype(dtype), axis=0)
        return high_sums, np.zeros_like(high_sums), 1
    high, low = np.divmod(ratios_nano, LIMB)
    fits = column * float(max(int(high.max(initial=0)), LIMB)) * 2.0 < INT64_SAFE
    dtype = np.int64 if fits else object
    x: Table = amounts.astype(dtype)
    low_sums: Table = np.cumsum(x * low.astype(dtype), axis=0)
    carry = low_sums // LIMB
    high_sums = np.cumsum(x * high.astype(dtype), axis=0) + carry
    return high_sums, low_sums - carry * LIMB, NANO // LIMB


def times(amounts: IntArray, factors: Sequence[int]) -> Table:
    """Return the columns of `amounts` times their whole factor, in Python's integers if large."""
    tallest = float(amounts.max(initial=0)) * float(max(factors, default=0)) * len(amounts)
    dtype = np.int64 if tallest < INT64_SAFE else object
    product: Table = amounts.astype(dtype) * np.array(factors, dtype)
    return product


def meter(amounts: Sequence[int], rates: Sequence[int], divisor: int) -> list[int]:
    """Return the whole units of `amounts x rates / divisor` in each interval, exactly metered.

    A reading is the exact running sum rounded half up; an interval's value is the difference of
    two readings.
    """
    running, before, units = 0, 0, []
    for amount, rate in zip(amounts, rates, strict=True):
        running += amount * rate
        reading = (2 * running + divisor) // (2 * divisor)
        units.append(reading - before)
        before = reading
    return units


def spread(totals: IntArray, weights: IntArray, rank: Sequence[int]) -> IntArray:
    """Return int64[K, G]: each row's total divided in proportion to its weights, exactly.

    `totals` int64[K] >= 0; `weights` int64[K, G] >= 0 with a positive sum in each row. Largest
    remainder, ties by `rank`; every row sums to its total.
    """
    order = np.argsort(np.asarray(rank))
    sums = weights.sum(axis=1)
    big = float(totals.max(initial=0)) * float(weights.max(initial=0)) > INT64_SAFE
    dtype = object if big else np.int64
    products = totals.astype(dtype)[:, np.newaxis] * weights[:, order].astype(dtype)
    shares = products // sums[:, np.newaxis]
    remainders = products - shares * sums[:, np.newaxis]
    missing = totals - shares.sum(axis=1)
    places = np.argsort(-remainders, axis=1, kind="stable")
    gets = np.arange(len(rank))[np.newaxis, :] < missing[:, np.newaxis]
    np.put_along_axis(shares, places, np.take_along_axis(shares, places, 1) + gets, 1)
    result = np.empty(weights.shape, np.int64)
    result[:, order] = shares.astype(np.int64)
    return result


def apportion(parts_j: FloatArray, total_mwh: int) -> tuple[IntArray, int]:
    """Return the parts [mWh] of a machines' energy and what is left `unallocated` [mWh].

    `parts_j` float64[N] >= 0 [J], such as one a service or job; `total_mwh` is the machines'
    energy in whole mWh. Parts and unallocated sum to the total exactly: the parts' sum is
    rounded once and its units go to the largest remainders, ties to the earlier part. Raises
    InternalError where parts are negative, not finite, or exceed the total by more than the
    rounding of floats explains.
    """
    if bool(np.any(~(np.isfinite(parts_j) & (parts_j >= 0.0)))):
        message = "energy of a part is negative or not finite"
        raise InternalError(message)
    exact = np.asarray(parts_j, np.float64) / J_PER_MWH_MILLI
    sum_mwh = math.fsum(exact)
    if sum_mwh > total_mwh + _EXCESS_MWH + _EXCESS_REL * total_mwh:
        message = f"parts use {sum_mwh:,.3f} mWh of a total of {total_mwh:,} mWh"
        raise InternalError(message)
    target = min(round(sum_mwh), total_mwh)
    parts = np.floor(exact).astype(np.int64)
    missing = target - int(parts.sum())
    order = np.argsort(-(exact - parts), kind="stable")
    if missing >= 0:
        parts[order[:missing]] += 1
    for i in order[::-1]:  # floats that exceed the total by their rounding give units back
        if missing >= 0:
            break
        back = min(int(parts[i]), -missing)
        parts[i] -= back
        missing += back
    return parts, total_mwh - target
