"""Studies of shifting, worked out by hand: ticks, queues, caps, reserved cores, costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from greensched.carbon import from_samples
from greensched.errors import DataError, UsageError
from greensched.model import Jobs
from greensched.policies.shifting.room import Room
from greensched.shift import Queue, Terms, case
from greensched.shift.account import carbon_g, peak_cpu_m, running, usual_cpu_m
from greensched.shift.firstfit import Waiting
from greensched.shift.replay import beside_reserved, capped
from greensched.ticks import contiguous, merged, on_ticks
from greensched.units import MS_PER_H, MS_PER_MIN
from tests.shifting_cases import intensity_of, jobs_of

SHORT = Queue(name="short", below_ms=2 * MS_PER_H, longest_wait_ms=3 * MS_PER_H)
LONG = Queue(name="long", longest_wait_ms=6 * MS_PER_H)


def trace_jobs(*given: tuple[float, float, int]) -> Jobs:
    """Return jobs of (arrival [h], length [h], cores)."""
    n = len(given)
    return Jobs(
        submit_ms=np.array([round(a * MS_PER_H) for a, _, _ in given], np.int64),
        duration_ms=np.array([round(d * MS_PER_H) for _, d, _ in given], np.int64),
        cpu_m=np.array([c * 1_000 for _, _, c in given], np.int32),
        memory_mib=np.zeros(n, np.int32),
        gpu_m=np.zeros(n, np.int32),
        tasks=np.ones(n, np.int32),
        estimate_ms=np.full(n, -1, np.int64),
        deadline_ms=np.full(n, -1, np.int64),
        job_class=np.zeros(n, np.int32),
    )


def hourly(*values: float) -> Any:
    """Return an hourly series that begins in 1970."""
    times = np.arange(len(values), dtype=np.int64) * MS_PER_H
    return from_samples("X", times, np.array(values, float))


# ------------------------------------------------------------------------------------------
# Ticks
# ------------------------------------------------------------------------------------------


def test_ticks_begin_where_they_are_told_to() -> None:
    """A trace that begins at 00:40 has the rest of that hour first, in ticks of 20 minutes."""
    series = on_ticks(hourly(100, 200, 300), zero_ms=40 * MS_PER_MIN, tick_ms=20 * MS_PER_MIN)
    assert (3, 2, 7) == (series.width, series.lead, series.length)
    assert [0, 1, 1, 1, 2, 2, 2] == series.slot(np.arange(7)).tolist()


def test_a_tick_longer_than_the_step_has_its_mean() -> None:
    """Ticks of two hours over hourly values have the mean of both."""
    series = on_ticks(hourly(100, 200, 300, 500), zero_ms=0, tick_ms=2 * MS_PER_H)
    assert [150.0, 400.0] == series.values_g_per_kwh.tolist()


@pytest.mark.parametrize(("zero_min", "tick_min"), [(0, 7), (1, 20), (30, 60), (0, 90)])
def test_ticks_that_do_not_fit_are_refused(zero_min: int, tick_min: int) -> None:
    """A tick that neither divides the step nor is a multiple, or lies across it, is refused."""
    with pytest.raises(UsageError, match="do not fit its steps"):
        on_ticks(hourly(1, 2, 3), zero_ms=zero_min * MS_PER_MIN, tick_ms=tick_min * MS_PER_MIN)


def test_begin_outside_the_data_is_refused() -> None:
    """An instant that the series does not cover is bad data, with what it covers."""
    with pytest.raises(DataError, match="covers 1970-01-01T00:00:00Z to 1970-01-01T02:00:00Z"):
        on_ticks(hourly(1, 2), zero_ms=2 * MS_PER_H, tick_ms=MS_PER_H)


def test_sums_are_exact() -> None:
    """0.1 + 0.2 + 0.3 is as much in another order, and 0.1 + 0.2 is 0.3, in whole units."""
    series = intensity_of(0.1, 0.2, 0.3, 0.3, 0.2, 0.1)
    first, second = series.emitted(np.array([0, 3]), np.array([3, 6]))
    assert first == second
    assert series.emitted(np.array([0]), np.array([2])) == series.units[2]


def test_last_value_is_held_beyond_the_data() -> None:
    """A series held until a later tick ends with its last value and keeps what was before."""
    series = intensity_of(1.0, 5.0, width=2, lead=1).held_until(6)
    assert [1.0, 5.0, 5.0, 5.0] == series.values_g_per_kwh.tolist()
    assert 7 == series.length


def test_merged_joins_what_touches() -> None:
    """Pieces that touch become one, those of another job do not."""
    columns = ([1, 0, 0, 0], [2, 4, 0, 1], [3, 5, 1, 2])
    schedule = merged(*(np.array(c, np.int64) for c in columns))
    assert [(0, 0, 2), (0, 4, 5), (1, 2, 3)] == list(
        zip(schedule.job, schedule.start, schedule.stop, strict=True)
    )
    assert [3, 1] == schedule.ticks().tolist()


# ------------------------------------------------------------------------------------------
# Cutting a job list
# ------------------------------------------------------------------------------------------


def study(
    *given: tuple[float, float, int], values: tuple[float, ...] = (1.0,) * 24, **terms: Any
) -> Any:
    """Return a case of jobs (arrival [h], length [h], cores) on hourly ticks."""
    made = Terms(tick_ms=MS_PER_H, queues=(SHORT, LONG), **terms)
    return case(trace_jobs(*given), on_ticks(hourly(*values), zero_ms=0, tick_ms=MS_PER_H), made)


def test_arrivals_and_lengths_are_cut_down() -> None:
    """Arrival 1.9 h is tick 1, length 2.9 h is 2 ticks, length 0.2 h is one."""
    jobs = study((1.9, 2.9, 1), (2.0, 0.2, 1)).jobs
    assert ([1, 2], [2, 1]) == (jobs.arrival.tolist(), jobs.length.tolist())


def test_bound_of_a_queue_is_exclusive() -> None:
    """A job of exactly 2 h is not of the queue below 2 h."""
    jobs = study((0, 1.99, 1), (0, 2, 1)).jobs
    assert [3, 6] == (jobs.latest - jobs.arrival).tolist()


def test_expected_length_is_the_mean_of_the_uncut_lengths_cut() -> None:
    """Lengths 3.5 and 4.9 h are expected to take 4 h (4.2, cut), not the mean of 3 and 4."""
    jobs = study((0, 3.5, 1), (0, 4.9, 1), (0, 0.5, 1), expected="queue-mean").jobs
    assert [4, 4, 1] == jobs.expected.tolist()


def test_a_length_of_no_queue_is_refused() -> None:
    """A job that is longer than every queue's bound is a mistake of the command."""
    terms = Terms(tick_ms=MS_PER_H, queues=(SHORT,))
    with pytest.raises(UsageError, match="no queue takes 1 of the jobs; lengths from 5 h"):
        case(trace_jobs((0, 5, 1)), intensity_of(*[1.0] * 9), terms)


