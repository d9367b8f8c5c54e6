"""Where the bundled samples lie: the checkout's `traces/`, or inside the installed wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from greensched.errors import Finding, InternalError, UsageError

BUNDLED: Final = ("batch-week", "database-week", "online-week", "three-zones")


def bundled_path(name: str) -> Path:
    """Return the file of the bundled sample `name`.

    Raises:
        UsageError: no sample has that name.
        InternalError: the sample is missing from this installation.
    """
    if name not in BUNDLED:
        raise UsageError(
            Finding(
                where=f"bundled:{name}",
                what="no bundled sample has this name",
                remedy=f"there are {', '.join(BUNDLED)}",
            )
        )
    package = Path(__file__).resolve().parents[1]
    folders = (package / "_bundled" / "traces", package.parent / "traces")
    for folder in folders:
        path = folder / f"{name}.parquet"
        if path.is_file():
            return path
    raise InternalError(
        Finding(
            where=f"bundled:{name}",
            what=f"missing from {' and '.join(str(f) for f in folders)}",
            remedy="install greensched again, or write the samples: greensched trace sample",
        )
    )
