"""Tables on a terminal that is too narrow: what does not fit beside stands in blocks below."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GAP: Final = "  "
UNLIMITED: Final = 10_000  # where nobody looks: lines of a pipe stay whole, a row a line


def room() -> int:
    """Return the columns that there are: $COLUMNS, the terminal's, or no end of them."""
    return shutil.get_terminal_size((UNLIMITED, 24)).columns


def wrapped(line: str) -> list[str]:
    """Return a sentence as lines that fit, those after the first indented."""
    import textwrap

    made = textwrap.wrap(
        line,
        room(),
        subsequent_indent=GAP,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
    )
    return made or [line]


def beside(
    rows: Sequence[Sequence[str]], *, kept: int = 1, columns: int | None = None
) -> list[str]:
    """Return rows of padded cells as lines of at most `columns` where that can be.

    Columns that do not fit stand in further blocks, each with the first `kept` ones again.
    """
    widths = [len(cell) for cell in rows[0]]
    lines: list[str] = []
    for block in _blocks(widths, kept, room() if columns is None else columns):
        if lines:
            lines.append("")
        lines += [GAP.join(row[i] for i in block).rstrip() for row in rows]
    return lines


def _blocks(widths: Sequence[int], kept: int, columns: int) -> Iterator[list[int]]:
    """Yield the columns of each block; one column beside the kept ones always stands."""
    first = list(range(kept))
    block, used = first[:], sum(widths[:kept]) + len(GAP) * (kept - 1)
    start = used
    for i in range(kept, len(widths)):
        if used + len(GAP) + widths[i] > columns and len(block) > kept:
            yield block
            block, used = first[:], start
        block.append(i)
        used += len(GAP) + widths[i]
    yield block
