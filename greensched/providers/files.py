"""Carbon intensity from files: CSV and Parquet, one zone or many, one file or a folder.

Layouts are those of `file_layout`; in a folder a file whose rows name no zone is the zone that
its name begins with, up to the first `_` or `.`. Values are g CO2e/kWh. Times carry an offset, or
a column name that says UTC, or the caller names the time zone: a naive time is refused otherwise.
"""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar

import numpy as np

from greensched.carbon import ACTUAL, FORECAST, Labels, from_samples, iso
from greensched.errors import DataError, Finding, UsageError
from greensched.providers.file_layout import LABEL_COLUMNS, SUFFIXES, layout_of, no_zone
from greensched.providers.file_rows import quoted, samples
from greensched.providers.points import Points, Settings, unit_factor
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from greensched.carbon import Basis, CarbonIntensity, Fill, Signal
    from greensched.model import FloatArray, IntArray
    from greensched.providers.file_layout import Layout
    from greensched.providers.points import Query
    from greensched.providers.web import Web

T = TypeVar("T")
SIGNALS: Final[tuple[Signal, ...]] = ("average", "marginal")
BASES: Final[tuple[Basis, ...]] = ("direct", "lifecycle", "unstated")


def read(
    path: Path,
    zone: str,
    *,
    time_zone: str | None = None,
    fill: Fill | None = None,
    labels: Labels | None = None,
    unit: str = "g/kWh",
) -> CarbonIntensity:
    """Return the series of `zone` in the file or folder `path`.

    `time_zone` (IANA name, such as `UTC`) is that of times without an offset, `unit` that of the
    file's values. What columns of the file state of its values (signal, basis, vintage, synthetic)
    is taken for what `labels` leaves open. Raises DataError naming file, row and remedy: unknown
    zone or layout, naive, ambiguous or unreadable times, text for a number, gaps without `fill`,
    values out of range, a column that states another unit.
    """
    times_ms, values, labels = _zone_rows(path, zone, time_zone, labels or Labels(), unit)
    return from_samples(zone, times_ms, values, fill=fill, labels=labels)


def _zone_rows(
    path: Path, zone: str, time_zone: str | None, labels: Labels, unit: str
) -> tuple[IntArray, FloatArray, Labels]:
    """Return times [ms UTC], values [g/kWh] with NaN for blanks, and what is known of them."""
    file = _file_of_zone(path, zone) if path.is_dir() else path
    try:
        checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(
            Finding(where=str(path), what=f"cannot be read: {error.strerror}")
        ) from error
    times_ms, values, layout = samples(file, zone, time_zone, labels.basis, unit)
    told = _told(file, layout, labels)
    return times_ms, values, replace(told, source=file.name, checksum=checksum)


def zones(path: Path) -> tuple[str, ...]:
    """Return the names of the zones in `path`, sorted; empty where the file does not name any.

    Raises DataError where it cannot be read.
    """
    if path.is_dir():
        return tuple(sorted({zone_of_file(f) for f in files_in(path)}))
    return tuple(sorted(zones_in(path, layout_of(path.name, header_of(path)))))


def zones_in(file: Path, layout: Layout) -> set[str]:
    """Return the zones that a file names."""
    if layout.zone_column is None:
        return set(layout.zone_columns)
    if file.suffix == ".parquet":
        found = _parquet(
            file, f"SELECT DISTINCT {quoted(layout.zone_column)} FROM read_parquet(?)"
        )
        return {str(zone) for (zone,) in found}
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.reader(lines)
        at = [name.strip() for name in next(rows)].index(layout.zone_column)
        return {row[at] for row in rows if len(row) > at}


