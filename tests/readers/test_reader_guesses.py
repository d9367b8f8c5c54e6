"""What a reader might round, choose or assume: refused, or told in the trace."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from greensched.errors import DataError
from greensched.readers import canonical, series
from greensched.readers.options import ReadOptions
from tests.readers.builders import JOBS_HEADER, POD_HEADER, refusal, write

if TYPE_CHECKING:
    from pathlib import Path

SERVICES = "service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib"
SWF_TAIL = "-1 -1 -1 -1 1 -1 -1 -1 -1 -1 -1 -1"  # after job, submit, wait, run, procs, cpu used
ROWS = ReadOptions(column="v", unit="cores", step_ms=300_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A file that is read with a reader's name, and what is said of its last row."""

    reader: str
    lines: tuple[str, ...]
    said: str


REFUSED = {
    "service-time-of-nothing": Case(
        reader="canonical",
        lines=(SERVICES + ",service_time_ms", "w,0,10,500,64,0"),
        said="row 1: service_time_ms: below 0.001 ('0')",
    ),
    "neither-duration-nor-end": Case(
        reader="canonical",
        lines=("job,submit_s,duration_s,end_s,cpu_m", "a,0,,9,1", "b,0,,,1"),
        said="row 2: neither a duration nor an end",
    ),
    "online-pod-without-cpu": Case(
        reader="openb",
        lines=(POD_HEADER, "p,0,64,0,0,,LS,Running,0,9,0"),
        said="row 1: an online pod that asks for no CPU",
    ),
    "swf-comma-for-a-point": Case(
        reader="swf",
        lines=("1 0 -1 3,5 4 -1 -1 -1 -1 -1 1 -1 -1 -1 -1 -1 -1",),
        said="row 1: short row",
    ),
    "swf-comma-in-a-number": Case(
        reader="swf",
        lines=(f"1 0 -1 3,5 4 -1 {SWF_TAIL}",),
        said="row 1: run: text where a number belongs ('3,5')",
    ),
    "swf-quotation-mark": Case(
        reader="swf",
        lines=(f'1 0 -1 "3 4 -1 {SWF_TAIL}',),
        said="row 1: run: text where a number belongs ('\"3')",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_a_bad_row(tmp_path: Path, name: str) -> None:
    """A row that a reader would have to guess at is refused with its place and the remedy."""
    case = REFUSED[name]
    path = write(tmp_path, "file.csv", *case.lines)
    read = import_module(f"greensched.readers.{case.reader}").read
    said = refusal(lambda: read([path], ReadOptions()), DataError)
    assert f"file.csv {case.said}" in said
    assert "drop" in said


def test_end_in_minutes_is_an_end(tmp_path: Path) -> None:
    """A job's end may be in any unit that its column names."""
    path = write(tmp_path, "jobs.csv", "job,submit_min,end_min,cpu_m", "a,1,3,1000")
    jobs = canonical.read([path], ReadOptions()).jobs
    assert jobs is not None
    assert [120_000] == jobs.duration_ms.tolist()


def test_blank_line_shifts_no_row(tmp_path: Path) -> None:
    """Where the number of a row is its time a blank line is refused; at the end it is none."""
    path = write(tmp_path, "load.csv", "v,w", "1,0", "2,0", "", "4,0")
    said = refusal(lambda: series.read([path], ROWS), DataError)
    assert "load.csv row 3: a blank line (1 in all)" in said
    ends = write(tmp_path, "ends.csv", "v,w", "1,0", '2,"', '"', "4,0", "", "")
    services = series.read([ends], ROWS).services
    assert services is not None
    assert [[1000, 2000, 4000]] == services.load_cpu_m.tolist()


def test_row_numbers_count_blank_lines_and_not_those_in_quotes(tmp_path: Path) -> None:
    """A bad row is told by its place in the file, whatever lines a reader passes over."""
    rows = ("a,0,10,1", "", '"b\nc",0,10,1', "short", 'x"y,0,10,1', "d,0,x,1")
    path = write(tmp_path, "jobs.csv", JOBS_HEADER, *rows)
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "jobs.csv row 4: short row" in said
    assert "jobs.csv row 6: duration_s: text where a number belongs ('x')" in said
