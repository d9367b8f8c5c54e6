"""Rows of carbon intensity from one file, cell by cell: every bad one is found and told."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from greensched.carbon import FINDINGS_MAX
from greensched.errors import DataError, Finding
from greensched.providers.file_layout import layout_of, no_zone

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo
    from pathlib import Path

    from greensched.carbon import Basis
    from greensched.model import FloatArray, IntArray
    from greensched.providers.file_layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Cells of the rows that matter, one time and one value each, with the number of the row.

    As in traces data rows are counted, from 1 after the header.
    """

    layout: Layout
    rows: Iterable[tuple[int, object, object]]


def samples(
    file: Path,
    zone: str,
    time_zone: str | None,
    basis: Basis = "unstated",
    unit: str = "g/kWh",
) -> tuple[IntArray, FloatArray, Layout]:
    """Return times [ms UTC], values [g/kWh] of `zone`, NaN where blank, in order, and the layout.

    Values of the file are in `unit`. Raises DataError with every bad row, and for another unit.
    """
    table = _parquet(file, zone, basis) if file.suffix == ".parquet" else _csv(file, zone, basis)
    factor = table.layout.factor(file.name, unit)
    times_ms, values = _parse(file.name, table, time_zone)
    return times_ms, values * factor, table.layout


def _csv(file: Path, zone: str, basis: Basis) -> _Table:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.reader(lines, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(Finding(where=file.name, what=f"is no CSV text: {error}")) from error
    if not rows:
        raise DataError(Finding(where=file.name, what="is empty"))
    header = [name.strip() for name in rows[0]]
    uneven = [i for i, row in enumerate(rows[1:], 1) if len(row) != len(header)]
    if uneven:
        raise DataError(
            Finding(
                where=f"{file.name} row {uneven[0]:,}",
                what=f"{len(rows[uneven[0]])} cells where the header has {len(header)} "
                f"({len(uneven):,} such rows)",
            )
        )
    layout = layout_of(file.name, header, basis)
    v = header.index(layout.column_of(file.name, zone))
    t = header.index(layout.time_column)
    numbered = list(enumerate(rows[1:], 1))
    if layout.zone_column is not None:
        z = header.index(layout.zone_column)
        numbered = [(i, row) for i, row in numbered if row[z] == zone]
        if not numbered:
            raise no_zone(file.name, zone, sorted({row[z] for row in rows[1:]}))
    return _Table(layout=layout, rows=[(i, row[t], row[v]) for i, row in numbered])


def _parquet(file: Path, zone: str, basis: Basis) -> _Table:
    import duckdb

    with duckdb.connect(":memory:") as connection:
        try:
            relation = connection.read_parquet(str(file))
            layout = layout_of(file.name, list(relation.columns), basis)
            value_column = layout.column_of(file.name, zone)
            known: list[str] = []
            if layout.zone_column is not None:
                known = [str(z) for (z,) in relation.unique(layout.zone_column).fetchall()]
                relation = relation.filter(
                    duckdb.ColumnExpression(layout.zone_column) == duckdb.ConstantExpression(zone)
                )
            cells = relation.project(
                f"{quoted(layout.time_column)}::VARCHAR, {quoted(value_column)}"
            ).fetchall()
        except duckdb.Error as error:
            first = str(error).splitlines()[0]
            raise DataError(Finding(where=file.name, what=f"is no Parquet: {first}")) from error
    if not cells:
        raise no_zone(file.name, zone, known)
    return _Table(layout=layout, rows=[(i, t, v) for i, (t, v) in enumerate(cells, 1)])


def quoted(column: str) -> str:
    """Return a column's name as SQL takes it."""
    return '"' + column.replace('"', '""') + '"'


def _zone_info(where: str, time_zone: str | None, layout: Layout) -> tzinfo | None:
    if time_zone is None:
        return UTC if layout.says_utc else None
    try:
        return UTC if time_zone == "UTC" else ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise DataError(
            Finding(where=where, what=f"no time zone {time_zone!r}", remedy="such as UTC")
        ) from error


def _parse(where: str, table: _Table, time_zone: str | None) -> tuple[IntArray, FloatArray]:
    """Return times [ms UTC] and values [g/kWh], NaN where blank; every bad row is a finding."""
    zone = _zone_info(where, time_zone, table.layout)
    times_ms, values = [], []
    found: list[Finding] = []
    naive = 0
    for number, time_cell, value_cell in table.rows:
        try:
            times_ms.append(_time_ms(str(time_cell), zone))
            values.append(_value(value_cell))
        except _NaiveTimeError as error:
            naive += 1
            if naive == 1:
                remedy = "name the time zone: --time-zone UTC, in a scenario time_zone: UTC"
                found.append(
                    Finding(where=f"{where} row {number:,}", what=str(error), remedy=remedy)
                )
        except ValueError as error:
            found.append(Finding(where=f"{where} row {number:,}", what=str(error)))
    if naive > 1:
        found.append(Finding(where=where, what=f"{naive:,} times without an offset in all"))
    if found:
        rest = [Finding(where=where, what=f"{len(found):,} bad rows in all")]
        raise DataError(*found[:FINDINGS_MAX], *(rest if len(found) > FINDINGS_MAX else ()))
    return np.array(times_ms, np.int64), np.array(values, np.float64)


class _NaiveTimeError(ValueError):
    """A time without an offset, and nobody said where its clock hangs."""


def _time_ms(text: str, zone: tzinfo | None) -> int:
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        message = f"{text!r} is no ISO 8601 time"
        raise ValueError(message) from None
    if time.tzinfo is None:
        if zone is None:
            message = f"{text!r} has no offset"
            raise _NaiveTimeError(message)
        time = time.replace(tzinfo=zone)
        if zone is not UTC and time.utcoffset() != time.replace(fold=1).utcoffset():
            message = f"{text!r} does not exist or is ambiguous in {zone}; give the offset"
            raise ValueError(message)
    return round(time.timestamp() * 1_000)


def _value(cell: object) -> float:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return math.nan
    try:
        value = cell if isinstance(cell, float) else float(str(cell))
    except ValueError:
        message = f"{cell!r} is no number"
        raise ValueError(message) from None
    if not math.isfinite(value):
        message = f"{cell!r} is not finite; leave unknown values blank"
        raise ValueError(message)
    return value
