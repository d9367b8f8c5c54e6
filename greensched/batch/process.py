"""Which process is meant: a pid alone may be another's by now."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import signal

GRACE_S: Final = 10.0  # between the request to end and the end
STARTED: Final = 19  # fields of /proc/PID/stat behind the name until the start time


def identity(pid: int) -> str | None:
    """Return what tells a process from all others that had or will have its pid; None: gone.

    On Linux the boot and the start in clock ticks since then, which no change of the clock moves;
    elsewhere the time of its start.
    """
    stat = Path(f"/proc/{pid}/stat")
    boot = Path("/proc/sys/kernel/random/boot_id")
    if boot.exists():
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        gone = fields[0] in {"Z", "X"}
        return None if gone else f"{boot.read_text(encoding='ascii').strip()}:{fields[STARTED]}"
    import psutil

    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return None


def is_left(leader: int | None, known_as: str | None) -> bool:
    """Tell whether any process of a job's group still runs, its leader `known_as` so or another.

    As long as one does, the system gives the leader's pid to no other process.
    """
    if leader is None or known_as is None:
        return False
    found = identity(leader)
    if found is not None:
        return found == known_as
    if not _is_group(leader):
        return False
    import psutil

    return any(_is_member(process, leader) for process in psutil.process_iter())


def _is_group(leader: int) -> bool:
    """Tell whether a group has any process of ours, be it one that has ended."""
    try:
        os.killpg(leader, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _is_member(process: Any, leader: int) -> bool:
    """Tell whether a process is of a group and has not ended."""
    import psutil

    try:
        return os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ProcessLookupError, PermissionError):
        return False


def signal_group(leader: int, number: signal.Signals) -> None:
    """Signal all processes of a group; one that is gone already is no error."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return
