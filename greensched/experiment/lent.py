"""One loaded world for several processes: its arrays are written once and mapped by all.

A `Lent` pickles as the path of a file. Who unpickles it maps the arrays, which the system keeps
in memory once however many processes read them; nobody can change another's. The file is locked by
who lends it, so that the next loan finds what a killed process has left, and removes it.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
import tempfile
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from greensched.model import NONE

if TYPE_CHECKING:
    from types import TracebackType

    from greensched.experiment.world import Shared

MAPPED_BYTES_MIN: Final = 1 << 16  # smaller arrays travel with the rest
ALIGNED_BYTES: Final = 64
_PREFIX = "greensched-world-"
_WORLD, _ARRAYS = "world.pickle", "arrays.bin"
_UNLOCKED_S = 60.0  # younger folders may be about to be locked


class Lent:
    """A world that can be sent to other processes; a context manager, which ends the loan.

    `kept` is for what was worked out from it in this process, by who needs it again.
    """

    def __init__(self, world: Shared) -> None:
        """Keep `world`; nothing is written before it is sent."""
        self.world = world
        self.kept: dict[Any, Any] = {}
        self._folder: Path | None = None
        self._lock = NONE

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what was written; processes that have mapped it keep what they see."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock)
            self._folder, self._lock = None, NONE

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Pickle as the place where the world is written, once."""
        if self._folder is None:
            _remove_left()
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            self._lock = _locked(self._folder / _ARRAYS)
            _write(self.world, self._folder)
        return borrowed, (str(self._folder),)


@lru_cache(maxsize=1)
def borrowed(folder: str) -> Lent:
    """Return the world that was written to `folder`, mapped once in this process."""
    arrays = Path(folder) / _ARRAYS
    with (Path(folder) / _WORLD).open("rb") as stream:
        return Lent(_Reader(stream, arrays).load())


def _locked(path: Path, *, flags: int = os.O_RDWR | os.O_CREAT) -> int:
    """Return a descriptor that holds the lock on `path`; raises OSError where another holds it."""
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_left() -> None:
    """Remove worlds that were lent by processes which are no more, as far as they are ours."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > _UNLOCKED_S:
                lock = _locked(folder / _ARRAYS, flags=os.O_RDWR)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _write(world: Shared, folder: Path) -> None:
    """Write `world` to `folder`, large arrays in a file of their own."""
    with (folder / _WORLD).open("wb") as stream, (folder / _ARRAYS).open("wb") as arrays:
        _Writer(stream, arrays).dump(world)


class _Writer(pickle.Pickler):
    """Pickles with large arrays put beside, each once."""

    def __init__(self, stream: Any, arrays: Any) -> None:
        """Write to `stream`, and arrays to `arrays`."""
        super().__init__(stream, protocol=pickle.HIGHEST_PROTOCOL)
        self._arrays = arrays
        self._places: dict[int, tuple[Any, ...]] = {}

    def persistent_id(self, obj: Any) -> tuple[Any, ...] | None:
        """Return where an array was put; None for what is pickled as ever."""
        if not isinstance(obj, np.ndarray) or obj.nbytes < MAPPED_BYTES_MIN:
            return None
        if obj.dtype.hasobject or not obj.flags.c_contiguous:
            return None
        if id(obj) not in self._places:
            at = -(-self._arrays.tell() // ALIGNED_BYTES) * ALIGNED_BYTES
            self._arrays.seek(at)
            obj.tofile(self._arrays)
            kept = (obj.dtype, at, obj.shape, obj.flags.writeable)
            self._places[id(obj)] = kept
        return self._places[id(obj)]


class _Reader(pickle.Unpickler):
    """Unpickles with large arrays mapped."""

    def __init__(self, stream: Any, arrays: Path) -> None:
        """Read from `stream`, arrays from the file `arrays`."""
        super().__init__(stream)
        self._arrays = arrays

    def persistent_load(self, pid: Any) -> Any:
        """Return a mapped array; one that was writeable is copied where it is written."""
        dtype, at, shape, writeable = pid
        mode: Any = "c" if writeable else "r"
        mapped = np.memmap(self._arrays, dtype=dtype, mode=mode, offset=at, shape=shape)
        return mapped.view(np.ndarray)
