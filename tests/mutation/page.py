"""`docs/mutation.md`: the score by module, and what survived with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.mutation.mutants import Mutant

# tests.conftest has it too, but loads hypothesis, which pytest has to do itself.
ROOT: Final = Path(__file__).resolve().parents[2]
TABLE: Final = ROOT / "docs" / "mutation.md"
EQUIVALENT: Final = Path(__file__).with_name("equivalent.json")
DEAD: Final = ("killed", "timed out")


def equivalents() -> dict[str, str]:
    """Return why a mutant changes nothing that can be seen, by its key."""
    found: dict[str, str] = json.loads(EQUIVALENT.read_text(encoding="utf-8"))
    return found


def page(every: Sequence[Mutant], state: Mapping[str, Any]) -> str:
    """Return the page of what was found."""
    known = equivalents()
    tried = [m for m in every if m.key in state]
    modules = dict.fromkeys(m.module for m in every)
    lines = [
        "# Mutation of accounting and ledger",
        "",
        "Made by `make mutate` ([why and how](decisions/0029-mutation.md)). A mutant is one small",
        "fault in the source; it is dead when a test fails with it in place. *Equivalent*: it",
        "changes nothing that can be seen, for the reason below. Score: dead / (all - these).",
        "",
        "| module | mutants | dead | survived | not reached | equivalent | score |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for module in modules:
        own = [m for m in tried if m.module == module]
        if own:
            lines.append(_row(module.removeprefix("greensched."), own, state, known))
    lines.append(_row("**all**", tried, state, known))
    if len(tried) < len(every):
        lines += ["", f"Not tried yet: {len(every) - len(tried):,} of {len(every):,}."]
    for title, wanted in (("Survived", False), ("Equivalent", True)):
        left = [m for m in tried if _left(state, m) and (m.key in known) is wanted]
        lines += ["", f"## {title}", ""] if left else []
        if left:
            lines += ["| where | change | line | |", "|---|---|---|---|"]
            lines += [_survivor(m, known.get(m.key, state[m.key]["found"])) for m in left]
    return "\n".join(lines) + "\n"


def _left(state: Mapping[str, Any], mutant: Mutant) -> bool:
    return state[mutant.key]["found"] not in DEAD


def _row(
    name: str, own: Sequence[Mutant], state: Mapping[str, Any], known: Mapping[str, str]
) -> str:
    left = [m for m in own if _left(state, m)]
    same = [m for m in left if m.key in known]
    missed = [m for m in left if m.key not in known and state[m.key]["found"] == "not reached"]
    dead, counted = len(own) - len(left), len(own) - len(same)
    survived = len(left) - len(same) - len(missed)
    score = f"{100 * dead / counted:.1f} %" if counted else "–"
    cells = (len(own), dead, survived, len(missed), len(same))
    return f"| {name} | {' | '.join(f'{n:,}' for n in cells)} | {score} |"


def _survivor(mutant: Mutant, why: str) -> str:
    where = f"{mutant.module.removeprefix('greensched.')}.{mutant.function}".rstrip(".")
    text = mutant.text.replace("|", "\\|")
    return f"| {where} | {mutant.what} | `{text}` | {why} |"
