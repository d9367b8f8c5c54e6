"""What is known of intensity from now on, kept in the queue while it is fresh.

Whoever needs it next, worker or `submit`, need not ask the sources again, nor load what asks them.
A job keeps the number of the outlook that it was queued under: should actual intensity never come,
it is settled by that.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from greensched.batch.queue import Queue
    from greensched.carbon import CarbonIntensity

FRESH_MS: Final = 15 * MS_PER_MIN  # as long as answers of sources are taken for new
REFUSED_MS: Final = MS_PER_MIN  # until a source that knew nothing is asked again
HASTE_MS: Final = MS_PER_H  # for which an older outlook does where there is no time to ask
AHEAD_MS: Final = 7 * MS_PER_DAY
FLAT: Final = "no later start is cleaner"
NANO: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """`values_g_per_kwh[i]` [g CO2e/kWh] is foretold for `[edges_ms[i], edges_ms[i + 1])`.

    Asked at `asked_ms` for all until `until_ms`. `labels` are those of a `CarbonIntensity`,
    `sources` what was asked; `told` is why nothing is known, `flat` why no later start is better.
    """

    id: int = 0
    asked_ms: int
    until_ms: int
    edges_ms: list[int]
    values_g_per_kwh: list[float]
    labels: dict[str, Any]
    flat: str
    told: str
    sources: list[Any]

    def answers(self, until_ms: int, now_ms: int, sources: list[Any]) -> bool:
        """Tell whether it still stands for what `sources` would say."""
        fresh_ms = FRESH_MS if self.edges_ms else REFUSED_MS
        is_fresh = 0 <= now_ms - self.asked_ms < fresh_ms
        return is_fresh and until_ms <= self.until_ms and sources == self.sources

    @property
    def known_until_ms(self) -> int:
        """Return until when intensity is known without a gap."""
        return self.edges_ms[-1] if self.edges_ms else self.asked_ms

    def covers(self, start_ms: int, end_ms: int) -> bool:
        """Tell whether all of `[start_ms, end_ms)` is known."""
        return bool(self.edges_ms) and self.edges_ms[0] <= start_ms <= end_ms <= self.edges_ms[-1]

    def series(self, zone: str) -> CarbonIntensity:
        """Return it as a series; every value is a forecast."""
        import numpy as np

        from greensched.carbon import FORECAST, CarbonIntensity, Labels

        return CarbonIntensity(
            zone=zone,
            edges_ms=np.array(self.edges_ms, np.int64),
            values_g_per_kwh=np.array(self.values_g_per_kwh),
            status=np.full(len(self.values_g_per_kwh), FORECAST, np.int8),
            labels=Labels(**self.labels),
        )

    def cleanest(self, first_ms: int, last_ms: int, length_ms: int) -> tuple[int, float, float]:
        """Return the start in `[first_ms, last_ms]` of least mean intensity, and two means.

        That of the start and that of starting at `first_ms` [g/kWh]; of equals the earliest, as
        `greensched.bounds.window` finds it, without arrays: `submit` loads none.
        """
        assert self.covers(first_ms, last_ms + length_ms)
        edges = self.edges_ms
        values = [round(v * NANO) for v in self.values_g_per_kwh]
        spans = [b - a for a, b in pairwise(edges)]
        upto = [0, *accumulate(v * span for v, span in zip(values, spans, strict=True))]

        def before(at_ms: int) -> int:
            step = min(bisect_right(edges, at_ms), len(values)) - 1
            return upto[step] + values[step] * (at_ms - edges[step])

        def cost(start_ms: int) -> int:
            return before(start_ms + length_ms) - before(start_ms)

        corners = {first_ms, last_ms, *edges, *(e - length_ms for e in edges)}
        starts = sorted(s for s in corners if first_ms <= s <= last_ms)
        best = min(starts, key=cost)  # the first of equals: the earliest
        return best, cost(best) / length_ms / NANO, cost(first_ms) / length_ms / NANO


def outlook_of(queue: Queue, until_ms: int, now_ms: int, *, in_haste: bool = False) -> Outlook:
    """Return what is known until `until_ms`, from what was kept or by asking the sources.

    `in_haste` nobody is asked who may take long to answer, if what was kept is of this hour.
    Raises nothing: where nothing is known it says why.
    """
    sources = _sources(queue)
    until_ms = min(until_ms, now_ms + AHEAD_MS)
    kept = kept_outlook(queue)
    if kept is not None:
        is_recent = kept.sources == sources and 0 <= now_ms - kept.asked_ms < HASTE_MS
        if (in_haste and is_recent) or kept.answers(until_ms, now_ms, sources):
            return kept
    if not (sources[0] and sources[1]):
        return _unknown(now_ms, until_ms, sources)
    from greensched.batch.sources import answer_of
    from greensched.providers.advice import is_annual
    from greensched.providers.constant import NOT_ASSESSABLE

    now_ms = now_ms // MS_PER_S * MS_PER_S
    until_ms += FRESH_MS  # who asks again soon need not ask the sources
    answer, told = answer_of(queue, now_ms, until_ms, now_ms)
    series = None if answer is None else answer.series
    found = Outlook(
        asked_ms=now_ms,
        until_ms=until_ms,
        edges_ms=[] if series is None else series.edges_ms.tolist(),
        values_g_per_kwh=[] if series is None else series.values_g_per_kwh.tolist(),
        labels={} if series is None else asdict(series.labels),
        flat=NOT_ASSESSABLE if answer is not None and is_annual(answer) else FLAT,
        told=told if series is None else "",
        sources=sources,
    )
    return _kept(queue, found)


def _unknown(now_ms: int, until_ms: int, sources: list[Any]) -> Outlook:
    """Return the outlook where there is nobody to ask."""
    return Outlook(
        asked_ms=now_ms,
        until_ms=until_ms,
        edges_ms=[],
        values_g_per_kwh=[],
        labels={},
        flat="",
        told="no zone and source of intensity are named",
        sources=sources,
    )


def kept_outlook(queue: Queue, number: int | None = None) -> Outlook | None:
    """Return the outlook of a number, or the last one, None where there is none."""
    found = queue.outlook(number)
    return None if found is None else Outlook(id=found[0], **json.loads(found[1]))


def _kept(queue: Queue, found: Outlook) -> Outlook:
    """Keep an outlook in the queue; return it with its number."""
    plain = asdict(found)
    plain.pop("id")
    return Outlook(**{**plain, "id": queue.keep_outlook(json.dumps(plain))})


def _sources(queue: Queue) -> list[Any]:
    """Return what would be asked: zone, sources, settings, and when their files were written."""
    texts = queue.setting("sources") or []
    return [queue.setting("zone"), texts, queue.setting("source_settings"), *map(_stamp, texts)]


def _stamp(text: str) -> list[int]:
    """Return when a file was written and its size, nothing of what is no file."""
    try:
        found = Path(text).stat()
    except (OSError, ValueError):
        return []
    return [found.st_mtime_ns, found.st_size]
