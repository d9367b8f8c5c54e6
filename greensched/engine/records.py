"""Record arrays as the kernels take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.compiling import COMPILED
from greensched.engine import paging
from greensched.engine.kernels.layout import OUTCOME
from greensched.model import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray


LINE_BYTES: Final = 64  # of memory that a processor fetches at a time


def records(dtype: np.dtype[Any], n: int) -> NDArray[Any]:
    """Return `n` zeroed records; with attribute access where the compiler is off.

    The first begins with a line of memory, so that few of a size in whole lines lie across two.
    """
    size = n * dtype.itemsize
    room = np.zeros(size + LINE_BYTES, np.uint8)
    first = -room.ctypes.data % LINE_BYTES
    return _seen(room[first : first + size].view(dtype))


def _seen(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array as the kernels take it."""
    return array if COMPILED else array.view(np.recarray)


def outcomes(n: int) -> NDArray[Any]:
    """Return the records of `n` jobs that have not started, in a file if they are many."""
    out = _seen(paging.zeros(n, OUTCOME))
    for rows in paging.chunks(n):
        for field in ("start_ms", "end_ms", "machine"):
            out[field][rows] = NONE
        paging.let_go([out])
    return out
