"""The files beside a ledger: its last checkpoint and its writers' lock."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from greensched.errors import DataError, Finding, UsageError
from greensched.ledger.checkpoint import SignedCheckpoint, read_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOCK_WAIT_S: Final = 10.0
LOCK_POLL_S: Final = 0.005
# Waits for a file's data, and not for its times of change; macOS has only the longer wait.
sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


def beside(ledger: Path, ending: str) -> Path:
    """Return the file `<ledger>.<ending>`."""
    return ledger.with_name(f"{ledger.name}.{ending}")


def checkpoint_file(ledger: Path) -> Path:
    """Return where the last acknowledged checkpoint is."""
    return beside(ledger, "checkpoint")


def sync_folder(folder: Path) -> None:
    """Make names in `folder` survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_checkpoint(ledger: Path, text: str) -> None:
    """Write the checkpoint beside a ledger; it survives a loss of power from here on.

    It is written in place, which takes one wait for the disk where a new file renamed would take
    two: a checkpoint is shorter than a sector, never gets shorter, and needs no new room.
    """
    path = checkpoint_file(ledger)
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # against who reads it half-written
        os.pwrite(descriptor, text.encode(), 0)
        sync_data(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(ledger.parent)


def published_checkpoint(ledger: Path) -> SignedCheckpoint | None:
    """Return the checkpoint beside a ledger, None where there is none; raises DataError."""
    path = checkpoint_file(ledger)
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH)
            text = stream.read()
        return read_checkpoint(text.decode("utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(
            Finding(where=str(path), what=f"cannot be read: {error.strerror}")
        ) from None
    except ValueError as error:
        what = f"is damaged: {error}"
        remedy = "bring it back from a copy; without it a cut ledger looks whole"
        raise DataError(Finding(where=str(path), what=what, remedy=remedy)) from None


@contextmanager
def writers_lock(ledger: Path) -> Iterator[None]:
    """Let one process at a time append; raises UsageError where another takes too long."""
    path = beside(ledger, "lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        until_s = time.monotonic() + LOCK_WAIT_S
        while not _is_locked(descriptor):
            if time.monotonic() > until_s:
                what = f"another process has been appending for {LOCK_WAIT_S:g} s"
                remedy = "try again when it is done; nothing was appended"
                raise UsageError(Finding(where=str(ledger), what=what, remedy=remedy))
            time.sleep(LOCK_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    """Tell whether the lock is ours now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
