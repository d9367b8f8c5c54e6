"""The engine's arrays without the compiler, refusing indices below zero.

Compiled kernels take an index as it is: one below zero would be looked up before the array.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


def _check(index: Any) -> None:
    """Refuse an index below zero."""
    for place in index if isinstance(index, tuple) else (index,):
        assert not isinstance(place, int | np.integer) or place >= 0, index


class Upwards(np.recarray[Any, Any]):
    """An array of records or numbers whose indices count from its start."""

    def __getitem__(self, index: Any) -> Any:
        """Read an item."""
        _check(index)
        return super().__getitem__(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Write an item."""
        _check(index)
        super().__setitem__(index, value)


def upwards(arrays: Any, _dtypes: dict[str, Any]) -> SimpleNamespace:
    """Return the book of a World or JobTable, as kernels take it without the compiler."""
    return SimpleNamespace(
        **{name: getattr(arrays, name).view(Upwards) for name in arrays._fields}
    )
