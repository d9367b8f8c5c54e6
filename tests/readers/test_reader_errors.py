"""What an error of a reader says: all of it at once, where, and what to do about it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from greensched.cli.main import main
from greensched.errors import DataError, UsageError
from greensched.readers import canonical, openb, opendc
from greensched.readers.options import ReadOptions
from tests.readers.builders import JOBS_HEADER, POD_HEADER, parquet, refusal, write

if TYPE_CHECKING:
    from pathlib import Path

TASKS = "id,submission_time,duration,cpu_count,cpu_capacity,mem_capacity"


def test_all_files_of_a_format_are_told_at_once(tmp_path: Path) -> None:
    """Bad rows of both files of openb, of OpenDC, and gaps of two loads are one error each."""
    pods = write(tmp_path, "pods.csv", POD_HEADER, "p,x,64,0,0,,BE,Running,0,4,1")
    nodes = write(tmp_path, "nodes.csv", "sn,cpu_milli,memory_mib,gpu,model", "n,y,4096,8,G2")
    said = refusal(lambda: openb.read([pods, nodes], ReadOptions()), DataError)
    assert "pods.csv row 1: cpu_milli: text where a number belongs ('x')" in said
    assert "nodes.csv row 1: cpu_milli: text where a number belongs ('y')" in said
    tasks = write(tmp_path, "tasks.csv", TASKS, "1,x,9,2,4000,100", "2,1,9,2,4000,100")
    fragments = write(tmp_path, "fragments.csv", "id,duration,cpu_usage", "1,9,1", "2,9,y")
    said = refusal(lambda: opendc.read([tasks, fragments], ReadOptions()), DataError)
    assert "tasks.csv row 1: submission_time: text where a number belongs ('x')" in said
    assert "fragments.csv row 2: cpu_usage: text where a number belongs ('y')" in said
    assert "of no task" not in said
    services = ("service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib", ",500,64")
    gaps = []
    for header, rest in (services, ("database,time_s,cpu_m,memory_mib", ",64")):
        rows = (f"w,{time_s},1{rest}" for time_s in (0, 300, 900))
        gaps.append(write(tmp_path, f"{header[:8]}.csv", header, *rows))
    said = refusal(lambda: canonical.read(gaps, ReadOptions()), DataError)
    assert 2 == said.count("values are missing")


@pytest.mark.parametrize("header", ["submit_s,SUBMIT_S,duration_s,cpu_m", "Job,submit_s,cpu_m"])
def test_columns_that_differ_only_in_case_are_refused(tmp_path: Path, header: str) -> None:
    """Two columns whose names differ only in case are named in a plain sentence."""
    path = write(tmp_path, "jobs.csv", f"job,{header}", "a,1,2,3,9")
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "jobs.csv: column names empty or twice (capitals do not count): [" in said


@pytest.mark.parametrize("name", ["file_row_number", "_row", "_bad", "_cell"])
def test_reserved_column_names_are_refused(tmp_path: Path, name: str) -> None:
    """A column with a name that reading itself needs is refused as that, not as damage."""
    sql = f"SELECT 'a' AS job, 1 AS submit_s, 10 AS duration_s, 1 AS cpu_m, 7 AS {name}"
    files = [parquet(tmp_path, "jobs.parquet", sql)]
    files.append(write(tmp_path, "jobs.csv", f"{JOBS_HEADER},{name}", "a,1,10,1,7"))
    for path in files:
        said = refusal(partial(canonical.read, [path], ReadOptions()), DataError)
        assert f"{path.name}: a column is called '{name}', a name that reading needs" in said


SAID = {
    "map": (("--map", "foo"), "--map foo: has no '='; write NAME=COLUMN"),
    "map-twice": (("--map", "a=x", "--map", "a=y"), "--map a=: given twice"),
    "step": (("--step", "-5s"), "--step: -5,000 ms is below 0"),
    "cores": (("--cores", "nan"), "--cores: nan is not a finite number"),
    "endless-cores": (("--replica-cores", "inf"), "--replica-cores: inf is not a finite number"),
    "zero": (("--zero-utc", "2020"), "--zero-utc: '2020' is no ISO 8601 time; write it like 20"),
    "request": (("--cpu-s-per-request", "-1"), "--cpu-seconds-per-request: -1 s is below 0"),
}


@pytest.mark.parametrize("name", SAID)
def test_option_that_cannot_be_is_named_as_it_was_written(tmp_path: Path, name: str) -> None:
    """An error of an option names the option itself, in its own unit, and what to write."""
    options, expected = SAID[name]
    path = write(tmp_path, "jobs.csv", JOBS_HEADER, "a,0,1,1")
    found = CliRunner().invoke(
        main, ["trace", "inspect", str(path), "--reader", "canonical", *options]
    )
    assert 2 == found.exit_code
    assert expected in found.stderr


def test_all_choices_and_numbers_are_told_at_once() -> None:
    """Every option that cannot be is in the one error."""
    wrong = {"step_ms": -1, "cpu_m": -2, "time_zone": "Mars/X", "fill": "never"}
    said = refusal(lambda: ReadOptions(**wrong), UsageError)  # type: ignore[arg-type]
    for flag in ("--step", "--cores", "--time-zone", "--fill"):
        assert f"{flag}: " in said
