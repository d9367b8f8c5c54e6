"""Jobs that a policy holds: kept from the queue at arrival, or taken off their machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.engine.kernels.batch import progress_ms, take_off
from greensched.engine.kernels.layout import INF, J_BEGUN, J_ENDED, J_NEW, J_RUNS, NO, ZERO
from greensched.engine.kernels.memory import (
    cls_of,
    held_of,
    job_class_of,
    latest_ms_of,
    mach_of,
    out_of,
    slot_of,
    tasks_of,
    w_of,
)
from greensched.engine.kernels.meter import sync
from greensched.engine.kernels.queue import forget_failures, queue_push, wait_new

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages, Table

MARKED = -2  # of a running job that is to be suspended


@inner
def hold_back(world: Pages, jobs: Pages, j: int) -> bool:
    """Hold arriving job j if a policy asked for it and will wake before the job's latest start."""
    w = w_of(world)
    if w[0].holds == 0 or latest_ms_of(jobs)[j] < w[0].shift_next_ms:
        return False
    held_of(world)[j].kept_ms = ZERO
    w[0].n_held += 1
    return True


@inner
def release(world: Pages, jobs: Pages, who: Table) -> None:
    """Let held jobs `who` wait for machines, each in its place by submission; others stay."""
    w, held = w_of(world), held_of(world)
    for i in range(len(who)):
        j = who[i]
        kept_ms = held[j].kept_ms
        if kept_ms < 0:
            continue
        held[j].kept_ms = NO
        if out_of(world)[j].start_ms < 0:
            held[j].released_ms = w[0].now_ms
        w[0].n_held -= 1
        e = wait_new(world, jobs, j, kept_ms)
        queue_push(world, e)
        forget_failures(world)  # it may stand before jobs that were tried everywhere


@inner
def _least_progress_ms(world: Pages, s: int) -> int:
    """Return how far [ms] the last of slot s and its mates is."""
    least, t = INF, s
    while True:
        least = min(least, progress_ms(world, t))
        t = slot_of(world)[t].gang_next
        if t == s:
            return least


@inner
def _suspend_slot(world: Pages, jobs: Pages, s: int) -> bool:
    """Hold the job of slot s with its work kept; say whether its latest start allowed that.

    The checkpoint's cost is work to be done again; an older checkpoint is never lost.
    """
    w, held, out = w_of(world), held_of(world), out_of(world)
    j, saved_ms = slot_of(world)[s].job, slot_of(world)[s].kept_ms
    cost_ms = cls_of(world)[job_class_of(jobs)[j]].checkpoint_cost_ms
    kept = max(saved_ms, _least_progress_ms(world, s) - cost_ms)
    held[j].kept_ms = NO
    if latest_ms_of(jobs)[j] + kept < w[0].shift_next_ms:
        return False
    _, done_sum = take_off(world, jobs, s)
    out[j].wasted_ms += done_sum - kept * tasks_of(jobs)[j]
    held[j].kept_ms = kept
    held[j].pauses += 1
    w[0].n_held += 1
    return True


@inner
def suspend(world: Pages, jobs: Pages, who: Table) -> None:
    """Take running jobs `who` off their machines, their work kept; others stay as they are."""
    if len(who) == 0:
        return
    held, slot, mach = held_of(world), slot_of(world), mach_of(world)
    for i in range(len(who)):
        if held[who[i]].kept_ms == NO:
            held[who[i]].kept_ms = MARKED
    for m in range(len(mach)):
        sync(world, m)
    for m in range(len(mach)):
        s = mach[m].job_head
        while s >= 0:
            if held[slot[s].job].kept_ms == MARKED and _suspend_slot(world, jobs, s):
                s = mach[m].job_head  # mates on this machine are gone as well
            else:
                s = slot[s].machine_next
    for i in range(len(who)):
        if held[who[i]].kept_ms == MARKED:
            held[who[i]].kept_ms = NO
    forget_failures(world)


@inner
def see_jobs(world: Pages, who: Table, state: Table, done_ms: Table) -> None:
    """Write of each of `who` (in order) its state and how far [ms] it is, of a gang the last."""
    slot, out, held = slot_of(world), out_of(world), held_of(world)
    for i in range(len(who)):
        j = who[i]
        state[i] = J_NEW if out[j].start_ms < 0 else J_BEGUN if out[j].end_ms < 0 else J_ENDED
        done_ms[i] = max(ZERO, held[j].kept_ms)
    for m in range(len(mach_of(world))):
        sync(world, m)
        s = mach_of(world)[m].job_head
        while s >= 0:
            i = _place_of(who, slot[s].job)
            if i >= 0:
                done = progress_ms(world, s)
                done_ms[i] = min(done_ms[i], done) if state[i] == J_RUNS else done
                state[i] = J_RUNS
            s = slot[s].machine_next


@inner
def _place_of(who: Table, j: int) -> int:
    """Return where job j is among `who`, which are in order; -1: nowhere."""
    low, high = 0, len(who)
    while low < high:
        middle = (low + high) // 2
        if who[middle] < j:
            low = middle + 1
        else:
            high = middle
    return low if low < len(who) and who[low] == j else -1
