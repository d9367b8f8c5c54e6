"""Alibaba's co-located clusters of 2017 and 2018: batch, machines, and services of 2018.

By their schemas (github.com/alibaba/clusterdata): no headers, times in seconds, memory as a share
of the largest machine, so `--memory` has to say what 1 (2017) or 100 (2018) stands for. In 2018 a
`plan_cpu` of 100 is one core; for 2017 the schema does not say, so `--cores` has to: the cores
that 100 stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import DataError, Finding, plural
from greensched.model import Services, Trace
from greensched.readers.canonical_jobs import job_checks
from greensched.readers.cells import Cell, Check
from greensched.readers.columns import drop_duplicates, jobs_from
from greensched.readers.files import checksum
from greensched.readers.grid import assumptions, default_attributes, services_of, uniform_load
from greensched.readers.job_attributes import numbered_classes
from greensched.readers.loading import Bad, gathered
from greensched.readers.source import connect
from greensched.readers.tables import count, machines_of, require, sorted_out, stacked
from greensched.readers.timing import stated_zero_utc
from greensched.units import CPU_M_PER_CORE, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

    from greensched.model import Jobs, Machines
    from greensched.readers.options import ReadOptions

HUNDRED: Final = 100
STEP_MS: Final = 300_000  # of services


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The tables of one trace: their columns, and what 1 of their shares is of the whole."""

    name: str
    tables: tuple[str, ...]
    tasks: str
    machines: str
    machine_table: str
    whole: float  # of memory


V2017: Final = Version(
    name="alibaba-2017",
    tables=("batch_task", "server_event"),
    tasks="created,until,job,task,instances,status,cpu,memory",
    machines="time,machine,event,detail,cores,memory,disk",
    machine_table="server_event",
    whole=1.0,
)
V2018: Final = Version(
    name="alibaba-2018",
    tables=("batch_task", "machine_meta", "container_meta", "container_usage"),
    tasks="task,instances,job,kind,status,created,until,cpu,memory",
    machines="machine,time,domain_1,domain_2,cores,memory,status",
    machine_table="machine_meta",
    whole=100.0,
)
CONTAINERS: Final = "container,machine,time,app,status,cpu,limit,memory"
USAGE: Final = "container,machine,time,cpu,memory,cpi,mem_gps,mpki,net_in,net_out,disk"


def _share(name: str, column: str = "", *, empty: str | None = None, low: float = 0.0,
           high: float = 1e6) -> Cell:  # fmt: skip
    """Return the cell of a number that need not be whole."""
    return Cell(name=name, column=column or name, is_integer=False, empty=empty, low=low,
                high=high)  # fmt: skip


META: Final = (
    Cell(name="container", column="container", kind="text"),
    Cell(name="app", column="app", kind="text"),
    _share("cpu", low=1.0),
    _share("memory", empty="0", high=HUNDRED),
)
USED: Final = (
    Cell(name="container", column="container", kind="text"),
    Cell(name="time_ms", column="time", factor=MS_PER_S, high=1e15),
    _share("used_percent", "cpu", empty="NULL", high=1e4),
)


