"""Databases: the canonical table, PlanetLab's virtual machines, the store and inspection."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.errors import DataError, UsageError
from greensched.model import BY_MACHINE, BY_RACK, BY_SITE, Databases, Trace
from greensched.readers import canonical, planetlab
from greensched.readers.inspect import inspect
from greensched.readers.options import ReadOptions
from greensched.readers.store import open_store, span_ms, write_store
from tests.readers.builders import refusal, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HEADER = "database,time_s,cpu_m,iops,memory_mib,disk_gib,replicas,apart"
ROWS = (
    "b,0,1000,40,2048,10,3,rack",
    "a,0,500,7,1024,5,2,site",
    "a,300,700,9,1024,5,2,site",
    "b,300,800,20,2048,10,3,rack",
)


def read(path: Path, options: ReadOptions | None = None) -> Databases:
    """Return the databases in the file `path` of the canonical format."""
    return of(canonical.read([path], options or ReadOptions()))


def of(trace: Trace) -> Databases:
    """Return the databases of `trace`."""
    assert trace.databases is not None
    return trace.databases


def test_table_is_sorted_into_a_grid(tmp_path: Path) -> None:
    """Rows in any order become one row a database, by name, and one column a step."""
    found = read(write(tmp_path, "databases.csv", HEADER, *ROWS))
    assert ("a", "b") == found.names
    assert (0, 300_000) == (found.start_ms, found.step_ms)
    assert [[500, 700], [1000, 800]] == found.cpu_m.tolist()
    assert [[7, 9], [40, 20]] == found.iops.tolist()
    assert [1024, 2048] == found.memory_mib.tolist()
    assert [5, 10] == found.disk_gib.tolist()
    assert [2, 3] == found.replicas.tolist()
    assert [BY_SITE, BY_RACK] == found.apart.tolist()
    assert not any(getattr(found, c).flags.writeable for c in ("cpu_m", "iops", "apart"))


def test_what_is_not_given_has_documented_defaults(tmp_path: Path) -> None:
    """Without their columns a database has no I/O and disk, three replicas, racks apart."""
    lines = ("database,time_s,cpu_m,memory_mib", "a,0,1,64", "a,60,2,64")
    found = read(write(tmp_path, "databases.csv", *lines))
    assert (0, 0, 3, BY_RACK) == (
        found.iops.max(), found.disk_gib[0], found.replicas[0], found.apart[0],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("a,600,1,1,1024,5,2,cage", "row 5: apart: none of machine, rack, site ('cage')"),
        ("a,600,1,1,1024,5,0,site", "row 5: replicas: below 1 ('0')"),
        ("a,600,1,-1,1024,5,2,site", "row 5: iops: negative ('-1')"),
        ("a,600,1,1,1024,-5,2,site", "row 5: disk_gib: negative ('-5')"),
        ("a,600,1,1,,5,2,site", "row 5: memory_mib: empty"),
    ],
)
def test_bad_cell_is_refused_with_its_row(tmp_path: Path, row: str, what: str) -> None:
    """A cell that cannot be is refused with its row, and the row dropped where that is asked."""
    path = write(tmp_path, "databases.csv", HEADER, *ROWS, row)
    assert what in refusal(lambda: read(path), DataError)
    assert (2, 2) == read(path, ReadOptions(on_bad="drop")).cpu_m.shape


def test_attributes_hold_for_all_time(tmp_path: Path) -> None:
    """A database whose memory or rule changes from row to row is refused by name."""
    path = write(tmp_path, "databases.csv", HEADER, *ROWS, "a,600,1,1,2048,5,2,machine")
    said = refusal(lambda: read(path, ReadOptions(fill="hold")), DataError)
    assert "databases.csv database a: memory_mib is not the same in all rows" in said
    assert "databases.csv database a: apart is not the same in all rows" in said


def test_missing_step_is_refused_or_filled(tmp_path: Path) -> None:
    """A database without a row at some step is refused, or held at its last value if asked."""
    path = write(tmp_path, "databases.csv", HEADER, *ROWS[:3])
    assert "values are missing, the first of 'b', step 1" in refusal(lambda: read(path), DataError)
    found = read(path, ReadOptions(fill="hold"))
    assert ([1000, 1000], [40, 40]) == (found.cpu_m[1].tolist(), found.iops[1].tolist())


def test_folder_holds_databases_beside_the_others(tmp_path: Path) -> None:
    """A folder's databases and jobs are one trace with one zero."""
    write(tmp_path, "databases.csv", "database,time,cpu_m,memory_mib",
          "a,2023-03-06T01:00:00Z,1,64", "a,2023-03-06T02:00:00Z,2,64")  # fmt: skip
    write(tmp_path, "jobs.csv", "job,submit,duration_s,cpu_m", "j,2023-03-06T00:00:00Z,10,1000")
    trace = canonical.read([tmp_path], ReadOptions())
    assert "2023-03-06T00:00:00Z" == trace.zero_utc
    assert trace.databases is not None
    assert 3_600_000 == trace.databases.start_ms
    assert (0, 3 * 3_600_000) == span_ms(trace)


