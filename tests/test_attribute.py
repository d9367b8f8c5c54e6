"""All combinations of switches: paired, exact, and told in words."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import greensched as gs
from greensched import registry
from greensched.accounting import account, total
from greensched.engine.simulate import Simulation
from greensched.errors import InternalError, UsageError
from greensched.experiment import Processes, Question, run
from greensched.experiment import combinations as combos
from greensched.experiment import evaluate as evaluating
from greensched.experiment.attributed import QUANTITIES, saved
from greensched.experiment.combinations import demand_sha256, same_demand, sets_of
from greensched.experiment.executor import Here
from greensched.experiment.lent import Lent, borrowed
from greensched.experiment.partition import static_peak
from greensched.experiment.world import shared
from greensched.report.attribution import shares, text_lines
from greensched.report.words import fitted
from greensched.units import MS_PER_H
from tests.report_cases import write_scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from greensched.experiment import Result
    from greensched.experiment.tally import Tally
    from greensched.scenario import Scenario

SWITCHES = """\
policies:
  - {kind: elastic-reactive}
  - {kind: tidal-timetable, start: 01:00, end: 08:00}
  - {kind: colocation-nsigma}
"""


def three_switches(folder: Path, **overrides: Any) -> Scenario:
    """Return the small scenario with three switches on."""
    path = write_scenario(folder)
    text = path.read_text(encoding="utf-8").partition("policies:")[0] + SWITCHES
    path.write_text(text, encoding="utf-8")
    return gs.load(path, overrides)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Return the small scenario run with all combinations of three switches."""
    scenario = three_switches(tmp_path_factory.mktemp("attributed"))
    return run(scenario, attribution=Question())


class Counting(Here):
    """Carries out everything here and counts the items of each map, and those pursued."""

    def __init__(self) -> None:
        """Begin with none."""
        self.counts: list[int] = []

    def map(
        self, work: Callable[[Any, Any], Any], items: Sequence[Any], runs: Tally | None
    ) -> list[Any]:
        """Return the results."""
        self.counts.append(len(items))
        return super().map(work, items, runs)

    def pursue(self, work: Any, wanted: Any, take: Any, *rest: Any) -> None:
        """Carry out what is wanted."""
        self.counts.append(0)

        def taken(item: Any, found: Any) -> None:
            self.counts[-1] += 1
            take(item, found)

        super().pursue(work, wanted, taken, *rest)


def test_parts_sum_to_the_saving_of_the_table(ran: Result) -> None:
    """In each quantity the parts' whole units sum to what the table says is saved."""
    summary = ran.summary
    table = {
        "machines_on_mean_milli": round(1000 * summary["savings"]["machines_on_mean"]),
        "energy_facility_mwh": round(1e6 * summary["savings"]["energy_facility_kwh"]),
        "scope2_location_mg": round(1e6 * summary["savings"]["scope2_location_kg"]),
    }
    for name, found in summary["attribution"]["quantities"].items():
        assert table[name] == found["total"]
        assert found["total"] == sum(part["shapley"] for part in found["technologies"])
    assert list(QUANTITIES) == list(summary["attribution"]["quantities"])


def test_every_combination_is_what_a_scenario_of_these_switches_saves(ran: Result) -> None:
    """Each set's saving is that of a scenario with these switches alone, run on its own."""
    for combination in ran.summary["attribution"]["combinations"]:
        on = combination["switches"]
        kinds = {"elastic-reactive": 0, "tidal-timetable": 1, "colocation-nsigma": 2}
        off = {f"policies.{i}.enabled": k in on for k, i in kinds.items()}
        alone = gs.run(ran.scenario.with_(**off)).summary
        assert combination["end_s"] == alone["window"]["end_s"]
        saving = alone["savings"]["energy_facility_kwh"]
        assert combination["saved"]["energy_facility_mwh"] == round(1e6 * saving)
        assert combination["violation_min"] == alone["scenario"]["service"]["violation_min"]


