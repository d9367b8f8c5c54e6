"""Columns out of duckdb and into the nouns: text without objects, arrays that cannot change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from greensched.errors import plural
from greensched.model import Int32Array, IntArray, JobClass, Jobs

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

    from greensched.readers.loading import Bad

CHUNK_ROWS = 1_000_000

# The columns of a table of jobs, in the units of `Jobs`; `id` and `class` come beside them.
JOB_COLUMNS: dict[str, str] = {
    "submit_ms": "int64",
    "duration_ms": "int64",
    "cpu_m": "int32",
    "memory_mib": "int32",
    "gpu_m": "int32",
    "tasks": "int32",
    "estimate_ms": "int64",
    "deadline_ms": "int64",
}
JOB_DEFAULTS: dict[str, int] = {
    "memory_mib": 0,
    "gpu_m": 0,
    "tasks": 1,
    "estimate_ms": -1,
    "deadline_ms": -1,
}


class TextColumn(Sequence[str]):
    """Many short texts as one array of UTF-8 bytes and the offsets at which each begins."""

    __slots__ = ("blob", "offsets")

    def __init__(self, blob: NDArray[np.uint8], offsets: IntArray) -> None:
        """Take the bytes and the `n + 1` offsets of `n` texts."""
        self.blob, self.offsets = blob, offsets

    @classmethod
    def of(cls, texts: Sequence[str]) -> TextColumn:
        """Return the column that holds `texts`."""
        encoded = [t.encode() for t in texts]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(e) for e in encoded], out=offsets[1:])
        return cls(frozen(np.frombuffer(b"".join(encoded), np.uint8)), frozen(offsets))

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """Return one text, or a list of them for a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = index + len(self) if index < 0 else index
        if not 0 <= i < len(self):
            raise IndexError(index)
        return bytes(self.blob[self.offsets[i] : self.offsets[i + 1]]).decode()

    def __iter__(self) -> Iterator[str]:
        """Return the texts in order."""
        for first in range(0, len(self), CHUNK_ROWS):
            edges = self.offsets[first : first + CHUNK_ROWS + 1].tolist()
            text = bytes(self.blob[edges[0] : edges[-1]])
            for a, b in pairwise(edges):
                yield text[a - edges[0] : b - edges[0]].decode()


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return `array`, made read-only."""
    array.flags.writeable = False
    return array


def fetch(con: duckdb.DuckDBPyConnection, table: str, column: str, kind: str) -> NDArray[Any]:
    """Return one numeric column of `table`, in its stored order, read-only."""
    rows = con.execute(f"SELECT {column} AS x FROM {table}").fetchnumpy()["x"]
    masked: Any = np.ma  # typed by some releases of numpy only
    assert not masked.isMaskedArray(rows) or not masked.getmaskarray(rows).any()
    return frozen(np.ascontiguousarray(masked.getdata(rows), dtype=kind))


def fetch_text(con: duckdb.DuckDBPyConnection, table: str, column: str) -> TextColumn:
    """Return one text column of `table` in its stored order, a million rows at a time."""
    (rows,) = con.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
    blobs, lengths = [], [np.zeros(1, np.int64)]
    for first in range(0, int(rows), CHUNK_ROWS):
        texts = con.execute(
            f"SELECT {column} AS x FROM {table} WHERE rowid >= {first} "
            f"AND rowid < {first + CHUNK_ROWS} ORDER BY rowid"
        ).fetchnumpy()["x"]
        encoded = [t.encode() for t in texts]
        blobs.append(np.frombuffer(b"".join(encoded), np.uint8))
        lengths.append(np.fromiter(map(len, encoded), np.int64, len(encoded)))
    blob = np.concatenate(blobs) if blobs else np.empty(0, np.uint8)
    return TextColumn(frozen(blob), frozen(np.cumsum(np.concatenate(lengths))))


def drop_duplicates(
    con: duckdb.DuckDBPyConnection, table: str, keys: str, bad: Bad, what: str
) -> list[str]:
    """Keep one of rows that are equal in all; note as bad those equal only in `keys`.

    Returns what was kept once, in words. `keys` are SQL column names, comma-separated.
    """
    con.execute(
        f"CREATE OR REPLACE TABLE twice AS SELECT {keys}, count(*) AS n FROM {table} "
        f"GROUP BY {keys} HAVING count(*) > 1"
    )
    (any_twice,) = con.execute("SELECT count(*) FROM twice").fetchone() or (0,)
    if not any_twice:
        return []
    named = [str(r[0]) for r in con.execute(f"DESCRIBE {table}").fetchall()]
    content = ", ".join(f'"{n}"' for n in named if n not in ("_row", "_bad", "_cell"))
    con.execute(
        f"CREATE OR REPLACE TABLE again AS SELECT _row, row_number() OVER (PARTITION BY "
        f"{content} ORDER BY _row) AS copy FROM {table} SEMI JOIN twice USING ({keys})"
    )
    con.execute(f"DELETE FROM {table} WHERE _row IN (SELECT _row FROM again WHERE copy > 1)")
    count, first = con.execute(
        "SELECT count(*), min(_row) FROM again WHERE copy > 1"
    ).fetchone() or (0, 0)
    con.execute(
        f"CREATE OR REPLACE TABLE clash AS SELECT _row FROM {table} WHERE ({keys}) IN "
        f"(SELECT ({keys}) FROM {table} GROUP BY {keys} HAVING count(*) > 1)"
    )
    clashes, clash = con.execute("SELECT count(*), min(_row) FROM clash").fetchone() or (0, 0)
    if clashes:
        shown = con.execute(
            f"SELECT concat_ws(', ', {keys}) FROM {table} WHERE _row = {clash}"
        ).fetchone() or ("",)
        row = bad.in_file(int(clash))
        bad.add(f"{what} given again with other values", int(clashes), row, str(shown[0]))
        con.execute(f"DELETE FROM {table} WHERE _row IN (SELECT _row FROM clash)")
    if not count:
        return []
    copies = "1 exact copy" if count == 1 else f"{count:,} exact copies"
    return [f"{bad.label}: {copies} of a row dropped, the first row {bad.in_file(first):,}"]


def out_of_order(
    con: duckdb.DuckDBPyConnection, table: str, key: str, bad: Bad, *, within: str = ""
) -> list[str]:
    """Return, in words, how many rows come before their predecessor in `key`; empty for none.

    `within`: the predecessor of the same value of this column.
    """
    own = f"PARTITION BY {within} " if within else ""
    row = con.execute(
        f"SELECT count(*), min(_row) FROM (SELECT _row, {key} AS k, "
        f"lag({key}) OVER ({own}ORDER BY _row) AS p FROM {table}) WHERE k < p"
    ).fetchone() or (0, 0)
    if not row[0]:
        return []
    rows = plural(int(row[0]), "row")
    first = bad.in_file(int(row[1]))
    return [f"{bad.label}: {rows} out of order, sorted; the first row {first:,}"]


def jobs_from(
    con: duckdb.DuckDBPyConnection,
    table: str,
    *,
    zero_ms: int = 0,
    classes: tuple[JobClass, ...] = (JobClass(),),
    id_column: str = "",
) -> Jobs:
    """Return the jobs of `table`, sorted by submit and stable id, times less `zero_ms`.

    `table` has `submit_ms`, `duration_ms` and `cpu_m`; other columns of JOB_COLUMNS and
    `class_row` (row of `classes`) where it can. It is dropped, to free its memory.
    """
    there = {str(r[0]) for r in con.execute(f"DESCRIBE {table}").fetchall()}
    order = f"submit_ms, {id_column}, _row" if id_column else "submit_ms, _row"
    wanted = [*JOB_COLUMNS, "class_row", *([id_column] if id_column else [])]
    picks = ", ".join(n for n in wanted if n in there)
    con.execute(f"CREATE OR REPLACE TABLE sorted AS SELECT {picks} FROM {table} ORDER BY {order}")
    con.execute(f"DROP TABLE {table}")
    columns: dict[str, Any] = {}
    for name, kind in JOB_COLUMNS.items():
        sql = name if name in there else str(JOB_DEFAULTS[name])
        if name == "submit_ms":
            sql = f"{sql} - {zero_ms}"
        if name == "deadline_ms":
            sql = f"CASE WHEN {sql} = -1 THEN -1 ELSE {sql} - {zero_ms} END"
        columns[name] = fetch(con, "sorted", sql, kind)
    row = "class_row" if "class_row" in there else "0"
    job_class: Int32Array = fetch(con, "sorted", row, "int32")
    jobs = Jobs(job_class=job_class, classes=classes, **columns)
    if id_column:
        jobs = replace(jobs, ids=fetch_text(con, "sorted", id_column))
    con.execute("DROP TABLE sorted")
    return jobs
