"""Online services with a tide, fitted to published clusters; see `docs/reference/samples.md`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import UsageError
from greensched.generate.words import PERMILLE, below, noise, ramp, stream, weekday
from greensched.model import NONE, Services
from greensched.units import CPU_M_PER_CORE, H_PER_DAY, MIB_PER_GIB, MS_PER_S, S_PER_H

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.model import IntArray

HEADROOM_PERMILLE: Final = 1_300  # recorded replicas over peak load


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A kind of service: load by local hour and by weekday [permille of its usual peak]."""

    name: str
    services: int  # of each 40
    cores: int  # permille of all cores
    hours: tuple[int, ...]
    week: tuple[int, ...]
    noise: tuple[int, int, int]  # deviation [permille] of knots each 24 h, 2 h, 5 min
    memory_gib: tuple[int, ...]  # a core, drawn
    time_ms: tuple[int, ...]  # service time, drawn


_WORKDAYS: Final = (1000, 990, 1000, 1000, 980, 820, 790)
_LEISURE: Final = (930, 930, 930, 940, 1000, 1050, 1040)
_LEVEL: Final = (1000, 1000, 1000, 1000, 1000, 980, 980)
_KINDS: Final = (
    _Kind(
        name="web",
        services=18,
        cores=390,
        hours=(
            *(410, 340, 295, 270, 258, 253, 265, 310, 420, 610, 800, 890),
            *(920, 950, 1000, 990, 940, 870, 790, 740, 720, 680, 600, 500),
        ),
        week=_WORKDAYS,
        noise=(85, 80, 45),
        memory_gib=(2, 2, 4, 4),
        time_ms=(8, 12, 20, 35, 50),
    ),
    _Kind(
        name="media",
        services=5,
        cores=130,
        hours=(
            *(640, 480, 360, 290, 262, 253, 262, 310, 390, 450, 500, 560),
            *(640, 620, 580, 570, 590, 660, 770, 890, 970, 1000, 960, 820),
        ),
        week=_LEISURE,
        noise=(85, 80, 45),
        memory_gib=(2, 4),
        time_ms=(5, 12, 20),
    ),
    _Kind(
        name="store",
        services=10,
        cores=290,
        hours=(
            *(850, 830, 815, 805, 800, 800, 810, 830, 870, 920, 960, 985),
            *(980, 985, 1000, 1000, 995, 985, 970, 955, 945, 930, 905, 875),
        ),
        week=_LEVEL,
        noise=(75, 70, 45),
        memory_gib=(4, 4, 8),
        time_ms=(5, 8, 12),
    ),
    _Kind(
        name="report",
        services=4,
        cores=130,
        hours=(
            *(900, 960, 1000, 1000, 1000, 980, 930, 820, 690, 590, 540, 510),
            *(500, 500, 500, 500, 505, 515, 530, 555, 590, 650, 730, 820),
        ),
        week=_LEVEL,
        noise=(75, 75, 45),
        memory_gib=(2, 4),
        time_ms=(80, 120, 200),
    ),
    _Kind(
        name="inference",
        services=3,
        cores=60,
        hours=(
            *(60, 18, 7, 5, 5, 5, 6, 30, 220, 620, 850, 900),
            *(760, 800, 980, 1000, 980, 900, 720, 600, 520, 420, 290, 150),
        ),
        week=_WORKDAYS,
        noise=(80, 80, 50),
        memory_gib=(4, 8),
        time_ms=(120, 200),
    ),
)
_USUAL_PERMILLE: Final = 790  # a service's usual peak over its greatest load in five weeks
_SURGE_MIN: Final = (145, 150, 180, 220)  # minutes of the day: begins, full, wanes, over
_SURGE_PERMILLE: Final = 2_000  # added at its height: three times the usual load


