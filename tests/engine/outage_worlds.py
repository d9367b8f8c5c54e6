"""Outages for random worlds: failures, maintenance, several machines at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from greensched.model import Outages, merged

if TYPE_CHECKING:
    from greensched.model import Setting


def outages_of(count: int, window_ms: int, seed: int) -> Outages:
    """Return up to eight outages of `count` machines, some announced, some of many machines.

    At odd instants: no other event of these worlds happens at the window's end.
    """
    rng = np.random.default_rng([seed, count])
    rows = []
    for _ in range(int(rng.integers(1, 9))):
        leave_ms = int(rng.integers(0, window_ms // 2)) * 2 + 1 if rng.random() < 0.9 else 0
        from_ms = leave_ms + (int(rng.integers(0, 4_000)) * 2 if rng.random() < 0.4 else 0)
        until_ms = from_ms + 2 * int(rng.integers(1, window_ms // 8))
        hit = rng.permutation(count)[
            : int(rng.integers(1, count + 1)) if rng.random() < 0.3 else 1
        ]
        rows += [(m, leave_ms, from_ms, until_ms) for m in hit.tolist()]
    return merged(*np.array(rows, np.int64).T)


def with_outages(told: Setting, seed: int) -> Setting:
    """Return the setting with random outages of its machines."""
    count = sum(kind.count for kind in told.fleet)
    return replace(told, outages=outages_of(count, told.window_ms, seed))
