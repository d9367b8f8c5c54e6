"""Prometheus: a metric of intensity by `query_range`; past only, a forecast is made of it.

`GET /api/v1/query_range?query&start&end&step`. The query is the user's; `$zone` in it stands for
the zone. A bearer token is sent where `$PROMETHEUS_TOKEN` has one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeGuard

from greensched.carbon import ACTUAL, FOREVER_MS, Labels, Signal
from greensched.errors import DataError, Finding, OutsideError
from greensched.providers.points import (
    Points,
    Settings,
    nothing,
    points_of,
    signal_of,
    unit_factor,
)
from greensched.providers.secrets import secret
from greensched.providers.web import base_url
from greensched.units import MS_PER_DAY, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from greensched.providers.points import Query
    from greensched.providers.web import Web

TOKEN: Final = "PROMETHEUS_TOKEN"  # noqa: S105 the variable's name
QUERY: Final = 'carbon_intensity_g_per_kwh{zone="$zone"}'
STEP_MS: Final = 15 * MS_PER_MIN
PAIR: Final = 2  # of time and value
RANGE_MS: Final = 100 * MS_PER_DAY  # below the 11,000 points that one answer may have


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """The server at `url`; `signal` and `unit` are what its user says the metric is."""

    name: ClassVar[str] = "prometheus"
    live: ClassVar[bool] = True
    url: str
    signal: Signal
    query: str = QUERY
    unit: str = "g/kWh"

    @classmethod
    def named(cls, text: str, settings: Settings) -> Self:
        """Return the server at the address `text`; raises UsageError without it or a signal."""
        url = base_url(text, "", cls.name)
        signal, query = signal_of(cls.name, settings), settings.query or QUERY
        return cls(url=url, signal=signal, query=query, unit=settings.unit)

    @property
    def place(self) -> str:
        """Return its address, query, signal and unit."""
        return f"{self.url} {self.query} {self.signal} {self.unit}"

    def actual(self, query: Query, web: Web) -> Points:
        """Return the metric every 15 minutes; what it lacks is left out."""
        factor = unit_factor(self.name, self.unit)
        rows: list[tuple[int, int, float, int]] = []
        until_ms = min(query.until_ms, query.now_ms)
        first_ms = -(-query.from_ms // STEP_MS) * STEP_MS
        for from_ms in range(first_ms, until_ms, RANGE_MS):
            # The end is included; the point at the end of a range is the next one's first.
            last_ms = min(from_ms + RANGE_MS, until_ms) - 1
            for sample in self._values(query.zone, from_ms, last_ms, web):
                start_ms, value = _sample(sample)
                rows.append((start_ms, start_ms + STEP_MS, value * factor, ACTUAL))
        return points_of(query.zone, sorted(rows), self._labels())

    def forecast(self, query: Query, web: Web) -> Points:  # noqa: ARG002 as every provider
        """Return nothing: a metric is of the past."""
        return nothing(query.zone, self._labels(), "a metric has no forecast")

    def _values(self, zone: str, from_ms: int, last_ms: int, web: Web) -> list[Any]:
        escaped = zone.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        asked = {
            "query": Template(self.query).safe_substitute(zone=escaped),
            "start": str(from_ms / MS_PER_S),
            "end": str(last_ms / MS_PER_S),
            "step": str(STEP_MS // MS_PER_S),
        }
        answer = web.get(f"{self.url}/api/v1/query_range", asked, bearer=secret(TOKEN))
        if not isinstance(answer, dict) or answer.get("status") != "success":
            why = answer.get("error", "") if isinstance(answer, dict) else ""
            what = f"the query failed: {why}" if why else "the query failed"
            remedy = "check --query and the address"
            raise OutsideError(Finding(where=self.name, what=what, remedy=remedy))
        try:
            found = answer["data"]["result"]
            if len(found) > 1:
                what = f"the query gives {len(found):,} series"
                raise DataError(Finding(where=self.name, what=what, remedy="narrow it to one"))
            return list(found[0]["values"]) if found else []
        except (KeyError, TypeError) as error:
            what, remedy = "the answer is no matrix", "check --query and the address"
            raise DataError(Finding(where=self.name, what=what, remedy=remedy)) from error

    def _labels(self) -> Labels:
        return Labels(signal=self.signal, source=self.name)


def _sample(sample: object) -> tuple[int, float]:
    """Return time [ms] and value of `[time, "value"]`, NaN where that is not finite."""
    time_s, text = sample if isinstance(sample, list) and len(sample) == PAIR else (None, None)
    if not _is_time(time_s) or not isinstance(text, str):
        what = f"{sample!r} is no sample"
        raise DataError(Finding(where=Prometheus.name, what=what))
    try:
        value = float(text)
    except ValueError:
        what = f"{text!r} is no number"
        raise DataError(Finding(where=Prometheus.name, what=what)) from None
    return round(time_s * MS_PER_S), value if math.isfinite(value) else math.nan


def _is_time(time_s: object) -> TypeGuard[float]:
    """Tell whether it is seconds since 1970 that milliseconds can be made of."""
    return isinstance(time_s, int | float) and abs(time_s) < FOREVER_MS // MS_PER_S
