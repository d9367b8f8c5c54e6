"""Waiting jobs: a list in order of submission, or a heap for the ordered disciplines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.engine.kernels.capacity import batch_free_cpu, batch_free_memory
from greensched.engine.kernels.layout import EASY, FIFO, FREED_MAX, INF, NO, PRIORITY, SHORTEST
from greensched.engine.kernels.memory import (
    cls_of,
    cpu_m_of,
    estimate_ms_of,
    freed_of,
    gpu_m_of,
    job_class_of,
    lane_of,
    learnt_of,
    memory_mib_of,
    queue_of,
    size_of,
    submit_ms_of,
    tasks_of,
    w_of,
    wait_of,
)

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages

STAY_CHECKPOINTS = 4  # so many intervals: what recall costs is then an eighth on average
UNKNOWN_MS = 3_600_000  # a job's estimate until one of its size has finished


@inner
def estimate_of(world: Pages, jobs: Pages, j: int) -> int:
    """Return job j's estimated duration [ms]: given, else the mean of its size, else 1 h."""
    learnt = learnt_of(world)
    if estimate_ms_of(jobs)[j] >= 0 or len(size_of(jobs)) == 0:
        return max(1, estimate_ms_of(jobs)[j])
    row = size_of(jobs)[j]
    return max(1, learnt[row, 1] // learnt[row, 0]) if learnt[row, 0] > 0 else UNKNOWN_MS


@inner
def wait_new(world: Pages, jobs: Pages, j: int, done_ms: int) -> int:
    """Return a waiting entry for job j of which `done_ms` is done."""
    w, wait, cls = w_of(world), wait_of(world), cls_of(world)
    discipline = w[0].discipline
    e = w[0].wait_free
    w[0].wait_free = wait[e].next
    t = wait[e]
    t.job, t.submit_ms, t.done_ms = j, submit_ms_of(jobs)[j], done_ms
    t.cpu_m, t.memory_mib, t.gpu_m = cpu_m_of(jobs)[j], memory_mib_of(jobs)[j], gpu_m_of(jobs)[j]
    t.tasks = tasks_of(jobs)[j]
    t.types = cls[job_class_of(jobs)[j]].types
    t.estimate_ms = max(1, estimate_of(world, jobs, j) - done_ms)
    c = cls[job_class_of(jobs)[j]]
    t.stay_ms = t.estimate_ms
    if c.checkpoint_ms > 0 and c.evictable != 0:
        t.stay_ms = min(t.estimate_ms, STAY_CHECKPOINTS * c.checkpoint_ms)
    t.tried, t.kept = NO, NO
    t.key = 0
    if discipline == PRIORITY:
        t.key = -cls[job_class_of(jobs)[j]].priority
    elif discipline == SHORTEST:
        t.key = t.estimate_ms
    return e


@inner
def lane_at(world: Pages, e: int) -> int:
    """Return the lane of waiting entry e: 1 for those that want GPUs."""
    return 1 if wait_of(world)[e].gpu_m > 0 else 0


@inner
def wait_free(world: Pages, e: int) -> None:
    """Give a waiting entry back."""
    w, wait = w_of(world), wait_of(world)
    wait[e].next = w[0].wait_free
    w[0].wait_free = e


@inner
def _before(world: Pages, a: int, b: int) -> bool:
    """Say whether entry a goes before entry b."""
    wait = wait_of(world)
    if wait[a].key != wait[b].key:
        return wait[a].key < wait[b].key
    if wait[a].submit_ms != wait[b].submit_ms:
        return wait[a].submit_ms < wait[b].submit_ms
    return wait[a].job < wait[b].job


@inner
def _heap_push(world: Pages, i: int, e: int) -> None:
    """Put entry e into lane i's heap."""
    lane, queue = lane_of(world), queue_of(world)
    k = lane[i].heap_n
    lane[i].heap_n += 1
    queue[i, k] = e
    while k > 0 and _before(world, queue[i, k], queue[i, (k - 1) // 2]):
        parent = (k - 1) // 2
        queue[i, k], queue[i, parent] = queue[i, parent], queue[i, k]
        k = parent


@inner
def _heap_pop(world: Pages, i: int) -> None:
    """Remove the first entry of lane i's heap."""
    lane, queue = lane_of(world), queue_of(world)
    lane[i].heap_n -= 1
    n = lane[i].heap_n
    queue[i, 0] = queue[i, n]
    k = 0
    while True:
        child = 2 * k + 1
        if child >= n:
            return
        if child + 1 < n and _before(world, queue[i, child + 1], queue[i, child]):
            child += 1
        if not _before(world, queue[i, child], queue[i, k]):
            return
        queue[i, k], queue[i, child] = queue[i, child], queue[i, k]
        k = child


@inner
def _list_insert(world: Pages, i: int, e: int) -> None:
    """Put entry e into lane i's list, in order, searching from the tail."""
    lane, wait = lane_of(world), wait_of(world)
    before = lane[i].tail
    while before >= 0 and _before(world, e, before):
        before = wait[before].previous
    after = lane[i].head if before < 0 else wait[before].next
    wait[e].previous, wait[e].next = before, after
    if before >= 0:
        wait[before].next = e
    else:
        lane[i].head = e
    if after >= 0:
        wait[after].previous = e
    else:
        lane[i].tail = e


@inner
def queue_push(world: Pages, e: int) -> None:
    """Let entry e wait in its lane."""
    w, lane, wait = w_of(world), lane_of(world), wait_of(world)
    i = lane_at(world, e)
    if w[0].discipline == FIFO or w[0].discipline == EASY:
        _list_insert(world, i, e)
    else:
        _heap_push(world, i, e)
    lane[i].n += 1
    lane[i].cpu_m += wait[e].cpu_m * wait[e].tasks
    lane[i].memory_mib += wait[e].memory_mib * wait[e].tasks
    lane[i].gpu_m += wait[e].gpu_m * wait[e].tasks
    w[0].n_waiting += 1


@inner
def queue_first(world: Pages, i: int) -> int:
    """Return lane i's first entry, or -1."""
    w, lane, queue = w_of(world), lane_of(world), queue_of(world)
    if w[0].discipline == FIFO or w[0].discipline == EASY:
        return lane[i].head
    return queue[i, 0] if lane[i].heap_n > 0 else -1


@inner
def queue_remove(world: Pages, e: int) -> None:
    """Take entry e (the first one, or any of a list) out of its lane."""
    w, lane, wait = w_of(world), lane_of(world), wait_of(world)
    i = lane_at(world, e)
    if w[0].discipline == FIFO or w[0].discipline == EASY:
        before, after = wait[e].previous, wait[e].next
        if before >= 0:
            wait[before].next = after
        else:
            lane[i].head = after
        if after >= 0:
            wait[after].previous = before
        else:
            lane[i].tail = before
    else:
        _heap_pop(world, i)
    lane[i].n -= 1
    lane[i].cpu_m -= wait[e].cpu_m * wait[e].tasks
    lane[i].memory_mib -= wait[e].memory_mib * wait[e].tasks
    lane[i].gpu_m -= wait[e].gpu_m * wait[e].tasks
    w[0].n_waiting -= 1
    if lane[i].shadow_for == e:
        lane[i].shadow_for = -1


@inner
def _forget_freed(world: Pages) -> None:
    """Forget which machines were freed, and sizes that found no room on others."""
    w, lane = w_of(world), lane_of(world)
    w[0].n_freed, w[0].freed_cpu_m, w[0].freed_memory_mib = 0, NO, NO
    for i in range(2):
        lane[i].failed_cpu_m = INF
        lane[i].failed_memory_mib = INF
        lane[i].failed_gpu_m = INF
        lane[i].failed_stay_ms = INF


@inner
def forget_failures(world: Pages) -> None:
    """Let every waiting job be tried on every machine again."""
    w, lane = w_of(world), lane_of(world)
    _forget_freed(world)
    for i in range(2):
        lane[i].epoch += 1
    w[0].wants_dispatch = 1


@inner
def note_freed(world: Pages, m: int) -> None:
    """Note that machine m has more room than before: what found none need try only there.

    When more machines follow than are remembered before waiting jobs were looked at, all is tried
    again.
    """
    w, freed = w_of(world), freed_of(world)
    w[0].wants_dispatch = 1
    n = w[0].n_freed
    if n == 0 or freed[n - 1] != m:  # one that is remembered twice is tried twice
        if n == FREED_MAX:
            forget_failures(world)
            return
        freed[n] = m
        w[0].n_freed = n + 1
    w[0].freed_cpu_m = max(w[0].freed_cpu_m, batch_free_cpu(world, m))
    w[0].freed_memory_mib = max(w[0].freed_memory_mib, batch_free_memory(world, m))


@inner
def trust_tried(world: Pages) -> None:
    """Forget the freed machines, and with them all that was not tried there.

    Sizes that failed before may fit there now. Jobs that wait have been tried there where all
    are looked at (backfill behind a head of one task) or only the head ever is (FIFO).
    """
    w, lane = w_of(world), lane_of(world)
    _forget_freed(world)
    for i in range(2):
        head, before = lane[i].head, lane[i].epoch
        ordered = w[0].discipline == PRIORITY or w[0].discipline == SHORTEST
        if ordered or (head >= 0 and wait_of(world)[head].tasks > 1):
            lane[i].epoch += 1
            if head >= 0 and wait_of(world)[head].tried == before:  # it alone was tried there
                wait_of(world)[head].tried = lane[i].epoch
