"""What waiting saved: settled with actual intensity, negative too, each an entry of the ledger.

Settling and entering are apart: what was settled while there was no ledger, or one that could not
be written, is entered as soon as it can be.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from greensched.accounting.settlement import Segment, counterfactual, is_actual, settle
from greensched.batch.job import FAILED, FINISHED
from greensched.batch.outlook import kept_outlook
from greensched.batch.sources import answer_of
from greensched.errors import Finding, GreenschedError, UsageError
from greensched.ledger import Ledger, default_ledger
from greensched.units import MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from greensched.accounting.settlement import Settlement
    from greensched.batch.job import Job
    from greensched.batch.queue import Queue
    from greensched.carbon import CarbonIntensity

log = logging.getLogger("greensched")
PATIENCE_MS: Final = 72 * MS_PER_H  # after it the forecast stands in, flagged, until actuals come
GIVEN_UP_MS: Final = 30 * MS_PER_DAY  # after it actuals are asked for no more
BY_ACTUALS: Final = "actual"
BY_FORECAST: Final = "forecast"
AT_A_TIME: Final = 500  # entries of one append


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A settlement, and the series that it is under."""

    settlement: Settlement
    by: str
    series: CarbonIntensity


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A job that ended, when it ran, and all the time that its settlement looks at."""

    job: Job
    segments: tuple[Segment, ...]
    instead: Segment

    @property
    def every(self) -> tuple[Segment, ...]:
        """Return what was and what would have been."""
        return (*self.segments, self.instead)

    @property
    def first_ms(self) -> int:
        """Return where what has to be known begins."""
        return min(s.start_ms for s in self.every)

    @property
    def last_ms(self) -> int:
        """Return where it ends."""
        return max(s.end_ms for s in self.every)


def settle_all(queue: Queue, now_ms: int, *, ended_since_ms: int = 0) -> list[int]:
    """Settle the jobs that can be, of those that ended since, and enter them; return which."""
    enter_all(queue)
    since_ms = max(ended_since_ms, now_ms - GIVEN_UP_MS)
    done = []
    ran = [found for job in queue.unsettled(since_ms) if (found := _ran(queue, job))]
    for one, series in _known(queue, ran, now_ms):
        settled = _by_actuals(one, series, now_ms) or _by_forecast(queue, one, now_ms)
        if settled is not None:
            queue.change(
                one.job.id,
                states=(FINISHED, FAILED),
                settled=json.dumps({**_plain(settled), "supersedes": one.job.entry or None}),
                is_final=settled.by == BY_ACTUALS,
                entry="",
            )
            done.append(one.job.id)
    enter_all(queue)
    return done


def _ran(queue: Queue, job: Job) -> Ran | None:
    """Return when a job ran; runs before the one that counts were in vain. None: it never did."""
    segments = tuple(
        Segment(start_ms=r.start_ms, end_ms=r.end_ms, useful=r.attempt == job.attempt)
        for r in queue.runs(job.id)
        if r.end_ms is not None
    )
    if not segments:
        return None
    return Ran(job=job, segments=segments, instead=counterfactual(segments, job.created_ms))


def _known(
    queue: Queue, ran: Sequence[Ran], now_ms: int
) -> Iterator[tuple[Ran, CarbonIntensity | None]]:
    """Yield jobs with what is known by now of the time around them; one question for many."""
    left = sorted(ran, key=lambda one: one.first_ms)
    while left:
        first_ms = left[0].first_ms
        asked = [one for one in left if one.first_ms < first_ms + MS_PER_DAY]
        last_ms = max(first_ms + 1, *(one.last_ms for one in asked))
        answer, _ = answer_of(queue, first_ms, last_ms, max(now_ms, last_ms))
        series = None if answer is None else answer.series
        # What follows a gap is asked for anew; where nothing is known, an hour further on.
        until_ms = first_ms + MS_PER_H if answer is None else answer.known_until_ms
        until_ms = max(until_ms, first_ms + MS_PER_H)
        for one in asked:
            if one.first_ms <= until_ms:
                yield one, series
        left = [one for one in left if one.first_ms > until_ms or one not in asked]


def _by_actuals(one: Ran, series: CarbonIntensity | None, now_ms: int) -> Settled | None:
    """Return the settlement under actual intensity, None while not all of it is known."""
    if series is None or now_ms < one.last_ms:
        return None
    found = settle(one.segments, one.job.created_ms, one.job.power_w or 0.0, series)
    if found is None or not all(is_actual(series, s) for s in one.every):
        return None
    return Settled(settlement=found, by=BY_ACTUALS, series=series)


def _by_forecast(queue: Queue, one: Ran, now_ms: int) -> Settled | None:
    """Return the settlement under the forecast that the job was queued under, if it is time."""
    job = one.job
    if job.settled or job.outlook is None or now_ms - one.last_ms < PATIENCE_MS:
        return None
    kept = kept_outlook(queue, job.outlook)
    if kept is None or not kept.edges_ms:
        return None
    series = kept.series(str(queue.setting("zone")))
    found = settle(one.segments, job.created_ms, job.power_w or 0.0, series)
    if found is None:
        return None
    return Settled(settlement=found, by=BY_FORECAST, series=series)


def _plain(found: Settled) -> dict[str, Any]:
    """Return a settlement as plain values."""
    one, labels = found.settlement, found.series.labels
    return {
        "energy_mwh_milli": one.energy_mwh_milli,
        "useful_mwh_milli": one.useful_mwh_milli,
        "actual_mg": one.actual_mg,
        "counterfactual_mg": one.counterfactual_mg,
        "saved_mg": one.saved_mg,
        "intensity": {
            "status": found.by,
            "source": labels.source,
            "signal": labels.signal,
            "basis": labels.basis,
            "vintage": labels.vintage,
            "synthetic": labels.synthetic,
        },
    }


def enter_all(queue: Queue) -> None:
    """Append what is settled and not yet in the user's ledger, if there is one."""
    place = default_ledger()
    jobs = queue.unentered() if place.exists() else []
    if not jobs:
        return
    try:
        _enter(queue, place, jobs)
    except GreenschedError as error:
        log.warning("%d settled jobs are not entered: %s", len(jobs), error.findings[0])


