"""Jobs of a cluster, as a Prometheus knows them: their times, and what they ask for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from greensched.model import NONE, JobClass, Jobs
from greensched.readers.cluster.matrix import TIME_MAX_S
from greensched.readers.cluster.measured import by_owner, values_by
from greensched.readers.columns import TextColumn, frozen
from greensched.units import CPU_M_PER_CORE, GPU_M_PER_GPU, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.model import FloatArray
    from greensched.readers.cluster.matrix import Matrix
    from greensched.readers.cluster.measured import Grid

MIB: Final = 2**20
# Submission [ms since zero], title, namespace and name, duration [ms], sizes.
_Row: TypeAlias = tuple[int, str, tuple[str, ...], int, list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One run of a Job's name: times are Unix [ms], `end_ms` 0 where none was seen."""

    key: tuple[str, ...]
    number: int  # from 0, of the runs that share the name
    submit_ms: int
    start_ms: int
    end_ms: int
    until_ms: int  # when the next of its name began

    @property
    def title(self) -> str:
        """Return namespace and name, from the second run on with its number."""
        return "/".join((*self.key, *([str(self.number + 1)] if self.number else [])))


def jobs_of(
    matrix: Matrix, grid: Grid, zero_ms: int, label: str, findings: list[str]
) -> Jobs | None:
    """Return the Jobs whose start and request were seen, sorted by submission and name.

    One without an end lasted until its request was seen last. A Job is one task of all its Pods;
    where a name was given again, each run is a job.
    """
    asked = {
        name: by_owner(matrix, name, grid)
        for name in ("cpu_request", "memory_request", "gpu_request")
    }
    rows, unsized, unended = [], 0, 0
    for run in _runs(matrix):
        owner = (run.key[0], "Job", run.key[1])
        own = {name: _during(table.get(owner), run, grid) for name, table in asked.items()}
        cpu = own["cpu_request"]
        if cpu is None:
            unsized += 1
            continue
        end_ms = run.end_ms
        if not end_ms:
            unended += 1
            end_ms = max(run.start_ms + 1, _last_ms(cpu, grid))
        sizes = [_most(row) for row in own.values()]
        rows.append((run.submit_ms - zero_ms, run.title, run.key, end_ms - run.start_ms, sizes))
    told = (
        (unsized, "Jobs left out: they were gone before their request was sampled"),
        (unended, "Jobs without a completion, taken to last until their request was seen last"),
    )
    findings += [f"{label}: {count:,} {what}" for count, what in told if count]
    return _columns(sorted(rows), _families(matrix)) if rows else None


def _runs(matrix: Matrix) -> Iterator[_Run]:
    """Yield the runs of each Job: its name may be given again, with other times."""
    keys = ("namespace", "job_name")
    starts, ends, created = (
        values_by(matrix, name, *keys) for name in ("job_start", "job_end", "job_created")
    )
    for key, times in sorted(starts.items()):
        for number, (start_s, next_s) in enumerate(pairwise((*times, math.inf))):
            end_s = next((t for t in ends.get(key, ()) if start_s < t <= next_s), 0.0)
            made_s = max((t for t in created.get(key, ()) if t <= start_s), default=start_s)
            yield _Run(
                key=key,
                number=number,
                submit_ms=round(made_s * MS_PER_S),
                start_ms=round(start_s * MS_PER_S),
                end_ms=round(end_s * MS_PER_S),
                until_ms=round(min(next_s, TIME_MAX_S) * MS_PER_S),
            )


def _during(row: FloatArray | None, run: _Run, grid: Grid) -> FloatArray | None:
    """Return a row from a run's start to the next one's, None where it has no sample."""
    if row is None:
        return None
    times = grid.first_ms + grid.step_ms * np.arange(grid.steps)
    own = np.where((times >= run.start_ms) & (times < run.until_ms), row, np.nan)
    return None if bool(np.isnan(own).all()) else own


def _most(row: FloatArray | None) -> float:
    return 0.0 if row is None else float(np.nanmax(row, initial=0.0))


def _last_ms(row: FloatArray, grid: Grid) -> int:
    """Return the time of the last sample [Unix ms]."""
    return int(grid.first_ms + grid.step_ms * np.flatnonzero(~np.isnan(row))[-1])


def _families(matrix: Matrix) -> dict[tuple[str, ...], str]:
    """Return the CronJob of each Job that has one, by namespace and name."""
    found: dict[tuple[str, ...], str] = {}
    for labels in matrix.of("job_owner"):
        given = dict(labels)
        if given.get("owner_kind") == "CronJob":
            key = (given.get("namespace", ""), given.get("job_name", ""))
            found[key] = given.get("owner_name", "")
    return found


def _columns(rows: list[_Row], families: dict[tuple[str, ...], str]) -> Jobs:
    keys = [(key[0], families.get(key) or re.sub(r"\d+", "*", key[1])) for _, _, key, _, _ in rows]
    classes = sorted(set(keys))
    none = np.full(len(rows), NONE, np.int64)
    sizes = np.array([sizes for *_, sizes in rows])
    return Jobs(
        submit_ms=frozen(np.array([submit for submit, *_ in rows], np.int64)),
        duration_ms=frozen(np.array([long for *_, long, _ in rows], np.int64)),
        cpu_m=frozen(np.rint(sizes[:, 0] * CPU_M_PER_CORE).astype(np.int32)),
        memory_mib=frozen(np.ceil(sizes[:, 1] / MIB).astype(np.int32)),
        gpu_m=frozen((np.rint(sizes[:, 2]) * GPU_M_PER_GPU).astype(np.int32)),
        tasks=frozen(np.ones(len(rows), np.int32)),
        estimate_ms=frozen(none.copy()),
        deadline_ms=frozen(none),
        job_class=frozen(np.array([classes.index(k) for k in keys], np.int32)),
        classes=tuple(
            JobClass(
                name=f"{namespace}/{owner}",
                attributes=(("namespace", namespace), ("owner", owner)),
            )
            for namespace, owner in classes
        ),
        ids=TextColumn.of([title for _, title, *_ in rows]),
    )
