"""Batch jobs with a heavy tail, fitted to three public lists; see `docs/reference/samples.md`."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import UsageError
from greensched.generate.words import PERMILLE, below, raw, stream, weekday
from greensched.model import NONE, JobClass, Jobs
from greensched.units import (
    CPU_M_PER_CORE,
    H_PER_DAY,
    MS_PER_DAY,
    MS_PER_H,
    MS_PER_MIN,
    MS_PER_S,
    S_PER_H,
    S_PER_MIN,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from greensched.model import Int32Array, IntArray

CLASSES: Final = (
    JobClass(name="interactive", priority=2),
    JobClass(name="etl", priority=1, deferrable=True, max_delay_ms=4 * MS_PER_H),
    JobClass(
        name="training",
        deferrable=True,
        max_delay_ms=24 * MS_PER_H,
        interruptible=True,
        checkpoint_interval_ms=30 * MS_PER_MIN,
        checkpoint_cost_ms=30 * MS_PER_S,
    ),
    JobClass(
        name="simulation",
        checkpoint_interval_ms=60 * MS_PER_MIN,
        checkpoint_cost_ms=60 * MS_PER_S,
    ),
)
_INTERACTIVE, _ETL, _TRAINING, _SIMULATION = range(4)

# Quantiles of length: share of jobs [1/4096] and length [s], between those of the three lists.
_LENGTHS_S: Final = (
    (0, 300),
    (205, 360),
    (1024, 680),
    (1536, 960),
    (2048, 1_560),
    (2560, 3_200),
    (3072, 7_900),
    (3379, 14_400),
    (3686, 27_500),
    (3891, 45_000),
    (4055, 92_000),
    (4092, 140_000),
    (4096, 172_800),
)
# Cores of a job and their share of jobs [1/1024].
_CORES: Final = (
    *((1, 560), (2, 150), (4, 130), (8, 80), (16, 50), (32, 28)),
    *((64, 14), (128, 8), (256, 4)),
)
_TASK_CORES_MAX: Final = 4  # larger jobs are gangs of tasks of 2 or 4 cores
_CORE_S_MAX: Final = 4_096 * S_PER_H  # no job holds more, so that a few do not fill the fleet

_HOURS: Final = (
    *(560, 520, 500, 500, 510, 540, 600, 720, 950, 1250, 1400, 1420),
    *(1300, 1380, 1480, 1480, 1420, 1350, 1250, 1150, 1050, 950, 800, 660),
)  # arrivals by local hour [permille of the mean]
_WEEK: Final = (1080, 1100, 1100, 1080, 1040, 820, 780)
_BIN_MIN: Final = 5
_CHUNK: Final = 1 << 20  # rows drawn at a time, so that scratch space stays small


def jobs(
    seed: int, *, count: int = 20_000, days: int = 7, start_ms: int = 0, stream_name: str = "jobs"
) -> Jobs:
    """Return `count` jobs submitted in `days` from `start_ms` (a local midnight of any weekday).

    Submits and lengths are whole seconds. Time grows as count x log(count).

    Raises:
        UsageError: a count or number of days below 1, or more than 1,000 days.
    """
    _check(days_max=1_000, days=days, count=count)
    bits = stream(seed, stream_name)
    submit_ms = _arrivals(bits, count, days, start_ms)
    duration_ms = np.empty(count, np.int64)
    estimate_ms = np.empty(count, np.int64)
    small = [np.empty(count, np.int32) for _ in range(4)]
    for begin in range(0, count, _CHUNK):
        part = slice(begin, min(begin + _CHUNK, count))
        word = raw(bits, part.stop - part.start)
        length_s, *sizes = _shapes(word)
        duration_ms[part] = length_s * MS_PER_S
        estimate_ms[part] = _estimates_s(word, length_s) * MS_PER_S
        for column, values in zip(small, sizes, strict=True):
            column[part] = values
    cpu_m, memory_mib, tasks, job_class = small
    return Jobs(
        submit_ms=submit_ms,
        duration_ms=duration_ms,
        cpu_m=cpu_m,
        memory_mib=memory_mib,
        gpu_m=np.zeros(count, np.int32),
        tasks=tasks,
        estimate_ms=estimate_ms,
        deadline_ms=_deadlines_ms(submit_ms, estimate_ms, job_class),
        job_class=job_class,
        classes=CLASSES,
    )


def uniform_jobs(
    seed: int,
    *,
    count: int = 1_000_000,
    days: int = 1,
    mean_s: int = 300,
    cores: int = 1,
) -> Jobs:
    """Return equal small jobs: Poisson arrivals, exponential lengths [ms] of mean `mean_s`.

    For benchmarks; the logarithm's last bit may differ between machines, so that a length may
    differ by 1 ms there. Estimates are not known.

    Raises:
        UsageError: a count, number of days, mean or number of cores below 1, or over 40 days.
    """
    _check(days_max=40, days=days, count=count, mean_s=mean_s, cores=cores)
    bits = stream(seed, "uniform-jobs")
    submit_ms = (raw(bits, count) >> np.uint64(33)).astype(np.int64) * (days * MS_PER_DAY) >> 31
    submit_ms.sort()
    share = ((raw(bits, count) >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    lengths_ms = np.rint(-np.log(share) * (mean_s * MS_PER_S)).astype(np.int64)
    return Jobs(
        submit_ms=submit_ms,
        duration_ms=np.maximum(lengths_ms, 1),
        cpu_m=np.full(count, cores * CPU_M_PER_CORE, np.int32),
        memory_mib=np.zeros(count, np.int32),
        gpu_m=np.zeros(count, np.int32),
        tasks=np.ones(count, np.int32),
        estimate_ms=np.full(count, NONE, np.int64),
        deadline_ms=np.full(count, NONE, np.int64),
        job_class=np.zeros(count, np.int32),
    )


def joined(parts: Sequence[Jobs]) -> Jobs:
    """Return the jobs of `parts`, each later than the one before, with the same classes."""
    columns = ("submit_ms", "duration_ms", "cpu_m", "memory_mib", "gpu_m", "tasks", "estimate_ms")
    rows = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in (*columns, "deadline_ms", "job_class")
    }
    return Jobs(classes=parts[0].classes, **rows)


def _check(*, days_max: int, days: int, **values: int) -> None:
    """Refuse values below 1, and spans whose products would leave 63 bits."""
    rows = {"days": days, **values}
    wrong = [f"{name} {value}: at least 1" for name, value in rows.items() if value < 1]
    if days > days_max:
        wrong.append(f"days {days}: at most {days_max}")
    if wrong:
        raise UsageError(*wrong)


def _arrivals(bits: np.random.PCG64, count: int, days: int, start_ms: int) -> IntArray:
    """Return sorted submits [ms]: the day's and week's rhythm with bursts of five minutes."""
    day_bins = H_PER_DAY * 60 // _BIN_MIN
    at = np.arange(days * day_bins)
    day = weekday(len(at), day_bins, start_ms // MS_PER_DAY)
    hour = at % day_bins * _BIN_MIN // S_PER_MIN
    burst = below(bits, len(at), 10)
    burst = 4 + burst + np.where(burst == 0, 30, 0)  # one bin in ten is four times as busy
    weight = np.array(_WEEK)[day] * np.array(_HOURS)[hour] * burst // PERMILLE
    ends = np.cumsum(weight)
    place = (raw(bits, count) >> np.uint64(33)).astype(np.int64)
    place *= int(ends[-1])
    place >>= 31
    place.sort()
    bin_ms = _BIN_MIN * MS_PER_MIN
    for begin in range(0, count, _CHUNK):
        part = place[begin : begin + _CHUNK]
        row = np.searchsorted(ends, part, side="right")
        inside = (part - (ends[row] - weight[row])) * bin_ms // weight[row]
        part[:] = (start_ms + row * bin_ms + inside) // MS_PER_S * MS_PER_S
    return place


def _length_table() -> IntArray:
    """Return lengths [s] at 0, 1, .. 4096 of 4096, in whole numbers between the quantiles."""
    table = np.empty(4_097, np.int64)
    for (low, low_s), (high, high_s) in pairwise(_LENGTHS_S):
        step = np.arange(high - low + 1)
        table[low : high + 1] = low_s + (high_s - low_s) * step // (high - low)
    return table


_LENGTH_TABLE_S: Final = _length_table()
_CORES_TABLE: Final = np.repeat([c for c, _ in _CORES], [n for _, n in _CORES])


def _shapes(
    word: NDArray[np.uint64],
) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray]:
    """Return length [s], task size [millicores], task memory [MiB], tasks and class of jobs."""
    length = (word >> np.uint64(32)).astype(np.int64)
    low = (word & np.uint64(0xFFFFFFFF)).astype(np.int64)
    cell, part = length >> 20, length & 0xFFFFF
    length_s = _LENGTH_TABLE_S[cell]
    length_s = length_s + ((_LENGTH_TABLE_S[cell + 1] - length_s) * part >> 20)
    # A quarter of the jobs are as large as they are long, which gives the tail its weight.
    place = np.where(low & 3 == 0, length >> 22, low >> 22)
    cores = _CORES_TABLE[place]
    length_s = np.minimum(length_s, _CORE_S_MAX // cores)
    halved = np.where(low & 4, _TASK_CORES_MAX, _TASK_CORES_MAX // 2)
    task_cores = np.where(cores > _TASK_CORES_MAX, halved, cores)
    gib = np.array([1, 1, 2, 2, 2, 4, 2, 4])[low >> 3 & 7]
    drawn = (low >> 6 & 7) + np.where(length_s > S_PER_H, 8, 0)
    job_class = np.array(
        [_INTERACTIVE] * 4
        + [_ETL] * 3
        + [_SIMULATION]
        + [_ETL] * 2
        + [_TRAINING] * 4
        + [_SIMULATION] * 2
    )[drawn]
    return (
        length_s,
        task_cores * CPU_M_PER_CORE,
        task_cores * gib * 1_024,
        cores // task_cores,
        job_class,
    )


def _estimates_s(word: NDArray[np.uint64], length_s: IntArray) -> IntArray:
    """Return requested times [s]: 1 to 5 times the length, in steps that people ask for."""
    drawn = (word >> np.uint64(9) & np.uint64(0xFF)).astype(np.int64)
    asked_s = length_s + length_s * drawn * drawn * 3 // 65_536  # mostly near the truth
    step_s = np.where(asked_s < S_PER_H, 5 * S_PER_MIN, S_PER_H // 2)
    rounded_s = -(-asked_s // step_s) * step_s
    return np.asarray(np.minimum(rounded_s, 5 * length_s))


def _deadlines_ms(submit_ms: IntArray, estimate_ms: IntArray, job_class: Int32Array) -> IntArray:
    """Return deadlines [ms]: every fourth etl job is due eight hours after its request."""
    due = (job_class == _ETL) & (np.arange(len(submit_ms)) % 4 == 0)
    return np.where(due, submit_ms + estimate_ms + 8 * MS_PER_H, NONE)
