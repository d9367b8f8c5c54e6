"""The Carbon Aware SDK's WebApi (Green Software Foundation), which somebody runs himself.

`GET /emissions/bylocation` has past values, `/emissions/forecasts/current` a forecast, in g/kWh;
the location is the zone here. What kind of signal stands behind it, it does not say: the user has
to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from greensched.carbon import ACTUAL, FORECAST, Labels, Signal
from greensched.errors import DataError, Finding
from greensched.providers.points import (
    Builder,
    Points,
    Settings,
    issued_ms,
    rows_in,
    signal_of,
    utc,
)
from greensched.providers.web import base_url
from greensched.units import MS_PER_DAY, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from greensched.providers.points import Query
    from greensched.providers.web import Web

_SPAN = re.compile(r"(?:(\d{1,6})\.)?(\d{2}):(\d{2}):(\d{2})")  # [days.]hours:minutes:seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonAwareSdk:
    """The source at `url`; `signal` is what its user says it gives."""

    name: ClassVar[str] = "carbon-aware-sdk"
    live: ClassVar[bool] = True
    url: str
    signal: Signal

    @classmethod
    def named(cls, text: str, settings: Settings) -> Self:
        """Return the source at the address `text`; raises UsageError without it or a signal."""
        url = base_url(text, "", cls.name)
        return cls(url=url, signal=signal_of(cls.name, settings))

    @property
    def place(self) -> str:
        """Return its address and signal."""
        return f"{self.url} {self.signal}"

    def actual(self, query: Query, web: Web) -> Points:
        """Return past values."""
        asked = {
            "location": query.zone,
            "time": utc(query.from_ms),
            "toTime": utc(min(query.until_ms, query.now_ms)),
        }
        rows = web.get(f"{self.url}/emissions/bylocation", asked)
        found = Builder(where=self.name)
        for row in self._of_one_place([] if rows is None else rows, "of past values"):
            found.add(
                row.get("time"),
                row.get("rating"),
                length_ms=_span_ms(row.get("duration")),
                status=ACTUAL,
            )
        return found.points(query.zone, self._labels(None))

    def forecast(self, query: Query, web: Web) -> Points:
        """Return the current forecast."""
        asked = {"location": query.zone}
        answer = web.get(f"{self.url}/emissions/forecasts/current", asked)
        found = Builder(where=self.name)
        issued: object = None
        for part in rows_in(self.name, answer, "of forecasts"):
            if part.get("location", query.zone) != query.zone:
                what = f"answered for {part['location']!r}, asked for {query.zone!r}"
                raise DataError(Finding(where=self.name, what=what))
            issued = part.get("generatedAt")
            for row in self._of_one_place(part.get("forecastData"), "of forecastData"):
                minutes = row.get("duration")
                length_ms = minutes * MS_PER_MIN if isinstance(minutes, int) else 0
                found.add(
                    row.get("timestamp"), row.get("value"), length_ms=length_ms, status=FORECAST
                )
        return found.points(query.zone, self._labels(issued))

    def _of_one_place(self, rows: object, what: str) -> list[dict[str, Any]]:
        """Return rows, which name the place that the location stands for at the source behind.

        So it may have another name than asked for; two of them in one answer are refused.
        """
        found = rows_in(self.name, rows, what)
        places = list(dict.fromkeys(str(row["location"]) for row in found if row.get("location")))
        if len(places) > 1:
            told = f"answered for several places: {', '.join(map(repr, places))}"
            raise DataError(Finding(where=self.name, what=told, remedy="ask for one location"))
        return found

    def _labels(self, issued: object) -> Labels:
        made_ms = issued_ms(self.name, issued)
        return Labels(signal=self.signal, source=self.name, issued_at_ms=made_ms)


def _span_ms(text: object) -> int:
    """Return a .NET time span in ms, 0 where it is none."""
    match = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return 0
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return days * MS_PER_DAY + ((hours * 60 + minutes) * 60 + seconds) * MS_PER_S
