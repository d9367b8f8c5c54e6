"""Lists of jobs that scale: each runs on more workers in clean hours, on fewer in dirty ones.

The work of a job is its length on one worker; n workers do `throughput[n - 1]` of that in a tick,
each on as many cores as the job asks for. A job may pause.

Source: Hanafy, Liang, Bashir, Irwin and Shenoy, CarbonScaler: Leveraging Cloud Workload Elasticity
for Optimizing Carbon-Efficiency, Proc. ACM Meas. Anal. Comput. Syst. 7 (2023), section 3.3, doi
10.1145/3626788.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from greensched.bounds.shifting import slot_windows
from greensched.policies.shifting.elastic import ROUNDING, Slots, Widths, is_concave, widths_of
from greensched.policies.shifting.greedy import FAR, free_ranges
from greensched.policies.shifting.room import Room
from greensched.ticks import Schedule

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray
    from greensched.ticks import TickIntensity, TickJobs

KIND = "carbon-scaler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Pieces of work of one worker each: `worker[i]` of `job[i]` runs `ticks[i]` from `start[i]`.

    The last piece of a job may end within a tick; worker 0 runs whenever the job does.
    """

    job: IntArray
    worker: IntArray
    start: IntArray
    ticks: FloatArray

    def stop(self) -> IntArray:
        """Return the tick before which each piece has ended."""
        last: IntArray = self.start + np.ceil(self.ticks - ROUNDING).astype(np.int64)
        return last

    def pieces(self) -> Schedule:
        """Return the pieces in whole ticks; those of several workers of a job overlap."""
        return Schedule(job=self.job, start=self.start, stop=self.stop())

    def waited(self, jobs: TickJobs) -> IntArray:
        """Return on how many ticks each job does not run between its arrival and its end."""
        end = np.zeros(len(jobs), np.int64)
        np.maximum.at(end, self.job, self.stop())
        ran = np.zeros(len(jobs), np.int64)
        first = self.worker == 0
        np.add.at(ran, self.job[first], (self.stop() - self.start)[first])
        waited: IntArray = end - jobs.arrival - ran
        return waited


def scaled_jobs(jobs: TickJobs, intensity: TickIntensity, throughput: FloatArray) -> Workers:
    """Return the workers of least emissions from arrival to latest start + length, without a cap.

    Exact: greedy where no worker adds more than the one before, else a MILP for each job.
    """
    stop = jobs.latest + jobs.length
    if not is_concave(throughput):
        return _one_by_one(jobs, intensity, throughput, None)
    gains = np.diff(throughput, prepend=0.0)
    gains = gains[gains > 0]
    parts = []
    for rows, slots, real in slot_windows(intensity, jobs.arrival, stop):
        begin = np.maximum(intensity.edge(slots), jobs.arrival[rows, None])
        end = np.minimum(intensity.edge(slots + 1), stop[rows, None])
        value = np.where(real, intensity.values_g_per_kwh[slots], np.inf)
        price = (value[:, :, None] / gains).reshape(len(rows), -1)
        offer = (np.where(real, end - begin, 0)[:, :, None] * gains).reshape(len(rows), -1)
        order = np.argsort(price, axis=1, kind="stable")
        offer = np.take_along_axis(offer, order, axis=1)
        left = jobs.length[rows, None] - (np.cumsum(offer, axis=1) - offer)
        taken = np.minimum(left, offer)
        row, place = np.nonzero(taken > ROUNDING * jobs.length[rows, None])
        slot, worker = np.divmod(order[row, place], len(gains))
        parts.append((rows[row], worker, begin[row, slot], taken[row, place] / gains[worker]))
    return _workers(parts)


def scaled_under_cap(
    jobs: TickJobs, intensity: TickIntensity, throughput: FloatArray, cpu_m: int
) -> Workers:
    """Return the same on `cpu_m` [thousandths of a core] in all, job after job by arrival.

    What finds no room by its latest start + length goes on after it, as soon as it can.
    """
    assert int(jobs.cpu_m.max(initial=0)) <= cpu_m
    return _one_by_one(jobs, intensity, throughput, cpu_m)


def _one_by_one(
    jobs: TickJobs, intensity: TickIntensity, throughput: FloatArray, cpu_m: int | None
) -> Workers:
    """Return the workers of one job after the other, each in the room that is left."""
    widest = len(throughput)
    endless = int(jobs.cpu_m.max(initial=0)) * widest * (len(jobs) + 1)
    room = Room(endless if cpu_m is None else cpu_m, int(jobs.arrival[0]))
    parts = []
    for j, (arrival, stop, work, need) in enumerate(
        zip(
            jobs.arrival.tolist(),
            (jobs.latest + jobs.length).tolist(),
            jobs.length.tolist(),
            jobs.cpu_m.tolist(),
            strict=True,
        )
    ):
        room.forget(arrival)
        until = _reach(room, (arrival, stop), throughput, work, need)
        intensity = intensity if until <= intensity.length else intensity.held_until(2 * until)
        begin, end, free = free_ranges(room, intensity, (arrival, until))
        slots = Slots(
            values_g_per_kwh=intensity.values_g_per_kwh[intensity.slot(begin)],
            ticks=(end - begin).astype(float),
            widest=np.minimum(free // need, widest),
        )
        mine = _pieces(
            j, begin, slots, widths_of(slots, throughput, min(work, slots.room(throughput)))
        )
        for start, ticks in zip(
            mine[2].tolist(), np.ceil(mine[3] - ROUNDING).tolist(), strict=True
        ):
            room.take(start, start + int(ticks), need)
        parts.append(mine)
    return _workers(parts)


def _reach(
    room: Room, window: tuple[int, int], throughput: FloatArray, work: float, need: int
) -> int:
    """Return the window's end, or the first tick after it before which the work can be done."""
    at, free = room.window(window[0], FAR)
    rate = np.concatenate(([0.0], throughput))[np.minimum(free // need, len(throughput))]
    done = np.cumsum(rate * np.diff(np.append(at, FAR)))
    step = int(np.searchsorted(done, work))
    before = float(done[step - 1]) if step else 0.0
    return max(window[1], int(at[step]) + int(np.ceil((work - before) / rate[step])))


def _pieces(
    job: int, begin: IntArray, slots: Slots, widths: Widths
) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Return columns of the pieces of one job, a row for each of its workers in each slot."""
    share = np.cumsum(widths.share[:, ::-1], axis=1)[:, ::-1]  # worker k runs where k or more do
    slot, worker = np.nonzero(share > ROUNDING)
    ticks = np.minimum(share[slot, worker], 1.0) * slots.ticks[slot]
    return np.full(len(slot), job, np.int64), worker, begin[slot], ticks


def _workers(parts: list[tuple[IntArray, IntArray, IntArray, FloatArray]]) -> Workers:
    """Return several lots of pieces as one, by job and start."""
    job, worker, start, ticks = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((worker, start, job))
    return Workers(job=job[order], worker=worker[order], start=start[order], ticks=ticks[order])
