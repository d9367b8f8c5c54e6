"""A cooling's table: PUE by outdoor temperature and load, as its operator or maker gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.accounting.books import Cooling
from greensched.errors import DataError, Finding
from greensched.readers.books.rows import Column, read_rows

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS: Final = (
    Column(name="temperature_c", kind="number"),
    Column(name="load_share", kind="number"),
    Column(name="pue", kind="number"),
)


def read_cooling(path: Path, name: str) -> tuple[Cooling, str]:
    """Return the cooling in a file and its SHA-256.

    Every temperature needs every load; raises DataError where one is missing or there twice.
    """
    rows, sha256 = read_rows(path, COLUMNS)
    points = {(row.numbers["temperature_c"], row.numbers["load_share"]): row for row in rows}
    temperatures, loads = (sorted({point[axis] for point in points}) for axis in (0, 1))
    missing = [(t, s) for t in temperatures for s in loads if (t, s) not in points]
    if missing or len(points) != len(rows):
        at = ", ".join(f"{float(t):g} C and {float(s):g}" for t, s in missing[:3])
        what = f"no PUE at {at}" if missing else "two rows of one temperature and load"
        raise DataError(Finding(where=path.name, what=what, remedy="one row for each of both"))
    pue = [[float(points[t, s].numbers["pue"]) for s in loads] for t in temperatures]
    cooling = Cooling(
        name=name,
        temperatures_c=np.array([float(t) for t in temperatures]),
        load_shares=np.array([float(s) for s in loads]),
        pue=np.array(pue),
    )
    return cooling, sha256
