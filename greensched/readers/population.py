"""What a population of pods asks for, by class: also those that never ran, which are no jobs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from greensched.errors import DataError, Finding
from greensched.readers.cells import Cell
from greensched.readers.loading import load
from greensched.readers.options import ReadOptions
from greensched.readers.source import connect, opened

if TYPE_CHECKING:
    from collections.abc import Sequence


def requested_cpu_m(files: Sequence[Path], options: ReadOptions | None = None) -> dict[str, int]:
    """Return the CPU [millicores] that all pods of each `qos` in an openb pod list ask for.

    Raises DataError where no file is such a list, or a row of it cannot be trusted.
    """
    options = options or ReadOptions()
    for path in files:
        with connect() as con, opened(con, Path(path), member=options.member) as source:
            if "qos" not in source.columns:
                continue
            source.require("cpu_milli")
            cells = [
                Cell(name="qos", column="qos", kind="text"),
                Cell(name="cpu_m", column="cpu_milli"),
            ]
            load(source, "requests", cells, options).settle(options)
            rows = con.execute(
                "SELECT qos, sum(cpu_m) FROM requests GROUP BY qos ORDER BY qos"
            ).fetchall()
            return {str(q): int(n) for q, n in rows}
    where = ", ".join(Path(f).name for f in files)
    raise DataError(Finding(where=where, what="no pod list with the column 'qos'"))
