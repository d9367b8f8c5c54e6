"""Sizing: what is found holds, what is smaller does not, and no run beats the bound."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import greensched as gs
from greensched import registry
from greensched.engine.simulate import Simulation
from greensched.experiment import Processes
from greensched.experiment.executor import Here
from greensched.experiment.lent import Lent
from greensched.experiment.partition import scales
from greensched.experiment.size import _planned, _searched, size
from greensched.experiment.size_bound import capacities, limited_by_bound
from greensched.experiment.size_limits import NO_FLEET, TOO_FEW, Fullness, Limits
from greensched.experiment.size_pools import Reserve
from greensched.experiment.size_probe import (
    HOPELESS,
    judged,
    probe,
    work_until,
)
from greensched.experiment.size_search import NEIGHBOURS, Ask
from greensched.experiment.tally import Tally
from greensched.experiment.world import shared
from greensched.report.sizing import notes
from tests.report_cases import write_scenario
from tests.size_cases import write_sized
from tests.test_bounds import proven

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.experiment.size import _Plan
    from greensched.experiment.size_document import Sized, Sizing
    from greensched.experiment.size_search import Size
    from greensched.scenario import Scenario


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Return the small scenario with every objective set."""
    return gs.load(write_sized(tmp_path_factory.mktemp("sized")))


@pytest.fixture(scope="module")
def plan(scenario: Scenario) -> _Plan:
    """Return what all searches of it share."""
    return _planned(Lent(shared(scenario)), None, Tally())


@pytest.fixture(scope="module")
def found(scenario: Scenario) -> Sizing:
    """Return its sizes, with those of all combinations."""
    return size(scenario, combinations=True)


def held(plan: _Plan, one: Size) -> bool:
    """Say whether a fleet holds, by a run to the end that nobody stops."""
    task = plan.task(plan.shared.scenario.policies, Ask(size=one))
    setting = plan.shared.setting(
        "whole", policies=task.policies, roles=task.roles, replicas=task.replicas
    )
    return judged(task, Simulation(setting).finish(), Fullness()).held


def test_work_may_end_as_much_later_as_it_may_be_held(scenario: Scenario, plan: _Plan) -> None:
    """The latest end is the baseline's, with the wait allowed and the longest delay."""
    shifting = {"kind": "shifting", "max_delay": "2 h"}
    more = _planned(
        Lent(shared(scenario.with_(policies=[{"kind": "elastic"}, shifting]))), None, Tally()
    )
    assert 2 * 3_600_000 == more.limits.end_ms - plan.limits.end_ms


def test_machines_for_batch_weaken_no_bound_on_those_that_serve(plan: _Plan) -> None:
    """What the bound takes as serving is what may serve."""
    (server,) = plan.shared.fleet
    fleet = tuple(dataclasses.replace(server, role=role) for role in ("batch", "online", "any"))
    world = dataclasses.replace(plan.shared, fleet=fleet)
    assert [False, True, True] == [one.serves for one in capacities(world)]


def test_the_size_holds_and_one_or_two_machines_less_do_not(plan: _Plan, found: Sizing) -> None:
    """Runs that nothing stops agree: the fleet holds, and none with one or two machines less."""
    best = (found.scenario_size.serve, found.scenario_size.compute)
    assert held(plan, best)
    for less in NEIGHBOURS:
        one = (best[0] + less[0], best[1] + less[1])
        if min(one) >= 0 and sum(one) > 0:
            assert not held(plan, one)


def test_a_run_is_stopped_only_where_it_would_break(plan: _Plan) -> None:
    """Over all sizes of the fleet, the run that may be stopped says what the whole run says."""
    verdicts = set()
    for serve in range(plan.pools.size[0] + 1):
        for compute in range(plan.pools.size[1] + 1):
            if serve + compute == 0:
                continue
            task = plan.task(plan.shared.scenario.policies, Ask(size=(serve, compute)))
            early = probe(task, None)
            assert held(plan, (serve, compute)) == early.held
            verdicts.add(early.held)
    assert {True, False} == verdicts


