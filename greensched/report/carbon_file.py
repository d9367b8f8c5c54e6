"""Points of intensity as a file of our long layout, which readers and scenarios take as it is."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.carbon import STATUS_NAMES
from greensched.errors import Finding, UsageError
from greensched.report.tables import csv_text, write_parquet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.providers.points import Points

COLUMNS: Final = (
    "zone",
    "timestamp",
    "carbon_intensity_g_per_kwh",
    "status",
    "signal",
    "basis",
    "vintage",
    "synthetic",
    "source",
)


def write_points(path: Path, parts: Sequence[Points]) -> None:
    """Write points by zone as CSV or Parquet, whole or not at all; raises UsageError."""
    rows = [row for part in parts for row in _rows(part)]
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
        os.close(handle)
        try:
            if path.suffix == ".parquet":
                import pandas as pd

                write_parquet(pd.DataFrame(rows, columns=list(COLUMNS)), Path(name))
            else:
                Path(name).write_text(csv_text(COLUMNS, rows), encoding="utf-8")
            Path(name).chmod(0o644)
            Path(name).replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise UsageError(Finding(where=str(path), what=what)) from error


def _rows(part: Points) -> list[list[Any]]:
    labels = part.labels
    told = (
        labels.signal,
        labels.basis,
        labels.vintage,
        str(labels.synthetic).lower(),
        labels.source,
    )
    times = np.datetime_as_string(part.start_ms.astype("datetime64[ms]"), unit="s").tolist()
    values = part.values_g_per_kwh.tolist()
    return [
        [part.zone, f"{time}Z", value, STATUS_NAMES[status], *told]
        for time, value, status in zip(times, values, part.status.tolist(), strict=True)
    ]
