"""At what risk: objectives, the services that suffer most, waits and deadlines of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.report import heading
from greensched.report.charts.service import judged, objectives_sentence
from greensched.report.difference import look_up
from greensched.report.page.html import Section, figure, listed, paragraph, table
from greensched.report.words import number
from greensched.units import S_PER_H

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from greensched.report.charts import Chart
    from greensched.report.evidence import Evidence

ENDS: Final = {"baseline": "end_baseline_s", "scenario": "end_s"}
COUNTS: Final = (
    ("jobs", "submitted"),
    ("completed", "completed"),
    ("deadlines", "with a deadline"),
    ("held", "held by choice for cleaner hours"),
    ("pauses", "pauses for cleaner hours"),
    ("evictions", "evictions"),
    ("unfinished", "unfinished at the end"),
)


def risk(evidence: Evidence, charts: Mapping[str, Chart]) -> Iterator[Section]:
    """Yield the sections of service levels and of batch."""
    summary = evidence.summary
    kind = summary["baseline"]["kind"]
    rows = [
        [
            row["objective"],
            *(f"{row[k]:,.3g} {row['unit']}" if row[k] is not None else "–" for k in VALUES),
            "held" if row["held"] else "BROKEN",
        ]
        for row in judged(summary)
    ]
    marks = ["" if row["held"] else "bad" for row in judged(summary)]
    heads = ["objective", "limit", kind, "scenario", ""]
    objectives = (
        figure(charts["objectives"], heading=False)
        if "objectives" in charts
        else paragraph(objectives_sentence(summary))
    )
    worst = (
        figure(charts["services"])
        if "services" in charts
        else paragraph("No service is in violation, neither before nor after.")
    )
    yield Section(
        key="service",
        title="Service levels and the worst services",
        parts=(
            objectives,
            table("Objectives of the scenario", heads, rows, words=(4,), marks=marks)
            if rows
            else "",
            worst if look_up(summary, "demand.services") else "",
            listed([heading.interference(summary), heading.worst_databases(summary)]),
        ),
    )
    yield Section(
        key="batch",
        title="Batch: waits and deadlines",
        parts=tuple(_batch(summary, evidence.jobs, charts)),
    )


VALUES: Final = ("limit", "baseline", "scenario")


def _batch(
    summary: Mapping[str, Any], jobs: pd.DataFrame | None, charts: Mapping[str, Chart]
) -> Iterator[str]:
    if not look_up(summary, "demand.jobs"):
        yield paragraph("The scenario has no jobs.")
        return
    if "waits" in charts:
        yield figure(charts["waits"], heading=False)
    runs = [summary[run]["batch"] for run in ("baseline", "scenario")]
    rows = [
        [label, *(number(run.get(key), 0) for run in runs)]
        for key, label in COUNTS
        if any(run.get(key) for run in runs)
    ]
    yield table("Jobs", ["", summary["baseline"]["kind"], "scenario"], rows)
    if jobs is not None:
        yield paragraph(deadlines(jobs, summary["baseline"]["kind"]))


def deadlines(jobs: pd.DataFrame, kind: str) -> str:
    """Return how many deadlines are missed, and by how much the others are kept."""
    if "deadline_s" not in jobs or not jobs["deadline_s"].notna().any():
        return "No job has a deadline."
    own = jobs[jobs["deadline_s"].notna()]
    texts = []
    for run, name in (("scenario", "in the scenario"), ("baseline", f"under {kind}")):
        spare_h = (own["deadline_s"] - own[ENDS[run]]) / S_PER_H
        missed = int((spare_h < 0).sum() + spare_h.isna().sum())
        kept = spare_h[spare_h >= 0]
        text = f"{name} {missed:,} are missed"
        if len(kept):
            tight, half = (number(float(kept.quantile(q)), 1) for q in (0.05, 0.5))
            text += (
                f", and those kept are kept with {half} h to spare (the tightest 5 %: {tight} h)"
            )
        texts.append(text)
    return f"Of {len(own):,} deadlines {'; '.join(texts)}."
