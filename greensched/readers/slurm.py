"""Slurm's own notations: elapsed times, limits, trackable resources (TRES), memory.

Source: slurm.schedmd.com/sacct.html, "Job Accounting Fields". What cannot be read is returned as
it is, so that the check of its column says so.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final

REMEMBERED: Final = 1 << 16  # texts: most jobs ask for what others do

_ELAPSED: Final = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)(?:\.\d+)?")
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)([KMGTP]?)([cn]?)")
_MIB: Final = {"K": 2**-10, "": 1.0, "M": 1.0, "G": 2**10, "T": 2**20, "P": 2**30}


@lru_cache(REMEMBERED)
def elapsed_s(text: str) -> str:
    """Return `[DD-[HH:]]MM:SS` in seconds."""
    found = _ELAPSED.fullmatch(text)
    if found is None:
        return text
    days, hours, mins, seconds = (int(part or 0) for part in found.groups())
    return str(((days * 24 + hours) * 60 + mins) * 60 + seconds)


@lru_cache(REMEMBERED)
def minutes(text: str) -> str:
    """Return a time limit, `[DD-]HH:MM:SS` or minutes, in minutes; none for no limit."""
    if text in ("UNLIMITED", "Partition_Limit"):
        return ""
    if text.isdecimal():
        return text
    seconds = elapsed_s(text)
    return f"{int(seconds) / 60:.10g}" if seconds.isdecimal() else text


@lru_cache(REMEMBERED)
def memory_mib(tres: str, requested: str, cpus: str, nodes: str) -> str:
    """Return all memory of a job [MiB]: allocated, else requested, of each CPU or node if so."""
    found = _of_tres(tres, "mem") or requested
    size = _SIZE.fullmatch(found)
    if size is None:
        return found if found not in ("", "?") else ""
    number, unit, each = size.groups()
    count = {"c": cpus, "n": nodes}.get(each, "1")
    if not count.isdecimal():
        return ""
    return str(math.ceil(float(number) * _MIB[unit] * int(count)))


@lru_cache(REMEMBERED)
def gpus_of(tres: str) -> str:
    """Return the GPUs among trackable resources."""
    return _of_tres(tres, "gres/gpu")


@lru_cache(REMEMBERED)
def family(name: str) -> str:
    """Return a job's name with numbers as `*`."""
    return re.sub(r"\d+", "*", name)[:100]


def _of_tres(tres: str, name: str) -> str:
    """Return the amount of a resource in `cpu=4,mem=16G,node=1`, empty where it is not there."""
    for part in tres.split(","):
        key, _, value = part.partition("=")
        if key == name:
            return value
    return ""
