"""The folder of a sweep: parts while it runs, one table when it has ended.

    sweep.json          what is swept; written first
    parts/*.parquet     rows of finished points, a file every few seconds
    points.parquet      all rows in order; parts are removed then

Each file is written beside its place and renamed, so readers and an interruption never see half
of one.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import greensched
from greensched.errors import DataError, Finding, GreenschedError, UsageError
from greensched.experiment.sweep import frame
from greensched.experiment.sweep_grid import points_of
from greensched.experiment.world import shared
from greensched.report.outputs import PAGE, json_text, versions
from greensched.report.tables import read_parquet, write_parquet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from greensched.experiment.sweep import Row, Sweep
    from greensched.experiment.sweep_grid import Axis
    from greensched.scenario import Scenario

SCHEMA: Final = "greensched/sweep/v1"
ABOUT, PARTS, POINTS = "sweep.json", "parts", "points.parquet"
# equal where rows may be kept
IDENTITY: Final = ("schema", "scenario_sha256", "checksums", "axes", "version")


def about(scenario: Scenario, axes: Sequence[Axis], points: int, command: str) -> dict[str, Any]:
    """Return what a sweep is: what repeats it, and what its rows depend on.

    `checksums` are of the files that the scenario reads before any grid, as far as they are read.
    """
    try:
        checksums = shared(scenario, forecasts=False, checked=False).checksums
    except GreenschedError:
        checksums = {}
    return {
        "schema": SCHEMA,
        "name": scenario.name,
        "scenario_sha256": scenario.hash,
        "checksums": checksums,
        "seed": scenario.seed,
        "version": greensched.__version__,
        "versions": versions(),
        "axes": [asdict(axis) for axis in axes],
        "points": points,
        "command": command,
        "scenario": scenario.text,
    }


class SweepFolder:
    """A sweep's folder, opened anew or to go on; raises UsageError where that cannot be."""

    def __init__(
        self, folder: Path, given: Mapping[str, Any], axes: Sequence[Axis], *, resume: bool
    ) -> None:
        """Check `folder` against `given` (see `about`); nothing is written before a row is."""
        self.folder, self._axes, self._given = folder, axes, given
        self.done: list[Row] = []
        self._open = False
        found = _read_about(folder)
        self._replace = found is not None and not resume
        if found is None:
            _check_empty(folder)
        elif resume:
            _check_same(folder, found, given)
            self.done = self._kept()
        elif not (folder / POINTS).is_file() and any(folder.glob(f"{PARTS}/*.parquet")):
            what = "holds a sweep that was not finished"
            remedy = "--resume goes on with it; to begin anew, remove it or name another place"
            raise UsageError(Finding(where=f"--out {folder}", what=what, remedy=remedy))
        self._number = 0

    def _begin(self) -> None:
        """Write what is swept, once; a finished sweep's own files are replaced."""
        if self._open:
            return
        try:
            if self._replace:
                self._clear()
            (self.folder / PARTS).mkdir(parents=True, exist_ok=True)
            _write(self.folder / ABOUT, json_text(dict(self._given)))
        except OSError as error:
            raise _unwritable(self.folder, error) from None
        self._number = len(list(self.folder.glob(f"{PARTS}/*.parquet")))
        self._open = True

    def _clear(self) -> None:
        """Drop the earlier sweep's files, and nothing else that lies there."""
        for name in (POINTS, PAGE, ABOUT):  # what tells it is a sweep goes last
            (self.folder / name).unlink(missing_ok=True)
        if (self.folder / PARTS).is_dir():
            shutil.rmtree(self.folder / PARTS)

    def keep(self, rows: list[Row]) -> None:
        """Write finished rows as one part."""
        self._begin()
        self._number += 1
        path = self.folder / PARTS / f"{self._number:06d}-{os.getpid()}.parquet"
        self._write_rows(rows, path)

    def finish(self, sweep: Sweep) -> None:
        """Write all rows as one table, and remove the parts."""
        self._begin()
        self._write_rows(sweep.rows, self.folder / POINTS)
        shutil.rmtree(self.folder / PARTS)

    def _write_rows(self, rows: Sequence[Row], path: Path) -> None:
        temporary = path.with_name(f".{path.name}.part")
        try:
            write_parquet(frame(rows, self._axes), temporary)
            temporary.replace(path)
        except OSError as error:
            raise _unwritable(self.folder, error) from None
        finally:
            temporary.unlink(missing_ok=True)

    def _kept(self) -> list[Row]:
        """Return the rows that are there; a point that was kept twice counts once."""
        rows: dict[int, Row] = {}
        paths = [*sorted(self.folder.glob(f"{PARTS}/*.parquet")), self.folder / POINTS]
        for path in paths:
            if path.is_file():
                rows |= {row["point"]: row for row in _rows(path, self._axes)}
        return [rows[i] for i in sorted(rows)]


def _rows(path: Path, axes: Sequence[Axis]) -> list[Row]:
    """Return the rows of a part as they were, their values as the axes have them."""
    import pandas as pd

    table = read_parquet(path)
    points = points_of(axes)
    rows = []
    for record in table.to_dict("records"):
        row = {str(k): None if pd.isna(v) else v for k, v in record.items()}
        point = int(record["point"])
        rows.append(row | {"point": point} | points[point])
    return rows


def _read_about(folder: Path) -> dict[str, Any] | None:
    """Return what is swept in `folder`, None where no sweep is; DataError where it is damaged."""
    path = folder / ABOUT
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        what = f"damaged: {error}"
        raise DataError(Finding(where=str(path), what=what, remedy="remove it")) from None
    return found


def _check_empty(folder: Path) -> None:
    """Raise UsageError where `folder` has files that are no sweep's."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "is there and is not a sweep of greensched"
        remedy = "name another place; nothing was touched"
        raise UsageError(Finding(where=f"--out {folder}", what=what, remedy=remedy))


def _check_same(folder: Path, found: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise UsageError where the rows in `folder` are of another sweep, with what differs."""
    plain = json.loads(json_text(dict(given)))
    differs = [key for key in IDENTITY if found.get(key) != plain[key]]
    if differs:
        what = f"holds another sweep: {', '.join(differs)} differ"
        remedy = "name another place, or leave out --resume to replace it"
        raise UsageError(Finding(where=f"--resume {folder}", what=what, remedy=remedy))


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _unwritable(folder: Path, error: OSError) -> UsageError:
    what = f"cannot be written: {error.strerror or error}"
    remedy = "what was written before is kept; --resume goes on"
    return UsageError(Finding(where=f"--out {folder}", what=what, remedy=remedy))