def _enter(queue: Queue, place: Path, jobs: Sequence[Job]) -> None:
    """Append settlements; a key that is there already was appended before a crash."""
    with Ledger(place) as ledger:
        if ledger.kind != "operated":
            what = f"holds {ledger.kind} entries; jobs that ran do not belong there"
            raise UsageError(Finding(where=str(place), what=what))
        for begin in range(0, len(jobs), AT_A_TIME):
            some = jobs[begin : begin + AT_A_TIME]
            records = {job.id: _record(queue, job) for job in some}
            ledger.append([r for r in records.values() if ledger.row_of(r["key"]) is None])
            with queue.transaction():
                for number, record in records.items():
                    queue.change(number, states=(FINISHED, FAILED), entry=record["key"])


def _record(queue: Queue, job: Job) -> dict[str, Any]:
    """Return the entry of a settlement."""
    settled = json.loads(job.settled)
    before = settled.pop("supersedes", None)
    settled.pop("ledger_key", None)  # as older queues have it
    one = _ran(queue, job)
    return {
        "type": "settlement",
        "key": f"batch/{queue.setting('queue')}/{job.id}" + ("/actual" if before else ""),
        "job": job.id,
        "command_sha256": hashlib.sha256("\0".join(job.argv).encode()).hexdigest(),
        "zone": queue.setting("zone"),
        "created_utc_ms": job.created_ms,
        "runs": [[s.start_ms, s.end_ms, s.useful] for s in (one.segments if one else ())],
        "exit_code": job.exit_code,
        "power_mw": round((job.power_w or 0.0) * 1_000),
        "energy_quality": job.quality,
        "capacity": "ignored",
        **settled,
        **({"supersedes": before} if before else {}),
    }
