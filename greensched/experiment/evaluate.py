"""Sets of switches, run and accounted where an executor puts them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from greensched.engine.simulate import Simulation
from greensched.experiment.apart import beside, databases_alone, parted
from greensched.experiment.combinations import Combination, of_outcome
from greensched.experiment.levels import responses_ms
from greensched.experiment.outcome import outcome
from greensched.experiment.partition import replicas_at_start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from greensched.accounting import Factors
    from greensched.accounting.attribution import Switches
    from greensched.engine.result import RunResult
    from greensched.experiment.combinations import Sets
    from greensched.experiment.executor import Executor, Tell
    from greensched.experiment.lent import Lent
    from greensched.experiment.outcome import Outcome
    from greensched.experiment.partition import Partition
    from greensched.experiment.tally import Tally
    from greensched.model import FloatArray, Policy

    Policies = tuple[Policy, ...]
    Ready = Sequence[tuple[Policies, Outcome]]
    Begun = Callable[[Sequence["Task"]], dict[Policies, list[Combination]]]  # by others


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the runs of an attribution have in common.

    They go on to at least `end_ms`, where the table ends; `factors` hold until `priced_ms`;
    `reference_ms` is the baseline's response.
    """

    lent: Lent
    fleet: Partition
    end_ms: int
    factors: Factors
    priced_ms: int
    reference_ms: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The `others` to be run once, and the sets of `policies` that have just these others."""

    ground: Ground
    others: Policies
    policies: tuple[Policies, ...]


def missing(
    sets: Sets, switches: Policies, fleet: Partition, known: Sequence[Policies]
) -> dict[Policies, list[Policies]]:
    """Return what no known run tells of: what to run once -> the sets it then tells of.

    Sets that differ in what packs databases alone share a run, see `experiment.apart`.
    """
    told = {parted(policies, fleet)[0] for policies in known}
    found: dict[Policies, list[Policies]] = {}
    for on in sets.wanted:
        policies = sets.policies(on, switches)
        others = parted(policies, fleet)[0]
        if policies not in known and others not in told:
            found.setdefault(others, []).append(policies)
    return found


def evaluate(
    ground: Ground,
    sets: Sets,
    ready: Ready,
    executor: Executor,
    counted: Tally | None,
    begun: Begun,
) -> dict[Switches, Combination]:
    """Return what each wanted set gives.

    Those in `ready` (by policies) are not run again; `begun` ends those tasks that were begun.
    """
    world = ground.lent.world
    wanted = {on: sets.policies(on, world.scenario.policies) for on in sets.wanted}
    given: dict[Policies, Combination] = {}
    for policies in wanted.values():
        others = parted(policies, ground.fleet)[0]
        for same, one in ready:
            if same == policies:
                given[policies] = of_outcome(world, one, policies)
            elif policies not in given and parted(same, ground.fleet)[0] == others:
                own_ms = responses_ms(world, one.run)
                given[policies] = _with_databases(ground, one.run, own_ms, (same, policies))
    todo = missing(sets, world.scenario.policies, ground.fleet, [same for same, _ in ready])
    tasks = [
        Task(ground=ground, others=others, policies=tuple(one)) for others, one in todo.items()
    ]
    tasks.sort(key=lambda task: -len(task.others))  # the largest sets first: they take longest

    def take(task: Task, done: list[Combination] | None) -> None:
        assert done is not None  # none is useless
        given.update(zip(task.policies, done, strict=True))

    ended = begun(tasks)
    for task in tasks:
        if task.others in ended:
            take(task, ended[task.others])
    left = (task for task in tasks if task.others not in ended)
    executor.pursue(_evaluated, partial(next, left, None), take, _useless, counted)
    return {on: given[policies] for on, policies in wanted.items()}


def _useless(_task: Task) -> bool:
    """Say that all sets are needed."""
    return False


def _evaluated(task: Task, tell: Tell) -> list[Combination]:
    """Run and account for the sets of switches of one task."""
    ground = task.ground
    name = " + ".join(p.kind for p in task.others) or "no switch"
    world, fleet = ground.lent.world, ground.fleet
    setting = world.setting(
        name,
        policies=task.others,
        roles=fleet.roles,
        replicas=replicas_at_start(world, fleet, task.others, short=fleet.unplaced > 0),
        places=fleet.places,
    )
    advanced = None if tell is None else lambda share: tell(name, share)
    return accounted(task, Simulation(setting, advanced).finish())


def accounted(task: Task, simulation: Simulation) -> list[Combination]:
    """Return what the sets of a task give by their run, which goes on to where the table ends."""
    ground = task.ground
    run = simulation.extend(ground.end_ms).result()
    own_ms = responses_ms(ground.lent.world, run)
    return [_with_databases(ground, run, own_ms, (task.others, one)) for one in task.policies]


def _with_databases(
    ground: Ground, run: RunResult, own_ms: FloatArray, sets: tuple[Policies, Policies]
) -> Combination:
    """Return what the second of two sets gives, by a run of the first with its responses.

    They differ in what packs databases alone, of which responses of services know nothing.
    """
    lent, fleet, policies = ground.lent, ground.fleet, sets[1]
    before, now = (parted(one, fleet)[1] for one in sets)
    if before != now:
        run = beside(
            run,
            databases_alone(lent, fleet, before, run.end_ms),
            databases_alone(lent, fleet, now, run.end_ms),
            lent.world.fleet,
        )
    factors = ground.factors
    if run.end_ms > ground.priced_ms:
        factors = lent.world.factors(run.end_ms)
    accounted = outcome(lent.world, run, factors, own_ms, ground.reference_ms)
    return of_outcome(lent.world, accounted, policies)
