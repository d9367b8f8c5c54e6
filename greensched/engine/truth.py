"""The true future in the place of a forecast: for policies that say they are oracles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is recent to one who knows: nothing has to be remembered."""

    services: int

    def trusted(self, least_share: float) -> BoolArray:
        """Trust it for every service."""
        del least_share
        return np.ones(self.services, np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Services' load as it will be; beyond the window its last level holds."""

    services: Services

    @property
    def begin(self) -> Known:
        """Return what was recent as history ended."""
        return Known(services=len(self.services))

    @property
    def predicts(self) -> bool:
        """Say that it knows."""
        return True

    def observe(
        self,
        recent: Known,
        now_ms: int,
        load_cpu_m: FloatArray,
        *,
        quantile: float,
        period_ms: int,
    ) -> Known:
        """Return the same: what was measured tells nothing new."""
        del now_ms, load_cpu_m, quantile, period_ms
        return recent

    def upper(self, recent: Any, from_ms: int, until_ms: int, quantile: float) -> FloatArray:
        """Return the largest load [millicores] of each service within the time."""
        del recent, quantile
        table = self.services
        last = table.load_cpu_m.shape[1] - 1
        first, final = (
            min(max(0, (at - table.start_ms) // table.step_ms), last)
            for at in (from_ms, max(from_ms, until_ms - 1))
        )
        highest: FloatArray = table.load_cpu_m[:, first : final + 1].max(axis=1).astype(np.float64)
        return highest
