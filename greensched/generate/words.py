"""Integers from the raw 64-bit words of PCG64, whose stream numpy guarantees.

Samples are made of integer arithmetic on these words only, so that neither the platform's
mathematics nor numpy's release can change a byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greensched.model import IntArray

PERMILLE: Final = 1_000
SATURDAY: Final = 5  # of the days from 0, Monday

_NOISE_SD: Final = 37_837  # of a sum of four uniform 16-bit integers


def stream(seed: int, name: str) -> np.random.PCG64:
    """Return the bit stream of `seed` for the purpose `name`."""
    if seed < 0:
        message = f"seed {seed}: a seed is an integer of at least 0"
        raise UsageError(message)
    return np.random.PCG64(np.random.SeedSequence([seed, *name.encode()]))


def raw(bits: np.random.PCG64, count: int) -> NDArray[np.uint64]:
    """Return the next `count` 64-bit words."""
    return np.asarray(bits.random_raw(count), dtype=np.uint64)


def below(bits: np.random.PCG64, count: int, bound: int) -> IntArray:
    """Return `count` integers, uniform in [0, bound), for bounds far below 2**31."""
    return (raw(bits, count) >> np.uint64(33)).astype(np.int64) * bound >> 31


def ramp(knots: IntArray, steps: int, every: int, shift: IntArray | int = 0) -> IntArray:
    """Return `knots` [rows, k], one each `every` steps, linearly interpolated, [rows, steps]."""
    at = np.arange(steps, dtype=np.int64)[None, :] + np.reshape(shift, (-1, 1))
    period = knots.shape[1]
    low, part = (at // every) % period, at % every
    rows = np.arange(len(knots))[:, None]
    ends = knots[rows, low] * (every - part) + knots[rows, (low + 1) % period] * part
    return np.asarray(ends // every)


def weekday(steps: int, a_day: int, first_day: int = 0) -> IntArray:
    """Return the day of the week (0: Monday) of each of `steps`, `a_day` of them in a day."""
    return (first_day + np.arange(steps, dtype=np.int64) // a_day) % 7


def noise(bits: np.random.PCG64, rows: int, steps: int, every: int) -> IntArray:
    """Return autocorrelated noise [rows, steps] with mean 0 and knots of deviation 1,000."""
    count = steps // every + 2
    words = raw(bits, rows * count).view(np.uint16).reshape(rows, count, 4)
    knots = (words.sum(axis=2, dtype=np.int64) - 2 * 65_535) * PERMILLE // _NOISE_SD
    return ramp(knots, steps, every)
