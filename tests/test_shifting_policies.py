"""Policies of shifting, each on a case worked out by hand in which it differs from others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from greensched.bounds.transport import Transport
from greensched.errors import UsageError
from greensched.policies.shifting.calendar import NextWorkday, SemiWeekly
from greensched.policies.shifting.exact import exact
from greensched.policies.shifting.greedy import greedy
from greensched.policies.shifting.plan import Plan
from greensched.policies.shifting.starts import CarbonTime, LowestSlot, LowestWindow, NoWait
from greensched.policies.shifting.suspended import Ecovisor, WaitAwhile
from greensched.policies.shifting.wake import Wake
from greensched.shift.account import carbon_g
from greensched.units import MS_PER_H
from tests.shifting_cases import intensity_of, jobs_of, ticks_of

# ------------------------------------------------------------------------------------------
# Policies, each on a case where it differs from its neighbours
# ------------------------------------------------------------------------------------------

VALUES = (5.0, 2.0, 9.0, 3.0, 3.0, 8.0, 1.0, 9.0, 9.0, 9.0)


@pytest.mark.parametrize(
    ("policy", "ticks"),
    [
        (NoWait(), [0, 1]),
        (LowestSlot(), [6, 7]),  # the cleanest tick, whatever follows
        (LowestWindow(), [3, 4]),  # 3 + 3 is the least of two in a row
        (CarbonTime(), [3, 4]),  # (7 - 6) / 5 beats 0
        (WaitAwhile(), [1, 6]),  # the two cleanest ticks
        (Ecovisor(), [1, 6]),  # below 3, the 30th percentile
    ],
)
def test_policies_differ_as_they_should(policy: Any, ticks: list[int]) -> None:
    """Each published policy runs a job of two hours in the hours of its definition."""
    assert ticks == ticks_of(policy.plan(jobs_of((0, 2, 6)), intensity_of(*VALUES)), 0)


@pytest.mark.parametrize(
    ("ends", "workday", "half_week"),
    [
        ("2020-01-02 12:00", "2020-01-02 12:00", "2020-01-06 09:00"),  # a Thursday
        ("2020-01-02 17:00", "2020-01-02 17:00", "2020-01-06 09:00"),  # at closing time
        ("2020-01-02 17:01", "2020-01-03 09:00", "2020-01-06 09:00"),
        ("2020-01-02 09:00", "2020-01-02 09:00", "2020-01-02 09:00"),  # at opening time
        ("2020-01-02 08:59", "2020-01-02 09:00", "2020-01-02 09:00"),
        ("2020-01-02 09:01", "2020-01-02 09:01", "2020-01-06 09:00"),
        ("2020-01-03 18:00", "2020-01-04 09:00", "2020-01-06 09:00"),  # Friday evening
        ("2020-01-04 12:00", "2020-01-06 09:00", "2020-01-06 09:00"),  # Saturday
        ("2020-01-05 08:00", "2020-01-06 09:00", "2020-01-06 09:00"),  # Sunday
        ("2020-01-06 08:59", "2020-01-06 09:00", "2020-01-06 09:00"),  # Monday
        ("2020-01-06 09:00", "2020-01-06 09:00", "2020-01-06 09:00"),
        ("2020-01-06 09:01", "2020-01-06 09:01", "2020-01-09 09:00"),
        ("2020-02-28 18:00", "2020-02-29 09:00", "2020-03-02 09:00"),  # over a leap day
        ("2019-12-31 23:00", "2020-01-01 09:00", "2020-01-02 09:00"),  # over a year's end
    ],
)
def test_deadlines_of_the_calendar(ends: str, workday: str, half_week: str) -> None:
    """Deadlines are those of the definitions, at and beside each hour at which they change."""
    end_ms = np.array([np.datetime64(ends, "ms").astype(np.int64)])
    for policy, deadline in ((NextWorkday(), workday), (SemiWeekly(), half_week)):
        found = policy.deadline_ms(end_ms).astype("datetime64[ms]")
        assert np.datetime64(deadline, "ms") == found[0]


def test_the_tick_of_the_deadline_is_in_the_window() -> None:
    """A job that would end on a Thursday at 05:00 may use the hour from 09:00 on, no later one."""
    series = intensity_of(*[9.0] * 9, 5.0, 1.0, 1.0)
    jobs = jobs_of((4, 1, 0))
    assert [9] == ticks_of(NextWorkday().plan(jobs, series), 0)
    assert [9] == NextWorkday().window(jobs, series).latest.tolist()


def test_carbon_time_weighs_waiting() -> None:
    """A small saving soon beats a larger one that takes much longer."""
    series = intensity_of(10.0, 8.0, 10.0, 10.0, 10.0, 10.0, 5.0)
    assert [1] == ticks_of(CarbonTime().plan(jobs_of((0, 1, 6)), series), 0)
    assert [6] == ticks_of(LowestWindow().plan(jobs_of((0, 1, 6)), series), 0)


def test_the_last_candidate_before_an_edge_may_be_the_best() -> None:
    """On a grid of 5 ticks within slots of 24 a job of 24 starts just before the clean slot."""
    series = intensity_of(10.0, 1.0, 100.0, 100.0, width=24)
    jobs = jobs_of((4, 24, 60))
    assert [24] == LowestWindow(step_ms=5 * MS_PER_H).plan(jobs, series).start.tolist()
    jobs = jobs_of((3, 24, 60))
    assert [23] == LowestWindow(step_ms=5 * MS_PER_H).plan(jobs, series).start.tolist()
    assert [23] == CarbonTime(step_ms=5 * MS_PER_H).plan(jobs, series).start.tolist()


def test_a_tie_is_no_reason_to_run_longer() -> None:
    """Of six equal ticks a job of two takes the first two: a threshold would take all six."""
    series = intensity_of(9.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 9.0)
    assert [1, 2] == ticks_of(WaitAwhile().plan(jobs_of((0, 2, 6)), series), 0)


def test_ecovisor_runs_on_once_it_has_waited_enough() -> None:
    """After its four ticks of waiting it no longer looks at intensity."""
    series = intensity_of(9.0, 9.0, 1.0, *[9.0] * 7)
    assert [2, 5, 6] == ticks_of(Ecovisor().plan(jobs_of((0, 3, 4)), series), 0)


# ------------------------------------------------------------------------------------------
# The plan
# ------------------------------------------------------------------------------------------


def test_greedy_takes_the_next_best_room() -> None:
    """The second of two jobs finds the cleanest hour taken and takes the next one."""
    jobs = jobs_of((0, 1, 3), (0, 1, 3))
    schedule = greedy(jobs, intensity_of(9.0, 1.0, 5.0, 9.0), 1_000)
    assert [1, 2] == schedule.start.tolist()


def test_late_where_there_is_no_room() -> None:
    """A job for which no start is left in its window takes the first after it."""
    jobs = jobs_of((0, 4, 0), (0, 2, 1))
    schedule = greedy(jobs, intensity_of(*[1.0] * 9), 1_000)
    assert [0, 4] == schedule.start.tolist()


def test_exact_beats_greedy_where_order_matters() -> None:
    """A flexible job that came first leaves the clean hour to one that cannot wait for another."""
    jobs = replace(jobs_of((0, 1, 3), (1, 1, 0), pauses=True), cpu_m=np.array([1_000, 1_000]))
    series = intensity_of(9.0, 1.0, 2.0, 9.0)
    assert [1] == ticks_of(greedy(jobs, series, 1_000), 0)
    found = Plan(solver="exact", cpu_m=1_000).plan(jobs, series)
    assert [[2], [1]] == [ticks_of(found, j) for j in (0, 1)]


def test_exact_without_pauses_is_the_optimum_too() -> None:
    """Of jobs that may not pause the flexible one that came first leaves the clean hour too."""
    jobs, series = jobs_of((0, 1, 3), (1, 1, 0)), intensity_of(9.0, 1.0, 2.0, 9.0)
    assert [1, 2] == greedy(jobs, series, 1_000).start.tolist()
    assert [2, 1] == Plan(solver="exact", cpu_m=1_000).plan(jobs, series).start.tolist()


@pytest.mark.parametrize(("cpu_m", "paused"), [(2_000, [1, 3, 5]), (1_000, [2, 3, 5])])
def test_exact_pauses_those_that_may(cpu_m: int, paused: list[int]) -> None:
    """Beside a job that may not pause another takes the cleanest hours that are left to it."""
    series = intensity_of(500.0, 10.0, 500.0, 10.0, 600.0, 10.0, 500.0, 500.0)
    jobs = replace(jobs_of((0, 3, 3), (0, 2, 3)), interruptible=np.array([True, False]))
    plan = Plan(solver="exact", cpu_m=cpu_m).plan(jobs, series)
    assert [paused, [0, 1]] == [ticks_of(plan, j) for j in (0, 1)]


def test_exact_shares_out_what_others_leave() -> None:
    """The program plans nothing in the hours of a job that may not pause, were it all of them."""
    series = intensity_of(6.0, 8.0, 2.0, 8.0, 4.0, 1.0, 1.0)
    jobs = jobs_of((0, 2, 1), (0, 1, 0), (1, 2, 2))
    jobs = replace(jobs, interruptible=np.array([True, False, True]))
    plan = Plan(solver="exact", cpu_m=1_000).plan(jobs, series)
    assert [[1, 2], [0], [3, 4]] == [ticks_of(plan, j) for j in range(3)]
    full = replace(jobs_of((0, 5, 0), (0, 1, 1)), interruptible=np.array([False, True]))
    assert [5] == ticks_of(Plan(solver="exact", cpu_m=1_000).plan(full, series), 1)


def test_exact_counts_what_going_on_takes() -> None:
    """1 + 2, another's 4 and a checkpoint at 2 are more than 1 + 5 and the other's 2."""
    series = intensity_of(1.0, 5.0, 2.0, 4.0, 4.0, 9.0, 9.0)
    jobs = jobs_of((0, 2, 1), (1, 1, 3), pauses=True)
    plan = Plan(solver="exact", cpu_m=1_000, checkpoint_ms=MS_PER_H).plan(jobs, series)
    assert [[0, 1], [2]] == [ticks_of(plan, j) for j in (0, 1)]


def test_another_forecast_is_solved_as_if_it_were_the_first() -> None:
    """A program that is solved again finds the optimum of the new intensity, however large."""
    jobs = jobs_of((0, 2, 4), (0, 3, 3), (1, 1, 5), pauses=True)
    first = intensity_of(*[0.001, 0.002] * 4)
    other = intensity_of(9_000.0, 4_000.0, 7_000.0, 1_000.0, 3_000.0, 2_000.0, 8_000.0, 5_000.0)
    program = Transport(jobs, first, 1_000)
    program.solve(first)
    again, fresh = program.solve(other), Transport(jobs, other, 1_000).solve(other)
    assert 25e6 == pytest.approx(fresh.least) == pytest.approx(again.least)
    assert 0.0 == pytest.approx(again.late.sum())
    assert 25_000.0 == carbon_g(exact(jobs, other, 1_000, program), jobs, other, 1_000.0)


def test_a_pause_must_pay_its_checkpoint() -> None:
    """A job pauses for a saving of 8; with checkpoints of two hours it does not."""
    series = intensity_of(1.0, 9.0, 1.0, 9.0, 9.0)
    jobs = jobs_of((0, 2, 3), pauses=True)
    assert [0, 2] == ticks_of(Plan().plan(jobs, series), 0)
    assert [0, 2] == ticks_of(Plan(checkpoint_ms=7 * MS_PER_H).plan(jobs, series), 0)
    assert [0, 1] == ticks_of(Plan(checkpoint_ms=9 * MS_PER_H).plan(jobs, series), 0)
    for cost, ticks in ((7.9, [0, 2]), (8.1, [0, 1])):  # the job's own
        own = replace(jobs, checkpoint=np.array([cost]))
        assert ticks == ticks_of(Plan().plan(own, series), 0)
        assert ticks == ticks_of(Plan(checkpoint_ms=MS_PER_H).plan(own, series), 0)


def test_a_machine_that_must_wake_counts() -> None:
    """Beside another job, on a machine that is on, is better than alone in a cleaner hour."""
    jobs = replace(jobs_of((0, 2, 0), (0, 1, 3)), cpu_m=np.array([1_000, 1_000]))
    series = intensity_of(6.0, 6.0, 5.0, 5.0)
    wake = Wake(machine_cpu_m=4_000, idle_w=20.0, core_w=10.0)
    assert [0, 2] == Plan().plan(jobs, series).start.tolist()
    assert [0, 0] == Plan(wake=wake).plan(jobs, series).start.tolist()
    on = replace(wake, machines_on=1)
    assert [0, 2] == Plan(wake=on).plan(jobs, series).start.tolist()


def test_a_new_plan_moves_only_for_a_better_reason() -> None:
    """With a margin of 20 % a start that is held stays for a gain of 10 %, not of 50 %."""
    jobs, held = jobs_of((0, 1, 3)), np.array([1])
    plan = Plan(hysteresis=0.2)
    assert [1] == plan.plan(jobs, intensity_of(30.0, 10.0, 9.0, 30.0), held).start.tolist()
    assert [2] == plan.plan(jobs, intensity_of(30.0, 10.0, 5.0, 30.0), held).start.tolist()


def test_settings_that_cannot_be_are_refused_together() -> None:
    """A cap of nothing, a share above 1 and woken machines in the program are told at once."""
    wake = Wake(machine_cpu_m=1, idle_w=1.0, core_w=1.0)
    with pytest.raises(UsageError) as told:
        Plan(cpu_m=0, hysteresis=2.0, wake=wake, solver="exact")
    assert {"cpu_m", "hysteresis", "wake"} == {f.where for f in told.value.findings}


def test_a_pause_that_gains_nothing_is_not_made() -> None:
    """1 + 1 and a checkpoint of 1 are as much as 1 + 2 without a pause, so there is none."""
    series = intensity_of(3.0, 1.0, 2.0, 1.0)
    jobs = jobs_of((0, 2, 2), pauses=True)
    assert [1, 2] == ticks_of(Plan(checkpoint_ms=MS_PER_H).plan(jobs, series), 0)
    assert [1, 3] == ticks_of(Plan().plan(jobs, series), 0)
