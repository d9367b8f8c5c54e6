"""Jobs without end: a long trace read from its mapped store, memory as of a short one."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import MIB, Figures, benchmark, best_times
from benchmarks.worlds import SEED, SITE, grid, kind, tiny
from greensched.engine.simulate import simulate
from greensched.generate import uniform_jobs
from greensched.model import Setting, Trace
from greensched.readers.store import META, SCHEMA, open_store, write_store
from greensched.units import MS_PER_DAY

DAYS = int(os.environ.get("GREENSCHED_BENCH_DAYS", "30"))  # of a million jobs each
JOBS_A_DAY = 1_000_000
KEPT_MIB = 64  # beyond what one day takes


@benchmark("streamed", limit_s=1_800, at_most={"ratio": 1.3, "grown_mib": KEPT_MIB})
def streamed() -> Figures:
    """Replay a million one-core jobs a day for a month (GREENSCHED_BENCH_DAYS), and for one day.

    On 100 machines of 64 cores, read from a mapped trace store. `ratio` is CPU time a job over
    that of one day, each the least of several runs: `first_us_per_job` also has what a machine
    takes to hand out memory that nobody has had before. `grown_mib` is what is resident at most
    beyond the most of one day.
    """
    tiny()
    with tempfile.TemporaryDirectory() as folder:
        short, long = (_stored(Path(folder) / str(days), days) for days in (1, DAYS))
        one_s = best_times(lambda: simulate(short), repeats=3)[1]
        _forget_peak()
        simulate(short)
        before_mib = _peak_mib()
        _forget_peak()
        done: list[int] = []
        times = [
            best_times(lambda: done.append(simulate(long).counts["completed"]), repeats=1)
            for _ in range(2)
        ]
        peak_mib = _peak_mib()
    wall_s, cpu_s = (min(column) for column in zip(*times, strict=True))
    count = DAYS * JOBS_A_DAY
    return {
        "jobs": count,
        "completed": done[0],
        "replay_s": wall_s,
        "us_per_job": 1e6 * cpu_s / count,
        "first_us_per_job": 1e6 * times[0][1] / count,
        "us_per_job_of_a_day": 1e6 * one_s / JOBS_A_DAY,
        "ratio": cpu_s / one_s / DAYS,
        "resident_mib": peak_mib,
        "resident_of_a_day_mib": before_mib,
        "grown_mib": peak_mib - before_mib,
    }


def _stored(path: Path, days: int) -> Setting:
    """Return the setting of some days whose jobs are in a store at `path`, written by day."""
    write_store(Trace(jobs=uniform_jobs(SEED, count=JOBS_A_DAY), synthetic=True), path)
    columns = {
        name: _column(path / f"jobs.{name}.npy", dtype, days * JOBS_A_DAY)
        for name, (dtype, _) in SCHEMA["jobs"].items()
        if not name.startswith("use_")
    }
    for i in range(days):
        jobs = uniform_jobs(SEED + i, count=JOBS_A_DAY)
        rows = slice(i * JOBS_A_DAY, (i + 1) * JOBS_A_DAY)
        for name, column in columns.items():
            column[rows] = getattr(jobs, name)
        columns["submit_ms"][rows] += i * MS_PER_DAY
    meta = json.loads((path / META).read_text(encoding="utf-8"))
    meta["rows"]["jobs"] = days * JOBS_A_DAY
    (path / META).write_text(json.dumps(meta), encoding="utf-8")
    window_ms = days * MS_PER_DAY
    return Setting(
        name=f"{days} days",
        sites=(SITE,),
        fleet=(kind("batch", 100, "batch"),),
        services=None,
        jobs=open_store(path).jobs,
        window_ms=window_ms,
        edges_ms=grid(window_ms),
        discipline="fifo",
    )


def _column(path: Path, dtype: str, rows: int) -> np.ndarray[tuple[int], Any]:
    """Return a column of a store that is written as it is filled."""
    make: Any = np.lib.format.open_memmap
    made: np.ndarray[tuple[int], Any] = make(path, "w+", np.dtype(dtype), (rows,))
    return made


def _forget_peak() -> None:
    """Begin anew with the most that was resident (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def _peak_mib() -> float:
    """Return the most that was resident since."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / MIB
