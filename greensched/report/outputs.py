"""The folder of a result: written in full or not at all, and read back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import DataError, Finding, UsageError
from greensched.report.evidence import Evidence
from greensched.report.schema import summary_schema
from greensched.report.tables import read_parquet, write_parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import pandas as pd

    from greensched.experiment import Result

SUMMARY: Final = "summary.json"
MANIFEST: Final = "manifest.json"
PAGE: Final = "report.html"
BOUNDS: Final = "bounds.json"
SIZING: Final = "sizing.json"
SENSITIVITY: Final = "sensitivity.json"
PER_YEAR: Final = "per-year.json"
CALIBRATION: Final = "calibration.html"
MARKS: Final = (MANIFEST, SUMMARY)  # by which a folder is known to be a result
TABLES: Final = ("series", "jobs", "entries", "parts", "factors", "replicas")
FINDINGS_MAX: Final = 20  # of a damaged summary
MANIFEST_SCHEMA: Final = "greensched/manifest/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A result read back from its folder."""

    folder: Path
    summary: dict[str, Any]
    manifest: dict[str, Any]

    def table(self, name: str) -> pd.DataFrame:
        """Return the table `name`, one of `TABLES`; raises DataError where it cannot be read."""
        return read_parquet(self.folder / f"{name}.parquet")

    @property
    def sensitivity(self) -> dict[str, Any] | None:
        """Return how far the figures go; None where that was not asked, or of another scenario."""
        path = self.folder / SENSITIVITY
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise DataError(Finding(where=str(path), what=f"damaged: {error}")) from None
        same = found.get("scenario_sha256") == self.summary["scenario_sha256"]
        return found if same else None

    @property
    def evidence(self) -> Evidence:
        """Return what its page is told from; raises DataError where a table cannot be read."""
        return Evidence(
            summary=self.summary,
            manifest=self.manifest,
            series=self.table("series"),
            jobs=self.table("jobs"),
            factors=self.table("factors"),
            sensitivity=self.sensitivity,
            calibration=CALIBRATION if (self.folder / CALIBRATION).is_file() else "",
            verified=verifications(self.folder, self.summary["scenario_sha256"]),
        )


def verified_folder(result: Path) -> Path:
    """Return where verifications of a result are kept: beside it, so that they outlive it."""
    return result.with_name(f"{result.resolve().name}-verified")


