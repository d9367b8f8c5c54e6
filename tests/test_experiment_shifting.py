"""Shifting in whole runs: forecasts without the future, a switch as the others, waits that end."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from greensched.engine.shifting import latest_starts
from greensched.engine.simulate import simulate
from greensched.experiment import run
from greensched.experiment.attribute import attribute
from greensched.experiment.carbon_forecast import carbon_forecast_of, findings, mixed, summary_of
from greensched.experiment.sensitivity import Spreads, sensitivity
from greensched.experiment.world import Shared, shared
from greensched.forecast.error_model import ErrorModel
from greensched.policies.shifting.switch import CarbonShiftingOracle
from greensched.scenario import loads
from greensched.units import MS_PER_H, MS_PER_MIN

TEXT = """
apiVersion: greensched/v1
kind: Scenario
name: waits
window: {start: 2023-03-06T00:00+08:00, hours: 12}
seed: 7
sites: [{name: hz, zone: CN-EAST, pue: 1.25, intensity: SOURCE}]
fleet:
  - name: gen8
    site: hz
    count: 150
    cores: 64
    memory: 256 GiB
    power: {idle: 110 W, peak: 320 W}
traces: {jobs: bundled:batch-week}
policies:
  - {kind: elastic}
  - {kind: shifting, policy: lowest-window, max_delay: 6 h}
"""


@cache
def world(source: str = "bundled:three-zones") -> Shared:
    """Return the shared parts of the scenario with an intensity."""
    return shared(loads(TEXT.replace("SOURCE", source)))


def outcome(given: Shared, *, switched: bool = True) -> Any:
    """Return the jobs of a run of all machines with shifting alone, or with nothing."""
    policies = given.scenario.policies[1:] if switched else ()
    setting = given.setting("run", policies=policies)
    return setting, simulate(setting)


def test_deferrable_jobs_wait_and_all_start_in_time() -> None:
    """Deferrable jobs wait for hours, nobody past the latest start, the others not at all."""
    setting, run_ = outcome(world())
    jobs, latest = setting.jobs, latest_starts(setting)
    may = latest >= 0
    waits = run_.jobs.start_ms - jobs.submit_ms
    assert (run_.jobs.start_ms[may] <= latest[may]).all()
    assert waits[may].mean() > MS_PER_H
    assert [0] == np.unique(waits[~may]).tolist()
    assert len(jobs) == run_.counts["completed"]


def test_jobs_move_to_cleaner_hours() -> None:
    """The mean deferrable job runs in hours that are cleaner by more than 10 g/kWh."""
    # By count: the largest ask for several times as long as they run, and are misplaced.
    given = world()
    series = given.intensity["hz"]
    upto = np.concatenate([[0.0], np.cumsum(series.values_g_per_kwh * np.diff(series.edges_ms))])
    means = []
    for switched in (True, False):
        setting, done = outcome(given, switched=switched)
        runs = np.array([done.jobs.start_ms, done.jobs.end_ms]) + given.scenario.start_utc_ms
        begun, ended = np.interp(runs, series.edges_ms, upto)
        own = latest_starts(setting if switched else outcome(given)[0]) >= 0
        means.append(((ended - begun) / (runs[1] - runs[0]))[own].mean())
    assert means[0] < means[1] - 10.0


def test_constant_intensity_leaves_every_job_where_it_was() -> None:
    """Where intensity is one constant a run with the switch is the run without it."""
    given = world("500 g/kWh")
    with_it, without = outcome(given)[1].jobs, outcome(given, switched=False)[1].jobs
    assert without.start_ms.tobytes() == with_it.start_ms.tobytes()
    assert without.energy_j.tobytes() == with_it.energy_j.tobytes()
    assert ("shifting does nothing: intensity is one constant",) == findings(
        given.carbon, given.workload.jobs
    )


def test_forecasts_know_nothing_of_what_comes() -> None:
    """Another future changes no forecast made before it, and the oracle's at once."""
    carbon = world().carbon
    assert carbon is not None
    now_ms = 6 * MS_PER_H
    values = carbon.series.values_g_per_kwh.copy()
    values[carbon.series.edges_ms[:-1] >= carbon.start_utc_ms + now_ms] = 1.0
    other = replace(carbon, series=replace(carbon.series, values_g_per_kwh=values), early=())
    before, after = (c.issued(now_ms, truth=False) for c in (carbon, other))
    assert before is not None
    assert after is not None
    assert before.values_g_per_kwh.tobytes() == after.values_g_per_kwh.tobytes()
    true = other.issued(now_ms, truth=True)
    assert true is not None
    assert {1.0} == set(true.values_g_per_kwh.tolist())


def test_forecasts_of_intensity_go_by_the_calendar() -> None:
    """From the hour in which the scenario's clock changes, what is foretold is an hour off."""
    known = []
    for zone in ("", "calendar: {time_zone: America/New_York}\n"):
        carbon = shared(loads(TEXT.replace("SOURCE", "bundled:three-zones") + zone)).carbon
        assert carbon is not None
        found = carbon.issued(0, truth=False)
        assert found is not None
        known.append(found.values_g_per_kwh)
    hours = 6 * 24 + 15  # from 5 March 16:00 UTC to 12 March 07:00 UTC
    assert np.array_equal(known[0][:hours], known[1][:hours])
    assert not np.isclose(known[0][hours:], known[1][hours:]).any()


