r"""Slurm's accounting: what `sacct -P` prints, cells apart by `|`, a header line first.

Written from Slurm's documentation (slurm.schedmd.com/sacct.html). Asked for best with

    sacct -a -P -X -S 2026-03-01 -o JobID,JobName,Partition,QOS,Account,Submit,Start,End,\
    ElapsedRaw,TimelimitRaw,AllocCPUS,NNodes,AllocTRES,State

Times are of the site's clocks and state no zone, so it has to be given. Steps (`12.batch`) are
parts of their jobs and not counted again; each task of an array (`12_3`) is a job. Jobs that still
run are kept with the time that they have run.
"""

from __future__ import annotations

import csv
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from greensched.errors import DataError, Finding, UsageError, plural
from greensched.model import Trace
from greensched.readers.canonical_jobs import job_checks
from greensched.readers.cells import DROP, DURATION_MAX_MS, INT32_MAX, Cell, Check
from greensched.readers.columns import drop_duplicates, jobs_from, out_of_order
from greensched.readers.files import checksum, plain
from greensched.readers.job_attributes import numbered_classes
from greensched.readers.loading import load
from greensched.readers.slurm import elapsed_s, family, gpus_of, memory_mib, minutes
from greensched.readers.source import connect, opened_csv
from greensched.readers.timing import iso_utc
from greensched.units import GPU_M_PER_GPU, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from greensched.readers.options import ReadOptions

NEEDED: Final = ("JobID", "Submit", "Start")
CPUS: Final = ("AllocCPUS", "NCPUS", "ReqCPUS")
ENDS: Final = ("ElapsedRaw", "Elapsed", "End")
NONE_YET: Final = frozenset(("", "Unknown", "None", "N/A", "INVALID"))
COLUMNS: Final = (
    *("job", "submit", "start", "end", "elapsed_s", "limit_min", "cpus", "nodes"),
    *("memory_mib_all", "gpus", "partition", "qos", "account", "name", "state"),
)
LOCAL: Final = "a local time that"
CLOCKS: Final = "ask sacct with SLURM_TIME_FORMAT=%s, whose times need no zone, or " + DROP
STEP: Final = "(step)"
ATTRIBUTES: Final = ("partition", "qos", "account", "name")


