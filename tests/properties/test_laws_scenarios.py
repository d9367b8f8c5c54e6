"""Laws of whole results: random scenarios with services, jobs, databases and all switches."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import greensched as gs
from greensched.accounting import account, total
from greensched.engine.simulate import Simulation
from greensched.experiment.outcome import TOTALS
from greensched.experiment.partition import static_peak
from greensched.experiment.world import shared
from greensched.report.explain import Source, explain, keys
from greensched.report.outputs import read_result, write_result
from greensched.report.terminal import result_text
from tests.properties.scenarios import scenarios

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.engine.result import RunResult
    from greensched.experiment import Result
    from greensched.scenario import Scenario

EPSILON = 1e-9
MONOTONE = ("energy_facility_kwh", "scope2_location_kg", "cost")
few = settings(max_examples=4)
fewest = settings(max_examples=2)


@few
@given(scenarios())
def test_i01_i11_i13_i16_i23_hold_in_every_result(scenario: Scenario) -> None:
    """I-01, I-11, I-13, I-16, I-23: work, signs, embodied, bounds and roles of any result."""
    result = gs.run(scenario)
    summary = result.summary
    assert all(check["ok"] for check in summary["balance"])
    for one in result.runs.values():
        table = scenario_jobs(result)
        left, wasted = one.run.jobs.left_ms, one.run.jobs.wasted_ms
        ended = one.run.jobs.end_ms >= 0
        assert not left[ended].any()
        assert ((left >= 0) & (left <= table.duration_ms * table.tasks)).all()
        assert (wasted >= 0).all()
    for run in result.runs:
        assert all(summary[run][name] >= 0 for name in TOTALS)
    assert 0 == summary["savings"]["embodied_kg"] == summary["savings"]["embodied_high_kg"]
    for name, bound in (summary["bounds"] or {}).items():
        if name != "captured":
            assert bound <= summary["scenario"][name] * (1 + EPSILON)


def scenario_jobs(result: Result) -> Any:
    """Return the jobs of a result's demand."""
    return result.shared.workload.jobs


@few
@given(scenarios(switches=()))
def test_i04_no_switch_saves_nothing(scenario: Scenario) -> None:
    """A scenario without switches, against static-peak, saves exactly 0 of everything."""
    same = scenario.with_(**{"baseline.kind": "static-peak"})
    saved = gs.run(same, bounds=False).summary["savings"]
    assert {0} == {saved[name] for name in TOTALS}
    for part in ("service", "batch", "databases"):
        assert {0, None} >= set(saved[part].values())


@few
@given(scenario=scenarios(), more=st.sampled_from([0.01, 0.2, 0.5]))
def test_i12_more_pue_never_less_of_anything(scenario: Scenario, more: float) -> None:
    """A higher PUE changes no machine and no IT energy, and lowers no energy, carbon or cost."""
    pue = scenario.source.tree["sites"][0]["pue"] + more
    before = gs.run(scenario, bounds=False).summary
    after = gs.run(scenario.with_(**{"sites.0.pue": pue}), bounds=False).summary
    for run in ("baseline", "scenario"):
        assert before[run]["energy_it_kwh"] == after[run]["energy_it_kwh"]
        assert before[run]["service"] == after[run]["service"]
        assert all(before[run][name] <= after[run][name] for name in MONOTONE)


@few
@given(scenarios())
def test_i25_work_that_is_not_done_is_told(scenario: Scenario) -> None:
    """What a run leaves undone is counted, priced, and printed beside the saving."""
    cut = scenario.with_(end="cut")
    result = gs.run(cut, bounds=False)
    summary, table = result.summary, scenario_jobs(result)
    for name, one in result.runs.items():
        batch, out = summary[name]["batch"], one.run.jobs
        assert batch["jobs"] == batch["completed"] + batch["unfinished"]
        left_core_h = float((out.left_ms * table.cpu_m).sum()) / 3.6e9
        assert batch["backlog_core_h"] == pytest.approx(left_core_h)
        assert (batch["unfinished"] > 0) == (batch["backlog_core_h"] > 0)
        if batch["unfinished"] and batch["backlog_energy_kwh"] is not None:
            assert 0 < batch["backlog_energy_kwh"]
            assert 0 < batch["backlog_scope2_kg"]
        # functional units are of completed work alone
        done = table.duration_ms * table.tasks * table.cpu_m * (out.end_ms >= 0)
        assert batch["work_core_h"] == pytest.approx(float(done.sum()) / 3.6e9)
    text = result_text(summary, columns=120)
    for words in ("jobs unfinished", "missed deadlines", "violation, service-min", "evictions"):
        assert words in text
    if summary["scenario"]["batch"]["backlog_scope2_kg"]:
        assert "left undone" in text


