"""Carbon intensity on a grid of ticks, with prefix sums: any window's emissions in O(1)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.carbon import iso
from greensched.errors import DataError, Finding, UsageError
from greensched.units import MS_PER_YEAR

if TYPE_CHECKING:
    from greensched.carbon import CarbonIntensity
    from greensched.model import FloatArray, IntArray

EXACT: Final = 2**53  # integers up to here are floats too
SPAN_MAX_MS: Final = 100 * MS_PER_YEAR  # of a series that is one constant
DIGITS_MAX: Final = 12  # decimals of a value that decisions can tell apart


@dataclass(frozen=True, slots=True, kw_only=True)
class TickIntensity:
    """`values_g_per_kwh[i]` [g CO2e/kWh] holds on the ticks of slot i, `width` ticks each.

    Tick t lies in slot (t + lead) // width; the data ends before tick `length`. `zero_ms` is what
    the local wall clock shows at tick 0 [ms since 1970-01-01T00:00 of that clock].

    Decisions compare sums of whole numbers, so that equal emissions are equal whatever was summed
    in which order: values are rounded to as many decimals (12 at most) as keep the sum of the
    whole series exact in a float. What is reported comes from the values themselves.
    """

    values_g_per_kwh: FloatArray
    width: int = 1
    lead: int = 0
    length: int
    tick_ms: int
    zero_ms: int = 0
    scale: float = field(init=False)  # units in 1 g/kWh
    units: IntArray = field(init=False)  # rounded values, and a 0 behind the end
    upto: IntArray = field(init=False)  # sum of units x ticks before each slot

    def __post_init__(self) -> None:
        """Make the prefix sums."""
        values = self.values_g_per_kwh
        assert 0 <= self.lead < self.width
        assert 0 < self.length + self.lead <= self.width * len(values)
        total = float(np.abs(values).sum()) * self.width
        digits = math.floor(math.log10(EXACT / total)) if total > 0 else DIGITS_MAX
        scale = 10.0 ** min(digits, DIGITS_MAX)
        object.__setattr__(self, "scale", scale)
        units = np.append(np.rint(values * scale).astype(np.int64), 0)
        object.__setattr__(self, "units", units)
        upto = np.concatenate(([0], np.cumsum(units[:-1] * self.width)))
        object.__setattr__(self, "upto", upto)

    def held_until(self, length: int) -> TickIntensity:
        """Return the series with its last value held, if need be, until before tick `length`."""
        more = -(-(length - self.length) // self.width)
        if more <= 0:
            return self
        last = np.full(more, self.values_g_per_kwh[-1])
        return replace(
            self,
            values_g_per_kwh=np.concatenate((self.values_g_per_kwh, last)),
            length=self.length + more * self.width,
        )

    def slot(self, tick: IntArray) -> IntArray:
        """Return the slot that each tick lies in."""
        found: IntArray = (tick + self.lead) // self.width
        return found

    def edge(self, slot: IntArray) -> IntArray:
        """Return the first tick of each slot; that of slot 0 may be negative."""
        first: IntArray = slot * self.width - self.lead
        return first

    def edges_within(self, first: int, stop: int) -> IntArray:
        """Return the first ticks of the slots that begin within `(first, stop)`."""
        low, high = (first + self.lead) // self.width + 1, (stop - 1 + self.lead) // self.width
        return np.arange(low, high + 1) * self.width - self.lead

    def emitted(self, start: IntArray, stop: IntArray) -> IntArray:
        """Return the sum of the rounded values over the ticks of each `[start, stop)`."""
        total: IntArray = self._before(stop) - self._before(start)
        return total

    def _before(self, tick: IntArray) -> IntArray:
        at = tick + self.lead
        slot = at // self.width
        before: IntArray = self.upto[slot] + self.units[slot] * (at - slot * self.width)
        return before


def on_ticks(
    series: CarbonIntensity, *, zero_ms: int, tick_ms: int, offset_ms: int = 0
) -> TickIntensity:
    """Return `series` from the instant `zero_ms` [ms since 1970, UTC] on, in ticks of `tick_ms`.

    `offset_ms` is the local clock's distance from UTC. A tick that is longer than the series' step
    has the mean over it. Raises DataError where the series does not reach back to `zero_ms`, and
    UsageError where ticks and steps do not fit each other.
    """
    step_ms = int(np.diff(series.edges_ms).min())
    first_ms, last_ms = int(series.edges_ms[0]), int(series.edges_ms[-1])
    where = f"{series.labels.source or 'intensity'}, zone {series.zone}"
    if not first_ms <= zero_ms < last_ms:
        what = f"covers {iso(first_ms)} to {iso(last_ms)}, not {iso(zero_ms)}"
        raise DataError(Finding(where=where, what=what, remedy="move --from into it"))
    if len(series.values_g_per_kwh) == 1:  # it may last for ever, which no integer holds
        first_ms, last_ms = zero_ms, min(last_ms, zero_ms + SPAN_MAX_MS)
        step_ms = (last_ms - first_ms) // tick_ms * tick_ms
    lead_ms = (zero_ms - first_ms) % step_ms
    if tick_ms > step_ms:
        parts, misfit = tick_ms // step_ms, tick_ms % step_ms or lead_ms
        width, lead = 1, 0
    else:
        parts, misfit = 1, step_ms % tick_ms or lead_ms % tick_ms
        width, lead = step_ms // tick_ms, lead_ms // tick_ms
    if misfit:
        what = f"ticks of {tick_ms / 1_000:g} s from {iso(zero_ms)} do not fit its steps"
        remedy = f"take a tick that divides {step_ms / 1_000:g} s, and an instant on that grid"
        raise UsageError(Finding(where=where, what=what, remedy=remedy))
    values = series.values_g_per_kwh
    if len(values) > 1:
        values = np.repeat(values, np.diff(series.edges_ms) // step_ms)
    values = values[(zero_ms - first_ms) // step_ms :]
    values = values[: len(values) // parts * parts].reshape(-1, parts).mean(axis=1)
    return TickIntensity(
        values_g_per_kwh=values,
        width=width,
        lead=lead,
        length=width * len(values) - lead,
        tick_ms=tick_ms,
        zero_ms=zero_ms + offset_ms,
    )
