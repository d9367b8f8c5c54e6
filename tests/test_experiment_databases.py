"""Databases from the scenario file to the result: the bundled ones, and PlanetLab's days."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import greensched as gs
from greensched.experiment.combinations import demand_sha256
from greensched.experiment.databases import first_places
from greensched.experiment.world import shared
from greensched.readers import planetlab
from greensched.readers.options import ReadOptions
from greensched.report.sizing import notes
from greensched.report.tables import write_parquet

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.experiment import Result
    from greensched.scenario import Scenario

TEXT = """\
apiVersion: greensched/v1
kind: Scenario
name: data-week
window: {start: 2023-03-06T00:00+08:00, days: 3}
seed: 7
sites: [{name: hz, zone: CN-EAST, pue: 1.25, intensity: 500 g/kWh}]
fleet:
  - name: data
    site: hz
    role: database
    count: 24
    cores: 16
    memory: 128 GiB
    disk: 8 TiB
    iops: 40000
    racks: 6
    power: {idle: 55 W, peak: 160 W}
traces: {databases: bundled:database-week}
slo: {shortage_share: 0.001}
baseline: {kind: static-peak}
policies: [{kind: consolidation}]
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Return three days of the bundled databases."""
    path: Path = tmp_path_factory.mktemp("data") / "data.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return gs.load(path)


@pytest.fixture(scope="module")
def runs(scenario: Scenario) -> dict[str, Result]:
    """Return the results under each kind of the switch."""
    kinds = ("consolidation", "consolidation-oracle", "consolidation-peaks")
    return {kind: gs.run(scenario.with_(**{"policies.0.kind": kind})) for kind in kinds}


@pytest.fixture(scope="module")
def results(runs: dict[str, Result]) -> dict[str, dict[str, Any]]:
    """Return the summaries of these."""
    return {kind: result.summary for kind, result in runs.items()}


def test_time_axis_is_what_saves(results: dict[str, dict[str, Any]]) -> None:
    """At no shortage, peaks of sums keep over a fifth fewer machines on than sums of peaks."""
    on = {kind: s["scenario"]["databases"]["machines_on_mean"] for kind, s in results.items()}
    before = results["consolidation"]["baseline"]["databases"]["machines_on_mean"]
    assert 21 == before == on["consolidation-peaks"]
    assert before * 4 / 5 > on["consolidation"] >= on["consolidation-oracle"]
    for summary in results.values():
        found = summary["scenario"]["databases"]
        assert 0 == found["shortage_share"] == found["violation_min"] == found["unplaced"]
        assert found["machines_bound"] <= found["machines_on_mean"]
        assert summary["scenario"]["actions_rejected"] == 0


def test_what_databases_take_is_told_apart(
    runs: dict[str, Result], results: dict[str, dict[str, Any]]
) -> None:
    """Energy of databases and of nobody is the energy of the machines; compression takes CPU."""
    measured_kwh = runs["consolidation"].outcome.run.databases.energy_j.sum() / 3.6e6
    assert measured_kwh == pytest.approx(
        results["consolidation"]["scenario"]["databases"]["energy_kwh"]
    )
    found = results["consolidation"]["scenario"]
    parts = found["databases"]["energy_kwh"] + found["energy_unallocated_kwh"]
    assert found["energy_it_kwh"] == pytest.approx(parts)
    assert found["moves"] > 0
    before = results["consolidation"]["baseline"]["databases"]["work_core_h"]
    assert before < found["databases"]["work_core_h"] < before * 1.0501


def test_saving_against_the_baseline(results: dict[str, dict[str, Any]]) -> None:
    """What the scenario saves of machines and energy is the difference of the two runs."""
    summary = results["consolidation"]
    saved = summary["savings"]["databases"]["machines_on_mean"]
    assert saved == pytest.approx(summary["savings"]["machines_on_mean"])
    assert 0 < summary["savings"]["energy_it_kwh"]


def test_demand_of_databases_is_part_of_the_hash(runs: dict[str, Result]) -> None:
    """Runs that are compared saw the same databases: another load is another hash."""
    world = runs["consolidation"].shared
    table = world.workload.databases
    assert table is not None
    more = replace(table, cpu_m=table.cpu_m + 1)
    other = replace(world, workload=replace(world.workload, databases=more))
    assert demand_sha256(world) != demand_sha256(other)


def test_size_counts_machines_for_databases(scenario: Scenario) -> None:
    """13 machines hold a plan made of the history alone, of 21 by sums of peaks and at least 9."""
    found = gs.size(scenario).document
    sizes = ("machines", "baseline_machines", "static_peak_machines", "lower_bound")
    assert [13, 21, 21, 9] == [found[name] for name in sizes]
    (limit,) = found["limited_by"]
    assert ("databases", "reserves") == (limit["pool"], limit["objective"])
    said = "with one machine for databases less: databases find no room that keeps their reserves"
    assert [said, "saved of what the bound leaves to save: 67 %"] == notes(found)  # 8 of 12
    peaks = gs.size(scenario.with_(**{"policies.0.kind": "consolidation-peaks"})).document
    assert peaks["machines"] >= 21


def test_databases_that_find_no_room_have_no_size(scenario: Scenario) -> None:
    """Where all machines for databases are too few there is no number below the bound, but why."""
    found = gs.size(scenario.with_(**{"fleet.0.count": 6})).document
    assert [None, 6] == [found["machines"], found["static_peak_machines"]]
    assert found["lower_bound"] > 6
    text = "databases find too little room or CPU on all machines for them"
    assert [text] == [limit["text"] for limit in found["limited_by"]]


def test_places_without_room_are_told(scenario: Scenario) -> None:
    """Where the fleet is too small, what finds no room is told, and counts as shortage."""
    small = scenario.with_(**{"fleet.0.count": 9})
    places, findings = first_places(shared(small))
    assert places is not None
    missing = int((places == -1).sum())
    tight, none = findings
    assert f"{missing} replicas of databases found no room in the fleet" == none
    assert "replicas of databases found room only without the reserves that packing keeps" in tight
    summary = gs.run(small).summary
    assert missing == summary["baseline"]["databases"]["unplaced"] > 0
    assert summary["baseline"]["databases"]["shortage_share_ok"] is False


# 100 % of a virtual machine is taken as 4 cores; each is a database of three replicas.
PLANETLAB = """\
apiVersion: greensched/v1
kind: Scenario
name: planetlab
window: {start: 2011-04-12T00:00Z, days: 1}
sites: [{name: here, zone: CN-EAST, pue: 1.3, intensity: 400 g/kWh}]
fleet:
  - name: data
    site: here
    role: database
    count: 240
    cores: 64
    memory: 256 GiB
    racks: 12
    power: {idle: 110 W, peak: 320 W}
