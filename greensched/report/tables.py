"""Tables as text and on disk: Parquet by duckdb, CSV that no spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import errno
import io
import os
import re
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import DataError, Finding, escape_control

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pandas as pd

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
# What Markdown takes for its own marks in running text.
_MARKS: Final = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|#"})


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write `frame` as Parquet; the same frame gives the same bytes. Raises OSError.

    One thread, so that row groups do not depend on the machine.
    """
    import duckdb

    with duckdb.connect(config={"threads": 1}) as con:
        con.register("given", _plain(frame))
        try:
            con.execute("COPY given TO ? (FORMAT parquet, COMPRESSION zstd)", [str(path)])
        except duckdb.IOException as error:
            code = re.search(r'"errno":"(\d+)"', str(error))
            number = int(code[1]) if code else errno.EIO
            raise OSError(number, os.strerror(number), str(path)) from None


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` with text as objects, which duckdb reads without pyarrow."""
    import pandas as pd

    text = [c for c in frame.columns if isinstance(frame[c].dtype, pd.StringDtype)]
    return frame.astype(dict.fromkeys(text, object)) if text else frame


def read_parquet(path: Path) -> pd.DataFrame:
    """Return the table in a Parquet file; raises DataError where it is damaged or not there."""
    import duckdb

    if not path.is_file():
        raise DataError(Finding(where=str(path), what="no such file", remedy="run it again"))
    try:
        with duckdb.connect() as con:
            return con.execute("SELECT * FROM read_parquet(?)", [str(path)]).df()
    except duckdb.Error as error:
        what = f"damaged: {str(error).splitlines()[0]}"
        raise DataError(Finding(where=str(path), what=what, remedy="run it again")) from None


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return CSV; text that a spreadsheet would take for a formula gets a quote before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([neutral(cell) for cell in header])
    writer.writerows([neutral(cell) for cell in row] for row in rows)
    return out.getvalue()


def neutral(cell: Any) -> Any:
    """Return `cell`; text that begins like a formula with a quote before it, None as nothing.

    Numbers stay numbers: only text can be a formula.
    """
    if cell is None:
        return ""
    if isinstance(cell, str) and cell.startswith(FORMULA):
        return f"'{cell}"
    return cell


def plain(text: str) -> str:
    """Return `text` so that Markdown shows it as it is."""
    return escape_control(text).translate(_MARKS)
