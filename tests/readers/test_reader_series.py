"""Series of load: units, gaps, ends, groups."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.errors import DataError, UsageError
from greensched.readers import series
from greensched.readers.options import ReadOptions
from tests.readers.builders import refusal, write

if TYPE_CHECKING:
    from pathlib import Path

LONG = ReadOptions(column="rate", time_column="t_s", unit="requests", cpu_s_per_request=0.5)


def load(path: Path, options: ReadOptions) -> list[list[int]]:
    """Return the load [services, steps] of `path` in millicores."""
    services = series.read([path], options).services
    assert services is not None
    rows: list[list[int]] = services.load_cpu_m.tolist()
    return rows


def test_percent_needs_its_capacity(tmp_path: Path) -> None:
    """Percent of 8 cores becomes millicores; without the cores it is refused."""
    path = write(tmp_path, "a.csv", "cpu", "25", "100")
    options = ReadOptions(column="cpu", unit="percent", step_ms=300_000)
    assert "--cores" in refusal(lambda: load(path, options), UsageError)
    assert [[2000, 8000]] == load(path, replace(options, cpu_m=8000))


def test_percent_is_plausible(tmp_path: Path) -> None:
    """More than 100 percent is refused, and so are values that are all shares of 1."""
    options = ReadOptions(column="cpu", unit="percent", step_ms=1, cpu_m=8000)
    path = write(tmp_path, "a.csv", "cpu", "25", "101")
    assert "row 2: cpu: larger than 100" in refusal(lambda: load(path, options), DataError)
    path = write(tmp_path, "a.csv", "cpu", "0.25", "1")
    assert "a share of 1, not percent?" in refusal(lambda: load(path, options), DataError)


def test_unit_that_contradicts_its_column_is_refused(tmp_path: Path) -> None:
    """A column that says percent is not read as cores."""
    path = write(tmp_path, "a.csv", "cpu_util_percent", "25")
    options = ReadOptions(column="cpu_util_percent", unit="cores", step_ms=1)
    assert "says percent" in refusal(lambda: load(path, options), UsageError)


def test_all_missing_options_are_told_at_once(tmp_path: Path) -> None:
    """Column, unit and step that are missing are told in one error."""
    path = write(tmp_path, "a.csv", "cpu", "25")
    said = refusal(lambda: load(path, ReadOptions()), UsageError)
    assert all(flag in said for flag in ("--column", "--unit", "--step"))
    requests = replace(LONG, cpu_s_per_request=0.0)
    assert "--cpu-s-per-request" in refusal(lambda: load(path, requests), UsageError)


def test_columns_that_are_not_there_name_their_options(tmp_path: Path) -> None:
    """All columns that were asked for in vain are told, each with the option that named it."""
    path = write(tmp_path, "a.csv", "t_s,load", "0,1", "10,2")
    options = ReadOptions(column="cpu", time_column="when", group_by="who", unit="cores")
    said = refusal(lambda: load(path, options), DataError).splitlines()
    assert ["--column", "--time-column", "--group-by"] == [line.split()[-1] for line in said]
    assert "a.csv: no column 'cpu'; columns there: t_s, load" in said[0]


def test_service_time_is_what_a_request_takes(tmp_path: Path) -> None:
    """Seconds per request are also its service time, unless that is given; a load has none."""
    path = write(tmp_path, "a.csv", "rate", "100", "50")
    options = ReadOptions(column="rate", unit="requests", step_ms=1000, cpu_s_per_request=0.5)
    for about, time_ms, assumed in (
        (options, 500.0, False),
        (replace(options, gpu_s_per_request=2.0), 2000.0, False),
        (replace(options, service_time_ms=70.0), 70.0, False),
        (ReadOptions(column="rate", unit="cores", step_ms=1000), 50.0, True),
    ):
        services = series.read([path], about).services
        assert services is not None
        assert time_ms == services.service_time_ms[0]
        assert assumed == services.service_time_assumed[0]


def test_requests_become_cores(tmp_path: Path) -> None:
    """4 requests a second of half a CPU second are 2 cores; counts are divided by their time."""
    path = write(tmp_path, "a.csv", "t_s,rate", "0,4", "60,8")
    assert [[2000, 4000]] == load(path, LONG)
    assert [[200, 400]] == load(path, replace(LONG, per_ms=10_000))


def test_gpu_seconds_count_replicas(tmp_path: Path) -> None:
    """3 requests a second of 2 GPU seconds keep 6 one-GPU replicas busy."""
    path = write(tmp_path, "a.csv", "t_s,rate", "0,3", "60,3")
    options = replace(LONG, cpu_s_per_request=0.0, gpu_s_per_request=2.0, replica_cpu_m=8000)
    services = series.read([path], options).services
    assert services is not None
    assert [6, 6] == (services.load_cpu_m[0] // services.replica_cpu_m[0]).tolist()
    assert [1000] == services.replica_gpu_m.tolist()


def test_irregular_samples_are_weighted_by_time(tmp_path: Path) -> None:
    """A sample holds until the next; a grid step has the time-weighted mean of what held."""
    path = write(tmp_path, "a.csv", "t_s,cores", "0,1", "60,3", "120,5", "150,9", "210,2")
    options = ReadOptions(column="cores", time_column="t_s", unit="cores", step_ms=120_000)
    # (5 x 30 + 9 x 60 + 2 x 30) / 120 = 6.25
    assert [[2000, 6250]] == load(path, options)


def test_gap_of_requests_is_no_requests(tmp_path: Path) -> None:
    """A monitor that is silent saw no requests: 0 after one interval, told with its count."""
    path = write(tmp_path, "a.csv", "t_s,rate", "0,2", "60,2", "120,2", "300,2")
    trace = series.read([path], LONG)
    assert trace.services is not None
    assert [[1000, 1000, 1000, 0, 0, 1000]] == trace.services.load_cpu_m.tolist()
    assert any("1 gap" in f and "180 s; filled: zero" in f for f in trace.findings)
    assert [[1000] * 6] == load(path, replace(LONG, fill="hold"))


def test_gap_of_cores_needs_a_fill(tmp_path: Path) -> None:
    """A gap in measured cores is refused unless a fill is named."""
    path = write(tmp_path, "a.csv", "t_s,cores", "0,1", "60,1", "120,1", "300,1")
    options = ReadOptions(column="cores", time_column="t_s", unit="cores")
    assert "--fill" in refusal(lambda: load(path, options), DataError)
    assert [[1000] * 6] == load(path, replace(options, fill="hold"))
    assert [[1000, 1000, 1000, 0, 0, 1000]] == load(path, replace(options, fill="zero"))


def test_groups_and_their_members(tmp_path: Path) -> None:
    """Each group is a service, members are summed, rows of no group are kept by that name."""
    path = write(tmp_path, "a.csv", "t_s,rate,kind,host", "0,2,b,x", "0,4,b,y", "60,2,b,x",
                 "60,2,b,y", "0,6,,z", "60,6,,z")  # fmt: skip
    options = replace(LONG, group_by="kind", sum_over="host")
    trace = series.read([path], options)
    assert trace.services is not None
    assert ("(empty)", "b") == trace.services.names
    assert [[3000, 3000], [3000, 2000]] == trace.services.load_cpu_m.tolist()
    assert any("2 rows with no kind, kept as (empty)" in f for f in trace.findings)
    said = refusal(lambda: load(path, replace(options, sum_over="")), DataError)
    assert "a series and time given again with other values" in said


def test_dropped_row_of_a_plain_series_leaves_a_gap(tmp_path: Path) -> None:
    """Without a time column a dropped row is a gap; it never moves the rows after it."""
    path = write(tmp_path, "a.csv", "cpu", "1", "1", "x", "4")
    options = ReadOptions(column="cpu", unit="cores", step_ms=60_000, on_bad="drop")
    assert "1 gap" in refusal(lambda: load(path, options), DataError)
    assert [[1000, 1000, 1000, 4000]] == load(path, replace(options, fill="hold"))


def test_zero_is_the_earliest_sample(tmp_path: Path) -> None:
    """Counted times start at the earliest sample, told in words; calendar times name it in UTC."""
    path = write(tmp_path, "a.csv", "t_s,rate", "500,2", "560,2")
    trace = series.read([path], LONG)
    assert "a.csv: trace zero is its time 500 s" in trace.findings
    path = write(tmp_path, "a.csv", "t,rate", "2023-03-06T00:00Z,2", "2023-03-06T00:01Z,2")
    trace = series.read([path], replace(LONG, time_column="t"))
    assert "2023-03-06T00:00:00Z" == trace.zero_utc
    assert trace.services is not None
    assert (0, 60_000) == (trace.services.start_ms, trace.services.step_ms)


def test_grid_of_absurd_size_is_refused(tmp_path: Path) -> None:
    """A step so small that the grid would fill the memory is refused."""
    path = write(tmp_path, "a.csv", "t_s,rate", "0,2", "100000,2", "200000,2")
    said = refusal(lambda: load(path, replace(LONG, step_ms=1)), DataError)
    assert "are more than 50,000,000 values" in said


@given(
    samples=st.lists(st.tuples(st.integers(1, 90), st.integers(0, 1000)), min_size=2, max_size=20),
    step=st.integers(1, 40),
)
def test_resampling_keeps_the_work(samples: list[tuple[int, int]], step: int) -> None:
    """The work on whole grid steps is the integral of what the samples hold."""
    times = np.cumsum([d for d, _ in samples])
    values = np.array([v for _, v in samples], float)
    until = np.append(times[1:], times[-1] + 5)
    steps = int(until[-1] - times[0]) // step
    edges = times[0] + step * np.arange(steps + 1)
    seconds = np.repeat(values, until - times)[: steps * step]
    got = series._means(times, until, values, edges)
    assert seconds.reshape(steps, step).mean(axis=1) == pytest.approx(got, abs=1e-9)
