"""When jobs run, by carbon: published policies and our own, one pure function each.

    plan(jobs, intensity) -> schedule

Every policy is a frozen value of settings with a `kind`, its registered name, and this function
of columns in whole ticks (`greensched.ticks`). It reads no clock and knows nothing of machines,
so that the study of a job list, the simulation, the batch runner and a controller ask the same
object: each makes the columns of what waits, says what a tick is, and starts what is due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from greensched.ticks import Schedule, TickIntensity, TickJobs


class ShiftingPolicy(Protocol):
    """A policy that says when jobs run."""

    @property
    def kind(self) -> str:
        """Return the registered name."""
        ...

    def window(self, jobs: TickJobs, intensity: TickIntensity) -> TickJobs:
        """Return `jobs` as the policy may run them: its latest starts, with pauses or without."""
        ...

    def plan(self, jobs: TickJobs, intensity: TickIntensity) -> Schedule:
        """Return when each job runs, knowing all of `jobs` and the forecast `intensity`."""
        ...
