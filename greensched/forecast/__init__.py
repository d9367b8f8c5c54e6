"""Forecasts of services' load: hour of the week, recent level, one-sided conformal bands.

`fit(history)` is done once and gives a frozen `Forecast`; a policy keeps a `Recent` in its memory,
brings it up to date with `Forecast.observe` and asks `Forecast.upper` for the load that services
stay below. `score` says afterwards what that was worth.
"""

from greensched.forecast.bands import LEADS_MS, QUANTILES
from greensched.forecast.calendar import Calendar
from greensched.forecast.fit import fit
from greensched.forecast.fitted import COVERAGE_MIN, Forecast, Method, Recent, nothing_recent
from greensched.forecast.plain import forecast_from_plain, recent_from_plain, to_plain
from greensched.forecast.score import LeadScore, Score, score

__all__ = [
    "COVERAGE_MIN",
    "LEADS_MS",
    "QUANTILES",
    "Calendar",
    "Forecast",
    "LeadScore",
    "Method",
    "Recent",
    "Score",
    "fit",
    "forecast_from_plain",
    "nothing_recent",
    "recent_from_plain",
    "score",
    "to_plain",
]
