"""What waiting saved: settled with actual intensity, negative too, each an entry of the ledger.

The rules are those of `accounting.settlement`, which the batch runner follows too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from greensched.accounting.settlement import Segment, counterfactual, is_actual, settle
from greensched.controller.deferral import ENDED
from greensched.controller.outlook import outlook_series
from greensched.units import MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greensched.carbon import CarbonIntensity
    from greensched.controller.api import Json
    from greensched.controller.deferral import Deferral

PATIENCE_MS: Final = 72 * MS_PER_H  # after it the forecast stands in, flagged, until actuals come
GIVEN_UP_MS: Final = 30 * MS_PER_DAY  # after it actuals are asked for no more
BY_ACTUALS: Final = "actual"
BY_FORECAST: Final = "forecast"


def is_open(one: Deferral) -> bool:
    """Tell whether a record has still to be settled."""
    return one.phase == ENDED and not one.is_final and bool(one.runs) and one.power is not None


def segments_of(one: Deferral) -> list[Segment]:
    """Return when a Job ran, and which of its work was kept."""
    return [Segment(start_ms=a, end_ms=b, useful=kept) for a, b, kept in one.runs]


def span_of(one: Deferral) -> tuple[int, int]:
    """Return the time [ms] over which intensity has to be known."""
    every = [*segments_of(one), counterfactual(segments_of(one), one.created_ms)]
    return min(s.start_ms for s in every), max(s.end_ms for s in every)


def settled(one: Deferral, series: CarbonIntensity | None, now_ms: int) -> Deferral | None:
    """Return a record settled as well as can be by now, None where nothing is new."""
    ended_ms = span_of(one)[1]
    if series is not None and now_ms >= ended_ms:
        found = _under(series, one, BY_ACTUALS)
        if found is not None:
            return replace(one, settled=found, is_final=True)
    if now_ms - ended_ms >= GIVEN_UP_MS:
        return replace(one, is_final=True)
    if one.settled or now_ms - ended_ms < PATIENCE_MS or not one.outlook:
        return None
    found = _under(outlook_series(one.outlook, one.zone), one, BY_FORECAST)
    return None if found is None else replace(one, settled=found)


def _under(series: CarbonIntensity, one: Deferral, by: str) -> Json | None:
    """Return what was settled under one series, None where it does not tell of all of it."""
    assert one.power is not None
    segments = segments_of(one)
    every = [*segments, counterfactual(segments, one.created_ms)]
    watts = (one.power.low_w, one.power.mid_w, one.power.high_w)
    low, mid, high = (settle(segments, one.created_ms, w, series) for w in watts)
    if low is None or mid is None or high is None:
        return None
    if by == BY_ACTUALS and not all(is_actual(series, s) for s in every):
        return None
    labels = series.labels
    return {
        "energy_mwh_milli": mid.energy_mwh_milli,
        "useful_mwh_milli": mid.useful_mwh_milli,
        "actual_mg": mid.actual_mg,
        "counterfactual_mg": mid.counterfactual_mg,
        "saved_mg": mid.saved_mg,
        "saved_range_mg": sorted((low.saved_mg, high.saved_mg)),
        "intensity": {
            "status": by,
            "source": labels.source,
            "signal": labels.signal,
            "basis": labels.basis,
            "vintage": labels.vintage,
            "synthetic": labels.synthetic,
        },
    }


def entry_key(one: Deferral, *, corrects: bool = False) -> str:
    """Return the key of a record's entry: a Job has one, and one more that corrects it."""
    return f"k8s/{one.uid}/actual" if corrects else f"k8s/{one.uid}"


def entry(one: Deferral, before: Json | None) -> Json | None:
    """Return what a ledger that has `before` of a settled record is to take; None: nothing.

    A first entry has the same key in every replica's ledger, so one that is the first here counts
    once beside one that another replica entered before.
    """
    assert one.settled is not None
    assert one.power is not None
    by = [said["intensity"]["status"] for said in (before, one.settled) if said is not None]
    corrects = by == [BY_FORECAST, BY_ACTUALS]
    if before is not None and not corrects:
        return None
    found: dict[str, Any] = {
        "type": "settlement",
        "key": entry_key(one, corrects=corrects),
        "namespace": one.namespace,
        "job": one.job,
        "policy": one.policy,
        "zone": one.zone,
        "created_utc_ms": one.created_ms,
        "runs": [list(run) for run in one.runs],
        "failed": one.has_failed,
        "estimated_end": one.is_estimated,
        "power_mw": round(one.power.mid_w * 1_000),
        "energy_quality": one.power.quality,
        "capacity": "ignored",
        **one.settled,
    }
    return {**found, "supersedes": entry_key(one)} if corrects else found


def totals(records: Iterable[Deferral]) -> dict[str, tuple[int, int, int]]:
    """Return, by namespace, Jobs settled, what they saved [mg] and what they took [mWh]."""
    found: dict[str, tuple[int, int, int]] = {}
    for one in records:
        if one.settled:
            jobs, saved_mg, spent = found.get(one.namespace, (0, 0, 0))
            found[one.namespace] = (
                jobs + 1,
                saved_mg + one.settled["saved_mg"],
                spent + one.settled["energy_mwh_milli"],
            )
    return found
