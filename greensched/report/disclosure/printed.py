"""The statement as text, as Markdown, and its lines as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched.errors import escape_control
from greensched.report.disclosure.sections import sections
from greensched.report.shifting import aligned, markdown
from greensched.report.tables import csv_text, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONG = ("Factors", "Basis")  # sections of text rather than figures: only in the files


def statement_markdown(values: Mapping[str, Any]) -> str:
    """Return the statement as Markdown."""
    parts = [f"# {plain(values['company'])}: greenhouse gas statement {values['year']}"]
    for section in sections(values):
        if not section.cells and not section.notes:
            continue
        parts.append(f"## {plain(section.title)}")
        if section.cells:
            parts.append(markdown(section.heads, section.cells))
        parts += [f"- {plain(note)}" for note in section.notes]
    return "\n\n".join(parts) + "\n"


def statement_text(values: Mapping[str, Any]) -> str:
    """Return the statement as aligned text, without factors and basis."""
    return "\n".join(_lines(values)) + "\n"


def _lines(values: Mapping[str, Any]) -> Iterator[str]:
    yield escape_control(f"{values['company']}: greenhouse gas statement {values['year']}")
    for section in sections(values):
        if section.title in LONG or not section.cells:
            continue
        yield ""
        yield section.title
        cells = [[escape_control(cell) for cell in row] for row in section.cells]
        yield from (f"  {line}" for line in aligned(section.heads, cells))
        yield from (f"  {escape_control(note)}" for note in section.notes)
    yield ""
    yield from (f"note  {escape_control(note)}" for note in values["notes"])


def lines_csv(values: Mapping[str, Any]) -> str:
    """Return the inventory's lines as CSV, emissions in whole milligrams."""
    lines = values["lines"]
    heads = list(lines[0]) if lines else ["scope"]
    return csv_text(heads, [list(line.values()) for line in lines])
