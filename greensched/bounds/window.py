"""The cleanest time for one run: exact, on any step function, ties to the earliest start.

The cost of a run of length d that starts at t is the integral of the intensity over [t, t + d]. It
is linear in t between the instants at which t or t + d meets a step, so its least value lies at
one of those or at an end of what is allowed. Costs are compared as whole numbers, so that flat
intensity moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from greensched.carbon import CarbonIntensity

NANO: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A run from `start_ms` to `end_ms` [ms since 1970 UTC] and the mean intensity in it."""

    start_ms: int
    end_ms: int
    mean_g_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The cleanest window and the one that starts at once; the saving is between the two."""

    now: Window
    best: Window

    @property
    def saving_g_per_kwh(self) -> float:
        """Return what the best window saves [g/kWh], never below 0."""
        return self.now.mean_g_per_kwh - self.best.mean_g_per_kwh

    @property
    def saving_share(self) -> float:
        """Return the saving as a share of what starting at once costs."""
        return self.saving_g_per_kwh / self.now.mean_g_per_kwh


def best_window(
    intensity: CarbonIntensity, from_ms: int, length_ms: int, latest_start_ms: int
) -> Choice:
    """Return the cleanest run of `length_ms` that starts in `[from_ms, latest_start_ms]`.

    Raises DataError where the series does not cover all that a run may use.
    """
    runs = _Runs(intensity, from_ms, latest_start_ms + length_ms - from_ms, length_ms)
    edges = runs.edges_ms
    meets = {e for e in edges if e <= latest_start_ms - from_ms}
    meets |= {e - length_ms for e in edges if e >= length_ms}
    starts = sorted({0, latest_start_ms - from_ms} | meets)
    best = min(starts, key=runs.cost)  # the first of equals: the earliest
    return Choice(now=runs.window(0), best=runs.window(best))


def cleanest_windows(
    intensity: CarbonIntensity, from_ms: int, length_ms: int, until_ms: int, count: int
) -> tuple[Window, ...]:
    """Return up to `count` windows of `length_ms` within [from, until], cleanest first.

    Each starts at a step or at `from_ms`, and none overlaps a cleaner one.
    """
    runs = _Runs(intensity, from_ms, until_ms - from_ms, length_ms)
    starts = [e for e in runs.edges_ms if e + length_ms <= until_ms - from_ms]
    chosen: list[int] = []
    for start in sorted(starts, key=lambda e: (runs.cost(e), e)):
        if len(chosen) < count and all(abs(start - other) >= length_ms for other in chosen):
            chosen.append(start)
    return tuple(runs.window(start) for start in chosen)


class _Runs:
    """Costs of runs of one length, by their start [ms since `from_ms`]."""

    def __init__(
        self, intensity: CarbonIntensity, from_ms: int, window_ms: int, length_ms: int
    ) -> None:
        assert 0 < length_ms <= window_ms
        edges, values = intensity.window(from_ms, window_ms)
        self.from_ms, self.length_ms = from_ms, length_ms
        self.edges_ms: list[int] = edges.tolist()
        # Python's own integers: nanograms by milliseconds of a year would overflow 64 bits.
        self._values: list[int] = [round(v * NANO) for v in values.tolist()]
        spans = np.diff(edges).tolist()
        parts = (v * span for v, span in zip(self._values, spans, strict=True))
        self._upto: list[int] = [0, *accumulate(parts)]
        self._edges = edges

    def cost(self, start_ms: int) -> int:
        """Return the cost of the run from `start_ms` on [nanograms/kWh by ms]."""
        return self._integral(start_ms + self.length_ms) - self._integral(start_ms)

    def window(self, start_ms: int) -> Window:
        """Return the run from `start_ms` on."""
        start = self.from_ms + start_ms
        mean = self.cost(start_ms) / self.length_ms / NANO
        return Window(start_ms=start, end_ms=start + self.length_ms, mean_g_per_kwh=mean)

    def _integral(self, to_ms: int) -> int:
        step = int(np.searchsorted(self._edges, to_ms, side="right")) - 1
        if step >= len(self._values):
            return self._upto[-1]
        return self._upto[step] + self._values[step] * (to_ms - self.edges_ms[step])
