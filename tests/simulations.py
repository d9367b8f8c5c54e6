"""Expected results of `simulations/`: what is kept of a summary, and how it is made anew.

python -m tests.simulations tidal-week surf-week ...
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import greensched as gs
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "simulations"
TOLERANCE_REL = 1e-9  # floats; integers and text are equal
LEFT_OUT = ("version",)


def expected_path(name: str) -> Path:
    """Return where a scenario's expected result is kept."""
    return FOLDER / f"{name}.expected.json"


def summary_of(name: str, **overrides: Any) -> dict[str, Any]:
    """Run a scenario of `simulations/` and return its summary without what releases change."""
    scenario = gs.load(FOLDER / f"{name}.yaml")
    if overrides:
        scenario = scenario.with_(**overrides)
    summary = json.loads(json.dumps(gs.run(scenario).summary))
    return {key: value for key, value in summary.items() if key not in LEFT_OUT}


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Return where `found` differs from `expected`, as `path: expected, found`."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [
            line
            for key in sorted({*expected, *found})
            for line in differences(expected.get(key), found.get(key), f"{path}.{key}")
        ]
    if isinstance(expected, float) and isinstance(found, (int, float)):
        near = abs(found - expected) <= TOLERANCE_REL * max(abs(expected), abs(found))
        return [] if near else [f"{path}: {expected!r}, {found!r}"]
    return [] if expected == found else [f"{path}: {expected!r}, {found!r}"]


def main(names: list[str]) -> None:
    """Write the expected results of the named scenarios."""
    for name in names:
        text = json.dumps(summary_of(name), indent=1, ensure_ascii=False, sort_keys=True)
        expected_path(name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
