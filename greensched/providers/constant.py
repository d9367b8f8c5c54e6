"""A grid that is always the same: an annual factor, or none to look up by the hour."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from greensched.carbon import (
    ESTIMATED,
    FORECAST,
    FOREVER_MS,
    CarbonIntensity,
    Labels,
    check_values,
)
from greensched.errors import Finding, UsageError
from greensched.providers.points import Points, points_of, unit_factor

if TYPE_CHECKING:
    from greensched.providers.points import Query, Settings
    from greensched.providers.web import Web

NOT_ASSESSABLE: Final = "shifting not assessable: an annual factor only, the same at all hours"


def constant(
    zone: str,
    intensity_g_per_kwh: float,
    labels: Labels | None = None,
) -> CarbonIntensity:
    """Return a series of one value [g/kWh] that never ends; DataError if it is out of range."""
    labels = labels or Labels()
    text = f"constant {zone} {intensity_g_per_kwh!r} g/kWh"
    return CarbonIntensity(
        zone=zone,
        edges_ms=np.array([-FOREVER_MS, FOREVER_MS], np.int64),
        values_g_per_kwh=np.array([intensity_g_per_kwh], np.float64),
        labels=replace(
            labels,
            assumed=True,
            source=labels.source or "constant",
            checksum=hashlib.sha256(text.encode()).hexdigest(),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """One value for all times: an annual factor."""

    name: ClassVar[str] = "constant"
    live: ClassVar[bool] = False
    annual_g_per_kwh: float

    @classmethod
    def named(cls, text: str, settings: Settings) -> Self:
        """Return the source of one factor: `constant:530.6`."""
        return cls(annual_g_per_kwh=factor(cls.name, text, settings.unit))

    @property
    def place(self) -> str:
        """Return its factor."""
        return f"{self.annual_g_per_kwh!r} g/kWh"

    def actual(self, query: Query, web: Web) -> Points:  # noqa: ARG002 as every provider
        """Return one point until now, estimated: an annual factor measured no hour."""
        return self._points(
            query.zone, query.from_ms, min(query.until_ms, query.now_ms), ESTIMATED
        )

    def forecast(self, query: Query, web: Web) -> Points:  # noqa: ARG002
        """Return one point from now on."""
        from_ms = max(query.from_ms, query.now_ms)
        return self._points(query.zone, from_ms, query.until_ms, FORECAST)

    def _points(self, zone: str, from_ms: int, until_ms: int, status: int) -> Points:
        labels = constant(zone, self.annual_g_per_kwh).labels
        rows = [(from_ms, until_ms, self.annual_g_per_kwh, status)] if from_ms < until_ms else []
        return points_of(zone, rows, labels)


def factor(where: str, text: str, unit: str) -> float:
    """Return the factor [g/kWh] that `text` writes in `unit`; raises UsageError, DataError."""
    try:
        value = float(text) * unit_factor(where, unit)
    except ValueError:
        what, remedy = f"{text!r} is no number", f"such as {where}:530.6"
        raise UsageError(Finding(where=where, what=what, remedy=remedy)) from None
    check_values(where, np.zeros(1, np.int64), np.array([value]))
    return value
