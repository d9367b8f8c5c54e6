"""What a report is told from: the parts of a result's folder that its page shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """Summary, manifest and tables of a result; what is None was not written."""

    summary: Mapping[str, Any]
    manifest: Mapping[str, Any]
    series: pd.DataFrame
    jobs: pd.DataFrame | None = None
    factors: pd.DataFrame | None = None
    sensitivity: Mapping[str, Any] | None = None
    calibration: str = ""  # the page of the calibration that it ran with, from the result's folder
    verified: tuple[tuple[str, Mapping[str, Any]], ...] = ()  # pages, and what each says
