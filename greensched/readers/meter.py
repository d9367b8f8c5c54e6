"""What meters read: energy over time of a site, of a machine type, a rack or one machine.

Columns `from` and `until` (without `until`, each reading lasts as long as the option `step`), and
one of `energy_kwh`, `energy_wh`, `energy_j` or `power_w` (the mean). What a meter measures: a
`site`, or a `machine_type` with an optional `rack` or `machine` and how many `machines` hang on
it (0, the default: all of the type; one where `machine` is named). `boundary` is `facility` for
a meter before cooling and losses, the default of a site, else `it`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import DataError, Finding
from greensched.readers.cells import TIME_MAX_MS, Cell, Check, cell_of
from greensched.readers.columns import fetch
from greensched.readers.files import checksum
from greensched.readers.loading import load
from greensched.readers.source import connect, missing_column, opened
from greensched.readers.timing import time_cell
from greensched.units import J_PER_KWH

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from greensched.model import FloatArray, IntArray
    from greensched.readers.options import ReadOptions
    from greensched.readers.source import Source

ENERGY_MAX: Final = 1e15
COUNTER_MIN: Final = 36  # readings that only rise: no load does so for so long
# Column of the file -> joules in one of it; power is multiplied by the reading's length.
UNITS: Final = {"energy_kwh": J_PER_KWH, "energy_wh": J_PER_KWH / 1000, "energy_j": 1.0}
POWER: Final = "power_w"
PLACES: Final = ("site", "machine_type", "rack", "machine", "boundary")
CHECKS: Final = (
    Check(
        when="(site = '') = (machine_type = '')",
        what="a reading is of either a site or a machine_type",
        remedy="fill one of the two",
    ),
    Check(
        when="machine_type = '' AND (rack <> '' OR machine <> '')",
        what="a rack or machine without its machine_type",
        remedy="say of which type its machines are",
    ),
    Check(
        when="rack <> '' AND machine = '' AND machines = 0",
        what="a rack without its number of machines",
        remedy="give 'machines'",
    ),
    Check(when="boundary NOT IN ('it', 'facility', '')", what="boundary: neither it nor facility"),
    Check(when="until_ms <= from_ms", what="until is not after from"),
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class MeterPoint:
    """What one meter measures; `machines` of a type hang on it, 0 for all of them."""

    site: str = ""
    machine_type: str = ""
    rack: str = ""
    machine: str = ""
    boundary: str = "it"
    machines: int = 0

    @property
    def label(self) -> str:
        """Return what it is called: `site hz (facility)`, `gen8, rack r07`."""
        inner = f", rack {self.rack}" if self.rack else ""
        inner += f", machine {self.machine}" if self.machine else ""
        named = f"site {self.site}" if self.site else self.machine_type + inner
        return f"{named} ({self.boundary})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """One meter's readings, by time, none overlapping: `energy_j[i]` of `from_ms` to `until_ms`.

    Times are since 1970, or since the scenario's start where not `of_utc`.
    """

    point: MeterPoint
    from_ms: IntArray
    until_ms: IntArray
    energy_j: FloatArray
    of_utc: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """All meters of a file, what was found out about it, and its checksum."""

    meters: tuple[Meter, ...]
    checksum: str
    findings: tuple[str, ...] = ()


def read_meters(path: Path, options: ReadOptions) -> Metered:
    """Return the meters in a CSV or Parquet file; raise DataError with all that is wrong.

    Readings of one meter that overlap are refused: energy would count twice.
    """
    with connect() as con, opened(con, path) as source:
        begin = time_cell(source, "from", options)
        until = _until(source, begin, options)
        amount, factor = _amount(source)
        cells = [
            *(cell_of(source, name, options, kind="text", empty="''") for name in PLACES),
            cell_of(source, "machines", options, empty="0", low=1.0),
            begin,
            until,
            cell_of(source, amount, options, is_integer=False, high=ENERGY_MAX),
        ]
        bad = load(source, "raw_meter", cells, options, extra=CHECKS)
        findings = tuple(bad.settle(options))
        if until.column is None:
            con.execute(f"UPDATE raw_meter SET until_ms = from_ms + {options.step_ms}")
        length = " * (until_ms - from_ms) / 1000.0" if amount == POWER else ""
        meters = _meters(con, f"{amount} * {factor!r}{length}", source.label, of_utc=begin.of_utc)
    return Metered(meters=meters, checksum=checksum([path]), findings=findings)


def _until(source: Source, begin: Cell, options: ReadOptions) -> Cell:
    """Return the cell of the readings' ends; without one there has to be a step."""
    end = time_cell(source, "until", options, empty=str(TIME_MAX_MS))
    if end.column is None and not options.step_ms:
        what = "neither a column 'until' nor a time step"
        remedy = "say it with --step, for example 5min; it is never guessed"
        raise DataError(Finding(where=source.label, what=what, remedy=remedy))
    if end.column is not None and begin.of_utc != end.of_utc:
        what = "'from' and 'until' are not both timestamps, or both times since the start"
        raise DataError(Finding(where=source.label, what=what))
    return end


