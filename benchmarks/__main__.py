"""Run the benchmarks, each in a process of its own; print the table, write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks import BENCHMARKS, ROOT, peak_rss_mib

if TYPE_CHECKING:
    from benchmarks import Benchmark, Figures

PAGE = ROOT / "docs" / "benchmarks.md"
MARK = "figures: "


def load() -> None:
    """Import every module of benchmarks, which registers them."""
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        import_module(f"benchmarks.{path.stem}")


def run_here(name: str) -> None:
    """Run one benchmark in this process and print its figures as the last line."""
    figures = dict(BENCHMARKS[name].measure())
    figures["peak_rss_mib"] = round(peak_rss_mib(), 1)
    print(MARK + json.dumps(figures))


def run_apart(one: Benchmark) -> tuple[Figures, list[str]]:
    """Run one benchmark in a process of its own; return figures and what it missed."""
    began = perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks", "--here", one.measure.__module__, one.name],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            timeout=one.limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {}, [f"not done within {one.limit_s:g} s"]
    process_s = perf_counter() - began
    last = done.stdout.rstrip().rpartition("\n")[2]
    if done.returncode or not last.startswith(MARK):
        return {}, [f"ended with {done.returncode} and no figures"]
    figures: Figures = json.loads(last.removeprefix(MARK))
    figures["process_s"] = round(process_s, 3)
    return figures, one.misses(figures)


def warm_up() -> None:
    """Compile the kernels that are not in the cache yet, in a process of their own."""
    began = perf_counter()
    subprocess.run([sys.executable, "-m", "benchmarks.worlds", "tiny"], cwd=ROOT, check=True)
    print(f"kernels compiled or loaded in {perf_counter() - began:.1f} s")


def machine() -> list[str]:
    """Describe the machine and the versions that were measured."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text("utf-8").splitlines() if x.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    versions = []
    for package in ("numpy", "numba", "simpy", "pandas", "duckdb"):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"{package} absent")
    return [
        f"{cpu}, {os.cpu_count()} logical cores, {memory_gib:.0f} GiB",
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        ", ".join(versions),
        f"{os.getloadavg()[0]:.1f} processes wanted a core as it began (load average of a minute)",
    ]


def shown(value: float | str) -> str:
    """Return a figure as it is printed: four significant digits, thousands separated."""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def promise(one: Benchmark, name: str) -> str:
    """Return what is promised of a figure, or nothing."""
    if name in one.at_most:
        return f"≤ {one.at_most[name]:g}"
    return f"≥ {one.at_least[name]:g}" if name in one.at_least else ""


def rows(one: Benchmark, figures: Figures, missed: list[str]) -> list[tuple[str, str, str, str]]:
    """Return the lines of the table that belong to one benchmark."""
    told = [(one.name, name, shown(value), promise(one, name)) for name, value in figures.items()]
    return told + [(one.name, "missed", what, "") for what in missed]


def write_page(
    table: list[tuple[str, str, str, str]],
    chosen: list[Benchmark],
    described: list[str],
    broken: int,
) -> None:
    """Write docs/benchmarks.md; `broken` promises of those in `table` are not kept."""
    promised = sum(1 for row in table if row[3])
    kept = promised - broken
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. *After import*: modules and kernels loaded, the trace store",
        "warm. Times are the shortest of several: `_s` wall clock, `_cpu_s` CPU time of the",
        "same, which a busy machine disturbs less. `cold_s` is a fresh process from start to",
        "end, its kernels compiled before; `process_s` and `peak_rss_mib` (largest resident set)",
        "are of the whole benchmark, repetitions included; `loaded_s` is without the start of a",
        "second process. An exponent of 1 is growth in proportion.",
        "",
        f"{kept} of {promised} promises kept; what is missed says so in its line.",
        "",
        *(f"- {line}" for line in described),
        "",
        "| benchmark | figure | measured | promised |",
        "|---|---|---:|---:|",
        *("| " + " | ".join(row) + " |" for row in table),
        "",
        *(f"- **{one.name}**: {one.says}" for one in chosen),
        "",
    ]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join(lines), encoding="utf-8")


def main() -> int:
    """Run what the command line names, or everything; return 1 when a promise is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="which to run; the page is written only for all")
    parser.add_argument("--here", metavar="MODULE", help="run NAME of it in this process")
    parser.add_argument("--list", action="store_true", help="list them")
    options = parser.parse_args()
    if options.here:
        import_module(options.here)  # no other: what they import is no part of this one's memory
    else:
        load()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    if options.here:
        for name in options.names:
            run_here(name)
        return 0
    chosen = [BENCHMARKS[name] for name in options.names or BENCHMARKS]
    if options.list:
        for one in chosen:
            print(f"{one.name:24} {one.says}")
        return 0
    described = machine()
    print(*described, sep="\n")
    warm_up()
    table: list[tuple[str, str, str, str]] = []
    broken = 0
    for one in chosen:
        figures, missed = run_apart(one)
        broken += len(missed)
        table += rows(one, figures, missed)
        for name, figure, value, bound in rows(one, figures, missed):
            print(f"{name:24} {figure:28} {value:>14}  {bound}", flush=True)
    if not options.names:
        write_page(table, chosen, described, broken)
        print(f"written: {PAGE.relative_to(ROOT)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
