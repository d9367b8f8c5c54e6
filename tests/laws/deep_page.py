"""`docs/laws-deep.md`: what `make laws-deep` has run and found, file by file."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "laws-deep.md"
HEAD: Final = """\
# Laws, run deep

Made by `make laws-deep` (`python -m tests.laws.deep`), which is not in `.ci/run`: each test of a
[law](reference/laws.md) or property on examples that are drawn anew, apart from the fixed ones of
`make test`. Asked for are {examples:,} examples of a pure one and {minutes:g} minutes of each that
simulates or writes files; `--longest` may cut a pure one. What each got is told: {tests:,} tests
on {drawn:,} examples in {hours:.1f} h by the clock, {whole:,} of them on all that is asked for;
{failed}. A test that is not in the table has not been run deep.

| file | tests | held | examples, least | median | most | minutes |
|---|---:|---:|---:|---:|---:|---:|
"""


def page(state: Mapping[str, Any], *, examples: int, minutes: float, slow: set[str]) -> str:
    """Return the page of what was found; `slow` are the tests that were asked for minutes."""
    failed = sum(one["outcome"] != "passed" for one in state.values())
    whole = sum(
        one["seconds"] >= 60 * minutes if name in slow else one["examples"] >= examples
        for name, one in state.items()
    )
    text = HEAD.format(
        examples=examples,
        minutes=minutes,
        tests=len(state),
        drawn=sum(one["examples"] for one in state.values()),
        hours=sum(one["seconds"] for one in state.values()) / 3_600,
        whole=whole,
        failed=f"{failed} do not hold" if failed else "all hold",
    )
    files: dict[str, list[Any]] = {}
    for name, one in state.items():
        file = name.partition("::")[0].rpartition("/")[2].removesuffix(".py")
        files.setdefault(file, []).append(one)
    return text + "".join(_row(file, own) for file, own in sorted(files.items()))


def _row(file: str, own: list[Any]) -> str:
    counts = sorted(one["examples"] for one in own)
    held = sum(one["outcome"] == "passed" for one in own)
    cells = (len(own), held, counts[0], round(median(counts)), counts[-1])
    minutes = sum(one["seconds"] for one in own) / 60
    return f"| `{file}` | {' | '.join(f'{n:,}' for n in cells)} | {minutes:,.0f} |\n"
