"""Pages that open from disk, ask nothing of the network and print.

page(evidence)     `report.html` of a result
document(...)      the shell that every page shares: policy, style, contents, scripts
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.report.charts import of_result
from greensched.report.page.document import document
from greensched.report.page.sections.opening import opening
from greensched.report.page.sections.over_time import over_time
from greensched.report.page.sections.proof import proof
from greensched.report.page.sections.risk import risk
from greensched.report.page.sections.saved import saved
from greensched.report.page.sections.sure import sure

if TYPE_CHECKING:
    from greensched.report.evidence import Evidence

__all__ = ["document", "page"]


def page(evidence: Evidence) -> str:
    """Return the page of a result."""
    summary = evidence.summary
    charts = of_result(summary, evidence.series, evidence.jobs, evidence.sensitivity)
    sections = [
        *saved(evidence, charts),
        *over_time(charts),
        *risk(evidence, charts),
        *sure(evidence, charts),
        *proof(evidence),
    ]
    return document(summary["name"], opening(evidence), sections, charts)
