"""The Standard Workload Format of the Parallel Workloads Archive, plain, .gz or .zip.

18 columns apart by spaces, `;` comments, -1 = unknown (Feitelson, "The Standard Workload Format",
version 2.2, cs.huji.ac.il/labs/parallel/workload/swf.html). A job is a gang of as many one-core
tasks as processors were allocated (else requested). Jobs without a run time never ran or are not
known: they are left out and counted.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import DataError, Finding, UsageError, plural
from greensched.model import Jobs, Machines, Trace
from greensched.readers.canonical_jobs import job_checks
from greensched.readers.cells import DURATION_MAX_MS, INT32_MAX, TIME_MAX_MS, Cell, Check
from greensched.readers.columns import drop_duplicates, frozen, jobs_from, out_of_order
from greensched.readers.files import checksum, plain
from greensched.readers.loading import load
from greensched.readers.source import connect, opened_csv
from greensched.readers.timing import iso_utc, stated_zero_utc
from greensched.units import CPU_M_PER_CORE, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from greensched.readers.options import ReadOptions

COLUMNS = (
    "job",
    "submit",
    "wait",
    "run",
    "processors",
    "cpu_used",
    "memory_used",
    "processors_asked",
    "time_asked",
    "memory_asked",
    "status",
    "user",
    "group",
    "executable",
    "queue",
    "partition",
    "after_job",
    "think",
)
KIB_PER_MIB = 1_024
HEADER = re.compile(rb";\s*(UnixStartTime|MaxProcs|MaxNodes):\s*(\S+)")


def read(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return the jobs of the one file, and machines where its header tells; raise DataError."""
    options.check_map((), "swf")
    if len(files) != 1:
        raise DataError(Finding(where="", what=f"one file is needed, {len(files)} were given"))
    path = Path(files[0])
    findings: list[str] = []
    with connect() as con, _as_csv(path, options) as (table, header):
        source = opened_csv(con, table, path.name)
        bad = load(
            source, "raw_jobs", _cells(), options, derived=_derived(), extra=_extra(options)
        )
        findings += drop_duplicates(con, "raw_jobs", "job", bad, "a job number")
        findings += bad.settle(options)
        findings += _never_ran(con, path.name)
        findings += out_of_order(con, "raw_jobs", "submit_ms", bad)
        jobs = jobs_from(con, "raw_jobs", id_column="job")
    if not jobs.memory_mib.any():
        findings.append(f"{path.name}: no memory is recorded, taken as 0")
    machines = _machines(header, jobs, path.name, findings)
    return Trace(
        jobs=jobs,
        machines=machines,
        zero_utc=_zero_utc(header, options, path.name),
        checksum=checksum([path]),
        findings=tuple(findings),
        synthetic=options.synthetic,
    )


def _zero_utc(header: dict[str, int], options: ReadOptions, label: str) -> str:
    """Return trace zero as the header or else the user says; raise UsageError where both do."""
    start_s, stated = header.get("UnixStartTime", -1), stated_zero_utc(options)
    if start_s <= 0:
        return stated
    found = iso_utc(start_s * MS_PER_S)
    if stated not in ("", found):
        what = f"{stated}, but the header of {label} says UnixStartTime {start_s} ({found})"
        raise UsageError(Finding(where="--zero-utc", what=what, remedy="leave it out"))
    return found


@contextmanager
def _as_csv(path: Path, options: ReadOptions) -> Iterator[tuple[Path, dict[str, int]]]:
    """Yield the rows as a CSV file and the numbers of the header comments."""
    header: dict[str, int] = {}
    with plain(path, options.member) as contents, tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "jobs.csv"
        with contents.open("rb") as lines, table.open("wb") as out:
            out.write(",".join(COLUMNS).encode() + b"\n")
            for line in lines:
                cells = line.split()
                if not cells:
                    continue
                if cells[0].startswith(b";"):
                    if found := HEADER.match(line):
                        _note(header, found[1].decode(), _whole(found[2], path), path)
                    continue
                out.write(b",".join(map(_quoted, cells)) + b"\n")
        yield table, header


def _quoted(cell: bytes) -> bytes:
    """Return a cell as CSV has it: a comma or quotation mark in it never makes two of it."""
    if b"," not in cell and b'"' not in cell:
        return cell
    return b'"' + cell.replace(b'"', b'""') + b'"'