def test_without_two_days_of_past_nobody_waits() -> None:
    """With a day of history there is no forecast: jobs start at once, and the result says so."""
    scenario = loads(TEXT.replace("SOURCE", "bundled:three-zones") + "history: {days: 1}\n")
    given = shared(scenario)
    setting, done = outcome(given)
    assert [0] == np.unique(done.jobs.start_ms - setting.jobs.submit_ms).tolist()
    expected = ("no forecast of intensity for 12 h: nobody waited then",)
    assert expected == findings(given.carbon, given.workload.jobs)
    told = summary_of(given.carbon, scenario.policies)
    assert told is not None
    assert (12.0, "no-wait", None) == (told["unknown_h"], told["fallback"], told["error_share"])


def test_sites_are_mixed_by_their_cores() -> None:
    """Of two sites the planned intensity is the mean by weight, in the finer of their steps."""
    series = world().intensity["hz"]
    half = replace(series, values_g_per_kwh=series.values_g_per_kwh * 0.5)
    both = mixed([(series, 30), (half, 10)])
    assert np.allclose(0.875 * series.values_g_per_kwh, both.values_g_per_kwh)
    assert series.edges_ms.tolist() == both.edges_ms.tolist()


def test_attribution_takes_shifting_as_a_switch() -> None:
    """Elastic and shifting make four runs, whose parts sum to the saving of the table."""
    scenario = loads(TEXT.replace("SOURCE", "bundled:three-zones"))
    found = attribute(scenario)
    parts = found.parts["scope2_location_mg"]
    assert {"elastic-predictive", "shifting"} <= {part.name for part in parts}
    assert found.totals["scope2_location_mg"] == sum(part.shapley for part in parts)
    assert 4 == len(found.combinations)


def test_a_step_between_starts_is_whole_ticks() -> None:
    """Starts every 20 minutes are planned in ticks of 5, not on the quarters of an hour."""
    given = world()
    policy = CarbonShiftingOracle(policy="lowest-window", step_ms=20 * MS_PER_MIN)
    for policies, tick_min in (((policy,), 5), ((replace(policy, step_ms=None),), 15)):
        scenario = replace(given.scenario, policies=policies)
        found = carbon_forecast_of(scenario, given.intensity, given.fleet)
        assert (tick_min * MS_PER_MIN) == (found.tick_ms if found else None)


def test_constant_intensity_saves_exactly_nothing() -> None:
    """Under one constant intensity the switch saves 0 of everything, to the last unit (HK)."""
    found = attribute(loads(TEXT.replace("SOURCE", "500 g/kWh")))
    for parts in found.parts.values():
        own = next(part for part in parts if part.name == "shifting")
        assert (0, 0, 0) == (own.alone, own.last_in, own.shapley)


def test_waits_stand_in_the_table() -> None:
    """`run` shows the waits of what was held as it shows all waits."""
    result = run(loads(TEXT.replace("SOURCE", "bundled:three-zones")), bounds=False)
    assert result.outcome.batch["wait_p95_s"] > 3_600 > result.static_peak.batch["wait_p95_s"]
    (text,) = (text for text in result.findings if "intensity forecast every 6 h" in text)
    told = result.summary["forecasts"]["intensity"]
    assert (["shifting"], "past", None) == (told["policies"], told["kind"], told["fallback"])
    assert f"{told['error_share']:.1%} off (the day before again: " in text
    skill = 1 - told["error_share"] / told["rival_error_share"]
    assert pytest.approx(skill) == told["skill_vs_persistence"]


def test_errors_are_added_to_forecasts_of_intensity() -> None:
    """Each forecast has nearly none at its first hour, the spread at far ones, alike in time."""
    carbon = world().carbon
    assert carbon is not None
    model = ErrorModel(spread_share=0.3, memory_h=12.0)
    wrong = carbon.erring(model, np.random.default_rng(5))
    told = [
        np.log(after.values_g_per_kwh / before.values_g_per_kwh)
        for before, after in zip(carbon.early, wrong.early, strict=True)
        if before is not None and after is not None
    ]
    assert len(carbon.early) == len(told)
    first = np.array([errors[0] for errors in told])
    far = np.concatenate([errors[48:] for errors in told])
    assert [0.0, 0.3] == pytest.approx([first.std(), far.std()], abs=0.1)
    steps = np.concatenate([np.diff(errors[48:]) for errors in told])
    assert steps.std() < 0.5 * far.std()


def test_sensitivity_runs_a_worse_forecast_of_intensity() -> None:
    """A scenario whose only forecast is of intensity has the axis, and its end is another one."""
    text = TEXT.replace("SOURCE", "bundled:three-zones").replace("hours: 12", "hours: 3")
    found = sensitivity(
        loads(text.replace("  - {kind: elastic}\n", "")),
        Spreads(seeds=0, idle_share=0.0, forecast_share=0.5),
    )
    (axis,) = (a for a in found.axes if a.name == "forecast error")
    assert axis.low.values == found.mid
    assert axis.swing("savings.scope2_location_kg") > 0
