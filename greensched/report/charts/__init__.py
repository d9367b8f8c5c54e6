"""The charts of a report: one file each, a pure function from data to a `Chart`.

of_result(summary, series, jobs, sensitivity)   all charts of a result that have something
Charts(result)                                  the same by name, for notebooks: .tide()
Chart.spec, .csv, .sees, .svg, .png, .altair    the forms that a chart is had in
"""

from __future__ import annotations

from greensched.report.charts.chart import Chart
from greensched.report.charts.result import NAMES, Charts, of_result

__all__ = ["NAMES", "Chart", "Charts", "of_result"]