@given(order=st.permutations(ROWS))
def test_order_of_rows_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, order: list[str]
) -> None:
    """Any order of the rows gives the same databases."""
    folder = tmp_path_factory.mktemp("rows")
    first = read(write(folder, "databases.csv", HEADER, *ROWS))
    other = read(write(folder, "databases.csv", HEADER, *order))
    assert first.names == other.names
    for column in ("cpu_m", "iops", "memory_mib", "disk_gib", "replicas", "apart"):
        np.testing.assert_array_equal(getattr(first, column), getattr(other, column))


def test_store_and_inspection_know_databases(tmp_path: Path) -> None:
    """Databases alone come back from a store, and inspection tells their sums."""
    trace = Trace(databases=read(write(tmp_path, "databases.csv", HEADER, *ROWS)))
    write_store(trace, tmp_path / "store")
    opened = open_store(tmp_path / "store")
    assert (None, None, None) == (opened.services, opened.jobs, opened.machines)
    found = inspect(opened)["databases"]
    assert (2, 2, 300.0, 5) == tuple(found[k] for k in ("rows", "steps", "step_s", "replicas"))
    assert (1.5, 1.7) == (found["load_cores"]["max"], found["peak_cores"])
    assert (47.0, 3.0, 15.0) == (found["iops"]["max"], found["memory_gib"], found["disk_gib"])
    assert {"rows": 0} == inspect(Trace())["databases"]


# PlanetLab ----------------------------------------------------------------------------------


def machines(folder: Path, **percents: Sequence[object]) -> Path:
    """Return `folder` with a file for each virtual machine."""
    folder.mkdir(exist_ok=True)
    for name, values in percents.items():
        write(folder, name, *map(str, values))
    return folder


def test_percent_of_assumed_cores_every_five_minutes(tmp_path: Path) -> None:
    """Percent become millicores of four cores, or of as many as are said, every 300 s."""
    folder = machines(tmp_path / "day", vm_b=[100, 0], vm_a=[7, 25])
    found = of(planetlab.read([folder], ReadOptions()))
    assert ("vm_a", "vm_b") == found.names
    assert [[280, 1000], [4000, 0]] == found.cpu_m.tolist()
    assert (0, 300_000) == (found.start_ms, found.step_ms)
    sized = of(planetlab.read([folder], ReadOptions(cpu_m=16_000, replica_memory_mib=512)))
    assert [[1120, 4000], [16_000, 0]] == sized.cpu_m.tolist()
    assert [512, 512] == sized.memory_mib.tolist()


def test_every_assumption_is_told(tmp_path: Path) -> None:
    """CPU size, memory, I/O, disk, replicas and their distance are findings, as they are taken."""
    trace = planetlab.read([machines(tmp_path / "day", a=[1], b=[2])], ReadOptions())
    assert (
        "2 files: 100 % taken as 4,000 millicores, as given or assumed",
        "2 files: memory of 8 GiB each, as given or assumed",
        "2 files: no I/O and no disk in this format, both taken as 0",
        "2 files: each one assumed to be the load of 3 replicas, no two in one rack",
    ) == trace.findings
    found = of(trace)
    assert ([3, 3], [BY_RACK] * 2) == (found.replicas.tolist(), found.apart.tolist())
    assert 0 == found.iops.max() == found.disk_gib.max()
    assert BY_MACHINE != BY_RACK


def test_bad_row_is_told_by_its_own_file(tmp_path: Path) -> None:
    """Of many files the one with the first bad row of each class is named, with its own row."""
    folder = machines(tmp_path / "day", a=[1, 2, 3], b=[1, "x", 3], c=[1, 2, 101], d=[0.5, 1, 2])
    said = refusal(lambda: planetlab.read([folder], ReadOptions()), DataError)
    assert "b row 2: percent: text where a number belongs ('x') (1 such row, 8.33 %)" in said
    assert "c row 3: percent: larger than 100, the most that is held ('101')" in said
    assert "d row 1: percent: not a whole number ('0.5')" in said
    dropping = ReadOptions(on_bad="drop")
    said = refusal(lambda: planetlab.read([folder], dropping), DataError)
    assert "3 of 12 values are missing" in said
    assert "--fill" in said
    filled = planetlab.read([folder], replace(dropping, fill="zero"))
    assert [40, 0, 120] == of(filled).cpu_m[1].tolist()
    assert "b: 1 row dropped (8.33 %), the first row 2: " in filled.findings[0]


def test_only_bad_rows_are_refused_also_when_dropping(tmp_path: Path) -> None:
    """Files without a single good row are refused whatever is asked."""
    folder = machines(tmp_path / "day", a=["x"], b=["y"])
    said = refusal(lambda: planetlab.read([folder], ReadOptions(on_bad="drop")), DataError)
    assert "no row is left" in said


