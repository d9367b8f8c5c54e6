"""Google's cluster traces of 2011 (clusterdata-2011-2) and 2019 (v3): tasks from their events.

By Google's documents "Google cluster-usage traces: format + schema" (v2, v3): times are
microseconds from 600 s before the trace, requests are shares of the largest machine, so `--cores`
and `--memory` have to say what 1.0 stands for. A task is a job of one task: submitted at its first
SUBMIT, as long as all of its runs together, whatever they were ended by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from greensched.errors import DataError, Finding, plural
from greensched.model import Trace
from greensched.readers.cells import Cell, cell_of
from greensched.readers.columns import jobs_from
from greensched.readers.files import checksum
from greensched.readers.job_attributes import numbered_classes
from greensched.readers.loading import gathered
from greensched.readers.source import connect
from greensched.readers.tables import count, machines_of, require, sorted_out, stacked
from greensched.readers.timing import stated_zero_utc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

    from greensched.model import Jobs, Machines
    from greensched.readers.options import ReadOptions
    from greensched.readers.source import Source

US_PER_MS: Final = 1_000
AFTER_US: Final = 9.2e18  # 2^63 - 1: after the trace
TASKS_2011: Final = (
    "time,missing,job,task,machine,type,user,scheduling_class,priority,cpus,memory,disk,apart"
)
MACHINES_2011: Final = "time,machine,type,platform,cpus,memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """How one trace names its tables, and the codes of its events."""

    name: str
    tasks: str
    machines: str
    task_header: str
    machine_header: str
    scheduled: int
    ended: tuple[int, ...]
    added: int


V2011: Final = Version(
    name="google-2011",
    tasks="task_events",
    machines="machine_events",
    task_header=TASKS_2011,
    machine_header=MACHINES_2011,
    scheduled=1,
    ended=(2, 3, 4, 5, 6),
    added=0,
)
V2019: Final = Version(
    name="google-2019",
    tasks="instance_events",
    machines="machine_events",
    task_header="",
    machine_header="",
    scheduled=3,
    ended=(4, 5, 6, 7, 8),
    added=1,
)


def read_2011(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return the tasks of `task_events` and the machines of `machine_events`."""
    return _read(files, options, V2011)


