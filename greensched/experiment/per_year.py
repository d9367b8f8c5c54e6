"""`run --per-year`: a result's usage priced by every week of a year of its grid.

The run is not repeated: machines are on when they were, and only the grid is another week's. What
a switch that looks at carbon would have done in that week is not in it, nor is another load: a
year of such weeks is extrapolated, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.accounting import account, total
from greensched.errors import DataError, Finding
from greensched.scenario import intensities
from greensched.units import MG_PER_KG, MS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greensched.carbon import CarbonIntensity
    from greensched.experiment.result import Result
    from greensched.experiment.world import Shared
    from greensched.model import FloatArray
    from greensched.scenario import Scenario

SCHEMA: Final = "greensched/per-year/v1"
WEEK_MS: Final = 7 * MS_PER_DAY
WEEKS_MAX: Final = 52
WEEKS_MIN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PerYear:
    """Scope 2 of the result's window at each week: of the baseline and of the scenario [kg]."""

    name: str
    window_weeks: float
    start_utc_ms: tuple[int, ...]
    baseline_kg: FloatArray
    scenario_kg: FloatArray

    @property
    def saved_kg(self) -> FloatArray:
        """Return what is saved at each week [kg]."""
        saved: FloatArray = self.baseline_kg - self.scenario_kg
        return saved

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain values; everything in it is extrapolated."""
        figures = {
            "baseline": self.baseline_kg,
            "scenario": self.scenario_kg,
            "savings": self.saved_kg,
        }
        return {
            "schema": SCHEMA,
            "name": self.name,
            "result": "extrapolated",
            "weeks": len(self.start_utc_ms),
            "window_weeks": self.window_weeks,
            **{
                f"{name}_scope2_kg": {
                    "median": float(np.median(values)),
                    "least": float(values.min()),
                    "most": float(values.max()),
                }
                for name, values in figures.items()
            },
            "by_week": [
                {
                    "start_utc": f"{np.datetime64(ms, 'ms').astype('datetime64[s]')}Z",
                    "baseline_scope2_kg": float(before),
                    "scenario_scope2_kg": float(after),
                }
                for ms, before, after in zip(
                    self.start_utc_ms, self.baseline_kg, self.scenario_kg, strict=True
                )
            ],
        }


def per_year(result: Result, progress: Callable[[str, float], None] | None = None) -> PerYear:
    """Return the result's window at up to 52 weeks of its grid, at the same hours of the week.

    Raises DataError where the grid is one constant, or known for fewer than four such weeks.
    """
    world, end_ms = result.shared, result.outcome.run.end_ms
    offsets = weeks(world, end_ms)
    kg = np.zeros((2, len(offsets)))
    for i, offset_ms in enumerate(offsets):
        factors = _moved(world, offset_ms).factors(end_ms)
        for row, one in enumerate((result.baseline, result.outcome)):
            sums = total(account(one.run.usage, factors))
            kg[row, i] = sums.scope2_location_mg / MG_PER_KG
        if progress is not None:
            progress("weeks of a year", (i + 1) / len(offsets))
    start_ms = world.scenario.start_utc_ms
    return PerYear(
        name=result.scenario.name,
        window_weeks=world.scenario.window_ms / WEEK_MS,
        start_utc_ms=tuple(start_ms + offset for offset in offsets),
        baseline_kg=kg[0],
        scenario_kg=kg[1],
    )


def check_year(scenario: Scenario) -> None:
    """Raise DataError, before any run, where there will be no year: by the window's own length."""
    _weeks(scenario, intensities(scenario), scenario.window_ms)


def weeks(world: Shared, end_ms: int) -> list[int]:
    """Return by how much [ms] the window may be moved, whole weeks, a year's worth at most.

    The year begins with the window's own week, or as late as the series of all sites allow.
    """
    return _weeks(world.scenario, world.intensity, end_ms)


def _weeks(scenario: Scenario, given: Mapping[str, CarbonIntensity], end_ms: int) -> list[int]:
    series = list(given.values())
    if all(one.is_constant for one in series):
        what = "intensity is one constant: every week is the same"
        remedy = "give an hourly series of a year"
        raise DataError(Finding(where="--per-year", what=what, remedy=remedy))
    start_ms = scenario.start_utc_ms
    first = max(-((start_ms - int(one.edges_ms[0])) // WEEK_MS) for one in series)
    last = min((int(one.edges_ms[-1]) - start_ms - end_ms) // WEEK_MS for one in series)
    first = max(first, min(0, last + 1 - WEEKS_MAX))
    found = [k * WEEK_MS for k in range(first, last + 1)][:WEEKS_MAX]
    if len(found) < WEEKS_MIN:
        what = f"intensity is known for {len(found)} such weeks"
        remedy = f"give a series of {WEEKS_MIN} weeks or more, best of a year"
        raise DataError(Finding(where="--per-year", what=what, remedy=remedy))
    return found


def _moved(world: Shared, offset_ms: int) -> Shared:
    """Return the world with the grid of `offset_ms` later."""
    return replace(
        world,
        intensity={
            name: replace(one, edges_ms=one.edges_ms - offset_ms)
            for name, one in world.intensity.items()
        },
    )
