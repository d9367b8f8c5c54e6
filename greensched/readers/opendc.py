"""OpenDC workloads: `tasks` and, beside it, `fragments` of measured CPU use (Parquet or CSV).

Tasks: id, submission_time [ms, Unix], duration [ms], cpu_count, cpu_capacity [MHz in all],
mem_capacity [MB], and perhaps deferrable, deadline [ms, Unix]. Fragments: id, duration [ms],
cpu_usage [MHz]; those of a task follow each other in file order. Trace zero is the earliest
submission. One core is cpu_capacity / cpu_count MHz of its task.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.errors import DataError, Finding
from greensched.model import JobClass, Jobs, Trace
from greensched.readers.canonical_jobs import job_checks
from greensched.readers.cells import DURATION_MAX_MS, INT32_MAX, TIME_MAX_MS, Cell, Check
from greensched.readers.columns import drop_duplicates, fetch, frozen, jobs_from, out_of_order
from greensched.readers.files import checksum
from greensched.readers.loading import gathered, load
from greensched.readers.source import connect, opened
from greensched.readers.timing import iso_utc
from greensched.units import CPU_M_PER_CORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from greensched.readers.loading import Bad
    from greensched.readers.options import ReadOptions
    from greensched.readers.source import Source

MIB_PER_MB = 1e6 / 2**20
OVER_MAX = 2.0  # use beyond this share of the capacity is a mistake of units, not of measuring
CLASSES = (JobClass(), JobClass(name="deferrable", deferrable=True))


def read(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return the jobs of a tasks file and perhaps a fragments file; raise DataError."""
    options.check_map((), "opendc")
    findings: list[str] = []
    bads: dict[str, Bad] = {}
    errors: list[Finding | str] = []
    with connect() as con:
        for path in _both(files):
            with gathered(errors), opened(con, Path(path), member=options.member) as source:
                kind = "fragments" if "cpu_usage" in source.columns else "tasks"
                if kind in bads:
                    raise DataError(Finding(where=source.label, what=f"a second file of {kind}"))
                bads[kind] = _load(source, kind, options, findings)
        if "tasks" not in bads and not errors:
            what = "no tasks file (id, submission_time, duration, cpu_count, ..)"
            raise DataError(Finding(where=", ".join(str(f) for f in files), what=what))
        if len(bads) > 1:
            _match(con, bads)
        for bad in bads.values():
            with gathered(errors):
                findings += bad.settle(options)
        if errors:
            raise DataError(*errors)
        jobs, zero_ms = _jobs(con, findings, with_steps="fragments" in bads)
    return Trace(
        jobs=jobs,
        zero_utc=iso_utc(zero_ms),
        checksum=checksum([Path(f) for f in _both(files)]),
        findings=tuple(findings),
        synthetic=options.synthetic,
    )


def _both(files: Sequence[Path]) -> list[Path]:
    """Return the files; a single folder stands for the tasks and fragments in it."""
    if len(files) == 1 and Path(files[0]).is_dir():
        found = sorted(Path(files[0]).glob("tasks.*")) + sorted(Path(files[0]).glob("fragments.*"))
        if not found:
            raise DataError(Finding(where=str(files[0]), what="no tasks file in this folder"))
        return found
    return [Path(f) for f in files]


def _load(source: Source, kind: str, options: ReadOptions, findings: list[str]) -> Bad:
    if kind == "fragments":
        source.require("id", "duration", "cpu_usage")
        cells = [
            Cell(name="id", column="id", kind="text"),
            Cell(name="step_ms", column="duration", low=1.0, high=DURATION_MAX_MS),
            Cell(name="use_mhz", column="cpu_usage", high=1e12, is_integer=False),
        ]
        return load(source, "fragments", cells, options)
    source.require(
        "id", "submission_time", "duration", "cpu_count", "cpu_capacity", "mem_capacity"
    )
    has = source.columns
    cells = [
        Cell(name="id", column="id", kind="text"),
        Cell(name="submit_ms", column="submission_time", high=TIME_MAX_MS),
        Cell(name="duration_ms", column="duration", high=DURATION_MAX_MS, tick=True),
        Cell(name="cpu_m", column="cpu_count", factor=CPU_M_PER_CORE, low=1.0),
        Cell(name="capacity_mhz", column="cpu_capacity", is_integer=False, high=1e12),
        Cell(name="memory_mib", column="mem_capacity", factor=MIB_PER_MB, high=INT32_MAX),
        Cell(
            name="can_wait",
            column="deferrable" if "deferrable" in has else None,
            kind="flag",
            empty="false",
        ),
        Cell(
            name="deadline",
            column="deadline" if "deadline" in has else None,
            empty="-1",
            low=-1.0,
            high=TIME_MAX_MS,
        ),
    ]
    derived = {"deadline_ms": "CASE WHEN deadline > 0 THEN deadline ELSE -1 END"}
    extra = [
        *job_checks(options, deadline="deadline_ms"),
        Check(when="capacity_mhz <= 0", what="cpu_capacity: not above 0 MHz"),
    ]
    bad = load(source, "tasks", cells, options, derived=derived, extra=extra)
    findings += drop_duplicates(source.con, "tasks", "id", bad, "a task id")
    findings += out_of_order(source.con, "tasks", "submit_ms", bad)
    return bad


