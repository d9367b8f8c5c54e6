"""Failures as a table: a row for each outage of a site, a machine type or one machine.

Columns `from` and `until`; `site`, or `machine_type` with an optional `machine` (its number within
the type, from 1). Times are timestamps with their offset, or `from_s` and `until_s` since the
window's start (also `_ms`, `_min`, `_h`). Without `until` it lasts beyond the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from greensched.errors import DataError, Finding
from greensched.readers.cells import TIME_MAX_MS, Check, cell_of
from greensched.readers.files import checksum
from greensched.readers.loading import load
from greensched.readers.options import ReadOptions
from greensched.readers.source import connect, opened
from greensched.readers.timing import time_cell

if TYPE_CHECKING:
    from pathlib import Path

NO_NUMBER: Final = 0
CHECKS: Final = (
    Check(
        when="(site = '') = (machine_type = '')",
        what="an outage is of either a site or a machine_type",
        remedy="fill one of the two",
    ),
    Check(
        when=f"site <> '' AND machine <> {NO_NUMBER}",
        what="a machine's number belongs to a machine_type",
        remedy="give machine_type instead of site",
    ),
    Check(
        when="until_ms <= from_ms",
        what="until is not after from",
        remedy="write the end of the outage, or leave it empty",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageRow:
    """One outage; `row` is its number in the file. One of `site` and `machine_type` is empty."""

    row: int
    site: str
    machine_type: str
    machine: int  # within the type, from 1; 0: all of it
    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageTable:
    """The rows of a file, sorted as they stand; times since 1970 where `of_utc`."""

    label: str
    rows: tuple[OutageRow, ...]
    of_utc: bool
    checksum: str


def read_outages(path: Path, time_zone: str = "") -> OutageTable:
    """Return the outages in a CSV or Parquet file; raise DataError with all that is wrong."""
    options = ReadOptions(time_zone=time_zone)
    with connect() as con, opened(con, path) as source:
        begin = time_cell(source, "from", options)
        end = time_cell(source, "until", options, empty=str(TIME_MAX_MS))
        if end.column is not None and begin.of_utc != end.of_utc:
            what = "'from' and 'until' are not both timestamps, or both times since the start"
            raise DataError(Finding(where=source.label, what=what))
        cells = [
            cell_of(source, "site", options, kind="text", empty="''"),
            cell_of(source, "machine_type", options, kind="text", empty="''"),
            cell_of(source, "machine", options, empty=str(NO_NUMBER), low=1.0),
            begin,
            end,
        ]
        bad = load(source, "raw_outages", cells, options, extra=CHECKS)
        bad.settle(options)
        found = con.execute(
            "SELECT _row, site, machine_type, machine, from_ms, until_ms FROM raw_outages "
            "ORDER BY _row"
        ).fetchall()
        rows = tuple(
            OutageRow(
                row=int(row),
                site=str(site),
                machine_type=str(kind),
                machine=int(machine),
                from_ms=int(from_ms),
                until_ms=int(until_ms),
            )
            for row, site, kind, machine, from_ms, until_ms in found
        )
        label = source.label
    return OutageTable(label=label, rows=rows, of_utc=begin.of_utc, checksum=checksum([path]))
