"""Forecasts of a scenario's services: fitted on its history, and what they were worth."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.forecast import LEADS_MS, Calendar, Forecast, fit, score
from greensched.model.pools import by_pool, with_sums
from greensched.units import MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from greensched.forecast import LeadScore
    from greensched.model import IntArray, Services
    from greensched.scenario import Scenario, Workload

LEAD_MS = MS_PER_H  # the lead whose errors are told
BAND = 0.95  # whose coverage is told


def forecast_of(scenario: Scenario, workload: Workload, until_ms: int) -> Forecast | None:
    """Return the forecast of the services up to `until_ms`; None where no policy uses one.

    With their sums where a policy asks about those.
    """
    table, past = workload.services, workload.history_services
    if table is None or not any(getattr(p, "forecasts", False) for p in scenario.policies):
        return None
    known = np.empty((len(table), 0), np.int64) if past is None else past.load_cpu_m

    def fitted(load_cpu_m: IntArray) -> Forecast:
        return fit(
            load_cpu_m,
            start_ms=table.start_ms if past is None else past.start_ms,
            step_ms=table.step_ms,
            calendar=Calendar(
                time_zone=scenario.spec.window.start.isoformat()[-6:],
                zero_utc_ms=scenario.start_utc_ms,
            ),
            until_ms=until_ms + LEADS_MS[-1],  # what is asked for at the end
        )

    forecast = fitted(known)
    if any(getattr(p, "forecasts_sums", False) for p in scenario.policies):
        return replace(forecast, with_sums=fitted(with_sums(known, table.replica_gpu_m)))
    return forecast


def findings(scenario: Scenario, workload: Workload, forecast: Forecast | None) -> tuple[str, ...]:
    """Say which method forecast the services, how well in this window, or why none did."""
    if forecast is None or workload.services is None:
        return ()
    users: list[Any] = [p for p in scenario.policies if getattr(p, "forecasts", False)]
    oracles = [p.kind for p in users if getattr(p, "oracle", False)]
    if oracles:
        what = f"{', '.join(oracles)}: an oracle, shown the true future; nothing to deploy"
        users = [p for p in users if p.kind not in oracles]
        return (what, *(_skill(workload, forecast, users) if users else ()))
    return _skill(workload, forecast, users)


def _skill(workload: Workload, forecast: Forecast, users: list[Any]) -> tuple[str, ...]:
    """Say how well the services were forecast for policies, or what these did without."""
    table, past = workload.services, workload.history_services
    assert table is not None
    if not forecast.predicts or past is None:
        rules = dict.fromkeys(getattr(p, "fallback", "the reactive rule") for p in users)
        return (f"no forecast of services, {' and '.join(rules)} throughout: {forecast.reason}",)
    known = replace(past, load_cpu_m=np.concatenate([past.load_cpu_m, table.load_cpu_m], axis=1))
    days = (forecast.fitted_until_ms - forecast.from_ms) / MS_PER_DAY
    text = f"services forecast by {forecast.method} from {int(10 * days) / 10:g} days of history"
    told = _told(forecast, known, table.start_ms, BAND)
    if told is None:
        return (text,)
    text += (
        f": {told.lead_ms // MS_PER_H} h ahead {told.error_share:.1%} off"
        f" ({told.rival} {told.rival_error_share:.1%}), {told.coverage_share:.1%} below the"
        f" {BAND:.0%} band"
    )
    quantile = next((p.quantile for p in users if getattr(p, "forecasts_sums", False)), None)
    if forecast.with_sums is not None and quantile is not None:
        text += _sums_told(forecast.with_sums, known, table.start_ms, quantile)
    return (text,)


def _told(forecast: Forecast, known: Services, from_ms: int, quantile: float) -> LeadScore | None:
    """Return how forecasts of the lead that is told did from `from_ms` on; None: too short."""
    found = score(
        forecast,
        known.load_cpu_m,
        start_ms=known.start_ms,
        step_ms=known.step_ms,
        from_ms=from_ms,
        quantile=quantile,
    )
    return next((lead for lead in found.leads if lead.lead_ms >= LEAD_MS), None)


def _sums_told(forecast: Forecast, known: Services, from_ms: int, quantile: float) -> str:
    """Say how the services' sums were forecast, those of pools that have any."""
    sums = by_pool(known.load_cpu_m, known.replica_gpu_m)
    pools = np.flatnonzero(sums.any(axis=1))
    of_sums = forecast.only(len(known) + pools)
    told = _told(of_sums, replace(known, load_cpu_m=sums[pools]), from_ms, quantile)
    if told is None:
        return ""
    return (
        f"; their sum {told.error_share:.1%} off, the whole hour below its"
        f" {100 * quantile:g}% band in {told.coverage_whole_share:.1%}"
    )
