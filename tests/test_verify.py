"""Verification: a world with one hidden change at a time, which is named; parts that sum."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import greensched as gs
from greensched.experiment.partition import static_peak
from greensched.experiment.verify import Verification, verify
from greensched.experiment.verify_actual import Actual, by_interval
from greensched.experiment.verify_machines import with_recorded
from greensched.experiment.verify_stages import Ran, oracles, ran
from greensched.experiment.world import shared
from greensched.model import Trace
from greensched.policies.elastic_predictive import ElasticOracle
from greensched.providers.constant import constant
from greensched.readers.machine_hours import MachineHours
from greensched.readers.meter import Meter, Metered, MeterPoint
from greensched.units import MS_PER_H
from tests.metered_cases import write_days
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.experiment.world import Shared
DAYS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The prediction, and the run of what came if nothing changed: the same demand again."""

    path: Path
    world: Shared
    run: Ran

    def trace(self, factor: float = 1.0) -> Trace:
        """Return the demand that came, load times `factor`."""
        services = self.world.workload.services
        assert services is not None
        load = np.rint(services.load_cpu_m * factor).astype(np.int64)
        return _trace(replace(services, load_cpu_m=load), self.world.workload.jobs)

    def meters(self, factor: float = 1.0, more_kwh: float = 0.0) -> Metered:
        """Return what a site's meter reads by the hour."""
        entries = self.run.entries
        sums = np.concatenate([[0], np.cumsum(entries.energy_facility_mwh.sum(axis=1))])
        edges = np.arange(0, 24 * DAYS + 1) * MS_PER_H
        kwh = np.diff(np.interp(edges, entries.edges_ms, sums)) / 1e6 * factor + more_kwh
        meter = Meter(
            point=MeterPoint(site="here", boundary="facility"),
            from_ms=edges[:-1],
            until_ms=edges[1:],
            energy_j=kwh * 3.6e6,
            of_utc=False,
        )
        return Metered(meters=(meter,), checksum="m")

    def machines(self, more: float = 0.0) -> MachineHours:
        """Return how many machines were on by the hour."""
        entries = self.run.entries
        on = [g.role not in {"off", "sleeping", "surplus"} for g in entries.groups]
        sums = np.concatenate([[0], np.cumsum(entries.machine_ms[:, on].sum(axis=1))])
        edges = np.arange(0, 24 * DAYS + 1) * MS_PER_H
        hours = np.diff(np.interp(edges, entries.edges_ms, sums)) / MS_PER_H + more
        return MachineHours(
            machine_type=("server",) * len(hours),
            from_ms=edges[:-1],
            until_ms=edges[1:],
            machine_h=hours,
            of_utc=False,
            checksum="h",
        )

    def verify(self, **came: Any) -> Verification:
        """Return the verification of what came in the window after the predicted one."""
        scenario = self.world.scenario
        start_ms = scenario.start_utc_ms + scenario.window_ms
        traces = came.pop("traces", (self.trace(),))
        return verify(scenario, Actual(start_ms=start_ms, traces=traces, **came))


