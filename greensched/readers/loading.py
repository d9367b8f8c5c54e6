"""Load one file into a typed table of duckdb; find, count, refuse or drop its bad rows.

All bad rows of a file are reported together: one finding a class, with the first row and how
many. `--on-bad=drop` keeps the rest and says in the trace what was dropped.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb

from greensched.errors import DataError, Finding
from greensched.readers.cells import (
    DROP,
    Cell,
    Check,
    checks,
    final,
    offset_ms,
    raw,
    value,
)
from greensched.readers.source import file_row, forget_rejected, quote, rejected
from greensched.readers.zones import QUARTER_MS, zone_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from greensched.readers.options import ReadOptions
    from greensched.readers.source import Source

LEAST_PERCENT = 0.01  # a share below it is not told as 0


@contextmanager
def gathered(errors: list[Finding | str]) -> Iterator[None]:
    """Add what a DataError in the block tells to `errors`, so that one error tells all."""
    try:
        yield
    except DataError as error:
        errors += error.findings


@dataclass(slots=True, kw_only=True)
class Bad:
    """The classes of bad rows of one file, as they are found."""

    label: str
    rows: int = 0  # of the file, good and bad
    malformed: int = 0  # rows that are no rows of this table at all
    classes: list[tuple[str, int, int, str, str]] = field(default_factory=list)
    # (what, rows, first row, its cell, remedy)
    source: Source | None = None  # None: rows are numbered as they stand in the file

    def in_file(self, row: int) -> int:
        """Return the data row in the file of parsed row `row`, while the file is open."""
        return row if self.source is None else file_row(self.source, row)

    def add(self, what: str, count: int, first: int, cell: str = "", remedy: str = DROP) -> None:
        """Note a class of bad rows."""
        self.classes.append((what, count, first, cell, remedy))

    @property
    def count(self) -> int:
        """Return how many rows are bad."""
        return sum(c[1] for c in self.classes)

    def findings(self) -> list[Finding]:
        """Return one finding for each class, as an error shows it."""
        return [
            Finding(
                where=f"{self.label} row {first:,}",
                what=f"{what}{_shown(cell)} ({_counted(count, self.rows)})",
                remedy=remedy,
            )
            for what, count, first, cell, remedy in self.classes
        ]

    def settle(self, options: ReadOptions) -> list[str]:
        """Return what was dropped, in words; raise DataError unless dropping was asked for."""
        if not self.classes:
            return []
        if options.on_bad == "fail" or any(c[4].startswith("say which") for c in self.classes):
            raise DataError(*self.findings())
        if self.count >= self.rows:
            raise DataError(*self.findings(), Finding(where=self.label, what="no row is left"))
        return [
            f"{self.label}: {count:,} {'row' if count == 1 else 'rows'} dropped "
            f"({_percent(count, self.rows)}), the first row {first:,}: {what}"
            for what, count, first, _, _ in self.classes
        ]


def _shown(cell: str) -> str:
    return f" ({cell[:60]!r})" if cell else ""


def _percent(count: int, rows: int) -> str:
    percent = 100 * count / max(rows, 1)
    return f"{percent:.2f} %" if percent >= LEAST_PERCENT else f"< {LEAST_PERCENT:g} %"


def _counted(count: int, rows: int) -> str:
    return f"{count:,} such {'row' if count == 1 else 'rows'}, {_percent(count, rows)}"


def load(
    source: Source,
    table: str,
    cells: Sequence[Cell],
    options: ReadOptions,
    *,
    derived: Mapping[str, str] | None = None,
    extra: Sequence[Check] = (),
) -> Bad:
    """Fill `table` with `_row` and the typed columns of `cells` and `derived`; return the bad.

    `derived` and `extra` are SQL over the cells' names. Bad rows are not in the table.
    Raises DataError where the file cannot be scanned at all or has no rows.
    """
    stamps = [c for c in cells if c.kind == "time" and c.of_utc]
    if stamps and options.time_zone:
        _zone_table(source, stamps, options.time_zone)
    found = [k for c in cells for k in checks(c, has_zone=bool(options.time_zone))]
    found += [
        Check(when=f"coalesce({k.when}, false)", what=k.what, shows=k.shows, remedy=k.remedy)
        for k in extra
    ]
    sql = _query(source, cells, stamps, options, derived or {}, found)
    forget_rejected(source)
    try:
        source.con.execute(f"CREATE OR REPLACE TABLE {table} AS {sql}")
    except duckdb.Error as error:
        raise _unreadable(source, error) from error
    return _collect(source, table, found)


def _unreadable(source: Source, error: duckdb.Error) -> DataError:
    first = str(error).splitlines()[0].removeprefix("Invalid Input Error: ")
    return DataError(Finding(where=source.label, what=f"cannot be read: {first}"))


def _layers(source: Source, cells: Sequence[Cell], stamps: Sequence[Cell]) -> str:
    texts = ", ".join(f"{raw(c, source)} AS {quote('t_' + c.name)}" for c in cells)
    values = ", ".join(f"{value(c, source)} AS {quote('v_' + c.name)}" for c in cells)
    offsets = "".join(f", {offset_ms(c)} AS {quote('o_' + c.name)}" for c in stamps)
    return f"SELECT *, {values}{offsets} FROM (SELECT _row, {texts} FROM {source.sql})"


def _query(
    source: Source,
    cells: Sequence[Cell],
    stamps: Sequence[Cell],
    options: ReadOptions,
    derived: Mapping[str, str],
    found: Sequence[Check],
) -> str:
    joins, zoned, shifted = "", "", ""
    for i, cell in enumerate(stamps):
        v, o, z = (quote(p + cell.name) for p in ("v_", "o_", "z_"))
        shift = o
        shifted += f", {v} IS NULL AS {quote('u_' + cell.name)}"
        if options.time_zone:
            joins += f" LEFT JOIN zone AS z{i} ON z{i}.quarter = floor({v} / {QUARTER_MS})"
            zoned += f", z{i}.state AS {z}"
            shift = f"coalesce({o}, z{i}.offset_ms)"
        shifted += f", {v} - {shift} AS {v}"
    names = ", ".join(quote("v_" + c.name) for c in stamps)
    keep = f"* EXCLUDE ({names})" if stamps else "*"
    layers = f"SELECT {keep}{shifted}{zoned} FROM ({_layers(source, cells, stamps)}){joins}"
    finals = ", ".join(f"{final(c)} AS {quote(c.name)}" for c in cells)
    layers = f"SELECT *, {finals} FROM ({layers})"
    for name, sql in derived.items():
        layers = f"SELECT *, {sql} AS {quote(name)} FROM ({layers})"
    bad = " ".join(f"WHEN {k.when} THEN {i}" for i, k in enumerate(found))
    shows = " ".join(f"WHEN {i} THEN {k.shows}" for i, k in enumerate(found))
    columns = ", ".join(quote(n) for n in [*(c.name for c in cells), *derived])
    return (
        f"SELECT _row, _bad, CASE _bad {shows} END AS _cell, {columns} "
        f"FROM (SELECT *, CASE {bad} END AS _bad FROM ({layers}))"
    )


def _zone_table(source: Source, stamps: Sequence[Cell], zone: str) -> None:
    """Make the table of offsets for the local quarter-hours that occur in the file."""
    base = _layers(source, stamps, stamps)
    quarter = f"CAST(floor({{}} / {QUARTER_MS}) AS BIGINT)"
    parts = " UNION ".join(
        f"SELECT DISTINCT {quarter.format(quote('v_' + c.name))} FROM ({base})" for c in stamps
    )
    try:
        quarters = [int(r[0]) for r in source.con.execute(parts).fetchall() if r[0] is not None]
    except duckdb.Error as error:
        raise _unreadable(source, error) from error
    rows = zone_rows(zone, quarters)
    columns = [[r[i] for r in rows] for i in range(3)]
    source.con.execute(
        "CREATE OR REPLACE TABLE zone AS SELECT unnest(?::BIGINT[]) AS quarter, "
        "unnest(?::BIGINT[]) AS offset_ms, unnest(?::INTEGER[]) AS state",
        columns,
    )


def _collect(source: Source, table: str, found: Sequence[Check]) -> Bad:
    con = source.con
    bad = Bad(label=source.label, source=source)
    malformed = rejected(source)
    (good_or_bad,) = con.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
    bad.rows = int(good_or_bad) + sum(n for _, n, _ in malformed)
    if bad.rows == 0:
        raise DataError(Finding(where=source.label, what="no data rows"))
    bad.malformed = sum(n for _, n, _ in malformed)
    for what, count, first in malformed:
        bad.add(what, count, first)
    rows = con.execute(
        f"SELECT _bad, count(*), min(_row), arg_min(_cell, _row) FROM {table} "
        "WHERE _bad IS NOT NULL GROUP BY _bad ORDER BY _bad"
    ).fetchall()
    for code, count, first, cell in rows:
        check = found[int(code)]
        bad.add(check.what, int(count), bad.in_file(int(first)), str(cell or ""), check.remedy)
    if rows:
        con.execute(f"DELETE FROM {table} WHERE _bad IS NOT NULL")
    return bad
