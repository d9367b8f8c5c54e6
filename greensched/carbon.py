"""Carbon intensity of a grid zone as a step function of time.

Times here are integer milliseconds since 1970-01-01T00:00Z, intervals half-open. A value that is
not known is None or an error, never zero, and no zone is ever assumed. What was filled is
recorded in the value itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from greensched.errors import DataError, Finding, plural
from greensched.units import MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, Int8Array, IntArray

Signal: TypeAlias = Literal["average", "marginal"]
Basis: TypeAlias = Literal["direct", "lifecycle", "unstated"]
ACTUAL, ESTIMATED, FORECAST = 0, 1, 2  # of a value: measured, modelled afterwards, foretold
STATUS_NAMES: Final = ("actual", "estimated", "forecast")

INTENSITY_LIMIT_G_PER_KWH: Final = 2_000.0  # no grid is dirtier: a unit was mistaken
FROZEN_MS: Final = MS_PER_DAY  # a value that stays this long is reported
FOREVER_MS: Final = 2**60  # bound of a series that never ends
FINDINGS_MAX: Final = 20  # of one class in one error


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """How gaps are filled when the user asks for it: `hold` the last value or `interpolate`.

    A gap longer than `longest_ms` [ms] stays an error.
    """

    kind: Literal["hold", "interpolate"]
    longest_ms: int = 6 * MS_PER_H


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What a source says of its values, or its user of the source.

    `assumed` is one value that was given for all hours: no meter stands behind an hour of it.
    `issued_at_ms` is when a forecast was made [ms since 1970 UTC].
    """

    signal: Signal = "average"
    basis: Basis = "unstated"
    vintage: str = ""
    synthetic: bool = False
    assumed: bool = False
    source: str = ""
    checksum: str = ""
    issued_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonIntensity:
    """`values_g_per_kwh[i]` [g CO2e/kWh] holds on `[edges_ms[i], edges_ms[i + 1])`.

    `labels.basis` says whether the values count combustion only (`direct`) or the plants' whole
    life. `filled[i]` marks values that were not in the source; `status[i]` says whether a value is
    `ACTUAL` (all are, where it is empty), `ESTIMATED` or `FORECAST`. Raises DataError with all
    findings when a value is not above 0 and at most 2,000 g/kWh or the edges do not rise.
    """

    zone: str
    edges_ms: IntArray
    values_g_per_kwh: FloatArray
    labels: Labels = field(default_factory=Labels)
    filled: BoolArray = field(default_factory=lambda: np.empty(0, np.bool_))
    findings: tuple[str, ...] = ()
    status: Int8Array = field(default_factory=lambda: np.empty(0, np.int8))

    def __post_init__(self) -> None:
        """Check values and edges."""
        steps = len(self.values_g_per_kwh)
        if steps == 0 or len(self.edges_ms) != steps + 1:
            raise DataError(
                Finding(where=self.zone, what="no steps, or edges do not match values")
            )
        if bool(np.any(np.diff(self.edges_ms) <= 0)):
            raise DataError(Finding(where=self.zone, what="the edges of the steps do not rise"))
        check_values(self.zone, self.edges_ms[:-1], self.values_g_per_kwh)

    def at(self, time_ms: int) -> float | None:
        """Return the intensity [g/kWh] at `time_ms`, None where the series has none."""
        if not self.edges_ms[0] <= time_ms < self.edges_ms[-1]:
            return None
        i = int(np.searchsorted(self.edges_ms, time_ms, side="right")) - 1
        return float(self.values_g_per_kwh[i])

    def mean(self, start_ms: int, end_ms: int) -> float | None:
        """Return the time mean [g/kWh] over `[start_ms, end_ms)`, None if not all is known."""
        if end_ms <= start_ms or not self._covers(start_ms, end_ms):
            return None
        edges_ms, values = self.window(start_ms, end_ms - start_ms)
        return float(np.dot(values, np.diff(edges_ms)) / (end_ms - start_ms))

    def window(self, start_ms: int, window_ms: int) -> tuple[IntArray, FloatArray]:
        """Return edges [ms since `start_ms`] and values [g/kWh] of the window.

        Raises DataError where the series does not cover all of it.
        """
        first, last = self._steps(start_ms, window_ms)
        edges_ms = self.edges_ms[first : last + 1] - start_ms
        edges_ms[0] = 0
        edges_ms[-1] = window_ms
        return edges_ms, self.values_g_per_kwh[first:last].copy()

    def window_filled(self, start_ms: int, window_ms: int) -> BoolArray:
        """Return, for each step of the window, whether its value was filled in."""
        first, last = self._steps(start_ms, window_ms)
        if not len(self.filled):
            return np.zeros(last - first, np.bool_)
        return self.filled[first:last].copy()

    def window_status(self, start_ms: int, window_ms: int) -> Int8Array:
        """Return, for each step of the window, its status code."""
        first, last = self._steps(start_ms, window_ms)
        if not len(self.status):
            return np.zeros(last - first, np.int8)
        return self.status[first:last].copy()

    @property
    def is_constant(self) -> bool:
        """Tell whether all values are one: no shift in time can save anything."""
        return bool(np.all(self.values_g_per_kwh == self.values_g_per_kwh[0]))

    def _covers(self, start_ms: int, end_ms: int) -> bool:
        return bool(self.edges_ms[0] <= start_ms and end_ms <= self.edges_ms[-1])

    def _steps(self, start_ms: int, window_ms: int) -> tuple[int, int]:
        end_ms = start_ms + window_ms
        if window_ms <= 0 or not self._covers(start_ms, end_ms):
            raise DataError(
                Finding(
                    where=f"{self.labels.source or 'intensity'}, zone {self.zone}",
                    what=f"covers {iso(int(self.edges_ms[0]))} to {iso(int(self.edges_ms[-1]))}, "
                    f"not all of {iso(start_ms)} to {iso(end_ms)}",
                    remedy="move the window or give a longer series",
                )
            )
        first = int(np.searchsorted(self.edges_ms, start_ms, side="right")) - 1
        return first, int(np.searchsorted(self.edges_ms, end_ms, side="left"))


