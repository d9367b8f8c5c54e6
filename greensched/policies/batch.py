"""Machines for batch: which to wake for jobs that wait, which to rest when others have room."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from greensched.policies.kernels import resting, waking
from greensched.policies.machines import NOTHING, columns

if TYPE_CHECKING:
    from greensched.model import BoolArray, IntArray, Snapshot

PACKING = 1.25  # jobs leave gaps: so much more is woken than what they ask for
SPARE_SHARE = 0.05  # of what jobs reserve, kept free for the next ones when machines go to rest

REST_BELOW = 0.3  # of a machine: jobs run long, and what they leave of a fuller one is lost

# Of a queue, as `waking.for_queue` takes it.
of_queue = attrgetter(
    "jobs", "cpu_m", "memory_mib", "gpu_m", "gpu_jobs", "gpu_jobs_cpu_m", "gpu_jobs_memory_mib"
)


def wake_for_queue(
    snapshot: Snapshot,
    among: BoolArray,
    *,
    patience_ms: int,
    room_cpu_m: int = 0,
    room_memory_mib: int = 0,
) -> IntArray:
    """Return the machines of `among` to wake for the jobs that wait, all that they need at once.

    Dedicated machines that drain come first, as they cost no start. What boots already is taken
    off the need, and the room given off that of jobs without GPUs. Jobs that have waited longer
    than `patience_ms` need a kind of machine that is not on: then no room is taken off, and one
    of each type is woken as well.
    """
    queue, m = snapshot.queue, snapshot.machines
    if queue.jobs == 0:
        return NOTHING
    marks, table = (
        np.empty((waking.MARKS, len(among)), np.bool_),
        np.empty((3, len(among)), np.int64),
    )
    count = waking.for_queue(
        *(columns(m), m.surplus, m.machine_type, among, of_queue(queue), PACKING),
        *(room_cpu_m, room_memory_mib),
        snapshot.now_ms - queue.oldest_submit_ms >= patience_ms,
        *(marks, table),
    )
    return table[0, :count]


def to_rest(
    snapshot: Snapshot, idle_ms: int, room_cpu_m: float = 0.0, room_memory_mib: float = 0.0
) -> IntArray:
    """Return the dedicated machines to put to sleep, nothing while jobs wait.

    Those that have been empty for `idle_ms`; and where machines that are on anyway have `room` for
    jobs, the emptiest that are at most `REST_BELOW` full: they take no new jobs, and sleep when
    theirs have ended. That room and what stays free on the rest is at least `SPARE_SHARE` of what
    runs.
    """
    m = snapshot.machines
    if snapshot.queue.jobs > 0:
        return NOTHING
    table = np.empty((2, len(m.state)), np.int64)
    count = resting.to_rest(
        *(columns(m), m.surplus, snapshot.now_ms - idle_ms),
        (float(room_cpu_m), float(room_memory_mib)),
        *(SPARE_SHARE, REST_BELOW, table),
    )
    return table[0, :count]
