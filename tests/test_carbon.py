"""Carbon intensity: the step function, its gates and its gaps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.carbon import CarbonIntensity, Fill, Labels, from_samples
from greensched.errors import DataError
from greensched.providers.constant import constant
from greensched.units import MS_PER_DAY, MS_PER_H

START_MS = 1_672_531_200_000  # 2023-01-01T00:00Z
NAN = math.nan


def hourly(*values: float, fill: Fill | None = None) -> CarbonIntensity:
    """Return an hourly series from 2023-01-01T00:00Z."""
    times_ms = START_MS + MS_PER_H * np.arange(len(values), dtype=np.int64)
    labels = Labels(source="test.csv")
    return from_samples("XX", times_ms, np.array(values), fill=fill, labels=labels)


def test_value_holds_until_the_next() -> None:
    """A value holds from its time until just before the next value's."""
    series = hourly(100.0, 200.0)
    assert 100.0 == series.at(START_MS)
    assert 100.0 == series.at(START_MS + MS_PER_H - 1)
    assert 200.0 == series.at(START_MS + MS_PER_H)


def test_unknown_is_none_not_zero() -> None:
    """Outside the series there is no value: None, never 0."""
    series = hourly(100.0, 200.0)
    assert series.at(START_MS - 1) is None
    assert series.at(START_MS + 2 * MS_PER_H) is None
    assert series.mean(START_MS - 1, START_MS + 1) is None
    assert series.mean(START_MS, START_MS) is None


