"""`python -m tests.laws.deep`: every law on far more examples than `make test` has time for.

A pure law gets 50,000 examples, one that simulates or writes files ten minutes of them, drawn at
random; a law that is tried on each policy shares them out evenly. What was found is kept in
`tests/laws/found` as it goes, so that an interrupted run goes on where it was; `--again` begins
anew. `--longest` bounds the minutes of a pure law; examples that each got are told. Several
processes may run at a time, each on files of its own.
"""

from __future__ import annotations

import argparse
import functools
import math
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.laws.deep_found import Found, nothing
from tests.laws.deep_page import PAGE, law_of, page

if TYPE_CHECKING:
    from tests.laws.deep_found import One

ROOT = Path(__file__).resolve().parents[2]
# In the names of their files.
SLOW = ("engine", "outages", "databases", "scenarios", "ledger", "deadlines")
EXAMPLES = 50_000
MINUTES = 10.0
CHUNK = 500  # examples that are drawn at a time


@dataclass(frozen=True)
class Asked:
    """What one test is to have: so many examples, or so many seconds of them."""

    examples: float
    seconds: float

    def met(self, one: One) -> bool:
        """Say whether a test has had enough."""
        enough = one["examples"] >= self.examples or one["seconds"] >= self.seconds
        return bool(enough or one.get("exhausted"))


class Deep:
    """The plugin: gives laws their examples, and keeps what became of each."""

    def __init__(self, *, examples: int, minutes: float, longest: float, found: Found) -> None:
        """Keep what is asked: examples of a pure law in `longest`, `minutes` of another."""
        self.examples, self.found = examples, found
        self.seconds, self.longest_s = 60.0 * minutes, 60.0 * longest
        self.count = 0  # examples of the law that runs
        self.counting: set[Any] = set()

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Keep the laws that are left, each with its examples; what failed is tried anew."""
        laws = [one for one in items if _is_law(one)]
        if not any("::" in path for path in config.args):  # whole files
            self.found.keep_only([one.nodeid for one in laws])
        shares = Counter(law_of(one.nodeid) for one in laws)
        items[:] = []
        for item in laws:
            asked, known = (
                self._asked(item, shares[law_of(item.nodeid)]),
                self.found.of(item.nodeid),
            )
            if known["outcome"] != "passed" or not asked.met(known):
                self._deepen(item, item.obj, asked)  # type: ignore[attr-defined]
                items.append(item)

    def _asked(self, item: pytest.Item, share: int) -> Asked:
        if _is_slow(item.nodeid):
            return Asked(math.inf, self.seconds / share)
        return Asked(math.ceil(self.examples / share), self.longest_s / share)

    def _deepen(self, item: Any, law: Any, asked: Asked) -> None:
        from hypothesis import HealthCheck, settings

        law._hypothesis_internal_use_settings = settings(
            max_examples=5 if asked.examples == math.inf else min(CHUNK, int(asked.examples)),
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
        item.obj = self._repeated(item.nodeid, law, asked)

    def _repeated(self, name: str, law: Any, asked: Asked) -> Any:
        """Return a law that is tried anew, on other examples, until it had enough of them."""

        @functools.wraps(law)
        def tried(*args: Any, **kwargs: Any) -> None:
            one = self.found.of(name)
            if one["outcome"] != "passed":
                one = nothing()
            while not asked.met(one):
                self.count, began = 0, time.monotonic()
                law(*args, **kwargs)
                one = {
                    "outcome": "passed",
                    "examples": one["examples"] + self.count,
                    "seconds": round(one["seconds"] + time.monotonic() - began, 3),
                }
                if self.count < CHUNK // 10 and math.isfinite(asked.examples):
                    one["exhausted"] = True  # there are no more examples
                self.found.keep(name, one)

        return tried

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what an example has shown to be wrong."""
        if report.when == "call" and report.failed:
            one = self.found.of(report.nodeid) | {"outcome": report.outcome}
            self.found.keep(report.nodeid, one | {"text": report.longreprtext[-4_000:]})


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
    paths = sorted((str(p) for path in asked.paths for p in _files(ROOT / path)), key=_is_slow)
    found = Found()
    if asked.again:
        found.forget(paths)
    os.environ.pop("HYPOTHESIS_PROFILE", None)
    plugin = Deep(
        examples=asked.examples, minutes=asked.minutes, longest=asked.longest, found=found
    )
    options = ["-v", "-p", "no:xdist", "-p", "no:cacheprovider", "-m", "slow or not slow"]
    # that an example is long to print must not stand in for what it shows
    options += ["-W", "ignore::hypothesis.errors.HypothesisWarning"]
    pytest.main([*options, *paths], plugins=[plugin])
    state = Found().all()  # others may have run other files
    slow = {law_of(name) for name in state if _is_slow(name)}
    text = page(state, examples=asked.examples, minutes=asked.minutes, slow=slow)
    PAGE.write_text(text, encoding="utf-8")
    return told(state)


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("test_*.py")) if path.is_dir() else [path]


def told(state: dict[str, One]) -> int:
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
