"""Classes of jobs by what their trace tells of each: partition, QoS, owner, kind of name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greensched.model import JobClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

CLASSES_MAX: Final = 1_000


def numbered_classes(
    con: duckdb.DuckDBPyConnection, table: str, attributes: Sequence[str]
) -> tuple[JobClass, ...]:
    """Return a class for each combination of `attributes`, and number the jobs' `class_row`.

    Where there are more than 1,000, the last attributes are left out until there are not.
    """
    kept = list(attributes)
    while kept and _count(con, table, kept) > CLASSES_MAX:
        kept.pop()
    names = ", ".join(kept)
    if not kept:
        con.execute(f"ALTER TABLE {table} ADD COLUMN class_row INTEGER DEFAULT 0")
        return (JobClass(),)
    con.execute(
        f"CREATE OR REPLACE TABLE classes AS SELECT *, row_number() OVER (ORDER BY {names}) - 1 "
        f"AS class_row FROM (SELECT DISTINCT {names} FROM {table})"
    )
    con.execute(
        f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM {table} JOIN classes USING ({names})"
    )
    rows = con.execute(f"SELECT {names} FROM classes ORDER BY class_row").fetchall()
    return tuple(_class(dict(zip(kept, map(str, row), strict=True))) for row in rows)


def _count(con: duckdb.DuckDBPyConnection, table: str, names: Sequence[str]) -> int:
    (count,) = con.execute(
        f"SELECT count(*) FROM (SELECT DISTINCT {', '.join(names)} FROM {table})"
    ).fetchone() or (0,)
    return int(count)


def _class(values: dict[str, str]) -> JobClass:
    told = tuple((k, v) for k, v in values.items() if v)
    return JobClass(name="/".join(v for _, v in told) or "batch", attributes=told)
