"""Forecasts of a scenario's services: fitted on its history, and what they were worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from greensched.forecast import Calendar, Forecast, fit, score
from greensched.units import MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from greensched.scenario import Scenario, Workload

LEAD_MS = MS_PER_H  # the lead whose errors are told


def forecast_of(scenario: Scenario, workload: Workload, until_ms: int) -> Forecast | None:
    """Return the forecast of the services up to `until_ms`; None where no policy uses one."""
    table, past = workload.services, workload.history_services
    if table is None or not any(getattr(p, "forecasts", False) for p in scenario.policies):
        return None
    known = np.empty((len(table), 0), np.int64) if past is None else past.load_cpu_m
    return fit(
        known,
        start_ms=table.start_ms if past is None else past.start_ms,
        step_ms=table.step_ms,
        calendar=Calendar(
            time_zone=scenario.spec.window.start.isoformat()[-6:],
            zero_utc_ms=scenario.start_utc_ms,
        ),
        until_ms=until_ms,
    )


def findings(workload: Workload, forecast: Forecast | None) -> tuple[str, ...]:
    """Say which method forecast the services, how well in this window, or why none did."""
    table, past = workload.services, workload.history_services
    if forecast is None or table is None:
        return ()
    if not forecast.predicts or past is None:
        return (f"no forecast of services, the reactive rule throughout: {forecast.reason}",)
    found = score(
        forecast,
        np.concatenate([past.load_cpu_m, table.load_cpu_m], axis=1),
        start_ms=past.start_ms,
        step_ms=table.step_ms,
        from_ms=table.start_ms,
    )
    told = next((lead for lead in found.leads if lead.lead_ms >= LEAD_MS), None)
    days = (forecast.fitted_until_ms - forecast.from_ms) / MS_PER_DAY
    text = f"services forecast by {forecast.method} from {days:.0f} days of history"
    if told is None:
        return (text,)
    ahead = f"{told.lead_ms // MS_PER_H} h ahead {told.error_share:.1%} off"
    rival = f"({told.rival} {told.rival_error_share:.1%})"
    held = f"{told.coverage_share:.1%} below the {found.quantile:.0%} band"
    return (f"{text}: {ahead} {rival}, {held}",)
