"""One set of switches, run and accounted where an executor puts it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from greensched.engine.simulate import Simulation
from greensched.experiment.combinations import Combination, of_outcome
from greensched.experiment.levels import responses_ms
from greensched.experiment.outcome import outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.accounting import Factors
    from greensched.accounting.attribution import Switches
    from greensched.experiment.combinations import Sets
    from greensched.experiment.executor import Executor, Tell
    from greensched.experiment.lent import Lent
    from greensched.experiment.partition import Partition
    from greensched.model import FloatArray, Policy

    Ready = Sequence[tuple[tuple[Policy, ...], Combination]]


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


def evaluate(
    ground: Ground, sets: Sets, ready: Ready, executor: Executor, tell: Tell
) -> dict[Switches, Combination]:
    """Return what each wanted set gives; those in `ready` (by policies) are not run again."""
    switches = ground.lent.world.scenario.policies
    wanted = {on: sets.policies(on, switches) for on in sets.wanted}
    found: dict[Switches, Combination] = {}
    for on, policies in wanted.items():
        known = next((one for same, one in ready if same == policies), None)
        if known is not None:
            found[on] = replace(known, switches=tuple(p.kind for p in policies))
    # the largest sets first: they take longest
    missing = sorted((on for on in wanted if on not in found), key=lambda on: -len(on))
    done = executor.map(_evaluated, [(ground, wanted[on]) for on in missing], tell)
    found |= dict(zip(missing, done, strict=True))
    return {on: found[on] for on in sets.wanted}


def _evaluated(item: tuple[Ground, tuple[Policy, ...]], tell: Tell) -> Combination:
    """Run one set of switches and account for it."""
    ground, policies = item
    world = ground.lent.world
    name = " + ".join(p.kind for p in policies) or "no switch"
    setting = world.setting(
        name,
        policies=policies,
        roles=ground.fleet.roles,
        replicas=ground.fleet.replicas,
        places=ground.fleet.places,
    )
    advanced = None if tell is None else lambda share: tell(name, share)
    run = Simulation(setting, advanced).finish().extend(ground.end_ms).result()
    factors = ground.factors
    if run.end_ms > ground.priced_ms:
        factors = world.factors(run.end_ms)
    accounted = outcome(world, run, factors, responses_ms(world, run), ground.reference_ms)
    return of_outcome(world, accounted, policies)
