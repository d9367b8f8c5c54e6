"""What a result says of the forecasts that its policies used."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import greensched as gs
from greensched.experiment.forecasts import Worth, forecast_of, worth_of
from greensched.experiment.world import shared
from greensched.model.pools import by_pool, with_sums
from greensched.scenario import build_workload
from greensched.units import MS_PER_DAY, MS_PER_H
from tests.conftest import ROOT

if TYPE_CHECKING:
    from greensched.scenario import Scenario, Workload

WEEK = ROOT / "simulations" / "tidal-week.yaml"


@pytest.fixture(scope="module")
def week() -> tuple[Scenario, Workload]:
    """Return the bundled week and its demand, elastic capacity and co-location off."""
    off = {"policies.elastic.enabled": False, "policies.colocation.enabled": False}
    scenario = gs.load(WEEK, overrides=off)
    return scenario, build_workload(scenario)


def worth(scenario: Scenario, workload: Workload, **having: Any) -> Worth:
    """Return what tidal scheduling's forecast was worth."""
    workload = replace(workload, **having)
    found = worth_of(scenario, workload, forecast_of(scenario, workload, 8 * MS_PER_DAY))
    assert found is not None
    return found


def test_who_runs_no_policy_waits_for_no_forecast(week: tuple[Scenario, Workload]) -> None:
    """A world without forecasts has none of load and none of intensity; else it has both."""
    for asked in (True, False):
        world = shared(week[0], forecasts=asked)
        assert [asked, asked] == [world.forecast is not None, world.carbon is not None]


def test_figures_are_those_of_the_words(week: tuple[Scenario, Workload]) -> None:
    """Errors, skill and coverage stand in the summary as numbers, rounded in the finding alone."""
    found = worth(*week)
    summary, (text,) = found.summary, found.findings
    head = ("kind", "fallback", "history_days", "oracles")
    assert ["hour-of-week", None, 28.0, []] == [summary[key] for key in head]
    each, sums = summary["each"], summary["sums"]
    said = f"{each['error_share']:.1%} off ({each['rival']} {each['rival_error_share']:.1%})"
    assert said in text
    assert f"its 99% band in {sums['coverage_whole_share']:.1%}" in text
    assert (0.95, 0.99) == (each["quantile"], sums["quantile"])
    for one in (each, sums):
        skill = 1 - one["error_share"] / one["rival_error_share"]
        assert pytest.approx(skill) == one["skill_vs_persistence"]
        assert 0 < skill < 1


def test_sums_are_told_where_a_policy_asked(week: tuple[Scenario, Workload]) -> None:
    """The error of the services' sum is told beside theirs, far below it, with its coverage."""
    (text,) = worth(*week).findings
    assert text.startswith("services forecast by hour-of-week from 28 days of history: 1 h ahead")
    each, total = (float(part.split("% off")[0].rsplit(" ", 1)[1]) for part in text.split(";"))
    assert total < each / 3
    held = float(text.split("the whole hour below its 99% band in ")[1].split("%")[0])
    assert held == pytest.approx(99.0, abs=1.0)


def test_days_of_history_are_not_rounded_up(week: tuple[Scenario, Workload]) -> None:
    """An hour short of 14 days is told as 13.9 days: 14 would have given hours of the week."""
    past = week[1].history_services
    assert past is not None
    steps = (14 * 24 - 1) * MS_PER_H // past.step_ms
    start_ms = past.start_ms + (past.load_cpu_m.shape[1] - steps) * past.step_ms
    short = replace(past, load_cpu_m=past.load_cpu_m[:, -steps:], start_ms=start_ms)
    found = worth(*week, history_services=short)
    (text,) = found.findings
    assert text.startswith("services forecast by hour-of-day from 13.9 days of history: ")
    assert ("hour-of-day", 13.9) == (found.summary["fallback"], found.summary["history_days"])


def test_the_timetable_is_named_where_history_is_short(week: tuple[Scenario, Workload]) -> None:
    """Without history it is said that the timetable was followed, and why."""
    expected = (
        "no forecast of services, the timetable throughout: 0.0 days of history, less than 2"
    )
    found = worth(*week, history_services=None)
    assert (expected,) == found.findings
    assert ("reactive", "the timetable") == (found.summary["kind"], found.summary["fallback"])
    assert None is found.summary["each"] is found.summary["sums"]


def test_an_oracle_is_named(week: tuple[Scenario, Workload]) -> None:
    """A result that used the true future says so, and no forecast's errors."""
    scenario, workload = week
    found = worth(scenario.with_(**{"policies.tidal.kind": "tidal-oracle"}), workload)
    assert ("tidal-oracle: an oracle, shown the true future; nothing to deploy",) == found.findings
    assert (["tidal-oracle"], None) == (found.summary["oracles"], found.summary["kind"])


def test_a_day_is_forecast_from_the_end(week: tuple[Scenario, Workload]) -> None:
    """At the last instant of a run the longest term can still be asked for."""
    scenario, workload = week
    forecast = forecast_of(scenario, workload, scenario.window_ms)
    assert forecast is not None
    assert forecast.with_sums is not None
    last = replace(forecast.with_sums.begin, at_ms=scenario.window_ms)
    asked = forecast.with_sums.upper(
        last, scenario.window_ms, scenario.window_ms + MS_PER_DAY, 0.99, whole=True
    )
    assert (42,) == asked.shape


def test_sums_by_pool() -> None:
    """Services whose replicas take GPUs are summed apart from those whose do not."""
    load, gpu_m = np.array([[1, 2], [10, 20], [100, 200]]), np.array([0, 500, 0])
    np.testing.assert_array_equal([[101, 202], [10, 20]], by_pool(load, gpu_m))
    np.testing.assert_array_equal([1, 10, 100, 101, 10], with_sums(load[:, 0], gpu_m))
    assert (2, 0) == by_pool(np.empty((3, 0), np.int64), gpu_m).shape
