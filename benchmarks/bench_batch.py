"""The batch runner with ten thousand jobs in its queue: commands, a plan, and a worker at rest."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import sin, tau
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING

from benchmarks import ROOT, Figures, benchmark, best_of
from greensched.batch.folder import default_folder
from greensched.batch.planner import PLAN_MS, Planner
from greensched.batch.queue import Queue
from greensched.batch.settling import settle_all
from greensched.batch.submission import Wish, job_of
from greensched.batch.worker import POLL_S, SETTLE_MS, Worker
from greensched.units import MS_PER_H, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.batch.job import Job

JOBS = 10_000
FOLDERS = ("STATE", "CONFIG", "CACHE")
STEPS = 40
STEP_MIN = 15
CORES_M = 200_000
DIRTY_STEPS = 12  # two hours from now in which nobody wants to run


@contextmanager
def own_folders() -> Iterator[Path]:
    """Let state, settings and cache be in a folder that is gone afterwards."""
    before = {n: os.environ.get(n) for n in (f"XDG_{f}_HOME" for f in FOLDERS)}
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update({name: f"{folder}/{name}" for name in before})
        try:
            yield Path(folder)
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def intensity_file(folder: Path) -> Path:
    """Write two days of quarters of an hour, from an hour ago on."""
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    lines = ["datetime,zone,carbon_intensity"]
    for step in range(2 * 24 * 60 // STEP_MIN):
        value = 300 + 100 * sin(tau * step * STEP_MIN / 1440) + step * 37 % 11
        value += 300 if step < DIRTY_STEPS else 0
        lines.append(f"{(begin + timedelta(minutes=STEP_MIN * step)).isoformat()},XX,{value:.2f}")
    path = folder / "intensity.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def now_ms() -> int:
    """Return the instant now [ms since 1970 UTC]."""
    return int(time.time() * MS_PER_S)


def fill(queue: Queue, jobs: int) -> None:
    """Queue so many jobs of five to ten minutes that start within 6 to 20 hours."""
    queue.set(zone="XX", sources=[], source_settings={}, cpu_m=CORES_M)
    wish = Wish(
        argv=("true",),
        within_ms=None,
        max_delay_ms=MS_PER_H,
        duration_ms=MS_PER_H,
        cores=1.0,
        interruptible=False,
        rerunnable=False,
        env=(),
    )
    one = job_of(queue, wish, now_ms())
    with queue.transaction():
        for number in range(jobs):
            queue.submit(_varied(one, number))


def _varied(one: Job, number: int) -> Job:
    """Return a job like `one`, longer or shorter, that may wait longer or shorter."""
    length_ms = (300 + number * 7_919 % 300) * MS_PER_S
    latest_ms = one.created_ms + 6 * MS_PER_H + number * 104_729 % 50_400 * MS_PER_S
    start_ms = one.created_ms + number % 3_600 * MS_PER_S + MS_PER_H
    return replace(
        one,
        argv=(*one.argv, str(number)),
        duration_ms=length_ms,
        latest_start_ms=latest_ms,
        pieces=((start_ms, start_ms + length_ms),),
    )


def command_s(*words: str) -> float:
    """Return the shortest wall time [s] of five runs of a command in a fresh process.

    Modules are compiled by the first run, as they are where greensched is installed.
    """
    command = [sys.executable, "-m", "greensched", "batch", *words]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def once() -> None:
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)

    return best_of(once, repeats=5)


@benchmark(
    "batch-queue",
    limit_s=300,
    at_most={"submit_beyond_start_s": 0.05, "ls_s": 0.2, "plan_s": 1.0, "idle_share": 0.01},
)
def ten_thousand() -> Figures:
    """Commands and worker with 10,000 jobs queued; `_s` of commands are fresh processes.

    `plan_s` is the longest pass of the worker, `placed_s` all passes until every job is placed;
    `idle_share` is CPU time over wall time of a worker at rest, with what it does every five and
    every ten minutes.
    """
    with own_folders() as folder, Queue(default_folder()) as queue:
        file = intensity_file(folder)
        fill(queue, JOBS)
        queue.set(sources=[str(file)])
        passes_s = placed(queue)
        start_s = command_s("submit", "--help")
        words = ("submit", "--max-delay", "12h", "--duration", "1h", "--", "true")
        submit_s = command_s(*words)
        return {
            "jobs": JOBS,
            "start_s": start_s,
            "submit_s": submit_s,
            "submit_beyond_start_s": submit_s - start_s,
            "ls_s": command_s("ls"),
            "plan_command_s": command_s("plan"),
            "plan_s": max(passes_s),
            "placed_s": sum(passes_s),
            "passes": len(passes_s),
            **idle(queue),
        }


def placed(queue: Queue) -> list[float]:
    """Return the times [s] of the passes in which a new worker places all jobs."""
    times_s: list[float] = []
    Planner(queue).plan(now_ms())  # modules are loaded, the source is asked
    planner = Planner(queue)
    while not times_s or planner.has_more:
        began = perf_counter()
        planner.plan(now_ms())
        times_s.append(perf_counter() - began)
    return times_s


def idle(queue: Queue) -> Figures:
    """Return the share of a core that a worker takes when nothing happens."""
    worker = Worker(queue)
    planner = worker.planner
    planner.plan(now_ms())
    while planner.has_more:
        planner.plan(now_ms())
    worker.step(now_ms())
    began = process_time()
    for _ in range(STEPS):
        worker.step(now_ms())
    step_s = (process_time() - began) / STEPS
    began = process_time()
    planner.plan(now_ms())
    plan_s = process_time() - began
    began = process_time()
    settle_all(queue, now_ms())
    settle_s = process_time() - began
    worker.close()
    share = step_s / POLL_S + plan_s * MS_PER_S / PLAN_MS + settle_s * MS_PER_S / SETTLE_MS
    return {"step_us": step_s * 1e6, "plan_again_cpu_s": plan_s, "idle_share": share}
