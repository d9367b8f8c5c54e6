"""`run`: a scenario, its baseline and static-peak, over one world and one demand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from greensched.accounting import Baseline, baseline_of, scope2_label, total
from greensched.experiment import carbon_forecast, forecasts
from greensched.experiment.assumed import SHARES, at_shares, is_asked, told
from greensched.experiment.attributed import Attributed, attributed
from greensched.experiment.baseline import baseline_for
from greensched.experiment.combinations import Question, Sets, sets_of
from greensched.experiment.evaluate import Ground, evaluate, missing
from greensched.experiment.executor import Executor, Here
from greensched.experiment.interference import interference
from greensched.experiment.lent import Lent
from greensched.experiment.levels import responses_ms
from greensched.experiment.outcome import Outcome, outcome
from greensched.experiment.partition import as_recorded, pooled, static_peak
from greensched.experiment.result import Result
from greensched.experiment.run_bound import run_bounds
from greensched.experiment.runs import Runs, known
from greensched.experiment.tally import Tally
from greensched.experiment.world import Shared, shared
from greensched.forecast.erring import ErringForecast
from greensched.providers.constant import NOT_ASSESSABLE, Constant
from greensched.scenario.calibration import finding_of
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greensched.accounting import Factors
    from greensched.engine.result import RunResult
    from greensched.experiment.forecasts import Worth
    from greensched.experiment.partition import Partition
    from greensched.experiment.tally import Progress
    from greensched.model import Policy
    from greensched.scenario import Scenario

RUNS: Final = 4  # of a table: the search for static-peak counts as one


def run(
    scenario: Scenario,
    *,
    attribution: Question | None = None,
    bounds: bool = True,
    progress: Progress | None = None,
    executor: Executor | None = None,
    world: Shared | None = None,
) -> Result:
    """Return the scenario against its baseline, with static-peak beside it.

    With `attribution` (`Question()`) also all combinations of its switches are run; with `bounds`
    the result tells what no policy could beat. `progress` is told how far all runs are, as those
    in this process advance and any end; `executor` says where they are carried out (None: here);
    `world` is what all share, made of the scenario unless it is given. Raises ScenarioError and
    DataError for what cannot be run, UsageError for a question that has no answer.
    """
    (executor := executor or Here()).start()
    sets = None if attribution is None else sets_of(scenario.policies, attribution, scenario.seed)
    counted = Tally.of(progress)
    fewer = [counted.part(RUNS) for _ in SHARES] if is_asked(scenario) else []
    world, kind = world or shared(scenario), scenario.baseline.kind
    base = baseline_for(scenario, world.workload.services)
    counted.expect(_count(world, base.policies, sets))
    static = static_peak(world, counted)
    counted.ended()
    plans = _plans(world, scenario, static, base.policies)
    with Lent(world) as lent, Runs(lent, plans, executor, counted, sets) as runs:
        outcomes, ground = _accounted(runs, plans["scenario"][0])
        parts = None if sets is None else _attributed(ground, sets, outcomes, runs, kind)
    worth = _worth(world)
    whole = Result(
        scenario=scenario,
        shared=world,
        baseline_id=_identity(world, kind, base.text, base.policies),
        baseline=outcomes["baseline"],
        static_peak=outcomes["static_peak"],
        outcome=outcomes["scenario"],
        forecasts=_told_of(world, worth),
        findings=_findings(ground, static, worth, outcomes["scenario"].run),
        bounds=run_bounds(world, outcomes["scenario"], ground.factors) if bounds else None,
        attribution=parts,
        interference=interference(world, outcomes["scenario"].run, ground.reference_ms),
    )
    return _with_shares(whole, fewer, executor) if fewer else whole


def _plans(
    world: Shared, scenario: Scenario, static: Partition, base: tuple[Policy, ...]
) -> dict[str, tuple[Partition, tuple[Policy, ...]]]:
    """Return what each run of the table starts with and does, the longest first."""
    own = as_recorded(world) if scenario.baseline.kind == "as-recorded" else static
    return {
        "scenario": (pooled(world, own, static), scenario.policies),
        "baseline": (own, base),
        "static_peak": (static, ()),
    }


def _count(world: Shared, base: tuple[Policy, ...], sets: Sets | None) -> int:
    """Return how many runs there will be: of the search for static-peak, the table and `sets`.

    Known before static-peak is: of the fleet it only counts whether databases run on it.
    """
    switches, whole = world.scenario.policies, world.scenario.baseline.kind == "as-recorded"
    own = whole if world.scenario.spec.pools is None else "pools"
    table = {(own, switches), (whole, base), (False, ())}
    if sets is None:
        return 1 + len(table)
    told = [policies for fleet, policies in table if fleet == own or not policies]
    return 1 + len(table) + len(missing(sets, switches, as_recorded(world), told))


def _with_shares(whole: Result, counted: list[Tally], executor: Executor) -> Result:
    """Return the result with what is saved where fewer of the assumed jobs may wait."""
    each = iter(counted)

    def again(scenario: Scenario) -> Mapping[str, Any]:
        found = run(scenario, bounds=False, progress=next(each), executor=executor)
        saved: Mapping[str, Any] = found.summary["savings"]
        return saved

    shares = at_shares(whole.scenario, whole.summary["savings"], again)
    return replace(whole, assumed_shares=shares, findings=(*whole.findings, *told(shares)))


def _worth(world: Shared) -> Worth | None:
    """Return what the forecast of the services was worth, without errors that were added."""
    fitted: Any = world.forecast
    if isinstance(fitted, ErringForecast):
        fitted = fitted.given
    return forecasts.worth_of(world.scenario, world.workload, fitted)


def _told_of(world: Shared, worth: Worth | None) -> dict[str, Any]:
    """Return what is told of the forecasts of services and of intensity."""
    return {
        "services": None if worth is None else worth.summary,
        "intensity": carbon_forecast.summary_of(world.carbon, world.scenario.policies),
    }


def _findings(
    ground: Ground, static: Partition, worth: Worth | None, run: RunResult
) -> tuple[str, ...]:
    """Return what readers, static-peak, forecasts, factors and previews found, each once."""
    world, late_ms = ground.lent.world, ground.priced_ms - ground.end_ms
    found = (
        *world.workload.findings,
        *static.findings,
        *(() if worth is None else worth.findings),
        *forecasts.calendar_told(world.scenario),
        *carbon_forecast.findings(world.carbon, world.workload.jobs),
        *finding_of(world.scenario.spec),
        *_remarks(world, late_ms),
        *_previewed(run),
        *_labelled(ground.factors),
    )
    return tuple(dict.fromkeys(found))


def _labelled(factors: Factors) -> tuple[str, ...]:
    """Say of which sites the intensity is no direct one, by the label of their entries."""
    return tuple(
        f"site {site.site}: {scope2_label(site.basis)}: what is emitted upstream counts in it"
        for site in factors.sites
        if site.basis == "lifecycle"
    )


def _previewed(run: RunResult) -> tuple[str, ...]:
    """Say what policies would have done that were only previewed."""
    return tuple(
        f"{one.kind} previewed, nothing was done: on average {one.replicas:,.1f} replicas in place"
        f" of {one.replicas_there:,.1f}, {one.cores_less:,.1f} cores less reserved, short of CPU"
        f" for {one.short_min:,.1f} service-min"
        for one in run.previews
    )


def _accounted(runs: Runs, fleet: Partition) -> tuple[dict[str, Outcome], Ground]:
    """Return the outcomes of the table's runs, and what others are compared with them by."""
    world, results = runs.lent.world, runs.results()
    end_ms = results["scenario"].end_ms
    priced_ms = max(end_ms, results["static_peak"].end_ms)
    factors = world.factors(priced_ms)
    responses = {name: responses_ms(world, one) for name, one in results.items()}
    reference = responses["baseline"]
    ground = Ground(
        lent=runs.lent,
        fleet=fleet,
        end_ms=end_ms,
        factors=factors,
        priced_ms=priced_ms,
        reference_ms=reference,
    )
    return {
        name: replace(
            outcome(world, one, factors, responses[name], reference),
            spare=runs.plans[name][0].spare,
        )
        for name, one in results.items()
    }, ground


