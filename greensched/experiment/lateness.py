"""Jobs of a run that goes on which have waited too long already, or missed their deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.engine.shifting import chosen_waits_ms
from greensched.model import NONE

if TYPE_CHECKING:
    from greensched.model import IntArray, Jobs

LATE_SHARE: Final = 0.05  # of the jobs may wait longer than the 95th percentile


def late_needed(jobs: int) -> int:
    """Return how many late jobs raise the 95th percentile of the waits of so many; of none one."""
    return max(1, jobs - int((1.0 - LATE_SHARE) * (jobs - 1)))


def late(jobs: Jobs, world: Any, now_ms: int, wait_ms: float) -> IntArray:
    """Return the jobs that have waited longer than `wait_ms`; what kept them by choice apart."""
    submit = jobs.submit_ms[: _arrived(jobs, now_ms)]
    start = world.out["start_ms"][: len(submit)]
    waited = np.where(start == NONE, now_ms, start) - submit
    waited -= chosen_waits_ms(world, submit, now_ms)
    return np.flatnonzero(waited > wait_ms)


def missed(jobs: Jobs, world: Any, now_ms: int) -> IntArray:
    """Return the jobs that are past their deadline."""
    due = jobs.deadline_ms[: _arrived(jobs, now_ms)]
    end = world.out["end_ms"][: len(due)]
    return np.flatnonzero((due != NONE) & (np.where(end == NONE, now_ms, end) > due))


def _arrived(jobs: Jobs, now_ms: int) -> int:
    """Return how many jobs have come."""
    return int(np.searchsorted(jobs.submit_ms, now_ms, side="right"))
