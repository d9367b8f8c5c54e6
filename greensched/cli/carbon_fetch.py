"""What `carbon import` takes from each source: every zone of files, one zone of a feed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greensched.carbon import iso
from greensched.cli import say
from greensched.cli.carbon_options import now_ms
from greensched.errors import Finding, UsageError, escape_control, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.providers.points import Points, Provider


def fetched(
    source: Provider, wanted: Sequence[str], from_text: str | None, until_ms: int
) -> list[Points]:
    """Return the measured points of a source by zone, judged; what was left out is told.

    Raises UsageError where a zone or a begin is not said, and what the source raises.
    """
    from greensched.providers.files import Files, zones
    from greensched.providers.gates import judged
    from greensched.providers.points import Query
    from greensched.providers.web import Web

    named = zones(source.path) if isinstance(source, Files) else ()
    asked = wanted or named
    if not asked:
        what, remedy = "does not say which zones there are", "name one with --zone"
        raise UsageError(Finding(where=source.name, what=what, remedy=remedy))
    if from_text is None and not isinstance(source, Files):
        what, remedy = "needs a begin", "--from TIME"
        raise UsageError(Finding(where=source.name, what=what, remedy=remedy))
    from_ms = 0 if from_text is None else now_ms(from_text)
    if until_ms <= from_ms:
        what = f"{iso(until_ms)} is not after --from {iso(from_ms)}"
        raise UsageError(Finding(where="--until", what=what))
    parts = []
    for zone in asked:
        query = Query(zone=zone, from_ms=from_ms, until_ms=until_ms, now_ms=until_ms)
        with Web.open() as web:
            points = source.actual(query, web)
        good, notes = judged(points, live=source.live, now_ms=until_ms)
        for note in notes:
            say.tell(escape_control(f"{source.name} {zone}: {note}"))
        if not len(good):
            say.tell(escape_control(f"{source.name} {zone}: no values in this span"))
            continue
        gaps = int((good.start_ms[1:] > good.end_ms[:-1]).sum())
        if gaps:
            say.tell(escape_control(f"{source.name} {zone}: {plural(gaps, 'gap')}, left open"))
        vintage = good.labels.vintage or (iso(until_ms)[:10] if source.live else "")
        parts.append(replace(good, labels=replace(good.labels, vintage=vintage)))
    return parts
