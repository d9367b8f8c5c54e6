"""How many machines were on, as somebody recorded it: a row a machine type and span.

Columns `from`, `until` (without it each row lasts as long as the option `step`), `machine_type`,
and `machines_on` (their mean) or `machine_h` (hours of all of them). Rows of one type may overlap:
each is of machines of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from greensched.errors import DataError, Finding
from greensched.readers.cells import TIME_MAX_MS, Check, cell_of
from greensched.readers.columns import fetch
from greensched.readers.files import checksum
from greensched.readers.loading import load
from greensched.readers.source import connect, missing_column, opened
from greensched.readers.timing import time_cell
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from greensched.model import FloatArray, IntArray
    from greensched.readers.options import ReadOptions

COUNT_MAX: Final = 1e12
CHECKS: Final = (Check(when="until_ms <= from_ms", what="until is not after from"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineHours:
    """Rows of machines on: `machine_h[i]` of type `machine_type[i]` from `from_ms` to `until_ms`.

    Times are since 1970, or since the window's start where not `of_utc`. With `lists_all` (a bill)
    a type without a row had none on in the time that the rows cover; else nothing is known.
    """

    machine_type: Sequence[str]
    from_ms: IntArray
    until_ms: IntArray
    machine_h: FloatArray
    of_utc: bool
    checksum: str
    findings: tuple[str, ...] = ()
    lists_all: bool = False


def read_machine_hours(path: Path, options: ReadOptions) -> MachineHours:
    """Return the machine-hours in a CSV or Parquet file; raise DataError with all wrong."""
    with connect() as con, opened(con, path) as source:
        begin = time_cell(source, "from", options)
        until = time_cell(source, "until", options, empty=str(TIME_MAX_MS))
        if until.column is None and not options.step_ms:
            what = "neither a column 'until' nor a time step"
            raise DataError(
                Finding(where=source.label, what=what, remedy="say it with --step, such as 1h")
            )
        named = [n for n in ("machines_on", "machine_h") if n in source.columns]
        if len(named) != 1:
            raise DataError(missing_column(source, "machines_on or machine_h", "machines_on"))
        cells = [
            cell_of(source, "machine_type", options, kind="text"),
            begin,
            until,
            cell_of(source, named[0], options, is_integer=False, high=COUNT_MAX),
        ]
        bad = load(source, "raw_machines", cells, options, extra=CHECKS)
        findings = tuple(bad.settle(options))
        if until.column is None:
            con.execute(f"UPDATE raw_machines SET until_ms = from_ms + {options.step_ms}")
        per_h = f" * (until_ms - from_ms) / {MS_PER_H}.0" if named[0] == "machines_on" else ""
        con.execute(
            f"CREATE TABLE sorted AS SELECT machine_type, from_ms, until_ms, {named[0]}{per_h} "
            "AS machine_h FROM raw_machines ORDER BY machine_type, from_ms, _row"
        )
        types = con.execute("SELECT machine_type FROM sorted").fetchall()
        return MachineHours(
            machine_type=tuple(str(name) for (name,) in types),
            from_ms=fetch(con, "sorted", "from_ms", "int64"),
            until_ms=fetch(con, "sorted", "until_ms", "int64"),
            machine_h=fetch(con, "sorted", "machine_h", "float64"),
            of_utc=begin.of_utc,
            checksum=checksum([path]),
            findings=findings,
        )
