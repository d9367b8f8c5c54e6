"""A study of shifting: a job list and a series, cut to whole ticks as the literature does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from greensched.errors import DataError, Finding, UsageError
from greensched.model import NONE
from greensched.ticks import TickIntensity, TickJobs
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.model import IntArray, Jobs

CALENDAR_MS: Final = 7 * MS_PER_DAY  # beyond a job's end no calendar's deadline lies later
SHOWN_MAX: Final = 5  # lengths that fit no queue, in one error


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Jobs shorter than `below_ms` (NONE: of any length) that may wait `longest_wait_ms`."""

    name: str
    below_ms: int = NONE
    longest_wait_ms: int


ANY: Final = (Queue(name="all", longest_wait_ms=MS_PER_DAY),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a study assumes; defaults are those of the published ones.

    `horizon_ms` is the span from trace zero in which arrivals count and reserved cores are paid
    (NONE: all arrivals, paid until the last job without shifting has ended). `price` is in any
    currency, for a core-hour on demand (None: no prices).
    """

    tick_ms: int = 5 * MS_PER_S
    step_ms: int = MS_PER_H
    core_w: float = 1.0
    queues: tuple[Queue, ...] = ANY
    expected: Literal["job", "queue-mean"] = "job"
    interruptible: bool = False
    horizon_ms: int = NONE
    reserved_cpu_m: int = 0
    price_per_core_h: float | None = None
    reserved_discount: float = 0.0
    capacity_cpu_m: int = NONE
    solver: Literal["greedy", "exact"] = "greedy"  # of `plan`, under a cap
    checkpoint_ms: int = 0  # of work, each time a job goes on after a pause
    throughput: tuple[float, ...] = ()  # of 1, 2, .. workers of a job that scales, against one


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The jobs that count, in ticks, and what was left out.

    `patience` is how many ticks each job may wait, of which `jobs.latest` takes what the data
    allows; `queue` is the place of its queue. `signal` is what policies see, `intensity` what is
    reported: the same unless a forecast is given. Both, and `marginal`, are on one grid.
    """

    terms: Terms
    jobs: TickJobs
    patience: IntArray
    queue: IntArray
    intensity: TickIntensity
    signal: TickIntensity
    marginal: TickIntensity | None = None
    outside_span: int = 0  # jobs that arrive before trace zero or after the horizon
    outside_data: int = 0  # jobs that do not fit the data when started at arrival
    instant: int = 0  # jobs of length 0: there is nothing to shift


def case(
    jobs: Jobs,
    intensity: TickIntensity,
    terms: Terms,
    *,
    signal: TickIntensity | None = None,
    marginal: TickIntensity | None = None,
    others: Sequence[TickIntensity] = (),
) -> Case:
    """Return the study of `jobs` (times from trace zero, which is tick 0).

    Arrivals and lengths are cut down to whole ticks, a positive length below one tick counts as
    one, jobs of length 0 leave; the mean of a queue's lengths is that of the uncut ones, cut.
    `others` are series that jobs may use too, and that have to reach as far. Raises UsageError
    where a length is of no queue, and DataError where no job is left.
    """
    queue = _queued(jobs.duration_ms, terms.queues)
    counts = jobs.submit_ms >= 0
    if terms.horizon_ms != NONE:
        counts &= jobs.submit_ms < terms.horizon_ms
    instant = counts & (jobs.duration_ms == 0)
    end = min(s.length for s in (intensity, signal, marginal, *others) if s is not None)
    ticked, wait = _in_ticks(jobs, terms, queue, end)
    fits = counts & ~instant & (ticked.arrival + ticked.length <= end)
    if not fits.any():
        raise DataError(_nothing_left(int((~counts).sum()), int(instant.sum()), len(jobs)))
    return Case(
        terms=terms,
        jobs=ticked.taken(fits),
        patience=wait[fits],
        queue=queue[fits],
        intensity=intensity,
        signal=signal or intensity,
        marginal=marginal,
        outside_span=int((~counts).sum()),
        outside_data=int((counts & ~instant & ~fits).sum()),
        instant=int(instant.sum()),
    )


def _in_ticks(jobs: Jobs, terms: Terms, queue: IntArray, end: int) -> tuple[TickJobs, IntArray]:
    """Return all jobs in ticks, and how many each may wait, of data that ends before `end`."""
    longest_wait_ms = np.array([q.longest_wait_ms for q in terms.queues], np.int64)[queue]
    wait = longest_wait_ms // terms.tick_ms
    arrival = jobs.submit_ms // terms.tick_ms
    length = np.maximum(jobs.duration_ms // terms.tick_ms, 1)
    expected = length
    if terms.expected == "queue-mean":
        expected = np.maximum(_means_ms(jobs.duration_ms, queue) // terms.tick_ms, 1)
    ticked = TickJobs(
        arrival=arrival,
        length=length,
        latest=np.maximum(np.minimum(arrival + wait, end - length), arrival),
        expected=expected,
        cpu_m=jobs.cpu_m.astype(np.int64) * jobs.tasks,
        interruptible=np.full(len(jobs), terms.interruptible),
    )
    return ticked, wait


def last_ms(jobs: Jobs, terms: Terms) -> int:
    """Return until when [ms from trace zero] a job that counts may run, by queue or calendar."""
    wait_ms = max(CALENDAR_MS, *(queue.longest_wait_ms for queue in terms.queues))
    counts = jobs.submit_ms < terms.horizon_ms if terms.horizon_ms != NONE else np.True_
    end_ms = np.where(counts, jobs.submit_ms + jobs.duration_ms, 0)
    return int(end_ms.max(initial=0)) + wait_ms + terms.tick_ms


def _nothing_left(outside_span: int, instant: int, jobs: int) -> Finding:
    """Return why no job is left, and what might leave some."""
    beyond = jobs - outside_span - instant
    return Finding(
        where="jobs",
        what=f"none is left of {jobs:,}: {outside_span:,} arrive before 0 or after the horizon, "
        f"{beyond:,} would end after the data, {instant:,} have no length",
        remedy="is --time-unit right? else move --from, or give a longer series or --horizon",
    )


def _queued(length_ms: IntArray, queues: tuple[Queue, ...]) -> IntArray:
    """Return the place of each job's queue, the first that takes its length."""
    place = np.full(len(length_ms), NONE, np.int64)
    for i, queue in enumerate(queues):
        fits = queue.below_ms == NONE or length_ms < queue.below_ms
        place[(place == NONE) & fits] = i
    lost = np.sort(length_ms[place == NONE])
    if len(lost):
        shown = ", ".join(f"{ms / MS_PER_H:g} h" for ms in lost[:SHOWN_MAX])
        what = f"no queue takes {len(lost):,} of the jobs; lengths from {shown}"
        remedy = "add a queue without a bound, such as long::24h"
        raise UsageError(Finding(where="--queue", what=what, remedy=remedy))
    return place


def _means_ms(length_ms: IntArray, queue: IntArray) -> IntArray:
    """Return the mean length [ms, cut] of each job's queue."""
    counts = np.bincount(queue)
    sums = np.zeros(len(counts), np.int64)
    np.add.at(sums, queue, length_ms)
    means: IntArray = (sums // np.maximum(counts, 1))[queue]
    return means
