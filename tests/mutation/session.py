"""A session of pytest in which every mutant is tried in a fork of its own.

Tests are collected once. A first fork runs all of them and notes which lines each one runs;
then a fork for each mutant runs those that reach its line, the quickest first, until one fails.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.apply import put_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.mutation.mutants import Mutant

KILLED, SURVIVED, UNREACHED, TIMED_OUT, BROKEN = 1, 0, 3, 4, 5
WORDS: Final = {
    KILLED: "killed",
    SURVIVED: "survived",
    UNREACHED: "not reached",
    TIMED_OUT: "timed out",
    BROKEN: "not placed",
}
LONGEST_S: Final = 10.0  # of a test that is tried with every mutant
SLOWER: Final = 10.0  # times a test may compute of what it took without a mutant
LEAST_S: Final = 5.0
WAITS: Final = 10.0  # times that by the clock on the wall
LEFT_OUT: Final = (
    "tests/test_balance.py::test_a_result",  # tests that begin so simulate
    "tests/ledger/test_ledger_kills.py",  # by chance: its writers are processes without mutants
)
REACH: Final = Path(__file__).resolve().parents[2] / ".mutation.reach.json"
Reach = dict[str, dict[str, Any]]


class Session:
    """The plugin: `mutants` are tried, `told` is called with each one and what became of it."""

    def __init__(
        self,
        mutants: Sequence[Mutant],
        files: dict[str, str],
        *,
        jobs: int,
        patience_s: float,
        told: Callable[[Mutant, str, str], None],
    ) -> None:
        """Keep what is asked; `files` are the sources of modules.

        A mutant survives once tests that took `patience_s` without it have passed with it.
        """
        self.mutants, self.files, self.jobs, self.told = mutants, files, jobs, told
        self.patience_s = patience_s
        self.folder = Path(tempfile.mkdtemp(prefix="mutation-"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try all mutants in place of running the tests."""
        if session.testsfailed:
            pytest.exit("tests that cannot be collected", 2)
        items = {item.nodeid: item for item in session.items}
        try:
            reach = self._reach(items)
            self._try_all(items, reach)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
        return True

    def _reach(self, items: dict[str, pytest.Item]) -> Reach:
        """Return of each test its time [s] and the lines it reaches, by file.

        Kept for as long as neither the sources nor the list of tests change.
        """
        digest = hashlib.sha256("\n".join(items).encode())
        for file in self.files.values():
            digest.update(Path(file).read_bytes())
        if REACH.exists():
            kept = json.loads(REACH.read_text())
            if kept["of"] == digest.hexdigest():
                known: Reach = kept["reach"]
                return known
        reach = self._measure(items)
        REACH.write_text(json.dumps({"of": digest.hexdigest(), "reach": reach}))
        return reach

    def _measure(self, items: dict[str, pytest.Item]) -> Reach:
        """Run all tests in a fork and return what each reaches."""
        begun = time.monotonic()
        answer = self.folder / "reach.json"
        pid = os.fork()
        if pid == 0:
            self._quiet()
            code = 2
            try:
                answer.write_text(json.dumps(_measured(items, list(self.files.values()))))
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        if status:
            pytest.exit("the tests could not be measured", 2)
        reach: Reach = json.loads(answer.read_text())
        left_out = {name: _why_not(one) for name, one in reach.items() if _why_not(one)}
        for name, why in left_out.items():
            print(f"left out, as it {why}: {name}", file=sys.stderr)
        seconds = time.monotonic() - begun
        print(f"{len(items):,} tests measured in {seconds:.0f} s", file=sys.stderr, flush=True)
        return {name: one for name, one in reach.items() if name not in left_out}

    def _try_all(self, items: dict[str, pytest.Item], reach: Reach) -> None:
        running: dict[int, Mutant] = {}
        gc.freeze()  # what is there already is no concern of the forks' collectors
        for mutant in self.mutants:
            names = self._reaching(mutant, items, reach)
            if not names:
                self.told(mutant, WORDS[UNREACHED], "")
                continue
            while len(running) >= self.jobs:
                self._collect(running)
            pid = os.fork()
            if pid == 0:
                self._child(mutant, [(items[n], reach[n]["time_s"]) for n in names])
            running[pid] = mutant
        while running:
            self._collect(running)

    def _reaching(self, mutant: Mutant, items: dict[str, pytest.Item], reach: Reach) -> list[str]:
        """Return the tests that reach a mutant's line, the quickest first.

        What is made at import is reached by no test: all that reach its module are taken, and
        those whose own module has a constant of its.
        """
        file = self.files[mutant.module]
        lines = {name: one["lines"].get(file, ()) for name, one in reach.items()}
        names = [name for name, own in lines.items() if mutant.line in own]
        if mutant.at_import:
            constants = {name for name in vars(import_module(mutant.module)) if name.isupper()}
            names = [name for name in reach if lines[name] or constants & _names(items[name])]
        return sorted(names, key=lambda name: reach[name]["time_s"])

    def _collect(self, running: dict[int, Mutant]) -> None:
        pid, status = os.wait()
        mutant = running.pop(pid)
        code = TIMED_OUT if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
        answer = self.folder / f"{pid}.test"
        by = answer.read_text() if answer.exists() else ""
        shutil.rmtree(self.folder / str(pid), ignore_errors=True)
        answer.unlink(missing_ok=True)
        self.told(mutant, WORDS.get(code, WORDS[KILLED]), by)

    def _child(self, mutant: Mutant, tests: list[tuple[pytest.Item, float]]) -> None:
        """Try one mutant, and leave; any way out but a quiet end has killed it."""
        self._quiet()
        code, by = KILLED, ""
        for number in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(number, signal.SIG_DFL)
        try:
            try:
                put_in(mutant.module, mutant.function, mutant.number)
            except LookupError:
                os._exit(BROKEN)
            except BaseException:  # noqa: BLE001 a module that cannot be made is a dead mutant
                os._exit(KILLED)
            left_s = self.patience_s
            for item, time_s in tests:
                if left_s < 0:
                    break
                by, left_s = item.nodeid, left_s - time_s
                (self.folder / f"{os.getpid()}.test").write_text(by)
                limit_s = max(LEAST_S, SLOWER * time_s)
                signal.setitimer(signal.ITIMER_PROF, limit_s)
                signal.setitimer(signal.ITIMER_REAL, WAITS * limit_s)
                if any(r.failed for r in runtestprotocol(item, log=False, nextitem=None)):
                    os._exit(KILLED)
            code = SURVIVED
        finally:
            os._exit(code)

    def _quiet(self) -> None:
        """Say nothing, and keep files of tests apart from those of other forks."""
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(self.folder)
        own = self.folder / str(os.getpid())
        own.mkdir()
        tempfile.tempdir = str(own)


