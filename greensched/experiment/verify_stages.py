"""The steps from what was predicted to what came, each changing one thing.

    predicted           the scenario's run, as its result has it
    load                the demand that came, by policies that know it        (oracles)
    forecast            the same, by policies that forecast it
    policy              the machines that were on, at the model's watts
    model               what meters read
    intensity           the grid as it came

`load` is A* - P* and `forecast` (A - A*) - (P - P*), with P and A the runs of the predicted and of
the actual demand and a star for oracles: what errors of forecasts cost then and cost now. A
machine that was on beyond the run's draws idle power and does no work; what work there was is
the run's. Whole numbers from the account on: the steps sum to the difference by construction.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched import registry
from greensched.accounting import account, total
from greensched.engine.simulate import Simulation
from greensched.experiment.calibrate_rows import meter_groups
from greensched.experiment.verify_actual import by_interval
from greensched.experiment.verify_machines import with_recorded
from greensched.model import NONE
from greensched.units import J_PER_KWH, MS_PER_H, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.accounting import Entries, Usage
    from greensched.engine.result import RunResult
    from greensched.experiment.calibrate_rows import Group
    from greensched.experiment.partition import Partition
    from greensched.experiment.verify_actual import Actual
    from greensched.experiment.world import Shared
    from greensched.model import FloatArray, Policy

UNCOVERED: Final = 1e-6  # of an interval
UJ_PER_MWH: Final = 1e6  # milliwatt-hours in a kWh, and milligrams in a kilogram


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Machine time on, facility energy and scope 2 of the window, in whole units."""

    machine_ms: int
    facility_mwh: int
    scope2_mg: int

    def less(self, other: Stage) -> Stage:
        """Return this stage less another."""
        return Stage(**{f.name: getattr(self, f.name) - getattr(other, f.name) for f in _FIELDS})

    def plus(self, other: Stage) -> Stage:
        """Return the sum of both."""
        return Stage(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in _FIELDS})