def _note(header: dict[str, int], name: str, value: int, path: Path) -> None:
    if header.setdefault(name, value) != value:
        what = f"header: {name} is given twice, as {header[name]} and as {value}"
        raise DataError(Finding(where=path.name, what=what, remedy="remove the wrong line"))


def _whole(text: bytes, path: Path) -> int:
    try:
        return int(text)
    except ValueError as error:
        what = f"header: {text.decode('utf-8', 'replace')!r} is no whole number"
        raise DataError(Finding(where=path.name, what=what)) from error


def _cells() -> list[Cell]:
    def number(name: str, high: float = INT32_MAX, *, whole: bool = False) -> Cell:
        return Cell(name=name, column=name, low=-1.0, high=high, is_integer=False, whole=whole)

    return [
        Cell(name="job", column="job", kind="text"),
        Cell(name="submit_ms", column="submit", factor=MS_PER_S, high=TIME_MAX_MS),
        number("run", DURATION_MAX_MS / MS_PER_S),
        number("processors", whole=True),
        number("processors_asked", whole=True),
        number("time_asked", DURATION_MAX_MS / MS_PER_S),
        number("memory_asked", 1e12),
        number("memory_used", 1e12),
    ]


def _derived() -> dict[str, str]:
    memory = "CASE WHEN memory_asked > 0 THEN memory_asked ELSE greatest(memory_used, 0) END"
    return {
        "cpu_m": str(CPU_M_PER_CORE),
        "tasks": "CASE WHEN processors > 0 THEN TRY_CAST(processors AS BIGINT) "
        "WHEN processors_asked > 0 THEN TRY_CAST(processors_asked AS BIGINT) ELSE 0 END",
        "duration_ms": f"CASE WHEN run < 0 THEN -1 WHEN run = 0 THEN 0 "
        f"ELSE greatest(1, TRY_CAST(round_even(run * {MS_PER_S}, 0) AS BIGINT)) END",
        "estimate_ms": f"CASE WHEN time_asked > 0 THEN "
        f"TRY_CAST(round_even(time_asked * {MS_PER_S}, 0) AS BIGINT) ELSE -1 END",
        "memory_mib": f"TRY_CAST(ceil(({memory}) / {KIB_PER_MIB}) AS BIGINT)",
    }


def _extra(options: ReadOptions) -> list[Check]:
    fractional = " OR ".join(
        f"({n} < 0 AND {n} <> -1)" for n in ("run", "processors", "processors_asked", "time_asked")
    )
    return [
        Check(when=fractional, what="negative, but not the -1 of unknown"),
        Check(when="run >= 0 AND tasks = 0", what="number of processors not known"),
        *job_checks(options),
    ]


def _never_ran(con: duckdb.DuckDBPyConnection, label: str) -> list[str]:
    (count,) = con.execute("SELECT count(*) FROM raw_jobs WHERE run < 0").fetchone() or (0,)
    con.execute("DELETE FROM raw_jobs WHERE run < 0")
    return [f"{label}: {plural(count, 'job')} without a run time left out"] if count else []


def _machines(
    header: dict[str, int], jobs: Jobs, label: str, findings: list[str]
) -> Machines | None:
    """Return the machines that the header's MaxNodes and MaxProcs tell of, None for neither."""
    processors = header.get("MaxProcs", 0)
    nodes = header.get("MaxNodes", 0) or processors
    processors = max(processors, nodes)
    if nodes <= 0:
        return None
    cores = -(-processors // nodes)
    largest_mib = int(jobs.memory_mib.max()) if len(jobs) else 0
    memory_mib = largest_mib * cores
    if memory_mib:
        findings.append(
            f"{label}: memory of the nodes assumed: {memory_mib:,} MiB each, "
            "the largest job on every core"
        )
    return Machines(
        names=("node",),
        count=frozen(np.array([nodes], np.int64)),
        cpu_m=frozen(np.array([cores * CPU_M_PER_CORE], np.int64)),
        memory_mib=frozen(np.array([memory_mib], np.int64)),
        gpus=frozen(np.zeros(1, np.int64)),
        gpu_models=("",),
    )
