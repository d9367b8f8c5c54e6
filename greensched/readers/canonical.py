"""The format of greensched itself: services, jobs, machines, databases, one file each.

The schema is in `docs/reference/traces.md`. Which of them a CSV or Parquet file holds is told by
its columns. A folder stands for the files services.*, jobs.*, machines.* and databases.* in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.errors import DataError, Finding
from greensched.model import JobClass, Jobs, Machines, Services, Trace
from greensched.readers.cells import INT32_MAX, Check, cell_of
from greensched.readers.columns import drop_duplicates, frozen, jobs_from, out_of_order
from greensched.readers.databases import COLUMNS as DATABASE_COLUMNS
from greensched.readers.databases import databases_from, load_databases
from greensched.readers.files import checksum
from greensched.readers.grid import Attributes, assumptions, services_of, uniform_load
from greensched.readers.loading import load
from greensched.readers.options import MS_PER_UNIT, ReadOptions, with_units
from greensched.readers.source import connect, opened
from greensched.readers.timing import epoch_ms, iso_utc, time_cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from greensched.readers.source import Source

KINDS = ("services", "jobs", "machines", "databases")
SUFFIXES = (".csv", ".csv.gz", ".csv.xz", ".csv.bz2", ".csv.zip", ".parquet")
ATTRIBUTES: dict[str, tuple[str | None, str]] = {
    # name: (SQL of an absent cell, None for required; kind)
    "replica_cpu_m": (None, "int"),
    "replica_memory_mib": (None, "int"),
    "replica_gpu_m": ("0", "int"),
    "replicas": ("-1", "int"),
    "replicas_min": ("1", "int"),
    "replicas_max": ("-1", "int"),
    "service_time_ms": ("'nan'::DOUBLE", "float"),
}
CLASS_COLUMNS = (
    "class",
    "priority",
    "evictable",
    "deferrable",
    "max_delay_ms",
    "interruptible",
    "checkpoint_interval_ms",
    "checkpoint_cost_ms",
)
CLASSES_MAX = 1_000
TIMES = (
    *("time", "startup", "submit", "duration", "start", "end", "estimate", "deadline"),
    *("max_delay", "checkpoint_interval", "checkpoint_cost"),
)
OTHERS = (
    *("service", "load_cpu_m", *ATTRIBUTES, "job", "class", "cpu_m", "memory_mib", "gpu_m"),
    *("tasks", "priority", "evictable", "deferrable", "interruptible"),
    *("machine", "count", "gpus", "gpu_model"),
    *DATABASE_COLUMNS,
)


@dataclass(slots=True, kw_only=True)
class _Parts:
    """What has been read so far."""

    con: duckdb.DuckDBPyConnection
    options: ReadOptions
    findings: list[str] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)  # kind -> label of its file
    of_utc: dict[str, bool] = field(default_factory=dict)
    machines: Machines | None = None
    zeros_utc: set[str] = field(default_factory=set)  # as Parquet files state them
    synthetic: bool = False


def read(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return the trace in `files` (or in the folder that is the only one); raise DataError."""
    options.check_map((*with_units(*TIMES), *OTHERS), "canonical")
    files = _in_folder(Path(files[0])) if len(files) == 1 and Path(files[0]).is_dir() else files
    with connect() as con:
        parts = _Parts(con=con, options=options)
        errors: list[Finding | str] = []
        for path in files:
            try:
                with opened(con, Path(path), member=options.member) as source:
                    _one(parts, source)
            except DataError as error:
                errors += error.findings
        if errors:
            raise DataError(*errors)
        return _trace(parts, checksum([Path(f) for f in files]))


def _in_folder(folder: Path) -> list[Path]:
    found = [
        p
        for p in sorted(folder.iterdir())
        if p.name.split(".")[0] in KINDS and p.name.endswith(SUFFIXES)
    ]
    if not found:
        what = "no services, jobs, machines or databases file (.csv or .parquet) in this folder"
        raise DataError(Finding(where=str(folder), what=what))
    return found


