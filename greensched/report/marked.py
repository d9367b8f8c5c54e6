"""The difference table as Markdown and CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched.report import heading
from greensched.report.attribution import attribution_markdown, shares
from greensched.report.difference import lines, result_columns
from greensched.report.sizing import block_markdown, purchase
from greensched.report.tables import csv_text, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.report.difference import Line


def result_markdown(summary: Mapping[str, Any]) -> str:
    """Return a result as Markdown: headline, sentence, table, what to know of the data."""
    titles, outcomes = result_columns(summary)
    rows = lines(outcomes, currency=summary["currency"] or "", bounds=summary.get("bounds"))
    parts = [
        f"## {plain(heading.headline(summary))}",
        f"*{heading.stamp(summary)}*",
        plain(heading.sentence(summary)),
        table_markdown(heading.question(summary), titles, rows),
    ]
    if bought := purchase(summary):
        parts.append(block_markdown(bought))
    if summary.get("attribution") and (found := shares(summary["attribution"])):
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
    bound = ["bound"] if any(r.bound for r in rows) else []
    head = [title, *names, f"Δ {names[0]}", "%", *bound, "objective"]
    made = [head, ["---", *["---:"] * (len(head) - 2), "---"]]
    made += [
        [r.label, *r.cells, r.delta, r.percent, *[r.bound for _ in bound], r.verdict] for r in rows
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in made)


def table_csv(titles: Sequence[str], rows: Sequence[Line]) -> str:
    """Return the difference table as CSV, numbers as they are (unit in the key's name)."""
    head = ["key", *titles, "difference", "objective"]
    made = []
    for row in rows:
        first, last = row.raw[0], row.raw[-1]
        change = None if first is None or last is None else last - first
        made.append([row.key, *row.raw, change, row.verdict])
    return csv_text(head, made)


def result_csv(summary: Mapping[str, Any]) -> str:
    """Return a result's difference table as CSV."""
    titles, outcomes = result_columns(summary)
    return table_csv(
        titles, lines(outcomes, currency=summary["currency"] or "", bounds=summary.get("bounds"))
    )