def test_shapley_values_are_means_over_orders(ran: Result) -> None:
    """The Shapley value of a switch is the mean of what it adds over all six orders."""
    attribution = ran.attribution
    assert attribution is not None
    values = {frozenset(c.switches): v["energy_facility_mwh"] for c, v in attribution.combinations}
    assert 8 == len(values)
    kinds = sorted(frozenset[str]().union(*values))
    for part in attribution.parts["energy_facility_mwh"][1:]:
        added = []
        for order in itertools.permutations(kinds):
            before = frozenset(order[: order.index(part.name)])
            added.append(values[before | {part.name}] - values[before])
        assert abs(sum(added) / len(added) - part.shapley) < 1
        assert values[frozenset({part.name})] - values[frozenset()] == part.alone


def test_what_giving_up_the_baselines_rules_costs_is_a_part(ran: Result) -> None:
    """No switch at all is not autoscaled: the difference is a part, static-peak against it."""
    found = ran.summary["attribution"]["quantities"]["energy_facility_mwh"]["technologies"]
    static, base = (ran.summary[k]["energy_facility_kwh"] for k in ("static_peak", "baseline"))
    assert "without autoscaled" == found[0]["name"]
    assert {round(1e6 * (base - static))} == {found[0][k] for k in ("alone", "last_in", "shapley")}
    assert "the switches replace autoscaled's own rules" == found[0]["why"]


def test_a_static_baseline_has_no_such_part(tmp_path: Path) -> None:
    """Against static-peak no switch saves exactly 0, and only switches are parts."""
    scenario = three_switches(tmp_path, **{"baseline.kind": "static-peak"})
    attribution = gs.attribute(scenario)
    names = [part.name for part in attribution.parts["energy_facility_mwh"]]
    assert ["elastic-reactive", "tidal-timetable", "colocation-nsigma"] == names
    nothing = next(v for c, v in attribution.combinations if not c.switches)
    assert {0} == set(nothing.values())


def test_equal_runs_are_run_once(tmp_path: Path) -> None:
    """Of eight combinations six are run: no switch is static-peak, all are the scenario."""
    executor = Counting()
    run(three_switches(tmp_path), attribution=Question(), executor=executor)
    assert [3, 3, 6, 3] == executor.counts
    executor = Counting()
    run(gs.load(write_scenario(tmp_path)), attribution=Question(), executor=executor)
    assert [3, 3, 0, 3] == executor.counts


def test_processes_give_the_same_attribution(ran: Result) -> None:
    """Two processes, which map the world of the first, give the same bytes as one."""
    with Processes(2) as executor:
        other = gs.attribute(ran.scenario, executor=executor)
    assert json.dumps(ran.summary["attribution"]) == json.dumps(other.summary)


def test_all_runs_saw_the_same_demand(ran: Result) -> None:
    """Each run's hash of its demand is that of the scenario's."""
    attribution = ran.attribution
    assert attribution is not None
    assert {demand_sha256(ran.shared)} == {c.demand_sha256 for c, _ in attribution.combinations}
    assert demand_sha256(ran.shared) == ran.summary["attribution"]["demand_sha256"]


