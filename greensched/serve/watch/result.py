"""A folder of results: its headline and what it saved; the report itself is a page of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.report import heading
from greensched.report.difference import lines, result_columns
from greensched.report.outputs import MANIFEST, read_result
from greensched.serve.look import Look

if TYPE_CHECKING:
    from pathlib import Path


class ResultWatch:
    """Watches one folder, which another run may replace."""

    period_s = 5.0
    kind = "result"

    def __init__(self, folder: Path) -> None:
        """Watch the result in `folder`."""
        self.folder, self.title = folder, f"result {folder}"
        self._seen: tuple[int, Look] | None = None

    def look(self, now_ms: int) -> Look:
        """Return headline and table; raises DataError where the folder is damaged or gone."""
        written = (self.folder / MANIFEST).stat().st_mtime_ns if self._is_there() else 0
        if self._seen and self._seen[0] == written:
            return self._seen[1]
        summary = read_result(self.folder).summary
        titles, outcomes = result_columns(summary)
        rows = lines(outcomes, currency=summary["currency"] or "", bounds=summary.get("bounds"))
        head = (heading.question(summary), *titles, f"Δ {titles[0]}", "%", "objective")
        shown = tuple((r.label, *r.cells, r.delta, r.percent, r.verdict) for r in rows)
        found = Look(
            title=heading.headline(summary),
            kind=self.kind,
            at_ms=now_ms,
            facts=(("in short", heading.sentence(summary)), ("stamp", heading.stamp(summary))),
            table=(head, *shown),
        )
        self._seen = written, found
        return found

    def _is_there(self) -> bool:
        return (self.folder / MANIFEST).exists()
