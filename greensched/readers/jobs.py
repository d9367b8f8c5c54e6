"""Plain job lists: `arrival_time,length,cpus`, as the GAIA project and others publish them.

Files with this header exist in hours and in seconds, so the unit must be given. Rows have no
identifier: equal rows are different jobs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from greensched.errors import DataError, Finding, UsageError
from greensched.model import Trace
from greensched.readers.canonical_jobs import job_checks
from greensched.readers.cells import INT32_MAX, Cell
from greensched.readers.columns import jobs_from, out_of_order
from greensched.readers.files import checksum
from greensched.readers.loading import load
from greensched.readers.options import with_units
from greensched.readers.source import connect, missing_column, opened
from greensched.readers.timing import iso_utc, stated_zero_utc, time_cell
from greensched.units import CPU_M_PER_CORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.readers.options import ReadOptions


def read(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return the jobs of the one file; raise UsageError without a time unit, DataError else."""
    options.check_map((*with_units("arrival_time", "length"), "cpus"), "jobs")
    if not options.time_unit:
        raise UsageError(
            Finding(
                where="--time-unit",
                what="files with arrival_time,length,cpus exist in hours and in seconds",
                remedy="say which with --time-unit ms|s|min|h; it is never guessed",
            )
        )
    if len(files) != 1:
        raise DataError(Finding(where="", what=f"one file is needed, {len(files)} were given"))
    path = Path(files[0])
    cpus = options.columns.get("cpus", "cpus")
    with connect() as con, opened(con, path, member=options.member) as source:
        if cpus not in source.columns:
            raise DataError(missing_column(source, cpus, "cpus"))
        arrival = time_cell(source, "arrival_time", options)
        length = time_cell(source, "length", options, duration=True)
        cells = [
            replace(arrival, name="submit_ms"),
            replace(length, name="duration_ms"),
            Cell(name="cpu_m", column=cpus, factor=CPU_M_PER_CORE, low=1.0, high=INT32_MAX),
        ]
        bad = load(source, "raw_jobs", cells, options, extra=job_checks(options))
        findings = bad.settle(options)
        findings += out_of_order(con, "raw_jobs", "submit_ms", bad)
        findings.append(f"{source.label}: no memory in this format, taken as 0")
        zero_ms, zero_utc = 0, stated_zero_utc(options)
        if arrival.of_utc:
            (zero_ms,) = con.execute("SELECT min(submit_ms) FROM raw_jobs").fetchone() or (0,)
            zero_utc = iso_utc(int(zero_ms))
        jobs = jobs_from(con, "raw_jobs", zero_ms=int(zero_ms))
    return Trace(
        jobs=jobs,
        checksum=checksum([path]),
        findings=tuple(findings),
        synthetic=options.synthetic,
        zero_utc=zero_utc,
    )
