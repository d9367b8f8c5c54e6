"""CPU of PlanetLab's virtual machines as that of databases: a file each, a percent every 5 min.

The days of March and April 2011 that Beloglazov and Buyya published (doi:10.1002/cpe.1867) have a
file for each virtual machine with 288 whole numbers, one a line, and no header. What databases
have beside CPU is not in them: it is assumed, and each assumption is told in the findings.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import DataError, Finding, plural
from greensched.model import BY_RACK, Databases, Trace
from greensched.readers.cells import NAME_BYTES_MAX, Cell, Check
from greensched.readers.columns import frozen
from greensched.readers.databases import REPLICAS
from greensched.readers.files import checksum, existing, is_tar, texts
from greensched.readers.grid import uniform_load
from greensched.readers.loading import Bad, load
from greensched.readers.source import Source, connect
from greensched.readers.timing import stated_zero_utc
from greensched.units import MIB_PER_GIB, MS_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from greensched.readers.options import ReadOptions

STEP_MS = 5 * MS_PER_MIN
PERCENT_MAX = 100.0
FOLDERS_SHOWN = 20


def read(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return the databases of `files`: virtual machines, a folder of them, or an archive.

    Of an archive with several folders `member` names the one to read, or several with commas in
    between: days one after another, of the virtual machines that are in all of them. Raises
    DataError.
    """
    options.check_map((), "planetlab")
    paths = [p for f in files for p in _in_folder(Path(f))]
    given, left_out = _given(paths, options)
    options = replace(options, step_ms=options.step_ms or STEP_MS)
    cpu_m = options.cpu_m or options.replica_cpu_m
    with connect() as con:
        findings = left_out + _load(con, given, options, cpu_m)
        label = next(iter(given)) if len(given) == 1 else f"{len(given):,} files"
        names, start_ms, step_ms, load_cpu_m, filled = uniform_load(con, "loads", label, options)
    ones = np.ones(len(names), np.int64)
    memory_mib = options.replica_memory_mib
    findings += [
        *filled,
        f"{label}: 100 % taken as {cpu_m:,} millicores, as given or assumed",
        f"{label}: memory of {memory_mib / MIB_PER_GIB:g} GiB each, as given or assumed",
        f"{label}: no I/O and no disk in this format, both taken as 0",
        f"{label}: each one assumed to be the load of {REPLICAS} replicas, no two in one rack",
    ]
    databases = Databases(
        names=names,
        start_ms=start_ms,
        step_ms=step_ms,
        cpu_m=frozen(load_cpu_m),
        iops=frozen(np.zeros_like(load_cpu_m)),
        memory_mib=frozen(ones * memory_mib),
        disk_gib=frozen(ones * 0),
        replicas=frozen(ones * REPLICAS),
        apart=frozen(ones * BY_RACK),
    )
    return Trace(
        databases=databases,
        checksum=checksum(paths),
        findings=tuple(findings),
        synthetic=options.synthetic,
        zero_utc=stated_zero_utc(options),
    )


def _in_folder(path: Path) -> list[Path]:
    """Return `path`, or the files in it."""
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
    if not found:
        what = "no files of virtual machines in this folder"
        raise DataError(Finding(where=str(path), what=what))
    return found


def _given(paths: Sequence[Path], options: ReadOptions) -> tuple[dict[str, list[str]], list[str]]:
    """Return the lines of each virtual machine, by name in the order of their bytes.

    And how many were left out, as they are not in every day.
    """
    days: dict[str, dict[str, list[str]]] = {}
    errors: list[Finding] = []
    for path in paths:
        for folder, name, contents in _machines(path, options.member):
            day = days.setdefault(folder, {})
            if name in day:
                errors.append(Finding(where=name, what="a second file of this virtual machine"))
            elif len(name.encode("utf-8", "surrogateescape")) > NAME_BYTES_MAX:
                what = f"a name longer than {NAME_BYTES_MAX} bytes"
                errors.append(Finding(where=name[:20], what=what))
            text = contents.decode("utf-8-sig", "replace").removesuffix("\n")
            day[name] = [line.removesuffix("\r") for line in text.split("\n")]
    found, left_out = _in_every_day(days, errors)
    if errors:
        raise DataError(*errors)
    ordered = sorted(found.items(), key=lambda kv: kv[0].encode("utf-8", "surrogateescape"))
    return dict(ordered), left_out