traces: {databases: {file: databases.parquet, from: 24 h}}
slo: {shortage_share: 0.001}
baseline: {kind: static-peak}
policies: [{kind: consolidation}]
"""


def two_days(data_folder: Path, folder: Path, memory_mib: int) -> None:
    """Write the virtual machines that PlanetLab has on 11 and 12 April 2011, one day each."""
    path = data_folder / "workload" / "other" / "planetlab.tar.xz"
    days = []
    for member in ("20110411", "20110412"):
        options = ReadOptions(member=member, replica_memory_mib=memory_mib)
        found = planetlab.read([path], options).databases
        assert found is not None
        days.append(found)
    names = sorted(set(days[0].names) & set(days[1].names))
    parts = [day.cpu_m[[day.names.index(name) for name in names]] for day in days]
    cpu_m = np.concatenate(parts, axis=1)
    table = pd.DataFrame(
        {
            "database": np.repeat(np.array(names, object), cpu_m.shape[1]),
            "time_s": np.tile(np.arange(cpu_m.shape[1]) * 300, len(names)),
            "cpu_m": cpu_m.ravel(),
            "memory_mib": memory_mib,
            "replicas": 3,
            "apart": "rack",
        }
    )
    write_parquet(table, folder / "databases.parquet")


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("memory_gib", "before", "after", "bound"), [(8, 120, 78, 77), (1, 102, 32, 31)]
)
def test_planetlab_from_one_day_to_the_next(
    data_folder: Path, tmp_path: Path, memory_gib: int, before: int, after: int, bound: int
) -> None:
    """A night's plan of measured loads of one day serves the next one on a third to two thirds."""
    two_days(data_folder, tmp_path, 1_024 * memory_gib)
    (tmp_path / "planetlab.yaml").write_text(PLANETLAB, encoding="utf-8")
    result = gs.run(gs.load(tmp_path / "planetlab.yaml"))
    summary, series = result.summary, result.series
    on = series[series["run"] == "scenario"]["machines_database"].tolist()
    assert before == summary["baseline"]["databases"]["machines_on_mean"] == on[0]
    found = summary["scenario"]["databases"]
    assert (after, bound) == (on[-1], found["machines_bound"])
    assert 0 == found["shortage_share"] == found["violation_min"] == found["unplaced"]
