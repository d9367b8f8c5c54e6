"""Time in whole ticks: intensity, jobs and schedules as columns of integers.

Whoever plans (a study of a job list, a simulation, the batch runner, a controller) says what a
tick is and where tick 0 lies; what is planned here knows no calendar but the clock of tick 0.
"""

from greensched.ticks.intensity import TickIntensity, on_ticks
from greensched.ticks.jobs import Schedule, TickJobs, contiguous, merged

__all__ = ["Schedule", "TickIntensity", "TickJobs", "contiguous", "merged", "on_ticks"]
