"""The plan's exact solver: a linear program, rounded to whole ticks and repaired.

The program is solved exactly; what rounding makes of it need not be the optimum in whole ticks,
and may even be worse than what the greedy solver finds. So the better of both is the plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.bounds.transport import Flow, Transport, least_contiguous
from greensched.policies.shifting.greedy import cheapest_free, free_ranges, greedy
from greensched.policies.shifting.room import Room
from greensched.ticks import Schedule, contiguous, merged

if TYPE_CHECKING:
    from greensched.ticks import TickIntensity, TickJobs

TOLERANCE: Final = 1e-6  # ticks by which the solver may miss a whole number


def exact(
    jobs: TickJobs, intensity: TickIntensity, cpu_m: int, program: Transport | None = None
) -> Schedule:
    """Return a schedule on `cpu_m` [thousandths of a core], never worse than the greedy one.

    Worse has more jobs late or, as many, emits more, with what going on after pauses takes. Where
    all jobs may pause: the linear program, rounded; `program` is one that was built for the same
    jobs and slots, to be solved again. Where none may: a MILP, for small cases; raises UsageError
    for large ones. Where some may, the others choose greedily, and the program shares out the
    cores that they leave.
    """
    plain = greedy(jobs, intensity, cpu_m)
    if not len(jobs):
        return plain
    if not jobs.interruptible.any():
        starts = least_contiguous(jobs, intensity, cpu_m)
        return plain if starts is None else contiguous(jobs, starts)
    if jobs.interruptible.all():
        solved = (program or Transport(jobs, intensity, cpu_m)).solve(intensity)
        found = rounded(jobs, intensity, cpu_m, solved)
    else:
        found = _beside_whole(jobs, intensity, cpu_m)
    longest = int(max(found.stop.max(), plain.stop.max()))
    series = intensity.held_until(longest)
    return min(found, plain, key=lambda schedule: _badness(schedule, jobs, series))


def _beside_whole(jobs: TickJobs, intensity: TickIntensity, cpu_m: int) -> Schedule:
    """Return the plan of jobs of which some may pause, on what the others leave of `cpu_m`."""
    rows, pausing = (np.flatnonzero(jobs.interruptible == pauses) for pauses in (False, True))
    whole, others = jobs.taken(rows), jobs.taken(pausing)
    first = greedy(whole, intensity, cpu_m)
    room = Room.beside(cpu_m, first.start, first.stop, whole.cpu_m[first.job])
    span = (int(others.arrival[0]), int((others.latest + others.length).max()))
    begin, end, free = free_ranges(room, intensity, span)
    left = np.bincount(intensity.slot(begin), weights=(end - begin) * free).astype(float)
    flow = Transport(others, intensity, cpu_m, left).solve(intensity)
    second = rounded(others, intensity, cpu_m, flow, room)
    return merged(
        np.concatenate((rows[first.job], pausing[second.job])),
        np.concatenate((first.start, second.start)),
        np.concatenate((first.stop, second.stop)),
    )


def _badness(schedule: Schedule, jobs: TickJobs, series: TickIntensity) -> tuple[int, float]:
    """Return how many jobs are late, and what all emit [rounded values x core-ticks]."""
    late = int((schedule.ends() > jobs.latest + jobs.length).sum())
    emitted = series.emitted(schedule.start, schedule.stop).astype(float)
    if jobs.checkpoint is not None:
        resumes = np.concatenate(([False], schedule.job[1:] == schedule.job[:-1]))
        again = jobs.checkpoint[schedule.job] * series.units[series.slot(schedule.start)]
        emitted += np.where(resumes, again, 0.0)
    return late, float(np.dot(emitted, jobs.cpu_m[schedule.job]))


def rounded(
    jobs: TickJobs, intensity: TickIntensity, cpu_m: int, flow: Flow, room: Room | None = None
) -> Schedule:
    """Return the flow as whole ticks within `cpu_m`, or within the `room` that others leave.

    Jobs whose ticks are whole go first, as the program has them; the few others then take their
    parts as far as there is room. Who has not got all begins anew, with the cheapest free ticks.
    """
    room = room or Room(cpu_m, int(jobs.arrival[0]) if len(jobs) else 0)
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
    if not len(flow.job):
        return []
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
