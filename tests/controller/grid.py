"""A grid whose intensity is drawn, and a source of it that fails as real ones do."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import httpx
import numpy as np

from greensched.carbon import ACTUAL, FORECAST, Labels
from greensched.controller.foresight import Sources
from greensched.errors import Finding, OutsideError
from greensched.forecast.intensity import HISTORY_H
from greensched.providers.points import nothing, points_of
from greensched.providers.web import Web
from greensched.units import H_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from random import Random

    from greensched.providers.points import Points, Query

HOURS = 24 * 9
MENDED_MS = 12 * MS_PER_H  # after it the source is whole, also for the hours that it had lost
LABELS = Labels(signal="average", basis="lifecycle", source="drawn")


@dataclass(frozen=True)
class Grid:
    """Intensity by hour from `zero_ms` on, and what its source does wrong."""

    zero_ms: int
    values: tuple[float, ...]
    outages: tuple[tuple[int, int], ...] = ()  # no answer
    zeros: tuple[tuple[int, int], ...] = ()  # answers of 0 for every hour
    gaps: frozenset[int] = frozenset()  # hours that are null
    noise: float = 0.03  # of forecasts, relative
    known: set[int] = field(default_factory=set, compare=False, hash=False)  # hours ever told


def drawn_grid(random: Random, zero_ms: int, *, faulty: bool) -> Grid:
    """Return a grid with a daily shape and noise, and faults for hours at a time."""
    level, swing = random.uniform(100, 500), random.uniform(0.1, 0.6)
    phase = random.uniform(0, 24)
    values = tuple(
        level * (1 + swing * math.sin((h + phase) * math.pi / 12) + random.uniform(-0.1, 0.1))
        for h in range(HOURS)
    )

    def spans() -> tuple[tuple[int, int], ...]:
        starts = [zero_ms + random.randrange(11) * MS_PER_H for _ in range(random.randrange(3))]
        ends = zero_ms + MENDED_MS
        return tuple((s, min(ends, s + random.randrange(1, 12) * MS_PER_H)) for s in starts)

    if not faulty:
        return Grid(zero_ms, values)
    gaps = frozenset(random.sample(range(48), random.randrange(6)))
    return Grid(zero_ms, values, outages=spans(), zeros=spans(), gaps=gaps)


@dataclass(frozen=True)
class Drawn:
    """A `Provider` of a grid."""

    grid: Grid
    name: ClassVar[str] = "drawn"
    live: ClassVar[bool] = True
    place: ClassVar[str] = "a test"

    def actual(self, query: Query, web: Web) -> Points:  # noqa: ARG002 as every provider
        """Return hours that have passed; too few to make a forecast of, when that is asked."""
        span_ms = query.now_ms - query.from_ms
        if span_ms in (HISTORY_H * MS_PER_H, H_PER_DAY * MS_PER_H):
            query = replace(query, from_ms=query.now_ms - 3 * MS_PER_H)
        return self._points(query, query.from_ms, min(query.until_ms, query.now_ms), ACTUAL)

    def forecast(self, query: Query, web: Web) -> Points:  # noqa: ARG002
        """Return hours that come, wrong by a few percent that change with the hour of asking."""
        found = self._points(query, max(query.from_ms, query.now_ms), query.until_ms, FORECAST)
        self.grid.known.update(
            int(h)
            for h, v in zip(
                (found.start_ms - self.grid.zero_ms) // MS_PER_H,
                found.values_g_per_kwh.tolist(),
                strict=True,
            )
            if v > 0
        )
        return found

    def _points(self, query: Query, from_ms: int, until_ms: int, status: int) -> Points:
        grid, now_ms = self.grid, query.now_ms
        if any(a <= now_ms < b for a, b in grid.outages):
            raise OutsideError(Finding(where=self.name, what="no answer"))
        gaps = grid.gaps if now_ms < grid.zero_ms + MENDED_MS else ()
        is_zero = any(a <= now_ms < b for a, b in grid.zeros)
        first = max(0, (from_ms - grid.zero_ms) // MS_PER_H)
        last = min(HOURS, -(-(until_ms - grid.zero_ms) // MS_PER_H))
        if from_ms >= until_ms or last <= first:
            return nothing(query.zone, LABELS)
        issued = (now_ms - grid.zero_ms) // MS_PER_H
        rows = []
        for h in range(first, last):
            wrong = (
                grid.noise * math.sin(h * 12.9898 + issued * 78.233) if status == FORECAST else 0.0
            )
            value = grid.values[h] * (1 + wrong)
            value = math.nan if h in gaps else 0.0 if is_zero else value
            start_ms = grid.zero_ms + h * MS_PER_H
            rows.append((start_ms, start_ms + MS_PER_H, value, status))
        return points_of(query.zone, rows, LABELS)


def sources(grid: Grid) -> Sources:
    """Return the controller's sources: this grid as `main`; the network is never asked."""

    def refused(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request.url)

    transport = httpx.MockTransport(refused)
    return Sources({"main": [Drawn(grid)]}, None, lambda: Web.open(transport))


def mean(grid: Grid, start_ms: int, end_ms: int) -> float:
    """Return the true mean over a span [g/kWh]."""
    at = np.linspace(start_ms, end_ms, 600, endpoint=False)
    hours = ((at - grid.zero_ms) // MS_PER_H).astype(int)
    return float(np.mean([grid.values[h] for h in hours]))
