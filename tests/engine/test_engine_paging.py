"""Long tables lie in files: the same numbers, memory let go of, and a full disk said at once."""

from __future__ import annotations

import errno
import os
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from greensched.engine import paging
from greensched.engine.simulate import simulate
from greensched.errors import OutsideError
from tests.engine.worlds import jobs, machines, setting

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import Setting


@pytest.fixture
def paged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every table count as long."""
    monkeypatch.setattr(paging, "PAGED_BYTES_MIN", 1)
    monkeypatch.setattr(paging, "LET_GO_BYTES_MIN", 1)
    monkeypatch.setattr(paging, "CHUNK_ROWS", 7)


def busy() -> Setting:
    """Return forty jobs of which some end, some run and some wait as the window ends."""
    rows = [{"submit_ms": 1_000 * i, "duration_ms": 900 * i} for i in range(1, 41)]
    return setting(machines(role="batch"), jobs=jobs(*rows), end="cut")


def test_a_paged_run_gives_the_same_numbers(request: pytest.FixtureRequest) -> None:
    """Every column of the jobs' outcome, and the energy, are those of a run in memory."""
    before = simulate(busy())
    request.getfixturevalue("paged")
    after = simulate(busy())
    assert paging.is_paged(after.jobs.left_ms)
    assert not paging.is_paged(before.jobs.left_ms)
    for field in fields(before.jobs):
        expected, found = (getattr(one.jobs, field.name) for one in (before, after))
        np.testing.assert_array_equal(expected, found, field.name)
    assert {0, 1} <= set((before.jobs.left_ms > 0).tolist())
    np.testing.assert_array_equal(before.usage.energy_j, after.usage.energy_j)


@pytest.mark.usefixtures("paged")
def test_what_is_let_go_of_comes_back(tmp_path: Path) -> None:
    """Own pages and a mapped trace keep what they hold; a private copy is not touched."""
    own = paging.zeros(10_000, np.int64)
    own[:] = np.arange(10_000)
    np.save(tmp_path / "column.npy", own)
    read, private = (np.load(tmp_path / "column.npy", mmap_mode=mode) for mode in ("r", "c"))
    private[5] = -1
    paging.let_go([own, np.asarray(read), np.asarray(private), own[3:]])
    assert [True, True, False] == [paging.is_paged(np.asarray(a)) for a in (own, read, private)]
    assert 49_995_000 == own.sum() == read.sum()
    assert -1 == private[5]


@pytest.mark.usefixtures("paged")
def test_the_largest_is_found_over_all_parts() -> None:
    """The largest value is found in any part of a column; it is 0 of none."""
    assert [0, 9, 9] == [
        paging.largest(np.array(v, np.int64)) for v in ([], [9] + [1] * 9, range(10))
    ]


def test_no_room_on_the_disk_is_said_before_the_run(
    paged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the temporary folder is full the error names it, what was wanted, and the remedy."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OutsideError, match=r"40 jobs: No space left .*TMPDIR"):
        simulate(replace(busy(), name="full"))
