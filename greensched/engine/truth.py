"""The true future in the place of a forecast: for policies that say they are oracles."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.model.pools import with_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.model import BoolArray, FloatArray, IntArray, Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is recent to one who knows: nothing has to be remembered."""

    rows: int
    at_ms: int = 0

    def trusted(self, least_share: float) -> BoolArray:
        """Trust it in every row."""
        del least_share
        return np.ones(self.rows, np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Load [rows, steps] as it will be; beyond it its last level holds."""

    load_cpu_m: IntArray
    start_ms: int
    step_ms: int
    with_sums: Truth | None = None

    @classmethod
    def of(cls, services: Services) -> Truth:
        """Return what will be of services, also with their sums by pool."""
        load, start_ms, step_ms = services.load_cpu_m, services.start_ms, services.step_ms
        more = with_sums(load, services.replica_gpu_m)
        both = cls(load_cpu_m=more, start_ms=start_ms, step_ms=step_ms)
        return cls(load_cpu_m=load, start_ms=start_ms, step_ms=step_ms, with_sums=both)

    @property
    def begin(self) -> Known:
        """Return what was recent as history ended."""
        return Known(rows=len(self.load_cpu_m))

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
        """Return the same at another instant: what was measured tells nothing new."""
        del load_cpu_m, quantile, period_ms
        return Known(rows=recent.rows, at_ms=now_ms)

    def upper(
        self, recent: Any, from_ms: int, until_ms: int, quantile: float, *, whole: bool = False
    ) -> FloatArray:
        """Return the largest load [millicores] of each row within the time."""
        del recent, quantile, whole
        last = self.load_cpu_m.shape[1] - 1
        first, final = (
            min(max(0, (at - self.start_ms) // self.step_ms), last)
            for at in (from_ms, max(from_ms, until_ms - 1))
        )
        highest: FloatArray = self.load_cpu_m[:, first : final + 1].max(axis=1).astype(np.float64)
        return highest

    def upto(
        self, recent: Known, ends_ms: Sequence[int], quantile: float, *, whole: bool = False
    ) -> FloatArray:
        """Return `upper` from now until each of `ends_ms`."""
        parts = pairwise((recent.at_ms, *ends_ms))
        highest = [self.upper(recent, *part, quantile, whole=whole) for part in parts]
        return np.maximum.accumulate(highest)
