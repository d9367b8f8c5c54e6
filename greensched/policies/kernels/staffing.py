"""How many replicas a load needs so that waits are short, for all services at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from greensched.compiling import REAL, WHOLE, entry, given, inner, written
from greensched.queueing import wait_tail

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray

ROUNDING = 1e-9  # so that 3.0000000001 replicas are three
PRECISION = 1e-4  # of utilisations

_tail: Any = inner(wait_tail)


@entry
def fill_utilisations(cores: IntArray, waits: float, share: float, most: FloatArray) -> None:
    """Write the largest utilisation of each number of `cores` at which P(W > w) <= `share`.

    `waits` is w over the mean service time. By bisection, to `PRECISION` below it.
    """
    for i in range(len(cores)):
        low, high = 0.0, 1.0
        while high - low > PRECISION:
            middle = (low + high) / 2
            if _tail(cores[i], cores[i] * middle, 1.0, waits) <= share:
                low = middle
            else:
                high = middle
        most[i] = low


@inner
def _between(x: float, xs: FloatArray, ys: FloatArray) -> float:
    """Return the height at x of the line through the points, level beyond both ends."""
    low, high = 0, len(xs) - 1
    if x <= xs[0]:
        return ys[0]
    if x >= xs[high]:
        return ys[high]
    while high - low > 1:
        middle = (low + high) // 2
        if xs[middle] <= x:
            low = middle
        else:
            high = middle
    return ys[low] + (x - xs[low]) * (ys[high] - ys[low]) / (xs[high] - xs[low])


@inner
def _held(room: float, cores: FloatArray, most: FloatArray) -> float:
    """Return the load that replicas of `room` cores hold: as the whole cores among them do."""
    whole = max(1.0, math.floor(room + ROUNDING))
    return min(room, whole) * _between(whole, cores, most)


@inner
def cover_with(
    loads_cpu_m: FloatArray,
    replica_cpu_m: IntArray,
    row: IntArray,
    cores: FloatArray,
    held: FloatArray,
    most: FloatArray,
    needed: IntArray,
) -> bool:
    """Write the smallest numbers of replicas [T, S] whose cores hold each service's loads [T, S].

    See `cover`.
    """
    reaches, last = True, len(cores) - 1
    for t in range(len(loads_cpu_m)):
        for s in range(len(row)):
            k, load = row[s], loads_cpu_m[t, s] / 1000.0
            reaches = reaches and load <= held[k, last]
            each = max(replica_cpu_m[s], 1) / 1000.0
            count = math.ceil(_between(load, held[k], cores) / each - ROUNDING)
            # Between two numbers of the table the line is a little too low, and a part of a core
            # serves no request by itself.
            while reaches and load > _held(count * each, cores, most[k]):
                count += 1
            needed[t, s] = int(count)
    return reaches


@entry
def cover(
    loads_cpu_m: FloatArray,
    replica_cpu_m: IntArray,
    row: IntArray,
    cores: FloatArray,
    held: FloatArray,
    most: FloatArray,
    needed: IntArray,
) -> bool:
    """Write the smallest numbers of replicas [T, S] whose cores hold each service's loads [T, S].

    `row`: of each service in the tables of largest utilisation `most` [rows, points] and of load
    `held` there [cores]. Return whether the tables reach as far as all loads.
    """
    return cover_with(loads_cpu_m, replica_cpu_m, row, cores, held, most, needed)


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    kept, real, table = given(WHOLE), given(REAL), given(REAL, 2)
    fill_utilisations.compile((kept, REAL, REAL, written(REAL)))
    cover.compile((table, kept, kept, real, table, table, written(WHOLE, 2)))
