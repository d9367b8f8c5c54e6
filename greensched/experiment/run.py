"""`run`: a scenario, its baseline and static-peak, over one world and one demand."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from greensched import registry
from greensched.accounting import Baseline, baseline_of
from greensched.engine.simulate import Simulation
from greensched.experiment.executor import Executor, Here
from greensched.experiment.levels import responses_ms
from greensched.experiment.outcome import outcome
from greensched.experiment.partition import as_recorded, static_peak
from greensched.experiment.result import Result
from greensched.experiment.world import Shared, shared
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.engine.result import RunResult
    from greensched.experiment.executor import Tell
    from greensched.experiment.partition import Partition
    from greensched.model import Policy, Setting
    from greensched.scenario import Scenario

    Plans = dict[str, tuple[Partition, tuple[Policy, ...]]]

_NUMBERS: Final = itertools.count()  # of simulations, in the process that asks for them
_LIVE: Final[dict[int, Simulation]] = {}  # those that have ended here and may go on


def run(
    scenario: Scenario,
    *,
    progress: Callable[[str, float], None] | None = None,
    executor: Executor | None = None,
) -> Result:
    """Return the scenario against its baseline, with static-peak beside it.

    `progress(what, share)` is called as runs advance in this process; `executor` says where the
    runs are carried out, here one after the other if it is None. Raises ScenarioError and
    DataError for what cannot be run.
    """
    world = shared(scenario)
    static = static_peak(world, progress)
    kind = scenario.baseline.kind
    base = registry.load("baseline", kind)
    fleet = as_recorded(world) if kind == "as-recorded" else static
    plans: Plans = {
        "scenario": (fleet, scenario.policies),  # the longest is begun first
        "baseline": (fleet, base.policies),
        "static_peak": (static, ()),
    }
    results = _results(world, plans, executor or Here(), progress)
    end_ms = results["scenario"].end_ms
    late_ms = results["static_peak"].end_ms - end_ms
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


def _results(
    world: Shared, plans: Plans, executor: Executor, progress: Tell
) -> dict[str, RunResult]:
    """Return the runs, all until baseline and scenario have ended; equal ones are run once.

    What stands beside these two may need longer, and is then priced longer.
    """
    place: dict[str, int] = {}
    tasks: list[_Task] = []
    different: list[tuple[Partition, tuple[Policy, ...]]] = []
    for name, (partition, policies) in plans.items():
        for i, (seen, same) in enumerate(different):
            if seen is partition and same == policies:
                place[name] = i
                break
        else:
            place[name] = len(tasks)
            different.append((partition, policies))
            setting = world.setting(
                name, policies=policies, roles=partition.roles, replicas=partition.replicas
            )
            tasks.append(_Task(number=next(_NUMBERS), setting=setting))
    try:
        ends_ms = executor.map(_finished, tasks, progress)
        end_ms = max(ends_ms[place["baseline"]], ends_ms[place["scenario"]])
        results = executor.map(_until, [(task.number, end_ms) for task in tasks], progress)
    finally:
        for task in tasks:
            _LIVE.pop(task.number, None)
    return {name: results[i] for name, i in place.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A run to be carried out, and the number under which it is kept."""

    number: int
    setting: Setting


def _finished(task: _Task, tell: Tell) -> int:
    """Carry out a run and keep it; return its end [ms]."""
    simulation = Simulation(task.setting, _teller(tell, task.setting.name)).finish()
    _LIVE[task.number] = simulation
    return simulation.end_ms


def _until(task: tuple[int, int], _tell: Tell) -> RunResult:
    """Return the result of a run that is kept, gone on with to at least `task[1]` [ms]."""
    number, end_ms = task
    return _LIVE.pop(number).extend(end_ms).result()


def _teller(tell: Tell, name: str) -> Callable[[float], None] | None:
    """Return the progress of one run under its name."""
    if tell is None:
        return None
    return lambda share: tell(name, share)


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
