"""Databases of the canonical format: a long table of CPU and I/O, a row each (database, time)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.errors import DataError, Finding
from greensched.model import APART, BY_RACK, Databases
from greensched.readers.cells import Check, cell_of
from greensched.readers.columns import drop_duplicates, frozen, out_of_order
from greensched.readers.grid import uniform_load
from greensched.readers.loading import load
from greensched.readers.timing import time_cell

if TYPE_CHECKING:
    import duckdb

    from greensched.model import IntArray
    from greensched.readers.options import ReadOptions
    from greensched.readers.source import Source

REPLICAS = 3  # for a majority without the one that failed
COLUMNS = ("database", "iops", "disk_gib", "replicas", "apart")  # beside time, cpu_m, memory_mib
CONSTANT = ("memory_mib", "disk_gib", "replicas", "apart")
MOST = float(2**53)


def load_databases(source: Source, options: ReadOptions) -> tuple[list[str], bool, int]:
    """Fill the table raw_databases; return what was dropped, if times are UTC, rows dropped."""
    time = time_cell(source, "time", options)
    cells = [
        time,
        cell_of(source, "database", options, kind="text"),
        cell_of(source, "cpu_m", options),
        cell_of(source, "iops", options, empty="0"),
        cell_of(source, "memory_mib", options, high=MOST),
        cell_of(source, "disk_gib", options, empty="0"),
        cell_of(
            source, "replicas", options, empty=str(REPLICAS), low=1.0, high=1_000.0, whole=True
        ),
        cell_of(source, "apart", options, kind="text", empty=f"'{APART[BY_RACK]}'"),
    ]
    known = ", ".join(f"'{word}'" for word in APART)
    what = f"apart: none of {', '.join(APART)}"
    extra = [Check(when=f"apart NOT IN ({known})", what=what, shows="left(apart, 20)")]
    bad = load(source, "raw_databases", cells, options, extra=extra)
    keys = "database, time_ms"
    told = drop_duplicates(source.con, "raw_databases", keys, bad, "a database and time")
    told += bad.settle(options)
    told += out_of_order(source.con, "raw_databases", "time_ms", bad, within="database")
    return told, time.of_utc, bad.count


def databases_from(
    con: duckdb.DuckDBPyConnection, label: str, options: ReadOptions, zero_ms: int, dropped: int
) -> tuple[Databases, list[str]]:
    """Return the databases of raw_databases, times less `zero_ms`, and what was filled.

    `dropped` is the number of bad rows that are not in the table.
    """
    names, start_ms, step_ms, cpu_m, told = _grid(con, "cpu_m", label, options, dropped)
    iops, more = _grid(con, "iops", label, options, dropped)[3:]
    values = _constants(con, label)
    databases = Databases(
        names=names,
        start_ms=start_ms - zero_ms,
        step_ms=step_ms,
        cpu_m=frozen(cpu_m),
        iops=frozen(iops),
        **values,
    )
    return databases, list(dict.fromkeys(told + more))


def _grid(
    con: duckdb.DuckDBPyConnection, column: str, label: str, options: ReadOptions, dropped: int
) -> tuple[tuple[str, ...], int, int, IntArray, list[str]]:
    con.execute(
        "CREATE OR REPLACE TEMP VIEW one_load AS SELECT database AS service, time_ms, "
        f"{column} AS load_cpu_m FROM raw_databases"
    )
    return uniform_load(con, "one_load", label, options, dropped=dropped)


def _constants(con: duckdb.DuckDBPyConnection, label: str) -> dict[str, Any]:
    """Return what holds for all time, in the order of the names; raise DataError where not."""
    picks = ", ".join(f"min({c}), count(DISTINCT {c})" for c in CONSTANT)
    rows = con.execute(
        f"SELECT database, {picks} FROM raw_databases GROUP BY database ORDER BY database"
    ).fetchall()
    errors = [
        Finding(where=f"{label} database {row[0]}", what=f"{c} is not the same in all rows")
        for row in rows
        for i, c in enumerate(CONSTANT)
        if row[2 + 2 * i] > 1
    ]
    if errors:
        raise DataError(*errors)
    values = {c: [row[1 + 2 * i] for row in rows] for i, c in enumerate(CONSTANT)}
    values["apart"] = [APART.index(word) for word in values["apart"]]
    return {name: frozen(np.array(column, np.int64)) for name, column in values.items()}
