"""An annual factor with the shape of a day: made up, and flagged so.

Official factors of many countries are annual. A shape lets one see what shifting might do, and
never what it did: every value is `synthetic`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from greensched.carbon import FORECAST, Labels
from greensched.errors import Finding, UsageError
from greensched.providers.constant import factor
from greensched.providers.points import Points, nothing
from greensched.units import H_PER_DAY, MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from greensched.model import FloatArray
    from greensched.providers.points import Query, Settings
    from greensched.providers.web import Web

SWING_SHARE: Final = 0.15  # of the mean, up and down: between the flat and the solar grids
CLEANEST_H: Final = 13  # after noon, where the sun shines; the dirtiest hour is 12 later


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """`annual_g_per_kwh` x (1 - 0.15 cos(2 pi (hour - 13) / 24)): its mean over a day is exact.

    Hours are of the clock that stands `offset_ms` before UTC (+08:00 is 8 h).
    """

    name: ClassVar[str] = "profile"
    live: ClassVar[bool] = False
    annual_g_per_kwh: float
    offset_ms: int = 0

    @classmethod
    def named(cls, text: str, settings: Settings) -> Self:
        """Return the profile of an annual factor [g/kWh]: `profile:530.6` or `profile:530.6+8`."""
        value, sign, hours = text.partition("+") if "+" in text else text.partition("-")
        if sign and not (hours.isdecimal() and int(hours) <= H_PER_DAY // 2 + 2):
            what, remedy = f"{text!r} has no whole hours after {sign}", "such as profile:530.6+8"
            raise UsageError(Finding(where=cls.name, what=what, remedy=remedy))
        offset_h = int(f"{sign}{hours}") if sign else 0
        annual = factor(cls.name, value, settings.unit)
        return cls(annual_g_per_kwh=annual, offset_ms=offset_h * MS_PER_H)

    @property
    def place(self) -> str:
        """Return its factor and clock."""
        return f"{self.annual_g_per_kwh!r} g/kWh {self.offset_ms // MS_PER_H:+d} h"

    def actual(self, query: Query, web: Web) -> Points:  # noqa: ARG002 as every provider
        """Return nothing: nobody measured it."""
        return nothing(query.zone, self._labels(), "a made-up profile has no actual values")

    def forecast(self, query: Query, web: Web) -> Points:  # noqa: ARG002
        """Return the profile by the hour."""
        first_ms = query.from_ms // MS_PER_H * MS_PER_H
        start_ms = np.arange(first_ms, query.until_ms, MS_PER_H, dtype=np.int64)
        hour = (start_ms + self.offset_ms) % MS_PER_DAY // MS_PER_H
        return Points(
            zone=query.zone,
            start_ms=start_ms,
            end_ms=start_ms + MS_PER_H,
            values_g_per_kwh=self._day()[hour],
            status=np.full(len(start_ms), FORECAST, np.int8),
            labels=self._labels(),
        )

    def _day(self) -> FloatArray:
        angle = 2.0 * np.pi * (np.arange(H_PER_DAY) - CLEANEST_H) / H_PER_DAY
        return self.annual_g_per_kwh * (1.0 - SWING_SHARE * np.cos(angle))

    def _labels(self) -> Labels:
        digest = hashlib.sha256(f"profile {self.place}".encode()).hexdigest()
        return Labels(source=self.name, synthetic=True, checksum=digest)