def _why_not(measured: dict[str, Any]) -> str:
    """Return why a test is not tried with mutants; empty: it is."""
    if measured["failed"]:
        return "fails without any mutant"
    return "takes long" if measured["time_s"] > LONGEST_S else ""


def _names(item: pytest.Item) -> set[str]:
    """Return the names that a test's module has."""
    return set(vars(getattr(item, "module", item)))


def _measured(items: dict[str, pytest.Item], files: list[str]) -> Reach:
    """Return what each test reaches; the first of them pays for what all of them share."""
    from coverage import Coverage

    cover = Coverage(data_file=None, config_file=False, include=files)
    cover.start()
    found: Reach = {}
    for name, item in items.items():
        cover.switch_context(name)
        begun = time.process_time()
        reports = runtestprotocol(item, log=False, nextitem=None)
        found[name] = {
            "time_s": time.process_time() - begun,
            "failed": any(report.failed for report in reports),
            "lines": {},
        }
    cover.stop()
    data = cover.get_data()
    for file in files:
        for line, names in data.contexts_by_lineno(file).items():
            for name in names:
                if name in found:
                    found[name]["lines"].setdefault(file, []).append(line)
    return found


def run(
    paths: Sequence[str],
    mutants: Sequence[Mutant],
    files: dict[str, str],
    *,
    jobs: int,
    patience_s: float,
    told: Callable[[Mutant, str, str], None],
) -> int:
    """Try `mutants` with the tests in `paths`; returns pytest's exit code."""
    os.environ["HYPOTHESIS_PROFILE"] = "mutation"
    plugin = Session(mutants, files, jobs=jobs, patience_s=patience_s, told=told)
    options = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-m", "not slow and not soak"]
    options += [word for place in LEFT_OUT for word in ("--deselect", place)]
    return int(pytest.main([*options, *paths], plugins=[plugin]))