_FIELDS: Final = fields(Stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One run of the scenario's policies, cut to the window and accounted for."""

    run: RunResult
    entries: Entries
    stage: Stage


def ran(
    world: Shared,
    plan: Partition,
    policies: tuple[Policy, ...],
    name: str,
    progress: Callable[[str, float], None] | None,
    *,
    until_ms: int = 0,
) -> Ran:
    """Return a run of `policies` on the machines of `plan`, at least until `until_ms`.

    What is accounted for is the window alone.
    """
    setting = world.setting(
        name,
        policies=policies,
        roles=plan.roles,
        replicas=plan.replicas,
        places=plan.places,
    )
    tell = None if progress is None else lambda share: progress(name, share)
    simulation = Simulation(setting, tell).finish()
    run = simulation.extend(max(until_ms, simulation.end_ms)).result()
    window_ms = world.scenario.window_ms
    entries = account(_within(run.usage, window_ms), world.factors(window_ms))
    sums = total(entries)
    stage = Stage(
        machine_ms=sums.machine_on_ms,
        facility_mwh=sums.energy_facility_mwh,
        scope2_mg=sums.scope2_location_mg,
    )
    return Ran(run=run, entries=entries, stage=stage)


def _within(usage: Usage, window_ms: int) -> Usage:
    """Return the usage of the window, without the drain behind it."""
    k = int(np.searchsorted(usage.edges_ms, window_ms))
    return replace(
        usage,
        edges_ms=usage.edges_ms[: k + 1],
        energy_j=usage.energy_j[:k],
        machine_ms=usage.machine_ms[:k],
    )


def oracles(policies: tuple[Policy, ...]) -> tuple[Policy, ...] | None:
    """Return the policies as oracles of themselves; None where none of them forecasts."""
    known = registry.names("policy")
    found: list[Any] = []
    for policy in policies:
        technology = policy.kind.partition("-")[0]
        name = f"{technology}-oracle"
        kind = registry.load("policy", name) if name in known else None
        if kind is None or not isinstance(policy, kind.__mro__[1]):
            found.append(policy)
            continue
        settings = {f.name: getattr(policy, f.name) for f in fields(policy)}
        found.append(kind(**settings))
    return tuple(found) if tuple(found) != policies else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """What came, by interval of the actual run: facility energy [kWh, intervals x sites].

    `recorded` is the run with the machines that were on, `metered` what meters read, each None
    where nothing was imported; `uncovered_h` are hours in which the model stands in.
    """

    simulated_kwh: FloatArray
    recorded_kwh: FloatArray | None
    metered_kwh: FloatArray | None
    machine_ms: int | None
    uncovered_h: float
    findings: tuple[str, ...]


def realised(world: Shared, actual: Actual, found: Ran) -> Realised:
    """Return what came beside the run `found` of the demand that came."""
    entries = found.entries
    names = [site.name for site in world.sites]
    simulated = np.zeros((len(entries.edges_ms) - 1, len(names)))
    for group, column in zip(entries.groups, entries.energy_facility_mwh.T, strict=True):
        simulated[:, names.index(group.site)] += column / UJ_PER_MWH
    recorded: FloatArray | None = None
    machine_ms: int | None = None
    said: tuple[str, ...] = ()
    if actual.machines is not None:
        recorded, machine_ms, said = with_recorded(
            world, actual.machines, actual.start_ms, entries, simulated
        )
    metered: FloatArray | None = None
    uncovered_h = 0.0
    more: tuple[str, ...] = ()
    if actual.metered is not None:
        model = simulated if recorded is None else recorded
        metered, uncovered_h, more = _metered(world, actual, entries.edges_ms, model)
    return Realised(
        simulated_kwh=simulated,
        recorded_kwh=recorded,
        metered_kwh=metered,
        machine_ms=machine_ms,
        uncovered_h=uncovered_h,
        findings=(*said, *more),
    )


def _metered(
    world: Shared, actual: Actual, edges_ms: Any, model: FloatArray
) -> tuple[FloatArray, float, tuple[str, ...]]:
    """Return facility energy as metered; where no meter tells, the model's."""
    assert actual.metered is not None
    groups = meter_groups(world, actual.metered.meters)
    found, said = model.copy(), [*actual.metered.findings]
    uncovered = np.ones(model.shape, np.bool_)
    for s, site in enumerate(world.sites):
        own = _of_site(world, groups, s)
        if not own:
            said.append(f"site {site.name}: not all of it is metered, its energy is the model's")
            continue
        energy = np.zeros(len(model))
        covered = np.ones(len(model), np.bool_)
        for group in own:
            spans = zip(
                group.from_ms.tolist(), group.until_ms.tolist(), group.energy_j, strict=True
            )
            amount, share = by_interval(edges_ms, [(a, b, float(j)) for a, b, j in spans])
            covered &= share >= 1.0 - UNCOVERED
            factor = 1.0 if group.site != NONE else site.pue_slope / group.share
            energy += amount * factor / J_PER_KWH
        if own[0].site == NONE:
            energy += site.fixed_w * np.diff(edges_ms) / MS_PER_S / J_PER_KWH
            said.append(f"site {site.name}: IT meters, cooling and losses by the scenario's PUE")
        found[covered, s] = energy[covered]
        uncovered[:, s] = ~covered
    hours = float((uncovered.any(axis=1) * np.diff(edges_ms)).sum()) / MS_PER_H
    return found, hours, tuple(said)


def _of_site(world: Shared, groups: tuple[Group, ...], site: int) -> list[Group]:
    """Return the meters that tell all of a site: before cooling, else of all its machines."""
    name = world.sites[site].name
    types = {i for i, kind in enumerate(world.fleet) if kind.site == name and kind.count}
    whole = [g for g in groups if set(g.types) >= types and g.share == 1.0]
    facility = [g for g in whole if g.site == site]
    if facility:
        return facility[:1]
    if whole:
        return whole[:1]
    parts = [g for g in groups if g.site == NONE and set(g.types) <= types]
    return parts if {i for g in parts for i in g.types} == types else []
