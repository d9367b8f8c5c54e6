"""Intensity by sources that were named for the control centre itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greensched.serve.look import STALE, Ahead, Alarm, Look
from greensched.units import MS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.providers.points import Provider

AHEAD_MS: Final = 2 * MS_PER_DAY


class IntensityWatch:
    """Asks what the next two days' intensity is; answers are kept in the user's cache."""

    period_s = 900.0
    kind = "intensity"

    def __init__(self, zone: str, sources: Sequence[Provider]) -> None:
        """Watch the intensity of a zone."""
        self.zone, self.title, self._sources = zone, f"intensity of {zone}", tuple(sources)

    def look(self, now_ms: int) -> Look:
        """Return what the sources know; what they do not is an alarm."""
        from greensched.providers.cache import Cache, cache_folder
        from greensched.providers.chain import ask
        from greensched.providers.points import Query
        from greensched.providers.web import Web

        until_ms = now_ms + AHEAD_MS
        query = Query(zone=self.zone, from_ms=now_ms, until_ms=until_ms, now_ms=now_ms)
        with Web.open() as web:
            answer = ask(self._sources, query, web, Cache(folder=cache_folder()))
        told = tuple((step.source, step.what or f"{step.filled_h:g} h") for step in answer.steps)
        if answer.series is None:
            what = "; ".join(f"{source}: {said}" for source, said in told)
            remedy = "`greensched carbon show` asks the same sources"
            alarm = Alarm(kind=STALE, where=self.title, what=what, remedy=remedy)
            return Look(
                title=self.title, kind=self.kind, at_ms=now_ms, alarms=(alarm,), facts=told
            )
        series = answer.series
        ahead = Ahead(
            zone=self.zone,
            source=series.labels.source,
            asked_ms=now_ms,
            edges_ms=tuple(series.edges_ms.tolist()),
            values_g_per_kwh=tuple(series.values_g_per_kwh.tolist()),
            synthetic=series.labels.synthetic,
        )
        return Look(title=self.title, kind=self.kind, at_ms=now_ms, facts=told, ahead=ahead)