def test_other_demand_is_refused(ran: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that saw one unit of load more than the others is a bug that is told."""
    services = ran.shared.workload.services
    assert services is not None
    load = services.load_cpu_m.copy()
    load[0, 0] += 1
    work = replace(ran.shared.workload, services=replace(services, load_cpu_m=load))
    other = replace(ran.shared, workload=work)
    assert demand_sha256(other) != demand_sha256(ran.shared)

    def elsewhere(world: Any, outcome: Any, switches: Any) -> Any:
        return combos.of_outcome(other if len(switches) == 1 else world, outcome, switches)

    monkeypatch.setattr(evaluating, "of_outcome", elsewhere)
    with pytest.raises(InternalError, match="different demand"):
        gs.attribute(ran.scenario)
    with pytest.raises(InternalError, match="different demand"):
        same_demand([])


def test_a_lent_world_is_mapped_and_equal(ran: Result) -> None:
    """A world that was sent has the same demand, read-only where it was, and is written once."""
    services = ran.shared.workload.services
    assert services is not None
    wide = replace(services, load_cpu_m=np.tile(services.load_cpu_m, 1000))
    wide.load_cpu_m.setflags(write=False)
    world = replace(ran.shared, workload=replace(ran.shared.workload, services=wide))
    with Lent(world) as lent:
        load, (folder,) = lent.__reduce__()
        assert (load, (folder,)) == lent.__reduce__()
        sent = borrowed(folder).world
        assert demand_sha256(world) == demand_sha256(sent)
        assert sent.workload.services is not None
        assert not sent.workload.services.load_cpu_m.flags.writeable
        assert not sent.workload.services.load_cpu_m.flags.owndata
    borrowed.cache_clear()
    with pytest.raises(FileNotFoundError):
        borrowed(folder)


def test_a_group_is_one_switch(ran: Result) -> None:
    """Two switches in a group are run together: two players, of which one has their names."""
    found = gs.attribute(ran.scenario, groups=[("tidal-timetable", "elastic-reactive")])
    names = [p.name for p in found.parts["energy_facility_mwh"]]
    assert [
        "without autoscaled",
        "elastic-reactive + tidal-timetable",
        "colocation-nsigma",
    ] == names
    assert found.totals == (ran.attribution.totals if ran.attribution else None)
    assert 4 == len(found.combinations)


def test_a_group_may_use_the_short_names_of_policies() -> None:
    """`elastic` in a group means the policy that a scenario gets by this name."""
    policies = [registry.load("policy", name)() for name in ("elastic", "colocation-nsigma")]
    sets = sets_of(policies, Question(groups=(("elastic", "colocation-nsigma"),)), 7)
    assert [tuple(p.kind for p in policies)] == list(sets.players.values())


@pytest.mark.parametrize(
    ("group", "what"),
    [(("tide",), "'tide' is no switch that is on"), (("tidal-timetable",) * 2, "in two groups")],
)
def test_groups_that_cannot_be_are_refused(ran: Result, group: tuple[str, ...], what: str) -> None:
    """A group names switches that are on, each once; the error says which are."""
    with pytest.raises(UsageError, match=re.escape(what)) as caught:
        gs.attribute(ran.scenario, groups=[group])
    assert "elastic-reactive" in caught.value.findings[0].remedy


def test_more_than_six_switches_are_sampled(ran: Result) -> None:
    """Of seven switches orders are drawn with the seed: equal seeds ask for equal sets."""

    class Switch:
        def __init__(self, kind: str) -> None:
            self.kind = kind

    policies: Any = [Switch(f"p{i}") for i in range(7)]
    sets = sets_of(policies, Question(orders=4), 7)
    assert 4 == len(sets.orders)
    assert sets == sets_of(policies, Question(orders=4), 7)
    assert sets != sets_of(policies, Question(orders=4), 8)
    assert len(sets.wanted) < 2**7
    assert () == sets_of(policies, Question(groups=(("p0", "p1"),)), 7).orders
    with pytest.raises(UsageError, match="two orders"):
        sets_of(policies, Question(orders=1), 7)


def test_orders_that_take_all_sets_are_not_sampled() -> None:
    """Of three switches all orders need all eight sets; of five, three need fewer than 32."""

    class Switch:
        def __init__(self, kind: str) -> None:
            self.kind = kind

    policies: Any = [Switch(f"p{i}") for i in range(5)]
    few = sets_of(policies[:3], Question(orders=2), 7)
    assert (8, ()) == (len(few.wanted), few.orders)
    assert few == sets_of(policies[:3], Question(), 7)
    some = sets_of(policies, Question(orders=3), 7)
    assert 3 == len(some.orders)
    assert len(some.wanted) <= 3 * 4 + 5 + 2
    assert 32 == len(sets_of(policies, Question(orders=200), 7).wanted)


def test_sampled_values_have_a_standard_error(tmp_path: Path) -> None:
    """Sampled over orders, the parts still sum exactly, and the largest error is printed."""
    three_switches(tmp_path)
    path = tmp_path / "small.yaml"
    text = path.read_text(encoding="utf-8").replace("policies:", "policies:\n  - {kind: shifting}")
    path.write_text(text, encoding="utf-8")
    found = gs.attribute(gs.load(path, {"seed": 1}), orders=3)
    summary = found.summary
    assert ("sampled", 3) == (summary["method"], summary["orders"])
    energy = summary["quantities"]["energy_facility_mwh"]
    assert energy["total"] == sum(p["shapley"] for p in energy["technologies"])
    assert max(p["standard_error"] for p in energy["technologies"]) > 0
    assert [] == energy["interactions"]
    shown = shares(gs.run(gs.load(path)).summary | {"attribution": summary})
    assert shown is not None
    assert "standard error is" in shown.notes[-1]


def test_a_switch_that_changes_nothing_shows_0_and_why(tmp_path: Path) -> None:
    """Without jobs lending and sharing machines save exactly 0, shown as 0, and it is said why."""
    three_switches(tmp_path)
    path = tmp_path / "small.yaml"
    text = path.read_text(encoding="utf-8").replace("  jobs: {file: jobs.csv}\n", "")
    path.write_text(text, encoding="utf-8")
    found = gs.attribute(gs.load(path))
    shown = shares(gs.run(gs.load(path)).summary | {"attribution": found.summary})
    assert shown is not None
    for row in (2, 3):
        assert ("0", "0", "0") == shown.quantities[1].cells[row]
        why = found.parts["energy_facility_mwh"][row].why
        assert "changed nothing that machines draw; alone: 0 power cycles, 0 moves" == why
        assert f"{shown.names[row]}: {why}" in shown.notes
    assert "" == found.parts["energy_facility_mwh"][1].why
    assert "No two technologies interact." == found.sentence


def test_a_combination_that_ends_later_is_priced_against_the_baseline_until_then(
    ran: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set that needs three hours more is compared with the baseline three hours longer."""
    later_ms = 3 * MS_PER_H
    once = evaluating._evaluated

    def longer(task: Any, tell: Tally | None) -> Any:
        if len(task.others) == 1:
            ground = replace(task.ground, end_ms=task.ground.end_ms + later_ms)
            task = replace(task, ground=ground)
        return once(task, tell)

    monkeypatch.setattr(evaluating, "_evaluated", longer)
    found = gs.attribute(ran.scenario)
    end_ms = ran.outcome.run.end_ms + later_ms
    fleet = static_peak(ran.shared, None)
    policies = registry.load("baseline", "autoscaled").policies
    setting = ran.shared.setting(
        "again", policies=policies, roles=fleet.roles, replicas=fleet.replicas
    )
    usage = Simulation(setting).finish().extend(end_ms).result().usage
    whole = total(account(usage, ran.shared.factors(end_ms))).energy_facility_mwh
    singles = [(c, v) for c, v in found.combinations if len(c.switches) == 1]
    assert 3 == len(singles)
    for one, values in singles:
        assert end_ms == one.end_ms
        assert whole - one.totals.energy_facility_mwh == values["energy_facility_mwh"]
    assert ran.attribution is not None
    assert ran.attribution.totals == found.totals


def test_shown_parts_sum_to_the_shown_total(ran: Result) -> None:
    """What a reader adds up in a column of Shapley values is the number below it."""
    shown = shares(ran.summary)
    assert shown is not None
    for quantity in shown.quantities:
        cells = [float(row[2].replace(",", "")) for row in quantity.cells]
        assert abs(sum(cells[:-1]) - cells[-1]) < 1e-9
    assert [1.0, 0.0, -1.0] == fitted([0.6, 0.6, -0.9], 0.3, 0)
    wide, narrow = (text_lines(shown, columns) for columns in (120, 60))
    assert max(map(len, narrow)) <= 60
    assert 3 * len(wide) == len(narrow)


def test_machine_time_is_rounded_to_the_nearest_thousandth() -> None:
    """1.5 thousandths of a machine go up and -1.5 up too, so that a table is never more off."""

    class Sums:
        energy_facility_mwh = scope2_location_mg = 0

        def __init__(self, on_ms: int) -> None:
            self.machine_on_ms = on_ms

    def milli(on_ms: int) -> int:
        before: Any = Sums(on_ms)
        after: Any = Sums(0)
        return saved(before, after, 2_000)["machines_on_mean_milli"]

    assert [2, -1, 1, 1000] == [milli(3), milli(-3), milli(1), milli(2_000)]


def test_table_has_a_row_for_each_quantity_and_part(ran: Result) -> None:
    """The table has three quantities of four parts; a notebook shows the sentence too."""
    attribution = gs.attribute(shared(ran.scenario).scenario)
    table = attribution.table
    assert 12 == len(table)
    assert {"mWh"} == set(table.loc["energy_facility_mwh"]["unit"])
    assert "compete" in attribution.sentence or "reinforce" in attribution.sentence
    assert attribution.sentence in attribution._repr_html_()
