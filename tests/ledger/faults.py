"""A disk that fails, or loses power: SQLite's and our own writes, counted, noted and refused.

SQLite is reached through a file system of its own (a VFS) that hands everything on but writes,
cuts and waits for the disk. The checkpoint beside the ledger goes the same way.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import os
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greensched.ledger import files

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

FULL: Final = sqlite3.SQLITE_FULL
FAILED_SYNC: Final = sqlite3.SQLITE_IOERR_FSYNC
NAME: Final = b"greensched-faults"
_POINTER: Final = ctypes.c_void_p
_OPEN: Final = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER, _POINTER, ctypes.c_int, _POINTER)
_WRITE: Final = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER, ctypes.c_int, ctypes.c_int64)
_TRUNCATE: Final = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, ctypes.c_int64)
_SYNC: Final = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, ctypes.c_int)


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, as far as xOpen by name."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_bytes", ctypes.c_int),
        ("path_bytes", ctypes.c_int),
        ("next", _POINTER),
        ("name", ctypes.c_char_p),
        ("data", _POINTER),
        ("open", _POINTER),
        ("rest", _POINTER * 15),
    )


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, as far as xSync by name."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("close", _POINTER),
        ("read", _POINTER),
        ("write", _POINTER),
        ("truncate", _POINTER),
        ("sync", _POINTER),
        ("rest", _POINTER * 13),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing done to a file: bytes written at a place, a cut, or a wait for the disk."""

    name: str
    kind: str
    place: int = 0
    data: bytes = b""


@dataclass(slots=True)
class Disk:
    """What was done, and from which deed on, or at which alone, the disk refuses."""

    deeds: list[Deed] = field(default_factory=list)
    refuse_at: int = -1
    is_refused_on: bool = False  # also all deeds after
    refused: int = 0

    def does(self, deed: Deed) -> bool:
        """Note a deed; tell whether the disk carries it out."""
        at = len(self.deeds)
        self.deeds.append(deed)
        is_now = at == self.refuse_at or (self.is_refused_on and at > self.refuse_at >= 0)
        self.refused += is_now
        return not is_now


def _library() -> Any:
    """Return the SQLite that Python uses, or None where its functions cannot be reached."""
    import _sqlite3

    for place in (getattr(_sqlite3, "__file__", None), None):
        library = ctypes.CDLL(place)
        if hasattr(library, "sqlite3_vfs_find"):
            library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
            return library
    return None


class _Shim:
    """The file system between SQLite and its own; kept alive as long as it is registered."""

    def __init__(self, library: Any, disk: Disk) -> None:
        """Register it as the default."""
        self.library, self.disk = library, disk
        self.names: dict[int, str] = {}
        self.real = library.sqlite3_vfs_find(None)
        self.methods: dict[int, tuple[_Methods, _Methods, tuple[Any, ...]]] = {}
        self.open_real = _OPEN(self.real.contents.open)
        self.open_here = _OPEN(self.opened)
        self.vfs = _Vfs.from_buffer_copy(self.real.contents)
        self.vfs.name, self.vfs.next = NAME, None
        self.vfs.open = ctypes.cast(self.open_here, _POINTER)
        library.sqlite3_vfs_register(ctypes.byref(self.vfs), 1)

    def close(self) -> None:
        """Let SQLite's own be the default again."""
        self.library.sqlite3_vfs_register(self.real, 1)
        self.library.sqlite3_vfs_unregister(ctypes.byref(self.vfs))

    def opened(self, _vfs: int, name: int, file: int, flags: int, out: int) -> int:
        """Open a file with SQLite's own, and put our methods in the place of its."""
        code = self.open_real(ctypes.addressof(self.real.contents), name, file, flags, out)
        place = ctypes.cast(file, ctypes.POINTER(_POINTER))
        if place[0] and name:
            self.names[file] = Path(os.fsdecode(ctypes.string_at(name))).name
            place[0] = ctypes.addressof(self.replaced(place[0]))
        return int(code)

    def replaced(self, address: int) -> _Methods:
        """Return methods that note and refuse, before those at `address`."""
        if address in self.methods:
            return self.methods[address][1]
        real = _Methods.from_address(address)
        write, truncate, sync = _WRITE(real.write), _TRUNCATE(real.truncate), _SYNC(real.sync)

        def written(file: int, data: int, size: int, place: int) -> int:
            deed = Deed(
                name=self.names[file],
                kind="write",
                place=place,
                data=ctypes.string_at(data, size),
            )
            return write(file, data, size, place) if self.disk.does(deed) else FULL

        def truncated(file: int, size: int) -> int:
            deed = Deed(name=self.names[file], kind="cut", place=size)
            return truncate(file, size) if self.disk.does(deed) else sqlite3.SQLITE_IOERR_TRUNCATE

        def synced(file: int, flags: int) -> int:
            deed = Deed(name=self.names[file], kind="sync")
            return sync(file, flags) if self.disk.does(deed) else FAILED_SYNC

        ours = _Methods.from_buffer_copy(real)
        kept = (_WRITE(written), _TRUNCATE(truncated), _SYNC(synced), write, truncate, sync)
        ours.write, ours.truncate, ours.sync = (ctypes.cast(k, _POINTER) for k in kept[:3])
        self.methods[address] = (real, ours, kept)
        return ours


@contextmanager
def faulty_disk(monkeypatch: pytest.MonkeyPatch, disk: Disk) -> Iterator[None]:
    """Let all writes of the block go through `disk`, SQLite's as far as it can be reached."""
    library = _library()
    shim = None if library is None else _Shim(library, disk)
    pwrite, sync = os.pwrite, files.sync_data

    def written(descriptor: int, data: bytes, place: int) -> int:
        if not disk.does(Deed(name=_name(descriptor), kind="write", place=place, data=data)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(descriptor, data, place)

    def synced(descriptor: int) -> None:
        if not disk.does(Deed(name=_name(descriptor), kind="sync")):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", written)
        patch.setattr(files, "sync_data", synced)
        try:
            yield
        finally:
            if shim is not None:
                shim.close()


def _name(descriptor: int) -> str:
    """Return the name of an open file; Linux tells it, and elsewhere it is the checkpoint's."""
    link = Path(f"/proc/self/fd/{descriptor}")
    return link.readlink().name if link.is_symlink() else "l.sqlite.checkpoint"