def test_shorter_file_is_a_gap(tmp_path: Path) -> None:
    """A virtual machine with fewer rows than the others is refused unless gaps may be filled."""
    folder = machines(tmp_path / "day", a=[1, 2], b=[3])
    assert "missing" in refusal(lambda: planetlab.read([folder], ReadOptions()), DataError)
    found = of(planetlab.read([folder], ReadOptions(fill="hold")))
    assert [120, 120] == found.cpu_m[1].tolist()


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    """A row with bytes that are not UTF-8 is no number."""
    path = tmp_path / "vm"
    path.write_bytes(b"\xef\xbb\xbf1\r\n\xff\r\n")
    said = refusal(lambda: planetlab.read([path], ReadOptions()), DataError)
    assert "vm row 2: percent: text where a number belongs" in said


def test_archive_of_one_day_or_a_named_one(tmp_path: Path) -> None:
    """An archive with one folder is read as it is; of several one must be named, and exist."""
    machines(tmp_path / "d1", a=[1], b=[2])
    machines(tmp_path / "d2", a=[3])
    one, both = tmp_path / "one.tar.gz", tmp_path / "both.tgz"
    for path, days in ((one, ("d1",)), (both, ("d1", "d2"))):
        with tarfile.open(path, "w:gz") as archive:
            for day in days:
                archive.add(tmp_path / day, day)
    assert ("a", "b") == of(planetlab.read([one], ReadOptions())).names
    assert [[120]] == of(planetlab.read([both], ReadOptions(member="d2"))).cpu_m.tolist()
    said = refusal(lambda: planetlab.read([both], ReadOptions()), DataError)
    assert "has the folders d1, d2; name one of them with --member, or days in a row" in said
    said = refusal(lambda: planetlab.read([both], ReadOptions(member="d3")), DataError)
    assert "both.tgz:d3: has no such folder" in said
    said = refusal(lambda: planetlab.read([both], ReadOptions(member="d1,d4")), DataError)
    assert "both.tgz:d4: has no such folder" in said
    one.write_bytes(one.read_bytes()[:-20])
    said = refusal(lambda: planetlab.read([one], ReadOptions()), DataError)
    assert "damaged or cut short" in said


def archive_of(folder: Path, *days: str) -> Path:
    """Return an archive of the folders `days` in `folder`."""
    path = folder / "days.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for day in days:
            archive.add(folder / day, day)
    return path


def test_days_named_in_a_row_are_one_series(tmp_path: Path) -> None:
    """Days follow each other as they are named; who is not in all of them is left out and told."""
    machines(tmp_path / "d1", a=[1, 2], b=[3, 4], c=[9, 9])
    machines(tmp_path / "d2", a=[5, 6], b=[7, 8])
    days = archive_of(tmp_path, "d1", "d2")
    trace = planetlab.read([days], ReadOptions(member="d2, d1/", cpu_m=100_000))
    found = of(trace)
    assert ("a", "b") == found.names
    assert [[5, 6, 1, 2], [7, 8, 3, 4]] == (found.cpu_m // 1_000).tolist()
    assert "1 virtual machine left out, not in every day of d2, d1" == trace.findings[0]


def test_a_short_day_shifts_nothing(tmp_path: Path) -> None:
    """Days in a row of which one lacks rows are refused by file, as are days that share nobody."""
    machines(tmp_path / "d1", a=[1], b=[3, 4])
    machines(tmp_path / "d2", a=[5, 6], b=[7, 8])
    machines(tmp_path / "d3", x=[1])
    days = archive_of(tmp_path, "d1", "d2", "d3")
    said = refusal(lambda: planetlab.read([days], ReadOptions(member="d1,d2")), DataError)
    assert "d1/a: 1 row; the day has 2" in said
    said = refusal(lambda: planetlab.read([days], ReadOptions(member="d1,d3")), DataError)
    assert "d1, d3: no virtual machine is in every day" in said


def test_places_without_machines_are_refused(tmp_path: Path) -> None:
    """An empty folder, a name too long and a column map are refused."""
    empty = machines(tmp_path / "empty")
    assert "in this folder" in refusal(lambda: planetlab.read([empty], ReadOptions()), DataError)
    named = ReadOptions(map=(("cpu", "x"),))
    said = refusal(lambda: planetlab.read([empty], named), UsageError)
    assert "its columns have fixed names" in said
    long = machines(tmp_path / "long", **{"x" * 254: [1]})
    assert "253 bytes" in refusal(lambda: planetlab.read([long], ReadOptions()), DataError)


@pytest.mark.data
def test_planetlab_days(data_folder: Path) -> None:
    """The first day has 1,052 virtual machines of 288 steps that use 12.3 % of their CPU."""
    path = data_folder / "workload" / "other" / "planetlab.tar.xz"
    found = of(planetlab.read([path], ReadOptions(member="20110303", cpu_m=100_000)))
    assert (1_052, 288) == found.cpu_m.shape
    assert 12.3 == pytest.approx(found.cpu_m.mean() / 1_000, abs=0.05)
