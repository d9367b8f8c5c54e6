"""Loads to forecast: weeks with a day's and a week's rhythm, made of integers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from greensched.forecast import Calendar, Forecast, fit
from greensched.forecast.fitted import along
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_S

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray

STEP_MS = 900_000
DAY = MS_PER_DAY // STEP_MS
WEEK = 7 * DAY
MONDAY = "2023-01-02"  # with zero here, time 0 is Monday 00:00 UTC


def utc_ms(text: str) -> int:
    """Return the instant `text` (UTC) [ms since 1970]."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * MS_PER_S)


def calendar(zero: str = MONDAY, **more: str) -> Calendar:
    """Return a calendar whose time 0 is `zero` (UTC)."""
    return Calendar(zero_utc_ms=utc_ms(zero), **more)


def weeks(seed: int = 1, services: int = 2, days: int = 28, noise_share: float = 0.05) -> IntArray:
    """Return int64[S, T]: a day's wave, quiet weekends, and independent noise, from a Monday."""
    rng = np.random.default_rng(seed)
    t = np.arange(days * DAY)
    wave = 1.0 + 0.4 * np.sin(2 * np.pi * (t % DAY) / DAY - np.pi / 2)
    week = np.where((t // DAY) % 7 >= 5, 0.6, 1.0) * wave
    size = 10_000.0 * (1 + np.arange(services))[:, np.newaxis]
    noise = 1.0 + noise_share * rng.standard_normal((services, len(t)))
    load: IntArray = np.rint(size * week * np.maximum(noise, 0.0)).astype(np.int64)
    return load


def fitted(
    load_cpu_m: IntArray, where: Calendar | None = None, more_days: int = 14, start_ms: int = 0
) -> Forecast:
    """Return the forecast of `load_cpu_m` for some days after it."""
    until_ms = start_ms + load_cpu_m.shape[1] * STEP_MS + more_days * MS_PER_DAY
    return fit(
        load_cpu_m,
        start_ms=start_ms,
        step_ms=STEP_MS,
        calendar=where or calendar(),
        until_ms=until_ms,
    )


def usual(forecast: Forecast, day: int) -> FloatArray:
    """Return [24, S]: the usual load at the centre of each hour (UTC) of day `day`."""
    middles = [day * MS_PER_DAY + h * MS_PER_H + MS_PER_H // 2 for h in range(24)]
    return along(forecast.week_cpu_m, forecast.hours, middles) - forecast.floor_cpu_m
