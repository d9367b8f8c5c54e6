"""Bounds of a run: worked by hand, proved by their certificates, and never beaten."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import greensched as gs
from greensched import registry
from greensched.bounds.operation import Load, Plant, Price, least, lower_hull
from greensched.experiment.databases import always_on
from greensched.experiment.run_bound import run_bounds
from greensched.experiment.world import shared
from greensched.power import Asymptotic, Cubic, Linear, Mse, Piecewise, Sqrt, Square
from greensched.report.outputs import BOUNDS, write_result
from tests.effort import examples
from tests.report_cases import write_scenario

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from greensched.experiment.outcome import Outcome
    from greensched.experiment.result import Result
    from greensched.scenario import Scenario

TOTALS = ("machines_on_mean", "energy_it_kwh", "energy_facility_kwh", "scope2_location_kg")
SMALL = Plant(name="small", count=10, memory_gib=8.0, gpus=0, points=((0.0, 100.0), (4.0, 300.0)))
CURVES = (
    Linear(idle_w=100.0, peak_w=300.0),
    Sqrt(idle_w=100.0, peak_w=300.0),
    Square(idle_w=100.0, peak_w=300.0),
    Cubic(idle_w=100.0, peak_w=300.0),
    Mse(idle_w=100.0, peak_w=300.0, r=1.4),
    Asymptotic(idle_w=100.0, peak_w=300.0, alpha=0.3),
    Piecewise(watts_w=(90, 150, 160, 180, 200, 220, 240, 260, 280, 290, 295)),
)


def proven(proof: Mapping[str, Any]) -> Fraction:
    """Return what a stored certificate and its constant prove; shares no code with ours."""
    total = Fraction(proof["constant"])
    if "dual" not in proof:
        return total
    slack = {j: Fraction(cost) for j, cost in enumerate(proof["cost"])}
    for dual, row, least_sum in zip(proof["dual"], proof["rows"], proof["least"], strict=True):
        assert dual >= 0
        total += Fraction(dual) * Fraction(least_sum)
        for j, value in row:
            slack[j] -= Fraction(dual) * Fraction(value)
    return total + sum(
        (Fraction(proof["most"][j]) * min(Fraction(0), left) for j, left in slack.items()),
        Fraction(0),
    )


def _load(online: list[float], submitted: list[float], **more: Any) -> Load:
    """Return work by the hour on cores alone."""
    nothing = [0.0] * len(online)
    return Load(
        hours=np.ones(len(online)),
        online=np.array([online, nothing, nothing]),
        submitted=np.array([submitted, nothing, nothing]),
        **more,
    )


@pytest.mark.parametrize("power", CURVES, ids=lambda p: type(p).__name__)
def test_hull_lies_below_the_curve(power: Any) -> None:
    """The hull of each power model is nowhere above it, and touches it within half a watt."""
    hull = lower_hull(power.watts, 0.95, 64.0)
    shares = np.linspace(0.0, 0.95, 3_001)
    line = np.interp(shares * 64.0, [x for x, _ in hull], [y for _, y in hull])
    gap = np.array([power.watts(float(u)) for u in shares]) - line
    assert -1e-9 <= gap.min() < 0.5
    assert np.all(np.diff(np.diff([y for _, y in hull]) / np.diff([x for x, _ in hull])) >= 0)


def test_machine_hours_by_hand() -> None:
    """8 cores at once and 4 core-hours that may wait take 3 machine-hours of 4 cores."""
    found = least([SMALL], _load([8.0, 0.0], [4.0, 0.0]), Price(machine_h=1.0))
    assert found is not None
    assert 3.0 == pytest.approx(found.value)


def test_energy_by_hand() -> None:
    """12 core-hours at 75 W a core, and what rests: 10 machines of 5 W for 2 h less 3 on."""
    resting = Plant(
        name="small", count=10, memory_gib=8.0, gpus=0, points=SMALL.points, rest_w=5.0
    )
    found = least([resting], _load([8.0, 0.0], [4.0, 0.0]), Price(kwh=np.ones((1, 2))))
    assert found is not None
    assert (3 * 300 + 17 * 5) / 1000 == pytest.approx(found.value)


def test_work_moves_to_the_clean_hour_but_not_before_it_came() -> None:
    """What may wait runs when a kWh is cheapest; what comes after that hour pays its own."""
    price = Price(kwh=np.array([[3.0, 1.0, 2.0]]))
    early = least([SMALL], _load([0.0] * 3, [4.0, 0.0, 0.0]), price)
    late = least([SMALL], _load([0.0] * 3, [0.0, 0.0, 4.0]), price)
    assert early is not None
    assert late is not None
    assert [0.3 * 1.0, 0.3 * 2.0] == pytest.approx([early.value, late.value])


def test_memory_can_be_what_binds() -> None:
    """One core with 24 GiB takes three machines of 8 GiB."""
    load = Load(
        hours=np.ones(1), online=np.array([[1.0], [24.0], [0.0]]), submitted=np.zeros((3, 1))
    )
    found = least([SMALL], load, Price(machine_h=1.0))
    assert found is not None
    assert 3.0 == pytest.approx(found.value)


def test_allowed_shortage_lowers_the_bound_by_as_much() -> None:
    """Of 8 cores 2 may be missing: a machine and a half remain."""
    found = least([SMALL], _load([8.0], [0.0], shed_core_h=2.0), Price(machine_h=1.0))
    assert found is not None
    assert 1.5 == pytest.approx(found.value)


def test_some_machines_are_on_always() -> None:
    """Three machines that must stay on count, though nothing runs."""
    found = least([SMALL], _load([0.0, 0.0], [0.0, 0.0], least_on=3), Price(machine_h=1.0))
    assert found is not None
    assert 6.0 == pytest.approx(found.value)


def test_too_much_work_has_no_bound() -> None:
    """Ten machines of 4 cores cannot do 41 core-hours in one."""
    assert None is least([SMALL], _load([41.0], [0.0]), Price(machine_h=1.0))


@settings(max_examples=examples(30), deadline=None)
@given(
    online=st.lists(st.floats(0.0, 20.0), min_size=1, max_size=4),
    more=st.floats(0.0, 10.0),
    price=st.lists(st.floats(0.1, 9.0), min_size=4, max_size=4),
)
def test_more_machines_never_raise_the_bound(
    online: list[float], more: float, price: list[float]
) -> None:
    """MONO.bound: with one machine more of the same kind the least is the same or less."""
    load = _load(online, [more, *([0.0] * (len(online) - 1))])
    cost = Price(kwh=np.array([price[: len(online)]]))
    larger = Plant(name="small", count=11, memory_gib=8.0, gpus=0, points=SMALL.points)
    few, many = least([SMALL], load, cost), least([larger], load, cost)
    assert few is not None
    assert many is not None
    assert many.value <= few.value + 1e-9


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Return the small scenario's result."""
    return gs.run(gs.load(write_scenario(tmp_path_factory.mktemp("bound"))))


