"""`python -m tests.laws.page`: docs/reference/laws.md, from the tests that carry a law's id."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.laws.statements import LAWS

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "laws.md"
FOLDER: Final = "tests/properties"
IDS: Final = re.compile(r"i(\d\d)_")
HEAD: Final = """\
# Laws

What holds for any input. Each law has the id of its tests' names (`tests/{folder}`, by
[hypothesis](https://hypothesis.readthedocs.io)); this page is made of them by `python -m
tests.laws.page`. *Held*: its tests pass in `make test` or `make slow`; they are in `.ci/run`.
`make laws-deep` runs each pure law on 50,000 examples and each one that simulates or writes files
for ten minutes; [what it has run](../laws-deep.md).

{held} of {count} laws are held, by {tests} tests; {more} more tests in that folder are of
properties without an id.

| law | says | state | tests |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """A test of laws: where it is, of which, and whether it draws its examples."""

    module: str
    name: str
    ids: tuple[str, ...]
    drawn: bool


def laws_in(folder: Path) -> list[Law]:
    """Return the tests in a folder, in order."""
    found = []
    for file in sorted(folder.glob("test_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                ids = tuple(f"I-{number}" for number in IDS.findall(_head(node.name)))
                drawn = any("given" in ast.unparse(d) for d in node.decorator_list)
                found.append(Law(module=file.stem, name=node.name, ids=ids, drawn=drawn))
    return found


def _head(name: str) -> str:
    """Return the ids at the beginning of a test's name."""
    match = re.match(r"test_((?:i\d\d_)*)", name)
    return match[1] if match else ""


def page(found: list[Law]) -> str:
    """Return the page of laws and their tests; raises KeyError for an id that is no law's."""
    by_id: dict[str, list[Law]] = {law: [] for law in LAWS}
    for one in found:
        for law in one.ids:
            by_id[law].append(one)
    held = [law for law, own in by_id.items() if any(one.drawn for one in own)]
    named = [one for one in found if one.ids]
    text = HEAD.format(
        folder=FOLDER.removeprefix("tests/"),
        held=len(held),
        count=len(LAWS),
        tests=len(named),
        more=len(found) - len(named),
    )
    return text + "".join(_row(law, own, is_held=law in held) for law, own in by_id.items())


def _row(law: str, own: list[Law], *, is_held: bool) -> str:
    name, statement = LAWS[law]
    cells = "<br>".join(f"`{one.module}::{one.name}`" for one in own)
    return f"| {law} {name} | {statement} | {'held' if is_held else 'open'} | {cells} |\n"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(laws_in(ROOT / FOLDER)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