def test_what_does_not_fit_leaves_and_is_counted() -> None:
    """A job that ends after the data when started at arrival leaves; one that just fits stays."""
    made = study((0, 1, 1), (20, 4, 1), (21, 4, 1))
    assert (2, 1, 0) == (len(made.jobs), made.outside_data, made.outside_span)
    assert made.jobs.latest[1] == made.jobs.arrival[1]  # waiting would lead beyond the data


def test_jobs_of_no_length_leave_and_are_counted() -> None:
    """A job of length 0 does no work: it is not one of a tick; alone it is bad data."""
    made = study((0, 0, 1), (1, 0.1, 1))
    assert (1, 1, [1]) == (len(made.jobs), made.instant, made.jobs.length.tolist())
    with pytest.raises(DataError, match="1 would end after the data, 1 have no length; is --time"):
        study((0, 0, 1), (0, 99, 1))


def test_arrivals_count_within_the_horizon() -> None:
    """An arrival at the horizon does not count, one before it does."""
    made = study((0, 1, 1), (4.99, 1, 1), (5, 1, 1), horizon_ms=5 * MS_PER_H)
    assert (2, 1) == (len(made.jobs), made.outside_span)


# ------------------------------------------------------------------------------------------
# Caps and reserved cores
# ------------------------------------------------------------------------------------------


