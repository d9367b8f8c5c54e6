"""Many files of carbon intensity at once: the same rows as `file_rows`, ten times as fast.

A file in which anything is out of the ordinary is not read here at all: `bulk` returns None and
its rows are read one by one, where every bad cell is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.providers.file_rows import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from greensched.model import FloatArray, IntArray
    from greensched.providers.file_layout import Layout


def bulk(
    files: Sequence[Path], header: Sequence[str], layout: Layout, *, naive_is_utc: bool
) -> list[tuple[IntArray, dict[str, FloatArray]]] | None:
    """Return for each file its times [ms UTC] and the values [g/kWh] by column, NaN where blank.

    All `files` have the columns `header` and name no zone in their rows. None where a row is not
    as it should be.
    """
    import duckdb

    columns = [layout.value_column] if layout.value_column else list(layout.zone_columns)
    parquet = files[0].suffix == ".parquet"
    time = _parquet_time(layout) if parquet else _csv_time(layout, naive_is_utc=naive_is_utc)
    cells = ", ".join(
        f"{_number(c)} AS v{i}, {_blank(c, parquet=parquet)} AS b{i}"
        for i, c in enumerate(columns)
    )
    names = [str(file) for file in files]
    with duckdb.connect(":memory:") as con:
        try:
            source = _source(header, parquet=parquet)
            kinds = con.execute(f"DESCRIBE SELECT * FROM {source}", [names[:1]]).fetchall()
            kind = {row[0]: row[1] for row in kinds}[layout.time_column]
            if parquet and not (
                kind == "TIMESTAMP WITH TIME ZONE"
                or (kind.startswith("TIMESTAMP") and naive_is_utc)
            ):
                return None
            asked = f"SELECT {time} AS t, hash(filename) AS file, {cells} FROM {source}"
            found = con.execute(asked, [names]).fetchnumpy()
            marks = con.execute("SELECT hash(unnest(?))", [names]).fetchnumpy()
        except duckdb.Error:
            return None
    return _split(found, np.asarray(next(iter(marks.values()))), columns)


def _source(header: Sequence[str], *, parquet: bool) -> str:
    if parquet:
        return "read_parquet(?, filename=true)"
    typed = ", ".join(f"'{c.replace(chr(39), chr(39) * 2)}': 'VARCHAR'" for c in header)
    return (
        "read_csv(?, filename=true, header=true, delim=',', quote='\"', strict_mode=true, "
        f"auto_detect=false, columns={{{typed}}})"
    )


def _parquet_time(layout: Layout) -> str:
    return f"epoch_ms({quoted(layout.time_column)})"


def _csv_time(layout: Layout, *, naive_is_utc: bool) -> str:
    """Return the expression of a time: a sign or Z behind the date makes it one with an offset.

    Without that look the database would drop the offset of a text and take the rest for UTC.
    """
    text = quoted(layout.time_column)
    clock = f"substring({text}, 11)"
    aware = f"contains({clock}, '+') OR contains({clock}, '-') OR contains({clock}, 'Z')"
    naive = f"epoch_ms(try_cast({text} AS TIMESTAMP))" if naive_is_utc else "NULL"
    return f"CASE WHEN {aware} THEN epoch_ms(try_cast({text} AS TIMESTAMPTZ)) ELSE {naive} END"


def _number(column: str) -> str:
    name = quoted(column)
    return f"try_cast({name} AS DOUBLE)"


def _blank(column: str, *, parquet: bool) -> str:
    name = quoted(column)
    return f"{name} IS NULL" if parquet else f"({name} IS NULL OR trim({name}) = '')"


def _split(
    found: Mapping[str, Any], marks: np.ndarray, columns: Sequence[str]
) -> list[tuple[IntArray, dict[str, FloatArray]]] | None:
    """Return the rows of each file, None where one is not as it should be."""
    times = found["t"]
    if np.ma.is_masked(times) or not len(times):
        return None
    values = []
    for i in range(len(columns)):
        column, blank = found[f"v{i}"], np.asarray(found[f"b{i}"], np.bool_)
        unread = column.mask if np.ma.is_masked(column) else np.zeros(len(blank), np.bool_)
        if bool(np.any(unread != blank)):
            return None
        filled = np.ma.filled(column.astype(np.float64), np.nan)
        if not np.isfinite(filled[~blank]).all():
            return None
        values.append(filled)
    file = np.asarray(found["file"])
    starts = np.flatnonzero(np.concatenate(([True], file[1:] != file[:-1])))
    if len(starts) != len(marks) or bool(np.any(file[starts] != marks)):
        return None
    ends = np.append(starts[1:], len(file))
    at = np.asarray(times, np.int64)
    return [
        (at[a:b], {c: v[a:b] for c, v in zip(columns, values, strict=True)})
        for a, b in zip(starts, ends, strict=True)
    ]