def read_2019(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return the tasks of `instance_events` and the machines of `machine_events`.

    Tables as BigQuery exports them: CSV with a header (`resource_request.cpus`) or Parquet with
    flat columns.
    """
    return _read(files, options, V2019)


def _read(files: Sequence[Path], options: ReadOptions, version: Version) -> Trace:
    options.check_map((), version.name)
    require(
        options,
        version.name,
        cpu_m="of how many cores 1.0 is",
        memory_mib="of how much memory 1.0 is",
    )
    tables = sorted_out(files, (version.tasks, version.machines))
    findings: list[str] = []
    errors: list[Finding | str] = []
    jobs = machines = None
    with connect() as con:
        if version.tasks in tables:
            with gathered(errors):
                jobs = _tasks(con, tables[version.tasks], options, version, findings)
        if version.machines in tables:
            with gathered(errors):
                machines = _machines(con, tables[version.machines], options, version, findings)
    if errors:
        raise DataError(*errors)
    return Trace(
        jobs=jobs,
        machines=machines,
        zero_utc=stated_zero_utc(options),
        checksum=checksum([p for paths in tables.values() for p in paths]),
        findings=tuple(findings),
        synthetic=options.synthetic,
    )


def _column(source: Source, name: str) -> str:
    """Return the file's own name of a column: `resource_request.cpus`, or with `_` for `.`."""
    return name if name in source.columns else name.replace(".", "_")


def _task_cells(source: Source, options: ReadOptions, version: Version) -> list[Cell]:
    old = version is V2011
    names = {"job": "collection_id", "task": "instance_index", "cpus": "resource_request.cpus",
             "memory": "resource_request.memory"}  # fmt: skip

    def column(name: str) -> str:
        return name if old else _column(source, names.get(name, name))

    def cell(name: str, **about: object) -> Cell:
        return cell_of(source, column(name), options, **about)

    made = [
        _renamed(cell("time", high=1e19, is_integer=False), "time"),
        _renamed(cell("job", kind="text"), "job"),
        _renamed(cell("task"), "task"),
        _renamed(cell("type", high=10.0), "type"),
        _renamed(cell("scheduling_class", high=3.0), "scheduling_class"),
        _renamed(cell("priority"), "priority"),
        _renamed(cell("cpus", empty="NULL", high=1.0, is_integer=False), "cpus"),
        _renamed(cell("memory", empty="NULL", high=1.0, is_integer=False), "memory"),
    ]
    if not old:
        made.append(_renamed(cell("collection_type", empty="0"), "kind"))
    return made


def _renamed(cell: Cell, name: str) -> Cell:
    return replace(cell, name=name)


def _tasks(
    con: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    options: ReadOptions,
    version: Version,
    findings: list[str],
) -> Jobs:
    findings += stacked(
        con,
        files,
        "events",
        lambda source: _task_cells(source, options, version),
        options,
        header=version.task_header,
    )
    label = version.tasks
    if version is V2019:
        sets = count(con, "events", "kind <> 0")
        con.execute("DELETE FROM events WHERE kind <> 0")
        if sets:
            findings.append(
                f"{label}: {plural(sets, 'event')} of alloc sets left out: they run nothing"
            )
    codes = ", ".join(map(str, version.ended))
    (last,) = con.execute(f"SELECT max(time) FROM events WHERE time < {AFTER_US}").fetchone() or (
        0,
    )
    con.execute(
        "CREATE OR REPLACE TABLE spans AS SELECT job, task, type, "
        f"least(time, {float(last)}) AS time, "
        f"least(lead(time) OVER each, {float(last)}) AS until, "
        f"lead(type) OVER each AS next FROM events WHERE type = {version.scheduled} "
        f"OR type IN ({codes}) WINDOW each AS (PARTITION BY job, task ORDER BY time, _row)"
    )
    con.execute(
        "CREATE OR REPLACE TABLE raw_jobs AS SELECT row_number() OVER () AS _row, e.*, "
        "coalesce(s.run_us, 0) AS run_us, s.runs, s.open FROM "
        "(SELECT job, task, min(time) AS first, max(cpus) AS cpus, max(memory) AS memory, "
        "max(scheduling_class) AS scheduling_class, max(priority) AS priority "
        f"FROM events GROUP BY job, task) e LEFT JOIN (SELECT job, task, "
        f"sum(coalesce(until, {float(last)}) - time) AS run_us, count(*) AS runs, "
        f"bool_or(next IS NULL) AS open FROM spans WHERE type = {version.scheduled} "
        "GROUP BY job, task) s USING (job, task)"
    )
    findings += _told(con, label)
    con.execute("DELETE FROM raw_jobs WHERE runs IS NULL OR run_us = 0 OR cpus IS NULL")
    if not count(con, "raw_jobs"):
        raise DataError(Finding(where=label, what="no task in it ran"))
    return _jobs(con, options)


def _told(con: duckdb.DuckDBPyConnection, label: str) -> list[str]:
    """Return how many tasks are left out, ran several times, or run at the end."""
    told = {
        "that never ran left out": "runs IS NULL OR run_us = 0",
        "without a request left out": "runs IS NOT NULL AND run_us > 0 AND cpus IS NULL",
        "run more than once, their runs together": "runs > 1",
        "still at work at the end of the trace, taken until then": "open",
    }
    counts = {what: count(con, "raw_jobs", when) for what, when in told.items()}
    return [
        f"{label}: {plural(number, 'task')} {what}" for what, number in counts.items() if number
    ]


def _jobs(con: duckdb.DuckDBPyConnection, options: ReadOptions) -> Jobs:
    con.execute(
        "CREATE OR REPLACE TABLE raw_jobs AS SELECT _row, job || '-' || task AS id, "
        f"CAST(first / {US_PER_MS} AS BIGINT) AS submit_ms, "
        f"greatest(1, CAST(run_us / {US_PER_MS} AS BIGINT)) AS duration_ms, "
        f"CAST(ceil(cpus * {options.cpu_m}) AS BIGINT) AS cpu_m, "
        f"CAST(ceil(coalesce(memory, 0) * {options.memory_mib}) AS BIGINT) AS memory_mib, "
        "'priority-' || CAST(priority AS VARCHAR) AS priority, "
        "'class-' || CAST(scheduling_class AS VARCHAR) AS scheduling_class FROM raw_jobs"
    )
    classes = numbered_classes(con, "raw_jobs", ("priority", "scheduling_class"))
    return jobs_from(con, "raw_jobs", classes=classes, id_column="id")


def _machines(
    con: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    options: ReadOptions,
    version: Version,
    findings: list[str],
) -> Machines:
    """Return the machines that were ever there, grouped by their last size."""
    old = version is V2011

    def cells(source: Source) -> list[Cell]:
        def column(name: str) -> str:
            return name if old else _column(source, f"capacity.{name}")

        key = "machine" if old else "machine_id"
        share = {"empty": "NULL", "high": 1.0, "is_integer": False}
        return [
            cell_of(source, "time", options, high=1e19, is_integer=False),
            _renamed(cell_of(source, key, options, kind="text"), "machine"),
            cell_of(source, "type", options, high=10.0),
            _renamed(cell_of(source, column("cpus"), options, **share), "cpus"),
            _renamed(cell_of(source, column("memory"), options, **share), "memory"),
        ]

    findings += stacked(con, files, "machines", cells, options, header=version.machine_header)
    rows = con.execute(
        "SELECT cpus, memory, count(*) FROM (SELECT machine, arg_max(cpus, time) AS cpus, "
        "arg_max(memory, time) AS memory FROM machines WHERE cpus > 0 AND memory > 0 "
        "GROUP BY machine) GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    if not rows:
        raise DataError(Finding(where=version.machines, what="no machine has a size"))
    return machines_of([(r[0] * options.cpu_m, r[1] * options.memory_mib, r[2]) for r in rows])
