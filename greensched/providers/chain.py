"""Several sources in order, and what is done when none answers; every step is told.

For each time: the first source with a value that passes the gates; where a source has no forecast,
one made of its measured values; then the last good forecast that was kept; then the mean day of
what was measured; then nothing: unknown, and who asks has to do without ("unknown: run now").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.carbon import FORECAST, CarbonIntensity, Labels
from greensched.errors import DataError, Finding, GreenschedError, OutsideError
from greensched.forecast.calendar import Calendar
from greensched.forecast.intensity import COVERAGE, HISTORY_H, LEADS_H, IntensityForecast, foresee
from greensched.providers.gates import judged
from greensched.providers.merge import Layer, layer_of, merged
from greensched.providers.points import utc
from greensched.providers.web import PassingError
from greensched.units import H_PER_DAY, MS_PER_DAY, MS_PER_H, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.providers.cache import Cache, Kind
    from greensched.providers.points import Points, Provider, Query
    from greensched.providers.web import Web

LAST_GOOD_MS: Final = 72 * MS_PER_H  # since a forecast was made, it may help
GAP_MS: Final = 6 * MS_PER_H  # in measured values that a forecast is made of
LATE_MS: Final = 2 * MS_PER_H  # feeds are an hour or so behind; what is later is told
TOLD_MAX: Final = 3  # findings of one source and kind: a broken answer has one a point
UNKNOWN: Final = "unknown: run now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one source gave: hours of the window that it filled, and what it had to say."""

    source: str
    what: str
    filled_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is known of a window, and how that came about.

    `series` begins where the window does and ends at its end or before the first time of which
    nothing is known; None: not even the begin is. `made` is the forecast that was made here.
    """

    query: Query
    series: CarbonIntensity | None
    steps: tuple[Step, ...]
    made: IntensityForecast | None = None

    @property
    def known_until_ms(self) -> int:
        """Return until when intensity is known without a gap."""
        return self.query.from_ms if self.series is None else int(self.series.edges_ms[-1])

    @property
    def is_whole(self) -> bool:
        """Tell whether all of the window is known."""
        return self.known_until_ms >= self.query.until_ms


def ask(
    sources: Sequence[Provider],
    query: Query,
    web: Web,
    cache: Cache,
    calendar: Calendar | None = None,
) -> Answer:
    """Return what `sources`, asked in this order, know of the window; none that fails raises.

    Sources of another signal (average, marginal) than the first that answered are left out: the
    two are never mixed.
    """
    asking = _Asking(query=query, web=web, cache=cache, calendar=calendar or Calendar())
    for source in sources:
        if asking.missing_h() > 0.0:
            asking.source(source)
    for source in sources:
        if asking.missing_h() > 0.0:
            asking.extend(source)
    for source in sources:
        if asking.missing_h() > 0.0:
            asking.last_good(source)
    if asking.missing_h() > 0.0:
        asking.mean_day()
    return asking.answer()


class _Asking:
    """One question on its way down the chain: layers of points, the first the most trusted."""

    def __init__(self, *, query: Query, web: Web, cache: Cache, calendar: Calendar) -> None:
        self.query, self.web, self.cache, self.calendar = query, web, cache, calendar
        self.layers: list[Layer] = []
        self.steps: list[Step] = []
        self.measured: list[Points] = []  # of any source, for a mean day
        self.made: IntensityForecast | None = None
        self.extended: set[Provider] = set()  # whose measured values were made a forecast of

    def missing_h(self) -> float:
        """Return the hours of the window of which nothing is known."""
        edges, origin, _ = merged(self.layers, self.query.from_ms, self.query.until_ms)
        return float(np.diff(edges)[origin < 0].sum()) / MS_PER_H

    def source(self, source: Provider) -> None:
        """Ask a source for what lies before now and after; make a forecast where it has none."""
        query, told = self.query, []
        before = self.missing_h()
        if query.from_ms < query.now_ms:
            past, notes = self._good(source, "actual", replace(query, until_ms=query.now_ms))
            told += notes
            self._add(past, source.name)
        if query.until_ms > query.now_ms:
            future, notes = self._good(source, "forecast", query)
            told += notes
            self._add(future, source.name)
            if future is None or not len(future):
                told += self._make(source)
        called = source.name if source.live else f"{source.name} {source.place}"
        self.steps.append(self._step(called, told, before))

    def extend(self, source: Provider) -> None:
        """Make a forecast of what a source measured, where its own does not reach far enough."""
        if source in self.extended or self.query.until_ms <= self.query.now_ms:
            return
        before = self.missing_h()
        told = self._make(source)
        self.steps.append(self._step(f"forecast made of {source.name}", told, before))

    def last_good(self, source: Provider) -> None:
        """Add the last good forecast of a source that was kept, if it is not too old."""
        kept = self.cache.read(source, "forecast", self.query.zone)
        if kept is None:
            return
        age_ms = self.query.now_ms - (kept.points.labels.issued_at_ms or kept.asked_ms)
        told = [f"kept forecast, {age_ms / MS_PER_H:.0f} h old"]
        before = self.missing_h()
        if age_ms <= LAST_GOOD_MS:
            good, notes = judged(kept.points, live=False, now_ms=self.query.now_ms)
            self._add(good, f"last good forecast of {source.name}")
            told += notes
        else:
            told.append(f"too old (over {LAST_GOOD_MS // MS_PER_H} h)")
        self.steps.append(self._step(f"last good forecast of {source.name}", told, before))

    def mean_day(self) -> None:
        """Add the mean by hour of the day of what was measured, of at least one day."""
        before = self.missing_h()
        points = max(self.measured, key=len, default=None)
        day = None if points is None else _mean_day(points)
        if points is None or day is None:
            told = ["less than a day of recent values to make it of"]
        else:
            told = []
            start = self.query.from_ms // MS_PER_H * MS_PER_H
            starts = np.arange(start, self.query.until_ms, MS_PER_H, dtype=np.int64)
            self.layers.append(
                Layer(
                    start_ms=starts,
                    end_ms=starts + MS_PER_H,
                    values_g_per_kwh=day[starts % MS_PER_DAY // MS_PER_H],
                    status=np.full(len(starts), FORECAST, np.int8),
                    labels=replace(points.labels, source=f"mean day of {points.labels.source}"),
                )
            )
        self.steps.append(self._step("mean day", told, before))

    def answer(self) -> Answer:
        """Return what was found; the last step says what is left unknown."""
        query, left_h = self.query, self.missing_h()
        if left_h > 0.0:
            self.steps.append(Step(source=UNKNOWN, what=f"{left_h:.3g} h", filled_h=0.0))
        return Answer(query=query, series=self._series(), steps=tuple(self.steps), made=self.made)

    def _good(self, source: Provider, kind: Kind, query: Query) -> tuple[Points | None, list[str]]:
        """Return the points of a source that pass the gates, None where it refused, and notes."""
        try:
            points, is_new = self._asked(source, kind, query)
        except GreenschedError as error:
            if isinstance(error, PassingError) and error.after_s is not None:
                self.cache.hold(source, query.now_ms + round(error.after_s * MS_PER_S))
            return None, [f"{kind}: {line}" for line in _first(error.findings)]
        first = self.layers[0].labels.signal if self.layers else points.labels.signal
        if points.labels.signal != first:
            return None, [f"{kind}: {points.labels.signal}, left out: the others are {first}"]
        good, notes = judged(points, live=source.live, now_ms=query.now_ms)
        if is_new and kind == "forecast" and len(good) and not notes:
            self.cache.keep(source, kind, self._beyond(query), good)
        return good, [f"{kind}: {note}" for note in notes]

    def _asked(self, source: Provider, kind: Kind, query: Query) -> tuple[Points, bool]:
        """Return what a source says, from the cache while that is fresh, and whether it is new."""
        kept = self.cache.read(source, kind, query.zone)
        if kept is not None and kept.answers(query, self.cache.expiry_ms):
            return kept.points, False
        held_ms = self.cache.held_until_ms(source, query.now_ms)
        if held_ms > query.now_ms:
            what = f"asked to be left alone until {utc(held_ms)}"
            raise OutsideError(Finding(where=source.name, what=what))
        if kind == "actual":
            return self.cache.keep(source, kind, query, source.actual(query, self.web)), True
        points = source.forecast(self._beyond(query), self.web)
        return points, True

    def _beyond(self, query: Query) -> Query:
        """Return the query a little longer: who asks again soon is answered from the cache."""
        return replace(query, until_ms=query.until_ms + self.cache.expiry_ms)

    def _make(self, source: Provider) -> list[str]:
        """Add a forecast made of a source's measured values; return what is to be said of it."""
        query = self.query
        self.extended.add(source)
        for hours in (HISTORY_H, H_PER_DAY):  # not every plan includes weeks of the past
            from_ms = query.now_ms - hours * MS_PER_H
            past = replace(query, from_ms=from_ms, until_ms=query.now_ms)
            known, notes = self._good(source, "actual", past)
            if known is not None and len(known):
                break
        else:
            return notes
        age_ms = query.now_ms - int(known.end_ms[-1])
        if age_ms >= LATE_MS:
            notes.append(f"its last value is {age_ms / MS_PER_H:.0f} h old")
        if age_ms > LAST_GOOD_MS:
            return [*notes, f"too old to make a forecast of (over {LAST_GOOD_MS // MS_PER_H} h)"]
        self.measured.append(known)
        # Bands and skill are of the leads that were tried, and now is beyond the last of them.
        coverage_share = COVERAGE if age_ms <= LEADS_H * MS_PER_H else None
        try:
            made = foresee(
                _joined(known),
                query.until_ms,
                calendar=self.calendar,
                coverage_share=coverage_share,
            )
        except DataError as error:
            return [*notes, *(finding.what for finding in error.findings)]
        expected = made.expected
        self.layers.append(
            Layer(
                start_ms=expected.edges_ms[:-1],
                end_ms=expected.edges_ms[1:],
                values_g_per_kwh=expected.values_g_per_kwh,
                status=expected.status,
                labels=expected.labels,
            )
        )
        self.made = self.made or made
        return [*notes, f"{made.method} forecast made of {made.reason}"]

    def _add(self, points: Points | None, name: str) -> None:
        if points is not None and len(points):
            labels = replace(points.labels, source=points.labels.source or name)
            self.layers.append(layer_of(points, labels))

    def _step(self, source: str, told: list[str], before_h: float) -> Step:
        filled_h = before_h - self.missing_h()
        return Step(source=source, what="; ".join(dict.fromkeys(told)), filled_h=filled_h)

    def _series(self) -> CarbonIntensity | None:
        """Return the known begin of the window."""
        edges, origin, rows = merged(self.layers, self.query.from_ms, self.query.until_ms)
        gaps = np.flatnonzero(origin < 0)
        steps = int(gaps[0]) if len(gaps) else len(origin)
        if not steps:
            return None
        picked = list(zip(origin[:steps].tolist(), rows[:steps].tolist(), strict=True))
        used = [self.layers[k].labels for k in dict.fromkeys(k for k, _ in picked)]
        return CarbonIntensity(
            zone=self.query.zone,
            edges_ms=edges[: steps + 1],
            values_g_per_kwh=np.array([self.layers[k].values_g_per_kwh[i] for k, i in picked]),
            status=np.array([self.layers[k].status[i] for k, i in picked], np.int8),
            labels=_together(used),
        )


