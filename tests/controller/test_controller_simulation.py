"""The controller under faults, seed by seed; a seed that fails prints the line that repeats it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.controller.bugs import BUGS
from tests.controller.monitor import ViolationError
from tests.controller.simulate import World

if TYPE_CHECKING:
    from tests.controller.simulate import Patient

FEW = range(12)  # in `make test`
BLOCK = 30
MANY = range(10)  # blocks, in CI
SOAK = 10_000
SOAK_BLOCK = 500
SEARCHED = range(400)  # until a bug is found


@pytest.mark.parametrize("seed", FEW)
def test_promises_hold(seed: int) -> None:
    """Whatever fails, no promise is broken, and in the end all that may run has run."""
    World(seed).run()


@pytest.mark.slow
@pytest.mark.parametrize("block", MANY)
def test_promises_hold_for_hundreds_of_histories(block: int) -> None:
    """The same holds for three hundred histories, in which Jobs waited, ran and paused."""
    worlds = [World(seed).run() for seed in range(block * BLOCK, (block + 1) * BLOCK)]
    assert all(sum(getattr(w.monitor, what) for w in worlds) > 0 for what in SEEN)


SEEN = ("releases", "waits", "pauses")


@pytest.mark.soak
@pytest.mark.parametrize("block", range(SOAK // SOAK_BLOCK))
def test_promises_hold_for_thousands_of_histories(block: int) -> None:
    """The same holds for ten thousand histories; every seed that fails is told."""
    broken = []
    for seed in range(block * SOAK_BLOCK, (block + 1) * SOAK_BLOCK):
        try:
            World(seed).run()
        except ViolationError as found:
            broken.append(str(found))
    assert [] == broken


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_found(bug: str) -> None:
    """Each bug that others had breaks a promise in some seed, and it is told how to repeat it."""
    with pytest.raises(ViolationError) as broken:
        _search(BUGS[bug])
    told = str(broken.value)
    seed = told.partition("seed ")[2].partition(":")[0]
    assert f"python -m tests.controller.simulate {seed} {bug}" in told


def _search(bug: type[Patient]) -> None:
    for seed in SEARCHED:
        World(seed, bug).run()
