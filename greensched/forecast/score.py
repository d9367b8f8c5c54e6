"""What a forecast was worth: skill against persistence, and coverage, on days not fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from greensched.forecast.bands import EACH, WHOLE, Replay, tried
from greensched.forecast.fitted import along, column
from greensched.forecast.level import over_time
from greensched.units import MS_PER_DAY

if TYPE_CHECKING:
    from greensched.forecast.bands import Tried
    from greensched.forecast.fitted import Forecast, Method
    from greensched.model import FloatArray, IntArray

Rival: TypeAlias = Literal["last-value", "yesterday", "last-week"]
# of the load: what rounding may put above a band of no width
ROUNDED_SHARE: Final = 1e-9
RIVALS: Final[tuple[tuple[Rival, int], ...]] = (
    ("last-value", 0),
    ("yesterday", MS_PER_DAY),
    ("last-week", 7 * MS_PER_DAY),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadScore:
    """How forecasts so far ahead did, all services and origins together.

    Errors are shares: the sum of absolute errors over the sum of load. `skill_share` is 1 less
    error over the best rival's error: 0 is as good as persistence, 1 is perfect, below 0 is
    worse. Coverage is the share of loads that stayed below the band.
    """

    lead_ms: int
    origins: int
    error_share: float
    rival: Rival  # the best kind of persistence at this lead
    rival_error_share: float
    skill_share: float | None  # None where persistence makes no error at all
    coverage_share: float
    coverage_worst_share: float  # of the service that was covered worst
    coverage_whole_share: float  # all steps until then stayed below


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A forecast against what came; no leads where the method is `reactive`."""

    method: Method
    reason: str
    quantile: float  # of the bands, as calibrated
    leads: tuple[LeadScore, ...]


def score(
    forecast: Forecast,
    load_cpu_m: IntArray,
    *,
    start_ms: int,
    step_ms: int,
    from_ms: int,
    quantile: float = 0.95,
) -> Score:
    """Return how `forecast` did on the part from `from_ms` on of a load that begins earlier.

    `load_cpu_m` [S, T] is history and window in one, so that levels and persistence have seen
    what they would have seen. Each forecast is made from an instant whose past alone it knows.
    """
    found = []
    if forecast.predicts:
        lifted = load_cpu_m + forecast.floor_cpu_m[:, np.newaxis]
        steps = np.arange(lifted.shape[1], dtype=np.int64)
        middles = start_ms + steps * step_ms + step_ms // 2
        usual = along(forecast.week_cpu_m, forecast.hours, middles).T
        factor = over_time(lifted, usual, step_ms)[0]
        replay = Replay(lifted, usual, factor, forecast.mean_cpu_m, step_ms)
        first = max(1, -(-(from_ms - start_ms) // step_ms))
        for row, result in enumerate(tried(replay, first)):
            excess = forecast.excess[:, column(quantile), row]
            load_sum = float((result.load_cpu_m - forecast.floor_cpu_m[:, np.newaxis]).sum())
            if load_sum > 0.0:
                found.append(_lead(result, excess, lifted, step_ms, load_sum))
    return Score(
        method=forecast.method, reason=forecast.reason, quantile=quantile, leads=tuple(found)
    )


def _lead(
    result: Tried, excess: FloatArray, lifted: FloatArray, step_ms: int, load_sum: float
) -> LeadScore:
    """Return the score of one lead."""

    def error_share(guess: FloatArray) -> float:
        return float(np.abs(result.load_cpu_m - guess).sum()) / load_sum

    targets = result.origins + result.steps - 1
    rivals: dict[Rival, float] = {}
    for name, back_ms in RIVALS:
        at = targets - back_ms // step_ms if back_ms else result.origins - 1
        if back_ms % step_ms == 0 and at.min() >= 0 and bool((at < result.origins).all()):
            rivals[name] = error_share(lifted[:, at])
    best = min(rivals, key=lambda name: rivals[name])
    error = error_share(result.forecast_cpu_m)
    below = (result.each <= excess[EACH][:, np.newaxis] + ROUNDED_SHARE).mean(axis=1)
    whole = result.whole <= excess[WHOLE][:, np.newaxis] + ROUNDED_SHARE
    return LeadScore(
        lead_ms=result.lead_ms,
        origins=len(result.origins),
        error_share=error,
        rival=best,
        rival_error_share=rivals[best],
        skill_share=1.0 - error / rivals[best] if rivals[best] > 0.0 else None,
        coverage_share=float(below.mean()),
        coverage_worst_share=float(below.min()),
        coverage_whole_share=float(whole.mean()),
    )