def read(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return the jobs of the one file; raise UsageError without a time zone, DataError else."""
    options.check_map((), "sacct")
    if len(files) != 1:
        raise DataError(Finding(where="", what=f"one file is needed, {len(files)} were given"))
    path = Path(files[0])
    findings: list[str] = []
    with connect() as con, _as_csv(path, options) as (table, left_out, is_unix):
        if not options.time_zone and not is_unix:
            what = "sacct prints the site's local times without their zone"
            remedy = "say which, for example Europe/Berlin; it is never guessed"
            raise UsageError(Finding(where="--time-zone", what=what, remedy=remedy))
        source = opened_csv(con, table, path.name)
        bad = load(source, "raw_jobs", _cells(is_unix=is_unix), options,
                   derived=_derived(), extra=_extra(options))  # fmt: skip
        con.execute(f"DELETE FROM raw_jobs WHERE job = '{STEP}'")
        keys = "job, start_ms"
        findings += left_out
        findings += drop_duplicates(con, "raw_jobs", keys, bad, "a job and its start")
        bad.classes = [(*one[:4], CLOCKS if LOCAL in one[0] else one[4]) for one in bad.classes]
        findings += bad.settle(options)
        findings += _told(con, path.name)
        findings += out_of_order(con, "raw_jobs", "submit_ms", bad)
        con.execute("DELETE FROM raw_jobs WHERE start_ms IS NULL")
        (zero_ms,) = con.execute("SELECT min(submit_ms) FROM raw_jobs").fetchone() or (None,)
        if zero_ms is None:
            raise DataError(Finding(where=path.name, what="no job in it has started"))
        classes = numbered_classes(con, "raw_jobs", ATTRIBUTES)
        jobs = jobs_from(con, "raw_jobs", zero_ms=int(zero_ms), classes=classes, id_column="job")
    return Trace(
        jobs=jobs,
        zero_utc=iso_utc(int(zero_ms)),
        checksum=checksum([path]),
        findings=tuple(findings),
        synthetic=options.synthetic,
    )


@contextmanager
def _as_csv(path: Path, options: ReadOptions) -> Iterator[tuple[Path, list[str], bool]]:
    """Yield jobs without steps as a CSV file, what was left out, and whether times are Unix."""
    with plain(path, options.member) as contents, tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "jobs.csv"
        with (
            contents.open(encoding="utf-8", errors="replace", newline="") as lines,
            table.open("w", encoding="utf-8", newline="") as out,
        ):
            header = lines.readline().rstrip("\r\n").split("|")
            _require(header, path.name)
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(COLUMNS)
            counts, times = Counter[str](), Counter[bool]()
            for line in lines:
                cells = line.rstrip("\r\n").split("|")
                if len(cells) == len(header) + 1 and not cells[-1]:
                    cells.pop()  # -p ends each line with a bar, -P does not
                _write(writer, header, cells, counts, times)
        findings = [f"{path.name}: {n:,} {what}" for what, n in sorted(counts.items())]
        yield table, findings, times[True] > 0 and not times[False]


def _require(header: list[str], label: str) -> None:
    """Raise naming every column that is needed and not there."""
    missing = [n for n in NEEDED if n not in header]
    missing += [" or ".join(one) for one in (CPUS, ENDS) if not set(one) & set(header)]
    if missing:
        there = ", ".join(n[:40] for n in header[:12])
        raise DataError(
            *(
                Finding(
                    where=label,
                    what=f"no column {name}",
                    remedy=f"columns there: {there}; ask with sacct -P -o {','.join(NEEDED)},..",
                )
                for name in missing
            )
        )


def _write(
    writer: object,
    header: list[str],
    cells: list[str],
    counts: Counter[str],
    times: Counter[bool],
) -> None:
    """Write one row; steps and what is no row of jobs are left out or kept as a bad row."""
    put = writer.writerow  # type: ignore[attr-defined]  # csv names no type for its writers
    if len(cells) != len(header):
        put(cells[: len(COLUMNS) - 1] if len(cells) < len(header) else [*COLUMNS, "more"])
        return
    row = dict(zip(header, cells, strict=True))
    if row["Submit"] not in NONE_YET:
        times[row["Submit"].isdecimal()] += 1
    if "." in row["JobID"]:
        counts["steps left out: they are parts of their jobs"] += 1
        put(_step(row))
        return
    row = {k: "" if v in NONE_YET else v for k, v in row.items()}
    tres = row.get("AllocTRES") or row.get("ReqTRES") or ""
    nodes, cpus = row.get("NNodes") or "1", next((row[c] for c in CPUS if row.get(c)), "")
    put(
        (
            row["JobID"],
            row["Submit"],
            row["Start"],
            row.get("End", ""),
            row.get("ElapsedRaw") or elapsed_s(row.get("Elapsed", "")),
            minutes(row.get("TimelimitRaw") or row.get("Timelimit", "")),
            cpus,
            nodes,
            memory_mib(tres, row.get("ReqMem", ""), cpus, nodes),
            gpus_of(tres),
            row.get("Partition", ""),
            row.get("QOS", ""),
            row.get("Account", ""),
            family(row.get("JobName", "")),
            row.get("State", ""),
        )
    )


def _step(row: dict[str, str]) -> list[str]:
    """Return a row that keeps the place of a step, so that rows are those of the file."""
    at = next((row[n] for n in ("Submit", "Start") if row[n] not in NONE_YET), "")
    return [STEP, at, "", "", "", "", "0", "0", "", "", "", "", "", "", ""]


def _cells(*, is_unix: bool) -> list[Cell]:
    def time(name: str, empty: str | None) -> Cell:
        factor = float(MS_PER_S) if is_unix else 1.0
        return Cell(name=f"{name}_ms", column=name, kind="time", empty=empty, low=-1e15,
                    high=1e15, of_utc=not is_unix, factor=factor)  # fmt: skip

    def number(name: str, empty: str | None = None, high: float = INT32_MAX) -> Cell:
        return Cell(name=name, column=name, empty=empty, high=high)

    texts = [Cell(name=n, column=n, kind="text", empty="''") for n in (*ATTRIBUTES, "state")]
    return [
        Cell(name="job", column="job", kind="text"),
        time("submit", None),
        time("start", "NULL"),
        time("end", "NULL"),
        number("elapsed_s", "NULL", DURATION_MAX_MS / MS_PER_S),
        Cell(name="limit_min", column="limit_min", empty="-1", is_integer=False, high=1e9),
        number("cpus"),
        Cell(name="nodes", column="nodes", low=0.0),
        number("memory_mib_all", "0", 1e12),
        number("gpus", "0"),
        *texts,
    ]


def _derived() -> dict[str, str]:
    each = "greatest(nodes, 1)"
    ran = f"CASE WHEN elapsed_s IS NOT NULL THEN elapsed_s * {MS_PER_S} ELSE end_ms - start_ms END"
    return {
        "tasks": each,
        "cpu_m": f"TRY_CAST(round(cpus * 1000.0 / {each}) AS BIGINT)",
        "memory_mib": f"TRY_CAST(ceil(memory_mib_all / {each}) AS BIGINT)",
        "gpu_m": f"TRY_CAST(ceil(gpus / {each}) AS BIGINT) * {GPU_M_PER_GPU}",
        "duration_ms": f"CASE WHEN start_ms IS NULL THEN 1 ELSE {ran} END",
        "estimate_ms": f"CASE WHEN limit_min <= 0 THEN -1 "
        f"ELSE TRY_CAST(limit_min * {MS_PER_MIN} AS BIGINT) END",
        "is_uneven": f"gpus % {each} <> 0",
    }


def _extra(options: ReadOptions) -> list[Check]:
    return [
        Check(when="end_ms < start_ms", what="end before start"),
        Check(when="start_ms < submit_ms", what="start before submission"),
        Check(when="start_ms IS NOT NULL AND duration_ms IS NULL",
              what="started, and neither elapsed nor ended"),
        Check(when="start_ms IS NOT NULL AND cpus = 0", what="ran on no CPU"),
        *job_checks(options),
    ]  # fmt: skip


def _told(con: duckdb.DuckDBPyConnection, label: str) -> list[str]:
    """Return what became of jobs that did not run to an end, and of uneven GPUs."""
    kinds = {
        "that never started left out": "start_ms IS NULL",
        "not ended yet: kept with the time so far": "start_ms IS NOT NULL AND end_ms IS NULL",
        "whose GPUs are no equal parts of their nodes', rounded up": "is_uneven",
    }
    found = []
    for what, when in kinds.items():
        (count,) = con.execute(f"SELECT count(*) FROM raw_jobs WHERE {when}").fetchone() or (0,)
        if count:
            found.append(f"{label}: {plural(count, 'job')} {what}")
    return found
