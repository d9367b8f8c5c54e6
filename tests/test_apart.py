"""Databases have machines of their own: what packs them is told without runs of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import greensched as gs
from greensched.experiment import Question, apart, evaluate, run
from greensched.experiment.lent import Lent
from greensched.experiment.partition import static_peak
from greensched.experiment.world import shared
from tests.report_cases import write_scenario
from tests.test_attribute import Counting

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.experiment.attributed import Attributed
    from greensched.scenario import Scenario

DATA = """\
  - name: data
    site: here
    role: database
    count: 24
    cores: 16
    memory: 128 GiB
    disk: 8 TiB
    iops: 40000
    racks: 6
    power: {idle: 55 W, peak: 160 W}
"""
POLICIES = "policies: [{kind: elastic-reactive}, {kind: consolidation}, {kind: colocation-nsigma}]"


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    """Return a day of two services, forty jobs and the bundled databases, three switches on."""
    path = write_scenario(tmp_path)
    text = path.read_text(encoding="utf-8").replace("policies: [{kind: elastic}]", POLICIES)
    text = text.replace("traces:\n", f"{DATA}traces:\n  databases: bundled:database-week\n")
    text = text.replace("2024-01-01T00:00+01:00", "2023-03-06T00:00+08:00")
    path.write_text(text, encoding="utf-8")
    return gs.load(path)


def attributed(scenario: Scenario, executor: Counting) -> Attributed:
    """Return the attribution of a run."""
    found = run(scenario, attribution=Question(), executor=executor).attribution
    assert found is not None
    return found


def test_sets_without_runs_are_what_their_runs_give(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All eight sets have the same whole units, levels and counts, whether run or put together."""
    few, many = Counting(), Counting()
    together = attributed(scenario, few)
    monkeypatch.setattr(evaluate, "parted", lambda policies, _fleet: (policies, ()))
    each = attributed(scenario, many)
    assert (2, 6) == (few.counts[2], many.counts[2])
    assert each.combinations == together.combinations
    energy = {part.name: part.alone for part in together.parts["energy_facility_mwh"]}
    assert energy["consolidation"] > 0
    assert {
        (i.first, i.second)
        for i in together.attributions["energy_facility_mwh"].interactions
        if i.together
    } == {("colocation-nsigma", "elastic-reactive")}


def test_services_change_nothing_for_databases(scenario: Scenario) -> None:
    """With services and jobs beside them databases take the same energy as alone."""
    world = shared(scenario)
    fleet = static_peak(world, None)
    result = run(scenario).baseline.run
    with Lent(world) as lent:
        alone = apart.databases_alone(lent, fleet, (), result.end_ms)
        assert alone is apart.databases_alone(lent, fleet, (), result.end_ms)
    assert alone.databases.energy_j.sum() > 0
    assert alone.databases.energy_j == pytest.approx(result.databases.energy_j, rel=1e-9)


def test_nothing_is_apart_without_databases(scenario: Scenario) -> None:
    """Where no database runs, every switch belongs to the runs."""
    fleet = static_peak(shared(scenario.with_(**{"traces.databases": None})), None)
    assert (scenario.policies, ()) == apart.parted(scenario.policies, fleet)
