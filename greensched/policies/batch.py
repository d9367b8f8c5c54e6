"""Machines for batch: which to wake for jobs that wait, which to rest when others have room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from greensched.model import BOOTING, DRAINING, OFF, ON, OWN, SLEEPING
from greensched.policies.kernels import resting
from greensched.policies.machines import BATCH, NOTHING, columns, to_wake

if TYPE_CHECKING:
    from greensched.model import BoolArray, IntArray, MachineView, Snapshot

PACKING = 1.25  # jobs leave gaps: so much more is woken than what they ask for
SPARE_SHARE = 0.05  # of what jobs reserve, kept free for the next ones when machines go to rest

REST_BELOW = 0.3  # of a machine: jobs run long, and what they leave of a fuller one is lost


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
    rows = np.flatnonzero(m.state != ON)
    rows = rows[among[rows] & (m.lending[rows] == OWN) & ~m.surplus[rows]]
    if not rows.size:
        return NOTHING
    state, dedicated = m.state[rows], m.role[rows] == BATCH
    coming, drains = rows[state == BOOTING], rows[(state == DRAINING) & dedicated]
    stuck = snapshot.now_ms - queue.oldest_submit_ms >= patience_ms
    chosen = []
    if stuck:
        chosen = [drains] if coming.size else [drains, _one_of_each_type(m, rows)]
        coming, drains = np.concatenate([coming, drains]), NOTHING
        room_cpu_m = room_memory_mib = 0
    if queue.gpu_jobs:
        chosen.append(_wake_for_gpus(snapshot, among, coming))
    if queue.jobs > queue.gpu_jobs:
        free_cpu_m, free_memory_mib = _free(m, coming)
        cpu_m = queue.cpu_m - queue.gpu_jobs_cpu_m - room_cpu_m
        memory_mib = queue.memory_mib - queue.gpu_jobs_memory_mib - room_memory_mib
        need_cpu_m = PACKING * cpu_m - int(free_cpu_m.sum())
        need_memory_mib = PACKING * memory_mib - int(free_memory_mib.sum())
        back = _to_keep(snapshot, drains, need_cpu_m, need_memory_mib)
        free_cpu_m, free_memory_mib = _free(m, back)
        need_cpu_m -= int(free_cpu_m.sum())
        need_memory_mib -= int(free_memory_mib.sum())
        chosen += [back, to_wake(m, among, need_cpu_m, need_memory_mib)]
    return np.concatenate(chosen)


def _one_of_each_type(m: MachineView, rows: IntArray) -> IntArray:
    """Return the first machine of each type among `rows` that is asleep or off."""
    state = m.state[rows]
    resting = rows[(state == SLEEPING) | (state == OFF)]
    first: IntArray = resting[np.unique(m.machine_type[resting], return_index=True)[1]]
    return first


def _free(m: MachineView, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Return the CPU and memory of machines `rows` that no job has reserved."""
    return m.cpu_m[rows] - m.batch_cpu_m[rows], m.memory_mib[rows] - m.batch_memory_mib[rows]


def _wake_for_gpus(snapshot: Snapshot, among: BoolArray, coming: IntArray) -> IntArray:
    """Return the machines with GPUs to wake for jobs that want some; `coming` are on their way.

    Room on machines that are on is not taken off: the jobs found none that fits them.
    """
    queue, m = snapshot.queue, snapshot.machines
    with_gpus = coming[m.gpu_m[coming] > 0]
    free_cpu_m, free_memory_mib = _free(m, with_gpus)
    return to_wake(
        m,
        among & (m.gpu_m > 0),
        queue.gpu_jobs_cpu_m - int(free_cpu_m.sum()),
        queue.gpu_jobs_memory_mib - int(free_memory_mib.sum()),
        queue.gpu_m - int(m.gpu_free_m[with_gpus].sum()),
    )


def _to_keep(
    snapshot: Snapshot, rows: IntArray, need_cpu_m: float, need_memory_mib: float
) -> IntArray:
    """Return those of draining machines `rows` to keep, the fullest that hold an average job."""
    m, queue = snapshot.machines, snapshot.queue
    if not rows.size or (need_cpu_m <= 0 and need_memory_mib <= 0):
        return NOTHING
    free_cpu_m, free_memory_mib = _free(m, rows)
    # A gang's tasks are smaller than its sum: half a machine is asked for at most.
    holds = (free_cpu_m >= np.minimum(queue.cpu_m / queue.jobs, m.cpu_m[rows] / 2)) & (
        free_memory_mib >= np.minimum(queue.memory_mib / queue.jobs, m.memory_mib[rows] / 2)
    )
    rows, free_cpu_m, free_memory_mib = rows[holds], free_cpu_m[holds], free_memory_mib[holds]
    order = np.argsort(free_cpu_m, kind="stable")
    kept: IntArray = rows[order][
        : _count(free_cpu_m[order], free_memory_mib[order], need_cpu_m, need_memory_mib)
    ]
    return kept


def _count(cpu_m: IntArray, memory_mib: IntArray, need_cpu_m: float, need_memory: float) -> int:
    """Return how many of the first machines cover both needs."""
    count = 0
    for need, size in ((need_cpu_m, cpu_m), (need_memory, memory_mib)):
        if need > 0:
            count = max(count, int(np.cumsum(size).searchsorted(need)) + 1)
    return count


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
    rows, scratch = np.empty((2, len(m.state)), np.int64)
    count = resting.to_rest(
        *(columns(m), m.surplus, snapshot.now_ms - idle_ms),
        (float(room_cpu_m), float(room_memory_mib)),
        *(SPARE_SHARE, REST_BELOW),
        *(rows, scratch),
    )
    return rows[:count]
