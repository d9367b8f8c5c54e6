"""Times: units, zones, clock changes, where zero is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greensched.errors import DataError, UsageError
from greensched.readers import canonical, jobs
from greensched.readers.options import ReadOptions
from tests.readers.builders import JOBS_HEADER, parquet, refusal, write

if TYPE_CHECKING:
    from pathlib import Path

MAPPED = (("submit", "created_at"), ("duration_s", "secs"))


def stamped(folder: Path, *times: str) -> Path:
    """Write jobs of 60 s at calendar `times`."""
    lines = [f"j{i},{t},60,1000" for i, t in enumerate(times)]
    return write(folder, "jobs.csv", "job,created_at,secs,cpu_m", *lines)


def submits(path: Path, **options: str) -> tuple[list[int], str]:
    """Return the submit times [ms] and the zero of the mapped jobs in `path`."""
    trace = canonical.read([path], ReadOptions(map=MAPPED, **options))  # type: ignore[arg-type]
    assert trace.jobs is not None
    return trace.jobs.submit_ms.tolist(), trace.zero_utc


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("ms", 2), ("s", 2_000), ("min", 120_000), ("h", 7_200_000)],
)
def test_unit_of_time_is_as_said(tmp_path: Path, unit: str, expected: int) -> None:
    """The same file in ms, s, min or h gives times in that unit."""
    path = write(tmp_path, "list.csv", "arrival_time,length,cpus", "2,2,0.5")
    trace = jobs.read([path], ReadOptions(time_unit=unit))  # type: ignore[arg-type]
    assert trace.jobs is not None
    assert [expected] == trace.jobs.submit_ms.tolist()
    assert [expected] == trace.jobs.duration_ms.tolist()
    assert [500] == trace.jobs.cpu_m.tolist()


def test_job_list_with_calendar_times(tmp_path: Path) -> None:
    """A job list may have calendar arrivals: they count from the first, lengths in the unit."""
    path = write(tmp_path, "list.csv", "arrival_time,length,cpus", "2023-03-06T01:00Z,1,1",
                 "2023-03-06T00:00Z,1,1")  # fmt: skip
    trace = jobs.read([path], ReadOptions(time_unit="h"))
    assert trace.jobs is not None
    assert [0, 3_600_000] == trace.jobs.submit_ms.tolist()
    assert "2023-03-06T00:00:00Z" == trace.zero_utc


def test_unit_is_never_guessed(tmp_path: Path) -> None:
    """Job lists without a unit are refused, and so is a mapped column whose name tells none."""
    path = write(tmp_path, "list.csv", "arrival_time,length,cpus", "0,1,1")
    assert "--time-unit" in refusal(lambda: jobs.read([path], ReadOptions()), UsageError)
    mapped = stamped(tmp_path, "17")
    assert "--time-unit" in refusal(lambda: submits(mapped), DataError)
    assert ([17_000], "") == submits(mapped, time_unit="s")


def test_length_below_one_tick_counts_as_one(tmp_path: Path) -> None:
    """A positive length below one millisecond becomes one millisecond, not zero."""
    path = write(tmp_path, "jobs.csv", JOBS_HEADER, "a,0,0.0001,1")
    trace = canonical.read([path], ReadOptions())
    assert trace.jobs is not None
    assert [1] == trace.jobs.duration_ms.tolist()


def test_offsets_are_applied(tmp_path: Path) -> None:
    """Times with offsets count from the earliest instant, which is named in UTC."""
    path = stamped(tmp_path, "2023-03-06T00:00:00+08:00", "2023-03-05T16:00:01Z",
                   "2023-03-05 10:30:02.5-0530")  # fmt: skip
    assert ([0, 1_000, 2_500], "2023-03-05T16:00:00Z") == submits(path)


def test_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    """A local time is refused until its zone is said, even where bad rows are dropped."""
    path = stamped(tmp_path, "2023-03-06T00:00:00", "2023-03-06T00:00:10")
    for on_bad in ("fail", "drop"):
        said = refusal(lambda d=on_bad: submits(path, on_bad=d), DataError)  # type: ignore[misc]
        assert "created_at: a time without a zone" in said
        assert "--time-zone" in said
    expected = ([0, 10_000], "2023-03-05T16:00:00Z")
    assert expected == submits(path, time_zone="Asia/Shanghai")
    assert expected == submits(path, time_zone="+08:00")


def test_local_times_cross_the_change_of_clocks(tmp_path: Path) -> None:
    """An hour of wall clock across the change in spring is no hour of time."""
    path = stamped(tmp_path, "2023-03-26T01:30:00", "2023-03-26T03:30:00")
    assert [0, 3_600_000] == submits(path, time_zone="Europe/Berlin")[0]


@pytest.mark.parametrize(
    ("time", "what"),
    [
        ("2023-03-26T02:30:00", "a local time that does not exist"),
        ("2023-10-29T02:30:00", "a local time that occurs twice"),
    ],
)
def test_skipped_and_repeated_local_times_are_refused(
    tmp_path: Path, time: str, what: str
) -> None:
    """Local times that clocks skip or repeat are refused; with their offset they are read."""
    path = stamped(tmp_path, "2023-01-01T00:00:00", time)
    assert what in refusal(lambda: submits(path, time_zone="Europe/Berlin"), DataError)
    fixed = stamped(tmp_path, "2023-01-01T00:00:00", time + "+01:00")
    assert 2 == len(submits(fixed, time_zone="Europe/Berlin")[0])


def test_unknown_zone_and_text_for_a_time_are_refused(tmp_path: Path) -> None:
    """A zone that is not known is a usage error, a cell that is no time a data error."""
    path = stamped(tmp_path, "2023-03-06T00:00:00", "2023-13-06T00:00:00")
    said = refusal(lambda: submits(path, time_zone="Mars/Base"), UsageError)
    assert "unknown time zone 'Mars/Base'" in said
    said = refusal(lambda: submits(path, time_zone="UTC"), DataError)
    assert "jobs.csv row 2: created_at: text where a timestamp belongs" in said


NO_TIMES = {
    "afternoon": "2023-03-06 10:00 PM",
    "named-zone": "2023-03-06T08:00:00 America/New_York",
    "zone-in-letters": "2023-03-06T08:00:00 PST",
    "offset-with-seconds": "2023-03-06T08:00:00+08:00:30",
    "offset-beyond-18-hours": "2023-03-06T08:00:00+99:99",
    "offset-of-18-hours-and-more": "2023-03-06T08:00:00+18:30",
    "year-zero": "0000-12-31T08:00:00",
    "year-10000": "10000-01-01T00:00:00",
    "end-of-years": "9999-12-31T23:59:59",
}


@pytest.mark.parametrize("zone", ["", "Europe/Berlin"])
@pytest.mark.parametrize("time", NO_TIMES)
def test_a_time_is_the_whole_cell(tmp_path: Path, time: str, zone: str) -> None:
    """What follows a time is never ignored, and no time is beyond what calendars hold."""
    path = stamped(tmp_path, "2023-03-06T00:00:00Z", NO_TIMES[time])
    said = refusal(lambda: submits(path, time_zone=zone), DataError)
    assert "jobs.csv row 2: created_at: text where a timestamp belongs" in said


def test_zone_that_no_column_needs_is_checked_too(tmp_path: Path) -> None:
    """A zone that is not known is refused where all times are numbers as well."""
    path = write(tmp_path, "jobs.csv", JOBS_HEADER, "a,0,1,1")
    for zone in ("Mars/X", "+08:99", "+19:00"):
        said = refusal(
            lambda z=zone: canonical.read([path], ReadOptions(time_zone=z)),  # type: ignore[misc]
            UsageError,
        )
        assert f"--time-zone: unknown time zone '{zone}'" in said


def test_calendar_and_number_files_do_not_mix(tmp_path: Path) -> None:
    """Jobs with calendar times and services with counted ones cannot be aligned: refused."""
    path = stamped(tmp_path, "2023-03-06T00:00:00Z")
    services = write(tmp_path, "services.csv",
                     "service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib",
                     "w,0,1,1,1", "w,60,1,1,1")  # fmt: skip
    options = ReadOptions(map=MAPPED)
    said = refusal(lambda: canonical.read([path, services], options), DataError)
    assert "cannot be aligned" in said


def test_timestamps_of_parquet_are_read(tmp_path: Path) -> None:
    """Zoned timestamps of a typed file are instants; plain ones need the zone."""
    sql = "SELECT 'a' AS job, {} AS submit, 1 AS duration_s, 1 AS cpu_m"
    stamp = "TIMESTAMP '2023-03-06 00:00:00'"
    plain = parquet(tmp_path, "jobs.parquet", sql.format(stamp))
    said = refusal(lambda: canonical.read([plain], ReadOptions()), DataError)
    assert "a time without a zone" in said
    for place, expected in (("UTC", "2023-03-06T00:00:00Z"), ("+08:00", "2023-03-05T16:00:00Z")):
        assert expected == canonical.read([plain], ReadOptions(time_zone=place)).zero_utc
    zoned = parquet(tmp_path, "z.parquet", sql.format(f"{stamp} AT TIME ZONE 'UTC'"))
    assert "2023-03-06T00:00:00Z" == canonical.read([zoned], ReadOptions()).zero_utc


def test_zero_of_counted_times_can_be_given(tmp_path: Path) -> None:
    """Counted times stay as they are; their zero is named in UTC where it is given."""
    path = write(tmp_path, "jobs.csv", JOBS_HEADER, "a,-60,1,1", "b,60,1,1")
    trace = canonical.read([path], ReadOptions(zero_utc="2023-03-06T00:00+08:00"))
    assert trace.jobs is not None
    assert [-60_000, 60_000] == trace.jobs.submit_ms.tolist()
    assert "2023-03-05T16:00:00Z" == trace.zero_utc
    naive = ReadOptions(zero_utc="2023-03-06T00:00")
    assert "no offset" in refusal(lambda: canonical.read([path], naive), UsageError)


def test_deadline_counts_from_the_same_zero(tmp_path: Path) -> None:
    """Deadlines move with trace zero; none stays none; one before submission is refused."""
    path = write(
        tmp_path,
        "jobs.csv",
        "job,submit,duration_s,cpu_m,deadline",
        "a,2023-03-06T00:00Z,1,1,2023-03-06T00:01Z",
        "b,2023-03-06T00:00Z,1,1,",
    )
    trace = canonical.read([path], ReadOptions())
    assert trace.jobs is not None
    assert [60_000, -1] == trace.jobs.deadline_ms.tolist()
    late = write(tmp_path, "jobs.csv", "job,submit_s,duration_s,cpu_m,deadline_s", "a,5,1,1,4")
    said = refusal(lambda: canonical.read([late], ReadOptions()), DataError)
    assert "deadline before the job is submitted" in said
