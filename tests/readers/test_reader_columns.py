"""Columns that are not there, and names that no schema has: told with the right remedy."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from greensched.errors import DataError, UsageError
from greensched.readers import canonical, jobs, openb, opendc, series, swf
from greensched.readers.options import ReadOptions
from tests.readers.builders import JOBS_HEADER, refusal, write

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.readers.options import Reader

FIXED = {"openb": openb.read, "opendc": opendc.read, "swf": swf.read, "series": series.read}


def test_mapped_column_that_is_not_there_is_named_with_its_role(tmp_path: Path) -> None:
    """The remedy of a mapping that leads nowhere is the same mapping with another column."""
    path = write(tmp_path, "jobs.csv", JOBS_HEADER, "a,0,1,1")
    for role, column in (("submit", "nope"), ("cpu_m", "none")):
        mapped = ReadOptions(map=((role, column),))
        said = refusal(partial(canonical.read, [path], mapped), DataError)
        assert f"no column '{column}'" in said
        assert said.endswith(f"name another with --map {role}=COLUMN")
    options = ReadOptions(map=(("cpus", "cores"),), time_unit="h")
    other = write(tmp_path, "list.csv", "arrival_time,length,cpus", "0,1,1")
    said = refusal(lambda: jobs.read([other], options), DataError)
    assert "no column 'cores'" in said
    assert said.endswith("--map cpus=COLUMN")


@pytest.mark.parametrize(
    ("read", "name", "near"),
    [(canonical.read, "memory", "memory_mib"), (jobs.read, "arival_time", "arrival_time")],
)
def test_unknown_name_of_a_mapping_is_refused(
    tmp_path: Path, read: Reader, name: str, near: str
) -> None:
    """A mapping to a name that the schema does not have is never silently without effect."""
    path = write(tmp_path, "jobs.csv", f"{JOBS_HEADER},mem", "a,0,1,1,9")
    options = ReadOptions(map=((name, "mem"),), time_unit="h")
    said = refusal(lambda: read([path], options), UsageError)
    assert f"--map {name}=: the format" in said
    assert f"did you mean '{near}'?" in said


@pytest.mark.parametrize("name", FIXED)
def test_formats_with_fixed_columns_take_no_mapping(tmp_path: Path, name: str) -> None:
    """Where a format has its own fixed columns a mapping is refused, and none is proposed."""
    path = write(tmp_path, "file.csv", "id,cpu_usage,qos,load", "1,2,LS,3")
    facts = ReadOptions(column="load", unit="cores", step_ms=1000, map=(("id", "x"),))
    said = refusal(lambda: FIXED[name]([path], facts), UsageError)
    assert f"the format '{name}' has no 'id'; its columns have fixed names" in said


def test_a_file_without_a_header_does_not_flood_the_terminal(tmp_path: Path) -> None:
    """Of columns that are there at most twelve are shown, each cut at 40 characters."""
    header = ",".join(f"{i:03}" + "x" * 1000 for i in range(50))
    path = write(tmp_path, "wide.csv", header, ",".join("1" * 50))
    for read in (canonical.read, series.read):
        options = ReadOptions(column="load", unit="cores", step_ms=1000)
        said = refusal(partial(read, [path], options), DataError)
        assert len(said) < 800
        assert "000x" in said
        assert "012x" not in said


def test_a_small_share_is_not_told_as_none(tmp_path: Path) -> None:
    """One bad row of 20,001 is less than 0.01 %, not 0.00 %."""
    rows = (f"j{i},{i},1,1" for i in range(20_000))
    path = write(tmp_path, "jobs.csv", JOBS_HEADER, *rows, "bad,0,1,x")
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "(1 such row, < 0.01 %)" in said
