"""What is timed, against which promise; `python -m benchmarks [NAME...]` runs it.

A benchmark is a function that prepares its world, times what it promises and returns figures:

    @benchmark("surf-week", limit_s=120, at_most={"replay_s": 0.5, "peak_rss_mib": 600})
    def surf_week() -> Figures:
        world = prepare()
        simulate(world)  # modules and kernels are loaded, the store is warm
        return {"replay_s": best_of(lambda: simulate(world))}

Each runs in a process of its own; the harness adds `process_s` (the cold process, imports and
compilation included) and `peak_rss_mib`. Benchmarks live in `benchmarks/bench_*.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Figures: TypeAlias = dict[str, float | int | str]


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
        found = []
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