def _trace(services: Any, jobs: Any) -> Trace:
    """Return a trace without a calendar."""
    return Trace(services=services, jobs=jobs)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return two days of the small scenario, predicted."""
    path = write_days(tmp_path_factory.mktemp("verified"), DAYS)
    text = path.read_text(encoding="utf-8").replace("kind: elastic}", "kind: elastic-reactive}")
    path.write_text(text, encoding="utf-8")
    made = shared(gs.load(path))
    plan = static_peak(made, None)
    return World(path=path, world=made, run=ran(made, plan, made.scenario.policies, "x", None))


def _summed(found: Verification) -> None:
    """Assert that the effects sum to the difference in whole units."""
    for name in ("machine_ms", "facility_mwh", "scope2_mg"):
        parts = [getattr(effect, name) for effect in found.effects.values()]
        assert getattr(found.came, name) - getattr(found.predicted, name) == sum(parts)


def test_the_same_again_has_no_effects(world: World) -> None:
    """Where exactly that came which was predicted, every effect is nothing but rounding."""
    found = world.verify(metered=world.meters(), machines=world.machines())
    _summed(found)
    for effect in found.effects.values():
        assert abs(effect.facility_mwh) <= 1
        assert abs(effect.scope2_mg) <= 1
    assert 0 == found.effects["load"].facility_mwh == found.effects["forecast"].facility_mwh
    assert {"machines": True, "energy": True, "intensity": False} == found.known


def test_hidden_load_is_named(world: World) -> None:
    """A fifth more load is told as load alone."""
    found = world.verify(traces=(world.trace(1.2),))
    _summed(found)
    assert "load" == found.causes[0]
    assert found.effects["load"].facility_mwh > 0.03 * found.predicted.facility_mwh
    assert all(0 == e.facility_mwh for name, e in found.effects.items() if name != "load")


def test_hidden_watts_are_named(world: World) -> None:
    """Meters that read 15 % more than the model, at the same machines, are told as the model."""
    found = world.verify(metered=world.meters(1.15), machines=world.machines())
    _summed(found)
    assert "model" == found.causes[0]
    share = found.effects["model"].facility_mwh / found.predicted.facility_mwh
    assert 0.15 == pytest.approx(share, abs=1e-6)
    assert abs(found.effects["policy"].facility_mwh) <= 1


def test_machines_left_on_are_named(world: World) -> None:
    """Two machines more that idle are told as policy: 95 W more each than off, times the PUE."""
    kwh = 2 * 0.095 * 1.2
    came = {"metered": world.meters(more_kwh=kwh), "machines": world.machines(more=2.0)}
    found = world.verify(**came)
    _summed(found)
    assert "policy" == found.causes[0]
    effect = found.effects["policy"]
    assert kwh * 24 * DAYS == pytest.approx(effect.facility_mwh / 1e6)
    assert 2 * 24 * DAYS * MS_PER_H == pytest.approx(effect.machine_ms, abs=2)
    assert abs(found.effects["model"].facility_mwh) <= 1


def test_another_grid_is_named(world: World) -> None:
    """A grid of 650 instead of 500 g/kWh changes no energy and 30 % of emissions."""
    found = world.verify(intensity={"here": constant("CN-EAST", 650.0)})
    _summed(found)
    assert "intensity" == found.causes[0]
    share = found.effects["intensity"].scope2_mg / found.predicted.scope2_mg
    assert 0.3 == pytest.approx(share, abs=1e-6)
    assert found.came.facility_mwh == found.predicted.facility_mwh


def test_a_day_that_came_six_hours_late_is_the_forecast(tmp_path: Path) -> None:
    """The same load six hours later costs who knows it nothing, and who forecast it more."""
    path = write_days(tmp_path, 12)
    services = {"file": "services.csv", "from": "8 d"}
    part = {"window.days": DAYS, "traces.services": services}
    scenario = gs.load(path).with_(**part)
    demand = shared(scenario).workload
    assert demand.services is not None
    late = np.roll(demand.services.load_cpu_m, 6, axis=1)
    trace = _trace(replace(demand.services, load_cpu_m=late), demand.jobs)
    start_ms = scenario.start_utc_ms + scenario.window_ms
    found = verify(scenario, Actual(start_ms=start_ms, traces=(trace,)))
    _summed(found)
    assert "forecast" == found.causes[0]
    assert found.effects["forecast"].facility_mwh > 10 * abs(found.effects["load"].facility_mwh)


def test_without_machines_policy_and_model_are_one(world: World) -> None:
    """Meters alone cannot tell who kept machines on: the two causes are told together."""
    found = world.verify(metered=world.meters(1.1))
    _summed(found)
    assert "policy and model" == found.causes[0]
    assert {"load", "forecast", "policy and model", "intensity"} == set(found.effects)


def test_hours_without_readings_are_told(world: World) -> None:
    """Where no meter read, the model stands in, and the hours are counted."""
    (meter,) = world.meters(2.0).meters
    half = {n: getattr(meter, n)[:24] for n in ("from_ms", "until_ms", "energy_j")}
    metered = Metered(meters=(replace(meter, **half),), checksum="m")
    found = world.verify(metered=metered, machines=world.machines())
    assert 24.0 == found.uncovered_h
    _summed(found)


def test_hours_in_which_machines_were_not_recorded_are_the_runs(world: World) -> None:
    """A record of one day of two says nothing of the other: it is told, and no cause."""
    told = world.machines()
    names = ("machine_type", "from_ms", "until_ms", "machine_h")
    half = {n: getattr(told, n)[:24] for n in names}
    found = world.verify(machines=replace(told, **half))
    _summed(found)
    assert "machines on of server: not recorded for 24 h, taken as simulated" in found.findings
    assert abs(found.effects["policy"].facility_mwh) <= 1
    assert abs(found.came.machine_ms - found.predicted.machine_ms) <= 2


def test_a_bill_lists_all_machines(world: World) -> None:
    """Within the time of a bill a type without a row had no machine on."""
    told = world.machines()
    ends = {n: getattr(told, n)[[0, -1]] for n in ("from_ms", "until_ms", "machine_h")}
    bill = replace(told, **ends, machine_type=("server",) * 2, lists_all=True)
    found = world.verify(machines=bill)
    assert round(float(bill.machine_h.sum()) * MS_PER_H) == found.came.machine_ms
    assert not [said for said in found.findings if "not recorded" in said]


def test_machines_that_the_scenario_does_not_have_are_told(world: World) -> None:
    """A name that is no entry's is left out with its hours; the fleet's own are not recorded."""
    told = world.machines()
    other = replace(told, machine_type=("servre",) * len(told.machine_h))
    found = world.verify(machines=other)
    said = "\n".join(found.findings)
    assert "machines of servre: none of the scenario's, left out (" in said
    assert "machines on of server: not recorded for 48 h" in said


def test_a_bill_calls_machines_by_their_published_type(tmp_path: Path) -> None:
    """An entry of another name is found by its `type`, as prices find it."""
    path = write_days(tmp_path, DAYS)
    text = path.read_text(encoding="utf-8")
    at, end = text.index("  - name: server"), text.index("traces:")
    typed = "  - {name: workers, site: here, count: 8, type: m6i.4xlarge}\n"
    path.write_text(text[:at] + typed + text[end:], encoding="utf-8")
    made = shared(gs.load(path))
    (kind,) = made.fleet
    edges = np.arange(0, 24 * DAYS + 1) * MS_PER_H
    told = MachineHours(
        machine_type=("m6i.4xlarge",) * 48,
        from_ms=edges[:-1],
        until_ms=edges[1:],
        machine_h=np.full(48, 3.0),
        of_utc=False,
        checksum="h",
    )
    run = ran(made, static_peak(made, None), made.scenario.policies, "x", None)
    nothing = np.zeros((len(run.entries.edges_ms) - 1, 1))
    _, machine_ms, said = with_recorded(made, told, 0, run.entries, nothing)
    assert "workers" == kind.name
    assert (3 * 48 * MS_PER_H, ()) == (machine_ms, said)


def test_oracles_are_the_same_settings() -> None:
    """A policy that forecasts becomes its oracle with equal settings; one that reacts stays."""
    from greensched import registry

    quick = registry.load("policy", "elastic")(quantile=0.9)
    reactive = registry.load("policy", "elastic-reactive")()
    found = oracles((quick,))
    assert found is not None
    assert isinstance(found[0], ElasticOracle)
    assert 0.9 == found[0].quantile
    assert oracles((reactive,)) is None


def test_amounts_are_spread_over_their_spans() -> None:
    """An amount from 30 to 90 minutes gives half to either hour, which it half covers."""
    sums, covered = by_interval(np.array([0, 60, 120, 180]), [(30, 90, 10.0)])
    assert [5.0, 5.0, 0.0] == sums.tolist()
    assert [0.5, 0.5, 0.0] == covered.tolist()


@pytest.mark.slow
def test_command_keeps_every_verification(world: World, tmp_path: Path) -> None:
    """The command names the cause, and the second time tells of the first."""
    folder = world.path.parent
    quiet = ("--no-attribution", "--no-sizing", "--out", tmp_path / "week")
    assert 0 == call("run", world.path, *quiet).exit_code
    rows = (folder / "services.csv").read_text(encoding="utf-8").splitlines()
    more = [rows[0], *(_times(row, 1.2) for row in rows[1:])]
    (tmp_path / "came.csv").write_text("\n".join(more) + "\n", encoding="utf-8")
    words = ("verify", tmp_path / "week", "--actual", tmp_path / "came.csv")
    told = call(*words)
    assert 0 == told.exit_code, told.output
    assert "most of it: load" in told.stdout
    assert "jobs: not in what was imported" in told.stdout
    again = call(*words)
    assert "verified before: energy off by" in again.stdout
    kept = sorted(p.name for p in (tmp_path / "week-verified").iterdir())
    names = [f"{n}.{kind}" for n in ("001", "002") for kind in ("csv", "html", "json")]
    assert names == kept
    page = (tmp_path / "week-verified" / "002.html").read_text(encoding="utf-8")
    report = (tmp_path / "week" / "report.html").read_text(encoding="utf-8")
    assert report.count('href="../week-verified/00') == 2
    said = ("small: was it true?", "most of it is load", "verified before")
    assert all(one in page for one in said)
    document = json.loads((tmp_path / "week-verified" / "001.json").read_text(encoding="utf-8"))
    assert document["energy_error_share"] > 0.03


def _times(row: str, factor: float) -> str:
    name, time_s, load, *rest = row.split(",")
    return ",".join((name, time_s, str(round(int(load) * factor)), *rest))
