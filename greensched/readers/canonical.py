"""The format of greensched itself: services, jobs, machines, databases, one file each.

The schema is in `docs/reference/traces.md`. Which of them a CSV or Parquet file holds is told by
its columns. A folder stands for the files services.*, jobs.*, machines.* and databases.* in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.errors import DataError, Finding
from greensched.model import Machines, Services, Trace
from greensched.readers.canonical_jobs import canonical_jobs, load_jobs
from greensched.readers.cells import Check, cell_of
from greensched.readers.columns import drop_duplicates, frozen, out_of_order
from greensched.readers.databases import COLUMNS as DATABASE_COLUMNS
from greensched.readers.databases import databases_from, load_databases
from greensched.readers.files import checksum
from greensched.readers.grid import Attributes, assumptions, services_of, uniform_load
from greensched.readers.loading import gathered, load
from greensched.readers.options import MS_PER_UNIT, ReadOptions, with_units
from greensched.readers.source import COLUMNS_SHOWN, NAME_SHOWN, connect, opened
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
LEAST = {"replica_cpu_m": 1.0, "service_time_ms": 0.001}  # a microsecond
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
    dropped: dict[str, int] = field(default_factory=dict)  # kind -> bad rows
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
            with gathered(errors), opened(con, Path(path), member=options.member) as source:
                _one(parts, source)
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
    parts.findings += _not_read(source, parts.options)
    parts.synthetic |= source.facts.get("synthetic") == "true"
    if kind != "machines" and source.facts.get("zero_utc"):
        parts.zeros_utc.add(source.facts["zero_utc"])
    if kind in ("databases", "jobs"):
        fill = load_databases if kind == "databases" else load_jobs
        told, parts.of_utc[kind], parts.dropped[kind] = fill(source, parts.options)
        parts.findings += told
    else:
        {"services": _load_services, "machines": _load_machines}[kind](parts, source)


def _not_read(source: Source, options: ReadOptions) -> list[str]:
    """Return, in words, which columns the schema does not have, with the nearest that it has."""
    known = (*with_units(*TIMES), *OTHERS)
    others = [c for c in source.columns if c not in known and c not in options.columns.values()]
    near = {c: get_close_matches(c, known, n=1, cutoff=0.75) for c in others[:COLUMNS_SHOWN]}
    told = ", ".join(
        f"{c[:NAME_SHOWN]} ({n[0]}?)" if n else c[:NAME_SHOWN] for c, n in near.items()
    )
    return [f"{source.label}: columns not in the schema, not read: {told}"] if others else []


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
        about = {"empty": empty, "low": LEAST.get(name, 0.0), "is_integer": kind == "int"}
        count = name.startswith("replicas")
        cells.append(cell_of(source, name, options, whole=count, kept=not count, **about))
    what = "replicas_min above replicas_max"
    extra = [Check(when="replicas_max >= 0 AND replicas_min > replicas_max", what=what)]
    bad = load(source, "raw_services", cells, options, extra=extra)
    keys = "service, time_ms"
    parts.findings += drop_duplicates(parts.con, "raw_services", keys, bad, "a service and time")
    parts.findings += bad.settle(options)
    parts.findings += out_of_order(parts.con, "raw_services", "time_ms", bad, within="service")
    parts.of_utc["services"] = time.of_utc
    parts.dropped["services"] = bad.count


def _load_machines(parts: _Parts, source: Source) -> None:
    options, con = parts.options, parts.con
    cells = [
        cell_of(source, "machine", options, kind="text"),
        cell_of(source, "count", options, empty="1", low=1.0, whole=True),
        cell_of(source, "cpu_m", options, low=1.0),
        cell_of(source, "memory_mib", options, high=float(2**53)),
        cell_of(source, "gpus", options, empty="0", whole=True),
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
    services, jobs, databases = None, None, None
    errors: list[Finding | str] = []
    if "services" in parts.tables:
        with gathered(errors):
            services = _services(parts, zero_ms)
    if label := parts.tables.get("jobs"):
        with gathered(errors):
            jobs = canonical_jobs(parts.con, label, zero_ms)
    if label := parts.tables.get("databases"):
        dropped = parts.dropped["databases"]
        with gathered(errors):
            databases, told = databases_from(parts.con, label, parts.options, zero_ms, dropped)
            parts.findings += told
    if errors:
        raise DataError(*errors)
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
        return 0, iso_utc(epoch_ms(stated, "--zero-utc")) if stated else ""
    if not all(parts.of_utc.values()):
        labels = ", ".join(parts.tables.values())
        what = "one file has calendar times, the other numbers: they cannot be aligned"
        raise DataError(Finding(where=labels, what=what))
    if stated:
        zero = epoch_ms(stated, "--zero-utc")
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


def _services(parts: _Parts, zero_ms: int) -> Services:
    con, label = parts.con, parts.tables["services"]
    names, start_ms, step_ms, load_cpu_m, filled = uniform_load(
        con, "raw_services", label, parts.options, dropped=parts.dropped["services"]
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
