"""What co-location can give batch: the room beside services whose future is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray


def room_beside(use: IntArray, capacity: IntArray, share: float, ahead: int) -> FloatArray:
    """Return the room for batch [T]: sum_m max(0, share x c_m - max(use_m over t..t+ahead)).

    `use` [T, machines] what services use, `capacity` [machines], both in one unit such as
    [millicores]; `share` of a machine that may be in use; `ahead` in steps, the present one
    included (at the end of the record the rest of it).

    Source: the peak oracle of Bashir et al., EuroSys 2021 (doi 10.1145/3447786.3456259), with 24 h
    ahead; `share` as Koordinator's reclaim thresholds. An envelope of what a policy that never
    takes work back can promise; it is loose because it knows the peaks, fits fractions of jobs and
    sees one resource. A policy that suppresses or evicts can go beyond it.
    """
    steps = len(use)
    assert ahead >= 1
    padded = np.concatenate([use, np.repeat(use[-1:], ahead - 1, axis=0)])
    peak = np.lib.stride_tricks.sliding_window_view(padded, ahead, axis=0).max(axis=-1)[:steps]
    room: FloatArray = np.maximum(0.0, share * capacity - peak).sum(axis=1)
    return room
