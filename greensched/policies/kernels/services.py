"""One pass over services: the replica rule, and plans that follow a forecast."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, several, written
from greensched.model import NONE
from greensched.policies.kernels.staffing import ROUNDING, cover_with

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray

NEVER_MS = 1 << 62
# Rows of a plan's table: replicas needed soon, those kept until later, then counts of before.
UP, DOWN, COUNTS = range(3)


@inner
def _replicas(need: float) -> int:
    """Return the smallest whole number that is not below `need`, but for rounding."""
    return math.ceil(need - ROUNDING)


@inner
def _recommended(
    load_cpu_m: float, serving: int, present: int, each_cpu_m: int, target: float, tolerance: float
) -> int:
    """Return what the load asks for: ceil(n x metric / target), no change within the tolerance.

    The metric is mean use of request by the n replicas that serve or start, so n x metric is
    load / request, whatever n. A starting replica counts as present: it is not asked for twice.
    """
    need = load_cpu_m / (max(each_cpu_m, 1) * target)
    if abs(need - serving) > tolerance * serving:
        return _replicas(need)
    return min(present, max(serving, _replicas(need)))


@inner
def _highest(now: int, rows: IntArray, s: int, times_ms: IntArray, since_ms: int) -> int:
    """Return the highest of `now` and of column s of the rows that were seen since."""
    for row in range(len(rows)):
        if times_ms[row] >= since_ms:
            now = max(now, rows[row, s])
    return now


@inner
def _stepped(
    present: int,
    asked: int,
    highest: int,
    start: int,
    up_factor: float,
    up_step: int,
    down_share: float,
) -> int:
    """Return what stabilisation window and step limits leave of what is asked for.

    `highest` recommendation of the former window, and replicas at the `start` of a way down.
    """
    # Up at once; down only as far as every recommendation in the window allows.
    n = min(max(present, asked), highest)
    ceiling = max(math.floor(present * up_factor), present + up_step)
    floor = min(present, math.floor(start * (1 - down_share) + ROUNDING))
    return max(min(n, ceiling), floor)


@inner
def _leaves_ms(times_ms: IntArray, now_ms: int, windows_ms: tuple[int, int]) -> int:
    """Return when the first row that is in a window now, but for the last row, leaves it."""
    until_ms, last = NEVER_MS, len(times_ms) - 1
    for window_ms in windows_ms:
        row = 0
        while times_ms[row] < now_ms - window_ms:
            row += 1
        if row < last:
            until_ms = min(until_ms, times_ms[row] + window_ms)
    return until_ms


@entry
def follow_rule(
    load_cpu_m: FloatArray,
    services: tuple[IntArray, ...],
    others: BoolArray,
    target: float,
    tolerance: float,
    stabilisation_ms: int,
    up_factor: float,
    up_step: int,
    down_share: float,
    down_window_ms: int,
    now_ms: int,
    measured: bool,
    steady: bool,
    before: tuple[IntArray, IntArray],
    times_ms: IntArray,
    table: IntArray,
    wanted: IntArray,
) -> tuple[int, int, int]:
    """Write what the HPA's rule wants, and what it remembers, see `hpa.wanted_replicas`.

    `services`: as `hpa.columns` has them. `before`: rows of recommendations and of replicas, seen
    until `times_ms`. They are followed by the row of now in `table` [2, rows, services], and its
    time, unless it is like the last one. Return the first row and the end of what is remembered,
    and until when nothing changes (`NONE`: something does), `others` left aside (none: all count).
    """
    recommended, counts = table[0], table[1]
    online, starting, pending, replica_cpu_m, least, most = services
    rows, first = len(before[0]), 0
    while first < rows and times_ms[first] < now_ms - max(stabilisation_ms, down_window_ms):
        first += 1
    settled, same = steady, rows > 0
    for s in range(len(online)):
        serving = online[s] + starting[s]
        n = present = serving + pending[s]
        if measured:
            n = _recommended(load_cpu_m[s], serving, present, replica_cpu_m[s], target, tolerance)
        asked = min(max(n, least[s]), most[s])
        for row in range(first, rows):
            recommended[row, s], counts[row, s] = before[0][row, s], before[1][row, s]
        recommended[rows, s], counts[rows, s] = asked, present
        same = same and before[0][rows - 1, s] == asked and before[1][rows - 1, s] == present
        highest = _highest(asked, before[0], s, times_ms, now_ms - stabilisation_ms)
        start = _highest(present, before[1], s, times_ms, now_ms - down_window_ms)
        n = _stepped(present, asked, highest, start, up_factor, up_step, down_share)
        wanted[s] = min(max(n, least[s]), most[s])
        stays = wanted[s] == present or (len(others) > 0 and others[s])
        settled = settled and stays and pending[s] == 0
    end = rows + 1
    if same:  # all are kept, and the last was seen again
        first, end = 0, rows
    times_ms[end - 1] = now_ms
    windows_ms = (stabilisation_ms, down_window_ms)
    until_ms = _leaves_ms(times_ms[first:end], now_ms, windows_ms) if settled else NONE
    return first, end, until_ms


@entry
def unchanged(
    load_cpu_m: FloatArray,
    online: IntArray,
    starting: IntArray,
    pending: IntArray,
    seen: FloatArray,
    wanted: IntArray,
    trusted: BoolArray,
    settled: bool,
) -> bool:
    """Say whether loads are as `seen`, and replicas as wanted with none that found no room.

    And whether all forecasts are `trusted`, or the reactive rule is `settled`.
    """
    for s in range(len(online)):
        if not settled and not trusted[s]:
            return False
        if load_cpu_m[s] != seen[0, s] or pending[s] > 0:
            return False
        if online[s] + starting[s] != wanted[s]:
            return False
    return True


@entry
def add_work(
    load_cpu_m: FloatArray,
    period_ms: float,
    before: FloatArray,
    quiet_ms: float,
    planned: bool,
    past_ms: float,
    seen: FloatArray,
) -> None:
    """Write the load, load x time since the last plan, `past_ms` ago, and its mean [3, S].

    Time is the last period, the quiet wakes before it, and what is in `before`, unless then was
    `planned`.
    """
    for s in range(len(load_cpu_m)):
        seen[0, s] = load_cpu_m[s]
        work_mc = load_cpu_m[s] * period_ms
        if before.shape[1] > 0:
            if quiet_ms > 0:
                work_mc += before[0, s] * quiet_ms
            if not planned:
                work_mc += before[1, s]
        seen[1, s], seen[2, s] = work_mc, work_mc / past_ms


@inner
def _follow(
    load_cpu_m: FloatArray,
    services: tuple[IntArray, ...],
    table: IntArray,
    max_utilisation: float,
    down_share: float,
    wanted: IntArray,
) -> None:
    """Write what plan and load of now ask for, see `follow`."""
    online, starting, pending, replica_cpu_m, least, most = services
    for s in range(len(online)):
        present = online[s] + starting[s] + pending[s]
        each = max(replica_cpu_m[s], 1) * max_utilisation
        now = _replicas(load_cpu_m[s] / each)
        before = table[COUNTS, s]
        for row in range(COUNTS + 1, len(table)):
            before = max(before, table[row, s])
        floor = _replicas(before * (1 - down_share))
        kept = min(present, max(table[DOWN, s], now, floor))
        wanted[s] = min(max(table[UP, s], now, kept, least[s]), most[s])


@entry
def follow(
    load_cpu_m: FloatArray,
    services: tuple[IntArray, ...],
    table: IntArray,
    max_utilisation: float,
    down_share: float,
    wanted: IntArray,
) -> None:
    """Write what the plan in the `table` and the load of now ask for, within limits and steps.

    `services`: as `hpa.columns` has them.
    """
    _follow(load_cpu_m, services, table, max_utilisation, down_share, wanted)


@entry
def plan(
    upper_cpu_m: FloatArray,
    services: tuple[IntArray, ...],
    gray_share: float,
    before: IntArray,
    load_cpu_m: FloatArray,
    max_utilisation: float,
    down_share: float,
    row: IntArray,
    cores: FloatArray,
    held: FloatArray,
    most: FloatArray,
    table: IntArray,
    wanted: IntArray,
) -> bool:
    """Write replicas that are needed soon, and those kept until the next plan, into the table.

    By the `upper_cpu_m` [2, S] until soon and until later: of what may go later, a share goes.
    What follows in the table are the counts of the table `before` as far back as they count, and
    those of now. Written are also those that are `wanted` now, see `follow`. Return as `cover`
    does, whose tables are given.
    """
    online, starting, pending, replica_cpu_m, _, _ = services
    reaches = cover_with(upper_cpu_m, replica_cpu_m, row, cores, held, most, table[:COUNTS])
    rows, last = len(table) - COUNTS - 1, len(table) - 1
    for s in range(len(online)):
        present, down = online[s] + starting[s] + pending[s], table[DOWN, s]
        goes = math.ceil(gray_share * max(present - down, 0))
        table[DOWN, s] = max(down, present - goes)
        for i in range(rows):
            table[COUNTS + i, s] = before[len(before) - rows + i, s]
        table[last, s] = present
    _follow(load_cpu_m, services, table, max_utilisation, down_share, wanted)
    return reaches


@inner
def note_changes(
    counts: tuple[IntArray, ...], wanted: IntArray, scaled: IntArray
) -> tuple[int, bool, bool]:
    """Write the services whose replicas change, and to how many, into `scaled` [2, S].

    Return their number, whether any lack some, that is more than there are or one that found no
    room, and whether any found none. `counts`: as `hpa.counts` has them.
    """
    online, starting, pending = counts[:3]
    count, lack, waits = 0, False, False
    for s in range(len(online)):
        present = online[s] + starting[s] + pending[s]
        waits = waits or pending[s] > 0
        lack = lack or wanted[s] > present
        if wanted[s] != present:
            scaled[0, count], scaled[1, count] = s, wanted[s]
            count += 1
    return count, lack or waits, waits


@entry
def changes(counts: tuple[IntArray, ...], wanted: IntArray, scaled: IntArray) -> tuple[int, bool]:
    """Write the services whose replicas change, see `note_changes`."""
    count, lack, _ = note_changes(counts, wanted, scaled)
    return count, lack


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    kept, real, made = given(WHOLE), given(REAL), written(WHOLE)
    rows = given(WHOLE, 2)
    rule = (REAL, REAL, WHOLE, REAL, WHOLE, REAL, WHOLE)
    seen = (several(rows, 2), made, written(WHOLE, 3), made)
    follow_rule.compile((real, several(kept, 6), given(FLAG), *rule, WHOLE, FLAG, FLAG, *seen))
    table, counts = given(REAL, 2), written(WHOLE, 2)
    unchanged.compile((real, *3 * (kept,), table, kept, given(FLAG), FLAG))
    add_work.compile((real, REAL, table, REAL, FLAG, REAL, written(REAL, 2)))
    follow.compile((real, several(kept, 6), rows, REAL, REAL, made))
    tables = (kept, real, table, table)
    plan.compile((table, several(kept, 6), REAL, rows, real, REAL, REAL, *tables, counts, made))
    changes.compile((several(kept, 4), kept, written(WHOLE, 2)))
