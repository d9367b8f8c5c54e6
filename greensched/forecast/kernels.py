"""The compiled loops of forecasts: what is recent after a load, the largest of some bands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from greensched.compiling import FLAG, REAL, WHOLE, entry, given, inner, mixed, several, written
from greensched.forecast.bands import EACH, LEADS_MS
from greensched.forecast.level import (
    FACTOR_MAX,
    FACTOR_MIN,
    FAST_FADE_MS,
    NEXT_TO_NOTHING,
    SLOW_FADE_MS,
)
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray


# Rows of what `observe` writes: sums of the slow and of the fast level, both levels, the band.
ROUNDED_CPU_M = 1e-6  # of a load [millicores]: what rounding may take from a band
FACTOR, BAND, ROWS = 4, 6, 7


@inner
def _after(nodes: IntArray, at_ms: int) -> int:
    """Return the number of instants that are not after `at_ms`."""
    low, high = 0, nodes.shape[1]
    while low < high:
        middle = (low + high) // 2
        if nodes[0, middle] > at_ms:
            high = middle
        else:
            low = middle + 1
    return low


@inner
def _lead(lead_ms: int) -> int:
    """Return the row of the first calibrated lead that is not below `lead_ms`, or the last."""
    row = 0
    while row < len(LEADS_MS) - 1 and LEADS_MS[row] < lead_ms:
        row += 1
    return row


@inner
def _band_within(
    week_cpu_m: FloatArray,
    nodes: IntArray,
    now_ms: int,
    from_ms: int,
    until_ms: int,
    factor: FloatArray,
    mean_cpu_m: FloatArray,
    floor_cpu_m: FloatArray,
    excess: FloatArray,
    band_cpu_m: FloatArray,
) -> bool:
    """Raise `band_cpu_m` [S] to the largest upper forecast within a time.

    `Forecast.upper_at` step by step: looked at both ends and at each of `nodes` [2, N] between,
    instants [ms] and their slots of the table. Return whether they reach that far.
    """
    first = _after(nodes, from_ms)
    last = _after(nodes, until_ms - 1)
    if first == 0 or _after(nodes, until_ms) >= nodes.shape[1]:
        return False
    for i in range(first - 1, max(first, last) + 1):
        at_ms, row = nodes[0, i], i + 1
        if i == first - 1:
            at_ms, row = from_ms, first
        elif i == max(first, last):
            at_ms, row = until_ms, _after(nodes, until_ms)
        before, after = nodes[1, row - 1], nodes[1, row]
        share = (at_ms - nodes[0, row - 1]) / (nodes[0, row] - nodes[0, row - 1])
        slow = math.exp(max(0, at_ms - now_ms) / -SLOW_FADE_MS)
        fast = math.exp(max(0, at_ms - now_ms) / -FAST_FADE_MS)
        lead = _lead(at_ms - now_ms)
        for s in range(len(mean_cpu_m)):
            usual = week_cpu_m[before, s]
            lifted = usual + (week_cpu_m[after, s] - usual) * share
            lifted *= (factor[0, s] - 1.0) * slow + 1.0
            lifted *= (factor[1, s] - 1.0) * fast + 1.0
            band = math.sqrt(lifted * mean_cpu_m[s]) * excess[lead, s]
            band_cpu_m[s] = max(band_cpu_m[s], band + lifted - floor_cpu_m[s])
    return True


@entry
def highest(
    week_cpu_m: FloatArray,
    nodes: IntArray,
    now_ms: int,
    times_ms: IntArray,
    factor: FloatArray,
    mean_cpu_m: FloatArray,
    floor_cpu_m: FloatArray,
    excess: FloatArray,
    whole: int,
    column: int,
    bands_cpu_m: FloatArray,
) -> bool:
    """Write the largest upper forecasts [T, S] from the first of `times_ms` until each later one.

    `whole`, `column`: which of `excess` counts. Return whether `nodes` reach that far.
    """
    for t in range(len(bands_cpu_m)):
        band = bands_cpu_m[t]
        for s in range(len(band)):
            band[s] = bands_cpu_m[t - 1, s] if t > 0 else 0.0
        if not _band_within(
            week_cpu_m,
            nodes,
            now_ms,
            times_ms[t],
            times_ms[t + 1],
            factor,
            mean_cpu_m,
            floor_cpu_m,
            excess[whole, column],
            band,
        ):
            return False
    return True


@inner
def learn(
    week_cpu_m: FloatArray,
    before: int,
    after: int,
    share: float,
    load_cpu_m: FloatArray,
    floor_cpu_m: FloatArray,
    slow_factor: FloatArray,
    keep: tuple[float, float],
    sums: FloatArray,
    new: FloatArray,
    factor: FloatArray,
) -> None:
    """Write sums [4, S] and levels [2, S] after a load, one step of `level.over_time`.

    The middle of the period lies `share` of the way between two slots of the table; `keep` is
    what is left of the slow and of the fast sums.
    """
    for s in range(len(load_cpu_m)):
        usual = week_cpu_m[before, s]
        usual += (week_cpu_m[after, s] - usual) * share
        seen = load_cpu_m[s] + floor_cpu_m[s]
        for level in range(2):  # slow, fast
            left, at = keep[level], 2 * level
            new[at, s] = seen * (1.0 - left) + left * sums[at, s]
            new[at + 1, s] = usual * (1.0 - left) + left * sums[at + 1, s]
            ratio = (new[at, s] + NEXT_TO_NOTHING) / (new[at + 1, s] + NEXT_TO_NOTHING)
            factor[level, s] = min(max(ratio, FACTOR_MIN), FACTOR_MAX)
            usual *= slow_factor[s]  # the fast level is beside the slow one


@inner
def _count(
    before_h: int,
    now_h: int,
    load_cpu_m: FloatArray,
    promised: bool,
    promised_cpu_m: FloatArray,
    hits: IntArray,
    tries: IntArray,
) -> None:
    """Count the last promise in hits [24, S] and tries; hours older than a day are forgotten."""
    hours = len(tries)
    for gone in range(max(before_h + 1, now_h - hours + 1), now_h + 1):
        tries[gone % hours] = 0
        for s in range(len(load_cpu_m)):
            hits[gone % hours, s] = 0
    if promised:
        tries[now_h % hours] += 1
        for s in range(len(load_cpu_m)):
            # a steady load has a band of no width, which rounding may put just below it
            hits[now_h % hours, s] += load_cpu_m[s] <= promised_cpu_m[s] + ROUNDED_CPU_M


@entry
def observe(
    week_cpu_m: FloatArray,
    nodes: IntArray,
    times_ms: tuple[int, int, int],
    load_cpu_m: FloatArray,
    mean_cpu_m: FloatArray,
    floor_cpu_m: FloatArray,
    excess: FloatArray,
    column: int,
    keep: tuple[float, float],
    promised: bool,
    recent: tuple[FloatArray, FloatArray, FloatArray],
    hits: IntArray,
    tries: IntArray,
    table: FloatArray,
) -> bool:
    """Write what is recent after a load: sums, levels and the next promise into the table.

    Whether the last one was kept is counted in `hits` and `tries`. `times_ms`: of `recent` (its
    sums, levels and promise), of now, and until when is promised. Return whether `nodes` reach
    that far.
    """
    at_ms, now_ms, until_ms = times_ms
    old_sums, old_factor, promised_cpu_m = recent
    sums, factor, band_cpu_m = table[:FACTOR], table[FACTOR:BAND], table[BAND]
    for s in range(len(load_cpu_m)):
        band_cpu_m[s] = 0.0
        for row in range(FACTOR):
            sums[row, s] = old_sums[row, s]
        for row in range(BAND - FACTOR):
            factor[row, s] = old_factor[row, s]
    if now_ms > at_ms:
        middle_ms = at_ms + (now_ms - at_ms) // 2
        row = _after(nodes, middle_ms)
        if row == 0 or row >= nodes.shape[1]:
            return False
        share = (middle_ms - nodes[0, row - 1]) / (nodes[0, row] - nodes[0, row - 1])
        before, after = nodes[1, row - 1], nodes[1, row]
        learn(
            week_cpu_m,
            before,
            after,
            share,
            load_cpu_m,
            floor_cpu_m,
            old_factor[0],
            keep,
            old_sums,
            sums,
            factor,
        )
        hours = at_ms // MS_PER_H, now_ms // MS_PER_H
        _count(hours[0], hours[1], load_cpu_m, promised, promised_cpu_m, hits, tries)
    return _band_within(
        week_cpu_m,
        nodes,
        now_ms,
        now_ms,
        until_ms,
        factor,
        mean_cpu_m,
        floor_cpu_m,
        excess[EACH, column],
        band_cpu_m,
    )


@entry
def trust(
    hits: IntArray, tries: IntArray, least_tries: int, least: float, good: BoolArray
) -> None:
    """Write whose load stayed below its band in at least a share `least` of the tries, if many."""
    tried = 0
    for hour in range(len(tries)):
        tried += tries[hour]
    for s in range(len(good)):
        kept = 0
        for hour in range(len(tries)):
            kept += hits[hour, s]
        good[s] = tried < least_tries or kept / tried >= least


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
    real, table, nodes = given(REAL), given(REAL, 2), given(WHOLE, 2)
    made, kept, counts = written(REAL, 2), given(WHOLE), written(WHOLE, 2)
    excess = given(REAL, 4)
    bands = (table, real, real, excess, WHOLE, WHOLE)
    highest.compile((table, nodes, WHOLE, written(WHOLE), *bands, made))
    recent = mixed(table, table, real)
    fitted = (table, nodes, several(WHOLE, 3), written(REAL), real, real, excess, WHOLE)
    told = (counts, written(WHOLE), made)
    observe.compile((*fitted, several(REAL, 2), FLAG, recent, *told))
    trust.compile((nodes, kept, WHOLE, REAL, written(FLAG)))
