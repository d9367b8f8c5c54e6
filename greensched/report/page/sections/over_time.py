"""What the machines did: the tide, power and intensity, utilisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greensched.report.page.html import Section, figure, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from greensched.report.charts import Chart

# Filled by the page's script; without it there is nothing to choose.
DAYS: Final = (
    '<p class="choice controls" hidden><label for="days">Time shown</label> '
    '<select id="days"><option value="all">all that was replayed</option>'
    '<option value="brush" disabled>as brushed</option></select></p>'
)


def over_time(charts: Mapping[str, Chart]) -> Iterator[Section]:
    """Yield the sections of charts over time."""
    tide = [figure(charts["tide"], heading=False)]
    if "overview" in charts:
        tide.insert(0, figure(charts["overview"], extra=DAYS))
    yield Section(key="tide", title="The tide: machines by what they do", parts=tuple(tide))
    shown = [figure(charts[name]) for name in ("power", "intensity") if name in charts]
    yield Section(
        key="power", title="Power, carbon intensity, and what was moved", parts=tuple(shown)
    )
    if "utilisation" in charts:
        heat = figure(charts["utilisation"], heading=False)
    else:
        heat = paragraph("This result does not tell how full its machines were: run it again.")
    yield Section(key="utilisation", title="Utilisation, before and after", parts=(heat,))