def test_mean_weighs_by_time() -> None:
    """The mean over a quarter of one hour and all of the next is weighed by time."""
    series = hourly(100.0, 200.0)
    assert 180.0 == series.mean(START_MS + 3 * MS_PER_H // 4, START_MS + 2 * MS_PER_H)


def test_window_counts_from_its_start() -> None:
    """A window that begins and ends within hours has edges relative to its own start."""
    edges_ms, values = hourly(100.0, 200.0, 300.0).window(START_MS + 1_800_000, 2 * MS_PER_H)
    assert [0, 1_800_000, 5_400_000, 7_200_000] == edges_ms.tolist()
    assert [100.0, 200.0, 300.0] == values.tolist()


def test_window_leaves_the_series_alone() -> None:
    """Taking a window changes neither edges nor values of the series."""
    series = hourly(100.0, 200.0, 300.0)
    before = series.edges_ms.copy()
    series.window(START_MS + 1, MS_PER_H)
    assert before.tolist() == series.edges_ms.tolist()


def test_window_beyond_the_series_is_an_error() -> None:
    """A window that the series does not cover is an error that names both spans."""
    with pytest.raises(DataError, match="2023-01-01T00:00:00Z to 2023-01-01T02:00:00Z, not all"):
        hourly(100.0, 200.0).window(START_MS + MS_PER_H, 2 * MS_PER_H)


@given(
    values=st.lists(st.floats(1.0, 2_000.0), min_size=1, max_size=30),
    a=st.integers(0, 30 * MS_PER_H),
    b=st.integers(0, 30 * MS_PER_H),
)
def test_mean_equals_window(values: list[float], a: int, b: int) -> None:
    """The mean is the sum of the window's values times their lengths over its length."""
    series = hourly(*values)
    start, end = sorted((a, b))
    if not 0 <= start < end <= len(values) * MS_PER_H:
        return
    expected = (
        math.fsum(
            v * max(0, min(end, (i + 1) * MS_PER_H) - max(start, i * MS_PER_H))
            for i, v in enumerate(values)
        )
    ) / (end - start)
    assert expected == pytest.approx(series.mean(START_MS + start, START_MS + end), rel=1e-12)


@pytest.mark.parametrize("value", [0.0, -5.0, 2_000.1, math.inf])
def test_implausible_value_is_refused(value: float) -> None:
    """Zero, negative and absurd intensities are refused with their time."""
    with pytest.raises(DataError, match="2023-01-01T01:00:00Z"):
        hourly(100.0, value, 100.0)


def test_every_implausible_value_is_counted() -> None:
    """Of very many bad values the first are named and all are counted."""
    with pytest.raises(DataError, match="30 such values in all"):
        hourly(*([-1.0] * 30))


@pytest.mark.parametrize("values", [(NAN, 100.0), (100.0, NAN, 100.0), (100.0, NAN)])
def test_gap_is_an_error(values: tuple[float, ...]) -> None:
    """A gap at the start, in the middle or at the end is an error without a fill."""
    with pytest.raises(DataError, match="no value for 1 h"):
        hourly(*values)


def test_missing_row_is_a_gap() -> None:
    """A time that is left out is a gap like a blank."""
    times_ms = START_MS + MS_PER_H * np.array([0, 1, 3], np.int64)
    with pytest.raises(DataError, match="2023-01-01T02:00:00Z: no value for 1 h"):
        from_samples("XX", times_ms, np.full(3, 100.0))


def test_hold_repeats_the_last_value() -> None:
    """`hold` repeats the last known value, marks it and records the longest gap."""
    series = hourly(100.0, NAN, NAN, 400.0, NAN, fill=Fill(kind="hold"))
    assert [100.0, 100.0, 100.0, 400.0, 400.0] == series.values_g_per_kwh.tolist()
    assert [False, True, True, False, True] == series.filled.tolist()
    assert ("test.csv: 3 h in 2 gaps filled (hold), longest 2 h",) == series.findings


def test_interpolate_draws_a_line() -> None:
    """`interpolate` fills a gap with a line between its neighbours."""
    series = hourly(100.0, NAN, NAN, 400.0, fill=Fill(kind="interpolate"))
    assert [100.0, 200.0, 300.0, 400.0] == series.values_g_per_kwh.tolist()


@pytest.mark.parametrize(
    ("values", "fill"),
    [
        ((100.0, NAN, NAN, 100.0), Fill(kind="hold", longest_ms=MS_PER_H)),
        ((NAN, 100.0), Fill(kind="hold")),
        ((100.0, NAN), Fill(kind="interpolate")),
    ],
)
def test_fill_has_limits(values: tuple[float, ...], fill: Fill) -> None:
    """A gap longer than allowed, or with no neighbour to fill from, stays an error."""
    with pytest.raises(DataError, match="longer than the longest gap allowed, or at an end"):
        hourly(*values, fill=fill)


def test_filled_marks_follow_the_window() -> None:
    """The marks of filled values are cut with the window."""
    series = hourly(100.0, NAN, 300.0, fill=Fill(kind="hold"))
    assert [True, False] == series.window_filled(START_MS + MS_PER_H, 2 * MS_PER_H).tolist()
    assert [False] == constant("XX", 5.0).window_filled(0, 10).tolist()


def test_frozen_values_are_a_warning() -> None:
    """A value that stays the same for more than a day is reported, not refused."""
    assert not hourly(*([100.0] * 24)).findings
    (note,) = hourly(90.0, *([100.0] * 25)).findings
    assert "one value for over a day, 1 time; longest from 2023-01-01T01:00:00Z for 25 h" == note


def test_rows_are_sorted_and_repeats_dropped() -> None:
    """Rows out of order are sorted and equal repeats dropped, both counted."""
    times_ms = START_MS + MS_PER_H * np.array([1, 0, 2, 2], np.int64)
    series = from_samples("XX", times_ms, np.array([200.0, 100.0, 300.0, 300.0]))
    assert [100.0, 200.0, 300.0] == series.values_g_per_kwh.tolist()
    assert (
        "zone XX: sorted, 1 row earlier than the one before",
        "zone XX: 1 repeated rows dropped",
    ) == series.findings


@pytest.mark.parametrize("second", [101.0, NAN])
def test_conflicting_rows_are_refused(second: float) -> None:
    """Two values at one time are refused: neither is taken."""
    times_ms = START_MS + MS_PER_H * np.array([0, 1, 1], np.int64)
    with pytest.raises(DataError, match="two values"):
        from_samples("XX", times_ms, np.array([50.0, 100.0, second]))


def test_uneven_times_are_refused() -> None:
    """A time off the grid of the others is refused."""
    times_ms = START_MS + np.array([0, 3_600_000, 7_300_000, 10_900_000], np.int64)
    with pytest.raises(DataError, match="not on the grid of 1 h"):
        from_samples("XX", times_ms, np.full(4, 100.0))


def test_empty_series_and_bad_edges_are_refused() -> None:
    """A series without rows, without steps, or with edges that do not rise is refused."""
    none = np.empty(0)
    with pytest.raises(DataError, match="no values"):
        from_samples("XX", none.astype(np.int64), none)
    with pytest.raises(DataError, match="no steps"):
        CarbonIntensity(zone="XX", edges_ms=np.array([0], np.int64), values_g_per_kwh=none)
    with pytest.raises(DataError, match="do not rise"):
        CarbonIntensity(
            zone="XX", edges_ms=np.array([5, 5], np.int64), values_g_per_kwh=np.array([1.0])
        )


def test_constant_never_ends() -> None:
    """A constant intensity holds at any time, and gives any window one step."""
    series = constant("CN", 530.6, Labels(vintage="2023"))
    assert 530.6 == series.at(-(10**15)) == series.mean(0, 10**15)
    edges_ms, values = series.window(START_MS, 7 * MS_PER_DAY)
    assert ([0, 7 * MS_PER_DAY], [530.6]) == (edges_ms.tolist(), values.tolist())
    assert "constant" == series.labels.source
    assert constant("CN", 1.0).labels.checksum != constant("CN", 2.0).labels.checksum
    with pytest.raises(DataError):
        constant("CN", 0.0)
