"""A world lent to other processes: what a killed process left is removed, what is lent stays."""

from __future__ import annotations

import os
import pickle
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from greensched.experiment.lent import Lent, borrowed

if TYPE_CHECKING:
    from pathlib import Path

HOUR_S = 3_600


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lend below this test's folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def lent(world: Any) -> Lent:
    """Return a loan, written as it is when it is sent to another process."""
    loan = Lent(world)
    pickle.dumps(loan)
    return loan


def folders(place: Path) -> set[str]:
    """Return what is lent, or left, in `place`."""
    return {found.name for found in place.glob("greensched-world-*")}


def aged(place: Path) -> None:
    """Let all folders in `place` be an hour old."""
    for found in place.iterdir():
        then = found.stat().st_mtime - HOUR_S
        os.utime(found, (then, then))


def test_what_is_lent_is_mapped_and_removed(tmp_path: Path) -> None:
    """The borrower reads what was lent, and keeps it after the loan has ended."""
    numbers: Any = np.arange(100_000)
    with Lent(numbers) as loan:
        copy = pickle.loads(pickle.dumps(loan))  # noqa: S301  # our own
        assert 1 == len(folders(tmp_path))
    assert copy.world.tobytes() == numbers.tobytes()
    assert not folders(tmp_path)
    borrowed.cache_clear()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """The next loan removes a folder whose lock nobody holds, unless it is a minute young."""
    left = lent(1)
    os.close(left._lock)  # as the system does when a process ends
    with lent(2):
        assert 2 == len(folders(tmp_path))
    aged(tmp_path)
    with lent(3):
        assert 1 == len(folders(tmp_path))


def test_what_is_lent_outlives_other_loans(tmp_path: Path) -> None:
    """A loan of an hour ago is still there after another has begun and ended."""
    with lent(1):
        before = folders(tmp_path)
        aged(tmp_path)
        with lent(2):
            assert before < folders(tmp_path)
        assert before == folders(tmp_path)