def _kind(source: Source, options: ReadOptions) -> str:
    names = set(source.columns) | set(options.columns)
    stems = names | {n.rsplit("_", 1)[0] for n in names if n.rsplit("_", 1)[-1] in MS_PER_UNIT}
    if "load_cpu_m" in names:
        return "services"
    if "submit" in stems or "duration" in stems:
        return "jobs"
    if "database" in names:
        return "databases"
    if "machine" in names:
        return "machines"
    raise DataError(
        Finding(
            where=source.label,
            what="neither services (load_cpu_m), jobs (submit_s), machines (machine) nor "
            f"databases (database): columns are {source.there}",
            remedy="name columns with --map NAME=COLUMN, or the format with --reader",
        )
    )


def _one(parts: _Parts, source: Source) -> None:
    kind = _kind(source, parts.options)
    if kind in parts.tables:
        what = f"a second file of {kind} (the first: {parts.tables[kind]})"
        raise DataError(Finding(where=source.label, what=what, remedy="join them into one"))
    parts.tables[kind] = source.label
    parts.synthetic |= source.facts.get("synthetic") == "true"
    if kind != "machines" and source.facts.get("zero_utc"):
        parts.zeros_utc.add(source.facts["zero_utc"])
    if kind == "databases":
        told, parts.of_utc[kind] = load_databases(source, parts.options)
        parts.findings += told
        return
    {"services": _load_services, "jobs": _load_jobs, "machines": _load_machines}[kind](
        parts, source
    )


def _load_jobs(parts: _Parts, source: Source) -> None:
    options = parts.options
    has_end = any(n in source.columns or n in options.columns for n in ("end", "end_s", "end_ms"))
    submit = time_cell(source, "submit", options)
    cells = [
        submit,
        time_cell(source, "duration", options, duration=True, empty="-1" if has_end else None),
        time_cell(source, "start", options, empty="NULL"),
        time_cell(source, "end", options, empty="NULL"),
        time_cell(source, "estimate", options, duration=True, empty="-1"),
        time_cell(source, "deadline", options, empty="-1"),
        time_cell(source, "max_delay", options, duration=True, empty="-1"),
        time_cell(source, "checkpoint_interval", options, duration=True, empty="0"),
        time_cell(source, "checkpoint_cost", options, duration=True, empty="0"),
        cell_of(source, "job", options, kind="text"),
        cell_of(source, "class", options, kind="text", empty="'batch'"),
        cell_of(source, "cpu_m", options, low=0.0),
        cell_of(source, "memory_mib", options, empty="0"),
        cell_of(source, "gpu_m", options, empty="0"),
        cell_of(source, "tasks", options, empty="1", low=1.0),
        cell_of(source, "priority", options, empty="0", low=-float(INT32_MAX)),
        *(
            cell_of(source, n, options, kind="flag", empty=e)
            for n, e in (
                ("evictable", "true"),
                ("deferrable", "false"),
                ("interruptible", "false"),
            )
        ),
    ]
    begin = "coalesce(start_ms, submit_ms)"
    derived = {"run_ms": f"CASE WHEN duration_ms >= 0 THEN duration_ms ELSE end_ms - {begin} END"}
    extra = job_checks(options, "run_ms", gpu="gpu_m", deadline="deadline_ms")
    extra.insert(0, Check(when=f"end_ms < {begin}", what="end before start"))
    bad = load(source, "raw_jobs", cells, options, derived=derived, extra=extra)
    parts.findings += drop_duplicates(parts.con, "raw_jobs", "job", bad, "a job id")
    parts.findings += bad.settle(options)
    parts.findings += out_of_order(parts.con, "raw_jobs", "submit_ms", source.label)
    parts.of_utc["jobs"] = submit.of_utc
    parts.con.execute("ALTER TABLE raw_jobs DROP COLUMN duration_ms")
    parts.con.execute("ALTER TABLE raw_jobs RENAME COLUMN run_ms TO duration_ms")


