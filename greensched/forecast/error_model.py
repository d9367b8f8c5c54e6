"""Forecasts that are wrong as real ones are: for simulations, from the series that came true.

The error of a forecast made at s for t is e(s, t) = X(t) - rho^(t - s) X(s), X being one
stationary Gaussian AR(1) process in time: it is 0 at a lead of 0, grows with the lead to the
spread of X, is alike in neighbouring hours, and a later forecast of the same hour is the earlier
one corrected, as real ones are. (White noise, which many studies add, is none of that: a planner
averages it away.) The forecast is the true value x exp(e - var(e) / 2), so that it is above 0 and
right on average.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from greensched.carbon import FORECAST, INTENSITY_LIMIT_G_PER_KWH, CarbonIntensity
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from greensched.model import FloatArray

LEAST_G_PER_KWH = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorModel:
    """`spread_share`: standard deviation of the log error at long leads; `memory_h` of X, to 1/e.

    Half of the final variance is reached at a lead of 0.35 `memory_h`.
    """

    spread_share: float
    memory_h: float

    def spread_at(self, lead_h: FloatArray) -> FloatArray:
        """Return the standard deviation of the log error at leads [h]: sigma sqrt(1 - rho^2h)."""
        grown: FloatArray = self.spread_share * np.sqrt(-np.expm1(-2.0 * lead_h / self.memory_h))
        return grown

    def process(self, hours: int, rows: int, rng: np.random.Generator) -> FloatArray:
        """Return X of several rows at whole hours [hours + 1, rows], drawn once and for all."""
        rho = math.exp(-1.0 / self.memory_h)
        state = rng.standard_normal((hours + 1, rows))
        state[1:] *= math.sqrt(1.0 - rho * rho)
        for i in range(1, hours + 1):
            state[i] += rho * state[i - 1]
        return self.spread_share * state

    def drawn(self, actual: CarbonIntensity, rng: np.random.Generator) -> ErringForecasts:
        """Return forecasts of all times of `actual`, their errors drawn once and for all."""
        middles_h = (actual.edges_ms[:-1] + np.diff(actual.edges_ms) / 2.0) / MS_PER_H
        rho = np.exp(-np.diff(middles_h) / self.memory_h)
        steps = rng.standard_normal(len(middles_h))
        state = np.empty(len(middles_h))
        state[0] = steps[0]
        # x[i] = rho x[i - 1] + sqrt(1 - rho^2) n[i]; a loop, as rho may differ by step.
        for i, (keep, step) in enumerate(zip(rho, steps[1:], strict=True), 1):
            state[i] = keep * state[i - 1] + np.sqrt(1.0 - keep * keep) * step
        return ErringForecasts(model=self, actual=actual, state=self.spread_share * state)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErringForecasts:
    """What would have been forecast at any instant; `state` [steps] is X of each step."""

    model: ErrorModel
    actual: CarbonIntensity
    state: FloatArray

    def issued(self, at_ms: int) -> CarbonIntensity:
        """Return the series as known at `at_ms` [ms, UTC]: true before, foretold from then on.

        The step that holds `at_ms` is known. Raises nothing: outside of the series all of it is
        known, or none.
        """
        actual = self.actual
        first = int(np.searchsorted(actual.edges_ms[:-1], at_ms, side="right"))
        now = max(first - 1, 0)
        middles_h = (actual.edges_ms[:-1] + np.diff(actual.edges_ms) / 2.0) / MS_PER_H
        lead_h = np.maximum(middles_h - middles_h[now], 0.0)
        fades = np.exp(-lead_h / self.model.memory_h)
        error = self.state - fades * self.state[now]
        spread = self.model.spread_at(lead_h)
        values = actual.values_g_per_kwh * np.exp(error - spread * spread / 2.0)
        foretold = np.clip(values, LEAST_G_PER_KWH, INTENSITY_LIMIT_G_PER_KWH)
        known = np.arange(len(values)) < first
        return replace(
            actual,
            values_g_per_kwh=np.where(known, actual.values_g_per_kwh, foretold),
            labels=replace(actual.labels, issued_at_ms=at_ms, synthetic=True),
            status=np.where(known, 0, FORECAST).astype(np.int8),
        )
