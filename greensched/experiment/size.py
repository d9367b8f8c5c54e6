"""`size`: the smallest fleet with which a re-run keeps the scenario's objectives."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from greensched.engine.shifting import longest_hold_ms
from greensched.engine.simulate import Simulation
from greensched.experiment.apart import packs
from greensched.experiment.baseline import baseline_for
from greensched.experiment.batch_machines import WAIT_P95_ASSUMED_MS
from greensched.experiment.executor import Executor, Here
from greensched.experiment.lent import Lent
from greensched.experiment.levels import responses_ms
from greensched.experiment.partition import as_recorded, replicas_at_start, static_peak
from greensched.experiment.size_bound import capacities, lower_bound, serving_need
from greensched.experiment.size_document import Sized, Sizing
from greensched.experiment.size_limits import Limits
from greensched.experiment.size_pools import Pools, Reserve, pools_of, static_pools
from greensched.experiment.size_probe import (
    Task,
    probe,
    seen,
)
from greensched.experiment.size_pursuit import RUNS, Pursued, Pursuit
from greensched.experiment.size_search import Ask, Found, search
from greensched.experiment.tally import Tally
from greensched.experiment.world import shared

if TYPE_CHECKING:
    from greensched.engine.result import RunResult
    from greensched.experiment.partition import Partition
    from greensched.experiment.result import Result
    from greensched.experiment.size_search import Size
    from greensched.experiment.tally import Progress
    from greensched.experiment.world import Shared
    from greensched.model import IntArray, Policy
    from greensched.scenario import Scenario


def size(
    scenario: Scenario,
    *,
    combinations: bool = False,
    reserve: Reserve | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
    known: Result | None = None,
) -> Sizing:
    """Return the smallest fleets of the scenario, its baseline and static-peak.

    `combinations`: also of each smaller set of its switches; `reserve` is added to all. `known`: a
    result of the same scenario, whose runs on the whole fleet need not be repeated. Sizes do not
    depend on the executor. Raises ScenarioError and DataError for what cannot be run.
    """
    executor = executor or Here()
    executor.start()
    world = shared(scenario) if known is None else known.shared
    names = {"scenario": scenario.policies, **(_subsets(scenario) if combinations else {})}
    base = baseline_for(scenario, world.workload.services)
    if scenario.baseline.kind == "autoscaled":
        names["baseline"] = base.policies
    whole = scenario.baseline.kind == "as-recorded"
    counted = Tally.of(progress)
    counted.expect(2 + (known is None) + whole)  # static-peak is looked for, and looked at
    searches = counted.part(RUNS * len(names), guessed=True)
    with Lent(world) as lent:
        plan = _planned(lent, known, counted)
        found = _searched(plan, names, executor, searches)
        run = None if known is None else known.static_peak.run
        fixed = replace(plan, pools=static_pools(plan.static))
        static = {"static_peak": _fixed(fixed, fixed.pools.size, run, counted)}
        if whole:
            found["baseline"] = _fixed(plan, plan.pools.most, None, counted)
    names.setdefault("baseline", base.policies)
    sized = _sized(fixed, static, names) | _sized(plan, found, names)
    static_size = sized.pop("static_peak")
    return Sizing(
        scenario=scenario,
        shared=plan.shared,
        limits=plan.limits,
        scenario_size=sized.pop("scenario"),
        baseline=sized.pop("baseline", static_size),
        static_peak=static_size,
        combinations=sized,
        bound=lower_bound(plan.shared, plan.limits),
        reserve=reserve or Reserve(),
        findings=plan.findings,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What all searches of a scenario share."""

    lent: Lent
    limits: Limits
    pools: Pools
    floor: Size
    static: Partition
    findings: tuple[str, ...]

    @property
    def shared(self) -> Shared:
        """Return the world of all runs."""
        return self.lent.world

    def task(self, policies: tuple[Policy, ...], ask: Ask) -> Task:
        """Return the run that answers `ask`."""
        return Task(
            lent=self.lent,
            limits=self.limits,
            policies=policies,
            roles=self.pools.roles(ask.size, self.shared.machines),
            replicas=self._begin(policies, ask.size),
            scout=ask.scout,
        )

    def _begin(self, policies: tuple[Policy, ...], size: Size) -> IntArray | None:
        """Return the replicas at the start, fewer where a fleet is smaller than static-peak's."""
        short = size[0] < self.pools.size[0] or self.static.unplaced > 0
        return replicas_at_start(self.shared, self.static, policies, short=short)


def typical_runs(scenario: Scenario) -> int:
    """Return how many runs `size` typically takes after `run`."""
    return 2 + RUNS * (1 + (scenario.baseline.kind == "autoscaled"))