def job_checks(
    options: ReadOptions, duration: str = "duration_ms", gpu: str = "", deadline: str = ""
) -> list[Check]:
    """Return the checks that hold for a job of any format, over SQL columns in model units."""
    found = []
    if not options.allow_instant:
        what = "a job of length 0"
        remedy = "allow them with --allow-instant, or drop them with --on-bad=drop"
        found.append(Check(when=f"{duration} = 0", what=what, remedy=remedy))
    if gpu:
        what = f"{gpu}: more than one GPU, but not a whole number of them"
        found.append(
            Check(
                when=f"{gpu} > 1000 AND {gpu} % 1000 <> 0",
                what=what,
                shows=f"CAST({gpu} AS VARCHAR)",
            )
        )
    if deadline:
        what = "deadline before the job is submitted"
        found.append(Check(when=f"{deadline} <> -1 AND {deadline} < submit_ms", what=what))
    return found


def _load_services(parts: _Parts, source: Source) -> None:
    options = parts.options
    time = time_cell(source, "time", options)
    cells = [
        time,
        cell_of(source, "service", options, kind="text"),
        cell_of(source, "load_cpu_m", options, high=float(2**53)),
        time_cell(source, "startup", options, duration=True, empty="60000"),
    ]
    for name, (empty, kind) in ATTRIBUTES.items():
        low = 1.0 if name == "replica_cpu_m" else 0.0
        cells.append(
            cell_of(source, name, options, empty=empty, low=low, is_integer=kind == "int")
        )
    what = "replicas_min above replicas_max"
    extra = [Check(when="replicas_max >= 0 AND replicas_min > replicas_max", what=what)]
    bad = load(source, "raw_services", cells, options, extra=extra)
    keys = "service, time_ms"
    parts.findings += drop_duplicates(parts.con, "raw_services", keys, bad, "a service and time")
    parts.findings += bad.settle(options)
    parts.of_utc["services"] = time.of_utc


def _load_machines(parts: _Parts, source: Source) -> None:
    options, con = parts.options, parts.con
    cells = [
        cell_of(source, "machine", options, kind="text"),
        cell_of(source, "count", options, empty="1", low=1.0),
        cell_of(source, "cpu_m", options, low=1.0),
        cell_of(source, "memory_mib", options, high=float(2**53)),
        cell_of(source, "gpus", options, empty="0"),
        cell_of(source, "gpu_model", options, kind="text", empty="''"),
    ]
    bad = load(source, "raw_machines", cells, options)
    parts.findings += drop_duplicates(con, "raw_machines", "machine", bad, "a machine id")
    parts.findings += bad.settle(options)
    parts.machines = machines_from(con, "raw_machines", "machine")


def machines_from(con: duckdb.DuckDBPyConnection, table: str, name: str) -> Machines:
    """Return the machines of `table`, sorted by `name`."""
    rows = con.execute(
        f"SELECT {name}, count, cpu_m, memory_mib, gpus, gpu_model FROM {table} ORDER BY {name}"
    ).fetchall()
    names, count, cpu_m, memory_mib, gpus, models = zip(*rows, strict=True) if rows else [()] * 6
    return Machines(
        names=tuple(str(n) for n in names),
        count=frozen(np.array(count, np.int64)),
        cpu_m=frozen(np.array(cpu_m, np.int64)),
        memory_mib=frozen(np.array(memory_mib, np.int64)),
        gpus=frozen(np.array(gpus, np.int64)),
        gpu_models=tuple(str(m) for m in models),
    )


def _trace(parts: _Parts, digest: str) -> Trace:
    zero_ms, zero_utc = _zero(parts)
    services = _services(parts, zero_ms) if "services" in parts.tables else None
    jobs = _jobs(parts, zero_ms) if "jobs" in parts.tables else None
    databases = None
    if label := parts.tables.get("databases"):
        databases, told = databases_from(parts.con, label, parts.options, zero_ms)
        parts.findings += told
    return Trace(
        services=services,
        jobs=jobs,
        machines=parts.machines,
        databases=databases,
        zero_utc=zero_utc,
        synthetic=parts.options.synthetic or parts.synthetic,
        checksum=digest,
        findings=tuple(parts.findings),
    )


