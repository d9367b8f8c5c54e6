"""Time zones: those that users name, and what their clocks do.

Every change of a zone's offset since 1970 is at a quarter-hour, so that a table of the quarters
that occur in a file tells the offset of each of its local times.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from greensched.errors import Finding, UsageError
from greensched.units import MS_PER_MIN, MS_PER_S

QUARTER_MS = 15 * MS_PER_MIN
OFFSET = re.compile(r"([+-])(0?\d|1[0-8])(?::?([0-5]\d))?")


def zone_rows(zone: str, quarters: list[int]) -> list[tuple[int, int, int]]:
    """Return (quarter, offset [ms], state) of local quarter-hours since 1970 in `zone`.

    State 0 is well, 1 a time that clocks skip, 2 one that they repeat. Raises UsageError for a
    zone that is not known.
    """
    place = zone_of(zone)
    rows = []
    for quarter in quarters:
        local = datetime(1970, 1, 1) + timedelta(milliseconds=quarter * QUARTER_MS)  # noqa: DTZ001
        first, second = (local.replace(tzinfo=place, fold=f).utcoffset() for f in (0, 1))
        assert first is not None
        assert second is not None
        state = 0 if first == second else (2 if first > second else 1)
        rows.append((quarter, int(first.total_seconds()) * MS_PER_S, state))
    return rows


def zone_of(text: str) -> timezone | ZoneInfo:
    """Return the zone called `text`: an IANA name, UTC, or an offset; raise UsageError."""
    if text.upper() in ("UTC", "Z"):
        return UTC
    if stated := OFFSET.fullmatch(text):
        sign, hours, minutes = stated.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        return timezone(offset if sign == "+" else -offset)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        what = f"unknown time zone {text!r}"
        remedy = "give an IANA name such as Europe/Berlin, or an offset such as +08:00"
        raise UsageError(Finding(where="--time-zone", what=what, remedy=remedy)) from error
