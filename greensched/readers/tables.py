"""Published tables in many files, most without a header: told apart by their names, stacked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import DataError, Finding, UsageError
from greensched.model import Machines
from greensched.readers.columns import frozen
from greensched.readers.loading import load
from greensched.readers.source import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import duckdb

    from greensched.readers.cells import Cell, Check
    from greensched.readers.options import ReadOptions
    from greensched.readers.source import Source


def sorted_out(files: Sequence[Path], known: Sequence[str]) -> dict[str, list[Path]]:
    """Return the files of each table, by the beginning of a file's or its folder's name.

    A folder stands for the files in it. Raises DataError where one is of no table.
    """
    found: dict[str, list[Path]] = {}
    errors = []
    for path in _listed(files):
        names = [n for n in known if path.name.startswith(n) or path.parent.name == n]
        if names:
            found.setdefault(max(names, key=len), []).append(path)
        else:
            remedy = f"call files after their tables: {', '.join(known)}"
            errors.append(Finding(where=path.name, what="of no known table", remedy=remedy))
    if errors or not found:
        raise DataError(*errors or [Finding(where="", what="no files")])
    return found


def _listed(files: Sequence[Path]) -> list[Path]:
    listed: list[Path] = []
    for file in files:
        path = Path(file)
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        listed += [p for p in inside if p.is_file() and not p.name.startswith(".")]
    return listed


def stacked(
    con: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    table: str,
    cells: Sequence[Cell] | Callable[[Source], Sequence[Cell]],
    options: ReadOptions,
    *,
    header: str = "",
    derived: Mapping[str, str] | None = None,
    extra: Sequence[Check] = (),
) -> list[str]:
    """Fill `table` with the rows of all `files`; return what was dropped, in words.

    `cells` may depend on the columns that a file has. Raises DataError with the findings of all
    files.
    """
    findings: list[str] = []
    errors: list[Finding | str] = []
    before, made = 0, False  # rows of the files before: no two rows have one number
    for path in files:
        try:
            with opened(con, path, member=options.member, header=header) as source:
                these = cells(source) if callable(cells) else cells
                bad = load(source, "part", these, options, derived=derived, extra=extra)
                findings += bad.settle(options)
        except DataError as error:
            errors += error.findings
            continue
        verb = f"INSERT INTO {table}" if made else f"CREATE OR REPLACE TABLE {table} AS"
        con.execute(f"{verb} SELECT * REPLACE (_row + {before} AS _row) FROM part")
        before, made = before + bad.rows, True
    if errors:
        raise DataError(*errors)
    return findings


def count(con: duckdb.DuckDBPyConnection, table: str, where: str = "true") -> int:
    """Return how many rows of `table` there are, of those that `where` keeps."""
    row = con.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone() or (0,)
    return int(row[0])


def require(options: ReadOptions, reader: str, **meant: str) -> None:
    """Raise UsageError for each option that is needed and not given; `meant` says what for."""
    flags = {"cpu_m": "--cores", "memory_mib": "--memory"}
    missing = [
        Finding(
            where=flags[name],
            what=f"'{reader}' gives shares only: say {what}",
            remedy="it is never guessed",
        )
        for name, what in meant.items()
        if not getattr(options, name)
    ]
    if missing:
        raise UsageError(*missing)


def machines_of(sizes: Sequence[tuple[float, float, int]]) -> Machines:
    """Return machines without GPUs: CPU [millicores], memory [MiB], how many of each size."""
    rows = np.rint(np.array(sizes, np.float64))
    none = np.zeros(len(rows), np.int64)
    return Machines(
        names=tuple(f"machine-{i + 1}" for i in range(len(rows))),
        count=frozen(rows[:, 2].astype(np.int64)),
        cpu_m=frozen(np.maximum(1, rows[:, 0]).astype(np.int64)),
        memory_mib=frozen(rows[:, 1].astype(np.int64)),
        gpus=frozen(none),
        gpu_models=("",) * len(rows),
    )