def test_a_scout_tells_the_shortage_of_services_alone(plan: _Plan) -> None:
    """It runs without jobs and only with what scales, and tells a shortage that falls."""
    shares = []
    for serve in range(1, plan.pools.size[0] + 1):
        task = plan.task(plan.shared.scenario.policies, Ask(size=(serve, 1), scout=True))
        setting = task.setting(task.shared)
        assert (None, True) == (setting.jobs, all(map(scales, setting.policies)))
        short = Simulation(setting).finish().result().services.shortage_core_s.sum()
        allowed = 0.01 * work_until(task.shared, plan.limits.end_ms) / 1e6
        verdict = probe(task, None)
        assert verdict.shortage is not None
        assert (verdict.shortage <= 1.0) == verdict.held
        if verdict.shortage < HOPELESS:
            assert pytest.approx(short / allowed) == verdict.shortage
        shares.append(verdict.shortage)
    assert shares[0] > 1.0 > shares[-1]


def test_an_answer_that_comes_late_changes_nothing(plan: _Plan) -> None:
    """What was tried ahead and comes in after a search has ended leaves what it found."""
    answers: list[Any] = []

    class Late(Here):
        """Hands each answer on a second time, once all is found."""

        def pursue(self, work: Any, wanted: Any, take: Any, *rest: Any) -> None:
            def taken(trial: Any, verdict: Any) -> None:
                answers.append((trial, verdict))
                take(trial, verdict)

            super().pursue(work, wanted, taken, *rest)
            for trial, verdict in answers:
                take(trial, verdict)

    names = {"scenario": plan.shared.scenario.policies}
    expected = _searched(plan, names, Here(), None)
    assert expected == _searched(plan, names, Late(), None)
    assert answers


def test_what_packs_databases_is_not_searched_for_again(plan: _Plan) -> None:
    """Sets of switches that differ in it alone have one search between them."""
    switches = plan.shared.scenario.policies
    packing = registry.load("policy", "consolidation")()
    names = {"without": switches, "with": (*switches, packing), "alone": (packing,)}
    trials: list[Any] = []

    class Counting(Here):
        """Notes what is tried."""

        def pursue(self, work: Any, wanted: Any, take: Any, *rest: Any) -> None:
            def noted(trial: Any, tell: Any) -> Any:
                trials.append(trial)
                return work(trial, tell)

            super().pursue(noted, wanted, take, *rest)

    found = _searched(plan, names, Counting(), None)
    assert found["without"] is found["with"] is not found["alone"]
    assert {"without", "alone"} == {trial.name for trial in trials}