def test_first_fit_in_the_order_of_planned_start() -> None:
    """On 4 cores a job of 3 blocks one of 2, and one of 1 that is due later overtakes it."""
    jobs = replace(jobs_of((0, 4, 9), (0, 2, 9), (1, 1, 9)), cpu_m=np.array([3_000, 2_000, 1_000]))
    schedule = contiguous(jobs, jobs.arrival)
    assert [0, 4, 1] == capped(schedule, jobs, 4_000).start.tolist()


def test_cores_under_a_cap_are_free_at_the_end() -> None:
    """Under a cap a job starts at the very tick at which another has ended."""
    jobs = jobs_of((0, 2, 9), (0, 2, 9))
    assert [0, 2] == capped(contiguous(jobs, jobs.arrival), jobs, 1_000).start.tolist()


def test_a_piece_waits_for_the_one_before() -> None:
    """A paused job goes on at its planned tick, or when its late first piece has ended."""
    jobs = jobs_of((0, 3, 9), (0, 2, 9))
    columns = ([0, 1, 1], [0, 0, 2], [3, 1, 3])
    schedule = merged(*(np.array(c, np.int64) for c in columns))
    assert [0, 3] == capped(schedule, jobs, 1_000).start.tolist()
    apart = merged(*(np.array(c, np.int64) for c in ([0, 1, 1], [0, 0, 7], [3, 1, 8])))
    assert [0, 3, 7] == capped(apart, jobs, 1_000).start.tolist()


def test_who_waits_starts_early_on_reserved_cores() -> None:
    """A job that would wait until 5 starts at once on a free reserved core."""
    jobs = jobs_of((0, 2, 9))
    ran = beside_reserved(contiguous(jobs, np.array([5])), jobs, 1_000)
    assert ([0], [True]) == (ran.schedule.start.tolist(), ran.reserved.tolist())


def test_who_is_due_starts_on_demand() -> None:
    """Where the reserved core is taken a job that is due starts all the same, on demand."""
    jobs = jobs_of((0, 4, 9), (1, 2, 9))
    ran = beside_reserved(contiguous(jobs, jobs.arrival), jobs, 1_000)
    assert ([0, 1], [True, False]) == (ran.schedule.start.tolist(), ran.reserved.tolist())


def test_reserved_cores_are_free_from_the_next_tick_on() -> None:
    """A job that ends at tick 2 frees its core for tick 3, so one that waits starts at 3."""
    jobs = jobs_of((0, 2, 9), (0, 2, 9))
    ran = beside_reserved(contiguous(jobs, np.array([0, 8])), jobs, 1_000)
    assert ([0, 3], [True, True]) == (ran.schedule.start.tolist(), ran.reserved.tolist())


def test_order_of_arrival_decides_who_gets_the_reserved_core() -> None:
    """The earlier arrival, which may still wait, takes the core before a later one that is due."""
    jobs = jobs_of((0, 3, 9), (0, 2, 9), (4, 1, 9))
    ran = beside_reserved(contiguous(jobs, np.array([0, 8, 4])), jobs, 1_000)
    assert [0, 4, 4] == ran.schedule.start.tolist()
    assert [True, True, False] == ran.reserved.tolist()


