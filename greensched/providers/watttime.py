"""WattTime, API v3: the marginal operating emissions rate, every 5 minutes, in lb/MWh.

`GET /login` with name and password gives a bearer token for 30 minutes; `GET /v3/historical` (30
days at a time) and `/v3/forecast` (72 hours at most) take a region, which is the zone here. The
average signal (`co2_aoer`) has no forecast.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from greensched.carbon import ACTUAL, FORECAST, Labels, Signal
from greensched.errors import DataError, Finding, OutsideError, UsageError
from greensched.providers.points import (
    Builder,
    Points,
    Settings,
    issued_ms,
    nothing,
    number,
    rows_in,
    unit_factor,
    utc,
)
from greensched.providers.secrets import Secret, needed
from greensched.providers.web import base_url
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_S

if TYPE_CHECKING:
    from greensched.providers.points import Query
    from greensched.providers.web import Web

PUBLIC: Final = "https://api.watttime.org"
USER: Final = "WATTTIME_USER"
PASSWORD: Final = "WATTTIME_PASSWORD"  # noqa: S105 the variable's name
TOKEN_S: Final = 25 * 60.0  # of the 30 minutes that it is valid
RANGE_MS: Final = 30 * MS_PER_DAY
HORIZON_H: Final = 72
STEP_S: Final = 300
SIGNALS: Final[dict[Signal, str]] = {"marginal": "co2_moer", "average": "co2_aoer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WattTime:
    """The source at `url`, with one of its signals."""

    name: ClassVar[str] = "watttime"
    live: ClassVar[bool] = True
    url: str = PUBLIC
    signal: Signal = "marginal"

    @classmethod
    def named(cls, text: str, settings: Settings) -> Self:
        """Return the source at the address `text`, or at its public one."""
        url = base_url(text, PUBLIC, cls.name)
        return cls(url=url, signal=settings.signal or "marginal")

    @property
    def place(self) -> str:
        """Return its address and signal."""
        return f"{self.url} {SIGNALS[self.signal]}"

    def actual(self, query: Query, web: Web) -> Points:
        """Return what was measured."""
        parts = []
        until_ms = min(query.until_ms, query.now_ms)
        for from_ms in range(query.from_ms, until_ms, RANGE_MS):
            end_ms = min(from_ms + RANGE_MS, until_ms)
            asked = {"start": utc(from_ms), "end": utc(end_ms)}
            parts.append(self._answer("historical", asked, query.zone, web))
        return self._points(parts, query.zone, ACTUAL)

    def forecast(self, query: Query, web: Web) -> Points:
        """Return what is forecast; the average signal has none."""
        if self.signal != "marginal":
            return nothing(query.zone, self._labels(), "the average signal has no forecast")
        ahead_h = -(-(query.until_ms - query.now_ms) // MS_PER_H)
        asked = {"horizon_hours": str(min(max(ahead_h, 1), HORIZON_H))}
        answer = self._answer("forecast", asked, query.zone, web)
        return self._points([answer], query.zone, FORECAST)

    def _answer(self, path: str, asked: dict[str, str], zone: str, web: Web) -> dict[str, Any]:
        asked = {"region": zone, "signal_type": SIGNALS[self.signal], **asked}
        answer = web.get(f"{self.url}/v3/{path}", asked, bearer=self._bearer(web))
        good = isinstance(answer, dict) and isinstance(answer.get("data"), list)
        if not good or not isinstance(answer.get("meta"), dict):
            what, remedy = "the answer has no 'data' and 'meta'", "check the address"
            raise DataError(Finding(where=self.name, what=what, remedy=remedy))
        for name in ("region", "signal_type"):
            of = answer["meta"].get(name, asked[name])
            if of != asked[name]:
                what = f"answered for {name.partition('_')[0]} {of!r}, asked for {asked[name]!r}"
                raise DataError(Finding(where=self.name, what=what))
        return dict(answer)

    def _bearer(self, web: Web) -> Secret:
        """Return a token, logged in for anew when the last is about to expire."""
        token, until_s = web.kept.get(self.url, (None, 0.0))
        if token is None or time.monotonic() >= until_s:
            user = os.environ.get(USER, "")
            if not user:
                what, remedy = "needs an account, and there is none", f"set ${USER}, ${PASSWORD}"
                raise UsageError(Finding(where=self.name, what=what, remedy=remedy))
            answer = web.get(f"{self.url}/login", auth=(user, needed(PASSWORD, self.name)))
            text = answer.get("token") if isinstance(answer, dict) else None
            if not isinstance(text, str) or not text.isascii() or not text.isprintable():
                what, remedy = "the login gave no token", "check the address"
                raise OutsideError(Finding(where=self.name, what=what, remedy=remedy))
            token = Secret(text)
            web.kept[self.url] = (token, time.monotonic() + TOKEN_S)
        assert isinstance(token, Secret)
        return token

    def _points(self, answers: list[dict[str, Any]], zone: str, status: int) -> Points:
        found = Builder(where=self.name)
        issued: object = None
        for answer in answers:
            meta = answer["meta"]
            found.factor = unit_factor(self.name, meta.get("units"))
            step_ms = _step_ms(meta.get("data_point_period_seconds", STEP_S))
            issued = meta.get("generated_at") if status == FORECAST else None
            for row in rows_in(self.name, answer["data"], "'data'"):
                found.add(
                    row.get("point_time"), row.get("value"), length_ms=step_ms, status=status
                )
        return found.points(zone, self._labels(issued))

    def _labels(self, issued: object = None) -> Labels:
        return Labels(
            signal=self.signal,
            basis="direct",
            source=self.name,
            issued_at_ms=issued_ms(self.name, issued),
        )


def _step_ms(period_s: object) -> int:
    """Return how long a value holds [ms]; raises DataError for what is no number of seconds."""
    try:
        return round(number(period_s) * MS_PER_S)
    except (ValueError, OverflowError):
        what = f"data_point_period_seconds is {period_s!r}, no number of seconds"
        raise DataError(Finding(where=WattTime.name, what=what)) from None
