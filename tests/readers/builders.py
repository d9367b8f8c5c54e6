"""Small files for the tests of readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from greensched.errors import GreenschedError

JOBS_HEADER = "job,submit_s,duration_s,cpu_m"
POD_HEADER = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,"
    "creation_time,deletion_time,scheduled_time"
)


def write(folder: Path, name: str, *lines: str) -> Path:
    """Write `lines` to a file and return its path."""
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def parquet(folder: Path, name: str, sql: str) -> Path:
    """Write what `sql` selects to a Parquet file and return its path."""
    path = folder / name
    duckdb.sql(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
    return path


def refusal(read: Callable[[], object], kind: type[GreenschedError]) -> str:
    """Return the message with which `read` refuses."""
    try:
        read()
    except kind as error:
        return str(error)
    message = f"{kind.__name__} was not raised"
    raise AssertionError(message)
