"""A folder of results: its headline and what it saved; the report itself is a page of its own."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Final

from greensched.report import heading
from greensched.report.charts.tide import tide
from greensched.report.difference import result_lines
from greensched.report.outputs import MANIFEST, read_result
from greensched.report.page import page
from greensched.serve.charts import drawn as pictures
from greensched.serve.look import Look

if TYPE_CHECKING:
    from pathlib import Path


ROWS_MAX: Final = 300  # of a run in the picture; the report has all


class ResultWatch:
    """Watches one folder, which another run may replace."""

    period_s = 5.0
    kind = "result"

    def __init__(self, folder: Path) -> None:
        """Watch the result in `folder`."""
        self.folder, self.title = folder, f"result {folder}"
        self._name = f"tide{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
        self._seen: tuple[int, Look] | None = None
        self._page: tuple[int, str] | None = None
        self._drawing = Lock()

    def look(self, now_ms: int) -> Look:
        """Return headline, table and tide; raises DataError where there is no whole result."""
        written = self._written_ns()
        if self._seen is None or self._seen[0] != written:
            self._seen = written, self._look(now_ms)
        return self._seen[1]

    def page(self) -> str:
        """Return the whole report; raises DataError where there is no whole result."""
        with self._drawing:  # it takes a second: who comes meanwhile gets the same
            written = self._written_ns()
            if self._page is None or self._page[0] != written:
                # pages beside the folder are not served, so nothing links to them
                alone = replace(read_result(self.folder).evidence, calibration="", verified=())
                self._page = written, page(alone)
            return self._page[1]

    def _written_ns(self) -> int:
        path = self.folder / MANIFEST
        return path.stat().st_mtime_ns if path.exists() else 0

    def _look(self, now_ms: int) -> Look:
        stored = read_result(self.folder)
        summary = stored.summary
        titles, rows = result_lines(summary)
        head = (heading.question(summary), *titles, f"Δ {titles[0]}", "%", "objective")
        shown = tuple((r.label, *r.cells, r.delta, r.percent, r.verdict) for r in rows)
        series, kind = stored.table("series"), summary["baseline"]["kind"]
        offset_ms = heading.start_offset_ms(summary)
        drawn = tide(series, offset_ms, kind, rows_max=ROWS_MAX)
        return Look(
            title=heading.headline(summary),
            kind=self.kind,
            at_ms=now_ms,
            facts=(("in short", heading.sentence(summary)), ("stamp", heading.stamp(summary))),
            table=(head, *shown),
            pictures=pictures(drawn, self._name),
            sees=drawn.sees,
        )
