"""How instants, lengths and masses are said on the page; templates use these as filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greensched.report.words import DASH, number, signed
from greensched.serve.board import local
from greensched.units import G_PER_KG, MS_PER_H, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from datetime import tzinfo

NAMES: Final = {-1: "yesterday", 0: "today", 1: "tomorrow"}
NEAR_DAYS: Final = 6  # days ahead that are said by the day of the week


def clock(at_ms: int | None, now_ms: int, zone: tzinfo | None) -> str:
    """Return an instant as people say it from now: `today 22:10`, `Tue 03:00`, `24 Nov 03:00`."""
    if at_ms is None:
        return DASH
    at, now = local(at_ms, zone), local(now_ms, zone)
    away = (at.date() - now.date()).days
    day = NAMES.get(away) or (f"{at:%a}" if 0 < away <= NEAR_DAYS else f"{at.day} {at:%b}")
    return f"{day} {at:%H:%M}"


def until(at_ms: int | None, now_ms: int) -> str:
    """Return how far away an instant is: `in 2 h 10 min`, `3 min ago`, `now`."""
    if at_ms is None:
        return DASH
    away_ms = abs(at_ms - now_ms)
    if away_ms < MS_PER_MIN:
        return "now"
    hours, rest_ms = divmod(away_ms, MS_PER_H)
    minutes = rest_ms // MS_PER_MIN
    if hours >= 48:  # noqa: PLR2004 two days, beyond which hours say little
        said = f"{hours // 24:,} days"
    elif hours:
        said = f"{hours} h {minutes} min" if minutes else f"{hours} h"
    else:
        said = f"{minutes} min"
    return f"in {said}" if at_ms > now_ms else f"{said} ago"


def iso(at_ms: int) -> str:
    """Return an instant in ISO 8601, UTC."""
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(at_ms // MS_PER_S, UTC):%Y-%m-%dT%H:%M:%SZ}"


def mass(grams: float, *, sign: bool = False) -> str:
    """Return a mass of CO2e with its unit, in g or kg by size."""
    said = signed if sign else number
    if abs(grams) >= G_PER_KG:
        return f"{said(grams / G_PER_KG, 2)} kg"
    return f"{said(grams, 0 if abs(grams) >= 100 or grams == 0 else 1)} g"  # noqa: PLR2004 digits
