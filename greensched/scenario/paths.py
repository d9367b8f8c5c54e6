"""Where the files are that a scenario names: bundled samples, `data:` and its own folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from greensched.errors import Finding, ScenarioError

if TYPE_CHECKING:
    from greensched.scenario.loading import Scenario

DATA_VARIABLE: Final = "GREENSCHED_DATA"
BUNDLED: Final = "bundled:"
DATA: Final = "data:"


def resolved(scenario: Scenario, text: str, where: str) -> Path:
    """Return the path of the source `text`, which the scenario names at `where`.

    Raises ScenarioError where a path leaves the scenario's folder (also through a link) without
    `allow_outside`, `data:` has no folder, or there is no such file.
    """
    if text.startswith(BUNDLED):
        from greensched.readers.bundled import bundled_path

        return bundled_path(text.removeprefix(BUNDLED))
    if text.startswith(DATA):
        root = _data_root(text, where)
        path = root / text.removeprefix(DATA)
        return there(inside(path, root, text, where, "the data folder"), text, where)
    path = scenario.folder / text
    if scenario.allow_outside:
        return there(path.resolve(), text, where)
    path = inside(path, scenario.folder, text, where, "the scenario's folder")
    return there(path, text, where)


def data_root() -> Path | None:
    """Return the folder that `data:` stands for, None where the variable is not set."""
    value = os.environ.get(DATA_VARIABLE, "")
    return Path(value).resolve() if value else None


def _data_root(text: str, where: str) -> Path:
    """Return the data folder, or raise with how to name it."""
    root = data_root()
    if root is None or not root.is_dir():
        what = f"'{text}' needs ${DATA_VARIABLE}, which is not set"
        if root is not None:
            what = f"'{text}' needs ${DATA_VARIABLE}, and {root} is no folder"
        raise ScenarioError(
            Finding(where=where, what=what, remedy=f"set {DATA_VARIABLE} to the data's folder")
        )
    return root


def inside(path: Path, root: Path, text: str, where: str, of: str) -> Path:
    """Return `path` resolved, or raise where it is not below `root`."""
    full = path.resolve()
    if not full.is_relative_to(root.resolve()):
        remedy = "move the file there, or pass --allow-outside" if "data" not in of else ""
        raise ScenarioError(Finding(where=where, what=f"'{text}' is outside {of}", remedy=remedy))
    return full


def there(path: Path, text: str, where: str) -> Path:
    """Return `path`, or raise where there is nothing."""
    if not path.exists():
        raise ScenarioError(Finding(where=where, what=f"'{text}' is not there", remedy=str(path)))
    return path
