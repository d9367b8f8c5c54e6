"""What a reader might round, choose or assume: refused, or told in the trace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from greensched.errors import DataError, UsageError
from greensched.readers import canonical, opendc, series, swf
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
    "part-of-a-task": Case(
        reader="canonical",
        lines=(JOBS_HEADER + ",tasks", "a,0,1,1,1.5"),
        said="row 1: tasks: not a whole number ('1.5')",
    ),
    "part-of-a-priority": Case(
        reader="canonical",
        lines=(JOBS_HEADER + ",priority", "a,0,1,1,0.5"),
        said="row 1: priority: not a whole number ('0.5')",
    ),
    "cpu-that-rounds-to-none": Case(
        reader="canonical",
        lines=(JOBS_HEADER, "a,0,1,0.4"),
        said="row 1: cpu_m: above 0, but nothing when rounded ('0.4')",
    ),
    "part-of-a-machine": Case(
        reader="canonical",
        lines=("machine,count,cpu_m,memory_mib", "m,1.5,1000,64"),
        said="row 1: count: not a whole number ('1.5')",
    ),
    "part-of-a-replica": Case(
        reader="canonical",
        lines=(SERVICES + ",replicas_min", "w,0,10,500,64,0.4"),
        said="row 1: replicas_min: not a whole number ('0.4')",
    ),
    "part-of-a-copy": Case(
        reader="canonical",
        lines=("database,time_s,cpu_m,memory_mib,replicas", "d,0,10,64,2.5"),
        said="row 1: replicas: not a whole number ('2.5')",
    ),
    "duration-against-end": Case(
        reader="canonical",
        lines=("job,submit_s,duration_s,end_s,cpu_m", "a,0,10,10.4,1", "b,0,10,5000,1"),
        said="row 2: the duration is not the time from start (else submission) to end",
    ),
    "start-before-submission": Case(
        reader="canonical",
        lines=("job,submit_s,start_s,end_s,cpu_m", "a,100,0,300,1"),
        said="row 1: start before submission",
    ),
    "part-of-several-gpus": Case(
        reader="openb",
        lines=(POD_HEADER, "p,1000,64,2,500,,BE,Running,0,9,0"),
        said="row 1: part of several GPUs",
    ),
    "part-of-a-count-of-gpus": Case(
        reader="openb",
        lines=(POD_HEADER, "p,1000,64,1.5,500,,BE,Running,0,9,0"),
        said="row 1: num_gpu: not a whole number ('1.5')",
    ),
    "gpu-of-which-nothing-is-asked": Case(
        reader="openb",
        lines=(POD_HEADER, "p,1000,64,1,0,,BE,Running,0,9,0"),
        said="row 1: num_gpu and gpu_milli disagree",
    ),
    "part-of-a-processor": Case(
        reader="swf",
        lines=(f"1 0 -1 10 1.5 -1 {SWF_TAIL}",),
        said="row 1: processors: not a whole number ('1.5')",
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


TWICE = {
    "two-columns": (("submit_s", "submit_ms"), (), "'submit' is given twice: submit_ms and"),
    "two-mappings": (
        ("x", "y"),
        (("submit", "x"), ("submit_s", "y")),
        "'submit' is given twice: submit and submit_s; give one --map",
    ),
    "another-unit": (
        ("created_ms", "y"),
        (("submit_s", "created_ms"),),
        "--map submit_s=created_ms: one name says s, the other ms; map 'submit'",
    ),
}


@pytest.mark.parametrize("name", TWICE)
def test_time_that_is_told_twice_is_refused(tmp_path: Path, name: str) -> None:
    """Of two columns, mappings or units of one time none is chosen."""
    columns, mapped, expected = TWICE[name]
    header = ",".join(["job", *columns, "duration_s", "cpu_m"])
    path = write(tmp_path, "jobs.csv", header, "a,100,7,300,1000")
    options = ReadOptions(map=mapped, time_unit="s")
    assert expected in refusal(lambda: canonical.read([path], options), DataError)


def test_one_name_is_mapped_once(tmp_path: Path) -> None:
    """A name that is mapped to two columns is refused: neither can be meant."""
    path = write(tmp_path, "jobs.csv", "job,x,y,duration_s,cpu_m", "a,100,7,300,1000")
    options = ReadOptions(map=(("submit_s", "x"), ("submit_s", "y")))
    said = refusal(lambda: canonical.read([path], options), UsageError)
    assert "--map submit_s=: given twice" in said


def test_dropped_rows_never_double_the_step(tmp_path: Path) -> None:
    """Where dropping may have taken each second time the step must be said."""
    dropping = ReadOptions(on_bad="drop")
    header = "database,time_s,cpu_m,memory_mib"
    for first, end, kind in ((SERVICES, ",500,64", "services"), (header, ",64", "databases")):
        rows = [f"w,{300 * i},{'x' if i == 1 else 1}{end}" for i in range(4)]
        path = write(tmp_path, f"{kind}.csv", first, *rows[:3])
        said = refusal(partial(canonical.read, [path], dropping), DataError)
        assert "the step is not sure; give it with --step" in said
        sure = write(tmp_path, f"{kind}.csv", first, *rows)
        found = getattr(canonical.read([sure], replace(dropping, fill="hold")), kind)
        assert 300_000 == found.step_ms


def test_columns_that_are_not_read_are_told(tmp_path: Path) -> None:
    """A column that the schema does not have is named in the trace, with the one it resembles."""
    path = write(tmp_path, "jobs.csv", JOBS_HEADER + ",memory,prioritty,x", "a,0,1,1,9,9,9")
    findings = canonical.read([path], ReadOptions()).findings
    expected = "memory (memory_mib?), prioritty (priority?), x"
    assert (f"jobs.csv: columns not in the schema, not read: {expected}",) == findings


def test_opendc_task_without_fragments_is_refused(tmp_path: Path) -> None:
    """A task without any fragment beside others that have them is no task at rest: refused."""
    header = "id,submission_time,duration,cpu_count,cpu_capacity,mem_capacity"
    tasks = write(tmp_path, "tasks.csv", header, "1,1,9,1,100,1", "2,1,9,1,100,1")
    fragments = write(tmp_path, "fragments.csv", "id,duration,cpu_usage", "1,9,50")
    said = refusal(lambda: opendc.read([tasks, fragments], ReadOptions()), DataError)
    assert "tasks.csv row 2: no fragment in the fragments file ('2')" in said


def test_swf_tells_what_it_does_not_know(tmp_path: Path) -> None:
    """Memory that is unknown throughout is told; two times of the start are never one of them."""
    row = f"1 0 -1 10 4 -1 {SWF_TAIL}"
    path = write(tmp_path, "log.swf", "; UnixStartTime: 3600", row)
    assert ("log.swf: no memory is recorded, taken as 0",) == swf.read(
        [path], ReadOptions(zero_utc="1970-01-01T02:00+01:00")
    ).findings
    other = ReadOptions(zero_utc="2020-01-01T00:00Z")
    said = refusal(lambda: swf.read([path], other), UsageError)
    assert "--zero-utc: 2020-01-01T00:00:00Z, but the header of log.swf says UnixSt" in said
    twice = write(tmp_path, "two.swf", "; UnixStartTime: 3600", "; UnixStartTime: 60", row)
    said = refusal(lambda: swf.read([twice], ReadOptions()), DataError)
    assert "header: UnixStartTime is given twice, as 3600 and as 60" in said
