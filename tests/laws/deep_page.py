"""`docs/laws-deep.md`: what `make laws-deep` has run and found, file by file."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "laws-deep.md"
HEAD: Final = """\
# Laws, run deep

Made by `make laws-deep` (`python -m tests.laws.deep`), which is not in `.ci/run`: each
[law](reference/laws.md) or property on examples that are drawn anew, apart from the fixed ones of
`make test`. Asked for are {examples:,} examples of a pure one and {minutes:g} minutes of each that
simulates or writes files, shared out evenly where it is tried on each policy; `--longest` may cut
a pure one. What each got is told: {laws:,} laws on {drawn:,} examples in {hours:.1f} h by the
clock, {whole:,} of them on all that is asked for; {failed}. A law that is not in the table has
not been run deep.

| file | laws | held | examples, least | median | most | minutes |
|---|---:|---:|---:|---:|---:|---:|
"""


def law_of(name: str) -> str:
    """Return the law of a test: its name without what it was tried on."""
    return name.partition("[")[0]


def page(state: Mapping[str, Any], *, examples: int, minutes: float, slow: set[str]) -> str:
    """Return the page of what was found; `slow` are the laws that were asked for minutes."""
    laws = _by_law(state, examples)
    failed = sum(not one["held"] for one in laws.values())
    whole = sum(
        one["seconds"] >= 60 * minutes - one["tests"] if name in slow else one["enough"]
        for name, one in laws.items()
    )
    text = HEAD.format(
        examples=examples,
        minutes=minutes,
        laws=len(laws),
        drawn=sum(one["examples"] for one in laws.values()),
        hours=sum(one["seconds"] for one in laws.values()) / 3_600,
        whole=whole,
        failed=f"{failed} do not hold" if failed else "all hold",
    )
    files: dict[str, list[Any]] = {}
    for name, one in laws.items():
        file = name.partition("::")[0].rpartition("/")[2].removesuffix(".py")
        files.setdefault(file, []).append(one)
    return text + "".join(_row(file, own) for file, own in sorted(files.items()))


def _by_law(state: Mapping[str, Any], examples: int) -> dict[str, dict[str, Any]]:
    """Return what each law got over all that it was tried on.

    `enough`: each of its tests has had its share of the examples, or all that there are.
    """
    laws: dict[str, dict[str, Any]] = {}
    tests = Counter(map(law_of, state))
    for name, one in state.items():
        law = laws.setdefault(
            law_of(name),
            {"tests": 0, "examples": 0, "seconds": 0, "held": True, "enough": True},
        )
        law["tests"] += 1  # whose seconds are rounded
        law["examples"] += one["examples"]
        law["seconds"] += one["seconds"]
        share = math.ceil(examples / tests[law_of(name)])
        law["enough"] &= one["examples"] >= share or one.get("exhausted", False)
        law["held"] &= one["outcome"] == "passed"
    return laws


def _row(file: str, own: list[Any]) -> str:
    counts = sorted(one["examples"] for one in own)
    held = sum(one["held"] for one in own)
    cells = (len(own), held, counts[0], round(median(counts)), counts[-1])
    minutes = sum(one["seconds"] for one in own) / 60
    return f"| `{file}` | {' | '.join(f'{n:,}' for n in cells)} | {minutes:,.0f} |\n"
