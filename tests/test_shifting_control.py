"""A shifting policy that is woken again and again, against the schedule that it makes at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from greensched import registry
from greensched.model import NONE, Release, Resume, Suspend, WaitingView
from greensched.policies.memory import from_json, to_json
from greensched.policies.shifting.control import Shifting
from greensched.policies.shifting.plan import Plan
from greensched.ticks import TickIntensity, TickJobs, on_ticks
from greensched.units import MS_PER_H
from tests.effort import examples
from tests.shifting_cases import intensity_of, jobs_of, studies, ticks_of

every_policy = pytest.mark.parametrize("name", registry.names("shifting policy"))


def from_now(series: TickIntensity, now: int) -> TickIntensity:
    """Return the rest of a series."""
    at = now + series.lead
    return replace(
        series,
        values_g_per_kwh=series.values_g_per_kwh[at // series.width :],
        lead=at % series.width,
        length=series.length - now,
        zero_ms=series.zero_ms + now * series.tick_ms,
    )


def lived(policy: Shifting, jobs: TickJobs, series: TickIntensity) -> list[list[int]]:
    """Return the ticks on which each job runs in a world that obeys at once, hour by hour."""
    tick, n = series.tick_ms, len(jobs)
    ran: list[list[int]] = [[] for _ in range(n)]
    started, running = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    memory = policy.first_memory()
    for now in range(series.length):
        left = jobs.length - np.array([len(r) for r in ran])
        here = np.flatnonzero((jobs.arrival <= now) & (left > 0))
        running[left == 0] = False
        view = WaitingView(
            job=here,
            submit_ms=jobs.arrival[here] * tick,
            latest_start_ms=(jobs.latest + jobs.length - left)[here] * tick,
            left_ms=left[here] * tick,
            cpu_m=jobs.cpu_m[here],
            interruptible=jobs.interruptible[here],
            started=started[here],
            running=running[here],
        )
        actions, memory = policy.decide(now * tick, view, from_now(series, now), memory)
        memory = from_json(to_json(memory), policy.first_memory())
        obey(actions, now * tick, started, running)
        for j in np.flatnonzero(running).tolist():
            ran[j].append(now)
    return ran


def obey(actions: Any, now_ms: int, started: Any, running: Any) -> None:
    """Do what is asked for now; only what waits may start, only what runs may stop."""
    for action in actions:
        jobs = action.jobs[action.at_ms == now_ms]
        assert np.all(action.at_ms >= now_ms)
        if isinstance(action, Release):
            assert not started[jobs].any()
            started[jobs] = running[jobs] = True
            assert {NONE} == set(action.site.tolist())
        elif isinstance(action, Suspend):
            assert running[jobs].all()
            running[jobs] = False
        else:
            assert isinstance(action, Resume)
            assert started[jobs].all()
            assert not running[jobs].any()
            running[jobs] = True


@every_policy
@settings(max_examples=examples(25))
@given(study=studies())
def test_woken_every_tick_it_does_what_it_plans_at_once(
    name: str, study: tuple[TickJobs, TickIntensity]
) -> None:
    """Asked tick by tick, with memory kept as text, each policy runs the schedule of a study."""
    jobs, series = study
    jobs = replace(jobs, expected=jobs.length, latest=np.maximum(jobs.latest, jobs.arrival))
    policy = registry.load("shifting policy", name)()
    at_once = policy.plan(jobs, series)
    ran = lived(Shifting(policy=policy, period_ms=series.tick_ms), jobs, series)
    for j in range(len(jobs)):
        assert ticks_of(at_once, j) == ran[j]


def test_a_cap_holds_over_wakes() -> None:
    """Under a cap what runs keeps its core, and later arrivals find the room that is left."""
    jobs = jobs_of((0, 3, 0), (1, 1, 6), (2, 2, 6))
    series = intensity_of(5.0, 5.0, 5.0, 9.0, 4.0, 3.0, 3.0, 9.0, 9.0)
    ran = lived(Shifting(policy=Plan(cpu_m=1_000), period_ms=MS_PER_H), jobs, series)
    assert [[0, 1, 2], [5], [6, 7]] == ran


def test_a_new_forecast_moves_who_waits() -> None:
    """A job that was to start at 3 starts at 1 when the forecast has changed by then."""
    shifting = Shifting(policy=Plan(), period_ms=MS_PER_H)
    jobs = jobs_of((0, 1, 4))
    view = WaitingView(
        job=np.array([7]),
        submit_ms=np.array([0]),
        latest_start_ms=jobs.latest * MS_PER_H,
        left_ms=np.array([MS_PER_H]),
        cpu_m=np.array([1_000]),
        interruptible=np.array([False]),
        started=np.array([False]),
        running=np.array([False]),
    )
    first = intensity_of(9.0, 8.0, 8.0, 1.0, 9.0)
    actions, memory = shifting.decide(0, view, first, shifting.first_memory())
    assert () == actions
    assert [3 * MS_PER_H] == memory.start_ms.tolist()
    second = intensity_of(2.0, 8.0, 8.0, 9.0)
    (release,), _ = shifting.decide(MS_PER_H, view, second, memory)
    assert isinstance(release, Release)
    assert ([7], [MS_PER_H]) == (release.jobs.tolist(), release.at_ms.tolist())


def test_what_runs_keeps_its_core_under_a_new_forecast() -> None:
    """A job that waits does not take the core, however clean the hour, of one that runs."""
    shifting = Shifting(policy=Plan(cpu_m=1_000), period_ms=MS_PER_H)
    view = WaitingView(
        job=np.array([0, 1]),
        submit_ms=np.array([0, 0]),
        latest_start_ms=np.array([5, 0]) * MS_PER_H,
        left_ms=np.array([1, 2]) * MS_PER_H,
        cpu_m=np.array([1_000, 1_000]),
        interruptible=np.array([False, False]),
        started=np.array([False, True]),
        running=np.array([False, True]),
    )
    forecast = intensity_of(9.0, 1.0, 5.0, 4.0, 9.0, 9.0, 9.0)
    actions, memory = shifting.decide(0, view, forecast, shifting.first_memory())
    assert () == actions
    assert [3 * MS_PER_H, 0] == memory.start_ms.tolist()


def test_what_is_overdue_starts_now() -> None:
    """A job whose latest start has passed starts at once, whatever the forecast."""
    shifting = Shifting(policy=Plan(), period_ms=MS_PER_H)
    view = WaitingView(
        job=np.array([0]),
        submit_ms=np.array([-9 * MS_PER_H]),
        latest_start_ms=np.array([-MS_PER_H]),
        left_ms=np.array([MS_PER_H]),
        cpu_m=np.array([1_000]),
        interruptible=np.array([True]),
        started=np.array([False]),
        running=np.array([False]),
    )
    (release,), _ = shifting.decide(0, view, intensity_of(9.0, 1.0), shifting.first_memory())
    assert [0] == release.at_ms.tolist()


def test_actions_reach_to_the_next_wake() -> None:
    """Woken every three hours it says at once when a job starts, pauses and goes on until then."""
    shifting = Shifting(policy=Plan(), period_ms=3 * MS_PER_H)
    view = WaitingView(
        job=np.array([0]),
        submit_ms=np.array([0]),
        latest_start_ms=np.array([2 * MS_PER_H]),
        left_ms=np.array([2 * MS_PER_H]),
        cpu_m=np.array([1_000]),
        interruptible=np.array([True]),
        started=np.array([False]),
        running=np.array([False]),
    )
    actions, _ = shifting.decide(
        0, view, intensity_of(1.0, 9.0, 1.0, 9.0), shifting.first_memory()
    )
    assert [("Release", 0), ("Suspend", 1), ("Resume", 2)] == [
        (type(a).__name__, a.at_ms[0] // MS_PER_H) for a in actions
    ]


def test_ticks_of_a_forecast_begin_at_the_wake() -> None:
    """A forecast on ticks of a minute may begin at any full minute of its hours."""
    from greensched.carbon import from_samples

    times = np.arange(3, dtype=np.int64) * MS_PER_H
    hourly = from_samples("X", times, np.array([1.0, 2.0, 3.0]))
    assert 61 == on_ticks(hourly, zero_ms=2 * MS_PER_H - 60_000, tick_ms=60_000).length
