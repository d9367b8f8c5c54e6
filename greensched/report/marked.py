"""The difference table as Markdown and CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched.report import heading
from greensched.report.attribution import attribution_markdown, shares
from greensched.report.difference import headed, result_lines
from greensched.report.sizing import block_markdown, purchase
from greensched.report.tables import csv_text, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.report.difference_rows import Line


def result_markdown(summary: Mapping[str, Any]) -> str:
    """Return a result as Markdown: headline, sentence, table, what to know of the data."""
    titles, rows = result_lines(summary)
    parts = [
        f"## {plain(heading.headline(summary))}",
        f"*{heading.stamp(summary)}*",
        plain(heading.sentence(summary)),
        table_markdown(heading.question(summary), titles, rows),
    ]
    if bought := purchase(summary):
        parts.append(block_markdown(bought))
    if summary.get("attribution") and (found := shares(summary)):
        parts.append(attribution_markdown(found))
    notes = [*heading.remarks(summary), *heading.quality(summary)]
    if notes:
        parts.append("\n".join(f"- {plain(n)}" for n in notes))
    return "\n\n".join(parts) + "\n"


def comparison_markdown(
    a: Mapping[str, Any], b: Mapping[str, Any], titles: Sequence[str], rows: Sequence[Line]
) -> str:
    """Return two results side by side as Markdown: headlines, stamps, table."""
    heads = dict.fromkeys((heading.headline(a), heading.headline(b)))
    stamps = dict.fromkeys((heading.stamp(a), heading.stamp(b)))
    parts = [*(f"## {plain(h)}" for h in heads), f"*{' / '.join(stamps)}*"]
    return "\n\n".join([*parts, table_markdown("scenarios", titles, rows)]) + "\n"


def table_markdown(title: str, titles: Sequence[str], rows: Sequence[Line]) -> str:
    """Return the difference table as Markdown."""
    names = [plain(t) for t in titles]
    bound, span = any(r.bound for r in rows), any(r.span for r in rows)
    more = [*["bound"] * bound, *["range"] * span]
    head = [title, *names, f"Δ {names[0]}", "%", *more, "objective"]
    made = [head, ["---", *["---:"] * (len(head) - 2), "---"]]
    for group, r in headed(rows):
        if group:
            made.append([f"**{group}**", *[""] * (len(head) - 1)])
        ends = [*[r.bound] * bound, *[r.span] * span, r.verdict]
        made.append([r.label, *r.cells, r.delta, r.percent, *ends])
    return "\n".join("| " + " | ".join(row) + " |" for row in made)


def table_csv(titles: Sequence[str], rows: Sequence[Line]) -> str:
    """Return the difference table as CSV, numbers as they are (unit in the key's name)."""
    head = ["key", *titles, "difference", "limit", "objective"]
    made = []
    for row in rows:
        first, last = row.raw[0], row.raw[-1]
        change = None if first is None or last is None else last - first
        held = {None: "not judged", True: "ok", False: "VIOLATED"}[row.ok]
        made.append([row.key, *row.raw, change, row.limit, "" if row.limit is None else held])
    return csv_text(head, made)


def result_csv(summary: Mapping[str, Any]) -> str:
    """Return a result's difference table as CSV."""
    return table_csv(*result_lines(summary))
