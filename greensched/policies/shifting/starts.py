"""Published policies that choose one start for each job, which then runs without pause.

Source of all but the first: Hanafy, Liang, Bashir, Souza, Irwin and Shenoy, Going Green for Less
Green: Optimizing the Cost of Reducing Cloud Carbon Emissions (GAIA), ASPLOS 2024, section 4.1, doi
10.1145/3620666.3651374.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from greensched.policies.settings import check
from greensched.ticks import Schedule, TickIntensity, TickJobs, contiguous
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.model import FloatArray, IntArray

STEP_MS: Final = MS_PER_H


@dataclass(frozen=True, slots=True, kw_only=True)
class NoWait:
    """Start at arrival: the baseline of every study of shifting."""

    kind: ClassVar[str] = "no-wait"

    def window(self, jobs: TickJobs, intensity: TickIntensity) -> TickJobs:  # noqa: ARG002
        """Return the jobs as this policy may run them: without pauses."""
        return jobs.interruptibly(pauses=False)

    def plan(self, jobs: TickJobs, intensity: TickIntensity) -> Schedule:  # noqa: ARG002
        """Return the schedule without shifting."""
        return contiguous(jobs, jobs.arrival.copy())


@dataclass(frozen=True, slots=True, kw_only=True)
class LowestSlot:
    """Start at the first tick of least intensity from arrival to the latest start."""

    kind: ClassVar[str] = "lowest-slot"

    def window(self, jobs: TickJobs, intensity: TickIntensity) -> TickJobs:  # noqa: ARG002
        """Return the jobs as this policy may run them: without pauses."""
        return jobs.interruptibly(pauses=False)

    def plan(self, jobs: TickJobs, intensity: TickIntensity) -> Schedule:
        """Return the schedule; what comes after the first tick is not looked at."""
        values = intensity.values_g_per_kwh
        slot, last = intensity.slot(jobs.arrival), intensity.slot(jobs.latest)
        best, least = slot.copy(), values[slot]
        rows = np.flatnonzero(slot < last)
        while len(rows):
            slot[rows] += 1
            value = values[slot[rows]]
            better = value < least[rows]
            found = rows[better]
            best[found], least[found] = slot[found], value[better]
            rows = rows[slot[rows] < last[rows]]
        return contiguous(jobs, np.maximum(intensity.edge(best), jobs.arrival))


@dataclass(frozen=True, slots=True, kw_only=True)
class LowestWindow:
    """Start where the emissions over the expected length are least, on a grid of starts.

    The grid is arrival, arrival + `step_ms`, .., up to the latest start.
    """

    kind: ClassVar[str] = "lowest-window"
    step_ms: int = STEP_MS

    def __post_init__(self) -> None:
        """Refuse a step that is none."""
        check(self, positive=("step_ms",))

    def window(self, jobs: TickJobs, intensity: TickIntensity) -> TickJobs:  # noqa: ARG002
        """Return the jobs as this policy may run them: without pauses."""
        return jobs.interruptibly(pauses=False)

    def plan(self, jobs: TickJobs, intensity: TickIntensity) -> Schedule:
        """Return the schedule of starts s with least sum of intensity over [s, s + expected)."""
        best = jobs.arrival.copy()
        least = _emitted(jobs, intensity, best)
        for rows, start in _later(jobs, intensity, self.step_ms):
            emitted = intensity.emitted(start, start + jobs.expected[rows])
            better = (emitted < least[rows]) | ((emitted == least[rows]) & (start < best[rows]))
            found = rows[better]
            best[found], least[found] = start[better], emitted[better]
        return contiguous(jobs, best)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonTime:
    """Start where the saving for each tick until the expected end is greatest, on that grid.

    The score of a start s is (E(a) - E(s)) / (s - a + expected), E(s) the emissions over [s, s +
    expected), a the arrival. On the arrival it is 0, so that a job waits only where that saves.
    """

    kind: ClassVar[str] = "carbon-time"
    step_ms: int = STEP_MS

    def __post_init__(self) -> None:
        """Refuse a step that is none."""
        check(self, positive=("step_ms",))

    def window(self, jobs: TickJobs, intensity: TickIntensity) -> TickJobs:  # noqa: ARG002
        """Return the jobs as this policy may run them: without pauses."""
        return jobs.interruptibly(pauses=False)

    def plan(self, jobs: TickJobs, intensity: TickIntensity) -> Schedule:
        """Return the schedule of the best score, of equal ones the earliest start."""
        best, most = jobs.arrival.copy(), np.zeros(len(jobs))
        now = _emitted(jobs, intensity, best)
        for rows, start in _later(jobs, intensity, self.step_ms):
            expected = jobs.expected[rows]
            saved = now[rows] - intensity.emitted(start, start + expected)
            score: FloatArray = saved / (start - jobs.arrival[rows] + expected)
            better = (score > most[rows]) | ((score == most[rows]) & (start < best[rows]))
            found = rows[better]
            best[found], most[found] = start[better], score[better]
        return contiguous(jobs, best)


def _emitted(jobs: TickJobs, intensity: TickIntensity, start: IntArray) -> IntArray:
    """Return the emissions over the expected length, as far as the data goes."""
    return intensity.emitted(start, np.minimum(start + jobs.expected, intensity.length))


def _later(
    jobs: TickJobs, intensity: TickIntensity, step_ms: int
) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield rows and candidates after the arrival whose expected run too lies within the data.

    Every candidate of the grid, unless it is so fine that a slot holds several: between two starts
    at which start or expected end meets the edge of a slot, emissions and score are monotonic, so
    the first and last candidate between them will do.
    """
    step = max(1, step_ms // intensity.tick_ms)
    latest = np.minimum(jobs.latest, intensity.length - jobs.expected)
    steps = (latest - jobs.arrival) // step  # negative: not even the arrival
    rows = np.flatnonzero(steps >= 1)
    if step < intensity.width // 4:
        yield from _at_edges(jobs, intensity, rows, steps, step)
        return
    k = 1
    while len(rows):
        yield rows, jobs.arrival[rows] + k * step
        k += 1
        rows = rows[steps[rows] >= k]


def _at_edges(
    jobs: TickJobs, intensity: TickIntensity, rows: IntArray, steps: IntArray, step: int
) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield the last candidate of the grid and, at each edge of a slot, those on its two sides."""
    yield rows, jobs.arrival[rows] + steps[rows] * step
    for shift in (np.zeros_like(jobs.expected), jobs.expected):
        some = rows
        slot = intensity.slot(jobs.arrival[some] + shift[some]) + 1
        while len(some):
            after = -(-(intensity.edge(slot) - shift[some] - jobs.arrival[some]) // step)
            inside = after <= steps[some]
            some, slot, after = some[inside], slot[inside] + 1, after[inside]
            yield some, jobs.arrival[some] + after * step
            yield some, jobs.arrival[some] + np.maximum(after - 1, 0) * step