def test_bounds_are_not_beaten_and_are_proven(found: Sizing) -> None:
    """No size is below the bound, and the certificate in the document proves the bound."""
    document = found.document
    assert document["lower_bound"] == -(-proven(document["certificate"]) // 1)
    for run in document["runs"]:
        assert document["lower_bound"] <= run["machines"]
    assert 0 < document["lower_bound"] <= document["machines"] <= document["fleet_machines"]
    nothing = dataclasses.replace(found.bound, machines=0)
    assert 1 == dataclasses.replace(found, bound=nothing).lower_bound


def test_limits_name_who_what_and_when(found: Sizing) -> None:
    """Each pool that could shrink names what breaks without its last machine."""
    for limit, pool in zip(found.document["limited_by"], ("serving", "computing"), strict=True):
        assert (pool, "server") == (limit["pool"], limit["machine_type"])
        assert limit["objective"] == "lower_bound" or limit["hour"].startswith("2024-01-0")


OF_SHOP = (
    f"{TOO_FEW}, most in the hour from 2024-01-01T00:00:00+01:00 and of service shop;"
    " cpu is what it lacks"
)


@pytest.mark.parametrize(
    ("load_cpu_m", "slo", "least", "told"),
    [
        (28_000, "{latency_factor_p99: 100, shortage_share: 0.01}", 2, ("serving", OF_SHOP)),
        (4_000, "{latency_factor_p99: 100, shortage_share: 0.01}", 1, ("serving", NO_FLEET)),
        (28_000, "{shortage_share: 1.0, batch_wait_p95: 24 h}", 1, ("computing", NO_FLEET)),
    ],
)
def test_a_size_that_is_its_bound_says_so(
    load_cpu_m: int, slo: str, least: int, told: tuple[str, str], tmp_path: Path
) -> None:
    """Where no run was refused the lower bound is what limits: the load, or that none is left."""
    path = write_scenario(tmp_path)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "slo:" not in line]
    if told[0] == "serving":
        lines = [line for line in lines if "jobs.csv" not in line]
    path.write_text("\n".join([*lines, f"slo: {slo}"]) + "\n", encoding="utf-8")
    head = "service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib"
    rows = [f"shop,{3_600 * hour},{load_cpu_m},2000,2048" for hour in range(24)]
    (tmp_path / "services.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    document = size(gs.load(path)).document
    assert document["lower_bound"] == document["machines"] == least
    (limit,) = document["limited_by"]
    assert ("lower_bound", *told) == (limit["objective"], limit["pool"], limit["text"])
    assert notes(document) == [f"with one {told[0]} machine less: {told[1]}"]


def test_what_a_bound_lacks_is_named(tmp_path: Path) -> None:
    """The scarcest resource, the hour in which all want most of it, and who then wants most."""
    path = write_scenario(tmp_path)
    head = "service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib"
    loads = {"shop": (2_000, 8_000), "web": (9_000, 10_000), "mail": (1_000, 14_000)}
    rows = [
        f"{name},{3_600 * hour},{load[hour == 7]},2000,{16_384 if name == 'web' else 8_192}"
        for name, load in loads.items()
        for hour in range(24)
    ]
    (tmp_path / "services.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    world = shared(gs.load(path))
    limits = Limits(
        latency_factor=None,
        shortage_share=0.0,
        deadline_miss=None,
        wait_p95_ms=None,
        end_ms=world.scenario.window_ms,
        reference_ms=np.zeros((289, 3)),
    )
    found = limited_by_bound(world, limits, 2)
    assert ("web", "memory", 7 * 3_600) == tuple(found[k] for k in ("service", "resource", "at_s"))


@pytest.mark.slow
def test_sizes_do_not_depend_on_who_tries_them(scenario: Scenario, found: Sizing) -> None:
    """The document is the same with two processes; only how many re-runs were made may differ."""
    with Processes(2) as executor:
        together = size(scenario, combinations=True, executor=executor).document
    for run in (*together["runs"], *(alone := found.document)["runs"]):
        run.pop("tried")
    assert alone == together


def test_a_known_result_gives_the_same_sizes(scenario: Scenario, found: Sizing) -> None:
    """With the runs of a result at hand the sizes are those found without."""
    result = gs.run(scenario)
    again = size(scenario, known=result)
    assert found.needed == again.needed
    filled = dataclasses.replace(result, sizing=again).summary
    assert found.needed["scenario"] == filled["scenario"]["machines_needed"]
    assert again.lower_bound == filled["sizing"]["lower_bound"]
    assert None is result.summary["sizing"]


def test_what_cannot_hold_has_no_size(scenario: Scenario) -> None:
    """Where the whole fleet breaks an objective there is no number, and what breaks is named."""
    hard = {"slo.shortage_share": 0.0, "slo.batch_wait_p95": "24 h", "fleet.0.count": 1}
    document = size(scenario.with_(**hard)).document
    assert None is document["machines"]
    assert None is document["embodied_not_bought_kg"]
    (limit,) = document["limited_by"]
    assert ("serving", "shortage_share") == (limit["pool"], limit["objective"])
    assert limit["service"] in ("shop", "web")
    assert 1 == document["static_peak_machines"]
    fixed = "the machines of static-peak are its definition, whether they keep objectives or not"
    assert fixed == notes(document)[-1]
    fixed = fixed.replace("static-peak are its", "as-recorded and static-peak are their")
    assert fixed == notes(document | {"baseline_kind": "as-recorded"})[-1]


def test_embodied_is_the_share_of_the_window(scenario: Scenario, found: Sizing) -> None:
    """A machine of 1000 kg for 5 years not bought is 1000 / 1825 kg in a day; ranges follow."""
    fewer = found.needed["baseline"] - found.needed["scenario"]  # type: ignore[operator]
    kg = found.embodied_not_bought_kg
    assert kg is not None
    assert pytest.approx(fewer * 1000 / 1825) == kg["mid"]
    assert pytest.approx([fewer * 800 / 1825, fewer * 1300 / 1825]) == [kg["low"], kg["high"]]
    assert gs.run(scenario).summary["scenario"]["embodied_kg"] == pytest.approx(8 * 1000 / 1825)


def test_types_are_given_up_last_listed_first(tmp_path: Path) -> None:
    """Of two equal types, all that is given up is of the last, until none of it is left."""
    path = write_scenario(tmp_path)
    text = path.read_text(encoding="utf-8")
    first = text[text.index("  - name: server") : text.index("traces:")]
    second = first.replace("server", "newer").replace("count: 8", "count: 2")
    text = text.replace(first, first.replace("count: 8", "count: 2") + second)
    path.write_text(text, encoding="utf-8")
    types = size(gs.load(path)).document["by_type"]
    assert ["server", "newer"] == [one["machine_type"] for one in types]
    assert 2 == types[0]["machines"]
    assert types[1]["machines"] < 2


def test_what_is_assumed_is_told_once(tmp_path: Path) -> None:
    """An objective for batch that static-peak and the sizes assume alike is one finding."""
    path = write_scenario(tmp_path)
    text = path.read_text(encoding="utf-8").replace(", deadline_miss: 0.5", "")
    path.write_text(text, encoding="utf-8")
    findings = size(gs.load(path)).document["findings"]
    assert 1 == sum("no objective for batch" in text for text in findings)


def test_the_industry_line(found: Sizing) -> None:
    """X = N (R2 - R1) / R2 with the baseline's machines and the use of machines that are on."""
    line = found.industry
    assert line is not None
    r1, r2 = line["use_before_share"], line["use_after_share"]
    assert 0 < r1 < 1
    expected = found.needed["baseline"] * (r2 - r1) / r2
    assert pytest.approx(expected) == line["machines_saved"]
    assert "1.60 times their mean" in line["gap"]
    spared = dataclasses.replace(found, reserve=Reserve(machines=2)).industry
    assert spared is not None
    assert line["machines_saved"] == spared["machines_saved"]


def test_databases_are_no_part_of_the_industry_line(found: Sizing) -> None:
    """Machines for databases, whose use is in no R, are neither in N nor in what is saved here."""

    def beside(one: Sized, databases: int) -> Sized:
        by_type = (sum(one.by_type or ()) + databases,)
        return dataclasses.replace(one, databases=databases, by_type=by_type)

    after = beside(found.scenario_size, 13)
    more = dataclasses.replace(found, baseline=beside(found.baseline, 21), scenario_size=after)
    assert found.industry is not None
    assert more.industry is not None
    gap = f"{found.industry['gap']}; machines for databases are in neither"
    assert found.industry | {"gap": gap} == more.industry


def test_fullness_is_the_most_reserved_resource() -> None:
    """Of memory at 3/4 and CPU at 1/2 memory is named; surplus machines do not count."""
    names = ["surplus", "role", "n_gpus", "gpu_free_m", "cpu_m", "memory_mib"]
    names += [f"{k}_{r}" for k in ("online", "batch") for r in ("cpu_m", "memory_mib")]
    mach = np.zeros(2, [(name, np.int64) for name in names])
    mach["surplus"] = [0, 1]
    mach["cpu_m"], mach["memory_mib"] = 8, 8
    mach["online_cpu_m"], mach["online_memory_mib"] = [4, 8], [6, 0]
    fullness = Fullness()
    assert None is fullness.fullest(serving=True)
    fullness.look(type("World", (), {"mach": mach}))
    assert "memory" == fullness.fullest(serving=True)
    assert None is fullness.fullest(serving=False)
