"""UK Carbon Intensity (NESO): average intensity of Great Britain by the half hour; no token.

`GET /intensity/{from}/{to}` (14 days at a time) has actual values, `/intensity/{from}/fw48h` a
forecast. The zone is `GB`, or `GB-1` .. `GB-17` for a region, which has forecasts only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from greensched.carbon import ACTUAL, FORECAST, Labels
from greensched.errors import Finding, UsageError
from greensched.providers.points import (
    Builder,
    Points,
    Settings,
    nothing,
    refuse_marginal,
    rows_in,
)
from greensched.providers.web import base_url
from greensched.units import MS_PER_DAY, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from greensched.providers.points import Query
    from greensched.providers.web import Web

PUBLIC: Final = "https://api.carbonintensity.org.uk"
RANGE_MS: Final = 14 * MS_PER_DAY
HALF_HOUR_MS: Final = 30 * MS_PER_MIN
REGIONS: Final = 17
_ZONE = re.compile(r"GB(?:-([1-9]|1[0-7]))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class UkCarbonIntensity:
    """The source at `url`."""

    name: ClassVar[str] = "uk-carbon-intensity"
    live: ClassVar[bool] = True
    url: str = PUBLIC

    @classmethod
    def named(cls, text: str, settings: Settings) -> Self:
        """Return the source at the address `text`, or at its public one."""
        refuse_marginal(cls.name, settings)
        return cls(url=base_url(text, PUBLIC, cls.name))

    @property
    def place(self) -> str:
        """Return its address."""
        return self.url

    def actual(self, query: Query, web: Web) -> Points:
        """Return measured half hours; a region has none."""
        if self._region(query.zone):
            return nothing(query.zone, self._labels(), "regions have no actual values")
        found = Builder(where=self.name)
        until_ms = min(query.until_ms, query.now_ms)
        for from_ms in range(query.from_ms, until_ms, RANGE_MS):
            end_ms = min(from_ms + RANGE_MS, until_ms)
            path = f"intensity/{_minute(from_ms)}/{_minute(end_ms)}"
            _add(found, web.get(f"{self.url}/{path}"), "actual", ACTUAL)
        return found.points(query.zone, self._labels())

    def forecast(self, query: Query, web: Web) -> Points:
        """Return the forecast of the next 48 hours; the source does not say when it was made."""
        region = self._region(query.zone)
        path = f"intensity/{_minute(query.now_ms)}/fw48h"
        if region:
            path = f"regional/{path}/regionid/{region}"
        answer = web.get(f"{self.url}/{path}")
        if region and isinstance(answer, dict):
            answer = answer.get("data")
        found = Builder(where=self.name)
        _add(found, answer, "forecast", FORECAST)
        return found.points(query.zone, self._labels())

    def _region(self, zone: str) -> str:
        """Return the number of a region, empty for the whole; raises UsageError."""
        match = _ZONE.fullmatch(zone)
        if match is None:
            what, remedy = f"has no zone {zone!r}", f"GB, or GB-1 .. GB-{REGIONS}"
            raise UsageError(Finding(where=self.name, what=what, remedy=remedy))
        return match[1] or ""

    def _labels(self) -> Labels:
        return Labels(basis="direct", source=self.name)


def _minute(time_ms: int) -> str:
    """Return an instant as this source takes it, at the start of its half hour."""
    from datetime import UTC, datetime

    start_s = time_ms // HALF_HOUR_MS * HALF_HOUR_MS // MS_PER_S
    return datetime.fromtimestamp(start_s, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _add(found: Builder, answer: Any, key: str, status: int) -> None:
    rows = answer.get("data") if isinstance(answer, dict) else None
    for row in rows_in(found.where, rows, "'data'"):
        (values,) = rows_in(found.where, [row.get("intensity") or {}], "of intensities")
        found.add(row.get("from"), values.get(key), end=row.get("to"), status=status)