def services(
    seed: int,
    *,
    count: int = 40,
    days: int = 35,
    step_s: int = 300,
    cores: int = 14_400,
    surge_day: int | None = None,
) -> Services:
    """Return `count` services over `days` whose recorded replicas take about `cores` in all.

    `surge_day` is the day (from 0) on which, at 02:30 local time, every other web service wants
    three times its usual load for half an hour. `step_s` divides 3,600.

    Raises:
        UsageError: a count or number of days below 1, or a step that does not divide the hour.
    """
    if count < 1 or days < 1 or step_s < 1 or S_PER_H % step_s:
        message = f"services: count {count}, days {days}, step {step_s} s; at least 1, step | 1 h"
        raise UsageError(message)
    bits = stream(seed, "services")
    steps = days * H_PER_DAY * S_PER_H // step_s
    kinds = _kinds_of(count)
    usual = _usual_peak_cpu_m(bits, kinds, cores)
    load = _tides(bits, kinds, steps, step_s)
    if surge_day is not None:
        load = _surge(load, kinds, surge_day, step_s)
    grain = np.maximum(10, usual // 2_000 * 10)[:, None]  # a meter's resolution: 0.5 %
    load_cpu_m = np.maximum(1, load * usual[:, None] // PERMILLE // grain) * grain
    return _with_replicas(bits, kinds, load_cpu_m, step_s)


def _kinds_of(count: int) -> tuple[_Kind, ...]:
    """Return the kind of each of `count` services, sorted by name."""
    pattern = [k for k in _KINDS for _ in range(k.services)]
    picked = [pattern[i * len(pattern) // count % len(pattern)] for i in range(count)]
    return tuple(sorted(picked, key=lambda k: k.name))


def _usual_peak_cpu_m(bits: np.random.PCG64, kinds: Sequence[_Kind], cores: int) -> IntArray:
    """Return the usual daily peak of each service: a few large ones, many small."""
    weight = np.empty(len(kinds), np.int64)
    total = sum(k.cores for k in _KINDS if k in kinds)
    for kind in (k for k in _KINDS if k in kinds):
        at = np.array([i for i, k in enumerate(kinds) if k == kind])
        rank = 60_000 // (np.arange(len(at)) + 4) + below(bits, len(at), 2_000)
        weight[at] = rank * kind.cores * 1_000_000 // int(rank.sum()) // total
    peak = weight * cores // PERMILLE * PERMILLE // HEADROOM_PERMILLE
    return np.maximum(100, peak * _USUAL_PERMILLE // PERMILLE)


def _tides(bits: np.random.PCG64, kinds: Sequence[_Kind], steps: int, step_s: int) -> IntArray:
    """Return the load [permille of the usual peak], [services, steps]."""
    hour = S_PER_H // step_s
    shift = (below(bits, len(kinds), 7) - 3) * hour // 4  # up to 45 min early or late
    a_day = H_PER_DAY * hour
    day = ramp(np.array([k.hours for k in kinds]), steps, hour, shift + a_day)
    week = np.array([k.week for k in kinds])[:, weekday(steps, a_day)]
    swing = np.full((len(kinds), steps), PERMILLE * PERMILLE, np.int64)
    for column, every in enumerate((a_day, 2 * hour, max(1, hour // 12))):
        amplitude = np.array([k.noise[column] for k in kinds])[:, None]
        swing += amplitude * noise(bits, len(kinds), steps, every)
    # One division at the end, so that the small loads of a night are rounded once.
    return np.asarray(day * week * np.maximum(swing, 500_000) // PERMILLE**3)


def _surge(load: IntArray, kinds: Sequence[_Kind], day: int, step_s: int) -> IntArray:
    """Return `load` with a flash event at 02:30 of `day` on every other web service."""
    minute = np.arange(load.shape[1]) * step_s // 60 - day * 1_440
    begins, full, wanes, over = _SURGE_MIN
    rise = np.clip((minute - begins) * PERMILLE // (full - begins), 0, PERMILLE)
    fall = np.clip((over - minute) * PERMILLE // (over - wanes), 0, PERMILLE)
    extra = np.minimum(rise, fall) * _SURGE_PERMILLE // PERMILLE
    web = [i for i, k in enumerate(kinds) if k.name == "web"][::2]
    surged = load.copy()
    surged[web] = load[web] * (PERMILLE + extra) // PERMILLE
    return surged


def _with_replicas(
    bits: np.random.PCG64, kinds: Sequence[_Kind], load_cpu_m: IntArray, step_s: int
) -> Services:
    """Return services with drawn replica sizes and replicas recorded for the peak."""
    count = len(kinds)
    peak = load_cpu_m.max(axis=1)
    drawn = np.array([4, 8, 8, 8])[below(bits, count, 4)] * CPU_M_PER_CORE
    small = np.where(peak < 4 * drawn, CPU_M_PER_CORE, drawn)
    gib = [k.memory_gib[int(d) % len(k.memory_gib)] for k, d in _drawn(bits, kinds)]
    time_ms = [k.time_ms[int(d) % len(k.time_ms)] for k, d in _drawn(bits, kinds)]
    ordinal = [sum(k == kind for k in kinds[:i]) for i, kind in enumerate(kinds)]
    width = max(2, len(str(count)))
    return Services(
        names=tuple(f"{k.name}-{n:0{width}d}" for k, n in zip(kinds, ordinal, strict=True)),
        replica_cpu_m=small,
        replica_memory_mib=small // CPU_M_PER_CORE * np.array(gib) * MIB_PER_GIB,
        replica_gpu_m=np.zeros(count, np.int64),
        replicas=np.maximum(2, -(-peak * HEADROOM_PERMILLE // (PERMILLE * small))),
        replicas_min=np.ones(count, np.int64),
        replicas_max=np.full(count, NONE, np.int64),
        startup_ms=(below(bits, count, 16) * 10 + 30) * MS_PER_S,
        service_time_ms=np.array(time_ms, np.float64),
        service_time_assumed=np.zeros(count, np.bool_),
        start_ms=0,
        step_ms=step_s * MS_PER_S,
        load_cpu_m=load_cpu_m,
    )


def _drawn(bits: np.random.PCG64, kinds: Sequence[_Kind]) -> list[tuple[_Kind, int]]:
    """Return each kind with a number drawn for it."""
    return list(zip(kinds, below(bits, len(kinds), 1 << 20).tolist(), strict=True))
