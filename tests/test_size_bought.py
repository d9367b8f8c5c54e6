"""What is bought of a size: its pools run again, and machines in reserve."""

from __future__ import annotations

import dataclasses
import re
import shlex
from typing import TYPE_CHECKING

import pytest

import greensched as gs
from greensched.errors import ScenarioError
from greensched.experiment import Question
from greensched.experiment.partition import pooled, static_peak
from greensched.experiment.size import size
from greensched.experiment.size_pools import Reserve
from greensched.report.sizing import remarks
from greensched.scenario.overrides import with_overrides
from tests.blocks import ROOT
from tests.size_cases import write_sized

if TYPE_CHECKING:
    from greensched.experiment.size_document import Sizing
    from greensched.model import MachineType
    from greensched.scenario import Scenario


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Return the small scenario with every objective set."""
    return gs.load(write_sized(tmp_path_factory.mktemp("bought")))


@pytest.fixture(scope="module")
def found(scenario: Scenario) -> Sizing:
    """Return its sizes."""
    return size(scenario)


@pytest.mark.parametrize("given", ["fleet", "size"])
def test_a_run_on_the_size_keeps_the_objectives(
    scenario: Scenario, found: Sizing, given: str
) -> None:
    """With the pools of `size`, `run` is its re-run, on the fleet and on no more machines."""
    (one,) = found.document["by_type"]
    pools = {one["machine_type"]: {"serve": one["serve"], "compute": one["compute"]}}
    count = one["fleet_machines"] if given == "fleet" else one["machines"]
    bought = scenario.with_(**{"pools": pools, "fleet.0.count": count})
    level = gs.run(bought, bounds=False).summary["scenario"]
    assert level["service"]["shortage_share"] <= scenario.slo.shortage_share
    measured = found.document["runs"][-1]["measured"]
    assert measured["wait_p95_s"] == level["batch"]["wait_p95_s"]
    if given == "fleet":  # else the baseline has no more machines, and runs on for longer
        assert measured["shortage_share"] == level["service"]["shortage_share"]
        assert measured["latency_factor_p99"] == level["service"]["latency_factor_p99"]
    assert 0 == level["batch"]["unfinished"]
    assert level["machines_on_peak"] <= one["machines"]
    told = " ".join(remarks(found.document))
    for key in ("serve", "compute"):
        wanted = f"--set pools.server.{key}={one[key]}"
        assert (wanted in told) == (one[key] > 0)
        assert f"pools.server.{key}=0" not in told
    assert size(bought).document["by_type"][0]["machines"] <= one["machines"]


def test_only_the_scenario_runs_on_its_pools(scenario: Scenario) -> None:
    """Baseline, static-peak (no switch at all) and a size's limits are of the whole fleet."""
    night = scenario.with_(policies=[{"kind": "tidal-timetable"}])
    bought = night.with_(pools={"server": {"serve": 4, "compute": 0}})
    with_pools, without = (gs.run(one, attribution=Question()) for one in (bought, night))
    for name in ("baseline", "static_peak"):
        a, b = (getattr(one, name).run for one in (with_pools, without))
        assert a.counts == b.counts
    assert with_pools.attribution is not None
    none, _ = with_pools.attribution.combinations[0]
    assert () == none.switches
    assert none.end_ms == with_pools.outcome.run.end_ms
    assert with_pools.static_peak.run.counts == none.counts
    limits = size(bought).limits
    assert limits.end_ms == size(night).limits.end_ms


@pytest.mark.parametrize("name", ["m5.large", "gen 8", "gen8"])
def test_what_is_told_for_run_is_read_back(found: Sizing, name: str) -> None:
    """The settings go through a shell and lead to the type, whatever is in its name."""
    (server,) = found.document["by_type"]
    told = remarks({**found.document, "by_type": [{**server, "machine_type": name}]})
    words = shlex.split(next(text for text in told if text.startswith("--set ")))
    settings = dict(word.split("=") for word in words if word != "--set")
    tree, findings = with_overrides({"fleet": [{"name": name, "count": 8}]}, settings)
    assert [] == findings
    wanted = {key: server[key] for key in ("serve", "compute") if server[key]}
    assert {name: wanted} == tree["pools"]