def verifications(result: Path, scenario_sha256: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the pages of verifications of a result, from its folder, and what each says.

    Those of another scenario are left out. Raises DataError where one cannot be read.
    """
    found = []
    for path in sorted(verified_folder(result).glob("*.json")):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(Finding(where=str(path), what=f"damaged: {error}")) from None
        if told.get("scenario_sha256") == scenario_sha256:
            found.append((f"../{path.parent.name}/{path.stem}.html", told))
    return tuple(found)


def check_place(folder: Path, marks: Sequence[str] = MARKS, what: str = "a result") -> None:
    """Raise UsageError where `folder` is neither empty nor an earlier one, told by its `marks`."""
    if not folder.exists():
        return
    is_own = all((folder / mark).is_file() for mark in marks)
    if folder.is_dir() and (is_own or not any(folder.iterdir())):
        return
    raise UsageError(
        Finding(
            where=f"--out {folder}",
            what=f"is there and is not {what} of greensched",
            remedy="name another place; nothing was touched",
        )
    )


def write_result(
    result: Result,
    folder: Path,
    *,
    command: str,
    page: Callable[[Evidence], str],
    sensitivity: Mapping[str, Any] | None = None,
    calibration: str = "",
) -> None:
    """Write all files of `result` as `folder`; an earlier result's files there are replaced.

    `page` makes the HTML; `sensitivity` is the document of how sure the figures are,
    `calibration` the page of the calibration whose overlay it ran with. Raises UsageError where
    the place cannot be written or holds something else, DataError where a verification beside it
    cannot be read.
    """
    check_place(folder)
    verified = verifications(folder, result.summary["scenario_sha256"])

    def fill(temporary: Path) -> None:
        if calibration:
            (temporary / CALIBRATION).write_text(calibration, encoding="utf-8")
        told = replace(
            _fill(result, temporary, command, sensitivity),
            calibration=CALIBRATION if calibration else "",
            verified=verified,
        )
        (temporary / PAGE).write_text(page(told), encoding="utf-8")
        write_json(temporary / MANIFEST, told.manifest)

    write_folder(folder, fill, own_files())


def own_files() -> frozenset[str]:
    """Return the names of all files that commands write into a result's folder."""
    from greensched.report.charts import NAMES

    pictures = (f"{name}.{form}" for name in NAMES for form in ("svg", "png"))
    written = (PAGE, BOUNDS, SIZING, SENSITIVITY, PER_YEAR, CALIBRATION)
    return frozenset((*MARKS, *written, *(f"{name}.parquet" for name in TABLES), *pictures))


def write_folder(folder: Path, fill: Callable[[Path], None], own: Collection[str]) -> None:
    """Write a folder by `fill`, which is given its temporary place; an earlier one is replaced.

    It is written beside it under a temporary name and renamed, so that an interruption leaves
    nothing half-written. Of the earlier one the files `own` (paths in it) are dropped; whatever
    else a user keeps there stays. Raises UsageError where the place cannot be written.
    """
    folder = folder.resolve()  # what a link leads to is replaced, not the link
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        temporary.chmod(0o777 & ~_umask())
        fill(temporary)
        _replace(temporary, folder, own)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise _unwritable(folder, error) from None
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _unwritable(folder: Path, error: OSError) -> UsageError:
    """Return the error of a place that nothing can be written to."""
    what = f"cannot be written: {error.strerror or error}"
    remedy = "--out names another place; no file is left half-written"
    return UsageError(Finding(where=f"--out {folder}", what=what, remedy=remedy))


def write_texts(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write each of `files` into `folder` in full or not at all.

    Raises UsageError where the place cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            temporary = folder / f".{name}.part"
            try:
                temporary.write_bytes(text.encode() if isinstance(text, str) else text)
                temporary.replace(folder / name)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _fill(
    result: Result,
    folder: Path,
    command: str,
    sensitivity: Mapping[str, Any] | None,
) -> Evidence:
    """Write the files into a folder of their own; return what page and manifest tell of them."""
    summary = result.summary
    write_json(folder / SUMMARY, summary)
    if result.bounds is not None:
        (folder / BOUNDS).write_text(json.dumps(result.bounds.certificates, separators=(",", ":")))
    if result.sizing is not None:
        write_json(folder / SIZING, result.sizing.document)
    if sensitivity is not None:
        write_json(folder / SENSITIVITY, sensitivity)
    series, jobs, factors = result.series, result.jobs, result.factors
    frames = (series, jobs, result.entries, result.parts, factors, result.replicas)
    for name, frame in zip(TABLES, frames, strict=True):
        write_parquet(frame, folder / f"{name}.parquet")
    return Evidence(
        summary=summary,
        manifest=manifest(result, folder, command),
        series=series,
        jobs=jobs,
        factors=factors,
        sensitivity=sensitivity,
    )


def _replace(temporary: Path, folder: Path, own: Collection[str]) -> None:
    """Rename `temporary` to `folder`, and drop the files `own` of what was there."""
    old = None
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        folder.rename(old / folder.name)
    try:
        temporary.rename(folder)
    except BaseException:
        if old is not None:
            (old / folder.name).rename(folder)
            old.rmdir()
        raise
    if old is not None:
        _keep(old / folder.name, folder, own)
        shutil.rmtree(old, ignore_errors=True)


def _keep(old: Path, new: Path, own: Collection[str]) -> None:
    """Move to `new` what is in `old` and is neither `own` nor there already."""
    for path in old.iterdir():
        target = new / path.name
        if path.is_dir() and not path.is_symlink() and target.is_dir():
            inner = f"{path.name}/"
            _keep(path, target, [n.removeprefix(inner) for n in own if n.startswith(inner)])
        elif path.name not in own and not os.path.lexists(target):
            path.rename(target)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write `values` as JSON for people and programs; NaN and infinity are refused."""
    path.write_text(json_text(values), encoding="utf-8")


def json_text(values: Any) -> str:
    """Return `values` as indented JSON with a line end; raises ValueError for NaN."""
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def manifest(result: Result, folder: Path, command: str) -> dict[str, Any]:
    """Return what is needed to repeat `result`, and checksums of what was read and written."""
    scenario = result.scenario
    inputs = result.shared.checksums
    return {
        "schema": MANIFEST_SCHEMA,
        "name": scenario.name,
        "scenario_sha256": scenario.hash,
        "seed": scenario.seed,
        "command": command,
        "versions": versions(),
        "inputs": [{"source": k, "sha256": v} for k, v in sorted(inputs.items())],
        "outputs": {p.name: _sha256(p) for p in sorted(folder.iterdir())},
        "scenario": scenario.text,
    }


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of Python, greensched and the packages that results depend on."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("greensched", "numpy", "numba", "simpy", "duckdb", "pandas"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def read_result(folder: Path) -> Stored:
    """Return the result in `folder`; raises DataError where there is none or it is damaged."""
    parts = {}
    for name in (SUMMARY, MANIFEST):
        path = folder / name
        try:
            parts[name] = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            what = "is not a folder of results: it has no " + name
            remedy = "greensched run SCENARIO writes one"
            raise DataError(Finding(where=str(folder), what=what, remedy=remedy)) from None
        except ValueError as error:
            raise DataError(Finding(where=str(path), what=f"damaged: {error}")) from None
    _check_summary(folder / SUMMARY, parts[SUMMARY])
    return Stored(folder=folder, summary=parts[SUMMARY], manifest=parts[MANIFEST])


def write_sensitivity(
    folder: Path, document: Mapping[str, Any], page: Callable[[Evidence], str]
) -> None:
    """Write how sure a result is into its folder, its page and manifest anew.

    Raises DataError where the folder is no result, UsageError where it cannot be written.
    """
    text = json_text(document)
    digest = hashlib.sha256(text.encode()).hexdigest()
    about = read_result(folder).manifest
    about = {**about, "outputs": {**about.get("outputs", {}), SENSITIVITY: digest}}
    write_texts(folder, {SENSITIVITY: text, MANIFEST: json_text(about)})
    write_texts(folder, {PAGE: page(read_result(folder).evidence)})


def _check_summary(path: Path, summary: Any) -> None:
    """Raise DataError where a summary is not what its schema says, with every place of it."""
    from jsonschema import Draft202012Validator

    schema = summary_schema()
    told = summary.get("schema") if isinstance(summary, dict) else None
    known = schema["properties"]["schema"]["const"]
    if told != known:
        what = f"schema {told!r} is not {known!r}"
        raise DataError(Finding(where=str(path), what=what, remedy="run it again"))
    errors = list(Draft202012Validator(schema).iter_errors(summary))[:FINDINGS_MAX]
    if errors:
        remedy = "damaged, or of another version: run it again"
        found = (
            Finding(where=f"{path}  {e.json_path}", what=e.message, remedy=remedy) for e in errors
        )
        raise DataError(*found)
