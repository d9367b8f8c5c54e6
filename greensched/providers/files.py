"""Carbon intensity from files: CSV and Parquet, in four layouts.

    wide       a time column, then one column a zone
    long       `zone`, `timestamp`, `carbon_intensity_g_per_kwh`
    single     a time column and `carbon_intensity` (any spelling): the zone is not in the file
    folder     one file a zone, `<zone>.csv`, `<zone>_<anything>.parquet`, ..., each `single`

Values are g CO2e/kWh. Times carry an offset, or a column name that ends in `_utc`, or the caller
names the time zone: a naive time is refused otherwise.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from greensched.carbon import FINDINGS_MAX, Labels, from_samples
from greensched.errors import DataError, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import tzinfo
    from pathlib import Path

    from greensched.carbon import CarbonIntensity, Fill

TIME_COLUMNS: Final = ("timestamp", "datetime_utc", "timestamp_utc", "datetime", "time", "date")
ZONE_COLUMN: Final = "zone"
SUFFIXES: Final = (".csv", ".parquet")
_INTENSITY = re.compile(r"^carbon[ _]?intensity", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Cells of the rows that matter: one time and one value each, with the file's row number."""

    time_column: str
    rows: Iterable[tuple[int, object, object]]


def read(
    path: Path,
    zone: str,
    *,
    time_zone: str | None = None,
    fill: Fill | None = None,
    labels: Labels | None = None,
) -> CarbonIntensity:
    """Return the series of `zone` in the file or folder `path`.

    `time_zone` (IANA name, such as `UTC`) is that of times without an offset. Raises DataError
    naming file, row and remedy: unknown zone or layout, naive, ambiguous or unreadable times,
    text for a number, gaps without `fill`, values out of range.
    """
    file = _file_of_zone(path, zone) if path.is_dir() else path
    try:
        checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(
            Finding(where=str(path), what=f"cannot be read: {error.strerror}")
        ) from error
    table = _parquet(file, zone) if file.suffix == ".parquet" else _csv(file, zone)
    times_ms, values = _parse(file.name, table, time_zone)
    labels = replace(labels or Labels(), source=file.name, checksum=checksum)
    return from_samples(zone, times_ms, values, fill=fill, labels=labels)


def zones(path: Path) -> tuple[str, ...]:
    """Return the names of the zones in `path`, sorted; empty where the file does not name any."""
    if path.is_dir():
        return tuple(sorted({_zone_of_file(f) for f in _files(path)}))
    if path.suffix == ".parquet":
        return ()
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.reader(lines)
        header = next(rows, [])
        if ZONE_COLUMN in header:
            at = header.index(ZONE_COLUMN)
            return tuple(sorted({row[at] for row in rows if len(row) > at}))
    return tuple(sorted(_zone_columns(header)))


def _files(folder: Path) -> list[Path]:
    return [f for f in sorted(folder.iterdir()) if f.suffix in SUFFIXES]


def _zone_of_file(file: Path) -> str:
    return re.sub(r"_[0-9][0-9_-]*$", "", file.stem)


def _file_of_zone(folder: Path, zone: str) -> Path:
    found = [f for f in _files(folder) if zone in (f.stem, _zone_of_file(f))]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f.name for f in found)
        raise DataError(
            Finding(where=str(folder), what=f"zone {zone!r} has {len(found)} files: {names}")
        )
    raise _no_zone(folder.name, zone, [_zone_of_file(f) for f in _files(folder)])


def _no_zone(where: str, zone: str, known: Sequence[str]) -> DataError:
    near = difflib.get_close_matches(zone, known, n=3, cutoff=0.5)
    return DataError(
        Finding(
            where=where,
            what=f"zone {zone!r} has no rows",
            remedy=f"near: {', '.join(near)}" if near else f"zones: {', '.join(sorted(known))}",
        )
    )


def _time_column(where: str, header: Sequence[str]) -> str:
    for name in header:
        if name.strip().lower() in TIME_COLUMNS:
            return name
    raise DataError(
        Finding(
            where=where,
            what=f"no time column among {', '.join(header[:10])!r}",
            remedy=f"name it one of {', '.join(TIME_COLUMNS)}",
        )
    )


def _value_column(header: Sequence[str]) -> str | None:
    found = [name for name in header if _INTENSITY.match(name)]
    return found[0] if found else None


