"""Which row of a file is told, and that the tables of one trace are told of together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greensched.errors import DataError
from greensched.readers import canonical
from greensched.readers.options import ReadOptions
from tests.readers import public_cases as cases
from tests.readers.builders import refusal, write
from tests.readers.test_reader_public import WHOLE, jobs_of, read

if TYPE_CHECKING:
    from pathlib import Path

JOBS = "job,submit_s,duration_s,cpu_m"
SERVICES = "service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib"
DATABASES = "database,time_s,cpu_m,memory_mib"


@pytest.mark.parametrize(
    ("again", "said"),
    [
        ("a,0,9,1000", "1 exact copy of a row dropped, the first row 5"),
        ("c,1,9,1000", "1 row out of order, sorted; the first row 5"),
    ],
)
def test_rows_that_are_kept_are_numbered_as_in_the_file(
    again: str, said: str, tmp_path: Path
) -> None:
    """A blank line and a short row before it count, whatever is found of a row."""
    lines = ("a,0,9,1000", "", "short", "b,5,9,1000", again)
    path = write(tmp_path, "jobs.csv", JOBS, *lines)
    found = canonical.read([path], ReadOptions(on_bad="drop")).findings
    assert f"jobs.csv: {said}" in found


def test_rows_given_again_are_numbered_as_in_the_file(tmp_path: Path) -> None:
    """Rows 1 and 4 contradict each other; of them the first row told is that of the file."""
    lines = ("", "a,0,9,1000", "short", "a,0,8,1000")
    path = write(tmp_path, "jobs.csv", JOBS, *lines)
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "row 2: a job id given again with other values" in said


@pytest.mark.parametrize(
    ("file", "header", "tail"),
    [("services.csv", SERVICES, "5,2000,2048"), ("databases.csv", DATABASES, "5,64")],
)
def test_rows_of_services_and_databases_out_of_order_are_counted(
    file: str, header: str, tail: str, tmp_path: Path
) -> None:
    """Time that goes back within one of them is counted, not where the next one begins."""
    rows = [f"{name},{at},{tail}" for name in ("a", "b") for at in (0, 300, 600)]
    sorted_rows = canonical.read([write(tmp_path, file, header, *rows)], ReadOptions())
    assert not any("out of order" in said for said in sorted_rows.findings)
    rows[1], rows[2] = rows[2], rows[1]
    found = canonical.read([write(tmp_path, file, header, *rows)], ReadOptions()).findings
    assert f"{file}: 1 row out of order, sorted; the first row 3" in found


@pytest.mark.parametrize(
    ("name", "whole", "bad"),
    [
        ("google-2011", cases.GOOGLE_2011, ("task_events.csv", "machine_events.csv")),
        ("google-2019", cases.GOOGLE_2019, ("instance_events-0.csv", "machine_events.csv")),
        ("alibaba-2017", cases.ALIBABA_2017, ("batch_task.csv", "server_event.csv")),
        (
            "alibaba-2018",
            cases.ALIBABA_2018,
            ("batch_task.csv", "machine_meta.csv", "container_meta.csv", "container_usage.csv"),
        ),
    ],
)
def test_bad_rows_of_all_tables_are_told(
    name: str, whole: cases.Tables, bad: tuple[str, ...], tmp_path: Path
) -> None:
    """A short row in each table: one error names every file."""
    files: cases.Tables = {**whole, **{file: (*whole[file], "x") for file in bad}}
    said = refusal(lambda: read(tmp_path, name, files, **WHOLE), DataError)
    assert list(bad) == [file for file in bad if f"{file} row" in said]


def test_a_copy_in_one_file_takes_no_row_of_another(tmp_path: Path) -> None:
    """The copy in row 2 of the second file is dropped, and row 2 of the first one kept."""
    first = ("M1,2,j_1,1,Terminated,100,400,100,1", "M1,2,j_2,1,Terminated,100,400,100,1")
    second = ("M1,2,j_3,1,Terminated,100,400,100,1", first[0])
    files: cases.Tables = {"batch_task-0.csv": first, "batch_task-1.csv": second}
    trace = read(tmp_path, "alibaba-2018", files, **WHOLE)
    ids = jobs_of(trace).ids
    assert ids is not None
    assert ["j_1/M1", "j_2/M1", "j_3/M1"] == sorted(ids)
