"""Carbon intensity of the next days, where the source has no forecast of its own.

Half hour of the week, half yesterday: the mean of what the load forecaster says (table of the
week, level of the last hours and days) and of the same hour of the day before, scaled by how far
now is from a day ago, which fades. Either alone is worse on 16 zones of 2023
(docs/decisions/0017-carbon-sources.md). The band on either side is
split-conformal (as in `bands`): the table is fitted on the earlier half of history, on the later
half it is counted how far intensity lay above and below at each lead; the forecast itself is then
made from all of history.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import numpy as np

from greensched.carbon import FORECAST, CarbonIntensity, hourly_means
from greensched.errors import DataError, Finding
from greensched.forecast.bands import rank
from greensched.forecast.calendar import DAYS_PER_WEEK, Calendar
from greensched.forecast.fit import DAILY_DAYS, WEEKLY_DAYS, fit
from greensched.forecast.fitted import along
from greensched.forecast.level import fades, over_time
from greensched.units import H_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from greensched.forecast.fitted import Forecast
    from greensched.model import FloatArray, IntArray

COVERAGE: Final = 0.9  # of the bands, unless asked for otherwise
HISTORY_H: Final = 6 * DAYS_PER_WEEK * H_PER_DAY  # of what is known, the part that counts
LEADS_H: Final = 2 * H_PER_DAY  # with a band of their own; beyond, the last one's
TOLD_H: Final = (1, 4, 8, 24, 48)  # leads whose skill is told
FADE_H: Final = 12.0  # of the ratio of now to a day ago, to 1/e
RATIO_MAX: Final = 3.0  # of it, and of its inverse
LEAST_G_PER_KWH: Final = 0.1  # a forecast is above 0, as every intensity is
_MG_PER_G: Final = 1_000.0  # the forecaster takes whole numbers: milligrams

Rival: TypeAlias = Literal["last-value", "yesterday", "last-week"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """How forecasts `lead_h` ahead did on the part of history that was not fitted.

    Errors are shares: sums of absolute errors over sums of intensity. `skill_share` is 1 less
    error over the best rival's: 0 is as good as persistence, 1 perfect, below 0 worse; None where
    persistence makes no error.
    """

    lead_h: int
    error_share: float
    rival: Rival
    rival_error_share: float
    skill_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntensityForecast:
    """`expected` with its band [g/kWh], the same steps; `skill` is what it was worth lately.

    `coverage_share` of values are promised to lie within the band. None: history was too short
    to calibrate one, and low and high are the forecast itself.
    """

    expected: CarbonIntensity
    low_g_per_kwh: FloatArray
    high_g_per_kwh: FloatArray
    coverage_share: float | None
    method: str
    reason: str
    skill: tuple[Skill, ...]


def foresee(
    history: CarbonIntensity,
    until_ms: int,
    *,
    calendar: Calendar | None = None,
    coverage_share: float | None = COVERAGE,
) -> IntensityForecast:
    """Return the forecast by the hour from the end of `history` to `until_ms` [ms, UTC].

    Of history the last 6 weeks count, in whole hours; 14 days give the hour of the week, 2 days
    the hour of the day. Raises DataError where it is shorter. Without `coverage_share` no band is
    calibrated and no skill told, in half of the time.
    """
    calendar = calendar or Calendar()
    start_ms, load = _hours(history)
    hours = load.shape[1]
    if hours < DAILY_DAYS * H_PER_DAY:
        what = f"{hours} hours of history, a forecast needs {DAILY_DAYS * H_PER_DAY}"
        raise DataError(Finding(where=f"zone {history.zone}", what=what))
    end_ms = start_ms + hours * MS_PER_H
    until_ms = max(until_ms, end_ms + MS_PER_H)
    whole = _fitted(load, start_ms, until_ms, calendar)
    edges = np.append(np.arange(end_ms, until_ms, MS_PER_H, dtype=np.int64), until_ms)
    steps = np.arange(len(edges) - 1)
    weekly = whole.expected_at(whole.begin, (edges[:-1] + MS_PER_H // 2).tolist())[:, 0]
    expected = (weekly + _yesterday(load[0], np.array([hours]), steps)[0]) / 2.0
    tries, low, high = None, expected, expected
    if coverage_share is not None:
        tries = _calibrating(load, start_ms, end_ms, calendar)
    if tries is not None and coverage_share is not None:
        low, high = _band(tries, expected, steps, coverage_share)
    values = np.maximum(expected / _MG_PER_G, LEAST_G_PER_KWH)
    source = f"{whole.method} forecast of {history.labels.source}"
    return IntensityForecast(
        expected=CarbonIntensity(
            zone=history.zone,
            edges_ms=edges,
            values_g_per_kwh=values,
            labels=replace(history.labels, source=source, issued_at_ms=end_ms),
            status=np.full(len(values), FORECAST, np.int8),
        ),
        low_g_per_kwh=np.clip(low / _MG_PER_G, 0.0, values),
        high_g_per_kwh=np.maximum(high / _MG_PER_G, values),
        coverage_share=coverage_share if tries else None,
        method=whole.method,
        reason=whole.reason,
        skill=_skill(tries, load[0]) if tries else (),
    )


def _fitted(load: IntArray, start_ms: int, until_ms: int, calendar: Calendar) -> Forecast:
    """Return the forecast by the hour, without its bands: those of intensity are others."""
    return fit(
        load,
        start_ms=start_ms,
        step_ms=MS_PER_H,
        calendar=calendar,
        until_ms=until_ms,
        banded=False,
    )


def _calibrating(load: IntArray, start_ms: int, end_ms: int, calendar: Calendar) -> _Tries | None:
    """Return the forecasts of the later half of what is known, made from the earlier half."""
    kept = _calibrated_hours(load.shape[1])
    early = _fitted(load[:, :-kept], start_ms, end_ms, calendar)
    return _tries(early, load, kept) if early.predicts else None


def _hours(history: CarbonIntensity) -> tuple[int, IntArray]:
    """Return the begin [ms] and the means [1, hours] of the last whole hours, in mg/kWh."""
    end_ms = int(history.edges_ms[-1]) // MS_PER_H * MS_PER_H
    from_ms = max(int(history.edges_ms[0]), end_ms - HISTORY_H * MS_PER_H)
    start_ms = -(-from_ms // MS_PER_H) * MS_PER_H
    if end_ms <= start_ms:
        return start_ms, np.zeros((1, 0), np.int64)
    means = hourly_means(history, start_ms, end_ms)
    return start_ms, np.rint(means * _MG_PER_G).astype(np.int64)[np.newaxis]


def _calibrated_hours(hours: int) -> int:
    """Return how many of the last hours calibrate: half of the whole weeks, or of the days."""
    unit = DAYS_PER_WEEK if hours >= WEEKLY_DAYS * H_PER_DAY else 1
    return hours // (unit * H_PER_DAY) // 2 * unit * H_PER_DAY


class _Tries(NamedTuple):
    """Forecasts [origins, leads] that would have been made, and what came [mg/kWh]."""

    origins: IntArray  # hours seen
    foretold: FloatArray
    came: IntArray
    mean: float


def _tries(early: Forecast, load: IntArray, kept: int) -> _Tries:
    """Return the forecasts of all leads from every hour of the last `kept` on that has them."""
    hours = load.shape[1]
    leads = min(LEADS_H, kept // 2)
    lifted = load + early.floor_cpu_m[:, np.newaxis]
    middles = early.from_ms + np.arange(hours, dtype=np.int64) * MS_PER_H + MS_PER_H // 2
    usual = along(early.week_cpu_m, early.hours, middles).T
    slow, fast = over_time(lifted, usual, MS_PER_H)[0][:, 0]
    origins = np.arange(hours - kept, hours - leads + 1)
    ahead = np.arange(leads)
    fade = np.array([fades((k + 0.5) * MS_PER_H) for k in ahead]).T
    at = origins[:, np.newaxis] + ahead
    weekly = usual[0, at]
    weekly *= 1.0 + (slow[origins, np.newaxis] - 1.0) * fade[0]
    weekly *= 1.0 + (fast[origins, np.newaxis] - 1.0) * fade[1]
    weekly -= early.floor_cpu_m[0]
    foretold = (weekly + _yesterday(load[0], origins, ahead)) / 2.0
    return _Tries(origins, foretold, load[0, at], float(early.mean_cpu_m[0]))


def _yesterday(load: IntArray, origins: IntArray, ahead: IntArray) -> FloatArray:
    """Return [origins, leads]: the last day seen again, scaled by the level of its last hour."""
    at = origins[:, np.newaxis]
    ratio = load[origins - 1] / np.maximum(load[np.maximum(origins - 1 - H_PER_DAY, 0)], 1)
    ratio = np.clip(ratio, 1.0 / RATIO_MAX, RATIO_MAX)[:, np.newaxis]
    fade = np.exp(-(ahead + 0.5) / FADE_H)
    scaled: FloatArray = load[at - H_PER_DAY + ahead % H_PER_DAY] * (1.0 + (ratio - 1.0) * fade)
    return scaled


def _band(
    tries: _Tries, expected: FloatArray, steps: IntArray, coverage_share: float
) -> tuple[FloatArray, FloatArray]:
    """Return low and high of each expected value, by lead; never narrower than a shorter lead's.

    Scores are divided by the root of the forecast, as those of loads are.
    """
    scores = np.sort((tries.came - tries.foretold) / _spread(tries.foretold, tries.mean), axis=0)
    place = rank(len(scores), 1.0 - (1.0 - coverage_share) / 2.0)
    low = np.minimum.accumulate(scores[len(scores) - place])
    high = np.maximum.accumulate(scores[place - 1])
    lead = np.minimum(steps, len(low) - 1)
    spread = _spread(expected, tries.mean)
    return expected + low[lead] * spread, expected + high[lead] * spread


def _spread(foretold: FloatArray, mean: float) -> FloatArray:
    root: FloatArray = np.sqrt(np.maximum(foretold, 0.0) * mean) + 1.0  # 1 mg: never 0
    return root


def _error(came: IntArray, guess: IntArray | FloatArray) -> float:
    """Return the sum of absolute errors over the sum of what came."""
    return float(np.abs(came - guess).sum()) / float(came.sum())


def _skill(tries: _Tries, load: IntArray) -> tuple[Skill, ...]:
    """Return how the leads that are told did against the best persistence."""
    found = []
    for lead_h in (h for h in TOLD_H if h <= tries.came.shape[1]):
        came, at = tries.came[:, lead_h - 1], tries.origins + lead_h - 1
        days_back = -(-lead_h // H_PER_DAY)
        rivals: dict[Rival, float] = {
            "last-value": _error(came, load[tries.origins - 1]),
            "yesterday": _error(came, load[at - days_back * H_PER_DAY]),
        }
        if at[0] >= DAYS_PER_WEEK * H_PER_DAY:
            rivals["last-week"] = _error(came, load[at - DAYS_PER_WEEK * H_PER_DAY])
        best = min(rivals, key=lambda name: rivals[name])
        error = _error(came, tries.foretold[:, lead_h - 1])
        found.append(
            Skill(
                lead_h=lead_h,
                error_share=error,
                rival=best,
                rival_error_share=rivals[best],
                skill_share=1.0 - error / rivals[best] if rivals[best] > 0.0 else None,
            )
        )
    return tuple(found)
