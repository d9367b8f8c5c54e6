"""Batch between lent machines and its own: what room it wants, which of its own it can leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from greensched.model import LENT, ON
from greensched.policies.batch import SPARE_SHARE
from greensched.policies.kernels import resting
from greensched.policies.machines import BATCH, NOTHING, columns, to_wake

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray, MachineView, Snapshot


def could_sleep(m: MachineView) -> bool:
    """Say whether machines for services sleep or are off, as then any that is lent could be."""
    return bool(resting.resting(columns(m), m.surplus)[0])


def room_cpu_m(snapshot: Snapshot, kept_share: float) -> FloatArray:
    """Return the CPU [millicores] that batch can use of each machine, given its need of memory.

    `kept_share` of the memory of replicas that serve stays theirs on standby.
    """
    m, queue = snapshot.machines, snapshot.queue
    cpu_m = int(m.batch_cpu_m.sum()) + queue.cpu_m
    memory_mib = int(m.batch_memory_mib.sum()) + queue.memory_mib
    kept = np.where(m.lending == LENT, 1.0, kept_share)
    free_mib = m.memory_mib - kept * m.online_memory_mib
    room: FloatArray = np.minimum(m.cpu_m, free_mib * (cpu_m / max(1, memory_mib)))
    return room


def wanted_cpu_m(snapshot: Snapshot, lent: BoolArray, patience_ms: int) -> int:
    """Return the CPU [millicores] of the jobs that are to run on lent machines: all of them.

    Where machines for services sleep, one that is lent costs as much as one of batch's own: then
    only those that run there, and those that wait, once all of its own are on and the oldest
    waits for `patience_ms`.
    """
    m, queue = snapshot.machines, snapshot.queue
    could, own_rest = resting.resting(columns(m), m.surplus)
    if not could:
        return int(m.batch_cpu_m.sum()) + queue.cpu_m
    waits = queue.jobs > 0 and snapshot.now_ms - queue.oldest_submit_ms >= patience_ms
    return int(m.batch_cpu_m[lent].sum()) + queue.cpu_m if waits and not own_rest else 0


def to_leave(snapshot: Snapshot, lent: BoolArray) -> IntArray:
    """Return batch's own machines to empty and put to sleep while lent ones have room.

    The emptiest first, whatever runs there runs to its end. What stays free is at least
    `SPARE_SHARE` of what runs. None while jobs wait.
    """
    m = snapshot.machines
    if snapshot.queue.jobs > 0:
        return NOTHING
    rows, scratch = np.empty((2, len(m.state)), np.int64)
    count = resting.to_leave(columns(m), m.surplus, lent, SPARE_SHARE, rows, scratch)
    return rows[:count]


def to_take_in(snapshot: Snapshot, back: IntArray) -> IntArray:
    """Return batch's own machines to wake for the jobs on machines that go `back`."""
    if not back.size:
        return NOTHING
    m = snapshot.machines
    own = m.role == BATCH
    on = own & (m.state == ON)
    needs = [
        int(used[back].sum()) - int((size - used)[on].sum())
        for size, used in (
            (m.cpu_m, m.batch_cpu_m),
            (m.memory_mib, m.batch_memory_mib),
            (m.gpu_m, m.gpu_m - m.gpu_free_m),
        )
    ]
    return to_wake(m, own, *needs)
