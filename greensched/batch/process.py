"""Which process is meant: a pid alone may be another's by now."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import signal

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


def is_alive(pid: int | None, known_as: str | None) -> bool:
    """Tell whether the process that was `known_as` so still runs."""
    return pid is not None and known_as is not None and identity(pid) == known_as


def signal_group(leader: int, number: signal.Signals) -> None:
    """Signal all processes of a group; one that is gone already is no error."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return
