"""Which column holds a time, in which unit, and where trace time zero is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from greensched.errors import DataError, Finding, UsageError
from greensched.readers.cells import DURATION_MAX_MS, TIME_MAX_MS, Cell
from greensched.readers.options import MS_PER_UNIT
from greensched.readers.source import missing_column, quote
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from greensched.readers.options import ReadOptions
    from greensched.readers.source import Source

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso_utc(epoch_ms: int) -> str:
    """Return the instant as ISO 8601 in UTC, such as 2023-03-06T00:00:00Z."""
    instant = _EPOCH + timedelta(milliseconds=epoch_ms)
    timespec = "seconds" if epoch_ms % MS_PER_S == 0 else "milliseconds"
    return instant.isoformat(timespec=timespec).replace("+00:00", "Z")


def epoch_ms(text: str, where: str) -> int:
    """Return the Unix time [ms] of an ISO 8601 instant with its offset; raise UsageError."""
    remedy = "write it like 2023-03-06T00:00:00Z"
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            Finding(where=where, what=f"{text!r} is no ISO 8601 time", remedy=remedy)
        ) from error
    if instant.tzinfo is None:
        what = f"{text!r} has no offset from UTC"
        raise UsageError(Finding(where=where, what=what, remedy="write it with Z or +08:00"))
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def stated_zero_utc(options: ReadOptions) -> str:
    """Return the instant that the user says trace zero is, in UTC; empty where none is said."""
    return iso_utc(epoch_ms(options.zero_utc, "--zero-utc")) if options.zero_utc else ""


def time_cell(
    source: Source,
    name: str,
    options: ReadOptions,
    *,
    empty: str | None = None,
    duration: bool = False,
) -> Cell:
    """Return the cell of the time or duration `name` (as in the schema, without unit).

    Taken is the first of: a column mapped to `name` or to `name_s`, `name_ms`, ..; a column of
    one of these names. A name without a unit needs `--time-unit`, or holds timestamps.
    Raises DataError where there is none and `empty` is None, or its unit is not known.
    """
    column, unit = _find(source, name, options)
    low, high = (
        (0.0, float(DURATION_MAX_MS)) if duration else (float(-TIME_MAX_MS), float(TIME_MAX_MS))
    )
    out = f"{name}_ms"
    if column is None and empty is None:
        raise DataError(missing_column(source, f"{name}_s", f"{name}_s"))
    of_utc = False
    if column is not None and not unit:
        of_utc = not duration and _holds_stamps(source, column)
        unit = options.time_unit
        if not of_utc and not unit:
            raise DataError(
                Finding(
                    where=source.label,
                    what=f"the unit of '{column}' is not told by its name",
                    remedy="say it with --time-unit ms|s|min|h; it is never guessed",
                )
            )
    return Cell(
        name=out,
        column=column,
        kind="time",
        factor=float(MS_PER_UNIT[unit]) if unit and not of_utc else 1.0,
        empty=empty,
        low=low,
        high=high,
        tick=duration,
        of_utc=of_utc,
    )


def _find(source: Source, name: str, options: ReadOptions) -> tuple[str | None, str]:
    """Return the column of `name` in the file and its unit ("" where no name tells it)."""
    spelled = {name: "", **{f"{name}_{u}": u for u in MS_PER_UNIT}}
    mapped = [n for n in spelled if n in options.columns]
    found = mapped or [n for n in spelled if n in source.columns]
    if not found:
        return None, ""
    if len(found) > 1:
        what = f"'{name}' is given twice: {' and '.join(found)}"
        remedy = f"say which holds with --map {found[0]}=COLUMN"
        if mapped:
            remedy = "give one --map"
        raise DataError(Finding(where=source.label, what=what, remedy=remedy))
    written = found[0]
    column = options.columns.get(written, written)
    if column not in source.columns:
        raise DataError(missing_column(source, column, written))
    unit, told = spelled[written], _suffix(column)
    if unit and told and unit != told:
        what = f"--map {written}={column}: one name says {unit}, the other {told}"
        remedy = f"map '{name}', which takes the column's own unit"
        raise DataError(Finding(where=source.label, what=what, remedy=remedy))
    return column, unit or told


def _suffix(column: str) -> str:
    last = column.rsplit("_", 1)[-1]
    return last if "_" in column and last in MS_PER_UNIT else ""


def _holds_stamps(source: Source, column: str) -> bool:
    """Return whether `column` holds calendar times rather than numbers, by its first cell."""
    if not source.is_text and source.columns[column] != "VARCHAR":
        return source.columns[column].startswith(("TIMESTAMP", "DATE"))
    row = source.con.execute(
        f"SELECT {quote(column)} FROM {source.sql} "
        f"WHERE nullif(trim({quote(column)}), '') IS NOT NULL LIMIT 1"
    ).fetchone()
    text = str(row[0]) if row else ""
    try:
        float(text)
    except ValueError:
        return any(c.isdigit() for c in text) and any(c in text for c in "-:/T")
    return False
