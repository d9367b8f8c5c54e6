"""What was saved, by what, and how many machines the next purchase needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched.report import attribution as parts
from greensched.report import heading, sizing
from greensched.report.difference import headed, result_lines
from greensched.report.page.html import Section, figure, listed, paragraph, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from greensched.report.charts import Chart
    from greensched.report.difference_rows import Line
    from greensched.report.evidence import Evidence


def saved(evidence: Evidence, charts: Mapping[str, Chart]) -> Iterator[Section]:
    """Yield the difference, where it comes from, and the next purchase."""
    summary = evidence.summary
    titles, rows = result_lines(summary)
    yield Section(
        key="difference",
        title="Difference",
        parts=(
            difference_table(heading.question(summary), titles, rows),
            listed(heading.remarks(summary)),
        ),
    )
    yield Section(
        key="attribution",
        title="Where the saving comes from",
        parts=tuple(_attribution(summary, charts)),
    )
    if bought := sizing.purchase(summary):
        heads = sizing.titles(bought)
        yield Section(
            key="purchase",
            title="The next purchase",
            parts=(
                paragraph("The smallest fleet that keeps the objectives, if it were bought anew."),
                table(heads[0], ["", *heads[1:]], sizing.rows(bought)),
                listed(sizing.notes(bought)),
            ),
        )


def difference_table(title: str, titles: Sequence[str], rows: Sequence[Line]) -> str:
    """Return the difference table; a broken objective is marked by colour, weight and word."""
    bound, span = any(row.bound for row in rows), any(row.span for row in rows)
    more = [*["bound"] * bound, *["range"] * span]
    heads = ["", *titles, f"Δ {titles[0]}", "%", *more, "objective"]
    cells: list[Sequence[str]] = []
    marks: list[str] = []
    for group, row in headed(rows):
        if group:
            cells.append([group])
            marks.append("")
        shown = [*[row.bound] * bound, *[row.span] * span]
        cells.append([row.label, *row.cells, row.delta, row.percent, *shown, row.verdict])
        marks.append("bad" if row.ok is False else "")
    return table(title, heads, cells, words=(len(heads) - 1,), marks=marks)


def _attribution(summary: Mapping[str, Any], charts: Mapping[str, Chart]) -> Iterator[str]:
    """Yield the waterfall, the table and the notes of an attribution, or why there is none."""
    given = summary.get("attribution")
    found = parts.shares(summary) if given else None
    if found is None:
        why = (
            "No switch is on: there is nothing to share out."
            if given or not summary["scenario"]["policies"]
            else "It was not asked which switch saves what (run with --attribution)."
        )
        yield paragraph(why)
        return
    if "waterfall" in charts:
        yield figure(charts["waterfall"], heading=False)
    heads = ["", *(f"{q.label}: {c}" for q in found.quantities for c in parts.COLUMNS)]
    rows = [
        [name, *(cell for q in found.quantities for cell in q.cells[i])]
        for i, name in enumerate(found.names)
    ]
    marks = [*[""] * (len(rows) - 1), "total"]
    yield table("Saved alone, as the last of all, and by Shapley value", heads, rows, marks=marks)
    yield listed(found.notes)
