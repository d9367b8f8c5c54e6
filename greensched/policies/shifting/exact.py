"""The plan's exact solver: a linear program, rounded to whole ticks and repaired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.bounds.transport import Flow, Transport, least_contiguous
from greensched.policies.shifting.greedy import cheapest_free, greedy
from greensched.policies.shifting.room import Room
from greensched.ticks import Schedule, contiguous, merged

if TYPE_CHECKING:
    from greensched.ticks import TickIntensity, TickJobs

TOLERANCE: Final = 1e-6  # ticks by which the solver may miss a whole number


def exact(
    jobs: TickJobs, intensity: TickIntensity, cpu_m: int, program: Transport | None = None
) -> Schedule:
    """Return the best schedule on `cpu_m` [thousandths of a core].

    Interruptible jobs: the linear program, rounded; `program` is one that was built for the same
    jobs and slots, to be solved again. Without pauses: a MILP, for small cases. Where jobs do not
    all fit into their windows, the contiguous ones are planned by the greedy solver. Raises
    UsageError where it is too large, and where only some jobs are interruptible.
    """
    if jobs.interruptible.all():
        solved = (program or Transport(jobs, intensity, cpu_m)).solve(intensity)
        return rounded(jobs, intensity, cpu_m, solved)
    starts = least_contiguous(jobs, intensity, cpu_m)
    return greedy(jobs, intensity, cpu_m) if starts is None else contiguous(jobs, starts)


def rounded(jobs: TickJobs, intensity: TickIntensity, cpu_m: int, flow: Flow) -> Schedule:
    """Return the flow as whole ticks within `cpu_m`.

    Jobs whose ticks are whole go first, as the program has them; the few others then take their
    parts as far as there is room. Who has not got all begins anew, with the cheapest free ticks.
    """
    room = Room(cpu_m, int(jobs.arrival[0]) if len(jobs) else 0)
    pieces: list[list[tuple[int, int]]] = [[] for _ in range(len(jobs))]
    need, left = jobs.cpu_m.tolist(), jobs.length.tolist()
    for j, first, stop, wanted in _ranges(jobs, intensity, flow):
        found = [(first, stop)]
        if wanted < stop - first or not room.has(first, stop, need[j]):
            found = cheapest_free(room, intensity, (first, stop), wanted, need[j], beyond=False)
        for start, end in found:
            room.take(start, end, need[j])
            left[j] -= end - start
        pieces[j] += found
    for j in [j for j, ticks in enumerate(left) if ticks]:
        for start, end in pieces[j]:
            room.take(start, end, -need[j])
        window = (int(jobs.arrival[j]), int(jobs.latest[j] + jobs.length[j]))
        pieces[j] = cheapest_free(room, intensity, window, int(jobs.length[j]), need[j])
        for start, end in pieces[j]:
            room.take(start, end, need[j])
    rows = [(j, start, end) for j, mine in enumerate(pieces) for start, end in mine]
    return merged(*(np.array(column, np.int64) for column in zip(*rows, strict=True)))


def _ranges(
    jobs: TickJobs, intensity: TickIntensity, flow: Flow
) -> list[tuple[int, int, int, int]]:
    """Return (job, first, stop, ticks wanted) of the flow, the whole jobs first.

    Neighbouring slots that a job takes in full are one range.
    """
    odd = np.zeros(len(jobs), np.bool_)
    odd[flow.job[np.abs(flow.ticks - np.rint(flow.ticks)) > TOLERANCE]] = True
    odd |= flow.late > TOLERANCE
    order = np.lexsort((flow.slot, flow.job, odd[flow.job]))
    job, slot, ticks = flow.job[order], flow.slot[order], flow.ticks[order]
    first = np.maximum(intensity.edge(slot), jobs.arrival[job])
    stop = np.minimum(intensity.edge(slot + 1), (jobs.latest + jobs.length)[job])
    wanted = np.floor(ticks + TOLERANCE).astype(np.int64)
    full = wanted == stop - first
    goes_on = full[1:] & full[:-1] & (job[1:] == job[:-1]) & (slot[1:] == slot[:-1] + 1)
    begins = np.flatnonzero(np.concatenate(([True], ~goes_on)))
    ends = np.append(begins[1:], len(job)) - 1
    sums = np.add.reduceat(wanted, begins)
    columns = (job[begins], first[begins], stop[ends], sums)
    return list(zip(*(column.tolist() for column in columns), strict=True))
