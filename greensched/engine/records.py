"""Record arrays as the kernels take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.compiling import COMPILED

if TYPE_CHECKING:
    from numpy.typing import NDArray


def records(dtype: np.dtype[Any], n: int) -> NDArray[Any]:
    """Return `n` zeroed records; with attribute access where the compiler is off."""
    array = np.zeros(n, dtype)
    return array if COMPILED else array.view(np.recarray)