def _zone_columns(header: Sequence[str]) -> list[str]:
    if _value_column(header):
        return []
    return [name for name in header if name.strip().lower() not in TIME_COLUMNS]


def _csv(file: Path, zone: str) -> _Table:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.reader(lines, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(Finding(where=file.name, what=f"is no CSV text: {error}")) from error
    if not rows:
        raise DataError(Finding(where=file.name, what="is empty"))
    header = [name.strip() for name in rows[0]]
    uneven = [i for i, row in enumerate(rows[1:], 2) if len(row) != len(header)]
    if uneven:
        raise DataError(
            Finding(
                where=f"{file.name} row {uneven[0]:,}",
                what=f"{len(rows[uneven[0] - 1])} cells where the header has {len(header)} "
                f"({len(uneven):,} such rows)",
            )
        )
    time_column = _time_column(file.name, header)
    t = header.index(time_column)
    value_column = _value_column(header)
    numbered = list(enumerate(rows[1:], 2))
    if ZONE_COLUMN in header and value_column:
        z = header.index(ZONE_COLUMN)
        numbered = [(i, row) for i, row in numbered if row[z] == zone]
        if not numbered:
            raise _no_zone(file.name, zone, sorted({row[z] for row in rows[1:]}))
    elif not value_column:
        if zone not in _zone_columns(header):
            raise _no_zone(file.name, zone, _zone_columns(header))
        value_column = zone
    v = header.index(value_column)
    return _Table(time_column=time_column, rows=[(i, row[t], row[v]) for i, row in numbered])


def _parquet(file: Path, zone: str) -> _Table:
    import duckdb

    with duckdb.connect(":memory:") as connection:
        try:
            relation = connection.read_parquet(str(file))
            header = list(relation.columns)
            time_column = _time_column(file.name, header)
            value_column = _value_column(header)
            if value_column is None:
                if zone not in _zone_columns(header):
                    raise _no_zone(file.name, zone, _zone_columns(header))
                value_column = zone
            known: list[str] = []
            if ZONE_COLUMN in header:
                known = [str(z) for (z,) in relation.unique(ZONE_COLUMN).fetchall()]
                relation = relation.filter(
                    duckdb.ColumnExpression(ZONE_COLUMN) == duckdb.ConstantExpression(zone)
                )
            cells = relation.project(
                f"{_quoted(time_column)}::VARCHAR, {_quoted(value_column)}"
            ).fetchall()
        except duckdb.Error as error:
            first = str(error).splitlines()[0]
            raise DataError(Finding(where=file.name, what=f"is no Parquet: {first}")) from error
    if not cells:
        raise _no_zone(file.name, zone, known)
    return _Table(time_column=time_column, rows=[(i, t, v) for i, (t, v) in enumerate(cells, 1)])


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _zone_info(where: str, time_zone: str | None, time_column: str) -> tzinfo | None:
    if time_zone is None:
        return UTC if time_column.strip().lower().endswith("_utc") else None
    try:
        return UTC if time_zone == "UTC" else ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise DataError(
            Finding(where=where, what=f"no time zone {time_zone!r}", remedy="such as UTC")
        ) from error


def _parse(where: str, table: _Table, time_zone: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return times [ms UTC] and values [g/kWh], NaN where blank; every bad row is a finding."""
    zone = _zone_info(where, time_zone, table.time_column)
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
                remedy = "name the time zone, such as time_zone: UTC"
                found.append(
                    Finding(where=f"{where} row {number:,}", what=str(error), remedy=remedy)
                )
        except ValueError as error:
            found.append(Finding(where=f"{where} row {number:,}", what=str(error)))
    if naive > 1:
        found.append(Finding(where=where, what=f"{naive:,} times without an offset in all"))
    if found:
        more = len(found) - FINDINGS_MAX
        rest = [Finding(where=where, what=f"{more:,} more bad rows")] if more > 0 else []
        raise DataError(*found[:FINDINGS_MAX], *rest)
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
        if time.utcoffset() != time.replace(fold=1).utcoffset():
            message = f"{text!r} does not exist or is ambiguous in {zone}; give the offset"
            raise ValueError(message)
    return round(time.timestamp() * 1_000)


def _value(cell: object) -> float:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return math.nan
    try:
        value = float(str(cell))
    except ValueError:
        message = f"{cell!r} is no number"
        raise ValueError(message) from None
    if not math.isfinite(value):
        message = f"{cell!r} is not finite; leave unknown values blank"
        raise ValueError(message)
    return value
