"""From raw files to an open trace store, imported once into the user's cache."""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from greensched.errors import DataError, Finding, UsageError
from greensched.readers.files import checksum
from greensched.readers.store import STORE_VERSION, is_store, open_store, write_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from greensched.model import Trace
    from greensched.readers.options import Reader, ReadOptions

log = logging.getLogger("greensched")

SLOW_S: Final = 1.0  # what takes longer is told
AGAIN_S: Final = 10.0  # and then every so often

# Who wants to know that reading takes long; nobody, unless a command says so.
slow_reading: ContextVar[Callable[[str], None] | None] = ContextVar("slow_reading", default=None)


@contextmanager
def told_if_slow(files: Sequence[Path]) -> Iterator[None]:
    """Tell `slow_reading`, from another thread, that `files` are being read for over a second."""
    tell = slow_reading.get()
    if tell is None:
        yield
        return
    names = ", ".join(Path(f).resolve().name for f in files)
    done, begin_s = threading.Event(), time.monotonic()

    def watch() -> None:
        wait_s = SLOW_S
        while not done.wait(wait_s):
            tell(f"reading {names}: {time.monotonic() - begin_s:.0f} s so far")
            wait_s = AGAIN_S

    watcher = threading.Thread(target=watch, name="greensched-reading", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def cache_folder() -> Path:
    """Return the folder of imported traces: below XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return root / "greensched" / "traces"


def import_cached(files: Sequence[Path], reader: Reader | str, options: ReadOptions) -> Trace:
    """Return the trace in `files`, from the cache where it was imported before.

    `reader` is a format's `read` function or the name of its module here. A folder that is a
    trace store is opened as it is. The key is of contents and names, reader, options, and the
    version of the store and of the readers' own code. Safe with several processes. Raises what
    `reader` raises.
    """
    files = [Path(f) for f in files]
    if len(files) == 1 and is_store(files[0]):
        return open_store(files[0])
    with told_if_slow(files):
        return _imported(files, _named(reader) if isinstance(reader, str) else reader, options)


def _imported(files: Sequence[Path], reader: Reader, options: ReadOptions) -> Trace:
    """Return the trace in `files`, from the cache or imported into it."""
    place = cache_folder() / _key(files, reader, options)
    if is_store(place):
        try:
            return open_store(place)
        except DataError:
            log.warning("the imported trace %s is damaged; importing it again", place)
            shutil.rmtree(place, ignore_errors=True)
    return open_store(_written(reader(files, options), place))


def _written(trace: Trace, place: Path) -> Path:
    """Return where the trace was written: `place`, or a temporary folder where that cannot be."""
    try:
        write_store(trace, place, replace=False)
    except (DataError, OSError) as error:
        folder = tempfile.mkdtemp(prefix="greensched-trace-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        log.warning("the cache cannot be written (%s); using %s for this time", error, folder)
        place = Path(folder) / "store"
        write_store(trace, place)
    return place


def _named(name: str) -> Reader:
    found = find_spec(f"greensched.readers.{name}") if name.isidentifier() else None
    read = getattr(import_module(found.name), "read", None) if found else None
    if read is None:
        raise UsageError(Finding(where="--reader", what=f"no trace format is called {name!r}"))
    reader: Reader = read
    return reader


def _key(files: Sequence[Path], reader: Reader, options: ReadOptions) -> str:
    contents = [p for f in files for p in _contents(f)]
    if not contents:
        raise DataError(Finding(where=", ".join(map(str, files)) or "trace", what="no files"))
    parts = (
        checksum(contents),
        *(p.name for p in contents),
        f"{getattr(reader, '__module__', '')}:{getattr(reader, '__name__', '')}",
        repr(options),
        str(STORE_VERSION),
        _own_code(),
    )
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _contents(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))


@cache
def _own_code() -> str:
    """Return a hash of the readers' sources: another reader may make another trace of a file."""
    total = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        total.update(path.read_bytes())
    return total.hexdigest()