def _of_files(parts: _Parts) -> str:
    """Return the instant of trace zero that the Parquet files state; empty for none."""
    if len(parts.zeros_utc) > 1:
        what = f"files that count from different instants: {', '.join(sorted(parts.zeros_utc))}"
        remedy = "say which holds with --zero-utc"
        where = ", ".join(parts.tables.values())
        raise DataError(Finding(where=where, what=what, remedy=remedy))
    return next(iter(parts.zeros_utc), "")


def _zero(parts: _Parts) -> tuple[int, str]:
    """Return what to subtract from times [ms] and the instant of trace zero."""
    stated = parts.options.zero_utc or _of_files(parts)
    if not any(parts.of_utc.values()):
        return 0, iso_utc(epoch_ms(stated, "zero_utc")) if stated else ""
    if not all(parts.of_utc.values()):
        labels = ", ".join(parts.tables.values())
        what = "one file has calendar times, the other numbers: they cannot be aligned"
        raise DataError(Finding(where=labels, what=what))
    if stated:
        zero = epoch_ms(stated, "zero_utc")
    else:
        column = {"services": "time_ms", "jobs": "submit_ms", "databases": "time_ms"}
        zero = min(
            int(
                (parts.con.execute(f"SELECT min({column[k]}) FROM raw_{k}").fetchone() or (0,))[0]
                or 0
            )
            for k in parts.of_utc
        )
    return zero, iso_utc(zero)


def _jobs(parts: _Parts, zero_ms: int) -> Jobs:
    con = parts.con
    names = ", ".join(f'"{c}"' for c in CLASS_COLUMNS)
    rows = con.execute(f"SELECT DISTINCT {names} FROM raw_jobs ORDER BY ALL").fetchall()
    if len(rows) > CLASSES_MAX:
        what = f"{len(rows):,} different combinations of class, priority, max_delay and so on"
        raise DataError(
            Finding(where=parts.tables["jobs"], what=what, remedy=f"give at most {CLASSES_MAX:,}")
        )
    classes, seen = [], dict[str, int]()
    for row in rows:
        values = dict(zip(CLASS_COLUMNS, row, strict=True))
        name = str(values.pop("class"))
        seen[name] = seen.get(name, 0) + 1
        name = name if seen[name] == 1 else f"{name}/{seen[name]}"
        classes.append(JobClass(name=name, **values))
    if len(rows) > 1:
        _number_classes(con, names)
    return jobs_from(
        con, "raw_jobs", zero_ms=zero_ms, classes=tuple(classes) or (JobClass(),), id_column="job"
    )


def _number_classes(con: duckdb.DuckDBPyConnection, names: str) -> None:
    con.execute(
        f"CREATE OR REPLACE TABLE classes AS SELECT *, row_number() OVER (ORDER BY {names}) - 1 "
        f"AS class_row FROM (SELECT DISTINCT {names} FROM raw_jobs)"
    )
    con.execute(
        f"CREATE OR REPLACE TABLE raw_jobs AS SELECT * FROM raw_jobs JOIN classes USING ({names})"
    )


def _services(parts: _Parts, zero_ms: int) -> Services:
    con, label = parts.con, parts.tables["services"]
    names, start_ms, step_ms, load_cpu_m, filled = uniform_load(
        con, "raw_services", label, parts.options
    )
    columns = [*ATTRIBUTES, "startup_ms"]
    picks = ", ".join(f"min({c}), count(DISTINCT {c})" for c in columns)
    rows = con.execute(
        f"SELECT service, {picks} FROM raw_services GROUP BY service ORDER BY service"
    ).fetchall()
    errors = [
        Finding(where=f"{label} service {row[0]}", what=f"{c} is not the same in all rows")
        for row in rows
        for i, c in enumerate(columns)
        if row[2 + 2 * i] > 1
    ]
    if errors:
        raise DataError(*errors)
    values: dict[str, Any] = {
        c: np.array([r[1 + 2 * i] for r in rows], float if c == "service_time_ms" else np.int64)
        for i, c in enumerate(columns)
    }
    services = services_of(
        Attributes(names=names, **values), start_ms - zero_ms, step_ms, load_cpu_m
    )
    parts.findings += filled + assumptions(services, label)
    return services
