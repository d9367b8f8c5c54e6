"""Small studies of shifting, and slow twins that try every tick."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from greensched.policies.shifting.sites import Places
from greensched.ticks import Schedule, TickIntensity, TickJobs
from greensched.units import MS_PER_H
from tests.drawn import shares, whole

if TYPE_CHECKING:
    from collections.abc import Callable

INTENSITIES = np.array([0.1, 0.2, 0.3, 33.3, 100.0, 250.5])  # of drawn series
HOUR = 3  # ticks of a slot in these cases
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 of the local clock
WINDOW_MS = 24 * MS_PER_H


def intensity_of(*values: float, width: int = 1, lead: int = 0, tick_ms: int = MS_PER_H) -> Any:
    """Return a series of slots of `width` ticks, the first `lead` ticks of which are over."""
    return TickIntensity(
        values_g_per_kwh=np.array(values, np.float64),
        width=width,
        lead=lead,
        length=width * len(values) - lead,
        tick_ms=tick_ms,
        zero_ms=0,
    )


def jobs_of(*rows: tuple[int, int, int], cores: int = 1, pauses: bool = False) -> TickJobs:
    """Return jobs of (arrival, length, wait)."""
    arrival, length, wait = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return TickJobs(
        arrival=arrival,
        length=length,
        latest=arrival + wait,
        expected=length,
        cpu_m=np.full(len(rows), cores * 1_000),
        interruptible=np.full(len(rows), pauses),
    )


def places(jobs: TickJobs, *series: TickIntensity, **more: Any) -> Places:
    """Return sites at which all jobs may run, all at home at the first, without data."""
    n = len(jobs)
    given: dict[str, Any] = {
        "home": np.zeros(n, np.int64),
        "allowed": np.ones((n, len(series)), np.bool_),
        "data_gib": np.zeros(n),
        "core_w": 1_000.0,
    }
    return Places(series=series, **(given | more))


@st.composite
def studies(draw: st.DrawFn, *, flat: bool = False) -> tuple[TickJobs, TickIntensity]:
    """Draw up to 8 jobs of at most 6 ticks on at most 40 ticks, with many equal intensities."""
    width = draw(st.integers(1, 4))
    lead, slots = draw(st.integers(0, width - 1)), draw(st.integers(3, 10))
    share = shares(draw, 7, 10)
    values = INTENSITIES[whole(share[6, :slots], 0, len(INTENSITIES) - 1)]
    series = intensity_of(*(values[:1].repeat(slots) if flat else values), width=width, lead=lead)
    share = share[:, : draw(st.integers(1, 8))]
    length = whole(share[0], 1, min(6, series.length))
    arrival = whole(share[1], 0, series.length - length)
    wait = whole(share[2], 0, np.minimum(12, series.length - length - arrival))
    columns = {
        "arrival": arrival,
        "length": length,
        "latest": arrival + wait,
        "expected": whole(share[3], 1, 8),
        "cpu_m": whole(share[4], 1, 4) * 500,
        "interruptible": share[5] > 0.5,
    }
    order = np.argsort(arrival, kind="stable")
    return TickJobs(**{name: column[order] for name, column in columns.items()}), series


def per_tick(series: TickIntensity) -> list[float]:
    """Return the intensity of every tick."""
    return [
        float(series.values_g_per_kwh[(t + series.lead) // series.width])
        for t in range(series.length)
    ]


def ticks_of(schedule: Schedule, job: int) -> list[int]:
    """Return the ticks on which a job runs."""
    rows = np.flatnonzero(schedule.job == job)
    return [t for i in rows for t in range(int(schedule.start[i]), int(schedule.stop[i]))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of the columns."""

    arrival: int
    length: int
    latest: int
    expected: int
    pauses: bool


def each(jobs: TickJobs) -> list[Job]:
    """Return the rows."""
    return [
        Job(
            arrival=int(jobs.arrival[j]),
            length=int(jobs.length[j]),
            latest=int(jobs.latest[j]),
            expected=int(jobs.expected[j]),
            pauses=bool(jobs.interruptible[j]),
        )
        for j in range(len(jobs))
    ]


def total(values: list[float]) -> float:
    """Return a sum that is the same for equal values in any order."""
    return round(sum(sorted(values)), 9)


def _run(start: int, job: Job) -> list[int]:
    return list(range(start, start + job.length))


def _starts(job: Job, values: list[float], step: int) -> list[int]:
    """Return the candidates whose expected run is within the data; the arrival always is one."""
    found = [
        s
        for s in range(job.arrival, job.latest + 1, step)
        if s == job.arrival or s + job.expected <= len(values)
    ]
    return found if job.arrival + job.expected <= len(values) else [job.arrival]


def no_wait(job: Job, _values: list[float], _step: int) -> list[int]:
    """Return the ticks of no-wait."""
    return _run(job.arrival, job)


def lowest_slot(job: Job, values: list[float], _step: int) -> list[int]:
    """Return the ticks of lowest-slot."""
    return _run(min(range(job.arrival, job.latest + 1), key=lambda t: (values[t], t)), job)


def lowest_window(job: Job, values: list[float], step: int) -> list[int]:
    """Return the ticks of lowest-window."""
    return _run(
        min(_starts(job, values, step), key=lambda s: (total(values[s : s + job.expected]), s)),
        job,
    )