def _match(con: duckdb.DuckDBPyConnection, bads: dict[str, Bad]) -> None:
    """Note fragments of no task, far beyond their task's capacity, or that miss its duration."""
    per_task = (
        "SELECT t._row, t.id, sum(f.step_ms) - any_value(t.duration_ms) AS differs "
        "FROM tasks t JOIN fragments f USING (id) GROUP BY t._row, t.id"
    )
    found = (
        (
            "fragments",
            "fragment of no task in the tasks file",
            "id",
            "SELECT f._row, f.id FROM fragments f ANTI JOIN tasks t USING (id)",
        ),
        (
            "fragments",
            f"cpu_usage more than {OVER_MAX:g} times its task's cpu_capacity: not in MHz?",
            "CAST(use_mhz AS VARCHAR)",
            (
                f"SELECT f._row, f.use_mhz FROM fragments f JOIN tasks t USING (id) "
                f"WHERE f.use_mhz > {OVER_MAX} * t.capacity_mhz"
            ),
        ),
        (
            "tasks",
            "no fragment in the fragments file",
            "id",
            "SELECT _row, id FROM tasks ANTI JOIN fragments USING (id) WHERE duration_ms > 0",
        ),
        (
            "tasks",
            "the fragments do not add up to the duration",
            "id",
            f"SELECT _row, id FROM ({per_task}) WHERE differs <> 0",
        ),
    )
    for kind, what, shown, sql in found:
        con.execute(f"CREATE OR REPLACE TABLE wrong AS SELECT _row FROM ({sql})")
        row = con.execute("SELECT count(*), min(_row) FROM wrong").fetchone() or (0, 0)
        if not row[0]:
            continue
        cell = con.execute(f"SELECT {shown} FROM {kind} WHERE _row = {row[1]}").fetchone() or ("",)
        # A fragment of a task that is itself bad is no new mistake.
        if not ("no task" in what and bads["tasks"].classes):
            bads[kind].add(what, int(row[0]), int(row[1]), str(cell[0]))
        con.execute(f"DELETE FROM {kind} WHERE _row IN (SELECT _row FROM wrong)")
    con.execute("DELETE FROM fragments WHERE id NOT IN (SELECT id FROM tasks)")


def _jobs(
    con: duckdb.DuckDBPyConnection, findings: list[str], *, with_steps: bool
) -> tuple[Jobs, int]:
    (zero_ms,) = con.execute("SELECT min(submit_ms) FROM tasks").fetchone() or (None,)
    if zero_ms is None:
        raise DataError("no task is left")
    con.execute(
        "CREATE OR REPLACE TABLE tasks AS SELECT *, CAST(can_wait AS INTEGER) AS class_row, "
        "row_number() OVER (ORDER BY submit_ms, id, _row) - 1 AS position FROM tasks"
    )
    steps = _steps(con, findings) if with_steps else {}
    (any_deferrable,) = con.execute("SELECT bool_or(can_wait) FROM tasks").fetchone() or (False,)
    classes = CLASSES if any_deferrable else CLASSES[:1]
    jobs = jobs_from(con, "tasks", zero_ms=int(zero_ms), classes=classes, id_column="id")
    return replace(jobs, **steps), int(zero_ms)


def _steps(con: duckdb.DuckDBPyConnection, findings: list[str]) -> dict[str, Any]:
    """Return the columns of CPU use by progress; consecutive equal steps are made one."""
    con.execute(
        "CREATE OR REPLACE TABLE used AS SELECT position, f._row, until_ms, over, use_cpu_m, "
        "lead(use_cpu_m) OVER (PARTITION BY position ORDER BY f._row) AS next_cpu_m FROM ("
        "  SELECT t.position, f._row, f.use_mhz > t.capacity_mhz AS over,"
        "  CAST(round_even(least(f.use_mhz, t.capacity_mhz) / t.capacity_mhz * t.cpu_m, 0)"
        "    AS INTEGER) AS use_cpu_m,"
        "  CAST(sum(f.step_ms) OVER (PARTITION BY t.position ORDER BY f._row) AS BIGINT)"
        "    AS until_ms"
        "  FROM fragments f JOIN tasks t USING (id)) f"
    )
    (over,) = con.execute("SELECT count(*) FROM used WHERE over").fetchone() or (0,)
    if over:
        findings.append(f"{over:,} fragments above their task's capacity, cut to it")
    con.execute(
        "CREATE OR REPLACE TABLE steps AS SELECT position, until_ms, use_cpu_m FROM used "
        "WHERE next_cpu_m IS DISTINCT FROM use_cpu_m ORDER BY position, _row"
    )
    con.execute(
        "CREATE OR REPLACE TABLE edges AS SELECT t.position, count(s.until_ms) AS n FROM tasks t "
        "LEFT JOIN steps s USING (position) GROUP BY t.position ORDER BY t.position"
    )
    counts = fetch(con, "edges", "n", "int64")
    return {
        "use_offsets": frozen(np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])),
        "use_until_ms": fetch(con, "steps", "until_ms", "int64"),
        "use_cpu_m": fetch(con, "steps", "use_cpu_m", "int32"),
    }