def hourly_means(series: CarbonIntensity, start_ms: int, end_ms: int) -> FloatArray:
    """Return the mean [g/kWh] of each hour from `start_ms` to `end_ms`, whole hours apart."""
    edges_ms, values = series.window(start_ms, end_ms - start_ms)
    upto = np.concatenate([[0.0], np.cumsum(values * np.diff(edges_ms))])
    marks = np.arange(0, end_ms - start_ms + 1, MS_PER_H)
    means: FloatArray = np.diff(np.interp(marks, edges_ms, upto)) / MS_PER_H
    return means


def iso(time_ms: int) -> str:
    """Return `time_ms` as ISO 8601 UTC to the second, or words where it has no calendar date."""
    if abs(time_ms) > FOREVER_MS // 2**10:
        return "ever"
    return f"{np.datetime64(time_ms, 'ms').astype('datetime64[s]')}Z"


def check_values(where: str, times_ms: IntArray, values_g_per_kwh: FloatArray) -> None:
    """Raise DataError unless every value is above 0 and at most 2,000 g/kWh."""
    good = (values_g_per_kwh > 0.0) & (values_g_per_kwh <= INTENSITY_LIMIT_G_PER_KWH)
    bad = np.flatnonzero(~good)
    if not len(bad):
        return
    findings = [
        Finding(
            where=f"{where} {iso(int(times_ms[i]))}",
            what=f"{float(values_g_per_kwh[i])!r} g/kWh is not above 0 and at most "
            f"{INTENSITY_LIMIT_G_PER_KWH:,.0f}",
            remedy="give grams of CO2e per kWh; leave unknown values blank",
        )
        for i in bad[:FINDINGS_MAX]
    ]
    if len(bad) > FINDINGS_MAX:
        findings.append(Finding(where=where, what=f"{len(bad):,} such values in all"))
    raise DataError(*findings)


def from_samples(
    zone: str,
    times_ms: IntArray,
    values_g_per_kwh: FloatArray,
    *,
    fill: Fill | None = None,
    labels: Labels | None = None,
) -> CarbonIntensity:
    """Return the step function of evenly spaced samples; NaN or a missing time is a gap.

    The step is the smallest difference between neighbouring times; each value holds until the
    next. Equal rows are dropped and rows out of order sorted, both counted in `findings`. Raises
    DataError for two values at one time, uneven times, gaps without `fill` or longer than it
    allows, and values out of range.
    """
    labels = labels or Labels()
    where = labels.source or f"zone {zone}"
    times, values, notes = _in_order(where, times_ms, values_g_per_kwh)
    if not len(times):
        raise DataError(Finding(where=where, what=f"zone {zone!r} has no values"))
    step_ms = int(np.diff(times).min()) if len(times) > 1 else MS_PER_H
    slots = (times - times[0]) // step_ms
    if bool(np.any((times - times[0]) % step_ms)):
        i = int(np.flatnonzero((times - times[0]) % step_ms)[0])
        raise DataError(
            Finding(
                where=where,
                what=f"{iso(int(times[i]))} is not on the grid of {step_ms / MS_PER_H:g} h",
                remedy="give evenly spaced times",
            )
        )
    series = np.full(int(slots[-1]) + 1, np.nan)
    series[slots] = values
    grid_ms = times[0] + step_ms * np.arange(len(series) + 1, dtype=np.int64)
    missing = np.isnan(series)
    known = ~missing
    if known.any():
        check_values(where, grid_ms[:-1][known], series[known])
    series, fill_notes = _filled(where, zone, grid_ms, series, fill)
    return CarbonIntensity(
        zone=zone,
        edges_ms=grid_ms,
        values_g_per_kwh=series,
        labels=labels,
        filled=missing,
        findings=(*notes, *fill_notes, *frozen_notes(grid_ms, series)),
    )


