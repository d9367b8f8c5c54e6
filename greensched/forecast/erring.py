"""A forecast of services that is more wrong than it is, to see what its errors cost.

What it says is multiplied by exp(e - var(e) / 2), e being an error as real ones are: alike in
neighbouring hours, growing with the lead, 0 at none (`error_model`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.forecast.error_model import ErrorModel
    from greensched.model import FloatArray, Forecaster


@dataclass(frozen=True, slots=True, kw_only=True)
class ErringForecast:
    """`given` with errors; `state` [hours, rows] is the process that they come from."""

    given: Forecaster
    model: ErrorModel
    state: FloatArray
    sums: ErringForecast | None = None

    @property
    def begin(self) -> Any:
        """Return what was recent as history ended."""
        return self.given.begin

    @property
    def predicts(self) -> bool:
        """Say whether there is a forecast at all."""
        return self.given.predicts

    @property
    def with_sums(self) -> ErringForecast | None:
        """Return the same with the services' sums, which have errors of their own."""
        return self.sums

    def observe(
        self, recent: Any, now_ms: int, load_cpu_m: FloatArray, *, quantile: float, period_ms: int
    ) -> Any:
        """Return what is recent now: measured, so without an error."""
        return self.given.observe(
            recent, now_ms, load_cpu_m, quantile=quantile, period_ms=period_ms
        )

    def upper(
        self, recent: Any, from_ms: int, until_ms: int, quantile: float, *, whole: bool = False
    ) -> FloatArray:
        """Return what load [millicores, a row a service] is said to stay below."""
        told = self.given.upper(recent, from_ms, until_ms, quantile, whole=whole)
        middle_ms = (from_ms + until_ms) / 2.0
        now = self._at(recent.at_ms)
        lead_h = max(middle_ms - recent.at_ms, 0.0) / MS_PER_H
        fades = math.exp(-lead_h / self.model.memory_h)
        spread = float(self.model.spread_at(np.array([lead_h]))[0])
        error = self._at(middle_ms) - fades * now
        wrong: FloatArray = told * np.exp(error - spread * spread / 2.0)
        return wrong

    def upto(
        self, recent: Any, ends_ms: Sequence[int], quantile: float, *, whole: bool = False
    ) -> FloatArray:
        """Return `upper` from now until each of `ends_ms`, each part with an error of its own."""
        parts = pairwise((recent.at_ms, *ends_ms))
        told = [self.upper(recent, *part, quantile, whole=whole) for part in parts]
        return np.maximum.accumulate(told)

    def _at(self, at_ms: float) -> FloatArray:
        """Return the process at an instant, linear between hours."""
        hours = np.clip(at_ms / MS_PER_H, 0.0, len(self.state) - 1.0)
        low = int(hours)
        high = min(low + 1, len(self.state) - 1)
        between: FloatArray = self.state[low] + (hours - low) * (
            self.state[high] - self.state[low]
        )
        return between


def erring(
    given: Forecaster, rows: int, hours: int, model: ErrorModel, rng: np.random.Generator
) -> ErringForecast:
    """Return `given` of so many rows with errors drawn for so many hours, and its sums alike."""
    sums = given.with_sums
    beside = None
    if sums is not None:
        beside = erring(sums, len(sums.begin.sums_cpu_m[0]), hours, model, rng)
    state = model.process(hours, rows, rng)
    return ErringForecast(given=given, model=model, state=state, sums=beside)