def _in_every_day(
    days: dict[str, dict[str, list[str]]], errors: list[Finding]
) -> tuple[dict[str, list[str]], list[str]]:
    """Return the lines of the days one after another, and what is left out; add to `errors`."""
    if len(days) == 1:
        return next(iter(days.values())), []
    names = set.intersection(*(set(day) for day in days.values()))
    for folder, day in days.items():
        rows = max(len(day[name]) for name in names) if names else 0
        counts = {name: len(day[name]) for name in sorted(names)}
        errors += [
            Finding(where=f"{folder}/{name}", what=f"{plural(n, 'row')}; the day has {rows}")
            for name, n in counts.items()
            if n != rows
        ]
    every = len(set.union(*(set(day) for day in days.values())))
    if not names:
        errors.append(Finding(where=", ".join(days), what="no virtual machine is in every day"))
    found = {name: [line for day in days.values() for line in day[name]] for name in names}
    count = every - len(names)
    who = "1 virtual machine" if count == 1 else f"{count:,} virtual machines"
    return found, [f"{who} left out, not in every day of {', '.join(days)}"]


def _machines(path: Path, member: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield folder (the day), name and contents of each virtual machine in `path`."""
    existing(path)
    if not is_tar(path):
        yield "", path.name, path.read_bytes()
        return
    folders: dict[str, list[tuple[str, bytes]]] = {}
    for name, contents in texts(path):
        place = Path(name)
        folders.setdefault(place.parent.as_posix(), []).append((place.name, contents))
    named = [part.strip().rstrip("/") for part in member.split(",")] if member else []
    missing = [day for day in named if day not in folders]
    if missing:
        what, remedy = "has no such folder", "name another with --member"
        where = f"{path}:{', '.join(missing)}"
        raise DataError(Finding(where=where, what=what, remedy=remedy))
    if not named and len(folders) != 1:
        what = f"has the folders {', '.join(sorted(folders)[:FOLDERS_SHOWN])}"
        remedy = "name one of them with --member, or days in a row with commas in between"
        raise DataError(Finding(where=str(path), what=what, remedy=remedy))
    for day in dict.fromkeys(named) or folders:
        yield from ((day, name, contents) for name, contents in folders[day])


def _load(
    con: duckdb.DuckDBPyConnection,
    given: dict[str, list[str]],
    options: ReadOptions,
    cpu_m: int,
) -> list[str]:
    """Fill the table `loads` (service, time_ms, load_cpu_m); return what was dropped."""
    names, first = list(given), np.cumsum([0, *map(len, given.values())])
    total = int(first[-1])
    rows = {
        "service": np.repeat(np.array(names, dtype=object), np.diff(first)),
        "step": np.arange(total) - np.repeat(first[:-1], np.diff(first)),
        "percent": np.array([line for lines in given.values() for line in lines], dtype=object),
        "_row": np.arange(1, total + 1),
    }
    con.register("given", rows)
    columns = {"service": "VARCHAR", "step": "BIGINT", "percent": "VARCHAR"}
    source = Source(con=con, label="", columns=columns, sql="given", is_text=False)
    cells = [
        Cell(name="service", column="service", kind="text"),
        Cell(name="step", column="step"),
        Cell(name="percent", column="percent", is_integer=False, high=PERCENT_MAX),
    ]
    whole = Check(
        when="percent <> floor(percent)",
        what="percent: not a whole number",
        shows="CAST(percent AS VARCHAR)",
    )
    bad = load(source, "raw_loads", cells, options, extra=[whole])
    told = _settled(bad, names, first.tolist(), options)
    con.execute(
        f"CREATE TABLE loads AS SELECT service, step * {options.step_ms} AS time_ms, "
        f"CAST(round_even(percent * {cpu_m} / 100, 0) AS BIGINT) AS load_cpu_m FROM raw_loads"
    )
    return told


def _settled(bad: Bad, names: list[str], first: list[int], options: ReadOptions) -> list[str]:
    """Return what was dropped, by the file and row where each class of bad rows begins."""
    if len(names) == 1:
        bad.label = names[0]
        return bad.settle(options)
    parts = []
    for what, count, row, cell, remedy in bad.classes:
        at = int(np.searchsorted(first, row)) - 1
        part = Bad(label=names[at], rows=bad.rows)
        part.add(what, count, row - first[at], cell, remedy)
        parts.append(part)
    if parts and options.on_bad == "fail":
        raise DataError(*(finding for part in parts for finding in part.findings()))
    if parts and sum(part.classes[0][1] for part in parts) >= bad.rows:
        raise DataError(Finding(where=f"{len(names):,} files", what="no row is left"))
    return [told for part in parts for told in part.settle(options)]
