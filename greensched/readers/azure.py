"""Azure's virtual machines of 2017 (AzurePublicDatasetV1) and 2019 (V2): the table `vmtable`.

By Azure's schema: no header, times in seconds from the first, CPU in percent of the VM's cores. A
VM is a job that lasts from its creation to its deletion and uses what it used on average; its
category (`Delay-insensitive`, `Interactive`, `Unknown`) is its class, so that rules can tell
services apart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import DataError, Finding
from greensched.model import Trace
from greensched.readers.canonical_jobs import job_checks
from greensched.readers.cells import Cell, Check
from greensched.readers.columns import fetch, frozen, jobs_from
from greensched.readers.files import checksum
from greensched.readers.job_attributes import numbered_classes
from greensched.readers.source import connect
from greensched.readers.tables import count, sorted_out, stacked
from greensched.readers.timing import stated_zero_utc
from greensched.units import CPU_M_PER_CORE, MIB_PER_GIB, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

    from greensched.readers.options import ReadOptions

HEADER: Final = "vm,subscription,deployment,created,deleted,max,avg,p95,category,cores,memory_gb"
TABLE: Final = "vmtable"
CELLS: Final = (
    Cell(name="vm", column="vm", kind="text"),
    Cell(name="category", column="category", kind="text"),
    Cell(name="submit_ms", column="created", factor=MS_PER_S, high=1e15),
    Cell(name="until_ms", column="deleted", factor=MS_PER_S, high=1e15),
    Cell(name="avg_percent", column="avg", high=100.0, is_integer=False),
    Cell(name="cores_text", column="cores", kind="text"),
    Cell(name="memory_gb_text", column="memory_gb", kind="text"),
)


def read_2017(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return the virtual machines of `vmtable`, with the cores and memory that each has."""
    return _read(files, options, "azure-2017")


def read_2019(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return the virtual machines of `vmtable`, whose cores and memory are buckets.

    What is in the open buckets (`>24` cores, `>64` GB) has to be said with `--cores` and
    `--memory`.
    """
    return _read(files, options, "azure-2019")


def _read(files: Sequence[Path], options: ReadOptions, name: str) -> Trace:
    options.check_map((), name)
    paths = sorted_out(files, (TABLE,))[TABLE]
    has_buckets = name == "azure-2019"
    with connect() as con:
        findings = stacked(
            con,
            paths,
            "vms",
            CELLS,
            options,
            header=HEADER,
            derived=_derived(options, has_buckets=has_buckets),
            extra=_extra(options),
        )
        findings += _told(con, options, has_buckets=has_buckets)
        con.execute(
            "CREATE OR REPLACE TABLE uses AS SELECT use_cpu_m FROM vms "
            "ORDER BY submit_ms, vm, _row"
        )
        use_cpu_m = fetch(con, "uses", "use_cpu_m", "int32")
        classes = numbered_classes(con, "vms", ("category",))
        jobs = jobs_from(con, "vms", classes=classes, id_column="vm")
    return Trace(
        jobs=replace(
            jobs,
            use_offsets=frozen(np.arange(len(jobs) + 1, dtype=np.int64)),
            use_until_ms=frozen(np.array(jobs.duration_ms)),
            use_cpu_m=use_cpu_m,
        ),
        zero_utc=stated_zero_utc(options),
        checksum=checksum(paths),
        findings=tuple(findings),
        synthetic=options.synthetic,
    )


def _derived(options: ReadOptions, *, has_buckets: bool) -> dict[str, str]:
    """Return cores, memory and use in the units of jobs; NULL where a size cannot be read."""
    sizes = {
        "cores": options.cpu_m / CPU_M_PER_CORE,
        "memory_gb": options.memory_mib / MIB_PER_GIB,
    }
    made = {}
    for column, largest in sizes.items():
        given = f"TRY_CAST({column}_text AS DOUBLE)"
        if has_buckets and largest:
            given = f"CASE WHEN {column}_text LIKE '>%' THEN {largest!r} ELSE {given} END"
        made[column] = given
    return {
        **made,
        "duration_ms": "until_ms - submit_ms",
        "cpu_m": f"TRY_CAST(round(cores * {CPU_M_PER_CORE}) AS BIGINT)",
        "memory_mib": f"TRY_CAST(ceil(memory_gb * {MIB_PER_GIB}) AS BIGINT)",
        "use_cpu_m": f"TRY_CAST(round(cores * avg_percent * {CPU_M_PER_CORE} / 100) AS BIGINT)",
    }


def _extra(options: ReadOptions) -> list[Check]:
    found = []
    for column, flag in (("cores", "--cores"), ("memory_gb", "--memory")):
        shows, unread = f"{column}_text", f"({column} IS NULL OR NOT {column} > 0)"
        what, remedy = f"{column}: an open bucket", f"say which size is in it with {flag}"
        is_open = f"{unread} AND {shows} LIKE '>%'"
        found.append(Check(when=is_open, what=what, shows=shows, remedy=remedy))
        what = f"{column}: text where a number above 0 belongs"
        found.append(Check(when=unread, what=what, shows=shows))
    found.append(Check(when="until_ms < submit_ms", what="end before start"))
    return [*found, *job_checks(options)]


def _told(con: duckdb.DuckDBPyConnection, options: ReadOptions, *, has_buckets: bool) -> list[str]:
    """Return how many VMs were there from the first to the last instant, and in open buckets."""
    if not count(con, "vms"):
        raise DataError(Finding(where=TABLE, what="no virtual machine is left"))
    (last,) = con.execute("SELECT max(until_ms) FROM vms").fetchone() or (0,)
    told = {
        "VMs were there when it began, and may be older": "submit_ms = 0",
        "VMs were there when it ended, and may have gone on": f"until_ms = {int(last)}",
    }
    if has_buckets:
        cores, gib = options.cpu_m / CPU_M_PER_CORE, options.memory_mib / MIB_PER_GIB
        told[f"VMs in the open bucket of cores, taken as {cores:g}"] = "cores_text LIKE '>%'"
        told[f"VMs in the open bucket of memory, taken as {gib:g} GiB"] = (
            "memory_gb_text LIKE '>%'"
        )
    return [
        f"{TABLE}: {n:,} {what}" for what, when in told.items() if (n := count(con, "vms", when))
    ]
