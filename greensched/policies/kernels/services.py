"""One pass over services: the replica rule, plans, and how many replicas a load needs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, written
from greensched.queueing import wait_tail

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray

ROUNDING = 1e-9  # so that 3.0000000001 replicas are three
PRECISION = 1e-4  # of utilisations

_tail: Any = inner(wait_tail)


@inner
def _replicas(need: float) -> int:
    """Return the smallest whole number that is not below `need`, but for rounding."""
    return math.ceil(need - ROUNDING)


@entry
def recommend(
    load_cpu_m: FloatArray,
    online: IntArray,
    starting: IntArray,
    pending: IntArray,
    replica_cpu_m: IntArray,
    least: IntArray,
    most: IntArray,
    target: float,
    tolerance: float,
    asked: IntArray,
) -> None:
    """Write what the load asks for by the replica rule of the HPA, see `hpa.recommended`."""
    for s in range(len(online)):
        serving = online[s] + starting[s]
        present = serving + pending[s]
        need = load_cpu_m[s] / (max(replica_cpu_m[s], 1) * target)
        n = _replicas(need)
        if not abs(need - serving) > tolerance * serving:
            n = min(present, max(serving, n))
        asked[s] = min(max(n, least[s]), most[s])


@entry
def step(
    present: IntArray,
    asked: IntArray,
    recommended: IntArray,
    counts: IntArray,
    first: IntArray,
    least: IntArray,
    most: IntArray,
    up_factor: float,
    up_step: int,
    down_share: float,
    wanted: IntArray,
) -> None:
    """Write what stabilisation window and step limits leave of what is asked for.

    `recommended`, `counts` [rows, services]: rows from `first[0]` on are in the window of the
    former, from `first[1]` on in that of the latter.
    """
    for s in range(len(present)):
        highest = recommended[first[0], s]
        for row in range(first[0] + 1, len(recommended)):
            highest = max(highest, recommended[row, s])
        start = counts[first[1], s]
        for row in range(first[1] + 1, len(counts)):
            start = max(start, counts[row, s])
        # Up at once; down only as far as every recommendation in the window allows.
        n = min(max(present[s], asked[s]), highest)
        ceiling = max(math.floor(present[s] * up_factor), present[s] + up_step)
        floor = min(present[s], math.floor(start * (1 - down_share) + ROUNDING))
        n = max(min(n, ceiling), floor)
        wanted[s] = min(max(n, least[s]), most[s])


@entry
def unchanged(
    load_cpu_m: FloatArray,
    online: IntArray,
    starting: IntArray,
    pending: IntArray,
    load_before_cpu_m: FloatArray,
    wanted: IntArray,
    trusted: BoolArray,
    settled: bool,
) -> bool:
    """Say whether loads are as before, and replicas as wanted with none that found no room.

    And whether all forecasts are `trusted`, or the reactive rule is `settled`.
    """
    for s in range(len(online)):
        if not settled and not trusted[s]:
            return False
        if load_cpu_m[s] != load_before_cpu_m[s] or pending[s] > 0:
            return False
        if online[s] + starting[s] != wanted[s]:
            return False
    return True


@entry
def follow(
    load_cpu_m: FloatArray,
    present: IntArray,
    replica_cpu_m: IntArray,
    least: IntArray,
    most: IntArray,
    up: IntArray,
    down: IntArray,
    counts: IntArray,
    max_utilisation: float,
    down_share: float,
    wanted: IntArray,
) -> None:
    """Write what plan and load of now ask for, within limits and steps.

    `up`, `down`: replicas by the plan; `counts` [rows, services]: those of before.
    """
    for s in range(len(present)):
        each = max(replica_cpu_m[s], 1) * max_utilisation
        now = _replicas(load_cpu_m[s] / each)
        before = counts[0, s]
        for row in range(1, len(counts)):
            before = max(before, counts[row, s])
        floor = _replicas(before * (1 - down_share))
        kept = min(present[s], max(down[s], now, floor))
        wanted[s] = min(max(up[s], now, kept, least[s]), most[s])


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
    reaches, last = True, len(cores) - 1
    for t in range(len(loads_cpu_m)):
        for s in range(len(replica_cpu_m)):
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
def keep(
    present: IntArray,
    needed: IntArray,
    gray_share: float,
    before: IntArray,
    kept: IntArray,
    counts: IntArray,
) -> None:
    """Write what is `kept` until the next plan: of what may go, a share goes.

    `needed` [2, S]: soon, and until later. `counts` are those of `before` as far back as they
    count, with those `present` last.
    """
    rows = len(counts) - 1
    for s in range(len(present)):
        down = needed[1, s]
        goes = math.ceil(gray_share * max(present[s] - down, 0))
        kept[s] = max(down, present[s] - goes)
        for row in range(rows):
            counts[row, s] = before[len(before) - rows + row, s]
        counts[rows, s] = present[s]


@entry
def changes(
    present: IntArray, wanted: IntArray, pending: IntArray, rows: IntArray
) -> tuple[int, bool]:
    """Write the services whose replicas change, and count them; say whether any lack some.

    That is more than there are, or one that found no room.
    """
    count, lack = 0, False
    for s in range(len(present)):
        lack = lack or wanted[s] > present[s] or pending[s] > 0
        if wanted[s] != present[s]:
            rows[count] = s
            count += 1
    return count, lack


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    kept, real, made = given(WHOLE), given(REAL), written(WHOLE)
    rows = given(WHOLE, 2)
    recommend.compile((real, *6 * (kept,), REAL, REAL, made))
    step.compile((made, made, rows, rows, made, kept, kept, REAL, WHOLE, REAL, made))
    unchanged.compile((real, *3 * (kept,), real, kept, given(FLAG), FLAG))
    follow.compile((real, made, *5 * (kept,), rows, REAL, REAL, made))
    fill_utilisations.compile((kept, REAL, REAL, written(REAL)))
    table, counts = given(REAL, 2), written(WHOLE, 2)
    cover.compile((table, kept, kept, real, table, table, counts))
    keep.compile((made, rows, REAL, rows, made, counts))
    changes.compile((made, kept, kept, made))
