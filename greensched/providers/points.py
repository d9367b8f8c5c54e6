"""What a source says, in one form: intervals in UTC with a value each, which may be null.

A `Points` is what a provider makes of an answer and has not been judged yet: `gates` does that.
A value that is not known is NaN, never 0.
"""

from __future__ import annotations

import contextlib
import math
import reprlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from greensched.carbon import FINDINGS_MAX, Labels, Signal
from greensched.errors import DataError, Finding, UsageError
from greensched.units import G_PER_LB, MS_PER_S, MS_PER_YEAR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greensched.carbon import Fill
    from greensched.model import FloatArray, Int8Array, IntArray
    from greensched.providers.web import Web

_G_PER_KWH: Final = {  # as sources spell their units
    "g/kwh": 1.0,
    "gco2/kwh": 1.0,
    "gco2e/kwh": 1.0,
    "gco2eq/kwh": 1.0,
    "kg/mwh": 1.0,
    "kg/kwh": 1_000.0,
    "t/mwh": 1_000.0,
    "lb/mwh": G_PER_LB / 1_000.0,
    "lbs_co2_per_mwh": G_PER_LB / 1_000.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked: `zone`, over `[from_ms, until_ms)`, at the instant `now_ms` [ms, UTC]."""

    zone: str
    from_ms: int
    until_ms: int
    now_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """`values_g_per_kwh[i]` [g CO2e/kWh] or NaN holds on `[start_ms[i], end_ms[i])`; in order.

    `status` has the codes of `carbon`; `notes` what the provider has to say of its answer.
    """

    zone: str
    start_ms: IntArray
    end_ms: IntArray
    values_g_per_kwh: FloatArray
    status: Int8Array
    labels: Labels
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.start_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user says of a source: all that a provider cannot know by itself.

    `signal` is None where the user did not say; a source that cannot tell then refuses.
    """

    signal: Signal | None = None
    unit: str = "g/kWh"
    query: str = ""  # of a source that is asked in its own language
    time_zone: str | None = None
    fill: Fill | None = None
    synthetic: bool = False


class Provider(Protocol):
    """A source of intensity. `live`: its values change, and a value that never does is a fault.

    Its class is registered, and has `named(text, settings)`, which makes one of what stands behind
    `name:` or raises UsageError.

    Both methods may raise `OutsideError` (refused, no answer) or `DataError` (an answer that
    cannot be read). A source without forecasts returns `nothing`.
    """

    @property
    def name(self) -> str:
        """Return the name that it is registered as."""
        ...

    @property
    def live(self) -> bool:
        """Tell whether it is a feed."""
        ...

    @property
    def place(self) -> str:
        """Return where its values come from, without any secret."""
        ...

    def actual(self, query: Query, web: Web) -> Points:
        """Return what is known of the part of the query before now."""
        ...

    def forecast(self, query: Query, web: Web) -> Points:
        """Return what is foretold for the part of the query from now on."""
        ...


@dataclass(slots=True, kw_only=True)
class Builder:
    """Collects the points of one answer; every bad cell becomes a finding."""

    where: str
    factor: float = 1.0  # of the source's unit, to g/kWh
    rows: list[tuple[int, int, float, int]] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)

    def add(
        self, start: object, value: object, *, end: object = None, length_ms: int = 0, status: int
    ) -> None:
        """Add a point from texts of times and a JSON value; without `end` it is `length_ms`."""
        at = f"{self.where} point {len(self.rows) + len(self.found) + 1:,}"
        try:
            start_ms = instant_ms(start)
            end_ms = start_ms + length_ms if end is None else instant_ms(end)
            row = (start_ms, end_ms, number(value) * self.factor, status)
            if end_ms - start_ms > MS_PER_YEAR:
                message = f"lasts over a year from {start!r} on"
                raise ValueError(message)  # noqa: TRY301 told like the others
        except ValueError as error:
            self.found.append(Finding(where=at, what=str(error)))
            return
        if end_ms <= start_ms:
            self.found.append(Finding(where=at, what=f"does not end after its start {start!r}"))
        else:
            self.rows.append(row)

    def points(self, zone: str, labels: Labels, notes: tuple[str, ...] = ()) -> Points:
        """Return the points in order of time; raises DataError with all findings."""
        if self.found:
            rest = [Finding(where=self.where, what=f"{len(self.found):,} bad points in all")]
            cut = len(self.found) > FINDINGS_MAX
            raise DataError(*self.found[:FINDINGS_MAX], *(rest if cut else ()))
        return points_of(zone, sorted(self.rows), labels, notes)


