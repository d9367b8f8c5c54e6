"""When a plan is made anew, and of what; new Jobs beside those that stay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from greensched.carbon import CarbonIntensity
from greensched.controller.planner import is_as_before
from greensched.units import MS_PER_H, MS_PER_MIN
from tests.controller.cases import START_MS, job_body
from tests.controller.test_controller_loop import CLEAN_AT_3, JOBS, Small


def _count_plans(small: Small, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many Jobs each plan from now on places, as they are made."""
    found: list[int] = []
    plan = small.controller.planner.plan

    def counted(*args: Any) -> set[str]:
        placed = plan(*args)
        found.append(len(placed))
        return placed

    monkeypatch.setattr(small.controller.planner, "plan", counted)
    return found


def _waiting(count: int) -> Small:
    """Return a cluster in which Jobs of 2 cores wait for two hours that hold four of them."""
    small = Small((*(400.0,) * 3, 100.0, 150.0, *(400.0,) * 19), {"capacity": {"cpu": "8"}})
    for i in range(count):
        small.make(JOBS, job_body(f"job-{i}", duration="1h", max_delay="12h"))
    small.go(MS_PER_MIN)
    return small


def test_new_jobs_are_planned_beside_those_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth Job takes the next cleanest hour; the four that fill the first are not asked."""
    small = _waiting(4)
    placed = _count_plans(small, monkeypatch)
    small.make(JOBS, job_body("new", duration="1h", max_delay="12h"))
    small.go(MS_PER_MIN)
    assert [1] == placed
    starts = [small.notes(f"job-{i}")["planned-start"] for i in range(4)]
    assert {"2026-03-10T03:00:00Z"} == set(starts)
    assert "2026-03-10T04:00:00Z" == small.notes("new")["planned-start"]


def test_without_news_nothing_is_planned_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a forecast that stays as it was the plan stays, and nobody is told."""
    small = _waiting(4)
    placed, calls = _count_plans(small, monkeypatch), dict(small.store.calls)
    small.go(55 * MS_PER_MIN)
    assert [0] * len(placed) == placed
    assert 3 <= len(placed)
    writes = ("PATCH jobs", "POST events", "PUT deferrals")
    assert [calls.get(w, 0) for w in writes] == [small.store.calls.get(w, 0) for w in writes]


@pytest.mark.parametrize("change", ["capacity", "room"])
def test_all_is_planned_anew_where_room_comes(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another capacity, or a Job that is deleted, lets the one in the second hour move up."""
    small = _waiting(5)
    placed = _count_plans(small, monkeypatch)
    assert "2026-03-10T04:00:00Z" == small.notes("job-4")["planned-start"]
    if change == "capacity":
        path = "/apis/greensched.io/v1alpha1/carbonpolicies/default"
        small.store.handle("PATCH", path, {}, {"spec": {"capacity": {"cpu": "10"}}}, "human")
    else:
        small.store.handle("DELETE", f"{JOBS}/job-0", {}, None, "human")
    small.go(MS_PER_MIN)
    assert [5 if change == "capacity" else 4] == placed
    assert "2026-03-10T03:00:00Z" == small.notes("job-4")["planned-start"]


def test_what_waits_is_told_hourly() -> None:
    """Each hour the same sentence is told again, and no longer once the Job runs."""
    small = Small(CLEAN_AT_3)
    small.make(JOBS, job_body("one", actual_s=7_200, duration="2h", max_delay="12h"))
    small.go(3 * MS_PER_H + 30 * MS_PER_MIN)
    assert 3 == sum(told.startswith("waits until") for told in small.said())
    told = len(small.said())
    small.go(5 * MS_PER_H)
    assert small.said()[told:] == [s for s in small.said()[told:] if s.startswith("settled")]


def test_where_many_wait_they_are_told_of_less_often() -> None:
    """Of 1,200 Jobs each is told of again every two hours: one in six seconds of all."""
    small = Small(CLEAN_AT_3)
    writes = small.controller.writes
    small.make(JOBS, job_body("one", duration="1h", max_delay="12h"))
    small.go(MS_PER_MIN)
    (job,) = small.controller.cache.jobs.values()
    for i in range(1_200):
        writes.note_told(replace(job, uid=f"u{i}"), "Deferred", "waits", START_MS)
    writes.hush(job.uid)
    assert [] == list(writes.told_long_ago(START_MS + 2 * MS_PER_H - 1))
    assert "u0" == next(writes.told_long_ago(START_MS + 2 * MS_PER_H))[0]


def _series(*values: float, first: int = 0) -> CarbonIntensity:
    edges_ms = START_MS + MS_PER_H * np.arange(first, first + len(values) + 1)
    return CarbonIntensity(zone="DE", edges_ms=edges_ms, values_g_per_kwh=np.array(values))


@pytest.mark.parametrize(
    ("after", "until_h", "same"),
    [
        (_series(2, 3, 4, first=1), 4, True),
        (_series(2, 3, 4, 5, first=1), 5, True),  # more is asked for than Jobs looked at before
        (_series(2, 3, first=1), 3, True),  # less is
        (_series(2, 3, 4.5, first=1), 4, False),
        (_series(2, 3, first=1), 4, False),
    ],
)
def test_a_forecast_that_says_the_same(after: CarbonIntensity, until_h: int, same: bool) -> None:
    """What has passed does not count, nor what was not asked for; values and reach do."""
    before = (_series(1, 2, 3, 4), START_MS + 4 * MS_PER_H, None)
    found = (after, START_MS + until_h * MS_PER_H, None)
    assert same == is_as_before(before, found, START_MS + MS_PER_H + MS_PER_MIN)


def test_a_forecast_that_reaches_further_than_one_that_did_not_suffice_is_news() -> None:
    """Where not all that was asked for was known, more is another forecast."""
    before = (_series(1, 2), START_MS + 4 * MS_PER_H, None)
    after = (_series(1, 2, 3), START_MS + 4 * MS_PER_H, None)
    assert not is_as_before(before, after, START_MS)
    assert is_as_before((None, 0, None), (None, 0, None), START_MS)
    assert not is_as_before((None, 0, None), after, START_MS)
