"""A scenario whose run takes a twentieth of a second, for sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.report_cases import write_scenario

if TYPE_CHECKING:
    from pathlib import Path


def write_tiny(folder: Path) -> Path:
    """Write a scenario of two hours with seven jobs into `folder`; return its path."""
    path = write_scenario(folder)
    text = path.read_text(encoding="utf-8").replace("days: 1}", "hours: 2}")
    text = text.replace("kind: elastic}", "kind: elastic-reactive}")
    path.write_text(text, encoding="utf-8")
    jobs = (folder / "jobs.csv").read_text(encoding="utf-8").splitlines()
    (folder / "jobs.csv").write_text("\n".join(jobs[:8]) + "\n", encoding="utf-8")
    return path
