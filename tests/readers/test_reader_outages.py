"""The reader of failure traces: what it takes, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greensched.errors import DataError
from greensched.readers.cells import TIME_MAX_MS
from greensched.readers.outages import OutageRow, read_outages

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, *lines: str) -> Path:
    """Write a file of these lines."""
    path = folder / "failures.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_times_since_the_start(tmp_path: Path) -> None:
    """Times in a unit count from the window's start; without an end an outage goes on."""
    path = written(tmp_path, "machine_type,machine,from_h,until_h", "gen8,2,1.5,2", "gen8,,3,")
    table = read_outages(path)
    assert not table.of_utc
    assert (
        OutageRow(row=1, site="", machine_type="gen8", machine=2, from_ms=5_400_000,
                  until_ms=7_200_000),
        OutageRow(row=2, site="", machine_type="gen8", machine=0, from_ms=10_800_000,
                  until_ms=TIME_MAX_MS),
    ) == table.rows  # fmt: skip


def test_timestamps(tmp_path: Path) -> None:
    """Timestamps with their offset are instants; without one a zone has to be given."""
    path = written(tmp_path, "site,from,until", "hz,2024-01-01T08:00+08:00,2024-01-01T01:00Z")
    (row,) = read_outages(path).rows
    assert (1_704_067_200_000, 1_704_070_800_000) == (row.from_ms, row.until_ms)
    local = written(tmp_path, "site,from,until", "hz,2024-01-01T08:00,2024-01-01T09:00")
    assert (row,) == read_outages(local, "Asia/Shanghai").rows
    with pytest.raises(DataError, match="a time without a zone"):
        read_outages(local)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("hz,gen8,,1,2", "either a site or a machine_type"),
        (",,,1,2", "either a site or a machine_type"),
        ("hz,,3,1,2", "number belongs to a machine_type"),
        (",gen8,0,1,2", "machine: below 1"),
        (",gen8,x,1,2", "text where a number belongs"),
        (",gen8,1,2,2", "until is not after from"),
        (",gen8,1,,2", "from_s: empty"),
        (",gen8,1,nan,2", "not a finite number"),
        (",gen8,1", "short row"),
    ],
)
def test_bad_rows_are_refused(tmp_path: Path, line: str, told: str) -> None:
    """A row that cannot be is refused with its number, beside one that can."""
    path = written(tmp_path, "site,machine_type,machine,from_s,until_s", ",gen8,1,1,2", line)
    with pytest.raises(DataError, match=told) as refused:
        read_outages(path)
    assert "failures.csv row 2" in str(refused.value)


def test_all_bad_rows_at_once(tmp_path: Path) -> None:
    """Two kinds of bad rows are two findings of one error."""
    path = written(tmp_path, "site,machine,from_s,until_s", "a,,5,1", "b,2,1,2")
    with pytest.raises(DataError) as refused:
        read_outages(path)
    assert 2 == len(refused.value.findings)


def test_a_stamp_and_a_number_do_not_mix(tmp_path: Path) -> None:
    """A beginning in seconds and an end on the calendar are refused."""
    path = written(tmp_path, "site,from_s,until", "hz,5,2024-01-01T09:00Z")
    with pytest.raises(DataError, match="not both"):
        read_outages(path)