def test_fewer_switches_run_on_the_pools_as_alone(scenario: Scenario) -> None:
    """A set of switches is the run of a scenario that has no others, on the same machines."""
    pools = {"server": {"serve": 1, "compute": 2}}
    two = [{"kind": "elastic"}, {"kind": "tidal-timetable"}]
    both = gs.run(scenario.with_(pools=pools, policies=two), attribution=Question(), bounds=False)
    assert both.attribution is not None
    for name, kept in zip(("elastic-predictive", "tidal-timetable"), two, strict=True):
        alone = gs.run(scenario.with_(pools=pools, policies=[kept]), bounds=False)
        (one,) = (one for one, _ in both.attribution.combinations if one.switches == (name,))
        assert one.counts == alone.outcome.run.counts
        service = alone.summary["scenario"]["service"]
        assert {key: service[key] for key in one.service} == one.service


def test_pools_have_no_machine_to_spare(found: Sizing) -> None:
    """What static-peak keeps for outages is no part of the machines that were bought."""
    scenario = found.scenario.with_(pools={"server": {"serve": 3, "compute": 2}})
    world = dataclasses.replace(found.shared, scenario=scenario)
    static = dataclasses.replace(static_peak(world, None), spare=2)
    assert 0 == pooled(world, static, static).spare


def test_as_recorded_is_no_bar_to_pools(scenario: Scenario) -> None:
    """The scenario runs on what was bought, whatever machines its baseline is recorded on."""
    bought = {"baseline.kind": "as-recorded", "pools": {"server": {"serve": 3, "compute": 2}}}
    summary = gs.run(scenario.with_(**bought), bounds=False).summary
    assert summary["scenario"]["machines_on_peak"] <= 5 < summary["baseline"]["machines_on_peak"]


@pytest.mark.slow
def test_the_bundled_week_runs_on_its_size() -> None:
    """The command of the page on sizing has the pools found, and keeps every objective."""
    path = ROOT / "simulations" / "tidal-week.yaml"
    document = size(gs.load(path)).document
    (told,) = (text for text in remarks(document) if text.startswith("--set "))
    settings = re.findall(r"--set (\S+)=(\d+)", told)
    page = (ROOT / "docs/reference/sizing.md").read_text(encoding="utf-8")
    command = " ".join(f"--set {name}={n}" for name, n in settings)
    assert f"greensched run simulations/tidal-week.yaml {command}\n" in page
    level = gs.run(gs.load(path, dict(settings)), bounds=False).summary["scenario"]
    kept = {
        key: value
        for part in ("service", "batch", "databases")
        for key, value in level[part].items()
        if key.endswith("_ok")
    }
    assert {True} == {value for value in kept.values() if value is not None}
    assert {"latency_factor_p99_ok", "shortage_share_ok", "wait_p95_ok"} <= set(kept)
    measured = document["runs"][-1]["measured"]
    assert measured["wait_p95_s"] == level["batch"]["wait_p95_s"]


def test_pools_that_cannot_be_are_refused_all_at_once(scenario: Scenario) -> None:
    """A type that is not there, more machines than there are, and what they never do."""
    for role, pools, expected in (
        ("any", {"other": {"serve": 1}}, ["no machine type 'other'", "there are server"]),
        ("any", {"server": {"serve": 5, "compute": 4}}, ["5 + 4 machines of 8"]),
        ("batch", {"server": {"serve": 1}}, ["machines of role 'batch' do something else"]),
        (
            "online",
            {"server": {"serve": 8, "compute": 1}, "x": {"serve": 1}},
            ["8 + 1 machines of 8", "of role 'online' do something else", "no machine type 'x'"],
        ),
    ):
        with pytest.raises(ScenarioError) as caught:
            gs.run(scenario.with_(**{"fleet.0.role": role, "pools": pools}))
        for text in expected:
            assert text in str(caught.value)
    with pytest.raises(ScenarioError, match=r"^--set pools\.server\.serve: 9 \+ 0 machines of 8"):
        gs.run(scenario.with_(**{"pools.server.serve": "9"}))


