"""Jobs of a cluster, as a Prometheus knows them: their times, and what they ask for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.model import NONE, JobClass, Jobs
from greensched.readers.cluster.measured import by_owner, last_by
from greensched.readers.columns import TextColumn, frozen
from greensched.units import CPU_M_PER_CORE, GPU_M_PER_GPU, MS_PER_S

if TYPE_CHECKING:
    from greensched.model import FloatArray
    from greensched.readers.cluster.matrix import Matrix
    from greensched.readers.cluster.measured import Grid

MIB: Final = 2**20


def jobs_of(
    matrix: Matrix, grid: Grid, zero_ms: int, label: str, findings: list[str]
) -> Jobs | None:
    """Return the Jobs whose start and request were seen, sorted by submission and name.

    One without an end lasted until its request was seen last. A Job is one task of all its Pods.
    """
    keys = ("namespace", "job_name")
    starts = last_by(matrix, "job_start", *keys)
    ends, created = last_by(matrix, "job_end", *keys), last_by(matrix, "job_created", *keys)
    asked = {
        name: by_owner(matrix, name, grid)
        for name in ("cpu_request", "memory_request", "gpu_request")
    }
    rows, unsized, unended = [], 0, 0
    for key, start_s in sorted(starts.items()):
        owner = (key[0], "Job", key[1])
        if owner not in asked["cpu_request"]:
            unsized += 1
            continue
        until_ms = round(ends.get(key, 0.0) * MS_PER_S)
        start_ms = round(start_s * MS_PER_S)
        if until_ms <= start_ms:
            unended += 1
            until_ms = max(start_ms + 1, _last_ms(asked["cpu_request"][owner], grid))
        submit_ms = min(start_ms, round(created.get(key, start_s) * MS_PER_S))
        sizes = [_most(asked[name].get(owner)) for name in asked]
        rows.append((submit_ms - zero_ms, "/".join(key), until_ms - start_ms, sizes))
    told = (
        (unsized, "Jobs left out: they were gone before their request was sampled"),
        (unended, "Jobs without a completion, taken to last until their request was seen last"),
    )
    findings += [f"{label}: {count:,} {what}" for count, what in told if count]
    return _columns(sorted(rows), _families(matrix)) if rows else None


def _most(row: FloatArray | None) -> float:
    return 0.0 if row is None else float(np.nanmax(row, initial=0.0))


def _last_ms(row: FloatArray, grid: Grid) -> int:
    """Return the time of the last sample [Unix ms]."""
    return int(grid.first_ms + grid.step_ms * np.flatnonzero(~np.isnan(row))[-1])


def _families(matrix: Matrix) -> dict[str, str]:
    """Return the CronJob of each Job that has one, by namespace and name."""
    found = {}
    for labels in matrix.of("job_owner"):
        given = dict(labels)
        if given.get("owner_kind") == "CronJob":
            key = f"{given.get('namespace', '')}/{given.get('job_name', '')}"
            found[key] = given.get("owner_name", "")
    return found


def _columns(rows: list[tuple[int, str, int, list[float]]], families: dict[str, str]) -> Jobs:
    names = [name for _, name, _, _ in rows]
    keys = []
    for name in names:
        namespace, _, own = name.partition("/")
        keys.append((namespace, families.get(name) or re.sub(r"\d+", "*", own)))
    classes = sorted(set(keys))
    none = np.full(len(rows), NONE, np.int64)
    sizes = np.array([sizes for *_, sizes in rows])
    return Jobs(
        submit_ms=frozen(np.array([submit for submit, *_ in rows], np.int64)),
        duration_ms=frozen(np.array([long for _, _, long, _ in rows], np.int64)),
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
        ids=TextColumn.of(names),
    )