def test_pieces_keep_their_ticks_beside_reserved_cores() -> None:
    """A job that pauses is not started early; its pieces use the reserved core where free."""
    jobs = jobs_of((0, 2, 9), (0, 3, 0), pauses=True)
    columns = ([0, 0, 1], [2, 6, 0], [3, 7, 3])
    schedule = merged(*(np.array(c, np.int64) for c in columns))
    ran = beside_reserved(schedule, jobs, 1_000)
    np.testing.assert_array_equal(schedule.start, ran.schedule.start)
    assert [False, True, True] == ran.reserved.tolist()


def test_who_may_pause_is_not_started_early() -> None:
    """A job of one piece keeps its tick beside a free reserved core if it may pause."""
    jobs = jobs_of((0, 2, 9), pauses=True)
    ran = beside_reserved(contiguous(jobs, np.array([5])), jobs, 1_000)
    assert ([5], [True]) == (ran.schedule.start.tolist(), ran.reserved.tolist())


def test_pieces_that_meet_under_a_cap_are_one() -> None:
    """A first piece that ends late, when the next is due, goes on as one and keeps its core."""
    jobs = jobs_of((0, 3, 9), (0, 2, 9))
    columns = ([0, 1, 1], [0, 0, 2], [3, 1, 3])
    ran = capped(merged(*(np.array(c, np.int64) for c in columns)), jobs, 1_000)
    assert [(0, 0, 3), (1, 3, 5)] == list(zip(ran.job, ran.start, ran.stop, strict=True))
    on = beside_reserved(ran, jobs, 1_000, fixed=True)
    assert [True, False] == on.reserved.tolist()


def test_first_fit_finds_the_first() -> None:
    """Among needs 5, 2, 9, 2 the first that fits into 4 is the second; none fits into 1."""
    waiting = Waiting(4)
    for place, need in enumerate((5, 2, 9, 2)):
        waiting.put(place, need)
    assert (1, 0, -1) == (waiting.first(4), waiting.first(5), waiting.first(1))
    waiting.take(1)
    assert (3, 3) == (waiting.first(4), waiting.count)


def test_room_is_what_a_grid_says() -> None:
    """Thousands of takings leave free what an array of ticks has, also where steps are dropped."""
    draw = np.random.default_rng(0)
    room, grid = Room(10**9, 0), np.full(20_000, 10**9)
    for low in np.sort(draw.integers(0, 19_000, 4_000)).tolist():
        start = low + int(draw.integers(0, 400))
        stop, need = start + int(draw.integers(1, 400)), int(draw.integers(1, 99))
        room.forget(low)
        room.take(start, stop, need)
        grid[start:stop] -= need
    at, free = room.window(19_000, 20_000)
    found = np.repeat(free, np.diff(np.append(at, 20_000)))
    np.testing.assert_array_equal(grid[19_000:], found)


# ------------------------------------------------------------------------------------------
# The account
# ------------------------------------------------------------------------------------------


def test_emissions_of_a_job_by_hand() -> None:
    """Two cores of 50 W for an hour at 100 and half an hour at 300 g/kWh emit 25 g."""
    series = intensity_of(100.0, 300.0, width=2, tick_ms=30 * MS_PER_MIN)
    jobs = jobs_of((0, 3, 0), cores=2)
    assert pytest.approx(25.0) == carbon_g(contiguous(jobs, jobs.arrival), jobs, series, 50.0)


def test_usual_cores_are_weighted_by_time() -> None:
    """Ten cores for 4 of 100 hours, else two: two for 95 % of the time, ten for 97 %."""
    jobs = replace(jobs_of((0, 100, 0), (0, 4, 0)), cpu_m=np.array([2_000, 8_000]))
    schedule = contiguous(jobs, jobs.arrival)
    assert 2_000 == usual_cpu_m(schedule, jobs.cpu_m, 0.95)
    assert 10_000 == usual_cpu_m(schedule, jobs.cpu_m, 0.97)
    assert 10_000 == peak_cpu_m(schedule, jobs.cpu_m)
    assert ([0, 4, 100], [10_000, 2_000, 0]) == tuple(
        c.tolist() for c in running(schedule, jobs.cpu_m)
    )
