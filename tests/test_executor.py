"""Executors that carry out what is wanted as results come in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from greensched.experiment.executor import Executor, Here, Processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.experiment.executor import Tell

PATIENCE_S = 30.0


def doubled(number: int, _tell: Tell) -> int:
    """Return twice the number."""
    return 2 * number


def waits_or_fails(number: int, tell: Tell) -> int:
    """Go on and on here, telling so; fail elsewhere."""
    if tell is None:
        raise ValueError(number)
    began_s = time.monotonic()
    while time.monotonic() - began_s < PATIENCE_S:
        tell("waiting", 0.0)
        time.sleep(0.01)
    return number


@pytest.mark.parametrize("made", [Here, lambda: Processes(1)], ids=["here", "process"])
def test_results_say_what_is_wanted_next(made: Callable[[], Executor]) -> None:
    """What is taken decides what is wanted next, until nothing is."""
    taken = [1]

    def wanted() -> int | None:
        return taken[-1] if taken[-1] < 20 else None

    made().pursue(doubled, wanted, lambda item, found: taken.append(item + found), None)
    assert [1, 3, 9, 27] == taken


def test_an_error_elsewhere_ends_what_runs_here() -> None:
    """Where one process fails, the run in this one is given up at its next sign of life."""
    items = iter([0, 1])
    began_s = time.monotonic()
    with pytest.raises(ValueError, match="1"), Processes(2) as executor:
        executor.pursue(waits_or_fails, lambda: next(items, None), lambda *_: None, None)
    assert time.monotonic() - began_s < PATIENCE_S