def carbon_time(job: Job, values: list[float], step: int) -> list[int]:
    """Return the ticks of carbon-time."""
    now = total(values[job.arrival : job.arrival + job.expected])

    def score(s: int) -> float:
        saved = now - total(values[s : s + job.expected])
        return -round(saved / (s - job.arrival + job.expected), 9)

    return _run(min(_starts(job, values, step), key=lambda s: (score(s), s)), job)


def wait_awhile(job: Job, values: list[float], _step: int) -> list[int]:
    """Return the ticks of wait-awhile."""
    window = range(job.arrival, job.latest + job.length)
    return sorted(sorted(window, key=lambda t: (values[t], t))[: job.length])


def ecovisor(job: Job, values: list[float], _step: int) -> list[int]:
    """Return the ticks of ecovisor, ticks being hours."""
    below = float(np.quantile(values[job.arrival : job.arrival + 24], 0.3))
    left, t = job.latest - job.arrival, job.arrival
    run: list[int] = []
    while len(run) < job.length:
        if values[t] < below or not left:
            run.append(t)
        else:
            left -= 1
        t += 1
    return run


def best(job: Job, values: list[float], step: int) -> list[int]:
    """Return the ticks of plan without a cap."""
    if job.pauses:
        return wait_awhile(job, values, step)
    window = range(job.arrival, job.latest + 1)
    return _run(min(window, key=lambda s: (total(values[s : s + job.length]), s)), job)


def _calendar(
    job: Job, values: list[float], deadline: Callable[[datetime], datetime]
) -> list[int]:
    """Return the ticks of a calendar policy, ticks being hours from 1970-01-01T00:00 on."""
    ends = EPOCH + timedelta(hours=job.arrival + job.length)
    last = int((deadline(ends) - EPOCH) / timedelta(hours=1))  # the tick that holds the deadline
    stop = max(min(last + 1, len(values)), job.arrival + job.length)
    return best(replace(job, latest=stop - job.length), values, 1)


def nine(day: datetime) -> datetime:
    """Return 09:00 of a day."""
    return day.replace(hour=9, minute=0)


def next_workday(job: Job, values: list[float], _step: int) -> list[int]:
    """Return the ticks of next-workday."""

    def deadline(ends: datetime) -> datetime:
        if ends.isoweekday() == 6:
            return nine(ends + timedelta(days=2))
        if ends.isoweekday() == 7 or ends > ends.replace(hour=17, minute=0):
            return nine(ends + timedelta(days=1))
        return max(ends, nine(ends))

    return _calendar(job, values, deadline)


def semi_weekly(job: Job, values: list[float], _step: int) -> list[int]:
    """Return the ticks of semi-weekly."""

    def deadline(ends: datetime) -> datetime:
        days = (nine(ends + timedelta(days=k)) for k in range(9))
        return next(day for day in days if day >= ends and day.isoweekday() in (1, 4))

    return _calendar(job, values, deadline)


TWINS: dict[str, Callable[[Job, list[float], int], list[int]]] = {
    "no-wait": no_wait,
    "lowest-slot": lowest_slot,
    "lowest-window": lowest_window,
    "carbon-time": carbon_time,
    "wait-awhile": wait_awhile,
    "ecovisor": ecovisor,
    "plan": best,
    "next-workday": next_workday,
    "semi-weekly": semi_weekly,
}


def capped_twin(schedule: Schedule, jobs: TickJobs, cpu_m: int) -> list[list[int]]:
    """Return the ticks of each job under a cap, tick by tick as the definition says."""
    pieces = sorted(
        (int(s), int(j), int(e - s))
        for j, s, e in zip(schedule.job, schedule.start, schedule.stop, strict=True)
    )
    ran: list[list[int]] = [[] for _ in range(len(jobs))]
    queue = {j: [p for p in pieces if p[1] == j] for j in range(len(jobs))}
    running: dict[int, int] = {}  # job -> ticks left of its piece
    now = 0
    while running or any(queue.values()):
        running = {j: left for j, left in running.items() if left}
        due = [q[0] for j, q in queue.items() if q and q[0][0] <= now and j not in running]
        for planned, j, length in sorted(due, key=lambda p: (p[0], int(jobs.arrival[p[1]]), p[1])):
            assert planned <= now
            if sum(int(jobs.cpu_m[k]) for k in running) + int(jobs.cpu_m[j]) <= cpu_m:
                running[j] = length
                queue[j].pop(0)
        for j in running:
            ran[j].append(now)
            running[j] -= 1
        now += 1
    return ran


def reserved_twin(planned: list[int], jobs: TickJobs, cpu_m: int) -> tuple[list[int], list[bool]]:
    """Return start and kind of core of each job, tick by tick as the definition says."""
    n, now = len(jobs), 0
    start, reserved, free = [-1] * n, [False] * n, cpu_m
    while min(start) < 0:
        for j in range(n):  # one that ended at the tick before is free now
            if reserved[j] and start[j] >= 0 and start[j] + int(jobs.length[j]) + 1 == now:
                free += int(jobs.cpu_m[j])
        for j in range(n):  # in order of arrival
            if start[j] >= 0 or jobs.arrival[j] > now:
                continue
            fits = int(jobs.cpu_m[j]) <= free
            if planned[j] <= now or fits:
                start[j], reserved[j] = now, fits
                free -= int(jobs.cpu_m[j]) if fits else 0
        now += 1
    return start, reserved
