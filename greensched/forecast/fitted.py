"""The forecast as a value: fitted once on history, evaluated many times, never changed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

import numpy as np

from greensched.errors import InternalError
from greensched.forecast import kernels, level
from greensched.forecast.bands import EACH, LEADS_MS, QUANTILES, WHOLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from greensched.forecast.calendar import Hours
    from greensched.model import BoolArray, FloatArray, IntArray

A = TypeVar("A", bound="NDArray[Any]")
Method: TypeAlias = Literal["hour-of-week", "hour-of-day", "reactive"]
COVERAGE_HOURS: Final = 24
COVERAGE_MIN: Final = 0.9
TRIES_MIN: Final = 12  # promises, before their coverage says anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What the last hours were like: the part of a policy's memory that a forecast needs.

    `hits` and `tries` count, in each of the last 24 hours, the periods in which load was promised
    to stay below a band, and did. A serialisable value; `Forecast.begin` is the first one.
    """

    at_ms: int
    sums_cpu_m: FloatArray  # [4, S] as in `level`
    level_factor: FloatArray  # [2, S] slow and fast level
    promised: bool  # False: nothing was promised yet
    promised_cpu_m: FloatArray  # [S] the band for the period after `at_ms`
    hits: IntArray  # [24, S]
    tries: IntArray  # [24]

    def coverage(self) -> FloatArray:
        """Return the share [S] of the last day's periods whose load stayed below its band.

        1 where nothing was promised yet: the calibration is then the only evidence.
        """
        tries = int(self.tries.sum())
        kept: FloatArray = self.hits.sum(axis=0) / tries if tries else np.ones(self.hits.shape[1])
        return kept

    def trusted(self, least_share: float = COVERAGE_MIN) -> BoolArray:
        """Tell [S] whose recent coverage is `least_share` or more, or not yet known."""
        good = np.empty(self.hits.shape[1], np.bool_)
        kernels.trust(self.hits, self.tries, TRIES_MIN, least_share, good)
        return frozen(good)