@pytest.mark.parametrize(
    ("reserve", "needed", "added"),
    [
        *((Reserve(), 9, 0), (Reserve(machines=2), 9, 2), (Reserve(share=0.1), 9, 1)),
        *((Reserve(share=0.1), 10, 2), (Reserve(share=0.5), 7, 7)),
    ],
)
def test_reserve(reserve: Reserve, needed: int, added: int) -> None:
    """A share is of the fleet bought: when it fails, what is needed is still there."""
    assert added == reserve.added(needed)
    assert (needed + added) * (1 - reserve.share) - reserve.machines >= needed - 1e-9


def test_reserve_is_part_of_every_size(scenario: Scenario, found: Sizing) -> None:
    """Two machines of reserve make every size and the bound larger by two."""
    more = size(scenario, reserve=Reserve(machines=2))
    assert {k: n + 2 for k, n in found.needed.items() if n} == more.needed
    assert (found.lower_bound or 0) + 2 == more.lower_bound


def test_no_reserve_is_bought_of_machines_for_databases(scenario: Scenario, found: Sizing) -> None:
    """Where the first-listed type is for databases, the next one is bought."""
    world = found.shared
    (server,) = world.fleet
    fleet = (dataclasses.replace(server, name="data", role="database"), server)
    one = dataclasses.replace(found.scenario_size, by_type=(3, 2))
    for reserve, expected in ((1, (3, 3)), (90, (3, 92))):
        spared = dataclasses.replace(
            found,
            shared=dataclasses.replace(world, fleet=fleet),
            reserve=Reserve(machines=reserve),
        )
        assert expected == spared.bought(one)
        told = " ".join(dataclasses.replace(spared, scenario_size=one)._reserve_findings())
        assert "none of the 3 machines for databases can be replaced by it" in told
    only = dataclasses.replace(world, fleet=fleet[:1])
    alone = dataclasses.replace(found, shared=only, reserve=Reserve(machines=1))
    one = dataclasses.replace(one, by_type=(3,))
    assert (4,) == alone.bought(one)
    told = " ".join(dataclasses.replace(alone, scenario_size=one)._reserve_findings())
    assert "for databases" not in told


def test_a_reserve_stands_in_for_whatever_fails(found: Sizing) -> None:
    """It is bought of a type that holds what all others do and may do it; else that is told."""
    world = found.shared
    (server,) = world.fleet
    small = dataclasses.replace(server, name="small", cpu_m=server.cpu_m // 2)
    batch = dataclasses.replace(server, name="batch", role="batch")
    one = dataclasses.replace(found.scenario_size, serve=3, compute=2)

    def spared(*fleet: MachineType, by_type: tuple[int, ...], machines: int = 2) -> Sizing:
        return dataclasses.replace(
            found,
            shared=dataclasses.replace(world, fleet=fleet),
            scenario_size=dataclasses.replace(one, by_type=by_type),
            reserve=Reserve(machines=machines),
        )

    cases: tuple[tuple[tuple[MachineType, ...], tuple[int, ...], tuple[int, ...]], ...] = (
        ((small, server), (2, 3), (2, 5)),  # a large one replaces a small one
        ((small, server), (5, 0), (7, 0)),
        ((batch, server), (2, 3), (2, 5)),  # what may serve and compute
        ((server, batch), (0, 5), (2, 5)),
    )
    for fleet, by_type, bought in cases:
        sizing = spared(*fleet, by_type=by_type)
        assert bought == sizing.bought(sizing.scenario_size)
        assert [] == list(sizing._reserve_findings())
    online = dataclasses.replace(server, role="online")  # named `server`
    apart = spared(batch, online, by_type=(2, 3), machines=9)
    assert (2, 12) == apart.bought(apart.scenario_size)
    told = " ".join(apart._reserve_findings())
    assert "no machine type stands in for every machine that may fail" in told
    assert "the reserve is of server, which replaces only some of them" in told
    assert "the fleet has 4 machines less than the reserve asks for" in told
