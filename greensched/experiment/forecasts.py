"""Forecasts of a scenario's services: fitted on its history, and what they were worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
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


def calendar_of(scenario: Scenario) -> Calendar:
    """Return the clock and the holidays that forecasts go by; without, the window's offset."""
    given, offset = scenario.spec.calendar, scenario.spec.window.start.isoformat()[-6:]
    if given is None:
        return Calendar(time_zone=offset)
    return Calendar(
        time_zone=given.time_zone or offset, country=given.country, subdivision=given.subdivision
    )


def calendar_told(scenario: Scenario) -> tuple[str, ...]:
    """Say by which clock and holidays forecasts go, where the scenario tells and any is made."""
    asked = (
        getattr(p, "forecasts", False) or getattr(p, "shifts", False) for p in scenario.policies
    )
    if scenario.spec.calendar is None or not any(asked):
        return ()
    found = calendar_of(scenario)
    place = " ".join(part for part in (found.country, found.subdivision) if part)
    days = f"the holidays of {place}" if place else "no holidays"
    return (f"forecasts go by the clock of {found.time_zone} and by {days}",)


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
            calendar=replace(calendar_of(scenario), zero_utc_ms=scenario.start_utc_ms),
            until_ms=until_ms + LEADS_MS[-1],  # what is asked for at the end
        )

    forecast = fitted(known)
    if any(getattr(p, "forecasts_sums", False) for p in scenario.policies):
        return replace(forecast, with_sums=fitted(with_sums(known, table.replica_gpu_m)))
    return forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a forecast of services was worth to the policies that used it, in this window.

    `oracles` of them were shown the true future; `rules` is what the others do without a forecast.
    `each` is of the services, `sums` of their sums by pool at the band of `sums_quantile`; None:
    nobody asked, or the window is too short to tell.
    """

    policies: tuple[str, ...]
    oracles: tuple[str, ...]
    rules: tuple[str, ...] = ()
    forecast: Forecast | None = None  # None: only oracles used it
    each: LeadScore | None = None
    sums: LeadScore | None = None
    sums_quantile: float | None = None

    @property
    def days(self) -> float:
        """Return the days of history, to a tenth and never rounded up."""
        if self.forecast is None:
            return 0.0
        days = (self.forecast.fitted_until_ms - self.forecast.from_ms) / MS_PER_DAY
        return int(10 * days) / 10

    @property
    def fallback(self) -> str | None:
        """Return what was done in place of a forecast by the hour of the week."""
        if self.forecast is None or self.forecast.method == "hour-of-week":
            return None
        return self.forecast.method if self.forecast.predicts else " and ".join(self.rules)

    @property
    def findings(self) -> tuple[str, ...]:
        """Return it in words."""
        found = []
        if self.oracles:
            who = ", ".join(self.oracles)
            found.append(f"{who}: an oracle, shown the true future; nothing to deploy")
        if self.forecast is not None:
            found.append(self._text(self.forecast))
        return tuple(found)

    def _text(self, forecast: Forecast) -> str:
        """Say which method forecast, and how well, or what was done without."""
        if not forecast.predicts:
            return f"no forecast of services, {self.fallback} throughout: {forecast.reason}"
        text = f"services forecast by {forecast.method} from {self.days:g} days of history"
        if self.each is None:
            return text
        one = self.each
        text += (
            f": {one.lead_ms // MS_PER_H} h ahead {one.error_share:.1%} off"
            f" ({one.rival} {one.rival_error_share:.1%}), {one.coverage_share:.1%} below the"
            f" {BAND:.0%} band"
        )
        if self.sums is not None and self.sums_quantile is not None:
            text += (
                f"; their sum {self.sums.error_share:.1%} off, the whole hour below its"
                f" {100 * self.sums_quantile:g}% band in {self.sums.coverage_whole_share:.1%}"
            )
        return text

    @property
    def summary(self) -> dict[str, Any]:
        """Return it as `summary.json` has it."""
        return {
            "policies": list(self.policies),
            "oracles": list(self.oracles),
            "kind": None if self.forecast is None else self.forecast.method,
            "fallback": self.fallback,
            "reason": None if self.forecast is None else self.forecast.reason,
            "history_days": None if self.forecast is None else self.days,
            "each": _scored(self.each, BAND),
            "sums": _scored(self.sums, self.sums_quantile),
        }


def _scored(lead: LeadScore | None, quantile: float | None) -> dict[str, Any] | None:
    """Return the scores at one lead, with the quantile of the band whose coverage is told."""
    if lead is None:
        return None
    return {
        "lead_h": lead.lead_ms / MS_PER_H,
        "error_share": lead.error_share,
        "rival": lead.rival,
        "rival_error_share": lead.rival_error_share,
        "skill_vs_persistence": lead.skill_share,
        "quantile": quantile,
        "coverage_share": lead.coverage_share,
        "coverage_worst_share": lead.coverage_worst_share,
        "coverage_whole_share": lead.coverage_whole_share,
    }


def worth_of(scenario: Scenario, workload: Workload, forecast: Forecast | None) -> Worth | None:
    """Return what a forecast of the services was worth; None where no policy uses one."""
    table, past = workload.services, workload.history_services
    if forecast is None or table is None:
        return None
    users: list[Any] = [p for p in scenario.policies if getattr(p, "forecasts", False)]
    others = [p for p in users if not getattr(p, "oracle", False)]
    found = Worth(
        policies=tuple(p.kind for p in users),
        oracles=tuple(p.kind for p in users if p not in others),
    )
    if not others:
        return found
    rules = dict.fromkeys(getattr(p, "fallback", "the reactive rule") for p in others)
    found = replace(found, forecast=forecast, rules=tuple(rules))
    if not forecast.predicts or past is None:
        return found
    known = replace(past, load_cpu_m=np.concatenate([past.load_cpu_m, table.load_cpu_m], axis=1))
    each = _told(forecast, known, table.start_ms, BAND)
    quantile = next((p.quantile for p in others if getattr(p, "forecasts_sums", False)), None)
    if each is None or forecast.with_sums is None or quantile is None:
        return replace(found, each=each)
    sums = _sums_told(forecast.with_sums, known, table.start_ms, quantile)
    return replace(found, each=each, sums=sums, sums_quantile=quantile)


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


def _sums_told(
    forecast: Forecast, known: Services, from_ms: int, quantile: float
) -> LeadScore | None:
    """Return how the services' sums were forecast, those of pools that have any."""
    sums = by_pool(known.load_cpu_m, known.replica_gpu_m)
    pools = np.flatnonzero(sums.any(axis=1))
    of_sums = forecast.only(len(known) + pools)
    return _told(of_sums, replace(known, load_cpu_m=sums[pools]), from_ms, quantile)
