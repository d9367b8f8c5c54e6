"""What is timed, against which promise; `python -m benchmarks [NAME...]` runs it.

A benchmark is a function that prepares its world, times what it promises and returns figures:

    @benchmark("surf-week", limit_s=120, at_most={"replay_s": 0.5, "peak_rss_mib": 600})
    def surf_week() -> Figures:
        world = prepare()
        simulate(world)  # modules and kernels are loaded, the store is warm
        return {"replay_s": best_of(lambda: simulate(world))}

Each runs in a process of its own; the harness adds `process_s` (that process as a whole) and
`peak_rss_mib`. A benchmark that cannot run here returns `{SKIPPED: reason}`. Benchmarks live in
`benchmarks/bench_*.py`, the worlds that they time in `benchmarks/worlds.py`.
"""

from __future__ import annotations

import gc
import math
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Figures: TypeAlias = dict[str, float | int | str]
SKIPPED = "skipped"
MIB = 1 << 20
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A function that returns figures, the time it may take, and what its figures promise."""

    name: str
    says: str
    measure: Callable[[], Figures]
    limit_s: float
    at_most: dict[str, float] = field(default_factory=dict)
    at_least: dict[str, float] = field(default_factory=dict)

    def misses(self, figures: Figures) -> list[str]:
        """Return each promise that `figures` do not keep; a figure that is absent keeps none."""
        found: list[str] = []
        if SKIPPED in figures:
            return found
        for name, bound in self.at_most.items():
            value = figures.get(name)
            if not isinstance(value, int | float) or value > bound:
                found.append(f"{name} is {value}, promised at most {bound:g}")
        for name, bound in self.at_least.items():
            value = figures.get(name)
            if not isinstance(value, int | float) or value < bound:
                found.append(f"{name} is {value}, promised at least {bound:g}")
        return found


BENCHMARKS: dict[str, Benchmark] = {}


def benchmark(
    name: str,
    *,
    limit_s: float,
    at_most: dict[str, float] | None = None,
    at_least: dict[str, float] | None = None,
) -> Callable[[Callable[[], Figures]], Callable[[], Figures]]:
    """Register a benchmark; its docstring's first line says what it times."""

    def register(measure: Callable[[], Figures]) -> Callable[[], Figures]:
        if name in BENCHMARKS:
            raise ValueError(f"two benchmarks are called {name!r}")
        BENCHMARKS[name] = Benchmark(
            name=name,
            says=(measure.__doc__ or "").strip().partition("\n")[0],
            measure=measure,
            limit_s=limit_s,
            at_most=at_most or {},
            at_least=at_least or {},
        )
        return measure

    return register


def best_of(call: Callable[[], object], *, repeats: int = 3) -> float:
    """Return the shortest of `repeats` wall times [s] of `call`: the least disturbed one."""
    times_s = []
    for _ in range(repeats):
        began = perf_counter()
        call()
        times_s.append(perf_counter() - began)
    return min(times_s)


def best_times(call: Callable[[], object], *, repeats: int = 3) -> tuple[float, float]:
    """Return the shortest wall time [s] and the shortest CPU time [s] of `call`.

    Garbage of one repetition is collected before the next. On a busy machine the CPU time is
    the steadier of the two.
    """
    wall_s, cpu_s = [], []
    for _ in range(repeats):
        gc.collect()
        began, began_cpu = perf_counter(), process_time()
        call()
        wall_s.append(perf_counter() - began)
        cpu_s.append(process_time() - began_cpu)
    return min(wall_s), min(cpu_s)


def exponent(sizes: Sequence[float], times_s: Sequence[float]) -> float:
    """Return b of the least-squares fit times = a x sizes^b; 1 is proportional growth."""
    x, y = [math.log(n) for n in sizes], [math.log(t) for t in times_s]
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    above = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True))
    return above / sum((a - x_mean) ** 2 for a in x)


def peak_rss_mib(who: int = resource.RUSAGE_SELF) -> float:
    """Return the largest resident set so far [MiB]: of this process, or of its largest child."""
    peak = resource.getrusage(who).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak * 1024 / MIB


def cold_s(*arguments: str, cwd: Path = ROOT, repeats: int = 2) -> float:
    """Return the shortest wall time [s] of a fresh `python -m ARGUMENTS`, imports included."""

    def once() -> None:
        subprocess.run(
            [sys.executable, "-m", *arguments], cwd=cwd, check=True, capture_output=True
        )

    return best_of(once, repeats=repeats)