def nothing_recent() -> Recent:
    """Return what stands for no observation yet; its arrays are empty."""
    return Recent(
        at_ms=0,
        sums_cpu_m=frozen(np.empty((0, 0))),
        level_factor=frozen(np.empty((0, 0))),
        promised=False,
        promised_cpu_m=frozen(np.empty(0)),
        hits=frozen(np.empty((0, 0), np.int64)),
        tries=frozen(np.empty(0, np.int64)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Usual load by hour of the week and how far load exceeded its forecast, by service.

    Times are ms since the scenario's start. `method` names the fall-back that was taken: with
    `reactive` there is no forecast, and asking for one is an error.
    """

    method: Method
    reason: str  # why this method, in words
    from_ms: int  # of the history that was fitted
    fitted_until_ms: int
    week_cpu_m: FloatArray  # [336, S] mean load in each slot of `calendar.Hours`, with floor
    mean_cpu_m: FloatArray  # [S] > 0
    floor_cpu_m: FloatArray  # [S] > 0
    excess: FloatArray  # [2, quantiles, leads, S] >= 0, scores as in `bands`
    scores: IntArray  # [leads] calibration scores behind `excess`
    hours: Hours
    begin: Recent  # as history left it
    with_sums: Forecast | None = None  # with rows of the services' sums by pool

    @property
    def predicts(self) -> bool:
        """Tell whether there is a forecast at all."""
        return self.method != "reactive"

    def __len__(self) -> int:
        """Return the number of services."""
        return len(self.mean_cpu_m)

    def only(self, rows: IntArray) -> Forecast:
        """Return the forecast of some of its rows, as history left them."""
        begin = self.begin
        return replace(
            self,
            week_cpu_m=frozen(self.week_cpu_m[:, rows]),
            mean_cpu_m=frozen(self.mean_cpu_m[rows]),
            floor_cpu_m=frozen(self.floor_cpu_m[rows]),
            excess=frozen(np.ascontiguousarray(self.excess[..., rows])),
            begin=replace(
                begin,
                sums_cpu_m=frozen(begin.sums_cpu_m[:, rows]),
                level_factor=frozen(begin.level_factor[:, rows]),
                promised_cpu_m=frozen(begin.promised_cpu_m[rows]),
                hits=frozen(begin.hits[:, rows]),
            ),
            with_sums=None,
        )

    def expected_at(self, recent: Recent, at_ms: Sequence[int]) -> FloatArray:
        """Return [T, S]: the load [millicores] expected at `at_ms` [T], none before `recent`."""
        lifted = self._lifted(recent.level_factor, recent.at_ms, at_ms) - self.floor_cpu_m
        return np.maximum(lifted, 0.0, out=lifted)

    def expected(self, recent: Recent, from_ms: int, until_ms: int) -> FloatArray:
        """Return [S]: the largest expected load [millicores] within `[from_ms, until_ms]`."""
        largest: FloatArray = np.maximum.reduce(
            self.expected_at(recent, self._points(from_ms, until_ms))
        )
        return largest

    def upper_at(
        self, recent: Recent, at_ms: Sequence[int], quantile: float, *, whole: bool = False
    ) -> FloatArray:
        """Return [T, S]: what load at `at_ms` [T] stays below with a probability of `quantile`.

        Each instant has the band of its own lead. With `whole` the load stays below its band at
        *all* instants from now until then with that probability.
        """
        return self._upper_at(recent.level_factor, recent.at_ms, at_ms, quantile, whole=whole)

    def upper(
        self,
        recent: Recent,
        from_ms: int,
        until_ms: int,
        quantile: float,
        *,
        whole: bool = False,
    ) -> FloatArray:
        """Return [S]: the largest upper forecast [millicores] within `[from_ms, until_ms]`.

        Looked at both ends and at the centre of each local hour between; between two of those
        it exceeds the larger by less than 1 %. `quantile` in [0.5, 0.999] is rounded up to the
        next of `bands.QUANTILES`. Now is `recent.at_ms`; leads beyond 24 h have its band.
        """
        band_cpu_m: FloatArray = self._highest(recent, (from_ms, until_ms), quantile, whole=whole)[
            0
        ]
        return band_cpu_m

    def upto(
        self, recent: Recent, ends_ms: Sequence[int], quantile: float, *, whole: bool = False
    ) -> FloatArray:
        """Return [T, S]: `upper` from now until each of `ends_ms` [T], which rise."""
        return self._highest(recent, (recent.at_ms, *ends_ms), quantile, whole=whole)

    def observe(
        self,
        recent: Recent,
        now_ms: int,
        load_cpu_m: FloatArray,
        *,
        quantile: float,
        period_ms: int,
    ) -> Recent:
        """Return what is recent at `now_ms`, the mean load [S] since `recent` being known.

        Also checks the last promise, and promises the band at `quantile` for the next
        `period_ms`. Where no time has passed since `recent` only the promise is made.
        """
        past_ms, until_ms = now_ms - recent.at_ms, now_ms + period_ms
        assert past_ms >= 0
        self._assert_predicts()
        hits, tries = recent.hits.copy(), recent.tries.copy()
        table = np.empty((kernels.ROWS, len(self.mean_cpu_m)))
        found = kernels.observe(
            *(self.week_cpu_m, self.hours.nodes, (recent.at_ms, now_ms, until_ms)),
            np.array(load_cpu_m, np.float64),
            *(self.mean_cpu_m, self.floor_cpu_m, self.excess, column(quantile)),
            *(level.kept(past_ms), recent.promised),
            (recent.sums_cpu_m, recent.level_factor, recent.promised_cpu_m),
            *(hits, tries, table),
        )
        if not found:
            within(self.hours, (recent.at_ms + past_ms // 2, now_ms, until_ms))  # says what
        frozen(table)  # and with it its parts
        return Recent(
            at_ms=now_ms,
            sums_cpu_m=table[: kernels.FACTOR],
            level_factor=table[kernels.FACTOR : kernels.BAND],
            promised=True,
            promised_cpu_m=table[kernels.BAND],
            hits=frozen(hits),
            tries=frozen(tries),
        )

    def _points(self, from_ms: int, until_ms: int) -> list[int]:
        assert from_ms <= until_ms
        nodes = self.hours.at_ms
        first, last = bisect_right(nodes, from_ms), bisect_left(nodes, until_ms)
        return [from_ms, *nodes[first:last], until_ms]

    def _usual(self, at_ms: Sequence[int]) -> FloatArray:
        """Return [T, S]: usual load and floor at `at_ms`."""
        self._assert_predicts()
        return along(self.week_cpu_m, self.hours, at_ms)

    def _assert_predicts(self) -> None:
        if not self.predicts:
            message = f"there is no forecast ({self.reason}); ask `predicts` first"
            raise InternalError(message)

    def _lifted(self, factor: FloatArray, now_ms: int, at_ms: Sequence[int]) -> FloatArray:
        lifted = self._usual(at_ms)
        fades = np.array([level.fades(max(0, t - now_ms)) for t in at_ms])
        above = factor - 1.0
        for row in range(2):
            change = above[row] * fades[:, row : row + 1]
            change += 1.0
            lifted *= change
        return lifted

    def _upper_at(
        self,
        factor: FloatArray,
        now_ms: int,
        at_ms: Sequence[int],
        quantile: float,
        *,
        whole: bool,
    ) -> FloatArray:
        lifted = self._lifted(factor, now_ms, at_ms)
        leads = [_lead(t - now_ms) for t in at_ms]
        band = lifted * self.mean_cpu_m
        np.sqrt(band, out=band)
        band *= self.excess[WHOLE if whole else EACH, column(quantile)].take(leads, axis=0)
        band += lifted
        band -= self.floor_cpu_m
        return np.maximum(band, 0.0, out=band)

    def _highest(
        self, recent: Recent, times_ms: tuple[int, ...], quantile: float, *, whole: bool
    ) -> FloatArray:
        """Return [T, S]: the largest bands between the first of `times_ms` and each later one.

        As `_upper_at` has them.
        """
        self._assert_predicts()
        bands_cpu_m = np.empty((len(times_ms) - 1, len(self.mean_cpu_m)))
        found = kernels.highest(
            *(self.week_cpu_m, self.hours.nodes, recent.at_ms),
            np.array(times_ms, np.int64),
            *(recent.level_factor, self.mean_cpu_m, self.floor_cpu_m),
            *(self.excess, WHOLE if whole else EACH, column(quantile)),
            bands_cpu_m,
        )
        if not found:
            within(self.hours, times_ms)  # which says what is wrong
        return frozen(bands_cpu_m)


@cache
def column(quantile: float) -> int:
    """Return the column of the smallest calibrated quantile that is not below `quantile`."""
    if not QUANTILES[0] <= quantile <= QUANTILES[-1]:
        message = f"a quantile of {quantile}; bands reach from {QUANTILES[0]} to {QUANTILES[-1]}"
        raise InternalError(message)
    return bisect_left(QUANTILES, quantile)


def _lead(lead_ms: int) -> int:
    """Return the row of the first calibrated lead that is not below `lead_ms`, or the last."""
    return min(bisect_left(LEADS_MS, lead_ms), len(LEADS_MS) - 1)


def along(week_cpu_m: FloatArray, hours: Hours, at_ms: Sequence[int] | IntArray) -> FloatArray:
    """Return [T, S]: the table [slots, S] at `at_ms` [T], linear between two hours' centres.

    Raises InternalError outside of the span of `hours`.
    """
    within(hours, at_ms)
    nodes_ms, slot = hours.nodes
    at = np.asarray(at_ms, np.int64)
    after = nodes_ms.searchsorted(at, "right")
    before = after - 1
    usual: FloatArray = week_cpu_m.take(slot[before], axis=0)
    rise = week_cpu_m.take(slot[after], axis=0)
    rise -= usual
    rise *= ((at - nodes_ms[before]) / (nodes_ms[after] - nodes_ms[before]))[:, np.newaxis]
    usual += rise
    return usual


def within(hours: Hours, at_ms: Sequence[int] | IntArray) -> None:
    """Raise InternalError where an instant is outside of the span of `hours`."""
    at, first, end = np.asarray(at_ms), hours.at_ms[0], hours.at_ms[-1]
    outside = at[(at < first) | (at >= end)]
    if len(outside):
        message = f"asked for {outside[0]} ms, fitted for {first} .. {end} ms"
        raise InternalError(message)


def frozen(array: A) -> A:
    """Return `array` itself, made read-only."""
    array.setflags(False)  # noqa: FBT003 write, in half the time of `flags`
    return array
