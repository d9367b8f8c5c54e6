"""Files by the hour: what PV made, what a contract delivered, how warm it was outside.

One time column (`time_utc`, or `time` with an offset in every row) and the column that is asked
for. Every hour of a year has one row; what is missing is told, never filled.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.carbon import iso
from greensched.errors import DataError, Finding
from greensched.readers.books.rows import Column, Row, raise_all, read_rows
from greensched.units import MS_PER_H, MS_PER_S

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import FloatArray

TIMES: Final = ("time_utc", "time")


def read_hours(path: Path, column: str, start_ms: int, hours: int) -> tuple[FloatArray, str]:
    """Return `column` of `hours` hours from `start_ms` [ms since 1970] on, and the SHA-256.

    float64[hours]. Rows of other years are passed over. Raises DataError for times that state no
    offset or begin no hour, hours without a row or with two.
    """
    times = tuple(Column(name=name, is_needed=False) for name in TIMES)
    rows, sha256 = read_rows(path, (*times, Column(name=column, kind="number")))
    found: list[Finding] = []
    values = np.full(hours, np.nan)
    for row in rows:
        try:
            at = _hour(row, start_ms)
        except ValueError as error:
            found.append(Finding(where=row.where, what=str(error)))
            continue
        if 0 <= at < hours:
            if not np.isnan(values[at]):
                found.append(Finding(where=row.where, what="a second row of this hour"))
            values[at] = float(row.numbers[column])
    raise_all(path.name, found)
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        first = iso(start_ms + int(missing[0]) * MS_PER_H)
        what = f"no row for {len(missing):,} of {hours:,} hours, the first {first}"
        raise DataError(Finding(where=path.name, what=what, remedy="give every hour a row"))
    return values, sha256


def _hour(row: Row, start_ms: int) -> int:
    """Return the hour of the year that a row is of; raises ValueError."""
    texts = [row.text(name) for name in TIMES]
    if not any(texts):
        raise ValueError("no time: give time_utc, or time with its offset")
    time = datetime.fromisoformat(texts[0] or texts[1])
    if time.tzinfo is None:
        if not texts[0]:
            raise ValueError(f"{texts[1]!r} states no offset: write +08:00, or call it time_utc")
        time = time.replace(tzinfo=UTC)
    passed_ms = round(time.timestamp() * MS_PER_S) - start_ms
    if passed_ms % MS_PER_H:
        raise ValueError(f"{texts[0] or texts[1]!r} does not begin an hour of the year")
    return passed_ms // MS_PER_H