def _attributed(
    ground: Ground, sets: Sets, outcomes: dict[str, Outcome], runs: Runs, kind: str
) -> Attributed:
    """Return who saved what; runs that were made for the table are not made again."""
    ready = [(runs.plans[name][1], outcomes[name]) for name in known(runs.plans)]
    found = evaluate(ground, sets, ready, runs.executor, runs.counted, runs.begun)
    late_ms = {one.end_ms for one in found.values()} - {ground.end_ms}
    baselines = {ground.end_ms: total(outcomes["baseline"].entries)}
    baselines |= runs.baseline_until(late_ms, ground)
    return attributed(sets, found, baselines, ground.end_ms, kind)


def _later(late_ms: int) -> tuple[str, ...]:
    """Say that static-peak ended later than the two runs that are compared."""
    if late_ms <= 0:
        return ()
    return (
        f"static-peak ends {late_ms / MS_PER_H:.1f} h after the other runs, priced until then",
    )


def _remarks(world: Shared, late_ms: int) -> tuple[str, ...]:
    """Say what has to be known of the runs' ends and of the intensity."""
    return (*_later(late_ms), *_annual(world))


def _annual(world: Shared) -> tuple[str, ...]:
    """Say that factors without hours, at all sites, leave nothing to be said of shifting."""
    if any(one.labels.source != Constant.name for one in world.intensity.values()):
        return ()
    return (NOT_ASSESSABLE,)


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