def _planned(lent: Lent, known: Result | None, counted: Tally) -> _Plan:
    """Return the machines that may be given up and the limits that have to be kept."""
    world, scenario = lent.world, lent.world.scenario
    static = static_peak(world, counted)
    counted.ended()
    pools = pools_of(world.fleet, static)
    base = baseline_for(scenario, world.workload.services)
    if known is None:
        begin = as_recorded(world) if scenario.baseline.kind == "as-recorded" else static
        replicas = replicas_at_start(world, begin, base.policies, short=begin.unplaced > 0)
        setting = world.setting(
            "baseline", policies=base.policies, roles=begin.roles, replicas=replicas
        )
        told = partial(counted, "baseline")
        reference: RunResult = Simulation(setting, told).finish().result()
        counted.ended()
    else:
        reference = known.baseline.run
    limits, findings = _limits(world, reference)
    return _Plan(
        lent=lent,
        limits=limits,
        pools=pools,
        floor=_floor(world, pools, limits),
        static=static,
        findings=tuple(dict.fromkeys((*static.findings, *findings))),
    )


def _limits(world: Shared, reference: RunResult) -> tuple[Limits, list[str]]:
    """Return the limits of the scenario's `slo`, those assumed where it has none, and which."""
    slo, work, findings = world.scenario.slo, world.workload, []
    shortage, wait_ms = slo.shortage_share, slo.batch_wait_p95
    if work.services is not None and shortage is None:
        services = reference.services
        wanted = float(services.work_core_s.sum())
        shortage = float(services.shortage_core_s.sum()) / wanted if wanted else 0.0
        findings.append(
            "no objective for shortage: services may be short of CPU as in the baseline"
            f" ({100 * shortage:.3g} % of their work)"
        )
    if work.jobs is not None and wait_ms is None and slo.deadline_miss is None:
        wait_ms = WAIT_P95_ASSUMED_MS
        findings.append("no objective for batch: a 95th-percentile wait of 15 min assumed")
    allowed_ms = WAIT_P95_ASSUMED_MS if wait_ms is None else wait_ms
    held_ms = longest_hold_ms(world.scenario.policies) or 0  # what comes last may be kept so long
    return Limits(
        latency_factor=slo.latency_factor_p99,
        shortage_share=shortage,
        deadline_miss=slo.deadline_miss,
        wait_p95_ms=wait_ms,
        end_ms=reference.end_ms + allowed_ms + held_ms,
        reference_ms=responses_ms(world, reference),
    ), findings


def _floor(world: Shared, pools: Pools, limits: Limits) -> Size:
    """Return a size below which services cannot be served, whatever the policy."""
    need = serving_need(world, limits)
    sizes = np.repeat(
        np.array([kind.size for kind in capacities(world)]), [k.count for k in world.fleet], axis=0
    )
    room = np.cumsum(sizes[pools.serve], axis=0)
    least = [int(np.searchsorted(room[:, r], n)) + 1 for r, n in enumerate(need) if n > 0]
    fewest = min(max(least, default=0), pools.size[0])
    # a fleet without any machine runs nothing, even where there is nothing to serve
    return fewest, 0 if fewest else min(1, pools.size[1])


def _subsets(scenario: Scenario) -> dict[str, tuple[Policy, ...]]:
    """Return the sets of switches between none and all, by their kinds joined with `+`."""
    policies = scenario.policies
    return {
        "+".join(p.kind for p in chosen): chosen
        for n in range(1, len(policies))
        for chosen in itertools.combinations(policies, n)
    }


def _searched(
    plan: _Plan,
    names: dict[str, tuple[Policy, ...]],
    executor: Executor,
    counted: Tally | None,
) -> dict[str, Found]:
    """Return what each search finds; sets that differ in what packs databases share one.

    Nothing else runs on the machines for databases, which are a pool of their own.
    """
    running = {name: tuple(p for p in ps if not packs(p)) for name, ps in names.items()}
    first = {policies: name for name, policies in reversed(running.items())}
    searches = {
        name: Pursued(policies=policies, steps=search(plan.pools.starts, plan.floor))
        for policies, name in reversed(first.items())
    }
    found = Pursuit(searches, plan.task, counted).through(executor)
    return {name: found[first[policies]] for name, policies in running.items()}


def _sized(
    plan: _Plan, found: dict[str, Found], names: dict[str, tuple[Policy, ...]]
) -> dict[str, Sized]:
    """Return sizes in machines of each type, with those for databases."""
    return {
        name: Sized.of(plan.shared, plan.pools, one, names.get(name, ()))
        for name, one in found.items()
    }


def _fixed(plan: _Plan, size: Size, run: RunResult | None, counted: Tally) -> Found:
    """Return a fleet that is what it is by definition, its limits looked at."""
    task = plan.task((), Ask(size=size))
    verdict = (None if run is None else seen(task, run)) or probe(task, partial(counted, "sizes"))
    counted.ended()
    return Found(size=size, verdict=verdict, tried=1, fixed=True)
