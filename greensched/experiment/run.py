"""`run`: a scenario, its baseline and static-peak, over one world and one demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched import registry
from greensched.accounting import Baseline, baseline_of
from greensched.engine.simulate import Simulation
from greensched.experiment.levels import responses_ms
from greensched.experiment.outcome import outcome
from greensched.experiment.partition import as_recorded, static_peak
from greensched.experiment.result import Result
from greensched.experiment.world import Shared, shared
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.experiment.partition import Partition
    from greensched.model import Policy
    from greensched.scenario import Scenario

Progress = "Callable[[str, float], None] | None"


def run(scenario: Scenario, *, progress: Callable[[str, float], None] | None = None) -> Result:
    """Return the scenario against its baseline, with static-peak beside it.

    `progress(what, share)` is called as runs advance. Raises ScenarioError and DataError for
    what cannot be run.
    """
    world = shared(scenario)
    static = static_peak(world, progress)
    kind = scenario.baseline.kind
    base = registry.load("baseline", kind)
    fleet = as_recorded(world) if kind == "as-recorded" else static
    plans: dict[str, tuple[Partition, tuple[Policy, ...]]] = {
        "baseline": (fleet, base.policies),
        "static_peak": (static, ()),
        "scenario": (fleet, scenario.policies),
    }
    runs = _runs(world, plans, progress)
    end_ms = max(runs["baseline"].end_ms, runs["scenario"].end_ms)
    for one in runs.values():
        one.extend(end_ms)  # what stands beside them may need longer, and is then priced longer
    late_ms = runs["static_peak"].end_ms - end_ms
    results = {name: one.result() for name, one in runs.items()}
    factors = world.factors(end_ms + late_ms)
    responses = {name: responses_ms(world, one) for name, one in results.items()}
    reference = responses["baseline"]
    outcomes = {
        name: outcome(world, one, factors, responses[name], reference)
        for name, one in results.items()
    }
    return Result(
        scenario=scenario,
        shared=world,
        baseline_id=_identity(world, kind, base.text, base.policies),
        baseline=outcomes["baseline"],
        static_peak=outcomes["static_peak"],
        outcome=outcomes["scenario"],
        findings=tuple(
            dict.fromkeys((*world.workload.findings, *static.findings, *_later(late_ms)))
        ),
    )


def _later(late_ms: int) -> tuple[str, ...]:
    """Say that static-peak ended later than the two runs that are compared."""
    if late_ms <= 0:
        return ()
    return (
        f"static-peak ends {late_ms / MS_PER_H:.1f} h after the other runs, priced until then",
    )


def _runs(
    world: Shared,
    plans: dict[str, tuple[Partition, tuple[Policy, ...]]],
    progress: Callable[[str, float], None] | None,
) -> dict[str, Simulation]:
    """Return the finished runs; a run equal to an earlier one is that one."""
    made: dict[str, Simulation] = {}
    known: list[tuple[Partition, tuple[Policy, ...], Simulation]] = []
    for name, (partition, policies) in plans.items():
        for seen, same, simulation in known:
            if seen is partition and same == policies:
                made[name] = simulation
                break
        else:
            setting = world.setting(
                name, policies=policies, roles=partition.roles, replicas=partition.replicas
            )
            tell = _teller(progress, name)
            made[name] = Simulation(setting, tell).finish()
            known.append((partition, policies, made[name]))
    return made


def _teller(
    progress: Callable[[str, float], None] | None, name: str
) -> Callable[[float], None] | None:
    """Return the progress of one run under its name."""
    if progress is None:
        return None
    return lambda share: progress(name, share)


def _identity(world: Shared, kind: str, text: str, policies: tuple[Any, ...]) -> Baseline:
    """Return the baseline's identity: its kind, words, settings and the scenario's values."""
    values = dict(world.scenario.values)
    values["policies"] = [{"kind": p.kind} for p in policies]
    setting = {
        "scenario": values,
        "policies": policies,
        "demand": [list(c) for c in world.workload.checksums],
    }
    return baseline_of(kind, text, setting)
