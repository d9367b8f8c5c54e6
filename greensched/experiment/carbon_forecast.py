"""Carbon intensity as policies of shifting may know it: forecast from what has been, by the hour.

A run's machines may be at several sites, and who starts a job does not say at which: what is
forecast is the mean of the sites by their cores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.carbon import INTENSITY_LIMIT_G_PER_KWH as MOST
from greensched.carbon import CarbonIntensity, hourly_means
from greensched.errors import DataError
from greensched.experiment.forecasts import calendar_of
from greensched.forecast.error_model import LEAST_G_PER_KWH as LEAST
from greensched.forecast.intensity import foresee
from greensched.ticks import TickIntensity, on_ticks
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.forecast import Calendar
    from greensched.forecast.error_model import ErrorModel
    from greensched.model import Jobs, MachineType
    from greensched.scenario import Scenario

TICK_MAX_MS: Final = 15 * MS_PER_MIN
HORIZON_MS: Final = 7 * MS_PER_DAY
ISSUED_MS: Final = 6 * MS_PER_H  # a forecast holds so long until the next is made
DRAIN_MS: Final = 3 * MS_PER_DAY  # after the window, for which forecasts are made at once
DECIMALS: Final = 3  # of a forecast [g/kWh]: what is flat but for rounding is flat


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonForecast:
    """`series` as known at each instant of a run that begins at `start_utc_ms` [ms since 1970].

    Of the time before the run `history_ms` may be known. Forecasts are issued every `ISSUED_MS`;
    `early` are the first ones.
    """

    series: CarbonIntensity
    start_utc_ms: int
    window_ms: int
    offset_ms: int
    history_ms: int
    tick_ms: int
    calendar: Calendar
    early: tuple[CarbonIntensity | None, ...] = ()

    def issued(self, now_ms: int, *, truth: bool) -> TickIntensity | None:
        """Return the intensity from `now_ms` [ms of the run] on, None where nothing is known.

        Of a forecast all hours are foretold from those before its issue, as `forecast.intensity`
        does; with less than two days known there is none. A constant is known for ever.
        """
        if truth or len(self.series.values_g_per_kwh) == 1:
            return self._ticks(self.series, now_ms)
        row = now_ms // ISSUED_MS
        found = self.early[row] if row < len(self.early) else self.foretold(row * ISSUED_MS)
        return None if found is None else self._ticks(found, now_ms)

    def foretold(self, now_ms: int) -> CarbonIntensity | None:
        """Return the forecast made at `now_ms` [ms of the run]; None with too little known."""
        now_utc_ms = self.start_utc_ms + now_ms
        first, last = np.searchsorted(
            self.series.edges_ms, (self.start_utc_ms - self.history_ms, now_utc_ms), side="right"
        )
        if last <= first:
            return None
        known = replace(
            self.series,
            edges_ms=self.series.edges_ms[max(first - 1, 0) : last],
            values_g_per_kwh=self.series.values_g_per_kwh[max(first - 1, 0) : last - 1],
        )
        try:
            found = foresee(
                known,
                now_utc_ms + HORIZON_MS + ISSUED_MS,
                calendar=self.calendar,
                coverage_share=None,
            ).expected
        except DataError:
            return None
        return replace(found, values_g_per_kwh=np.round(found.values_g_per_kwh, DECIMALS))

    def erring(self, model: ErrorModel, rng: np.random.Generator) -> CarbonForecast:
        """Return the same with forecasts more wrong, by one process of errors [log, by hour]."""
        last_ms = self.window_ms + DRAIN_MS + HORIZON_MS + 2 * ISSUED_MS
        state = model.process(last_ms // MS_PER_H, 1, rng)[:, 0]

        def wrong(one: CarbonIntensity, row: int) -> CarbonIntensity:
            at_h = row * ISSUED_MS / MS_PER_H
            middles_ms = one.edges_ms[:-1] + np.diff(one.edges_ms) / 2.0 - self.start_utc_ms
            lead_h = np.maximum(middles_ms / MS_PER_H - at_h, 0.0)
            then, now = (np.interp(h, np.arange(len(state)), state) for h in (at_h + lead_h, at_h))
            spread = model.spread_at(lead_h)
            error = then - np.exp(-lead_h / model.memory_h) * now - spread * spread / 2.0
            values = np.clip(one.values_g_per_kwh * np.exp(error), LEAST, MOST)
            return replace(one, values_g_per_kwh=np.round(values, DECIMALS))

        early = [None if one is None else wrong(one, row) for row, one in enumerate(self.early)]
        return replace(self, early=tuple(early))

    def _ticks(self, series: CarbonIntensity, now_ms: int) -> TickIntensity:
        """Return `series` from `now_ms` on, its last value held to the horizon."""
        last_ms = int(series.edges_ms[-1])
        zero_ms = min(self.start_utc_ms + now_ms, last_ms - self.tick_ms)
        found = on_ticks(series, zero_ms=zero_ms, tick_ms=self.tick_ms, offset_ms=self.offset_ms)
        return found.held_until(HORIZON_MS // self.tick_ms)


def carbon_forecast_of(
    scenario: Scenario,
    intensity: dict[str, CarbonIntensity],
    fleet: tuple[MachineType, ...],
) -> CarbonForecast | None:
    """Return what policies of shifting may know; None where none is on."""
    shifting: list[Any] = [p for p in scenario.policies if getattr(p, "shifts", False)]
    if not shifting:
        return None
    periods = [policy.period_ms for policy in shifting]
    steps = [policy.step_ms for policy in shifting if policy.step_ms]
    cores = {name: sum(k.count * k.cpu_m for k in fleet if k.site == name) for name in intensity}
    series = mixed([(one, cores[name]) for name, one in intensity.items()])
    start_ms = scenario.start_utc_ms
    grid = [TICK_MAX_MS, start_ms % MS_PER_H, *periods, *steps]
    if len(series.values_g_per_kwh) > 1:
        grid += [int(series.edges_ms[1] - series.edges_ms[0]), start_ms - int(series.edges_ms[0])]
    made = CarbonForecast(
        series=series,
        start_utc_ms=start_ms,
        window_ms=scenario.window_ms,
        offset_ms=scenario.start_offset_ms,
        history_ms=round(scenario.spec.history.days * MS_PER_DAY),
        tick_ms=math.gcd(*grid),
        calendar=calendar_of(scenario),
    )
    if all(policy.oracle for policy in shifting):
        return made
    issues = range(0, scenario.window_ms + DRAIN_MS, ISSUED_MS)
    return replace(made, early=tuple(made.foretold(at_ms) for at_ms in issues))


def mixed(parts: list[tuple[CarbonIntensity, int]]) -> CarbonIntensity:
    """Return the mean of series by weight, in equal steps, over the time that all cover."""
    first_ms = max(int(one.edges_ms[0]) for one, _ in parts)
    last_ms = min(int(one.edges_ms[-1]) for one, _ in parts)
    edges = np.unique(np.concatenate([one.edges_ms for one, _ in parts]))
    edges = edges[(edges >= first_ms) & (edges <= last_ms)]
    steps_ms = np.diff(edges).tolist()
    if len(steps_ms) > 1:  # a single one may last for ever
        edges = np.arange(first_ms, last_ms + 1, math.gcd(*steps_ms))
    total = sum(weight for _, weight in parts)
    values = np.zeros(len(edges) - 1)
    for one, weight in parts:
        at = np.searchsorted(one.edges_ms, edges[:-1], side="right") - 1
        values += one.values_g_per_kwh[at] * (weight / total)
    return CarbonIntensity(
        zone=" + ".join(dict.fromkeys(one.zone for one, _ in parts)),
        edges_ms=edges,
        values_g_per_kwh=values,
        labels=parts[0][0].labels,
    )


def findings(forecast: CarbonForecast | None, jobs: Jobs | None) -> tuple[str, ...]:
    """Say what was known of the intensity to come and how far off it was, or why nothing."""
    if forecast is None:
        return ()
    waits = jobs is not None and any(c.deferrable for c in jobs.classes)
    found = () if waits else ("shifting does nothing: no class of jobs is deferrable",)
    if len(forecast.series.values_g_per_kwh) == 1:
        return (*found, "shifting does nothing: intensity is one constant")
    if not _issued(forecast):
        return (*found, "shifting knows the intensity to come: an oracle, for comparison only")
    if hours := _unknown_h(forecast):
        found = (*found, f"no forecast of intensity for {hours:g} h: nobody waited then")
    errors = _errors(forecast)
    if errors is None:
        return found
    text = f"intensity forecast every {ISSUED_MS // MS_PER_H} h from its past: the first day"
    return (*found, f"{text} {errors[0]:.1%} off (the day before again: {errors[1]:.1%})")


def summary_of(forecast: CarbonForecast | None, policies: Sequence[Any]) -> dict[str, Any] | None:
    """Return what was known of the intensity to come, as `summary.json` has it; None: unused.

    Errors are of the first day of each forecast, beside the day before seen again.
    """
    if forecast is None:
        return None
    shifting = [policy for policy in policies if getattr(policy, "shifts", False)]
    constant = len(forecast.series.values_g_per_kwh) == 1
    off, rival = (None, None) if constant else _errors(forecast) or (None, None)
    unknown_h = 0.0 if constant else _unknown_h(forecast)
    return {
        "policies": [policy.kind for policy in shifting],
        "oracles": [policy.kind for policy in shifting if policy.oracle],
        "kind": "constant" if constant else "past" if forecast.early else None,
        "fallback": "no-wait" if unknown_h else None,
        "unknown_h": unknown_h,
        "lead_h": None if off is None else MS_PER_DAY / MS_PER_H,
        "error_share": off,
        "rival": None if off is None else "yesterday",
        "rival_error_share": rival,
        "skill_vs_persistence": None if off is None or not rival else 1.0 - off / rival,
    }


def _issued(forecast: CarbonForecast) -> tuple[CarbonIntensity | None, ...]:
    """Return the forecasts of the window; none of an oracle."""
    return forecast.early[: -(-forecast.window_ms // ISSUED_MS)]


def _unknown_h(forecast: CarbonForecast) -> float:
    """Return for how long [h] of the window there was no forecast."""
    return sum(one is None for one in _issued(forecast)) * ISSUED_MS / MS_PER_H


def _errors(forecast: CarbonForecast) -> tuple[float, float] | None:
    """Return how far forecasts were off over their first day, and the day before seen again.

    Shares of the intensity that came; None where none can be told.
    """
    series, off, rival, came = forecast.series, 0.0, 0.0, 0.0
    for one in _issued(forecast):
        if one is None:
            continue
        from_ms, until_ms = (int(one.edges_ms[0]) + k * MS_PER_DAY for k in (0, 1))
        if int(series.edges_ms[0]) > from_ms - MS_PER_DAY or int(series.edges_ms[-1]) < until_ms:
            continue
        true = hourly_means(series, from_ms, until_ms)
        before = hourly_means(series, from_ms - MS_PER_DAY, until_ms - MS_PER_DAY)
        off += float(np.abs(hourly_means(one, from_ms, until_ms) - true).sum())
        rival += float(np.abs(before - true).sum())
        came += float(true.sum())
    return (off / came, rival / came) if came else None