def _first(findings: Sequence[Finding]) -> list[str]:
    """Return the first findings and how many there are; of a cut list the last one says it."""
    told = [str(finding) for finding in findings[:TOLD_MAX]]
    if len(findings) > TOLD_MAX:
        last = findings[-1].what
        told.append(last if last.endswith("in all") else f"{len(findings):,} findings in all")
    return told


def _together(used: Sequence[Labels]) -> Labels:
    """Return labels of a series whose values are of several sources."""
    first = used[0]
    if len(used) == 1:
        return first
    issued = [one.issued_at_ms for one in used if one.issued_at_ms is not None]
    return Labels(
        signal=first.signal,
        basis=first.basis if len({one.basis for one in used}) == 1 else "unstated",
        synthetic=any(one.synthetic for one in used),
        assumed=any(one.assumed for one in used),
        source=", ".join(dict.fromkeys(one.source for one in used)),
        issued_at_ms=min(issued, default=None),
    )


def _joined(points: Points) -> CarbonIntensity:
    """Return measured values as one series: short gaps held, all before a long one left out."""
    gaps = points.start_ms[1:] - points.end_ms[:-1]
    long = np.flatnonzero(gaps > GAP_MS)
    first = int(long[-1]) + 1 if len(long) else 0
    start, values = points.start_ms[first:], points.values_g_per_kwh[first:]
    return CarbonIntensity(
        zone=points.zone,
        edges_ms=np.append(start, points.end_ms[-1]),
        values_g_per_kwh=values,
        labels=points.labels,
    )


def _mean_day(points: Points) -> np.ndarray | None:
    """Return the mean [24] of each hour of the day (UTC), None where an hour has no value."""
    hour = points.start_ms % MS_PER_DAY // MS_PER_H
    counts = np.bincount(hour, minlength=H_PER_DAY)
    if not counts.all():
        return None
    return np.bincount(hour, weights=points.values_g_per_kwh, minlength=H_PER_DAY) / counts
