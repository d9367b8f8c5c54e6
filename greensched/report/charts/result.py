"""The charts of one result, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.experiment.sensitivity import priced_only
from greensched.report import heading
from greensched.report.charts.bounds import bounds
from greensched.report.charts.power import intensity, power
from greensched.report.charts.scopes import scopes
from greensched.report.charts.service import objectives, services
from greensched.report.charts.tide import overview, tide
from greensched.report.charts.timeline import ROWS_MAX
from greensched.report.charts.tornado import tornado
from greensched.report.charts.utilisation import utilisation
from greensched.report.charts.waits import waits
from greensched.report.charts.waterfall import waterfall

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from greensched.experiment import Result
    from greensched.report.charts.chart import Chart

NAMES: Final = (
    *("waterfall", "overview", "tide", "power", "intensity", "utilisation", "objectives"),
    *("services", "waits", "scopes", "tornado", "bounds"),
)


def of_result(
    summary: Mapping[str, Any],
    series: pd.DataFrame,
    jobs: pd.DataFrame | None = None,
    sensitivity: Mapping[str, Any] | None = None,
    *,
    rows_max: int = ROWS_MAX,
) -> dict[str, Chart]:
    """Return by name, in the order of `NAMES`, the charts that have something to show.

    Charts over time are drawn of about `rows_max` intervals, peaks kept.
    """
    makers = _makers(summary, series, jobs, sensitivity, rows_max)
    made = ((name, makers[name]()) for name in NAMES)
    return {name: chart for name, chart in made if chart is not None}


def _makers(
    summary: Mapping[str, Any],
    series: pd.DataFrame,
    jobs: pd.DataFrame | None,
    sensitivity: Mapping[str, Any] | None,
    rows_max: int,
) -> dict[str, Callable[[], Chart | None]]:
    """Return by name what makes each chart; it gives None where there is nothing to show."""
    offset_ms, kind = heading.start_offset_ms(summary), summary["baseline"]["kind"]
    length_s = summary["window"]["length_s"]
    return {
        "waterfall": lambda: waterfall(summary),
        "overview": lambda: overview(series, offset_ms),
        "tide": lambda: tide(series, offset_ms, kind, length_s=length_s, rows_max=rows_max),
        "power": lambda: power(series, offset_ms, kind, length_s=length_s, rows_max=rows_max),
        "intensity": lambda: intensity(series, offset_ms, rows_max=rows_max),
        "utilisation": lambda: utilisation(series, offset_ms, kind),
        "objectives": lambda: objectives(summary),
        "services": lambda: services(summary),
        "waits": lambda: None if jobs is None else waits(jobs, kind),
        "scopes": lambda: scopes(summary),
        "tornado": lambda: tornado(sensitivity, summary) if sensitivity else None,
        "bounds": lambda: bounds(summary),
    }


def charts(result: Result) -> Charts:
    """Return the charts of a result, each a method."""
    return Charts(result.summary, result.series, result.jobs, priced_only(result).document)


class Charts:
    """The charts of a `Result`, each a method that returns an altair chart.

    `result.charts.tide()` shows the tide where a notebook's cell ends in it; `dir` lists them. A
    chart that has nothing to show raises AttributeError with the names of those that have.
    """

    def __init__(
        self,
        summary: Mapping[str, Any],
        series: pd.DataFrame,
        jobs: pd.DataFrame | None = None,
        sensitivity: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep what the charts are made of."""
        self._makers = _makers(summary, series, jobs, sensitivity, ROWS_MAX)

    def __dir__(self) -> list[str]:
        """Return the names of all charts."""
        return list(NAMES)

    def __getattr__(self, name: str) -> Callable[[], Any]:
        """Return what makes the chart `name`."""
        if name not in NAMES:
            message = f"no chart {name!r}; there are {', '.join(NAMES)}"
            raise AttributeError(message)
        chart = self._makers[name]()
        if chart is None:
            message = f"the chart {name!r} has nothing to show for this result"
            raise AttributeError(message)
        return lambda: chart.altair
