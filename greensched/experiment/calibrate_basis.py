"""What a run's IT energy is made of: every power model is a line in its idle and peak power.

A machine of an entry of the fleet draws, at utilisation u,

    scale x (idle + (peak - idle) x shape(u))            shape(0) = 0,  shape(1) = 1

with `scale` 1, or its cores where the entry gives power by the core. So with the time T that
machines are on and S, the integral of their shape, energy is scale x (idle (T - S) + peak S) +
rest, the rest being devices and machines that are off. S is what the engine integrates for the
same fleet with 0 W idle and 1 W peak: as-recorded has no switch that would look at watts, so that
two runs tell the energy at any idle and peak power, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.accounting import ROLES_ON
from greensched.engine.simulate import Simulation
from greensched.errors import Finding, UsageError
from greensched.experiment.partition import as_recorded
from greensched.power import POINTS, Piecewise
from greensched.scenario.fleetspec import FleetFile
from greensched.units import CPU_M_PER_CORE, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.engine.result import RunResult
    from greensched.experiment.world import Shared
    from greensched.model import FloatArray, IntArray, MachineType
    from greensched.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Watts:
    """Idle and peak power of an entry of the fleet [W, or W a core]."""

    entry: str
    idle_w: float
    peak_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Energy of one machine type by interval: `idle x idle_s + peak x peak_s + rest_j`.

    float64[K] each over `edges_ms`; `entry` is the number of the fleet's entry.
    """

    kind: MachineType
    entry: int
    idle_s: FloatArray
    peak_s: FloatArray
    rest_j: FloatArray

    def energy_j(self, watts: Watts) -> FloatArray:
        """Return the IT energy [J] of each interval at `watts`."""
        energy: FloatArray = watts.idle_w * self.idle_s + watts.peak_w * self.peak_s + self.rest_j
        return energy


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An as-recorded run by machine type, and the watts that the scenario gives."""

    edges_ms: IntArray
    types: tuple[Basis, ...]
    given: tuple[Watts, ...]


def recorded(shared: Shared, progress: Callable[[str, float], None] | None = None) -> Recorded:
    """Return what the energy of the scenario's as-recorded run is made of; runs it twice."""
    entries = entry_of(shared.scenario, shared.fleet)
    plain = _run(shared, "as recorded", progress)
    unit = replace(shared, fleet=tuple(_unit(kind) for kind in shared.fleet))
    shaped = _run(unit, "as recorded, by shape", progress)
    given = _given(shared.scenario, shared.fleet, entries)
    types = []
    for kind, entry in zip(shared.fleet, entries, strict=True):
        scale = _scale(shared.scenario, kind, entry)
        peak_s = scale * _energy_j(shaped, kind)
        idle_s = scale * _on_s(plain, kind) - peak_s
        drawn_j = given[entry].idle_w * idle_s + given[entry].peak_w * peak_s
        rest_j = _energy_j(plain, kind) - drawn_j
        types.append(Basis(kind=kind, entry=entry, idle_s=idle_s, peak_s=peak_s, rest_j=rest_j))
    return Recorded(edges_ms=plain.usage.edges_ms, types=tuple(types), given=given)


def entry_of(scenario: Scenario, fleet: tuple[MachineType, ...]) -> list[int]:
    """Return of each machine type the number of the fleet's entry that it comes from.

    Raises UsageError where several entries take their machines from files: which type is whose
    is then not known.
    """
    named = {getattr(e, "name", ""): i for i, e in enumerate(scenario.spec.fleet)}
    files = [i for i, e in enumerate(scenario.spec.fleet) if isinstance(e, FleetFile)]
    if len(files) > 1:
        what = f"{len(files)} entries take their machines from files"
        remedy = "list the machines of all but one by hand"
        raise UsageError(Finding(where="fleet", what=what, remedy=remedy))
    return [named.get(kind.name, files[0] if files else 0) for kind in fleet]


def _run(shared: Shared, name: str, progress: Callable[[str, float], None] | None) -> RunResult:
    """Return the as-recorded run: every machine on in its own role, no switch."""
    plan = as_recorded(shared)
    setting = shared.setting(name, roles=plan.roles, replicas=plan.replicas, places=plan.places)
    tell = None if progress is None else lambda share: progress(name, share)
    return Simulation(setting, tell).finish().result()


def _unit(kind: MachineType) -> MachineType:
    """Return a machine type that draws its shape alone [W]: 0 idle, 1 at peak."""
    nothing = {"gpu_idle_w": 0.0, "gpu_peak_w": 0.0, "boot_w": 0.0, "sleep_w": 0.0, "off_w": 0.0}
    return replace(kind, power=_shape(kind.power), **nothing)  # type: ignore[arg-type]


def _shape(power: Any) -> Any:
    """Return a power model scaled to 0 W idle and 1 W peak; 0 W where it has no span."""
    if not isinstance(power, Piecewise):
        return replace(power, idle_w=0.0, peak_w=1.0)
    idle_w, span_w = power.watts_w[0], power.watts_w[-1] - power.watts_w[0]
    if span_w <= 0.0:
        return Piecewise(watts_w=(0.0,) * POINTS)
    return Piecewise(watts_w=tuple((w - idle_w) / span_w for w in power.watts_w))


def _given(
    scenario: Scenario, fleet: tuple[MachineType, ...], entries: list[int]
) -> tuple[Watts, ...]:
    """Return the watts of each entry of the fleet, as the scenario gives them."""
    found = []
    for i, entry in enumerate(scenario.spec.fleet):
        name = getattr(entry, "name", "") or f"fleet[{i}]"
        kind = next((k for k, e in zip(fleet, entries, strict=True) if e == i), None)
        idle_w, peak_w = (0.0, 0.0)
        if kind is not None:
            scale = _scale(scenario, kind, i)
            idle_w, peak_w = (kind.power.watts(u) / scale for u in (0.0, 1.0))
        found.append(Watts(entry=name, idle_w=idle_w, peak_w=peak_w))
    return tuple(found)


def _scale(scenario: Scenario, kind: MachineType, entry: int) -> float:
    """Return what the watts of an entry are multiplied by for one machine of a type."""
    by_core = isinstance(scenario.spec.fleet[entry], FleetFile)
    return kind.cpu_m / CPU_M_PER_CORE if by_core else 1.0


def _on_s(run: RunResult, kind: MachineType) -> FloatArray:
    """Return how long [machine-s] machines of a type are on and not booting, by interval."""
    on = ROLES_ON - {"booting"}
    own = [g.machine_type == kind.name and g.role in on for g in run.usage.groups]
    seconds: FloatArray = run.usage.machine_ms[:, own].sum(axis=1) / MS_PER_S
    return seconds


def _energy_j(run: RunResult, kind: MachineType) -> FloatArray:
    """Return the IT energy [J] of a type by interval."""
    own = [g.machine_type == kind.name for g in run.usage.groups]
    energy: FloatArray = run.usage.energy_j[:, own].sum(axis=1)
    return np.asarray(energy, np.float64)
