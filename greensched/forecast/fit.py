"""From history to a `Forecast`: which method, its table, its bands, its last level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from greensched.errors import DataError, Finding
from greensched.forecast.bands import LEADS_MS, QUANTILES, Replay, calibrate
from greensched.forecast.calendar import DAYS_PER_WEEK, SLOTS, Hours
from greensched.forecast.fitted import COVERAGE_HOURS, Forecast, Recent, along, frozen
from greensched.forecast.level import FLOOR_SHARE, levels, over_time
from greensched.forecast.profile import profile
from greensched.units import MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from greensched.forecast.calendar import Calendar
    from greensched.forecast.fitted import Method
    from greensched.model import FloatArray, IntArray

WEEKLY_DAYS: Final = 14  # of history that the hour of the week needs
DAILY_DAYS: Final = 2  # of history that the hour of the day needs


def fit(
    load_cpu_m: IntArray,
    *,
    start_ms: int,
    step_ms: int,
    calendar: Calendar,
    until_ms: int,
    banded: bool = True,
) -> Forecast:
    """Return the forecast of services for times up to `until_ms`, fitted on history alone.

    `load_cpu_m` [S, T] >= 0 [millicores] holds from `start_ms` in steps of `step_ms`; its end is
    the fit's end. Less than 14 days give `hour-of-day`, less than 2 days, or steps longer than an
    hour, `reactive`. The earlier half of the whole weeks (or days) is fitted to calibrate the
    bands on the later half; the table itself is then made from all of history. Unless `banded`
    that is left out, and every band is the forecast itself.

    Raises DataError where loads are negative or not numbers, or the step is not positive.
    """
    load = _checked(load_cpu_m, step_ms)
    services, steps = load.shape
    end_ms = start_ms + steps * step_ms
    days = steps * step_ms / MS_PER_DAY
    method, reason = _method(days, step_ms)
    mean = load.mean(axis=1) if steps else np.zeros(services)
    scale = frozen(np.where(mean > 0.0, mean, 1.0))
    floor = frozen(FLOOR_SHARE * scale)
    hours = Hours(at_ms=(), slot=())
    learned = _nothing(services)
    if method != "reactive":
        hours = calendar.hours(start_ms, max(until_ms, end_ms))
        middles = start_ms + np.arange(steps, dtype=np.int64) * step_ms + step_ms // 2
        lifted, weekly = load + floor[:, np.newaxis], method == "hour-of-week"
        slots, stand_ins = hours.slots_of(middles), calendar.stand_ins()
        history = _History(lifted, middles, slots, hours, stand_ins, weekly, step_ms)
        learned = _learn(history, scale, banded=banded)
    return Forecast(
        method=method,
        reason=reason,
        from_ms=start_ms,
        fitted_until_ms=end_ms,
        week_cpu_m=frozen(learned.week_cpu_m),
        mean_cpu_m=frozen(scale),
        floor_cpu_m=frozen(floor),
        excess=frozen(learned.excess),
        scores=frozen(learned.scores),
        hours=hours,
        begin=_begin(end_ms, learned.sums_cpu_m),
    )


class _History(NamedTuple):
    """Load with its floor [S, T], and where in the week each step lies."""

    lifted_cpu_m: FloatArray
    middles_ms: IntArray
    slots: IntArray
    hours: Hours
    stand_ins: IntArray
    weekly: bool
    step_ms: int

    def week(self, steps: int) -> FloatArray:
        """Return the table [SLOTS, S] of the first `steps` steps."""
        part, slots = self.lifted_cpu_m[:, :steps], self.slots[:steps]
        table = profile(part, slots, self.stand_ins, weekly=self.weekly)
        return np.ascontiguousarray(table.T)

    def usual(self, week_cpu_m: FloatArray) -> FloatArray:
        """Return [S, T]: what the table says at each step."""
        return along(week_cpu_m, self.hours, self.middles_ms).T


class _Learned(NamedTuple):
    week_cpu_m: FloatArray
    excess: FloatArray
    scores: IntArray
    sums_cpu_m: FloatArray


def _nothing(services: int) -> _Learned:
    """Return what is known of services without enough history."""
    return _Learned(
        np.zeros((SLOTS, services)),
        np.zeros((2, len(QUANTILES), len(LEADS_MS), services)),
        np.zeros(len(LEADS_MS), np.int64),
        np.zeros((4, services)),
    )


def _learn(history: _History, scale_cpu_m: FloatArray, *, banded: bool) -> _Learned:
    """Return table, bands where they are asked for, and last level."""
    lifted, step_ms = history.lifted_cpu_m, history.step_ms
    steps = lifted.shape[1]
    week = history.week(steps)
    sums = over_time(lifted, history.usual(week), step_ms)[1]
    learned = _nothing(len(lifted))._replace(week_cpu_m=week, sums_cpu_m=sums)
    if not banded:
        return learned
    first = steps - _calibrated_steps(steps, step_ms, weekly=history.weekly)
    usual = history.usual(history.week(first))
    factor = over_time(lifted, usual, step_ms)[0]
    excess, scores = calibrate(Replay(lifted, usual, factor, scale_cpu_m, step_ms), first)
    return learned._replace(excess=excess, scores=scores)


def _begin(end_ms: int, sums: FloatArray) -> Recent:
    """Return what is recent when history ends: its level, no promise yet."""
    services = sums.shape[1]
    return Recent(
        at_ms=end_ms,
        sums_cpu_m=frozen(sums),
        level_factor=frozen(levels(sums)),
        promised=False,
        promised_cpu_m=frozen(np.zeros(services)),
        hits=frozen(np.zeros((COVERAGE_HOURS, services), np.int64)),
        tries=frozen(np.zeros(COVERAGE_HOURS, np.int64)),
    )


def _method(days: float, step_ms: int) -> tuple[Method, str]:
    """Return the method that a history of so many days allows, and why."""
    told = f"{days:.1f} days of history"
    if step_ms > MS_PER_H:
        return "reactive", "history has steps longer than an hour"
    if days < DAILY_DAYS:
        return "reactive", f"{told}, less than {DAILY_DAYS}"
    if days < WEEKLY_DAYS:
        return "hour-of-day", f"{told}, less than {WEEKLY_DAYS}"
    return "hour-of-week", told


def _calibrated_steps(steps: int, step_ms: int, *, weekly: bool) -> int:
    """Return how many of the last steps calibrate: half of the whole weeks, or of the days."""
    unit = DAYS_PER_WEEK if weekly else 1
    return int(steps * step_ms / MS_PER_DAY // unit) // 2 * unit * MS_PER_DAY // step_ms


def _checked(load_cpu_m: IntArray, step_ms: int) -> FloatArray:
    load = np.asarray(load_cpu_m)
    what, remedy = "", ""
    if load.ndim != 2:  # noqa: PLR2004 - services by steps
        what, remedy = f"load has {load.ndim} dimensions", "give [services, steps]"
    elif step_ms <= 0:
        what, remedy = f"a step of {step_ms} ms", "give a positive step"
    elif not np.isfinite(load).all():
        what, remedy = "a load that is no number", "fill gaps on purpose before fitting"
    elif (load < 0).any():
        row, step = np.argwhere(load < 0)[0].tolist()
        what = f"load {load[row, step]} of service {row} at step {step}"
        remedy = "loads are 0 millicores or more"
    if what:
        raise DataError(Finding(where="history", what=what, remedy=remedy))
    return load.astype(np.float64)
