"""A Kubernetes controller, by what it shows to Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.errors import Finding, OutsideError
from greensched.report.words import number
from greensched.serve.look import NO_LEADER, OVERDUE, STALE, Alarm, Look
from greensched.units import S_PER_H

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX: Final = "greensched_"
PATIENCE_S: Final = 5.0
BYTES_MAX: Final = 4 * 1024 * 1024
STALE_S: Final = 6 * S_PER_H  # as the chart's alert GreenschedForecastStale
RELEASE: Final = "`greensched controller release-overdue`, then docs/guides/controller.md"


class MetricsWatch:
    """Watches the metrics of one controller."""

    period_s = 15.0
    kind = "controller"

    def __init__(self, url: str) -> None:
        """Watch what an address answers."""
        self.url, self.title = url, f"controller {url}"

    def look(self, now_ms: int) -> Look:
        """Return what the controller shows; raises OutsideError where it does not answer."""
        found = samples(self.url, _text(self.url))
        waiting = found.get("waiting_jobs", {})
        spaces = sorted({one for labels in waiting for _, one in labels})
        head = ("namespace", "waiting", "settled", "saved, kg", "energy, kWh")
        rows = [(space, *_of(found, space)) for space in spaces]
        return Look(
            title=self.title,
            kind=self.kind,
            at_ms=now_ms,
            alarms=tuple(self._alarms(found)),
            waiting=round(sum(waiting.values())),
            facts=(
                ("leads", "yes" if _most(found, "leader") else "no"),
                ("overdue Jobs", number(_most(found, "overdue_jobs"))),
                (
                    "oldest forecast",
                    f"{number(_most(found, 'forecast_age_seconds') / S_PER_H, 1)} h",
                ),
            ),
            table=(head, *rows) if rows else (),
        )

    def _alarms(self, found: Samples) -> Iterable[Alarm]:
        """Yield what the chart's alerts would tell of too."""
        if overdue := _most(found, "overdue_jobs"):
            what = f"{overdue:,.0f} Jobs are suspended beyond their latest start"
            yield Alarm(kind=OVERDUE, where=self.title, what=what, remedy=RELEASE)
        if "leader" in found and not _most(found, "leader"):
            what = "this replica does not act; does another?"
            yield Alarm(
                kind=NO_LEADER, where=self.title, what=what, remedy="watch its address too"
            )
        for labels, age_s in found.get("forecast_age_seconds", {}).items():
            if age_s > STALE_S:
                said = dict(labels)
                what = f"{said.get('provider')} has known nothing new of {said.get('zone')} for "
                what += f"{age_s / S_PER_H:.1f} h"
                remedy = "`greensched carbon show` asks the same source"
                yield Alarm(kind=STALE, where=self.title, what=what, remedy=remedy)


Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


def samples(where: str, text: str) -> Samples:
    """Return our samples by name without its prefix, then by labels; raises OutsideError."""
    from prometheus_client.parser import text_string_to_metric_families

    found: Samples = {}
    try:
        for family in text_string_to_metric_families(text):
            for one in family.samples:
                if one.name.startswith(PREFIX):
                    labels = tuple(sorted(one.labels.items()))
                    found.setdefault(one.name.removeprefix(PREFIX), {})[labels] = one.value
    except (ValueError, KeyError, IndexError) as error:
        what = f"does not answer in Prometheus's form: {error}"
        raise OutsideError(Finding(where=where, what=what)) from None
    if not found:
        remedy = "is it the address of `greensched controller run --metrics-port`?"
        raise OutsideError(Finding(where=where, what="has no metric of ours", remedy=remedy))
    return found


def _text(url: str) -> str:
    """Return what an address answers; raises OutsideError."""
    import httpx

    try:
        with httpx.stream("GET", url, timeout=PATIENCE_S) as answer:
            answer.raise_for_status()
            parts, size = [], 0
            for part in answer.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > BYTES_MAX:
                    raise OutsideError(Finding(where=url, what="answers without an end"))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        what = f"does not answer: {str(error) or type(error).__name__}"
        raise OutsideError(Finding(where=url, what=what)) from None
    return b"".join(parts).decode("utf-8", errors="replace")


def _most(found: Samples, name: str) -> float:
    """Return the largest sample of a name, 0 where there is none."""
    return max(found.get(name, {}).values(), default=0.0)


def _of(found: Samples, space: str) -> tuple[str, ...]:
    """Return a namespace's cells."""
    at: Any = (("namespace", space),)
    named = (("waiting_jobs", 0), ("settled_jobs", 0), ("saved_kilograms", 3))
    cells = [number(found.get(name, {}).get(at, 0.0), digits) for name, digits in named]
    return (*cells, number(found.get("energy_kilowatt_hours", {}).get(at, 0.0), 2))
