"""Hourly carbon intensity of three made-up zones; see `docs/reference/samples.md`."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import UsageError
from greensched.generate.words import PERMILLE, SATURDAY, noise, stream, weekday
from greensched.units import H_PER_DAY

if TYPE_CHECKING:
    from greensched.model import IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyIntensity:
    """Synthetic carbon intensity, `g_per_kwh[zone, hour]` [gCO2e/kWh] since trace zero."""

    zones: tuple[str, ...]
    g_per_kwh: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Zone:
    """A zone: annual mean, coefficient of variation and what its variation is made of."""

    name: str
    mean_g_per_kwh: int
    cv_permille: int
    hours: tuple[int, ...]  # departure by local hour, in parts of the weather's deviation
    weekend: int  # departure on Saturday and Sunday
    weather: tuple[int, int]  # deviation of knots each 36 h and each 6 h


_ZONES: Final = (
    _Zone(
        name="CN-EAST",
        mean_g_per_kwh=562,
        cv_permille=170,
        hours=(
            *(250, 200, 150, 120, 130, 200, 300, 250, 0, -350, -650, -850),
            *(-950, -900, -700, -400, 0, 400, 700, 800, 750, 650, 500, 350),
        ),
        weekend=-350,
        weather=(700, 300),
    ),
    _Zone(
        name="CN-NORTH",
        mean_g_per_kwh=678,
        cv_permille=50,
        hours=(
            *(150, 150, 150, 150, 150, 200, 250, 150, 0, -200, -350, -450),
            *(-450, -400, -300, -150, 0, 200, 300, 300, 250, 200, 200, 150),
        ),
        weekend=-100,
        weather=(800, 300),
    ),
    _Zone(
        name="CN-SOUTH",
        mean_g_per_kwh=387,
        cv_permille=400,
        hours=(
            *(200, 150, 100, 80, 100, 150, 200, 100, -150, -400, -600, -700),
            *(-750, -700, -550, -300, 0, 350, 600, 700, 650, 550, 400, 300),
        ),
        weekend=-200,
        weather=(600, 500),
    ),
)
_LEAST_G_PER_KWH: Final = 40
_SLOW_H, _FAST_H = 36, 6


def intensity(seed: int, *, zones: int = 3, hours: int = 42 * H_PER_DAY) -> HourlyIntensity:
    """Return the hourly intensity of `zones` (1 to 3) grid zones over `hours`.

    Each zone has the stated mean and coefficient of variation over these hours, save for what
    rounding to whole grams and the floor of 40 g/kWh take away.

    Raises:
        UsageError: a number of zones that is not 1, 2 or 3, or less than a day of hours.
    """
    if not 1 <= zones <= len(_ZONES) or hours < H_PER_DAY:
        message = f"intensity: {zones} zones of {hours} h; 1 to {len(_ZONES)} zones, from 24 h"
        raise UsageError(message)
    rows = [_series(zone, seed, hours) for zone in _ZONES[:zones]]
    return HourlyIntensity(zones=tuple(z.name for z in _ZONES[:zones]), g_per_kwh=np.stack(rows))


def _series(zone: _Zone, seed: int, hours: int) -> IntArray:
    """Return the intensity [g/kWh] of one zone: its tide and weather, scaled to its variation."""
    bits = stream(seed, f"intensity {zone.name}")
    slow, fast = (noise(bits, 1, hours, every)[0] for every in (_SLOW_H, _FAST_H))
    part = np.array(zone.hours)[np.arange(hours) % H_PER_DAY]
    part = part + np.where(weekday(hours, H_PER_DAY) >= SATURDAY, zone.weekend, 0)
    part += (zone.weather[0] * slow + zone.weather[1] * fast) // PERMILLE
    part -= int(part.sum()) // hours
    deviation = max(1, isqrt(int((part * part).sum()) // hours))
    spread = zone.mean_g_per_kwh * zone.cv_permille * part // (PERMILLE * deviation)
    return np.asarray(np.maximum(_LEAST_G_PER_KWH, zone.mean_g_per_kwh + spread))
