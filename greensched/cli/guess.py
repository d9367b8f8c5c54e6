"""The format of files, told from them only where it cannot be mistaken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greensched.errors import DataError
from greensched.readers.files import plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Reader -> sets of columns, each of which only files of that format have.
_COLUMNS: Final[dict[str, tuple[frozenset[str], ...]]] = {
    "openb": (
        frozenset({"cpu_milli", "memory_mib", "qos"}),
        frozenset({"sn", "cpu_milli", "memory_mib", "gpu"}),
    ),
    "opendc": (
        frozenset({"submission_time", "cpu_capacity", "cpu_count"}),
        frozenset({"id", "duration", "cpu_usage"}),
    ),
    "jobs": (frozenset({"arrival_time", "length", "cpus"}),),
    "canonical": (
        frozenset({"service", "load_cpu_m", "replica_cpu_m"}),
        frozenset({"job", "submit_s", "cpu_m"}),
        frozenset({"machine", "cpu_m", "memory_mib"}),
        frozenset({"database", "cpu_m", "memory_mib"}),
    ),
}

HEAD_BYTES: Final = 2**16
_MARKS: Final = {"kubernetes": b'"apiVersion"', "prometheus": b'"resultType"'}


def guess(files: Sequence[Path]) -> str:
    """Return the one reader whose format all `files` have; empty where that is not certain."""
    found = {_of(path) for path in files}
    return found.pop() if len(found) == 1 else ""


def _of(path: Path) -> str:
    """Return the reader of one file or folder, empty where it is not certain."""
    if path.is_dir():
        stems = {p.name.split(".")[0] for p in path.iterdir()}
        if "tasks" in stems:
            return "opendc"
        kinds = {"services", "jobs", "machines", "databases"}
        return "canonical" if stems & kinds else ""
    if ".swf" in path.suffixes:
        return "swf"
    if ".json" in path.suffixes:
        return _of_json(path)
    names = _columns(path)
    if any(name.startswith("JobID") and "|" in name for name in names):
        return "sacct"
    matches = [r for r, marks in _COLUMNS.items() if any(mark <= names for mark in marks)]
    return matches[0] if len(matches) == 1 else ""


def _of_json(path: Path) -> str:
    """Return the reader of a JSON file by what stands near its beginning."""
    try:
        with plain(path) as contents, contents.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except DataError:
        return ""
    found = [reader for reader, mark in _MARKS.items() if mark in head]
    return found[0] if len(found) == 1 else ""


def _columns(path: Path) -> frozenset[str]:
    """Return the columns of a file; none where it cannot be read as a table.

    Raises DataError for a file without a byte, which is of no format.
    """
    from greensched.readers.source import connect, opened

    try:
        with connect() as con, opened(con, path) as source:
            return frozenset(source.columns)
    except DataError:
        if not path.stat().st_size:
            raise
        return frozenset()
