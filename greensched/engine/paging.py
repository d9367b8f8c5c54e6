"""Tables too long for memory: pages of a file that the system may take out and bring back.

What a run writes of each job is touched while the job is there and not again before the end. So
a long table lies in a file without a name, mapped; what was not used lately is let go of at every
pulse, and so are the columns of a trace that is mapped itself. Memory then holds what is under
way, however long the run. Which numbers come out does not depend on it.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.errors import Finding, OutsideError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

PAGED_BYTES_MIN: Final = 1 << 30  # shorter tables stay in memory
LET_GO_BYTES_MIN: Final = 1 << 26  # of a trace's columns, shorter ones are kept mapped
CHUNK_ROWS: Final = 1 << 20


def zeros(n: int, dtype: Any) -> NDArray[Any]:
    """Return `n` zeroed rows, in a file if they are many.

    Raises OutsideError where the folder for temporary files has no room.
    """
    if n * np.dtype(dtype).itemsize < PAGED_BYTES_MIN:
        return np.zeros(n, dtype)
    return _mapped(n, dtype)


def zeros_like(table: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return a zeroed column of a table, in a file where the table is; raises as `zeros`."""
    return _mapped(len(table), dtype) if is_paged(table) else np.zeros(len(table), dtype)


def _mapped(n: int, dtype: Any) -> NDArray[Any]:
    """Return `n` zeroed rows in a file without a name."""
    size = n * np.dtype(dtype).itemsize
    with tempfile.TemporaryFile(prefix="greensched-") as file:
        try:
            _reserve(file.fileno(), size)
        except OSError as error:
            what = f"{size:,} bytes for what is known of {n:,} jobs: {error.strerror}"
            remedy = "set TMPDIR to a folder on a disk with more room"
            raise OutsideError(
                Finding(where=tempfile.gettempdir(), what=what, remedy=remedy)
            ) from None
        return np.frombuffer(mmap.mmap(file.fileno(), size), dtype)


def _reserve(file: int, size: int) -> None:
    """Make a file so long, its room on the disk taken now and not in the middle of a run."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.ftruncate(file, size)


def chunks(n: int) -> Iterator[slice]:
    """Yield the rows of a table of `n`, some at a time."""
    for first in range(0, n, CHUNK_ROWS):
        yield slice(first, min(n, first + CHUNK_ROWS))


def largest(column: NDArray[Any]) -> int:
    """Return the largest value of a column, 0 where all are less."""
    most = 0
    for rows in chunks(len(column)):
        most = max(most, int(column[rows].max()))
        let_go([column])
    return most


def let_go(arrays: Iterable[NDArray[Any]]) -> None:
    """Take the pages of long, mapped arrays out of this process; the file keeps what they hold."""
    for array in arrays:
        pages = _pages(array)
        if pages is not None and hasattr(mmap, "MADV_DONTNEED"):
            pages.madvise(mmap.MADV_DONTNEED)


def is_paged(array: NDArray[Any]) -> bool:
    """Say whether an array is long and lies in a file, shared with it."""
    return _pages(array) is not None


def _pages(array: NDArray[Any]) -> mmap.mmap | None:
    """Return the file that a long array is mapped from.

    None where it is short, in memory, or a copy for this process alone, which would be lost.
    """
    if array.nbytes < LET_GO_BYTES_MIN:
        return None
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.mode == "c":
            return None
        base = base.base
    base = base.obj if isinstance(base, memoryview) else base
    return base if isinstance(base, mmap.mmap) else None
