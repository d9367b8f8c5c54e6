"""The table of a result on a terminal: in colour on one, plain where it is piped."""

from __future__ import annotations

import os
import shutil
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import escape_control, plural
from greensched.report import heading, sizing
from greensched.report.attribution import shares, text_lines
from greensched.report.difference import (
    compared_lines,
    headed,
    result_lines,
    why_nothing,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from greensched.report.attribution import Shares
    from greensched.report.difference_rows import Line

PIPED_COLUMNS: Final = 100  # where no terminal says how wide it is
UNLIMITED: Final = 10_000
PERCENT_WIDTH: Final = 6


def width() -> int:
    """Return the number of columns to fill: $COLUMNS, the terminal's, or 100."""
    return shutil.get_terminal_size((PIPED_COLUMNS, 24)).columns


def colours(*, is_tty: bool) -> bool:
    """Tell whether to print in colour: only on a terminal, and never with NO_COLOR set."""
    return is_tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def result_text(summary: Mapping[str, Any], *, columns: int, colour: bool = False) -> str:
    """Return the whole text of a result: headline and stamp, table, service, data quality."""
    from rich.padding import Padding

    out = _console(columns, colour=colour)
    _headline(out, heading.headline(summary), heading.stamp(summary), columns)
    titles, rows = result_lines(summary)
    _difference(out, heading.question(summary), titles, rows, columns)
    if bought := sizing.purchase(summary):
        out.print()
        _purchase(out, bought)
    if summary.get("attribution") and (parts := shares(summary)):
        out.print()
        _attribution(out, parts, columns)
    notes = [why_nothing(summary), *heading.remarks(summary)]
    out.print()
    for note in notes:
        if note:
            _print(out, note)
    found = heading.quality(summary)
    if found:
        _print(out, "data quality", style="bold")
        for text in found:
            out.print(Padding(escape_control(text), (0, 0, 0, 2)))
    return _text(out)


def comparison_text(
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    titles: Sequence[str],
    *,
    columns: int,
    colour: bool = False,
) -> str:
    """Return two results side by side: the scenario of each, and b less a."""
    out = _console(columns, colour=colour)
    stamps = " / ".join(dict.fromkeys((heading.stamp(a), heading.stamp(b))))
    _headline(out, heading.headline(a), stamps, columns)
    if heading.headline(a) != heading.headline(b):
        _print(out, heading.headline(b), style="bold")
    rows = compared_lines(a, b)
    _difference(out, "scenarios", titles, rows, columns)
    return _text(out)


def attribution_text(summary: Mapping[str, Any], *, columns: int, colour: bool = False) -> str:
    """Return where the saving comes from: headline and stamp, parts, what is to be said."""
    out = _console(columns, colour=colour)
    _headline(out, heading.headline(summary), heading.stamp(summary), columns)
    found = shares(summary)
    if found is None:
        _print(out, "no switch is on, and the baseline is the same run: nothing to attribute")
    else:
        _attribution(out, found, columns)
    return _text(out)


def sizing_text(document: Mapping[str, Any], *, columns: int, colour: bool = False) -> str:
    """Return what `size` found: name and stamp, the block, limits and what else is to be said."""
    out = _console(columns, colour=colour)
    left = f"{document['name']}: {plural(document['fleet_machines'], 'machine')}"
    _headline(out, left, " · ".join(document["stamp"].values()), columns)
    _purchase(out, document)
    for text in sizing.remarks(document):
        _print(out, text)
    return _text(out)


def _purchase(out: Console, given: Mapping[str, Any]) -> None:
    """Print the second block of the table, and what limits the scenario's fleet."""
    head, *rest = sizing.text_lines(given, out.width)
    _print(out, head, style="bold")
    for text in (*rest, *sizing.notes(given)):
        _print(out, text)


def _attribution(out: Console, found: Shares, columns: int) -> None:
    """Print the parts of a saving, and what is to be said of them."""
    head, *rest = text_lines(found, columns)
    _print(out, head, style="bold")
    for line in rest:
        _print(out, line)
    for note in found.notes:
        _print(out, note)


def _console(columns: int, *, colour: bool) -> Console:
    from rich.console import Console

    return Console(
        file=StringIO(),
        width=columns,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def _text(out: Console) -> str:
    """Return what was printed, without blanks at line ends."""
    assert isinstance(out.file, StringIO)
    return "\n".join(line.rstrip() for line in out.file.getvalue().splitlines()) + "\n"


def _print(out: Console, text: str, style: str = "") -> None:
    out.print(escape_control(text), style=style or None, soft_wrap=False)


def _headline(out: Console, left: str, right: str, columns: int) -> None:
    """Print the first line, the stamp at its right end, or below where there is no room."""
    left = escape_control(left)
    gap = columns - len(left) - len(right)
    if gap > 1:
        out.print(left, style="bold", end=" " * gap)
        out.print(right, style="dim")
    else:
        out.print(left, style="bold")
        out.print(right.rjust(columns), style="dim")


def _difference(
    out: Console, title: str, titles: Sequence[str], rows: Sequence[Line], columns: int
) -> None:
    """Print the rows: in one table where it fits, else in two, each a line a row."""
    from rich.measure import Measurement

    wide = _table(title, titles, rows, range(len(titles)), note=True, change=True)
    unlimited = out.options.update(max_width=UNLIMITED)
    if Measurement.get(out, unlimited, wide).maximum <= columns:
        out.print(wide)
        return
    first, last = 0, len(titles) - 1
    out.print(_table(title, titles, rows, (first, last), note=True, change=True, short=True))
    if last > 1 or any(row.bound for row in rows):
        out.print()
        beside = _table("beside it", titles, rows, range(1, last), note=False, change=False)
        out.print(beside)


def _table(
    title: str,
    titles: Sequence[str],
    rows: Sequence[Line],
    shown: Sequence[int],
    *,
    note: bool,
    change: bool,
    short: bool = False,
) -> Table:
    """Return a table of the columns `shown`, with change and objectives where asked for."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    table.add_column(title, no_wrap=True)
    for i in shown:
        table.add_column(escape_control(titles[i]), justify="right", no_wrap=True)
    if change:
        table.add_column(f"Δ {escape_control(titles[0])}", justify="right", no_wrap=True)
    if change or note:  # one column: where there is an objective it says more than a percentage
        table.add_column("%".rjust(PERCENT_WIDTH) if change else "", no_wrap=True)
    bound = not short and any(row.bound for row in rows)
    if bound:
        table.add_column("bound", justify="right", no_wrap=True)
    for first, row in headed(rows):
        if first:
            table.add_row(first, style="bold")
        indent = "" if row.group == "fleet" else "  "
        cells = [indent + row.label, *(row.cells[i] for i in shown)]
        last = (row.verdict or row.span) if note else ""
        last = last.replace("limit ", "≤ ") if short else last
        if change:
            cells.append(row.delta)
            last = last or row.percent.rjust(PERCENT_WIDTH)
        cells += [last] if change or note else []
        cells += [row.bound] if bound else []
        table.add_row(*cells, style="red" if row.ok is False else "")
    return table
