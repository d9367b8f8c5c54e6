"""The folder of a queue: whose it is, who may look into it, and what lies in it."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from greensched.errors import Finding, UsageError

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
OTHERS_WRITE: Final = 0o022
DATABASE: Final = "queue.sqlite"
WORKER_LOCK: Final = "worker.lock"


def default_folder() -> Path:
    """Return the user's queue: below XDG_STATE_HOME, or ~/.local/state."""
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".local/state"
    return root / "greensched" / "batch"


def prepare(folder: Path) -> None:
    """Make the folder where there is none; raises UsageError where it is not ours alone."""
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        for part in ("logs", "locks"):
            (folder / part).mkdir(mode=FOLDER_MODE, exist_ok=True)
    except OSError as error:
        what = f"cannot be made: {error.strerror}"
        raise UsageError(Finding(where=str(folder), what=what)) from None
    check_own(folder)


def check_own(folder: Path) -> None:
    """Raise UsageError where the queue is another user's, a link, or others can write to it."""
    findings = []
    for path in (folder, folder / DATABASE, folder / "logs", folder / "locks"):
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(found.st_mode):
            findings.append(Finding(where=str(path), what="is a link; links are not followed"))
        elif found.st_uid != os.getuid():
            what = f"belongs to uid {found.st_uid}, not to you ({os.getuid()})"
            findings.append(Finding(where=str(path), what=what))
        elif found.st_mode & OTHERS_WRITE:
            what = f"has mode {stat.S_IMODE(found.st_mode):04o}: others can write what you run"
            remedy = f"chmod go-w {path}, after a look at what is queued"
            findings.append(Finding(where=str(path), what=what, remedy=remedy))
    if findings:
        raise UsageError(*findings)


def open_private(path: Path, flags: int) -> int:
    """Return a descriptor of a file of mode 0600; a link is not followed."""
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)


def make_private(path: Path) -> None:
    """Make an empty file of mode 0600 where there is none.

    One that is there is not even opened: closing it would end all locks that this process has on
    it, which is how SQLite locks.
    """
    try:
        os.close(open_private(path, os.O_RDWR | os.O_EXCL))
    except FileExistsError:
        return


def log_file(folder: Path, job: int, stream: str) -> Path:
    """Return where a job's `out` or `err` goes."""
    return folder / "logs" / f"{job}.{stream}"


def job_lock(folder: Path, job: int) -> Path:
    """Return the file that a job's supervisor holds a lock on as long as it lives."""
    return folder / "locks" / str(job)


def locked(path: Path) -> int | None:
    """Return a descriptor that holds the lock on `path`, None where another process holds it.

    The lock is of the open file: a process that inherits the descriptor holds it too, and the
    last one that ends lets it go.
    """
    descriptor = open_private(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_locked(path: Path) -> bool:
    """Tell whether a living process holds the lock on `path`."""
    descriptor = locked(path)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None
