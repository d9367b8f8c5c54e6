"""Tables of numbers that hypothesis draws at once: many bytes cost it no more than one number.

They shrink as bytes do: each number on its own, towards the least. Both ends come up more often
than what lies between, as with hypothesis' own numbers. A table is to have the same shape in each
example, of which what is not needed is left: hypothesis tries new examples that are put together
from earlier ones, and fills with zeros what has another length.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from greensched.model import FloatArray, IntArray

ENDS = 1 / 32  # of all numbers are 0, and as many are 1
MOST = 2**16 - 1


def shares(draw: DrawFn, *shape: int) -> FloatArray:
    """Draw numbers from 0 to 1, [shape]."""
    size = 2 * math.prod(shape)
    drawn = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), ">u2").reshape(shape)
    return np.asarray(np.clip(drawn / MOST * (1 + 2 * ENDS) - ENDS, 0.0, 1.0))


def whole(share: FloatArray, least: IntArray | int, most: IntArray | int) -> IntArray:
    """Return the whole numbers from `least` to `most` that lie at shares of the way."""
    count = np.asarray(most) - least + 1
    return np.asarray(least + np.minimum((share * count).astype(np.int64), count - 1))


def of_any_size(share: FloatArray, least: float, most: float) -> FloatArray:
    """Return numbers from `least` to `most` of any size, the smaller the more often."""
    return np.asarray(least + share**3 * (most - least))
