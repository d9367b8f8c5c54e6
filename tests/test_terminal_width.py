"""Tables on a terminal: they fit, in blocks where they must, and stay whole in a pipe."""

from __future__ import annotations

import pytest

from greensched.report.shifting import aligned
from greensched.report.side import beside, room
from greensched.report.sizing import text_lines

ROWS = [["zone", "     kg", " jobs", "hours"], ["DE  ", "1,234.5", "   12", "  8.5"]]


def test_what_fits_stands_beside() -> None:
    """A table that is as wide as the terminal is one block."""
    expected = ["zone       kg   jobs  hours", "DE    1,234.5     12    8.5"]
    assert expected == beside(ROWS, columns=27)


def test_what_does_not_fit_stands_below() -> None:
    """One column less, and the last column moves into a block with the names again."""
    assert [
        "zone       kg   jobs",
        "DE    1,234.5     12",
        "",
        "zone  hours",
        "DE      8.5",
    ] == beside(ROWS, columns=26)


def test_more_than_one_column_may_name_a_row() -> None:
    """All columns that name a row are in each block, which has at least one more."""
    lines = beside(ROWS, kept=2, columns=10)
    assert ["zone       kg   jobs", "zone       kg  hours"] == [lines[0], lines[3]]


@pytest.mark.parametrize(("columns", "blocks"), [("60", 3), ("80", 2), ("120", 1)])
def test_terminal_says_how_wide(
    columns: str, blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of a shifting study fits 60, 80 and 120 columns."""
    monkeypatch.setenv("COLUMNS", columns)
    heads = ["policy", *(f"quantity {i}" for i in range(9))]
    lines = aligned(heads, [["plan", *["1"] * 9]])
    assert int(columns) >= max(map(len, lines))
    assert blocks == sum(line.startswith("policy") for line in lines)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_fleets_that_were_sized_fit(columns: int) -> None:
    """The block of `size` has whole rows at any width, in more blocks where it is narrow."""
    given = {
        "baseline_kind": "autoscaled",
        "baseline_machines": 4,
        "static_peak_machines": 4,
        "machines": 3,
        "lower_bound": 2,
        "by_type": [],
        "embodied_not_bought_kg": {"mid": 0.55, "low": 0.44, "high": 0.71},
    }
    lines = text_lines(given, columns)
    assert columns >= max(map(len, lines))
    heads = [line for line in lines if line.startswith("next purchase")]
    assert (1 if columns == 120 else 2) <= len(heads)
    assert len(heads) == sum(line.startswith("machines needed") for line in lines)


def test_pipe_gets_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no terminal says how wide it is, each row is one line."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("os.get_terminal_size", _nowhere)
    assert 1_000 < room()
    assert 2 == len(aligned([f"column {i}" for i in range(40)], [["1"] * 40]))


def _nowhere(*_: int) -> None:
    raise OSError
