"""The Alibaba GPU cluster (cluster-trace-gpu-v2023, "openb"): pod list and node list.

It is a population to pack, not a record over time: almost all pods were created in the last days
of it. Pods of qos LS, Burstable and Guaranteed become services, one for each distinct request,
with the number of its pods as recorded replicas and their whole request as constant load. Pods of
qos BE that ran become jobs with the times recorded. BE pods that never ran are counted.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import DataError, Finding
from greensched.model import Jobs, Machines, Services, Trace
from greensched.readers.canonical import machines_from
from greensched.readers.canonical_jobs import job_checks
from greensched.readers.cells import Cell, Check
from greensched.readers.columns import drop_duplicates, jobs_from
from greensched.readers.files import checksum
from greensched.readers.grid import assumptions, default_attributes, services_of
from greensched.readers.loading import gathered, load
from greensched.readers.source import connect, opened
from greensched.units import MS_PER_DAY, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from greensched.readers.options import ReadOptions
    from greensched.readers.source import Source

ONLINE = ("LS", "Burstable", "Guaranteed")
POD_COLUMNS = (
    "name",
    "cpu_milli",
    "memory_mib",
    "num_gpu",
    "gpu_milli",
    "qos",
    "creation_time",
    "deletion_time",
    "scheduled_time",
)
NODE_COLUMNS = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
TIME_MAX_S = 1e11


def read(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return services, jobs and machines of a pod list, a node list, or both; raise DataError."""
    options.check_map((), "openb")
    services: Services | None = None
    jobs: Jobs | None = None
    machines: Machines | None = None
    findings: list[str] = []
    errors: list[Finding | str] = []
    with connect() as con:
        for path in files:
            with gathered(errors), opened(con, Path(path), member=options.member) as source:
                if "sn" in source.columns and machines is None:
                    machines = _nodes(source, options, findings)
                elif "qos" in source.columns and jobs is None:
                    services, jobs = _pods(source, options, findings)
                else:
                    what = "neither a pod list (name, .., qos) nor a node list (sn, ..), or twice"
                    raise DataError(Finding(where=source.label, what=what))
    if errors:
        raise DataError(*errors)
    return Trace(
        services=services,
        jobs=jobs,
        machines=machines,
        timeline=jobs is None,
        checksum=checksum([Path(f) for f in files]),
        findings=tuple(findings),
        synthetic=options.synthetic,
    )


def _nodes(source: Source, options: ReadOptions, findings: list[str]) -> Machines:
    source.require(*NODE_COLUMNS)
    cells = [
        Cell(name="machine", column="sn", kind="text"),
        Cell(name="count", column=None, empty="1"),
        Cell(name="cpu_m", column="cpu_milli", low=1.0),
        Cell(name="memory_mib", column="memory_mib"),
        Cell(name="gpus", column="gpu", whole=True),
        Cell(name="gpu_model", column="model", kind="text", empty="''"),
    ]
    bad = load(source, "nodes", cells, options)
    findings += drop_duplicates(source.con, "nodes", "machine", bad, "a node name")
    findings += bad.settle(options)
    return machines_from(source.con, "nodes", "machine")


def _pods(
    source: Source, options: ReadOptions, findings: list[str]
) -> tuple[Services | None, Jobs]:
    source.require(*POD_COLUMNS)
    con = source.con
    times = [
        Cell(name=f"{n}_s", column=f"{n}_time", empty=e, high=TIME_MAX_S, is_integer=False)
        for n, e in (("creation", None), ("deletion", "NULL"), ("scheduled", "NULL"))
    ]
    cells = [
        Cell(name="pod", column="name", kind="text"),
        Cell(name="qos", column="qos", kind="text"),
        Cell(name="cpu_m", column="cpu_milli", kept=True),
        Cell(name="memory_mib", column="memory_mib"),
        Cell(name="num_gpu", column="num_gpu", whole=True),
        Cell(name="gpu_milli", column="gpu_milli", high=1_000.0, kept=True),
        *times,
    ]
    ran = "qos = 'BE' AND scheduled_s IS NOT NULL"
    derived = {
        "gpu_m": "CASE WHEN num_gpu > 1 THEN num_gpu * 1000 ELSE num_gpu * gpu_milli END",
        "submit_ms": _ms("creation_s"),
        "duration_ms": _ms("deletion_s - scheduled_s"),
    }
    extra = [
        Check(when=f"qos NOT IN {(*ONLINE, 'BE')}", what="unknown qos", shows="qos"),
        Check(when="num_gpu > 1 AND gpu_milli <> 1000", what="part of several GPUs"),
        Check(when="(num_gpu > 0) <> (gpu_milli > 0)", what="num_gpu and gpu_milli disagree"),
        Check(when="qos <> 'BE' AND cpu_m = 0", what="an online pod that asks for no CPU"),
        Check(when=f"{ran} AND deletion_s IS NULL", what="ran, but has no deletion_time"),
        Check(when="deletion_s < scheduled_s", what="end before start"),
        Check(when="scheduled_s < creation_s", what="scheduled before it was created"),
        *(replace(c, when=f"{ran} AND {c.when}") for c in job_checks(options)),
    ]
    bad = load(source, "pods", cells, options, derived=derived, extra=extra)
    findings += drop_duplicates(con, "pods", "pod", bad, "a pod name")
    findings += bad.settle(options)
    findings += _never_ran(con, source.label)
    services = _services(con, options)
    if services is not None:
        findings += assumptions(services, source.label)
    con.execute(f"CREATE OR REPLACE TABLE batch AS SELECT * FROM pods WHERE {ran}")
    return services, jobs_from(con, "batch", id_column="pod")


def _ms(sql: str) -> str:
    return f"TRY_CAST(round_even(({sql}) * {MS_PER_S}, 0) AS BIGINT)"


def _never_ran(con: duckdb.DuckDBPyConnection, label: str) -> list[str]:
    rows = con.execute(
        "SELECT qos, count(*) FROM pods WHERE scheduled_s IS NULL GROUP BY qos ORDER BY qos"
    ).fetchall()
    counts = {str(q): int(n) for q, n in rows}
    batch, online = counts.pop("BE", 0), sum(counts.values())
    found = []
    if batch:
        found.append(f"{label}: {batch:,} BE pods never ran, not among the jobs")
    if online:
        found.append(f"{label}: {online:,} online pods never ran, kept: they ask for capacity")
    return found


def _services(con: duckdb.DuckDBPyConnection, options: ReadOptions) -> Services | None:
    rows = con.execute(
        "SELECT cpu_m, memory_mib, gpu_m, count(*) FROM pods WHERE qos <> 'BE' "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    if not rows:
        return None
    named = sorted((f"cpu{c}m-mem{m}mi-gpu{g}m", c, m, g, n) for c, m, g, n in rows)
    names = tuple(r[0] for r in named)
    cpu_m, memory_mib, gpu_m, count = (
        np.array([r[i] for r in named], np.int64) for i in range(1, 5)
    )
    attributes = replace(
        default_attributes(names, options),
        replica_cpu_m=cpu_m,
        replica_memory_mib=memory_mib,
        replica_gpu_m=gpu_m,
        replicas=count,
    )
    return services_of(attributes, 0, MS_PER_DAY, (cpu_m * count)[:, None])
