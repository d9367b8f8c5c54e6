"""What a user waits for: the demonstration, and the first run on a new machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from benchmarks import ROOT, Figures, benchmark, cold_s


@benchmark("demo", limit_s=300, at_most={"second_run_s": 15.0})
def demo() -> Figures:
    """Run `greensched demo` to the finished report: import, three runs, accounts, page."""
    with tempfile.TemporaryDirectory() as folder:
        command = ("greensched", "demo", "--out")
        first_s = cold_s(*command, f"{folder}/first", repeats=1)
        second_s = cold_s(*command, f"{folder}/second", repeats=1)
        return {
            "first_run_s": first_s,
            "second_run_s": second_s,
            "files": len(list(Path(folder, "second").iterdir())),
        }


@benchmark("compile", limit_s=300, at_most={"beyond_warm_s": 20.0})
def first_run() -> Figures:
    """Run tiny worlds with an empty kernel cache, as the very first run on a machine does."""
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        subprocess.run(
            [sys.executable, "-m", "benchmarks.worlds", "tiny"],
            cwd=ROOT,
            env=os.environ | {"XDG_CACHE_HOME": folder},
            check=True,
        )
        empty_s = perf_counter() - began
    warm_s = cold_s("benchmarks.worlds", "tiny")
    return {"empty_cache_s": empty_s, "warm_cache_s": warm_s, "beyond_warm_s": empty_s - warm_s}
