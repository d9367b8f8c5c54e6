"""Pieces of a page: text that cannot become markup, tables, lists, figures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from greensched.errors import escape_control

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from greensched.report.charts import Chart

TABLE_ROWS_MAX: Final = 80  # of a chart's data that is shown as a table too
KIB: Final = 1024
_BEFORE_UNIT: Final = re.compile(
    r"(?<=\d) (?=(?:%|[kMG]?Wh|k?W|t|kg|g|tCO2e|kgCO2e|h|min|m?s|days?|machines?)(?!\w))"
)
_PLAIN: Final = " ,:;/?@!$()*'+-._~=|^`[]{}<>"  # what needs no escape after `data:`


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page under a heading of its own; `key` is its address."""

    key: str
    title: str
    parts: tuple[str, ...]


def text(words: object) -> str:
    """Return `words` safe for HTML, control characters escaped."""
    return escape(escape_control(str(words)))


def prose(words: object) -> str:
    """Return `words` as `text` does, with no line broken between a number and its unit."""
    return _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", text(words))


def paragraph(words: str, kind: str = "") -> str:
    """Return a paragraph, nothing for no words."""
    return f"<p{_class(kind)}>{prose(words)}</p>" if words else ""


def listed(items: Iterable[str]) -> str:
    """Return a list, nothing where there is no item."""
    made = "".join(f"<li>{prose(item)}</li>" for item in items if item)
    return f"<ul>{made}</ul>" if made else ""


def links(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a list of links: where each leads, and its words; nothing where there is none."""
    made = "".join(
        f'<li><a href="{escape(quote(to))}">{text(words)}</a></li>' for to, words in pairs
    )
    return f"<ul>{made}</ul>" if made else ""


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and what they are."""
    made = "".join(f"<dt>{text(k)}</dt><dd>{prose(v)}</dd>" for k, v in pairs)
    return f'<dl class="facts">{made}</dl>'


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    words: Sequence[int] = (),
    marks: Sequence[str] = (),
) -> str:
    """Return a table that can be scrolled by keyboard; a row of one cell is a group's heading.

    `words` are the columns that hold words, `marks` a class for each row.
    """
    kinds = ["words" if i in words else "" for i in range(len(heads))]
    head = "".join(
        f'<th scope="col"{_class(kind)}>{text(h)}</th>' if h else "<td></td>"
        for h, kind in zip(heads, kinds, strict=True)
    )
    body = "".join(_row(row, kinds, marks[i] if marks else "") for i, row in enumerate(rows))
    return (
        f'<div class="scroll wide" tabindex="0" role="region" aria-label="{text(caption)}">'
        f"<table><caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(row: Sequence[str], kinds: Sequence[str], mark: str) -> str:
    if len(row) == 1:
        return f'<tr><th scope="rowgroup" colspan="{len(kinds)}">{text(row[0])}</th></tr>'
    cells = "".join(
        f"<td{_class(kind)}>{text(cell)}</td>"
        for cell, kind in zip(row[1:], kinds[1:], strict=True)
    )
    return f'<tr{_class(mark)}><th scope="row">{text(row[0])}</th>{cells}</tr>'


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def figure(chart: Chart, *, heading: bool = True, extra: str = "") -> str:
    """Return a chart with its words, controls and data, as CSV and, if few, as a table."""
    csv, name = chart.csv, chart.name
    title = f"<h3>{text(chart.title)}</h3>" if heading else ""
    size = f"{max(1, round(len(csv) / KIB)):,} KB"
    rows = ""
    if len(chart.data) <= TABLE_ROWS_MAX:
        cells = [line.split("\t") for line in _tabbed(chart)]
        shown = table(f"{chart.title}: data", cells[0], cells[1:])
        rows = f'<details class="screen"><summary>Data as a table</summary>{shown}</details>'
    return (
        f'<figure id="figure-{name}">{title}<figcaption><p class="sees">{text(chart.sees)}</p>'
        f'</figcaption>{extra}<div class="controls" id="controls-{name}"></div>'
        f'<div class="plot" id="plot-{name}" role="img" '
        f'aria-label="{text(f"Chart: {chart.title}. {chart.sees}")}"></div>'
        f'<p class="note">{text(chart.caption)} '
        f'<a id="csv-{name}" download="{name}.csv" href="data:text/csv;charset=utf-8,'
        f'{escape(quote(csv, safe=_PLAIN))}">Data of “{text(chart.title)}” (CSV, {size})</a></p>'
        f"{rows}</figure>"
    )


def _tabbed(chart: Chart) -> list[str]:
    """Return the head and the rows of a chart's data, cells apart by tabs."""
    head, *rows = chart.rows
    return [
        "\t".join("" if c is None else str(c).replace("\t", " ") for c in r) for r in (head, *rows)
    ]
