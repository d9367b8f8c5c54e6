"""A queue of a test: its folders, intensity in steps of seconds, jobs that tell when they ran."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil

from greensched.batch.folder import default_folder
from greensched.batch.job import ACTIVE, ENDED, WAITING
from greensched.batch.queue import Queue
from greensched.batch.submission import Wish, job_of
from greensched.batch.worker import Worker
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pytest

    from greensched.batch.job import Job

MS = 1_000
PATIENCE_S = 30.0
ZONE = "XX"
CLEAN, DIRTY = 100.0, 400.0


def now_ms() -> int:
    """Return the instant now [ms since 1970 UTC]."""
    return int(time.time() * MS)


def until(true: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Return once `true` says so; fail where that takes too long."""
    end_s = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end_s, "it took too long"
        time.sleep(0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Folders of one test; what jobs tell is in `told`."""

    root: Path

    @property
    def told(self) -> Path:
        """Return the file that jobs write a line to."""
        return self.root / "told"

    def lines(self) -> list[str]:
        """Return what jobs told, in order."""
        return self.told.read_text(encoding="utf-8").splitlines() if self.told.exists() else []

    def queue(self) -> Queue:
        """Return the queue, opened."""
        return Queue(default_folder())

    def intensity(self, clean: Sequence[tuple[int, int]], step_s: int = 1) -> int:
        """Write intensity around now, clean in spans [s from now], and name it for the queue.

        Return the instant that the spans count from.
        """
        zero_s = now_ms() // MS
        lines = ["datetime,zone,carbon_intensity"]
        for at in range(-600, 3_600, step_s):
            value = CLEAN if any(a <= at < b for a, b in clean) else DIRTY
            lines.append(f"{datetime.fromtimestamp(zero_s + at, UTC).isoformat()},{ZONE},{value}")
        file = self.root / "intensity.csv"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with self.queue() as queue:
            queue.set(zone=ZONE, sources=[str(file)], source_settings={})
        return zero_s * MS

    def submit(
        self,
        script: str,
        *,
        max_delay_s: float = 0.001,
        duration_s: float = 1.0,
        cores: float = 1.0,
        interruptible: bool = False,
        rerunnable: bool = False,
        at_ms: int | None = None,
    ) -> int:
        """Queue a shell script in which `$0` is the file of lines; return its number."""
        wish = Wish(
            argv=("sh", "-c", script, str(self.told)),
            within_ms=None,
            max_delay_ms=round(max_delay_s * MS),
            duration_ms=round(duration_s * MS),
            cores=cores,
            interruptible=interruptible,
            rerunnable=rerunnable,
            env=(),
        )
        with self.queue() as queue:
            return queue.submit(job_of(queue, wish, now_ms() if at_ms is None else at_ms))

    def job(self, number: int) -> Job:
        """Return a job as it is now."""
        with self.queue() as queue:
            return queue.job(number)

    def state(self, number: int) -> str:
        """Return the state of a job."""
        return self.job(number).state

    def work(self, number: int, *, patience_s: float = PATIENCE_S) -> Job:
        """Work in this process until a job has ended; return it."""
        with self.queue() as queue:
            worker = Worker(queue)
            try:
                working(
                    worker,
                    lambda: queue.job(number).state in ENDED,
                    patience_s=patience_s,
                )
            finally:
                worker.close()
            return queue.job(number)

    def worker(self) -> subprocess.Popen[str]:
        """Start a worker of its own."""
        command = [sys.executable, "-m", "greensched", "batch", "run"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def supervisors(self) -> list[psutil.Process]:
        """Return the supervisors of this queue that live."""
        found = []
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
            except psutil.Error:
                continue
            if "greensched.batch.supervisor" in words and str(default_folder()) in words:
                found.append(process)
        return found


def working(
    worker: Worker, true: Callable[[], bool], *, ahead_ms: int = 0, patience_s: float = PATIENCE_S
) -> None:
    """Let a worker work, its clock `ahead_ms` of ours, until `true` says so."""

    def stepped() -> bool:
        worker.step(now_ms() + ahead_ms)
        return true()

    until(stepped, patience_s)


def new_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Yield a place of its own; whatever still runs at the end is ended."""
    for name in ("STATE", "CONFIG", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    place = Place(root=tmp_path)
    yield place
    with place.queue() as queue:
        for job in queue.jobs((WAITING, *ACTIVE, "interrupted")):
            queue.change(job.id, states=(job.state,), cancel=True)
            if job.leader is not None and psutil.pid_exists(job.leader):
                os.killpg(job.leader, 9)
    until(lambda: not place.supervisors())
