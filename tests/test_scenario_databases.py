"""Databases of a scenario: cut to the window, their history, and what cannot be placed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from greensched.errors import DataError, ScenarioError
from greensched.experiment.world import shared
from greensched.model import BY_MACHINE, BY_SITE
from greensched.scenario import build_workload, fleet_types, load
from greensched.scenario.databases import check_databases, cut_databases, history_databases
from tests.packing_cases import databases_of
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.scenario import Scenario

H_MS = 3_600_000
RNG = np.random.default_rng(0)
TEXT = """\
apiVersion: greensched/v1
kind: Scenario
name: data
window: {start: 2024-01-02T00:00Z, days: 1}
sites: [{name: here, zone: CN-EAST, pue: 1.2, intensity: 500 g/kWh}]
fleet:
  - name: data
    site: here
    role: database
    count: 4
    cores: 8
    memory: 64 GiB
    disk: 100 GiB
    iops: 1000
    racks: 2
    power: {idle: 50 W, peak: 150 W}
traces: {databases: databases.csv}
"""


def scenario(folder: Path, text: str = TEXT, *, disk_gib: int = 10, hours: int = 48) -> Scenario:
    """Return a scenario of two databases, written into `folder` with their trace."""
    rows = ["database,time,cpu_m,iops,memory_mib,disk_gib,replicas,apart"]
    rows += [
        f"{name},2024-01-0{1 + h // 24}T{h % 24:02}:00Z,{1000 + h},{h},1024,{disk_gib},2,rack"
        for name in ("a", "b")
        for h in range(hours)
    ]
    (folder / "databases.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "data.yaml").write_text(text, encoding="utf-8")
    return load(folder / "data.yaml")


def test_window_and_history(tmp_path: Path) -> None:
    """The window's 24 hours are cut out, and the day before them is history at negative times."""
    made = build_workload(scenario(tmp_path))
    window, past = made.databases, made.history_databases
    assert window is not None
    assert past is not None
    assert (0, [1_024, 1_047]) == (window.start_ms, window.cpu_m[0, [0, -1]].tolist())
    assert (-24 * H_MS, [1_000, 1_023]) == (past.start_ms, past.cpu_m[0, [0, -1]].tolist())
    assert not window.cpu_m.flags.writeable


def test_short_series_is_repeated_and_told(tmp_path: Path) -> None:
    """A series that ends within the window is repeated with noise, flagged synthetic."""
    made = build_workload(scenario(tmp_path, hours=36))
    assert made.databases is not None
    assert 24 == made.databases.cpu_m.shape[1]
    assert made.synthetic
    assert [f for f in made.findings if f.startswith("databases' load is repeated")]


def test_nothing_known_at_the_start_is_refused() -> None:
    """A window that begins before or after the series names what is known."""
    table = databases_of([[1, 2, 3]])
    for from_ms in (-1, 3 * H_MS):
        with pytest.raises(DataError, match="load is known from 0 d to 3 h of the trace"):
            cut_databases(table, from_ms, H_MS, noise=0.0, rng=RNG)
    assert history_databases(table, 0, H_MS) is None


def test_no_machine_for_databases_is_an_error(tmp_path: Path) -> None:
    """Databases without a machine of their role are told, with the remedy."""
    text = TEXT.replace("    role: database\n", "")
    with pytest.raises(ScenarioError) as error:
        shared(scenario(tmp_path, text))
    (finding,) = error.value.findings
    assert "no machine is for databases" == finding.what
    assert "add a fleet entry with 'role: database'" == finding.remedy


@pytest.mark.parametrize(
    ("old", "new"),
    [("cores: 8", "cores: 1"), ("memory: 64 GiB", "memory: 512 MiB"), ("iops: 1000", "iops: 9")],
)
def test_database_larger_than_every_machine_is_an_error(
    tmp_path: Path, old: str, new: str
) -> None:
    """A replica that no empty machine holds, by CPU, memory or I/O, is refused with its name."""
    with pytest.raises(ScenarioError, match=r"2 databases are larger than every machine .*: a"):
        shared(scenario(tmp_path, TEXT.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "places"),
    [("count: 4", "count: 1", "1 rack"), ("racks: 2", "racks: 1", "1 rack")],
)
def test_more_replicas_than_places_that_are_apart_are_refused(
    tmp_path: Path, old: str, new: str, places: str
) -> None:
    """Two replicas in racks of their own need two racks, whatever the machines hold."""
    what = f"2 databases have more replicas, each on a rack of its own, than the {places}"
    with pytest.raises(ScenarioError, match=f"{what} for databases: a has 2"):
        shared(scenario(tmp_path, TEXT.replace(old, new)))
    table = databases_of([[1], [1]], replicas=[1, 3], apart=[BY_MACHINE, BY_SITE])
    (kind,) = fleet_types(scenario(tmp_path))
    (found,) = check_databases(table, (kind,))
    assert "1 database has more replicas, each on a site of its own, than the 1 site" in found.what
    table = databases_of([[1]], replicas=[5], apart=[BY_MACHINE])
    (found,) = check_databases(table, (kind,))
    assert "than the 4 machines for databases: d0 has 5" in found.what


def test_disk_counts_only_where_it_is_told(tmp_path: Path) -> None:
    """200 GiB do not fit on 100 GiB, and fit where the fleet tells no disk."""
    with pytest.raises(ScenarioError, match="larger than every machine"):
        shared(scenario(tmp_path, disk_gib=200))
    shared(scenario(tmp_path, TEXT.replace("    disk: 100 GiB\n", ""), disk_gib=200))


def test_validate_counts_databases_and_drops_bad_rows(tmp_path: Path) -> None:
    """`validate` counts databases, and `--on-bad=drop` is for their trace as well."""
    scenario(tmp_path)
    told = call("validate", tmp_path / "data.yaml")
    assert 0 == told.exit_code, told.stderr
    assert "2 databases, 4 machines" in told.stdout
    with (tmp_path / "databases.csv").open("a", encoding="utf-8") as file:
        file.write("a,2024-01-02T23:00Z,-5,0,1024,10,2,rack\n")
    assert 3 == call("validate", tmp_path / "data.yaml").exit_code
    assert 0 == call("validate", tmp_path / "data.yaml", "--on-bad", "drop").exit_code
