"""`verify`: was it true? Predicted against realised machines, energy and emissions, by cause.

The causes are those of `verify_stages`; they sum exactly. The result is run again first: what it
does not repeat to the last unit cannot be taken apart.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.accounting import account, total
from greensched.errors import DataError, Finding
from greensched.experiment.carbon_forecast import carbon_forecast_of
from greensched.experiment.forecasts import forecast_of
from greensched.experiment.partition import as_recorded, static_peak
from greensched.experiment.verify_actual import followed
from greensched.experiment.verify_stages import Ran, Realised, Stage, oracles, ran, realised
from greensched.experiment.world import shared
from greensched.units import MG_PER_KG, MS_PER_H, MS_PER_S, MWH_MILLI_PER_KWH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greensched.experiment.partition import Partition
    from greensched.experiment.verify_actual import Actual
    from greensched.experiment.world import Shared
    from greensched.model import FloatArray
    from greensched.scenario import Scenario

    Tell = Callable[[str, float], None] | None

SCHEMA: Final = "greensched/verification/v1"
TOGETHER: Final = "policy and model"  # where machines on were not recorded
LEAST_KWH: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verification:
    """A prediction and what came; `effects` sum to the difference of both."""

    scenario: Scenario
    start_ms: int
    predicted: Stage
    came: Stage
    effects: dict[str, Stage]
    known: dict[str, bool]  # what was imported: machines, energy, intensity
    uncovered_h: float
    findings: tuple[str, ...]
    hours: dict[str, Any]  # columns: one row an hour of the window

    @property
    def causes(self) -> list[str]:
        """Return the causes by how much of the emissions they explain, the largest first."""
        return sorted(self.effects, key=lambda c: -abs(self.effects[c].scope2_mg))

    @property
    def error_share(self) -> float:
        """Return realised over predicted energy, less 1."""
        return self.came.facility_mwh / max(1, self.predicted.facility_mwh) - 1.0

    @property
    def document(self) -> dict[str, Any]:
        """Return all of it but the hours as plain values (docs/reference/verification.md)."""
        hours = self.scenario.window_ms / MS_PER_H
        return {
            "schema": SCHEMA,
            "name": self.scenario.name,
            "scenario_sha256": self.scenario.hash,
            "window": {
                "predicted_utc": _utc(self.scenario.start_utc_ms),
                "realised_utc": _utc(self.start_ms),
                "length_h": hours,
            },
            "known": self.known,
            "predicted": _readable(self.predicted, hours),
            "realised": _readable(self.came, hours),
            "difference": _readable(self.came.less(self.predicted), hours),
            "effects": {name: _readable(one, hours) for name, one in self.effects.items()},
            "whole": {
                "predicted": asdict(self.predicted),
                "realised": asdict(self.came),
                "effects": {name: asdict(one) for name, one in self.effects.items()},
            },
            "energy_error_share": self.error_share,
            "uncovered_h": self.uncovered_h,
            "findings": list(self.findings),
        }


def verify(
    scenario: Scenario,
    actual: Actual,
    told: Mapping[str, float] | None = None,
    *,
    progress: Tell = None,
) -> Verification:
    """Return what became of the prediction that `scenario`'s run is.

    `told` are the totals of the result's scenario, which its run has to repeat. Raises DataError
    where it does not, or where what was imported does not cover the window.
    """
    world = shared(scenario)
    recorded = scenario.baseline.kind == "as-recorded"
    plan = as_recorded(world) if recorded else static_peak(world, progress)
    until_ms = 0 if told is None else round(told["end_s"] * MS_PER_S)
    before = ran(world, plan, scenario.policies, "as predicted", progress, until_ms=until_ms)
    _check(world, before, told)
    workload, said = followed(world, actual)
    later = _later(world, actual, workload)
    plan_later = replace(plan, replicas=_replicas(world, later, plan))
    now = ran(later, plan_later, scenario.policies, "with what came", progress)
    load = whole = now.stage.less(before.stage)
    perfect = oracles(scenario.policies)
    if perfect is not None:
        before_o = ran(world, plan, perfect, "as predicted, forecast perfectly", progress)
        now_o = ran(later, plan_later, perfect, "with what came, forecast perfectly", progress)
        load = now_o.stage.less(before_o.stage)
    came = realised(later, actual, now)
    effects = {"load": load, "forecast": whole.less(load), **_steps(later, actual, now, came)}
    end = before.stage
    for effect in effects.values():
        end = end.plus(effect)
    return Verification(
        scenario=scenario,
        start_ms=actual.start_ms,
        predicted=before.stage,
        came=end,
        effects=effects,
        known={
            "machines": came.machine_ms is not None,
            "energy": came.metered_kwh is not None,
            "intensity": bool(actual.intensity),
        },
        uncovered_h=came.uncovered_h,
        findings=(*said, *came.findings),
        hours=_hours(world, before, now, came),
    )


def _check(world: Shared, before: Ran, told: Mapping[str, float] | None) -> None:
    """Raise DataError where the run does not repeat the result."""
    if told is None:
        return
    usage = before.run.usage
    sums = total(account(usage, world.factors(int(usage.edges_ms[-1]))))
    kwh = sums.energy_facility_mwh / MWH_MILLI_PER_KWH
    if kwh != told["energy_facility_kwh"]:
        what = f"the result says {told['energy_facility_kwh']:,.6f} kWh, its run {kwh:,.6f} kWh"
        remedy = "its inputs or greensched have changed: run the scenario again"
        raise DataError(Finding(where="RESULT", what=what, remedy=remedy))


def _later(world: Shared, actual: Actual, workload: Any) -> Shared:
    """Return the world of what came, its grid as predicted: the same hours of the week."""
    scenario = world.scenario
    offset_ms = actual.start_ms - scenario.start_utc_ms
    start = scenario.spec.window.start + timedelta(milliseconds=offset_ms)
    moved = scenario.overridden({"window.start": start.isoformat()})
    intensity = {
        name: replace(one, edges_ms=one.edges_ms + offset_ms)
        for name, one in world.intensity.items()
    }
    until_ms = int(world.edges_ms[-1])
    return replace(
        world,
        scenario=moved,
        workload=workload,
        intensity=intensity,
        forecast=forecast_of(moved, workload, until_ms),
        carbon=carbon_forecast_of(moved, intensity, world.fleet),
    )


def _replicas(world: Shared, later: Shared, plan: Partition) -> Any:
    """Return the first replicas: those of the prediction, where the services are the same."""
    old, new = world.workload.services, later.workload.services
    if new is None or (old is not None and old.names == new.names):
        return plan.replicas
    return as_recorded(later).replicas


def _steps(later: Shared, actual: Actual, now: Ran, came: Realised) -> dict[str, Stage]:
    """Return the effects behind the run of what came: policy, model and intensity."""
    predicted_g = _intensity(later, later.intensity, now)
    used = {**later.intensity, **actual.intensity}
    actual_g = _intensity(later, used, now)
    stage, steps = now.stage, {}
    # Against the same sums in floats, so that the account's rounding is nobody's effect.
    energy = came.simulated_kwh
    for name, table in (("policy", came.recorded_kwh), ("model", came.metered_kwh)):
        after = energy if table is None else table
        on_ms = came.machine_ms if name == "policy" and came.machine_ms is not None else None
        steps[name] = Stage(
            machine_ms=0 if on_ms is None else on_ms - stage.machine_ms,
            facility_mwh=_whole(after, 1.0) - _whole(energy, 1.0),
            scope2_mg=_whole(after, predicted_g / 1000) - _whole(energy, predicted_g / 1000),
        )
        energy = after
    if came.recorded_kwh is None and came.metered_kwh is not None:
        steps = {TOGETHER: steps["model"]}
    grid_mg = _whole(energy, actual_g / 1000) - _whole(energy, predicted_g / 1000)
    steps["intensity"] = Stage(machine_ms=0, facility_mwh=0, scope2_mg=grid_mg)
    return steps


def _whole(table: FloatArray, rate: Any) -> int:
    """Return the sum of kWh x rate in millionths: mWh, or mg where the rate is kg/kWh."""
    return round(float((table * rate).sum()) * MWH_MILLI_PER_KWH)


def _intensity(world: Shared, series: Mapping[str, Any], now: Ran) -> FloatArray:
    """Return the mean intensity [g/kWh] of each interval and site."""
    edges = now.entries.edges_ms + world.scenario.start_utc_ms
    columns = []
    for site in world.sites:
        own_ms, values = series[site.name].window(int(edges[0]), int(edges[-1] - edges[0]))
        sums = np.concatenate([[0.0], np.cumsum(values * np.diff(own_ms))])
        columns.append(np.diff(np.interp(edges - edges[0], own_ms, sums)) / np.diff(edges))
    return np.stack(columns, axis=1)


def _hours(world: Shared, before: Ran, now: Ran, came: Realised) -> dict[str, Any]:
    """Return what was predicted and what came, hour by hour; no hour is left out."""
    last = came.simulated_kwh
    for table in (came.recorded_kwh, came.metered_kwh):
        last = last if table is None else table
    edges = np.arange(0, world.scenario.window_ms + 1, MS_PER_H)
    predicted = _by_hour(before, before.entries.energy_facility_mwh.sum(axis=1) / 1e6, edges)
    realised_kwh = _by_hour(now, last.sum(axis=1), edges)
    return {
        "hour": np.arange(len(edges) - 1),
        "predicted_kwh": predicted,
        "realised_kwh": realised_kwh,
        "error_share": predicted / np.maximum(realised_kwh, LEAST_KWH) - 1.0,
    }


def _by_hour(one: Ran, column: FloatArray, edges: Any) -> FloatArray:
    """Return a column of a run's intervals added up to hours."""
    sums = np.concatenate([[0.0], np.cumsum(column)])
    found: FloatArray = np.diff(np.interp(edges, one.entries.edges_ms, sums))
    return found


def _readable(stage: Stage, hours: float) -> dict[str, float]:
    """Return a stage in the units people read."""
    return {
        "machines_on_mean": stage.machine_ms / MS_PER_H / hours,
        "energy_facility_kwh": stage.facility_mwh / MWH_MILLI_PER_KWH,
        "scope2_location_kg": stage.scope2_mg / MG_PER_KG,
    }


def _utc(time_ms: int) -> str:
    """Return an instant as ISO 8601 in UTC."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).isoformat()
