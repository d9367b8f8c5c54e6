"""Compiled loops of the policies: one pass over services or machines each.

A policy is asked at every wake, and numpy's overhead for some hundred elements, a hundred times a
wake, would be most of a run (docs/decisions/0020-compiled-policies.md). Loops write to arrays that
they are given; all else is read only. They are compiled for the columns of snapshots and memories.
"""

from __future__ import annotations

from greensched.policies.kernels import (
    colocation,
    lending,
    machines,
    packing,
    peaks,
    resting,
    services,
    shifting,
    staffing,
    waking,
)


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    groups = (services, staffing, machines, resting, waking)
    for part in (*groups, peaks, colocation, lending, packing, shifting):
        part.compile_all()
