"""Published policies that stop a job in dirty hours and let it go on in clean ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from greensched.bounds.shifting import cheapest_ticks, joined, slot_windows
from greensched.policies.settings import check
from greensched.units import MS_PER_DAY

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray
    from greensched.ticks import Schedule, TickIntensity, TickJobs

NEARER: Final = 0.5  # of two ticks, by the distance from the lower


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitAwhile:
    """Run on the cheapest ticks from arrival to latest start + length; the length is known.

    Source: Wiesner, Behnke, Scheinert, Gontarska and Thamsen, Let's Wait Awhile, Middleware 2021,
    section 3.2, doi 10.1145/3464298.3493399; in the form in which GAIA (ASPLOS 2024) compares it.
    """

    kind: ClassVar[str] = "wait-awhile"

    def window(self, jobs: TickJobs, intensity: TickIntensity) -> TickJobs:  # noqa: ARG002
        """Return the jobs as this policy may run them: with pauses."""
        return jobs.interruptibly(pauses=True)

    def plan(self, jobs: TickJobs, intensity: TickIntensity) -> Schedule:
        """Return the schedule; of equal ticks the earliest."""
        return cheapest_ticks(intensity, jobs.arrival, jobs.latest + jobs.length, jobs.length)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ecovisor:
    """Run while intensity is strictly below a quantile of the day from arrival; else wait.

    Once a job's waiting is used up it runs without pause; its length need not be known. The
    quantile is linear between two ticks.

    Source: Souza et al., Ecovisor: A Virtual Energy System for Carbon-Efficient Applications,
    ASPLOS 2023, section 5.2, doi 10.1145/3575693.3575709, as GAIA (ASPLOS 2024) compares it: 30th
    percentile of 24 hours.
    """

    kind: ClassVar[str] = "ecovisor"
    quantile: float = 0.3
    window_ms: int = MS_PER_DAY

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        check(self, shares=("quantile",), positive=("window_ms",))

    def window(self, jobs: TickJobs, intensity: TickIntensity) -> TickJobs:  # noqa: ARG002
        """Return the jobs as this policy may run them: with pauses."""
        return jobs.interruptibly(pauses=True)

    def plan(self, jobs: TickJobs, intensity: TickIntensity) -> Schedule:
        """Return the schedule."""
        window = max(1, self.window_ms // intensity.tick_ms)
        until = np.minimum(jobs.arrival + window, intensity.length)
        below = tick_quantile(intensity, jobs.arrival, until, self.quantile)
        wait, stop = jobs.latest - jobs.arrival, jobs.latest + jobs.length
        parts = []
        for rows, slots, real in slot_windows(intensity, jobs.arrival, stop):
            begin = np.maximum(intensity.edge(slots), jobs.arrival[rows, None])
            end = np.minimum(intensity.edge(slots + 1), stop[rows, None])
            ticks = np.where(real, end - begin, 0)
            dirty = np.where(intensity.values_g_per_kwh[slots] < below[rows, None], 0, ticks)
            waited = np.cumsum(dirty, axis=1) - dirty
            pause = np.clip(wait[rows, None] - waited, 0, dirty)
            run = ticks - pause
            done = np.cumsum(run, axis=1) - run
            taken = np.clip(jobs.length[rows, None] - done, 0, run)
            row, column = np.nonzero(taken)
            start = begin[row, column] + pause[row, column]
            parts.append((rows[row], start, start + taken[row, column]))
        return joined(parts)


def tick_quantile(
    intensity: TickIntensity, first: IntArray, stop: IntArray, quantile: float
) -> FloatArray:
    """Return the linear quantile of the intensity of the ticks `[first, stop)`, a value a row.

    The same as `numpy.quantile` of one value a tick.
    """
    found = np.empty(len(first))
    for rows, slots, real in slot_windows(intensity, first, stop):
        begin = np.maximum(intensity.edge(slots), first[rows, None])
        end = np.minimum(intensity.edge(slots + 1), stop[rows, None])
        values = np.where(real, intensity.values_g_per_kwh[slots], np.inf)
        order = np.argsort(values, axis=1, kind="stable")
        values = np.take_along_axis(values, order, axis=1)
        upto = np.cumsum(np.take_along_axis(np.where(real, end - begin, 0), order, axis=1), axis=1)
        place = quantile * (stop[rows] - first[rows] - 1)
        rank = np.floor(place).astype(np.int64)
        low, high = (
            values[np.arange(len(rows)), np.sum(upto <= r[:, None], axis=1)]
            for r in (rank, np.minimum(rank + 1, upto[:, -1] - 1))
        )
        share = place - rank
        # As numpy does: from the nearer end, so that the result never passes it.
        found[rows] = np.where(
            share < NEARER,
            low + (high - low) * share,
            high - (high - low) * (1.0 - share),
        )
    return found
