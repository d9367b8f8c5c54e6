"""Electricity Maps, API v3: average intensity of a zone, hourly; a token is needed.

`GET /v3/carbon-intensity/{history,past-range,forecast}` with the header `auth-token`. History is
the last 24 hours; past-range takes 10 days at a time; forecasts reach 72 hours at most. A free
token has history only: past and forecast then answer 403.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from greensched.carbon import ACTUAL, ESTIMATED, FORECAST, Labels
from greensched.errors import DataError, Finding
from greensched.providers.points import (
    Builder,
    Points,
    Settings,
    issued_ms,
    refuse_marginal,
    rows_in,
    utc,
)
from greensched.providers.secrets import needed
from greensched.providers.web import base_url
from greensched.units import MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.providers.points import Query
    from greensched.providers.web import Web

PUBLIC: Final = "https://api.electricitymaps.com"
TOKEN: Final = "ELECTRICITY_MAPS_TOKEN"  # noqa: S105 the variable's name
HISTORY_MS: Final = MS_PER_DAY
RANGE_MS: Final = 10 * MS_PER_DAY
HORIZONS_H: Final = (6, 24, 48, 72)


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectricityMaps:
    """The source at `url`."""

    name: ClassVar[str] = "electricity-maps"
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
        """Return measured and estimated hours."""
        found = Builder(where=self.name)
        until_ms = min(query.until_ms, query.now_ms)
        if query.from_ms >= query.now_ms - HISTORY_MS:
            rows = self._rows("history", "history", {"zone": query.zone}, query, web)
            _add(found, rows)
        else:
            for from_ms in range(query.from_ms, until_ms, RANGE_MS):
                end_ms = min(from_ms + RANGE_MS, until_ms)
                asked = {"zone": query.zone, "start": utc(from_ms), "end": utc(end_ms)}
                _add(found, self._rows("past-range", "data", asked, query, web))
        return found.points(query.zone, self._labels(None))

    def forecast(self, query: Query, web: Web) -> Points:
        """Return forecast hours."""
        ahead_h = -(-(query.until_ms - query.now_ms) // MS_PER_H)
        horizon_h = next((h for h in HORIZONS_H if h >= ahead_h), HORIZONS_H[-1])
        asked = {"zone": query.zone, "horizonHours": str(horizon_h)}
        answer = self._answer("forecast", asked, web)
        found = Builder(where=self.name)
        for row in _list(answer, "forecast", query.zone):
            found.add(
                row.get("datetime"),
                row.get("carbonIntensity"),
                length_ms=MS_PER_H,
                status=FORECAST,
            )
        issued = answer.get("updatedAt")
        return found.points(query.zone, self._labels(issued))

    def _rows(
        self, path: str, key: str, asked: dict[str, str], query: Query, web: Web
    ) -> Iterator[dict[str, Any]]:
        yield from _list(self._answer(path, asked, web), key, query.zone)

    def _answer(self, path: str, asked: dict[str, str], web: Web) -> Any:
        # Without this an unknown zone is answered with that of the caller's own address.
        asked = {**asked, "shouldUseFallbackCallerLookup": "false"}
        headers = {"auth-token": needed(TOKEN, self.name)}
        return web.get(f"{self.url}/v3/carbon-intensity/{path}", asked, headers=headers)

    def _labels(self, issued: object) -> Labels:
        return Labels(
            basis="lifecycle",
            source=self.name,
            issued_at_ms=issued_ms(self.name, issued),
        )


def _add(found: Builder, rows: Iterator[dict[str, Any]]) -> None:
    for row in rows:
        found.add(
            row.get("datetime"),
            row.get("carbonIntensity"),
            length_ms=MS_PER_H,
            status=ESTIMATED if row.get("isEstimated") is True else ACTUAL,
        )


def _list(answer: Any, key: str, zone: str) -> list[dict[str, Any]]:
    """Return the rows of an answer; raises DataError where it has none or is of another zone."""
    where = ElectricityMaps.name
    rows = rows_in(where, answer.get(key) if isinstance(answer, dict) else None, repr(key))
    of = answer.get("zone", zone)
    if of != zone:
        raise DataError(Finding(where=where, what=f"answered for zone {of!r}, asked for {zone!r}"))
    return rows