def rows_in(where: str, rows: object, what: str) -> list[dict[str, Any]]:
    """Return a list of objects of an answer; raises DataError where it is none."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        remedy = "check the address: another service may answer there"
        raise DataError(Finding(where=where, what=f"the answer has no list {what}", remedy=remedy))
    return rows


def issued_ms(where: str, text: object) -> int | None:
    """Return when a forecast was made [ms since 1970 UTC]; DataError for what is no time."""
    try:
        return None if text is None else instant_ms(text)
    except ValueError as error:
        raise DataError(Finding(where=where, what=f"the forecast was made {error}")) from None


def signal_of(where: str, settings: Settings) -> Signal:
    """Return what the user says that values are, of a source that cannot; raises UsageError."""
    if settings.signal is None:
        what, remedy = "does not say what its values are", "--signal average or marginal"
        raise UsageError(Finding(where=where, what=what, remedy=remedy))
    return settings.signal


def refuse_marginal(where: str, settings: Settings) -> None:
    """Raise UsageError where the marginal signal is wanted of a source of average ones."""
    if settings.signal == "marginal":
        what, remedy = "gives the average signal only", "watttime is marginal"
        raise UsageError(Finding(where=where, what=what, remedy=remedy))


def points_of(
    zone: str,
    rows: Iterable[tuple[int, int, float, int]],
    labels: Labels,
    notes: tuple[str, ...] = (),
) -> Points:
    """Return rows of (start [ms], end [ms], value [g/kWh], status) as points."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return Points(
        zone=zone,
        start_ms=np.array(columns[0], np.int64),
        end_ms=np.array(columns[1], np.int64),
        values_g_per_kwh=np.array(columns[2], np.float64),
        status=np.array(columns[3], np.int8),
        labels=labels,
        notes=notes,
    )


def nothing(zone: str, labels: Labels, *notes: str) -> Points:
    """Return no points at all, and why."""
    return points_of(zone, (), labels, notes)


def instant_ms(text: object) -> int:
    """Return an ISO 8601 time as ms since 1970 UTC; minutes are enough, an offset must be.

    Raises ValueError for what is no such time, and for one without an offset.
    """
    try:
        time = datetime.fromisoformat(str(text).strip())
    except ValueError:
        message = f"{text!r} is no ISO 8601 time"
        raise ValueError(message) from None
    if time.tzinfo is None:
        message = f"{text!r} has no offset: it could mean any hour"
        raise ValueError(message)
    return round(time.timestamp() * MS_PER_S)


def number(value: object) -> float:
    """Return a JSON number, NaN for null; raises ValueError for anything else."""
    if value is None:
        return math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # of a whole number beyond every float
            if math.isfinite(value):
                return float(value)
    message = f"{reprlib.repr(value)} is no finite number"
    raise ValueError(message)


def known_factor(unit: object) -> float | None:
    """Return what a value in `unit` is multiplied with to be g/kWh, None where it is not known."""
    return _G_PER_KWH.get(str(unit).lower())


def unit_factor(where: str, unit: object) -> float:
    """Return what a value in `unit` is multiplied with to be g/kWh; DataError if not known."""
    factor = known_factor(unit)
    if factor is None:
        what = f"the unit {unit!r} is not known"
        raise DataError(Finding(where=where, what=what, remedy=f"known: {', '.join(_G_PER_KWH)}"))
    return factor


def utc(time_ms: int) -> str:
    """Return an instant as APIs take it: `2026-03-01T00:00:00Z`."""
    return datetime.fromtimestamp(time_ms // MS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
