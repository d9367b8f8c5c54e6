"""Local hours of the week: time zone, changes of the clock, holidays and worked weekend days.

Time is cut into local hours, each known by its centre. An hour has one of 336 slots: 0..167 are
the hours of an ordinary week from Monday 00:00; 168..335 the same hours of a day that breaks its
week: a holiday on a working day, or a weekend day on which people work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from greensched.errors import Finding, UsageError
from greensched.units import H_PER_DAY, MS_PER_H, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.model import IntArray

DAYS_PER_WEEK: Final = 7
WEEK_SLOTS: Final = DAYS_PER_WEEK * H_PER_DAY
SLOTS: Final = 2 * WEEK_SLOTS
SUNDAY: Final = 6
_HALF_PAST: Final = 30  # the minute at which an hour has its centre
_QUARTER_MS: Final = 15 * MS_PER_MIN  # every change of an offset since 1970 is on this grid
_WEEKEND: Final = frozenset({5, 6})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Local hours in order: the instant of each one's centre and its slot."""

    at_ms: tuple[int, ...]  # since the scenario's start
    slot: tuple[int, ...]  # 0 .. SLOTS - 1
    nodes: IntArray = field(init=False, repr=False, compare=False)  # [2, N] both, for loops

    def __post_init__(self) -> None:
        """Make the table of both."""
        nodes = np.array([self.at_ms, self.slot], np.int64)
        nodes.flags.writeable = False
        object.__setattr__(self, "nodes", nodes)

    def slots_of(self, at_ms: IntArray) -> IntArray:
        """Return the slot of the hour that each instant lies in."""
        ends_ms = np.array(self.at_ms, np.int64) + MS_PER_H // 2
        slots: IntArray = np.array(self.slot, np.int64)[ends_ms.searchsorted(at_ms, "right")]
        return slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Where the users live: their clock and their holidays.

    `time_zone` is an IANA name, an offset such as `+08:00`, or `UTC`; `country` an ISO 3166 code
    as the package `holidays` knows it, empty for no holidays; `subdivision` a part of it.
    `zero_utc_ms` is the scenario's time 0 [ms since 1970-01-01T00:00Z].
    """

    time_zone: str = "UTC"
    country: str = ""
    subdivision: str = ""
    zero_utc_ms: int = 0

    def __post_init__(self) -> None:
        """Refuse zones and countries that nobody knows (`UsageError`)."""
        _zone(self.time_zone)
        _days(self.country, self.subdivision)

    def hours(self, from_ms: int, until_ms: int) -> Hours:
        """Return the local hours of `[from_ms, until_ms]` and two more at either end.

        Where the clock is put forward an hour of the week is missing, where it is put back one
        comes twice.
        """
        zone = _zone(self.time_zone)
        breaks_week = _days(self.country, self.subdivision)[0]
        at_ms, slots = [], []
        broken: dict[date, bool] = {}
        t = (self.zero_utc_ms + from_ms - 2 * MS_PER_H) // _QUARTER_MS * _QUARTER_MS
        last = self.zero_utc_ms + until_ms + 2 * MS_PER_H
        while t <= last:
            local = datetime.fromtimestamp(t / MS_PER_S, zone)
            if local.minute != _HALF_PAST:
                t += _QUARTER_MS
                continue
            day = local.date()
            if day not in broken:
                broken[day] = breaks_week(day)
            slot = local.weekday() * H_PER_DAY + local.hour
            at_ms.append(t - self.zero_utc_ms)
            slots.append(slot + WEEK_SLOTS * broken[day])
            t += MS_PER_H
        return Hours(at_ms=tuple(at_ms), slot=tuple(slots))

    def stand_ins(self) -> IntArray:
        """Return the weekday [7] that each weekday resembles when it breaks its week.

        A holiday resembles the last day of the weekend (Sunday in most countries), a worked
        weekend day the working day nearest to it.
        """
        weekend = _days(self.country, self.subdivision)[1]
        rest = SUNDAY if SUNDAY in weekend else max(weekend, default=SUNDAY)
        days = []
        for day in range(DAYS_PER_WEEK):
            before = (day - 1) % DAYS_PER_WEEK
            worked = before if before not in weekend else (day + 1) % DAYS_PER_WEEK
            days.append(worked if day in weekend else rest)
        return np.array(days, np.int64)


def _zone(text: str) -> tzinfo:
    """Return the zone called `text`."""
    if text.upper() in {"UTC", "Z"}:
        return UTC
    try:
        if text[:1] in {"+", "-"}:
            stated = f"{text}:00" if len(text) == len("+08") else text
            return datetime.strptime(stated, "%z").tzinfo or UTC
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        what = f"unknown time zone {text!r}"
        remedy = "give an IANA name such as Europe/Berlin, or an offset such as +08:00"
        raise UsageError(Finding(where="time_zone", what=what, remedy=remedy)) from error


def _days(country: str, subdivision: str) -> tuple[Callable[[date], bool], frozenset[int]]:
    """Return who tells whether a day breaks its week, and the weekdays of the weekend."""
    if not country:
        return (lambda _day: False), _WEEKEND
    import holidays

    try:
        days = holidays.country_holidays(country, subdiv=subdivision or None)
    except NotImplementedError as error:
        what = f"no holidays known for {country!r} {subdivision!r}".rstrip(" '") + "'"
        where, remedy = "country", "give an ISO 3166 code such as CN or US, or none"
        if subdivision and country in holidays.list_supported_countries():
            where, parts = "subdivision", holidays.list_supported_countries()[country]
            remedy = f"of {country} there are {', '.join(parts)}" if parts else "leave it out"
        raise UsageError(Finding(where=where, what=what, remedy=remedy)) from error
    weekend = frozenset(days.weekend)

    def breaks_week(day: date) -> bool:
        off = day in days  # also fills in the year, worked weekends with it
        return day in days.weekend_workdays if day.weekday() in weekend else off

    return breaks_week, weekend
