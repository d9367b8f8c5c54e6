"""Jobs of the canonical format, and what must hold for the jobs of any format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.errors import DataError, Finding
from greensched.model import JobClass, Jobs
from greensched.readers.cells import DROP, INT32_MAX, Cell, Check, cell_of
from greensched.readers.columns import drop_duplicates, jobs_from, out_of_order
from greensched.readers.loading import load
from greensched.readers.timing import time_cell
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    import duckdb

    from greensched.readers.options import ReadOptions
    from greensched.readers.source import Source

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
ROUNDING_MS = MS_PER_S  # times may be whole seconds beside an exact duration
BEGIN = "coalesce(start_ms, submit_ms)"


def load_jobs(source: Source, options: ReadOptions) -> tuple[list[str], bool, int]:
    """Fill the table raw_jobs; return what was dropped, whether times are UTC, rows dropped."""
    submit, *others = _times(source, options)
    cells = [submit, *others, *_amounts(source, options)]
    derived = {"run_ms": f"CASE WHEN duration_ms >= 0 THEN duration_ms ELSE end_ms - {BEGIN} END"}
    extra = [*_time_checks(), *job_checks(options, "run_ms", gpu="gpu_m", deadline="deadline_ms")]
    bad = load(source, "raw_jobs", cells, options, derived=derived, extra=extra)
    told = drop_duplicates(source.con, "raw_jobs", "job", bad, "a job id")
    told += bad.settle(options)
    told += out_of_order(source.con, "raw_jobs", "submit_ms", bad)
    source.con.execute("ALTER TABLE raw_jobs DROP COLUMN duration_ms")
    source.con.execute("ALTER TABLE raw_jobs RENAME COLUMN run_ms TO duration_ms")
    return told, submit.of_utc, bad.count


def _times(source: Source, options: ReadOptions) -> list[Cell]:
    end = time_cell(source, "end", options, empty="NULL")
    absent = None if end.column is None else "-1"
    return [
        time_cell(source, "submit", options),
        time_cell(source, "duration", options, duration=True, empty=absent),
        time_cell(source, "start", options, empty="NULL"),
        end,
        time_cell(source, "estimate", options, duration=True, empty="-1"),
        time_cell(source, "deadline", options, empty="-1"),
        time_cell(source, "max_delay", options, duration=True, empty="-1"),
        time_cell(source, "checkpoint_interval", options, duration=True, empty="0"),
        time_cell(source, "checkpoint_cost", options, duration=True, empty="0"),
    ]


def _amounts(source: Source, options: ReadOptions) -> list[Cell]:
    flags = (("evictable", "true"), ("deferrable", "false"), ("interruptible", "false"))
    return [
        cell_of(source, "job", options, kind="text"),
        cell_of(source, "class", options, kind="text", empty="'batch'"),
        cell_of(source, "cpu_m", options, kept=True),
        cell_of(source, "memory_mib", options, empty="0", kept=True),
        cell_of(source, "gpu_m", options, empty="0", kept=True),
        cell_of(source, "tasks", options, empty="1", low=1.0, whole=True),
        cell_of(source, "priority", options, empty="0", low=-float(INT32_MAX), whole=True),
        *(cell_of(source, name, options, kind="flag", empty=empty) for name, empty in flags),
    ]


def _time_checks() -> list[Check]:
    """Return what can be wrong among the times of a job."""
    return [
        Check(when="duration_ms = -1 AND end_ms IS NULL", what="neither a duration nor an end"),
        Check(when="start_ms < submit_ms", what="start before submission"),
        Check(when=f"end_ms < {BEGIN}", what="end before start"),
        Check(
            when=f"duration_ms >= 0 AND abs(end_ms - {BEGIN} - duration_ms) > {ROUNDING_MS}",
            what="the duration is not the time from start (else submission) to end",
            remedy="remove the column that is wrong, or " + DROP,
        ),
    ]


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


def canonical_jobs(con: duckdb.DuckDBPyConnection, label: str, zero_ms: int) -> Jobs:
    """Return the jobs of raw_jobs, times less `zero_ms`; raise DataError for too many classes."""
    names = ", ".join(f'"{c}"' for c in CLASS_COLUMNS)
    rows = con.execute(f"SELECT DISTINCT {names} FROM raw_jobs ORDER BY ALL").fetchall()
    if len(rows) > CLASSES_MAX:
        what = f"{len(rows):,} different combinations of class, priority, max_delay and so on"
        raise DataError(Finding(where=label, what=what, remedy=f"give at most {CLASSES_MAX:,}"))
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
