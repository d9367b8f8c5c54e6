"""Databases that are busy at different hours; see `docs/reference/samples.md`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import UsageError
from greensched.generate.words import PERMILLE, below, noise, ramp, stream, weekday
from greensched.model import BY_RACK, Databases
from greensched.units import CPU_M_PER_CORE, H_PER_DAY, MIB_PER_GIB, MS_PER_S, S_PER_H

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.model import IntArray

REPLICAS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A kind of database: load by local hour and by weekday [permille of its usual peak]."""

    name: str
    databases: int  # of each 20
    hours: tuple[int, ...]
    week: tuple[int, ...]
    noise: tuple[int, int]  # deviation [permille] of knots each 24 h and each hour
    iops: int  # operations a second for each core in use
    memory_gib: tuple[int, ...]  # for each core of the usual peak, drawn
    disk_gib: tuple[int, ...]  # for each GiB of memory, drawn


_WORKDAYS: Final = (1000, 990, 1000, 1000, 980, 420, 380)
_LEISURE: Final = (900, 900, 900, 920, 1000, 1060, 1040)
_LEVEL: Final = (1000,) * 7
_KINDS: Final = (
    _Kind(
        name="order",
        databases=6,
        hours=(
            *(90, 70, 60, 60, 60, 70, 110, 230, 520, 820, 960, 1000),
            *(860, 840, 940, 980, 930, 780, 560, 400, 300, 230, 170, 120),
        ),
        week=_WORKDAYS,
        noise=(60, 90),
        iops=900,
        memory_gib=(4, 6, 8),
        disk_gib=(8, 12, 16),
    ),
    _Kind(
        name="session",
        databases=5,
        hours=(
            *(420, 260, 160, 110, 90, 90, 110, 160, 230, 280, 320, 370),
            *(430, 410, 390, 400, 440, 540, 700, 860, 970, 1000, 880, 640),
        ),
        week=_LEISURE,
        noise=(60, 90),
        iops=300,
        memory_gib=(6, 8, 12),
        disk_gib=(2, 4),
    ),
    _Kind(
        name="report",
        databases=4,
        hours=(
            *(700, 1000, 1000, 960, 820, 520, 260, 120, 90, 90, 80, 80),
            *(80, 80, 90, 90, 100, 100, 90, 80, 80, 80, 90, 240),
        ),
        week=_LEVEL,
        noise=(90, 110),
        iops=1_800,
        memory_gib=(2, 4),
        disk_gib=(40, 60, 80),
    ),
    _Kind(
        name="device",
        databases=3,
        hours=(620, 600, 600, 600, 620, 680, 780, 880, 940, 960, 980, 1000) * 2,
        week=_LEVEL,
        noise=(50, 80),
        iops=1_200,
        memory_gib=(2, 4),
        disk_gib=(20, 30),
    ),
    _Kind(
        name="archive",
        databases=2,
        hours=(60, 60, 60, 60, 400, 1000, 900, 300, 60, 50, 50, 50) + (50,) * 12,
        week=_LEVEL,
        noise=(80, 120),
        iops=2_400,
        memory_gib=(2,),
        disk_gib=(120, 160, 200),
    ),
)
_GRAIN: Final = 32  # parts of the usual peak that a meter tells apart


def databases(seed: int, *, count: int = 48, days: int = 35, step_s: int = 1_800) -> Databases:
    """Return `count` databases over `days`, each with three replicas in different racks.

    Usual peaks are 0.4 to 9 cores of one replica. `step_s` divides 3,600.

    Raises:
        UsageError: a count or number of days below 1, or a step that does not divide the hour.
    """
    if count < 1 or days < 1 or step_s < 1 or S_PER_H % step_s:
        message = f"databases: count {count}, days {days}, step {step_s} s; at least 1, step | 1 h"
        raise UsageError(message)
    bits = stream(seed, "databases")
    kinds = _kinds_of(count)
    # Three uniform draws multiplied: a few large ones, many small.
    draws = [below(bits, count, PERMILLE) for _ in range(3)]
    peak_m = 400 + 8_600 * draws[0] // PERMILLE * draws[1] // PERMILLE * draws[2] // PERMILLE
    load = _loads(bits, kinds, days * H_PER_DAY * S_PER_H // step_s, step_s)
    grain = np.maximum(1, peak_m // _GRAIN)[:, None]
    cpu_m = np.maximum(1, load * peak_m[:, None] // PERMILLE // grain) * grain
    memory = _picked(bits, [k.memory_gib for k in kinds])
    memory_gib = np.maximum(2, -(-memory * peak_m // CPU_M_PER_CORE))
    disk_gib = memory_gib * _picked(bits, [k.disk_gib for k in kinds])
    iops = np.array([k.iops for k in kinds])[:, None]
    ordinal = [kinds[:i].count(kind) for i, kind in enumerate(kinds)]
    width = max(2, len(str(count)))
    ones = np.ones(count, np.int64)
    return Databases(
        names=tuple(f"{k.name}-{n:0{width}d}" for k, n in zip(kinds, ordinal, strict=True)),
        start_ms=0,
        step_ms=step_s * MS_PER_S,
        cpu_m=cpu_m,
        iops=cpu_m * iops // CPU_M_PER_CORE,
        memory_mib=memory_gib * MIB_PER_GIB,
        disk_gib=disk_gib,
        replicas=ones * REPLICAS,
        apart=ones * BY_RACK,
    )


def _kinds_of(count: int) -> tuple[_Kind, ...]:
    """Return the kind of each of `count` databases, sorted by name."""
    pattern = [k for k in _KINDS for _ in range(k.databases)]
    picked = [pattern[i * len(pattern) // count % len(pattern)] for i in range(count)]
    return tuple(sorted(picked, key=lambda k: k.name))


def _loads(bits: np.random.PCG64, kinds: Sequence[_Kind], steps: int, step_s: int) -> IntArray:
    """Return the load [permille of the usual peak], [databases, steps]."""
    hour = S_PER_H // step_s
    a_day = H_PER_DAY * hour
    shift = (below(bits, len(kinds), 5) - 2) * hour // 2  # up to an hour early or late
    day = ramp(np.array([k.hours for k in kinds]), steps, hour, shift + a_day)
    week = np.array([k.week for k in kinds])[:, weekday(steps, a_day)]
    swing = np.full((len(kinds), steps), PERMILLE * PERMILLE, np.int64)
    for column, every in enumerate((a_day, hour)):
        amplitude = np.array([k.noise[column] for k in kinds])[:, None]
        swing += amplitude * noise(bits, len(kinds), steps, every)
    return np.asarray(day * week * np.maximum(swing, 500_000) // PERMILLE**3)


def _picked(bits: np.random.PCG64, choices: Sequence[tuple[int, ...]]) -> IntArray:
    """Return one of each row's choices, drawn."""
    drawn = below(bits, len(choices), 1 << 20).tolist()
    return np.array([row[n % len(row)] for row, n in zip(choices, drawn, strict=True)], np.int64)
