"""A year of such weeks, as people read it: median and range, labelled extrapolated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched.report.calibration import table
from greensched.report.words import number, span
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

WEEK_S = 7 * 86_400_000 / MS_PER_S


def per_year_text(document: Mapping[str, Any]) -> str:
    """Return the block that `run --per-year` prints below its table."""
    rows: list[tuple[str, ...]] = [
        (f"{span(document['window_weeks'] * WEEK_S)}, kgCO2e scope 2", "least", "median", "most")
    ]
    for name in ("baseline", "scenario", "savings"):
        told = document[f"{name}_scope2_kg"]
        cells = (number(told[key], 1) for key in ("least", "median", "most"))
        rows.append((f"  {name}", *cells))
    lines = [
        f"extrapolated: this usage at {document['weeks']} weeks of the grid, nothing run again",
        *table(rows),
        "not in it: another load, and what switches would do on another week's grid",
    ]
    return "\n".join(lines) + "\n"