def header_of(file: Path) -> list[str]:
    """Return the columns of a file; raises DataError where it cannot be read as a table."""
    if file.suffix == ".parquet":
        return [row[0] for row in _parquet(file, "DESCRIBE SELECT * FROM read_parquet(?)")]
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return [name.strip() for name in next(csv.reader(lines), [])]
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise DataError(Finding(where=str(file), what=what)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(Finding(where=file.name, what=f"is no CSV text: {error}")) from error


def _parquet(file: Path, query: str) -> list[Any]:
    import duckdb

    with duckdb.connect(":memory:") as connection:
        try:
            return connection.execute(query, [str(file)]).fetchall()
        except duckdb.Error as error:
            what = f"is no Parquet: {str(error).splitlines()[0]}"
            raise DataError(Finding(where=file.name, what=what)) from error


def files_in(folder: Path) -> list[Path]:
    """Return the files of a folder that may hold intensity, sorted by name."""
    return [f for f in sorted(folder.iterdir()) if f.suffix in SUFFIXES]


def zone_of_file(file: Path) -> str:
    """Return the zone that a file's name begins with."""
    return re.split(r"[_.]", file.name, maxsplit=1)[0]


def _file_of_zone(folder: Path, zone: str) -> Path:
    found = [f for f in files_in(folder) if zone == zone_of_file(f)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f.name for f in found)
        raise DataError(
            Finding(where=str(folder), what=f"zone {zone!r} has {len(found)} files: {names}")
        )
    raise no_zone(folder.name, zone, [zone_of_file(f) for f in files_in(folder)])


def _told(file: Path, layout: Layout, labels: Labels) -> Labels:
    """Return `labels` with what the file's own columns state for all of its rows."""
    labels = replace(labels, basis=layout.basis)
    header = header_of(file)
    named: list[str] = [name for name in LABEL_COLUMNS if name in header]
    if layout.zone_column is None or not named:
        return labels
    if file.suffix == ".parquet":
        wanted = ", ".join(quoted(name) for name in named)
        first = _parquet(file, f"SELECT {wanted} FROM read_parquet(?) LIMIT 1")[0]
        cells = {name: str(cell) for name, cell in zip(named, first, strict=True)}
    else:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(lines)
            next(rows)
            cells = dict(zip(header, next(rows), strict=True))
    signal = _one_of(SIGNALS, cells.get("signal", labels.signal))
    basis = _one_of(BASES, cells.get("basis", labels.basis))
    if signal is None or basis is None:
        what = f"states a signal or basis that is none: {cells}"
        remedy = "average or marginal; direct, lifecycle or unstated"
        raise DataError(Finding(where=file.name, what=what, remedy=remedy))
    return replace(
        labels,
        signal=signal,
        basis=basis if labels.basis == "unstated" else labels.basis,
        vintage=labels.vintage or cells.get("vintage", ""),
        synthetic=labels.synthetic or cells.get("synthetic", "").lower() == "true",
    )


def _one_of(known: tuple[T, ...], text: str) -> T | None:
    return next((one for one in known if one == text), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """A file or folder as a source. What it holds after now is taken for a forecast, and said."""

    name: ClassVar[str] = "files"
    live: ClassVar[bool] = False
    path: Path
    time_zone: str | None = None
    fill: Fill | None = None
    labels: Labels = field(default_factory=Labels)
    unit: str = "g/kWh"

    @classmethod
    def named(cls, text: str, settings: Settings) -> Self:
        """Return the source of the file or folder `text`.

        Raises UsageError where it is none, DataError for a unit that is not known.
        """
        path = Path(text)
        if not path.exists():
            remedy = "give a CSV or Parquet file, a folder of such, or the name of a source"
            raise UsageError(Finding(where=text, what="no such file or source", remedy=remedy))
        unit_factor("--unit", settings.unit)
        return cls(
            path=path,
            time_zone=settings.time_zone,
            fill=settings.fill,
            labels=Labels(signal=settings.signal or "average", synthetic=settings.synthetic),
            unit=settings.unit,
        )

    @property
    def place(self) -> str:
        """Return its path."""
        return str(self.path)

    def actual(self, query: Query, web: Web) -> Points:  # noqa: ARG002 as every provider
        """Return the rows before now, within the query."""
        points = self._points(query)
        return _cut(points, points.start_ms < query.now_ms, ACTUAL)

    def forecast(self, query: Query, web: Web) -> Points:  # noqa: ARG002
        """Return the rows of the query that end after now."""
        points = self._points(query)
        later = _cut(points, points.end_ms > query.now_ms, FORECAST)
        if len(later):
            notes = ("what the file holds after now is taken for a forecast",)
            return replace(later, notes=notes)
        return later

    def _points(self, query: Query) -> Points:
        if self.fill is not None:
            series = read(
                self.path,
                query.zone,
                time_zone=self.time_zone,
                fill=self.fill,
                labels=self.labels,
                unit=self.unit,
            )
            times_ms, values = series.edges_ms[:-1], series.values_g_per_kwh
            labels = series.labels
        else:
            times_ms, values, labels = _zone_rows(
                self.path, query.zone, self.time_zone, self.labels, self.unit
            )
        order = np.argsort(times_ms, kind="stable")
        times_ms, values = times_ms[order], values[order]
        gaps = np.diff(times_ms)
        step_ms = int(gaps[gaps > 0].min()) if bool((gaps > 0).any()) else MS_PER_H
        points = Points(
            zone=query.zone,
            start_ms=times_ms,
            end_ms=times_ms + step_ms,
            values_g_per_kwh=values,
            status=np.full(len(times_ms), ACTUAL, np.int8),
            labels=labels,
        )
        inside = (points.end_ms > query.from_ms) & (points.start_ms < query.until_ms)
        if len(points) and not inside.any():
            span = f"{iso(int(points.start_ms[0]))} to {iso(int(points.end_ms[-1]))}"
            points = replace(points, notes=(f"holds {span} only",))
        return _cut(points, inside, ACTUAL)


def _cut(points: Points, keep: np.ndarray, status: int) -> Points:
    return replace(
        points,
        start_ms=points.start_ms[keep],
        end_ms=points.end_ms[keep],
        values_g_per_kwh=points.values_g_per_kwh[keep],
        status=np.full(int(keep.sum()), status, np.int8),
    )
