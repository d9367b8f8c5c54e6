"""What a user waits for: the demonstration, and the first run on a new machine."""

from __future__ import annotations

import os
import resource
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


@benchmark("compile", limit_s=300, at_most={"compile_s": 20.0})
def first_run() -> Figures:
    """Run tiny worlds with an empty kernel cache, as the very first run on a machine does.

    `compile_s` is what that takes beyond the same with kernels compiled before.
    """
    with tempfile.TemporaryDirectory() as folder:
        empty_s, empty_cpu_s = tiny_worlds(os.environ | {"XDG_CACHE_HOME": folder})
    tiny_worlds(dict(os.environ))
    warm_s, warm_cpu_s = tiny_worlds(dict(os.environ))
    return {
        "empty_cache_s": empty_s,
        "warm_cache_s": warm_s,
        "compile_s": empty_s - warm_s,
        "compile_cpu_s": empty_cpu_s - warm_cpu_s,
    }


def tiny_worlds(environment: dict[str, str]) -> tuple[float, float]:
    """Return the wall time [s] and the CPU time [s] of a process that runs the tiny worlds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    command = [sys.executable, "-m", "benchmarks.worlds", "tiny"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    wall_s = perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    user_s, system_s = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return wall_s, user_s + system_s
