"""The windows of Let's Wait Awhile: finish by the next working morning, or twice a week.

Source: Wiesner et al., Let's Wait Awhile: How Temporal Workload Shifting Can Reduce Carbon
Emissions in the Cloud, Middleware 2021, section 5.2.1, doi 10.1145/3464298.3493399; the windows
are those of the authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from greensched.bounds.shifting import least_emissions
from greensched.units import MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from greensched.model import IntArray
    from greensched.ticks import Schedule, TickIntensity, TickJobs

THURSDAY_MS: Final = 3 * MS_PER_DAY  # 1970-01-01, counted from Monday
OPENS_MS: Final = 9 * MS_PER_H
CLOSES_MS: Final = 17 * MS_PER_H
FRIDAY, SATURDAY, SUNDAY = 4, 5, 6
WEEK_MS: Final = 7 * MS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class NextWorkday:
    """Have ended by the next working morning, where a job would end outside working hours.

    With f = arrival + length: on a Saturday Monday 09:00; on a Sunday or after 17:00 the next
    calendar day 09:00 (so from Friday evening to Saturday); before 09:00 that day 09:00; else f.
    """

    kind: ClassVar[str] = "next-workday"

    def deadline_ms(self, end_ms: IntArray) -> IntArray:
        """Return the deadline [ms on the local clock] of jobs that would end at `end_ms`."""
        midnight = end_ms // MS_PER_DAY * MS_PER_DAY
        day = (midnight + THURSDAY_MS) // MS_PER_DAY % 7
        since = end_ms - midnight
        days = np.select([day == SATURDAY, (day == SUNDAY) | (since > CLOSES_MS)], [2, 1], 0)
        stays = (days == 0) & (since >= OPENS_MS)
        deadline: IntArray = np.where(stays, end_ms, midnight + days * MS_PER_DAY + OPENS_MS)
        return deadline

    def window(self, jobs: TickJobs, intensity: TickIntensity) -> TickJobs:
        """Return the jobs with the latest start that this policy allows."""
        return within(jobs, intensity, self)

    def plan(self, jobs: TickJobs, intensity: TickIntensity) -> Schedule:
        """Return the schedule of least emissions in the window."""
        return least_emissions(self.window(jobs, intensity), intensity)


@dataclass(frozen=True, slots=True, kw_only=True)
class SemiWeekly:
    """Have ended by the next Monday or Thursday 09:00 at or after arrival + length."""

    kind: ClassVar[str] = "semi-weekly"

    def deadline_ms(self, end_ms: IntArray) -> IntArray:
        """Return the deadline [ms on the local clock] of jobs that would end at `end_ms`."""
        monday = (end_ms + THURSDAY_MS) // WEEK_MS * WEEK_MS - THURSDAY_MS
        since = end_ms - monday
        thursday = THURSDAY_MS + OPENS_MS
        days = np.select([since <= OPENS_MS, since <= thursday], [0, 3], 7)
        deadline: IntArray = monday + days * MS_PER_DAY + OPENS_MS
        return deadline

    def window(self, jobs: TickJobs, intensity: TickIntensity) -> TickJobs:
        """Return the jobs with the latest start that this policy allows."""
        return within(jobs, intensity, self)

    def plan(self, jobs: TickJobs, intensity: TickIntensity) -> Schedule:
        """Return the schedule of least emissions in the window."""
        return least_emissions(self.window(jobs, intensity), intensity)


def within(jobs: TickJobs, intensity: TickIntensity, policy: NextWorkday | SemiWeekly) -> TickJobs:
    """Return `jobs` with the ticks from arrival up to and including that of the deadline.

    Jobs may run until the end of that tick, or of the data where that is earlier.
    """
    end = jobs.arrival + jobs.length
    deadline_ms = policy.deadline_ms(end * intensity.tick_ms + intensity.zero_ms)
    last = (deadline_ms - intensity.zero_ms) // intensity.tick_ms
    latest = np.minimum(last + 1, intensity.length) - jobs.length
    return replace(jobs, latest=np.maximum(latest, jobs.arrival))
