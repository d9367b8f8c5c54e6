"""`python -m tests.mutation`: try all mutants that were not tried yet, and write the table.

What was found is kept in `.mutation.json`, so that an interrupted run goes on where it was; a
function that changed is tried again, and so is all that survived with `--again`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from tests.mutation import session
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.page import DEAD, ROOT, TABLE, equivalents, page

if TYPE_CHECKING:
    from pathlib import Path

STATE = ROOT / ".mutation.json"
TARGETS = ("greensched/accounting", "greensched/ledger")
TESTS = (
    "tests/batch/test_batch_settling.py",
    "tests/books",
    "tests/controller/test_controller_settle.py",
    "tests/ledger",
    "tests/properties/test_laws_accounting.py",
    "tests/properties/test_laws_accounting_sums.py",
    "tests/properties/test_laws_attribution.py",
    "tests/properties/test_laws_books.py",
    "tests/properties/test_laws_ledger.py",
    "tests/properties/test_laws_lmdi.py",
    "tests/readers/test_reader_books.py",
    "tests/test_accounting.py",
    "tests/test_accounting_attribution.py",
    "tests/test_accounting_edges.py",
    "tests/test_accounting_integrate.py",
    "tests/test_accounting_lmdi.py",
    "tests/test_accounting_prices.py",
    "tests/test_accounting_refusals.py",
    "tests/test_accounting_rounding.py",
    "tests/test_accounting_savings.py",
    "tests/test_balance.py",
    "tests/test_cli_ledger.py",
    "tests/test_inverse.py",
)


def modules() -> dict[str, Path]:
    """Return the modules that are changed, with their files."""
    files = (file for target in TARGETS for file in sorted((ROOT / target).rglob("*.py")))
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
        for file in files
    }


def all_mutants(only: str = "") -> list[Mutant]:
    """Return the mutants of all modules whose name has `only` in it."""
    found = []
    for module, file in modules().items():
        if only in module:
            found += mutants(module, file.read_text(encoding="utf-8"))
    return found


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--only", default="", help="modules with this in their name")
    parser.add_argument("--again", action="store_true", help="try anew what survived")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    parser.add_argument(
        "--patience", type=float, default=60.0, help="seconds of tests for one that survives"
    )
    parser.add_argument("--tests", nargs="+", help="these tests in place of the usual ones")
    parser.add_argument("--page", action="store_true", help="only write the table")
    return parser.parse_args()


def _left(every: list[Mutant], state: dict[str, Any], *, only: str, again: bool) -> list[Mutant]:
    """Return what is to be tried, in the order of keys: those of a cut run are a fair sample."""
    known = equivalents()
    left = [
        m
        for m in every
        if m.key not in state
        or (again and m.key not in known and state[m.key]["found"] not in DEAD)
    ]
    return sorted((m for m in left if only in m.module), key=lambda m: m.key)


def main() -> int:
    """Try what is left, and write the table of docs/mutation.md."""
    asked = _asked()
    state: dict[str, Any] = json.loads(STATE.read_text()) if STATE.exists() else {}
    every = all_mutants()
    state = {m.key: state[m.key] for m in every if m.key in state}
    left = _left(every, state, only=asked.only, again=asked.again)
    begun, done = time.monotonic(), 0

    def told(mutant: Mutant, found: str, by: str) -> None:
        nonlocal done
        done += 1
        state[mutant.key] = {"found": found, "by": by}
        if done % 20 == 0 or done == len(left):
            _keep(state)
            rest_s = (time.monotonic() - begun) / done * (len(left) - done)
            print(f"{done:,} of {len(left):,}: {rest_s / 60:.0f} min", file=sys.stderr)
        if found not in DEAD:
            where = f"{mutant.module}:{mutant.line} {mutant.function}"
            print(f"{found}: {where}: {mutant.what}: {mutant.text}", file=sys.stderr, flush=True)

    if left and not asked.page:
        files = {name: str(file) for name, file in modules().items()}
        try:
            code = session.run(
                asked.tests or TESTS,
                left,
                files,
                jobs=asked.jobs,
                patience_s=asked.patience,
                told=told,
            )
        except KeyboardInterrupt:
            code = 130
        _keep(state)
        if code not in {0, 5}:
            return code
    TABLE.write_text(page(every, state), encoding="utf-8")
    print(f"written {TABLE.relative_to(ROOT)}", file=sys.stderr)
    return 0


def _keep(state: dict[str, Any]) -> None:
    temporary = STATE.with_suffix(".part")
    temporary.write_text(json.dumps(state, indent=0, sort_keys=True))
    temporary.replace(STATE)


if __name__ == "__main__":
    sys.exit(main())