def _beaten(result: Result, one: Outcome) -> list[str]:
    """Return the totals at which a run lies below its own bound."""
    bounds = run_bounds(result.shared, one, result.shared.factors(one.run.end_ms))
    assert bounds is not None
    summary = one.summary
    return [n for n in TOTALS if summary[n] < bounds.totals[n] * (1 - 1e-9)]


def test_no_run_beats_its_bound(small: Result) -> None:
    """Baseline, static-peak and scenario all take at least what their bounds say."""
    assert [[], [], []] == [_beaten(small, one) for one in small.runs.values()]


@pytest.mark.parametrize("kind", sorted(registry.names("policy")))
def test_no_policy_beats_its_bound(small: Result, kind: str) -> None:
    """A run under any registered policy alone takes at least what its bounds say."""
    scenario = small.scenario.with_(**{"policies.0.kind": kind})
    result = gs.run(scenario)
    assert [] == _beaten(result, result.outcome)


GROWN = """\
apiVersion: greensched/v1
kind: Scenario
name: grown
window: {start: 2023-03-06T00:00Z, days: 1}
sites: [{name: here, zone: Z, pue: 1.0, intensity: 500 g/kWh}]
fleet:
  - name: data
    site: here
    role: database
    count: 12
    cores: 16
    memory: 64 GiB
    racks: 6
    power: {idle: 50 W, peak: 120 W}
traces: {databases: {file: grown.csv, from: 0 h}}
history: {days: 2}
baseline: {kind: static-peak}
policies: [{kind: consolidation, start: 00:00}]
"""


def _grown(folder: Path, more: str = "") -> Scenario:
    """Return four databases of three replicas that want a third more than in their history."""
    rows = ["database,time_s,cpu_m,memory_mib"]
    for hour in range(-48, 24):
        cpu_m = 3_000 if hour < 0 else 4_000
        rows += [f"d{i},{3600 * hour},{cpu_m},4096" for i in range(4)]
    (folder / "grown.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "grown.yaml").write_text(GROWN + more, encoding="utf-8")
    return gs.load(folder / "grown.yaml")


def test_databases_that_outgrow_their_history_beat_no_bound(tmp_path: Path) -> None:
    """A plan of the history breaks into its reserve and holds: that reserve is in no bound."""
    result = gs.run(_grown(tmp_path))
    found = result.summary["scenario"]["databases"]
    assert 0 == found["shortage_share"]
    assert found["machines_on_mean"] < found["machines_bound"]  # of a plan that keeps reserves
    assert [] == _beaten(result, result.outcome)


def test_a_machine_that_is_out_is_not_on_always(tmp_path: Path) -> None:
    """Three replicas keep three machines on, but for one that is out at some time."""
    assert 3 == always_on(shared(_grown(tmp_path)))
    outage = "machine_type,machine,from_s,until_s\ndata,1,3600,7200\n"
    (tmp_path / "out.csv").write_text(outage, encoding="utf-8")
    assert 2 == always_on(shared(_grown(tmp_path, "failures: {trace: out.csv}\n")))


def test_stored_certificates_prove_the_summary(small: Result, tmp_path: Path) -> None:
    """An independent verifier gets the summary's bounds from `bounds.json` alone."""
    write_result(small, tmp_path / "out", command="none", page=lambda *_: "")
    stored = json.loads((tmp_path / "out" / BOUNDS).read_text())
    told = small.summary["bounds"]
    assert set(TOTALS) == set(stored) == set(told) - {"captured"}
    for name, parts in stored.items():
        assert told[name] == pytest.approx(float(sum(map(proven, parts))), rel=1e-12)


def test_a_forged_certificate_proves_less(small: Result) -> None:
    """Dual values that were made up prove another bound, which the verifier tells."""
    assert small.bounds is not None
    (part,) = small.bounds.certificates["energy_it_kwh"]
    forged = {**part, "dual": [2.0 * y for y in part["dual"]]}
    assert proven(forged) < proven(part)


def test_captured_share_is_of_what_the_bound_leaves(small: Result) -> None:
    """(baseline - scenario) / (baseline - bound), and null where there is nothing to save."""
    summary = small.summary
    before, after = summary["baseline"], summary["scenario"]
    told = summary["bounds"]
    name = "energy_it_kwh"
    room = before[name] - told[name]
    assert told["captured"][name] == pytest.approx((before[name] - after[name]) / room)
    assert small.bounds is not None
    none = small.bounds.captured(small.bounds.totals, small.bounds.totals)
    assert {None} == set(none.values())
    assert not math.isnan(told[name])
