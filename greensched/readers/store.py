"""The trace store: a folder with one .npy for each column and meta.json, opened memory-mapped.

A store is written to a temporary folder beside its place and renamed, so that it is there in full
or not at all. Opening reads meta.json and maps the columns; nothing is copied, and all processes
that open it share the pages.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.errors import DataError, Finding, plural
from greensched.model import Databases, JobClass, Jobs, Machines, Services, Trace
from greensched.readers.columns import TextColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

STORE_VERSION: Final = 2
META: Final = "meta.json"

# kind -> column -> (type, dimensions)
SCHEMA: Final[dict[str, dict[str, tuple[str, int]]]] = {
    "services": {
        "replica_cpu_m": ("int64", 1),
        "replica_memory_mib": ("int64", 1),
        "replica_gpu_m": ("int64", 1),
        "replicas": ("int64", 1),
        "replicas_min": ("int64", 1),
        "replicas_max": ("int64", 1),
        "startup_ms": ("int64", 1),
        "service_time_ms": ("float64", 1),
        "service_time_assumed": ("bool", 1),
        "load_cpu_m": ("int64", 2),
    },
    "jobs": {
        "submit_ms": ("int64", 1),
        "duration_ms": ("int64", 1),
        "cpu_m": ("int32", 1),
        "memory_mib": ("int32", 1),
        "gpu_m": ("int32", 1),
        "tasks": ("int32", 1),
        "estimate_ms": ("int64", 1),
        "deadline_ms": ("int64", 1),
        "job_class": ("int32", 1),
        "use_offsets": ("int64", 1),
        "use_until_ms": ("int64", 1),
        "use_cpu_m": ("int32", 1),
    },
    "machines": {
        "count": ("int64", 1),
        "cpu_m": ("int64", 1),
        "memory_mib": ("int64", 1),
        "gpus": ("int64", 1),
    },
    "databases": {
        "cpu_m": ("int64", 2),
        "iops": ("int64", 2),
        "memory_mib": ("int64", 1),
        "disk_gib": ("int64", 1),
        "replicas": ("int64", 1),
        "apart": ("int64", 1),
    },
}
_PLAIN_FIELDS = ("zero_utc", "timeline", "synthetic", "checksum")


def write_store(trace: Trace, path: Path, *, replace: bool = True) -> None:
    """Write `trace` as the folder `path`, replacing a store (and nothing else) that is there.

    Without `replace` a store that is there, or that another process puts there first, is kept.

    Raises DataError where `path` is something other than a store, or cannot be written.
    """
    path = Path(path)
    if path.exists() and not (path / META).is_file() and not _is_empty_folder(path):
        what = "is there and is no trace store; it is left untouched"
        raise DataError(Finding(where=str(path), what=what, remedy="give another place"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        what = f"cannot be written: {error.strerror or error}"
        remedy = "name another place; nothing was written"
        raise DataError(Finding(where=str(path), what=what, remedy=remedy)) from error
    try:
        _write_columns(trace, temporary)
        temporary.chmod(0o755)
        _put_in_place(temporary, path, replace=replace)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _put_in_place(temporary: Path, path: Path, *, replace: bool) -> None:
    """Rename; where another process was first, its store is replaced or, if busy, kept."""
    for _ in range(3):
        try:
            temporary.rename(path)
        except OSError:
            if not replace and (path / META).is_file():
                return
            aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
            try:
                path.rename(aside / "store")
            except OSError:
                pass  # another process moved it: try again
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        else:
            return
    if not (path / META).is_file():
        raise DataError(Finding(where=str(path), what="could not be put in place"))


def _write_columns(trace: Trace, folder: Path) -> None:
    meta: dict[str, Any] = {"store_version": STORE_VERSION}
    meta |= {name: getattr(trace, name) for name in _PLAIN_FIELDS}
    meta["findings"] = list(trace.findings)
    meta["rows"] = {kind: _rows(getattr(trace, kind)) for kind in SCHEMA}
    for kind, columns in SCHEMA.items():
        noun = getattr(trace, kind)
        if noun is None:
            continue
        for name, (dtype, _) in columns.items():
            array = np.ascontiguousarray(getattr(noun, name), dtype=dtype)
            np.save(folder / f"{kind}.{name}.npy", array, allow_pickle=False)
    for kind, noun in (("services", trace.services), ("databases", trace.databases)):
        if noun is not None:
            meta[kind] = {"start_ms": int(noun.start_ms), "step_ms": int(noun.step_ms)}
            _save_text(folder, f"{kind}.names", noun.names)
    if trace.jobs is not None:
        meta["jobs"] = {
            "classes": [asdict(c) for c in trace.jobs.classes],
            "has_ids": trace.jobs.ids is not None,
        }
        if trace.jobs.ids is not None:
            _save_text(folder, "jobs.ids", trace.jobs.ids)
    if trace.machines is not None:
        _save_text(folder, "machines.names", trace.machines.names)
        _save_text(folder, "machines.gpu_models", trace.machines.gpu_models)
    text = json.dumps(meta, indent=1, sort_keys=True, allow_nan=False)
    with (folder / META).open("w", encoding="utf-8") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def _rows(noun: Services | Jobs | Machines | Databases | None) -> int:
    return 0 if noun is None else len(noun)


def _save_text(folder: Path, name: str, texts: Sequence[str] | NDArray[Any]) -> None:
    column = texts if isinstance(texts, TextColumn) else TextColumn.of([str(t) for t in texts])
    np.save(folder / f"{name}.blob.npy", column.blob, allow_pickle=False)
    np.save(folder / f"{name}.offsets.npy", column.offsets, allow_pickle=False)


class _Folder:
    """A store that is being opened; collects what is wrong with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.meta: dict[str, Any] = {}

    def refuse(self, what: str, file: str = META) -> DataError:
        return DataError(
            Finding(
                where=str(self.path / file),
                what=what,
                remedy="import the trace again with: greensched trace import",
            )
        )

    def array(self, name: str, dtype: str, dimensions: int = 1, rows: int | None = None) -> Any:
        file = f"{name}.npy"
        try:
            array = np.load(self.path / file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            # numpy cannot map an array of no elements; it is small, so read it.
            try:
                array = np.load(self.path / file, allow_pickle=False)
            except (OSError, ValueError, EOFError):
                raise self.refuse("is not a readable column", file) from error
            array.flags.writeable = False
        if array.dtype != np.dtype(dtype) or array.ndim != dimensions:
            raise self.refuse(f"is not a column of {dtype} with {dimensions} dimensions", file)
        if rows is not None and len(array) != rows:
            raise self.refuse(f"has {plural(len(array), 'row')} where {rows:,} belong", file)
        return np.asarray(array)  # still mapped; a plain array is what compiled code takes

    def text(self, name: str, rows: int) -> TextColumn:
        offsets = self.array(f"{name}.offsets", "int64", rows=rows + 1)
        blob = self.array(f"{name}.blob", "uint8")
        if int(offsets[-1]) != len(blob):
            raise self.refuse("does not end where its offsets say", f"{name}.blob.npy")
        return TextColumn(blob, offsets)

    def columns(self, kind: str) -> dict[str, Any]:
        rows = self.rows(kind)
        return {
            name: self.array(
                f"{kind}.{name}", dtype, dimensions, None if name.startswith("use_") else rows
            )
            for name, (dtype, dimensions) in SCHEMA[kind].items()
        }

    def rows(self, kind: str) -> int:
        rows = self.meta["rows"][kind]
        if not isinstance(rows, int) or rows < 0:
            raise self.refuse(f"rows of {kind}: {rows!r} is no count")
        return rows


def is_store(path: Path) -> bool:
    """Return whether `path` looks like a trace store."""
    return (Path(path) / META).is_file()


def open_store(path: Path) -> Trace:
    """Return the trace of the store `path`; its arrays are memory-mapped and read-only.

    Raises DataError where it is no store, of another version, or damaged.
    """
    folder = _Folder(Path(path))
    try:
        loaded: Any = json.loads((folder.path / META).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(Finding(where=str(path), what="is no trace store")) from error
        if not isinstance(loaded, dict):
            loaded = {}
    except (OSError, ValueError) as error:
        raise folder.refuse("is not readable JSON") from error
    folder.meta = loaded
    version = folder.meta.get("store_version")
    if version != STORE_VERSION:
        raise folder.refuse(f"store version {version!r}, this greensched reads {STORE_VERSION}")
    try:
        return Trace(
            services=_services(folder),
            jobs=_jobs(folder),
            machines=_machines(folder),
            databases=_databases(folder),
            zero_utc=_typed(folder, "zero_utc", str),
            timeline=_typed(folder, "timeline", bool),
            synthetic=_typed(folder, "synthetic", bool),
            checksum=_typed(folder, "checksum", str),
            findings=tuple(str(f) for f in _typed(folder, "findings", list)),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise folder.refuse(f"lacks what it should have ({error})") from error


def _typed(folder: _Folder, key: str, kind: type) -> Any:
    value = folder.meta[key]
    if not isinstance(value, kind):
        raise folder.refuse(f"{key}: {value!r} is not of type {kind.__name__}")
    return value


def _services(folder: _Folder) -> Services | None:
    if "services" not in folder.meta:
        return None
    return Services(**_on_grid(folder, "services"))


def _databases(folder: _Folder) -> Databases | None:
    if "databases" not in folder.meta:
        return None
    return Databases(**_on_grid(folder, "databases"))


def _on_grid(folder: _Folder, kind: str) -> dict[str, Any]:
    """Return the fields of a noun of `kind` that has names and a grid of times."""
    grid = folder.meta[kind]
    if not (isinstance(grid["step_ms"], int) and grid["step_ms"] > 0):
        raise folder.refuse(f"step_ms: {grid['step_ms']!r} is no time step")
    return {
        "names": tuple(folder.text(f"{kind}.names", folder.rows(kind))),
        "start_ms": int(grid["start_ms"]),
        "step_ms": grid["step_ms"],
        **folder.columns(kind),
    }


def _jobs(folder: _Folder) -> Jobs | None:
    if "jobs" not in folder.meta:
        return None
    about = folder.meta["jobs"]
    ids = folder.text("jobs.ids", folder.rows("jobs")) if about["has_ids"] else None
    return Jobs(
        classes=tuple(_job_class(c) for c in about["classes"]), ids=ids, **folder.columns("jobs")
    )


def _job_class(values: dict[str, Any]) -> JobClass:
    known = {f.name for f in fields(JobClass)}
    clean: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known
    }
    clean["attributes"] = tuple((str(k), str(v)) for k, v in clean.get("attributes", ()))
    return JobClass(**clean)


def _machines(folder: _Folder) -> Machines | None:
    rows = folder.rows("machines")
    if not (folder.path / "machines.count.npy").is_file() and rows == 0:
        return None
    return Machines(
        names=tuple(folder.text("machines.names", rows)),
        gpu_models=tuple(folder.text("machines.gpu_models", rows)),
        **folder.columns("machines"),
    )


def span_ms(trace: Trace) -> tuple[int, int]:
    """Return the first and last instant [ms since trace zero] of which `trace` tells."""
    first, last = math.inf, -math.inf
    if trace.services is not None and len(trace.services):
        steps = trace.services.load_cpu_m.shape[1]
        first = trace.services.start_ms
        last = first + steps * trace.services.step_ms
    if trace.databases is not None and len(trace.databases):
        start_ms, steps = trace.databases.start_ms, trace.databases.cpu_m.shape[1]
        first = min(first, start_ms)
        last = max(last, start_ms + steps * trace.databases.step_ms)
    if trace.jobs is not None and len(trace.jobs):
        first = min(first, int(trace.jobs.submit_ms[0]))
        last = max(last, int(_largest_end_ms(trace.jobs)))
    return (0, 0) if first > last else (int(first), int(last))


def _largest_end_ms(jobs: Jobs, chunk_rows: int = 1_000_000) -> int:
    return max(
        int((jobs.submit_ms[i : i + chunk_rows] + jobs.duration_ms[i : i + chunk_rows]).max())
        for i in range(0, len(jobs), chunk_rows)
    )