def read_2017(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return the tasks of `batch_task` and the machines of `server_event`."""
    require(options, V2017.name, cpu_m="how many cores a plan_cpu of 100 is")
    return _read(files, options, V2017)


def read_2018(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return the tasks of `batch_task`, the machines of `machine_meta`.

    With `container_meta` and `container_usage` also the services: containers of one `app_du`.
    """
    return _read(files, replace(options, cpu_m=CPU_M_PER_CORE), V2018)


def _read(files: Sequence[Path], options: ReadOptions, version: Version) -> Trace:
    options.check_map((), version.name)
    require(options, version.name, memory_mib=f"how much memory {version.whole:g} is")
    tables = sorted_out(files, version.tables)
    findings: list[str] = []
    errors: list[Finding | str] = []
    jobs = machines = services = None
    with connect() as con:
        if "batch_task" in tables:
            with gathered(errors):
                jobs = _tasks(con, tables["batch_task"], options, version, findings)
        if version.machine_table in tables:
            with gathered(errors):
                paths = tables[version.machine_table]
                machines = _machines(con, paths, options, version, findings)
        if "container_meta" in tables:
            with gathered(errors):
                services = _services(con, tables, options, findings)
    if errors:
        raise DataError(*errors)
    return Trace(
        services=services,
        jobs=jobs,
        machines=machines,
        zero_utc=stated_zero_utc(options),
        checksum=checksum([p for paths in tables.values() for p in paths]),
        findings=tuple(findings),
        synthetic=options.synthetic,
    )


def _tasks(
    con: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    options: ReadOptions,
    version: Version,
    findings: list[str],
) -> Jobs:
    """Return each task that ended as a gang of its instances, for its whole time."""
    cells = [
        Cell(name="job_name", column="job", kind="text"),
        Cell(name="task_name", column="task", kind="text"),
        Cell(name="tasks", column="instances", empty="1"),
        Cell(name="status", column="status", kind="text"),
        Cell(name="submit_ms", column="created", factor=MS_PER_S, low=-1e15, high=1e15,
             empty="0"),
        Cell(name="until_ms", column="until", factor=MS_PER_S, low=-1e15, high=1e15, empty="0"),
        _share("cpu", empty="NULL"),
        _share("memory", empty="0", high=version.whole),
    ]  # fmt: skip
    ran = "status = 'Terminated' AND until_ms > 0 AND submit_ms > 0"
    derived = {
        "duration_ms": f"CASE WHEN {ran} THEN until_ms - submit_ms ELSE 1 END",
        "cpu_m": f"TRY_CAST(ceil(cpu * {options.cpu_m} / {HUNDRED}) AS BIGINT)",
        "memory_mib": f"TRY_CAST(ceil(memory * {options.memory_mib} / {version.whole}) AS BIGINT)",
        "id": "job_name || '/' || task_name",
    }
    extra = [
        Check(when=f"{ran} AND until_ms < submit_ms", what="end before start"),
        *(replace(c, when=f"{ran} AND {c.when}") for c in job_checks(options)),
    ]
    findings += stacked(con, files, "raw_jobs", cells, options, header=version.tasks,
                        derived=derived, extra=extra)  # fmt: skip
    bad = Bad(label="batch_task", rows=count(con, "raw_jobs"))
    findings += drop_duplicates(con, "raw_jobs", "id", bad, "a task")
    findings += bad.settle(options)
    told = {
        "without a good end or without times left out": f"NOT ({ran})",
        "without plan_cpu left out": f"{ran} AND cpu IS NULL",
    }
    findings += [f"batch_task: {plural(n, 'task')} {what}" for what, when in told.items()
                 if (n := count(con, "raw_jobs", when))]  # fmt: skip
    con.execute(f"DELETE FROM raw_jobs WHERE NOT ({ran}) OR cpu IS NULL")
    if not count(con, "raw_jobs"):
        raise DataError(Finding(where="batch_task", what="no task in it ended well"))
    findings.append("batch_task: a task's instances taken to run all together, for all its time")
    classes = numbered_classes(con, "raw_jobs", ())
    return jobs_from(con, "raw_jobs", classes=classes, id_column="id")


def _machines(
    con: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    options: ReadOptions,
    version: Version,
    findings: list[str],
) -> Machines:
    cells = [
        Cell(name="machine", column="machine", kind="text"),
        Cell(name="cores", column="cores", empty="NULL"),
        _share("memory", empty="NULL", high=version.whole),
    ]
    findings += stacked(con, files, "machines", cells, options, header=version.machines)
    rows = con.execute(
        "SELECT cores, memory, count(*) FROM (SELECT machine, max(cores) AS cores, "
        "max(memory) AS memory FROM machines WHERE cores > 0 GROUP BY machine) "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    if not rows:
        raise DataError(Finding(where=version.machine_table, what="no machine has a size"))
    memory_mib = options.memory_mib / version.whole
    return machines_of([(r[0] * CPU_M_PER_CORE, (r[1] or 0) * memory_mib, r[2]) for r in rows])


def _containers(
    con: duckdb.DuckDBPyConnection, tables: dict[str, list[Path]], options: ReadOptions
) -> list[str]:
    """Fill the tables `meta` and `used`; return what was dropped, in words."""
    findings: list[str] = []
    errors: list[Finding | str] = []
    for name, table, cells, header in (
        ("container_meta", "meta", META, CONTAINERS),
        ("container_usage", "used", USED, USAGE),
    ):
        with gathered(errors):
            findings += stacked(con, tables[name], table, cells, options, header=header)
    if errors:
        raise DataError(*errors)
    return findings


def _services(
    con: duckdb.DuckDBPyConnection,
    tables: dict[str, list[Path]],
    options: ReadOptions,
    findings: list[str],
) -> Services | None:
    """Return the containers of each application as a service: load is what they used.

    Use is percent of a container's request; of samples in one step the mean counts.
    """
    if "container_usage" not in tables:
        findings.append("container_meta: no container_usage, so no load: services left out")
        return None
    findings += _containers(con, tables, options)
    step_ms = options.step_ms or STEP_MS
    con.execute(
        "CREATE OR REPLACE TABLE sizes AS SELECT container, any_value(app) AS app, "
        "max(cpu) * 10 AS cpu_m, max(memory) AS memory FROM meta GROUP BY container"
    )
    con.execute(
        "CREATE OR REPLACE TABLE loads AS SELECT app AS service, time_ms, "
        "CAST(round(sum(cpu_m * used / 100)) AS BIGINT) AS load_cpu_m FROM (SELECT container, "
        f"CAST(floor(time_ms / {step_ms}) AS BIGINT) * {step_ms} AS time_ms, "
        "avg(used_percent) AS used FROM used WHERE used_percent IS NOT NULL GROUP BY 1, 2) "
        "JOIN sizes USING (container) GROUP BY 1, 2"
    )
    if not count(con, "loads"):
        raise DataError(Finding(where="container_usage", what="of no container in container_meta"))
    grid = replace(options, step_ms=step_ms)
    names, start_ms, step_ms, load_cpu_m, filled = uniform_load(
        con, "loads", "container_usage", grid
    )
    rows = con.execute(
        "SELECT app, CAST(median(cpu_m) AS BIGINT), median(memory), count(*) FROM sizes "
        "SEMI JOIN loads ON app = service GROUP BY app ORDER BY app"
    ).fetchall()
    memory = [round(r[2] * options.memory_mib / V2018.whole) for r in rows]
    attributes = replace(
        default_attributes(names, options),
        replica_cpu_m=np.array([r[1] for r in rows], np.int64),
        replica_memory_mib=np.array(memory, np.int64),
        replicas=np.array([r[3] for r in rows], np.int64),
    )
    services = services_of(attributes, start_ms, step_ms, load_cpu_m)
    findings += filled + assumptions(services, "container_usage")
    return services
