"""Executors that carry out what is wanted as results come in."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from greensched.errors import OutsideError
from greensched.experiment.executor import Executor, Here, Processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.experiment.executor import Tell

PATIENCE_S = 30.0


def doubled(number: int, _tell: Tell) -> int:
    """Return twice the number."""
    return 2 * number


def printed(number: int, _tell: Tell) -> int:
    """Print the number."""
    sys.stdout.write(f"printed {number}\n")
    return number


def goes_away(number: int, _tell: Tell) -> int:
    """End the process that has 1 as if from outside."""
    if number:
        os._exit(1)
    return number


def waits_or_fails(number: int, tell: Tell) -> int:
    """Go on and on with 0, telling so; fail with others."""
    if number:
        raise ValueError(number)
    return waits(0, tell)


def waits(number: int, tell: Tell) -> int:
    """Go on and on with 0, telling so; return others at once."""
    began_s = time.monotonic()
    while not number and time.monotonic() - began_s < PATIENCE_S:
        assert tell is not None
        tell("waiting", 0.0)
        time.sleep(0.01)
    return number


@pytest.mark.parametrize("made", [Here, lambda: Processes(1)], ids=["here", "process"])
def test_results_say_what_is_wanted_next(made: Callable[[], Executor]) -> None:
    """What is taken decides what is wanted next, until nothing is."""
    taken = [1]

    def took(item: int, found: int | None) -> None:
        assert found is not None
        taken.append(item + found)

    def wanted() -> int | None:
        return taken[-1] if taken[-1] < 20 else None

    made().pursue(doubled, wanted, took, bool, None)
    assert [1, 3, 9, 27] == taken


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["here", "elsewhere"])
def test_what_nobody_needs_any_more_is_given_up(order: tuple[int, int]) -> None:
    """Once the other item has ended, the one that goes on and on is useless, wherever it is."""
    items, taken = iter(order), list[tuple[int, int | None]]()
    began_s = time.monotonic()
    with Processes(2) as executor:
        executor.pursue(
            waits,
            lambda: next(items, None),
            lambda item, found: taken.append((item, found)),
            lambda item: item == 0,
            None,
        )
    assert [(1, 1), (0, None)] == taken
    assert time.monotonic() - began_s < PATIENCE_S


def test_an_error_elsewhere_ends_what_runs_here() -> None:
    """Where one process fails, the run in this one is given up at its next sign of life."""
    items = iter([0, 1])
    began_s = time.monotonic()
    with pytest.raises(ValueError, match="1"), Processes(2) as executor:
        executor.pursue(waits_or_fails, lambda: next(items, None), print, bool, None)
    assert time.monotonic() - began_s < PATIENCE_S


@pytest.mark.parametrize(
    "goes_on",
    [
        lambda executor: executor.map(doubled, [0, 1], None),
        lambda executor: executor.pursue(doubled, lambda: 1, print, bool, None),
        lambda executor: executor.start(),
    ],
    ids=["map", "pursue", "start"],
)
def test_a_worker_that_went_away_before_is_told(goes_on: Callable[[Processes], object]) -> None:
    """A worker that ended while nobody waited for it gives the error of one that ends at work."""
    with Processes(2) as executor:
        with pytest.raises(OutsideError, match="ended from outside"):
            executor.map(goes_away, [0, 1], None)
        with pytest.raises(OutsideError, match="ended from outside"):
            goes_on(executor)


def test_what_a_worker_prints_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A process that ends at once has written what stood in its buffers before."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with Processes(2) as executor:
        executor.map(printed, [0, 1], None)
    assert "printed 1" in capfd.readouterr().out
