"""What waiting saved: settled with actual intensity, negative too, each an entry of the ledger."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from greensched.accounting.settlement import (
    Segment,
    Settlement,
    counterfactual,
    is_actual,
    settle,
    settled_by_means,
)
from greensched.batch.job import FAILED, FINISHED
from greensched.batch.sources import answer_of
from greensched.errors import Finding, GreenschedError, UsageError
from greensched.ledger import Ledger, default_ledger
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.batch.job import Job
    from greensched.batch.queue import Queue

log = logging.getLogger("greensched")
PATIENCE_MS: Final = 72 * MS_PER_H  # after it the forecast stands in, flagged, until actuals come
BY_ACTUALS: Final = "actual"
BY_FORECAST: Final = "forecast"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A settlement, under which intensity, and from where that is."""

    settlement: Settlement
    by: str
    source: str
    signal: str
    basis: str
    is_synthetic: bool


def settle_all(queue: Queue, now_ms: int) -> list[int]:
    """Settle the jobs that can be; return which. What the ledger refuses is tried again later."""
    done = []
    for job in queue.unsettled():
        found = _settled(queue, job, now_ms)
        if found is None or (job.settled and found.by == BY_FORECAST):
            continue
        try:
            key = _recorded(queue, job, found)
        except GreenschedError as error:
            log.warning("job %d is not settled: %s", job.id, error.findings[0])
            continue
        values = {**_plain(found), "ledger_key": key}
        is_final = found.by == BY_ACTUALS
        states = (FINISHED, FAILED)
        queue.change(job.id, states=states, settled=json.dumps(values), is_final=is_final)
        done.append(job.id)
    return done


def segments_of(queue: Queue, job: Job) -> list[Segment]:
    """Return when a job ran; runs before the one that counts were in vain."""
    return [
        Segment(start_ms=r.start_ms, end_ms=r.end_ms, useful=r.attempt == job.attempt)
        for r in queue.runs(job.id)
        if r.end_ms is not None
    ]


def _settled(queue: Queue, job: Job, now_ms: int) -> Settled | None:
    """Return the settlement of a job, None where it is too early."""
    segments = segments_of(queue, job)
    if not segments or job.power_w is None:
        return None
    instead = counterfactual(segments, job.created_ms)
    every = [*segments, instead]
    first, last = min(s.start_ms for s in every), max(s.end_ms for s in every)
    answer, _ = answer_of(queue, first, max(last, first + 1), max(now_ms, last))
    series = None if answer is None else answer.series
    if series is not None and answer is not None and answer.is_whole and now_ms >= last:
        found = settle(segments, job.created_ms, job.power_w, series)
        if found is not None and all(is_actual(series, s) for s in every):
            labels = series.labels
            return Settled(
                settlement=found,
                by=BY_ACTUALS,
                source=labels.source,
                signal=labels.signal,
                basis=labels.basis,
                is_synthetic=labels.synthetic,
            )
    return _by_forecast(job, segments, instead, now_ms)


def _by_forecast(
    job: Job, segments: Sequence[Segment], instead: Segment, now_ms: int
) -> Settled | None:
    """Return a settlement by what the forecast had said, once actuals are overdue."""
    now_g, planned_g = job.now_g_per_kwh, job.planned_g_per_kwh
    if now_ms - job.created_ms < PATIENCE_MS or now_g is None or planned_g is None:
        return None
    assert job.power_w is not None
    means = [planned_g] * len(segments)
    found = settled_by_means(segments, instead, job.power_w, means, now_g)
    return Settled(
        settlement=found,
        by=BY_FORECAST,
        source="forecast at the time of planning",
        signal="average",
        basis="unstated",
        is_synthetic=False,
    )


def _plain(found: Settled) -> dict[str, Any]:
    """Return a settlement as plain values."""
    one = found.settlement
    return {
        "energy_mwh_milli": one.energy_mwh_milli,
        "useful_mwh_milli": one.useful_mwh_milli,
        "actual_mg": one.actual_mg,
        "counterfactual_mg": one.counterfactual_mg,
        "saved_mg": one.saved_mg,
        "intensity": {
            "status": found.by,
            "source": found.source,
            "signal": found.signal,
            "basis": found.basis,
            "synthetic": found.is_synthetic,
        },
    }


def _recorded(queue: Queue, job: Job, found: Settled) -> str | None:
    """Append a settlement to the user's ledger; return its key, None where there is no ledger.

    A key that is there already was appended before a crash.
    """
    place = default_ledger()
    if not place.exists():
        return None
    before = json.loads(job.settled)["ledger_key"] if job.settled else None
    key = f"batch/{queue.setting('queue')}/{job.id}" + ("/actual" if before else "")
    record = {
        "type": "settlement",
        "key": key,
        "job": job.id,
        "command_sha256": hashlib.sha256("\0".join(job.argv).encode()).hexdigest(),
        "zone": queue.setting("zone"),
        "created_utc_ms": job.created_ms,
        "runs": [[s.start_ms, s.end_ms, s.useful] for s in segments_of(queue, job)],
        "exit_code": job.exit_code,
        "power_mw": round((job.power_w or 0.0) * 1_000),
        "energy_quality": job.quality,
        "capacity": "ignored",
        **_plain(found),
        **({"supersedes": before} if before else {}),
    }
    with Ledger(place) as ledger:
        if ledger.kind != "operated":
            what = f"holds {ledger.kind} entries; jobs that ran do not belong there"
            raise UsageError(Finding(where=str(place), what=what))
        if ledger.row_of(key) is None:
            ledger.append([record])
    return key
