"""Traces in window time: what is scored and what was before, jobs that already run included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from greensched.errors import DataError, Finding
from greensched.model import NONE, Jobs, Services
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from greensched.model import BoolArray, IntArray, Trace

LATE_MS = MS_PER_DAY  # services may begin at most this long after the window


def first_ms(trace: Trace) -> int:
    """Return the instant of the trace [ms] at which a window begins where nothing says another.

    Trace zero where load or the first job comes at most a day after it: what is negative is
    history, and two traces that count from one zero keep in step. Else the first of load and
    jobs; of load alone where it comes more than a day after the first job.
    """
    services, jobs = trace.services, trace.jobs
    job_ms = int(jobs.submit_ms[0]) if jobs is not None and len(jobs) else None
    first = services.start_ms if services is not None else job_ms or 0
    if services is None and job_ms is None and trace.databases is not None:
        first = trace.databases.start_ms
    if first <= LATE_MS and last_ms(trace) > 0:
        return 0
    if job_ms is not None and first - job_ms <= LATE_MS:
        return min(first, job_ms)
    return first


def last_ms(trace: Trace) -> int:
    """Return the end of what the trace knows [ms]."""
    if trace.services is not None:
        services = trace.services
        return int(services.start_ms + services.step_ms * services.load_cpu_m.shape[1])
    if trace.jobs is None and trace.databases is not None:
        databases = trace.databases
        return int(databases.start_ms + databases.step_ms * databases.cpu_m.shape[1])
    return int(trace.jobs.submit_ms[-1]) + 1 if trace.jobs is not None and len(trace.jobs) else 0


def cut_services(
    services: Services,
    from_ms: int,
    window_ms: int,
    *,
    noise: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Services, bool]:
    """Return the services on `[from_ms, from_ms + window_ms)`, and whether load was repeated.

    The trace's instant `from_ms` becomes 0. Where the series ends before the window does, it is
    repeated: from the same time of day where it holds a whole day, else from its first step, each
    repeated step times 1 + `noise` x a standard normal draw of `rng`. Where it begins at most a
    day after `from_ms`, and within the window, load is 0 until then. Raises DataError where it
    begins later or ends before `from_ms`.
    """
    begin, step_ms = services.start_ms, services.step_ms
    end = begin + services.load_cpu_m.shape[1] * step_ms
    if 0 < begin - from_ms <= LATE_MS and begin < from_ms + window_ms:
        services = _led_in(services, from_ms)
    first = (from_ms - services.start_ms) // step_ms
    steps = services.load_cpu_m.shape[1]
    if first < 0 or first >= steps:
        raise not_known("services", begin, end, from_ms)
    start_ms = services.start_ms + first * step_ms - from_ms
    wanted = -(-(window_ms - start_ms) // step_ms)
    have = steps - first
    load = services.load_cpu_m[:, first : first + min(wanted, have)]
    if wanted > have:
        load = repeated(load, wanted, step_ms, noise, rng)
    cut = replace(services, start_ms=int(start_ms), load_cpu_m=_readonly(load))
    return cut, bool(wanted > have)


def not_known(part: str, begin_ms: int, end_ms: int, at_ms: int) -> DataError:
    """Return the error of a window that begins where the trace has nothing."""
    begin, end, at = (_time(ms) for ms in (begin_ms, end_ms, at_ms))
    what = f"load is known from {begin} to {end} of the trace, not at {at}"
    remedy = f"set 'from:' to {begin} or later, before {end}"
    return DataError(Finding(where=f"traces.{part}.from", what=what, remedy=remedy))


def _time(ms: int) -> str:
    """Return a time of the trace exactly, in the largest unit that it is a multiple of."""
    units = {"d": MS_PER_DAY, "h": MS_PER_H, "min": MS_PER_MIN, "s": MS_PER_S, "ms": 1}
    unit, of = next((unit, of) for unit, of in units.items() if ms % of == 0)
    return f"{ms // of} {unit}"


def _led_in(services: Services, from_ms: int) -> Services:
    """Return the services with steps of no load before their first, from `from_ms` on."""
    count = -(-(services.start_ms - from_ms) // services.step_ms)
    none = np.zeros((len(services), count), np.int64)
    return replace(
        services,
        start_ms=services.start_ms - count * services.step_ms,
        load_cpu_m=np.concatenate([none, services.load_cpu_m], axis=1),
    )


def repeated(
    load: IntArray, wanted: int, step_ms: int, noise: float, rng: np.random.Generator | None
) -> IntArray:
    """Return `load` repeated to `wanted` steps, the repeated ones with noise."""
    have = load.shape[1]
    day = MS_PER_DAY // step_ms if MS_PER_DAY % step_ms == 0 else have
    period = have // day * day if have >= day else have
    index = np.arange(have, wanted)
    index = (index - have) % period + (have - period)
    more = load[:, index].astype(np.float64)
    if noise and rng is not None:
        more *= np.maximum(0.0, 1.0 + noise * rng.standard_normal(more.shape))
    return np.concatenate([load, np.rint(more).astype(np.int64)], axis=1)


def history_services(services: Services, from_ms: int, history_ms: int) -> Services | None:
    """Return the services on at most `history_ms` before `from_ms`; None where there is none."""
    step_ms = services.step_ms
    last = (from_ms - services.start_ms) // step_ms
    first = max(0, last - history_ms // step_ms)
    last = min(last, services.load_cpu_m.shape[1])
    if last <= first:
        return None
    start_ms = services.start_ms + first * step_ms - from_ms
    load = _readonly(services.load_cpu_m[:, first:last])
    return replace(services, start_ms=int(start_ms), load_cpu_m=load)


def cut_jobs(jobs: Jobs, from_ms: int, window_ms: int) -> Jobs:
    """Return the jobs of `[from_ms, from_ms + window_ms)` in window time.

    Jobs that were submitted before and still run (started when they were submitted) begin at 0
    with what remains of duration, estimate and use.
    """
    end_ms = jobs.submit_ms + jobs.duration_ms
    running = (jobs.submit_ms < from_ms) & (end_ms > from_ms)
    inside = (jobs.submit_ms >= from_ms) & (jobs.submit_ms < from_ms + window_ms)
    keep = running | inside
    elapsed = np.where(running, from_ms - jobs.submit_ms, 0)[keep]
    cut = take_jobs(jobs, keep)
    if not len(cut.submit_ms):
        return cut
    estimate = cut.estimate_ms
    known = estimate != NONE
    cut = replace(
        cut,
        submit_ms=_readonly(np.maximum(cut.submit_ms - from_ms, 0)),
        duration_ms=_readonly(cut.duration_ms - elapsed),
        estimate_ms=_readonly(np.where(known, np.maximum(estimate - elapsed, 1), NONE)),
        deadline_ms=_readonly(np.where(cut.deadline_ms != NONE, cut.deadline_ms - from_ms, NONE)),
    )
    if len(cut.use_offsets) and elapsed.any():
        cut = _use_after(cut, elapsed)
    return cut


def history_jobs(jobs: Jobs, from_ms: int, history_ms: int) -> Jobs | None:
    """Return the jobs that were submitted within `history_ms` before `from_ms` and had ended."""
    ended = jobs.submit_ms + jobs.duration_ms <= from_ms
    kept = take_jobs(jobs, ended & (jobs.submit_ms >= from_ms - history_ms))
    if not len(kept):
        return None
    deadline = np.where(kept.deadline_ms != NONE, kept.deadline_ms - from_ms, NONE)
    return replace(
        kept,
        submit_ms=_readonly(kept.submit_ms - from_ms),
        deadline_ms=_readonly(deadline),
    )


def take_jobs(jobs: Jobs, keep: BoolArray) -> Jobs:
    """Return the rows of `jobs` where `keep` holds, in order."""
    if keep.all():
        return jobs
    rows = np.flatnonzero(keep)
    part = replace(
        jobs,
        **{
            name: _readonly(getattr(jobs, name)[rows])
            for name in (
                *("submit_ms", "duration_ms", "cpu_m", "memory_mib", "gpu_m", "tasks"),
                *("estimate_ms", "deadline_ms", "job_class"),
            )
        },
        ids=Chosen(jobs, rows),
    )
    if not len(jobs.use_offsets):
        return part
    counts = np.diff(jobs.use_offsets)
    steps = np.repeat(keep, counts)
    offsets = np.concatenate([[0], np.cumsum(counts[rows])]).astype(np.int64)
    return replace(
        part,
        use_offsets=_readonly(offsets),
        use_until_ms=_readonly(np.asarray(jobs.use_until_ms)[steps]),
        use_cpu_m=_readonly(np.asarray(jobs.use_cpu_m)[steps]),
    )


class Chosen(Sequence[str]):
    """The ids of some rows, looked up when asked for; row numbers where the trace has no ids."""

    def __init__(self, jobs: Jobs, rows: IntArray) -> None:
        """Remember which rows of `jobs`."""
        self._ids = jobs.ids
        self._rows = rows

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        """Return the id of one row, or of several."""
        if isinstance(index, slice):
            return [self._id(int(row)) for row in self._rows[index]]
        return self._id(int(self._rows[index]))

    def _id(self, row: int) -> str:
        """Return the id of one row of the trace."""
        return str(row) if self._ids is None else str(self._ids[row])


def _use_after(jobs: Jobs, elapsed_ms: IntArray) -> Jobs:
    """Return `jobs` with the use steps that lie before `elapsed_ms` of each job dropped."""
    counts = np.diff(jobs.use_offsets)
    shift = np.repeat(elapsed_ms, counts)
    until = np.asarray(jobs.use_until_ms) - shift
    keep = until > 0
    owner = np.repeat(np.arange(len(jobs)), counts)[keep]
    left = np.bincount(owner, minlength=len(jobs))
    return replace(
        jobs,
        use_offsets=_readonly(np.concatenate([[0], np.cumsum(left)]).astype(np.int64)),
        use_until_ms=_readonly(until[keep]),
        use_cpu_m=_readonly(np.asarray(jobs.use_cpu_m)[keep]),
    )


def _readonly(array: Any) -> Any:
    """Return `array`, no longer writable."""
    array.setflags(write=False)
    return array
