"""`python -m tests.laws.deep`: every law on far more examples than `make test` has time for.

A pure law gets 50,000 examples, one that simulates or writes files ten minutes of them, drawn at
random; a law that is tried on each policy shares them out evenly. What was found is kept in
`.laws-deep.json`, test by test, so that an interrupted run goes on where it was; `--again` begins
anew. `--longest` bounds the minutes of a pure law; examples that each got are told.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.laws.deep_page import PAGE, law_of, page

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".laws-deep.json"
# In the names of their files.
SLOW = ("engine", "outages", "databases", "scenarios", "ledger", "deadlines")
EXAMPLES = 50_000
MINUTES = 10.0
CHUNK = 500  # examples that are drawn at a time


class Deep:
    """The plugin: gives laws their examples, and keeps what became of each."""

    def __init__(
        self, *, examples: int, minutes: float, longest: float, state: dict[str, Any]
    ) -> None:
        """Keep what is asked: examples of a pure law in `longest`, `minutes` of another."""
        self.examples, self.state = examples, state
        self.seconds, self.longest_s = 60.0 * minutes, 60.0 * longest
        self.count = 0  # examples of the law that runs
        self.counting: set[Any] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the laws that are left, each with its examples."""
        laws = [one for one in items if _is_law(one)]
        shares = Counter(law_of(one.nodeid) for one in laws)
        left = [one for one in laws if one.nodeid not in self.state]
        for item in left:
            self._deepen(item, item.obj, shares[law_of(item.nodeid)])  # type: ignore[attr-defined]
        items[:] = left

    def _deepen(self, item: Any, law: Any, share: int) -> None:
        from hypothesis import HealthCheck, settings

        is_slow = _is_slow(item.nodeid)
        law._hypothesis_internal_use_settings = settings(
            max_examples=5 if is_slow else min(CHUNK, math.ceil(self.examples / share)),
            deadline=None,
            derandomize=False,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        inner = law.hypothesis.inner_test

        @functools.wraps(inner)
        def counted(*args: Any, **kwargs: Any) -> None:
            inner(*args, **kwargs)  # raises where the example is none
            self.count += 1

        if law not in self.counting:  # one function may be many items
            law.hypothesis.inner_test = counted
            self.counting.add(law)
        most = math.inf if is_slow else math.ceil(self.examples / share)
        seconds = (self.seconds if is_slow else self.longest_s) / share
        item.obj = self._repeated(law, most, seconds)

    def _repeated(self, law: Any, most: float, seconds: float) -> Any:
        """Return a law that is tried anew, on other examples, until it had enough of them."""

        @functools.wraps(law)
        def tried(*args: Any, **kwargs: Any) -> None:
            end, self.count = time.monotonic() + seconds, 0
            while self.count < most and time.monotonic() < end:
                before = self.count
                law(*args, **kwargs)
                if self.count - before < CHUNK // 10 and math.isfinite(most):
                    return  # there are no more examples

        return tried

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a law's examples found."""
        if report.when != "call":
            return
        self.state[report.nodeid] = {
            "outcome": report.outcome,
            "examples": self.count,
            "seconds": round(report.duration, 3),
            "text": report.longreprtext[-4_000:] if report.failed else "",
        }
        temporary = STATE.with_suffix(".part")
        temporary.write_text(json.dumps(self.state, indent=1, sort_keys=True))
        temporary.replace(STATE)


def _is_law(item: pytest.Item) -> bool:
    return getattr(getattr(item, "obj", None), "is_hypothesis_test", False)


def _is_slow(name: str) -> bool:
    file = name.partition("::")[0]
    return any(part in file for part in SLOW)


def main() -> int:
    """Run what is left, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.laws.deep", description=__doc__)
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="of each pure law")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of each slow one")
    parser.add_argument("--longest", type=float, default=math.inf, help="minutes of a pure one")
    parser.add_argument("--again", action="store_true", help="forget what was found before")
    parser.add_argument("paths", nargs="*", default=["tests/properties"])
    asked = parser.parse_args()
    known = STATE.exists() and not asked.again
    state: dict[str, Any] = json.loads(STATE.read_text()) if known else {}
    os.environ.pop("HYPOTHESIS_PROFILE", None)
    plugin = Deep(
        examples=asked.examples, minutes=asked.minutes, longest=asked.longest, state=state
    )
    options = ["-v", "-p", "no:xdist", "-p", "no:cacheprovider", "-m", "slow or not slow"]
    paths = sorted((str(p) for path in asked.paths for p in _files(ROOT / path)), key=_is_slow)
    pytest.main([*options, *paths], plugins=[plugin])
    slow = {law_of(name) for name in state if _is_slow(name)}
    found = page(state, examples=asked.examples, minutes=asked.minutes, slow=slow)
    PAGE.write_text(found, encoding="utf-8")
    return told(state)


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("test_*.py")) if path.is_dir() else [path]


def told(state: dict[str, Any]) -> int:
    """Say what was found; return 1 where a law does not hold."""
    failed = {name: one for name, one in state.items() if one["outcome"] != "passed"}
    examples = sum(one["examples"] for one in state.values())
    hours = sum(one["seconds"] for one in state.values()) / 3_600
    laws = len({law_of(name) for name in state})
    print(f"{laws:,} laws, {examples:,} examples, {hours:.1f} h; {len(failed)} do not hold")
    for name, one in failed.items():
        print(f"\n{name} after {one['examples']:,} examples\n{one['text']}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
