"""The data plane between two wake-ups of the control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import entry, inlined, inner
from greensched.compiling.views import prefetch
from greensched.engine.kernels.actions import warm
from greensched.engine.kernels.batch import finish_task, next_step, rest_if_drained
from greensched.engine.kernels.databases import databases_step
from greensched.engine.kernels.dispatch import (
    backfill_one,
    dispatch,
    reserve_for_head,
    start_entry,
)
from greensched.engine.kernels.heaps import heap_job, heap_slot, tour_first, tour_other
from greensched.engine.kernels.index import reindex
from greensched.engine.kernels.layout import (
    BACKFILL_DEPTH,
    DONE,
    EASY,
    GROW,
    INF,
    NO,
    PLACE,
    PRIORITY,
    RING,
    SHORTEST,
    SLOT_BITS,
    ZERO,
)
from greensched.engine.kernels.memory import (
    edges_of,
    heap_of,
    held_of,
    lane_of,
    mach_of,
    next_ms_of,
    next_who_of,
    out_of,
    queue_of,
    rep_of,
    slot_of,
    submit_ms_of,
    timer_of,
    w_of,
    wait_of,
)
from greensched.engine.kernels.meter import refresh, sync
from greensched.engine.kernels.queue import (
    lane_at,
    note_freed,
    queue_push,
    trust_tried,
    wait_free,
    wait_new,
)
from greensched.engine.kernels.replicas import load_step, settle_all, settle_services
from greensched.engine.kernels.shifting import hold_back
from greensched.model import DRAINING, RECALL

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages


@inner
def _edge(world: Pages) -> None:
    """Close the current interval of usage and open the next."""
    w = w_of(world)
    settle_all(world)
    w[0].bucket += 1
    k = w[0].bucket + 1
    w[0].edge_next_ms = edges_of(world)[k] if k < len(edges_of(world)) else INF


@inner
def _machine_event(world: Pages, jobs: Pages, m: int) -> None:
    """Finish or step the jobs of machine m that are due now."""
    mach, slot = mach_of(world), slot_of(world)
    # who ends started long ago: its outcome is asked for before the machine is brought up to now
    prefetch(out_of(world), heap_job(world, mach[m].heap_at))
    sync(world, m)
    freed = False
    while mach[m].heap_n > 0 and heap_of(world)[mach[m].heap_at].key <= mach[m].virtual:
        s = heap_slot(world, mach[m].heap_at)
        if slot[s].last != 0:
            finish_task(world, jobs, s)
            freed = True
        else:
            next_step(world, jobs, s)
    if freed:
        reindex(world, m)
        note_freed(world, m)
    refresh(world, m)
    if freed and mach[m].n_jobs == 0:
        if mach[m].state == DRAINING:
            rest_if_drained(world, m)
        elif mach[m].lending == RECALL:
            warm(world, m, mach[m].warm_ms)


@inner
def _arrive(world: Pages, jobs: Pages, j: int) -> None:
    """Let job j start at once where its discipline lets it, or wait; or hold it for a policy."""
    if len(held_of(world)) > 0 and hold_back(world, jobs, j):
        return
    w, lane = w_of(world), lane_of(world)
    e = wait_new(world, jobs, j, ZERO)
    i = lane_at(world, e)
    started = False
    if lane[i].n == 0:
        started = start_entry(world, jobs, e, NO)
    elif w[0].discipline == EASY and lane[i].n < BACKFILL_DEPTH and reserve_for_head(world, i):
        started = backfill_one(world, jobs, i, e)
    if started:
        wait_free(world, e)
        return
    queue_push(world, e)
    if w[0].status == GROW or w[0].discipline == PRIORITY or w[0].discipline == SHORTEST:
        w[0].wants_dispatch = 1


@inner
def _dispatch_all(world: Pages, jobs: Pages) -> None:
    """Start waiting jobs."""
    w = w_of(world)
    w[0].wants_dispatch = 0
    for i in range(2):
        if lane_of(world)[i].n > 0:
            dispatch(world, jobs, i)
    if w[0].status != GROW and w[0].n_freed > 0:
        trust_tried(world)


@inner
def _short_of_room(world: Pages) -> bool:
    """Say whether the next event might not find room in the pools of records."""
    w = w_of(world)
    waiting = w[0].n_waiting + w[0].n_running + 64
    timers = w[0].timer_n + 4 * len(mach_of(world)) + w[0].n_pending + 64
    replicas = w[0].n_alive + w[0].n_pending + 8
    return (
        len(wait_of(world)) <= waiting
        or len(slot_of(world)) <= w[0].n_running + 64
        or len(timer_of(world)) <= timers
        or len(rep_of(world)) <= replicas
        or queue_of(world).shape[1] <= waiting
    )


@inlined
def _look_ahead(world: Pages, m: int) -> None:
    """Ask for what is read soon: machine m, the first, and what may well be the event after it."""
    prefetch(mach_of(world), m)  # it is next once the jobs have arrived that come before
    other = tour_other(world)
    if other >= 0:
        prefetch(mach_of(world), other)
        who = next_who_of(world)[other]
        prefetch(slot_of(world), who & ((1 << SLOT_BITS) - 1))
        prefetch(out_of(world), who >> SLOT_BITS)


@entry
def advance(world: Pages, jobs: Pages, until: int, closing: int) -> int:
    """Bring the data plane to `until`; events at `until` itself wait unless `closing` is 1.

    Services are settled then; each machine is when it next changes, or its interval of usage ends.

    At one instant: usage interval, load, jobs that end or step, timers, then waiting work,
    then arrivals. Returns DONE, GROW when a pool of records must grow first, or what `control`
    has to do before it goes on: RING (a timer is due) or PLACE (replicas that found no room).
    """
    w = w_of(world)
    n = len(submit_ms_of(jobs))
    while True:
        if w[0].status == GROW or _short_of_room(world):
            w[0].status = DONE
            return GROW
        m = tour_first(world)
        job_ms = next_ms_of(world)[m] if m >= 0 else INF
        if m >= 0:
            _look_ahead(world, m)
        timer_ms = timer_of(world)[0].at_ms if w[0].timer_n > 0 else INF
        event = min(job_ms, timer_ms, w[0].load_next_ms, w[0].db_next_ms, w[0].edge_next_ms)
        if event > w[0].now_ms and w[0].wants_replicas != 0 and w[0].n_pending > 0:
            return PLACE
        if event > w[0].now_ms and w[0].wants_dispatch != 0:
            _dispatch_all(world, jobs)
            if w[0].status == GROW:
                w[0].wants_dispatch = 1
            continue
        arrival = INF
        if w[0].cursor < n and submit_ms_of(jobs)[w[0].cursor] < w[0].arrivals_until_ms:
            arrival = max(w[0].now_ms, submit_ms_of(jobs)[w[0].cursor])
        if min(event, arrival) >= until + closing:
            w[0].now_ms = until
            settle_services(world)
            return DONE
        if arrival < event:
            w[0].now_ms = arrival
            _arrive(world, jobs, w[0].cursor)
            w[0].cursor += 1
            continue
        w[0].now_ms = event
        if event == w[0].edge_next_ms:
            _edge(world)
        elif event == w[0].load_next_ms:
            load_step(world)
        elif event == w[0].db_next_ms:
            databases_step(world)
        elif event == job_ms:
            _machine_event(world, jobs, m)
        else:
            return RING