def _amount(source: Source) -> tuple[str, float]:
    """Return the column that holds energy or power, and what it is multiplied by."""
    named = [name for name in (*UNITS, POWER) if name in source.columns]
    if not named:
        raise DataError(missing_column(source, " or ".join((*UNITS, POWER)), "energy_kwh"))
    if len(named) > 1:
        what = f"several columns of energy: {', '.join(named)}"
        raise DataError(Finding(where=source.label, what=what, remedy="keep one of them"))
    return named[0], UNITS.get(named[0], 1.0)


def _meters(
    con: duckdb.DuckDBPyConnection, energy: str, label: str, *, of_utc: bool
) -> tuple[Meter, ...]:
    """Return the meters of the loaded table, each sorted by time."""
    con.execute(
        "CREATE TABLE meter AS SELECT site, machine_type, rack, machine, "
        "CASE WHEN boundary <> '' THEN boundary WHEN site <> '' THEN 'facility' ELSE 'it' END "
        "AS boundary, CASE WHEN machines = 0 AND machine <> '' THEN 1 ELSE machines END "
        f"AS machines, from_ms, until_ms, {energy} AS energy_j FROM raw_meter"
    )
    keys = "site, machine_type, rack, machine, boundary, machines"
    found = con.execute(f"SELECT {keys}, count(*) FROM meter GROUP BY {keys} ORDER BY {keys}")
    groups = found.fetchall()
    con.execute(f"CREATE TABLE by_time AS SELECT * FROM meter ORDER BY {keys}, from_ms")
    columns = {
        name: fetch(con, "by_time", name, kind)
        for name, kind in (("from_ms", "int64"), ("until_ms", "int64"), ("energy_j", "float64"))
    }
    meters, first = [], 0
    for *place, rows in groups:
        own = {name: column[first : first + int(rows)] for name, column in columns.items()}
        names = (str(text) for text in place[:5])
        point = MeterPoint(**dict(zip(PLACES, names, strict=True)), machines=int(place[5]))
        meters.append(Meter(point=point, of_utc=of_utc, **own))
        first += int(rows)
    _check_readings(meters, label)
    return tuple(meters)


def _check_readings(meters: list[Meter], label: str) -> None:
    """Raise DataError where readings of one meter overlap or only rise, each such meter named."""
    findings = []
    for meter in meters:
        overlaps = int(np.count_nonzero(meter.from_ms[1:] < meter.until_ms[:-1]))
        if overlaps:
            what = f"{overlaps:,} readings of {meter.point.label} overlap the one before"
            remedy = "energy would count twice: tell meters apart by rack or machine"
            findings.append(Finding(where=label, what=what, remedy=remedy))
        rise = np.diff(meter.energy_j)
        if len(rise) >= COUNTER_MIN and rise.min() >= 0 and rise.any():
            what = f"readings of {meter.point.label} only rise, as those of a counter do"
            remedy = "give what each step adds"
            findings.append(Finding(where=label, what=what, remedy=remedy))
    if findings:
        raise DataError(*findings)
