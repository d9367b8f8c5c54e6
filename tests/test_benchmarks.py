"""The harness that times what is promised."""

from __future__ import annotations

import sys

import pytest

from benchmarks import SKIPPED, Benchmark, Figures, best_of, best_times, exponent, peak_rss_mib
from benchmarks.__main__ import promise, rows, run_apart, shown


def _nothing() -> Figures:
    return {}


ONE = Benchmark(
    name="one",
    says="A sample.",
    measure=_nothing,
    limit_s=30.0,
    at_most={"replay_s": 0.5},
    at_least={"ratio": 30.0},
)


def test_promises_kept() -> None:
    """Figures within their bounds, the bounds themselves included, miss nothing."""
    assert [] == ONE.misses({"replay_s": 0.5, "ratio": 30.0})


@pytest.mark.parametrize(
    ("figures", "missed"),
    [
        ({"replay_s": 0.6, "ratio": 30.0}, ["replay_s is 0.6, promised at most 0.5"]),
        ({"replay_s": 0.1, "ratio": 2}, ["ratio is 2, promised at least 30"]),
        ({"replay_s": 0.1}, ["ratio is None, promised at least 30"]),
    ],
)
def test_promises_missed(figures: Figures, missed: list[str]) -> None:
    """A figure beyond its bound, and one that was never measured, is a promise not kept."""
    assert missed == ONE.misses(figures)


def test_what_cannot_run_misses_nothing() -> None:
    """A benchmark that says why it cannot run here breaks no promise."""
    assert [] == ONE.misses({SKIPPED: "needs data"})


@pytest.mark.parametrize(
    ("power", "times_s"), [(0.0, (3, 3, 3)), (1.0, (1, 2, 4)), (2.0, (1, 4, 16))]
)
def test_exponent(power: float, times_s: tuple[float, ...]) -> None:
    """Times that grow as a power of the size have that power as their exponent."""
    assert power == pytest.approx(exponent((10, 20, 40), times_s))


def test_rows_show_figure_and_promise() -> None:
    """A line of the table has the figure with four digits beside what was promised of it."""
    assert [
        ("one", "replay_s", "0.1235", "≤ 0.5"),
        ("one", "missed", "too slow", ""),
    ] == rows(ONE, {"replay_s": 0.123456}, ["too slow"])
    assert "≥ 30" == promise(ONE, "ratio")
    assert ("1,000,000", "12,346", "yes") == (shown(1_000_000), shown(12345.6), shown("yes"))


def test_unknown_name_ends_without_figures() -> None:
    """A benchmark whose process fails has no figures and counts as missed."""
    assert ({}, ["ended with 2 and no figures"]) == run_apart(ONE)


def test_measures() -> None:
    """The shortest of several runs is a time, and this process takes memory."""
    calls: list[int] = []
    assert 0.0 <= best_of(lambda: calls.append(1), repeats=4) < 1.0
    assert 4 == len(calls)
    wall_s, cpu_s = best_times(lambda: calls.append(1), repeats=2)
    assert 0.0 <= wall_s < 1.0
    assert 0.0 <= cpu_s < 1.0
    assert 6 == len(calls)
    assert 5.0 < peak_rss_mib() < sys.maxsize
