"""From a cell of a file to a typed value in SQL, with every way in which it can be bad.

A `Cell` says what a column should hold; `expressions` gives the SQL that reads it and the checks
that find a bad one. Numbers are finite, times become milliseconds, identifiers stay text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from greensched.errors import DataError, Finding
from greensched.readers.source import missing_column, quote
from greensched.units import MS_PER_DAY

if TYPE_CHECKING:
    from greensched.readers.options import ReadOptions
    from greensched.readers.source import Source

NAME_BYTES_MAX = 253  # as Kubernetes names
INT32_MAX = 2**31 - 1
NUMERIC = frozenset(
    (
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "FLOAT",
        "DOUBLE",
    )
)
TIME_MAX_MS = 253_402_300_800_000  # the year 10000
DURATION_MAX_MS = 100 * 366 * MS_PER_DAY

DROP = "drop them with --on-bad=drop (counted in the report)"
STAMP_MIN_MS = -62_135_510_400_000  # 2 January of year 1, so that any zone's time is a date
STAMP_MAX_MS = TIME_MAX_MS - MS_PER_DAY
OFFSET_PATTERN = r"(Z|z|[+-](?:(?:0\d|1[0-7])(?::?[0-5]\d)?|18(?::?00)?))"
CLOCK_PATTERN = r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
STAMP_PATTERN = rf"\d{{4}}[-/]\d\d[-/]\d\d(?:[ T]{CLOCK_PATTERN}(?: ?{OFFSET_PATTERN})?)?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one column of a file holds and what it becomes.

    `column` is the file's column, None where it has none; `empty` is the SQL value of an empty
    or absent cell, None where a value is required. Numbers are multiplied by `factor`.
    """

    name: str
    column: str | None
    kind: Literal["text", "number", "time", "flag"] = "number"
    factor: float = 1.0
    empty: str | None = None
    low: float = 0.0
    high: float = INT32_MAX
    is_integer: bool = True  # round to the nearest
    whole: bool = False  # a count: one that is not whole is bad
    kept: bool = False  # one above 0 that would become 0 is bad
    tick: bool = False  # a positive value below 1 becomes 1
    of_utc: bool = False  # kind time: text such as 2023-03-06T00:00Z rather than a number


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A condition in SQL that makes a row bad, what to say then, and the cell to show."""

    when: str
    what: str
    shows: str = "NULL"  # SQL text
    remedy: str = DROP


def cell_of(source: Source, name: str, options: ReadOptions, **about: Any) -> Cell:
    """Return the cell of `name`; raise DataError where a required column is not there."""
    column: str | None = options.columns.get(name, name)
    if column not in source.columns:
        if name in options.columns or about.get("empty") is None:
            raise DataError(missing_column(source, str(column), name))
        column = None
    return Cell(name=name, column=column, **about)


def raw(cell: Cell, source: Source) -> str:
    """Return the SQL of the cell as text (or as it is, for typed numbers); NULL when empty.

    Raises DataError for a name that the file holds as a floating-point number.
    """
    if cell.column is None:
        return "CAST(NULL AS VARCHAR)"
    name = quote(cell.column)
    kind = source.columns[cell.column]
    if cell.kind == "text" and kind in ("DOUBLE", "FLOAT"):
        what = f"{cell.column} is a floating-point number; names and ids are text or whole"
        raise DataError(Finding(where=source.label, what=what))
    if cell.kind in ("number", "time") and not cell.of_utc and kind in NUMERIC:
        return name
    if kind == "VARCHAR":
        return f"nullif(trim({name}), '')" if cell.kind != "text" else f"nullif({name}, '')"
    if cell.kind == "time" and cell.of_utc:
        zoned = " || 'Z'" if "TIME ZONE" in kind else ""
        stamp = f"make_timestamp(epoch_us({name}))" if zoned else f"CAST({name} AS TIMESTAMP)"
        return f"strftime({stamp}, '%Y-%m-%dT%H:%M:%S.%f'){zoned}"
    return f"CAST({name} AS VARCHAR)"


def value(cell: Cell, source: Source) -> str:
    """Return the SQL of the typed value, over the text column `t_<name>`; NULL when bad."""
    text = quote("t_" + cell.name)
    if cell.kind == "text":
        return text
    if cell.kind == "flag":
        return (
            f"CASE lower({text}) WHEN 'true' THEN true WHEN '1' THEN true "
            "WHEN 'false' THEN false WHEN '0' THEN false END"
        )
    if cell.kind == "time" and cell.of_utc:
        # The whole cell must match: duckdb ignores what follows a time, such as PM or a zone.
        offset = f"regexp_extract({text}, '^{STAMP_PATTERN}$', 1)"
        stamp = f"TRY_CAST(left({text}, length({text}) - length({offset})) AS TIMESTAMP)"
        stamp_ms = f"CAST(epoch_ms({stamp}) AS DOUBLE)"
        return (
            f"CASE WHEN regexp_full_match({text}, '{STAMP_PATTERN}') "
            f"AND {stamp_ms} BETWEEN {STAMP_MIN_MS} AND {STAMP_MAX_MS} THEN {stamp_ms} END"
        )
    if cell.column is not None and source.columns[cell.column] in NUMERIC:
        return f"CAST({text} AS DOUBLE) * {cell.factor!r}"
    number = f"CASE WHEN contains({text}, '_') THEN NULL ELSE TRY_CAST({text} AS DOUBLE) END"
    return number if cell.factor == 1.0 else f"({number}) * {cell.factor!r}"


def offset_ms(cell: Cell) -> str:
    """Return the SQL of the offset from UTC [ms] that a timestamp states; NULL: none stated."""
    stated = f"regexp_extract({quote('t_' + cell.name)}, '^{STAMP_PATTERN}$', 1)"
    digits = f"replace(substr({stated}, 2), ':', '')"
    minutes = (
        f"TRY_CAST(left({digits}, 2) AS INTEGER) * 60 + "
        f"coalesce(TRY_CAST(nullif(substr({digits}, 3, 2), '') AS INTEGER), 0)"
    )
    return (
        f"CASE WHEN {stated} = '' THEN NULL WHEN lower({stated}) = 'z' THEN 0 "
        f"WHEN left({stated}, 1) = '-' THEN -({minutes}) * 60000 ELSE ({minutes}) * 60000 END"
    )


def final(cell: Cell) -> str:
    """Return the SQL of the value as it is stored, over `v_<name>`."""
    column = quote("v_" + cell.name)
    if cell.kind in ("text", "flag"):
        result = column
    elif cell.is_integer:
        # What is out of range is found by its check; here it must not overflow what is derived.
        inside = f"{column} BETWEEN {cell.low!r} AND {float(cell.high)!r}"
        limit = f"CASE WHEN {inside} THEN {column} END"
        result = f"TRY_CAST(round_even({limit}, 0) AS BIGINT)"
        if cell.tick:
            result = f"CASE WHEN {column} > 0 AND {column} < 1 THEN 1 ELSE {result} END"
    else:
        result = column
    if cell.empty is None:
        return result
    return f"CASE WHEN {quote('t_' + cell.name)} IS NULL THEN {cell.empty} ELSE {result} END"


def checks(cell: Cell, *, has_zone: bool) -> list[Check]:
    """Return what can be wrong with the cell, first things first."""
    text, column = quote("t_" + cell.name), quote("v_" + cell.name)
    called = cell.column or cell.name
    found: list[Check] = []
    if cell.empty is None:
        found.append(Check(when=f"{text} IS NULL", what=f"{called}: empty"))
    if cell.kind == "text":
        what = f"{called}: a name longer than {NAME_BYTES_MAX} bytes"
        found.append(
            Check(when=f"strlen({text}) > {NAME_BYTES_MAX}", what=what, shows=f"left({text}, 20)")
        )
        return found
    unread = f"{text} IS NOT NULL AND {column} IS NULL"
    if cell.kind == "flag":
        return [*found, Check(when=unread, what=f"{called}: neither true nor false", shows=text)]
    if cell.kind == "time" and cell.of_utc:
        what = f"{called}: text where a timestamp belongs"
        unread = f"{text} IS NOT NULL AND {quote('u_' + cell.name)}"
        found.append(Check(when=unread, what=what, shows=text))
        return [*found, *_zone_checks(cell, has_zone=has_zone)]
    shown = f"CAST({text} AS VARCHAR)"
    what = f"{called}: text where a number belongs"
    found.append(Check(when=unread, what=what, shows=shown))
    what = f"{called}: not a finite number"
    found.append(Check(when=f"NOT isfinite({column})", what=what, shows=shown))
    if cell.whole:
        what = f"{called}: not a whole number"
        found.append(Check(when=f"{column} <> round({column}, 0)", what=what, shows=shown))
    if cell.kept:
        what = f"{called}: above 0, but nothing when rounded"
        when = f"{column} > 0 AND round_even({column}, 0) = 0"
        found.append(Check(when=when, what=what, shows=shown))
    if cell.low == 0.0:
        found.append(Check(when=f"{column} < 0", what=f"{called}: negative", shows=shown))
    else:
        low = f"{called}: below {cell.low / cell.factor:,.16g}"
        found.append(Check(when=f"{column} < {cell.low!r}", what=low, shows=shown))
    what = f"{called}: larger than {cell.high / cell.factor:,.16g}, the most that is held"
    found.append(Check(when=f"{column} > {cell.high!r}", what=what, shows=shown))
    return found


def _zone_checks(cell: Cell, *, has_zone: bool) -> list[Check]:
    text = quote("t_" + cell.name)
    called = cell.column or cell.name
    offset, state = quote("o_" + cell.name), quote("z_" + cell.name)
    if not has_zone:
        return [
            Check(
                when=f"{text} IS NOT NULL AND {offset} IS NULL",
                what=f"{called}: a time without a zone",
                shows=text,
                remedy="say which with --time-zone, for example UTC or Asia/Shanghai",
            )
        ]
    return [
        Check(
            when=f"{offset} IS NULL AND {state} = {code}",
            what=f"{called}: a local time that {word} when clocks change",
            shows=text,
            remedy="write times with their offset, or " + DROP,
        )
        for code, word in ((1, "does not exist"), (2, "occurs twice"))
    ]
