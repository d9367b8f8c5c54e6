"""Prices of electricity over time: one time column and `price`, in steps of one length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import DataError, Finding
from greensched.readers.cells import cell_of
from greensched.readers.columns import fetch
from greensched.readers.files import checksum
from greensched.readers.loading import load
from greensched.readers.options import ReadOptions
from greensched.readers.source import connect, missing_column, opened
from greensched.readers.timing import iso_utc, time_cell
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import FloatArray, IntArray

PRICE_MAX: Final = 1e6
TIMES: Final = ("time_utc", "time")


def read_prices(path: Path, time_zone: str = "") -> tuple[IntArray, FloatArray, str]:
    """Return edges [ms since 1970], prices [as in the file] and the SHA-256.

    Prices may be below zero, as on an exchange. Raises DataError with all that is wrong: rows,
    times that do not rise in equal steps (a gap is told, never filled).
    """
    with connect() as con, opened(con, path) as source:
        named = next((name for name in TIMES if name in source.columns), None)
        if named is None:
            raise DataError(missing_column(source, "time_utc", "time_utc"))
        options = ReadOptions(time_zone="UTC" if named == "time_utc" else time_zone)
        time = time_cell(source, named, options)
        if not time.of_utc:
            what = f"{named} holds no timestamps"
            raise DataError(Finding(where=source.label, what=what))
        price = cell_of(source, "price", options, is_integer=False, low=-PRICE_MAX, high=PRICE_MAX)
        load(source, "raw_prices", [time, price], options).settle(options)
        con.execute(f"CREATE TABLE sorted AS SELECT * FROM raw_prices ORDER BY {named}_ms")
        times = fetch(con, "sorted", f"{named}_ms", "int64")
        values = fetch(con, "sorted", "price", "float64")
        label = source.label
    return _edges(times, label), values, checksum([path])


def _edges(times: IntArray, label: str) -> IntArray:
    """Return the edges of steps that begin at `times`; raises DataError where they differ."""
    steps = np.diff(times)
    if not len(steps):
        step = MS_PER_H
    else:
        step = int(np.median(steps))
        wrong = np.flatnonzero(steps != step)
        if len(wrong):
            after = iso_utc(int(times[wrong[0]]))
            what = (
                f"{len(wrong):,} steps are not of {step / 60_000:g} min, the first after {after}"
            )
            remedy = "give every step one row"
            raise DataError(Finding(where=label, what=what, remedy=remedy))
    return np.append(times, times[-1] + step)
