"""How loops are compiled: `entry` is called from Python and cached, `inner` only by other loops.

What is `inlined` becomes part of the loop that calls it, and with it all that no other loop has
called before. That makes compiled code longer, and is for what runs for every job.

Nothing in a loop makes or keeps an array, so reference counting is switched off: it would cost
two atomic operations an array a call.
"""

from __future__ import annotations

import os
from typing import Any

# numba colours the thousands of errors by which it rejects overloads, where it finds colorama.
os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")

import numba
from numba import types

from greensched.compiling.cache import CACHE_FOLDER, COMPILED, cache_folder, is_cached
from greensched.compiling.linking import ENTERING, LINKING

__all__ = [
    "CACHE_FOLDER",
    "COMPILED",
    "FLAG",
    "LINKING",
    "REAL",
    "SMALL_REAL",
    "WHOLE",
    "cache_folder",
    "entry",
    "given",
    "inlined",
    "inner",
    "is_cached",
    "mixed",
    "several",
    "written",
]

njit: Any = numba.njit  # its type information lacks the option without a name of its own
entry = njit(cache=True, error_model="numpy", _nrt=False, **ENTERING)
_INSIDE: dict[str, Any] = {
    "error_model": "numpy",
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    **LINKING,
}
inner = njit(**_INSIDE)
inlined = njit(forceinline=True, **_INSIDE)

# What entries are compiled for, ahead of their first call.
WHOLE, REAL, FLAG = numba.int64, numba.float64, numba.boolean
SMALL_REAL = numba.float32


def given(kind: Any, dimensions: int = 1) -> Any:
    """Return the type of a read-only array of `kind` without gaps."""
    return types.Array(kind, dimensions, "C", readonly=True)


def written(kind: Any, dimensions: int = 1) -> Any:
    """Return the type of an array of `kind` without gaps that a loop may write to."""
    return types.Array(kind, dimensions, "C")


def mixed(*kinds: Any) -> Any:
    """Return the type of a tuple of arguments of such kinds."""
    return types.Tuple(kinds)


def several(kind: Any, count: int) -> Any:
    """Return the type of a tuple of `count` arguments of one kind."""
    return types.UniTuple(kind, count)