@fewest
@given(scenarios())
def test_i26_i27_a_result_repeats_over_equal_demand(scenario: Scenario) -> None:
    """I-26, I-27: the same scenario gives the same bytes; all its runs saw the same demand."""
    one, other = (gs.run(scenario) for _ in range(2))
    assert json.dumps(one.summary) == json.dumps(other.summary)
    services = one.shared.workload.services
    assert services is not None
    wanted = {float(run.run.services.work_core_s.sum()) for run in one.runs.values()}
    assert 1 == len(wanted)
    assert one.entries.equals(other.entries)
    assert one.parts.equals(other.parts)


@few
@given(scenario=scenarios(), stops_ms=st.lists(st.integers(1, 6 * 3_600_000 - 1), max_size=6))
def test_i28_stopping_and_going_on_changes_nothing(
    scenario: Scenario, stops_ms: list[int]
) -> None:
    """A run that stops at any instants and goes on ends as one that does not, in whole units."""
    world = shared(scenario)
    fleet = static_peak(world, None)
    setting = world.setting(
        "drawn",
        policies=scenario.policies,
        roles=fleet.roles,
        replicas=fleet.replicas,
        places=fleet.places,
    )
    whole, parted = Simulation(setting), Simulation(setting)
    for stop_ms in sorted(set(stops_ms)):
        parted._env.run(until=stop_ms)
        parted._advance(stop_ms)
    _same(whole.finish().result(), parted.finish().result())
    end_ms = whole.end_ms + 7_777_777
    middle_ms = whole.end_ms + 1_234_567
    there = whole.extend(end_ms).result()
    back = parted.extend(middle_ms).extend(end_ms).result()
    _same(there, back)
    factors = world.factors(end_ms)
    one, other = (account(run.usage, factors) for run in (there, back))
    assert total(one) == total(other)


def _same(run: RunResult, other: RunResult) -> None:
    """Check that two runs tell the same: integers equal, floats but for their last bits."""
    assert run.counts == other.counts
    for name in ("usage", "jobs", "services", "databases"):
        for field in fields(getattr(run, name)):
            if field.name in {"groups", "names"}:
                continue
            a, b = (np.asarray(getattr(getattr(r, name), field.name)) for r in (run, other))
            if a.dtype.kind == "f":
                assert np.allclose(a, b, rtol=1e-12, atol=1e-9), field.name
            else:
                assert a.tobytes() == b.tobytes(), field.name


@pytest.mark.slow
@fewest
@given(scenario=scenarios())
def test_i19_i31_parts_of_a_saving_sum_to_it(
    tmp_path_factory: pytest.TempPathFactory, scenario: Scenario
) -> None:
    """I-19, I-31: Shapley and LMDI parts of any result sum to its saving; all rows agree."""
    result = gs.run(scenario, attribution=gs.experiment.Question())
    stored = _stored(result, tmp_path_factory.mktemp("drawn"))
    summary = stored.summary
    for quantity in summary["attribution"]["quantities"].values():
        assert quantity["total"] == sum(part["shapley"] for part in quantity["technologies"])
    for name in ("machines_on_mean", "energy_it_kwh", "energy_facility_kwh", "scope2_location_kg"):
        found = explain(stored, f"savings.{name}")
        assert found.agrees
        parts = sum(part.value for part in found.figure.parts)
        assert summary["savings"][name] == pytest.approx(parts, rel=1e-6, abs=1e-5)
    source = Source(stored)
    wrong = [key for key in keys(summary) if explain(source, key).agrees is False]
    assert [] == wrong


def _stored(result: Result, folder: Path) -> Any:
    """Write a result without its page, and read it back."""
    write_result(result, folder / "r", command="", page=lambda *_: "")
    return read_result(folder / "r")