def _in_order(
    where: str, times_ms: IntArray, values: FloatArray
) -> tuple[IntArray, FloatArray, list[str]]:
    """Return rows sorted and without repeats, and what was done."""
    notes = []
    if bool(np.any(np.diff(times_ms) < 0)):
        late = int(np.sum(np.diff(times_ms) < 0))
        notes.append(f"{where}: sorted, {plural(late, 'row')} earlier than the one before")
        order = np.argsort(times_ms, kind="stable")
        times_ms, values = times_ms[order], values[order]
    repeat = np.flatnonzero(np.diff(times_ms) == 0) + 1
    if not len(repeat):
        return times_ms, values, notes
    differs = repeat[
        ~((values[repeat] == values[repeat - 1]) | np.isnan(values[repeat] + values[repeat - 1]))
        | (np.isnan(values[repeat]) != np.isnan(values[repeat - 1]))
    ]
    if len(differs):
        raise DataError(
            *(
                Finding(
                    where=f"{where} {iso(int(times_ms[i]))}",
                    what=f"two values: {float(values[i - 1]):g} and {float(values[i]):g} g/kWh",
                    remedy="keep one of them",
                )
                for i in differs[:FINDINGS_MAX]
            )
        )
    notes.append(f"{where}: {len(repeat):,} repeated rows dropped")
    keep = np.ones(len(times_ms), np.bool_)
    keep[repeat] = False
    return times_ms[keep], values[keep], notes


def _runs(mask: BoolArray) -> list[tuple[int, int]]:
    """Return the half-open ranges of rows in which `mask` is set."""
    flips = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(flips[::2], flips[1::2], strict=True)]


def _filled(
    where: str, zone: str, grid_ms: IntArray, series: FloatArray, fill: Fill | None
) -> tuple[FloatArray, list[str]]:
    """Return the series without gaps and a note of what was filled, or raise DataError."""
    gaps = _runs(np.isnan(series))
    if not gaps:
        return series, []
    refused = [
        (a, b)
        for a, b in gaps
        if fill is None
        or grid_ms[b] - grid_ms[a] > fill.longest_ms
        or a == 0
        or (b == len(series) and fill.kind == "interpolate")
    ]
    if refused:
        where = where if zone in where else f"{where} zone {zone}"  # a wide file has several
        hours = sum(int(grid_ms[b] - grid_ms[a]) for a, b in gaps) / MS_PER_H
        raise DataError(
            *(
                Finding(
                    where=f"{where} {iso(int(grid_ms[a]))}",
                    what=f"no value for {int(grid_ms[b] - grid_ms[a]) / MS_PER_H:g} h",
                    remedy="fill it, by hold or interpolate: --fill hold, in a scenario fill: hold"
                    if fill is None
                    else f"longer than the longest gap allowed, or at an end ({fill.kind}, up to "
                    f"{fill.longest_ms / MS_PER_H:g} h); --fill {fill.kind}:24h allows a day",
                )
                for a, b in refused[:FINDINGS_MAX]
            ),
            Finding(where=where, what=f"{plural(len(gaps), 'gap')}, {hours:g} h in all"),
        )
    known = np.flatnonzero(~np.isnan(series))
    steps = np.arange(len(series))
    kind = fill.kind if fill else ""
    if kind == "hold":
        series = series[known[np.searchsorted(known, steps, side="right") - 1]]
    else:
        series = np.interp(steps, known, series[known])
    longest = max(int(grid_ms[b] - grid_ms[a]) for a, b in gaps) / MS_PER_H
    hours = sum(int(grid_ms[b] - grid_ms[a]) for a, b in gaps) / MS_PER_H
    return series, [
        (
            f"{where}: {hours:g} h in {plural(len(gaps), 'gap')} filled ({kind}), "
            f"longest {longest:g} h"
        )
    ]


def frozen_notes(edges_ms: IntArray, values_g_per_kwh: FloatArray) -> list[str]:
    """Return a warning where a value stays the same for more than a day."""
    change = np.flatnonzero(np.diff(values_g_per_kwh)) + 1
    starts = np.concatenate(([0], change))
    ends = np.concatenate((change, [len(values_g_per_kwh)]))
    spans_ms = edges_ms[ends] - edges_ms[starts]
    frozen = np.flatnonzero((spans_ms > FROZEN_MS) & (ends - starts > 1))
    if not len(frozen):
        return []
    longest = int(frozen[np.argmax(spans_ms[frozen])])
    since = iso(int(edges_ms[starts[longest]]))
    hours = int(spans_ms[longest]) / MS_PER_H
    return [
        (
            f"one value for over a day, {plural(len(frozen), 'time')}; "
            f"longest from {since} for {hours:g} h"
        )
    ]
