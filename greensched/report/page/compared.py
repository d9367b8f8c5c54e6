"""The page of a comparison: two results side by side, and why they differ."""

from __future__ import annotations

from difflib import unified_diff
from html import escape
from typing import TYPE_CHECKING, Any

from greensched.report import heading
from greensched.report.charts.causes import LABELS, bridge, causes
from greensched.report.difference import compared_lines
from greensched.report.page.document import document
from greensched.report.page.html import Section, facts, figure, listed, paragraph, table, text
from greensched.report.page.sections.saved import difference_table
from greensched.report.words import number, signed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.report.charts.causes import Bridge


def compared_page(
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    *,
    titles: tuple[str, str],
    warnings: Sequence[str],
    scenarios: tuple[str, str],
) -> str:
    """Return the page of two summaries; `scenarios` are the texts that made them."""
    made = causes(a["scenario"], b["scenario"], titles)
    found = bridge(a["scenario"], b["scenario"])
    charts = {} if made is None else {made.name: made}
    why = (
        paragraph("One of the two took machines or energy for no work: there is no such cause.")
        if made is None or found is None
        else figure(made, heading=False) + _effects(found)
    )
    sections = [
        Section(
            key="difference",
            title="Difference",
            parts=(difference_table("scenarios", titles, compared_lines(a, b)),),
        ),
        Section(key="causes", title="Difference by cause", parts=(why,)),
        Section(key="scenarios", title="What differs in the scenarios", parts=(_diff(scenarios),)),
        Section(key="provenance", title="Provenance", parts=(_provenance(a, b, titles),)),
    ]
    names = "" if a["name"] != b["name"] else f"{a['name']}: "
    name = f"{names}{titles[0]} and {titles[1]}"
    stamps = " / ".join(dict.fromkeys((heading.stamp(a), heading.stamp(b))))
    heads = dict.fromkeys((heading.headline(a), heading.headline(b)))
    said = made.sees if made is not None else ""
    header = (
        f'<header><h1>{text(name)}</h1><p class="stamp">{text(stamps)}</p>'
        f"{paragraph(said, 'lead')}{listed(heads)}{_warned(warnings)}</header>"
    )
    return document(name, header, sections, charts)


def _warned(warnings: Sequence[str]) -> str:
    """Return why the two are not at equal demand and service; nothing where they are."""
    if not warnings:
        return ""
    return f'<div class="box"><h3 class="bad-word">Not alike</h3>{listed(warnings)}</div>'


def _effects(found: Bridge) -> str:
    """Return the causes as a table that sums to the difference."""
    rows = [[LABELS[name], signed(value, found.digits)] for name, value in found.shown.items()]
    rows.append(["in all", signed(found.ends[1] - found.ends[0], found.digits)])
    marks = [*[""] * len(found.shown), "total"]
    title = "What each cause adds to scope 2 (location) and embodied emissions"
    return table(title, ["", f"{found.unit}CO2e"], rows, marks=marks)


def _diff(scenarios: tuple[str, str]) -> str:
    before, after = (one.splitlines() for one in scenarios)
    lines = list(unified_diff(before, after, "A", "B", lineterm=""))
    if not lines:
        return paragraph("Nothing: the two scenarios are the same text.")
    return f'<pre tabindex="0">{escape(chr(10).join(lines))}</pre>'


def _provenance(a: Mapping[str, Any], b: Mapping[str, Any], titles: tuple[str, str]) -> str:
    return facts(
        (f"{title}: {label}", number(one[key]) if key == "seed" else str(one[key]))
        for title, one in zip(titles, (a, b), strict=True)
        for key, label in (
            ("scenario_sha256", "scenario, SHA-256"),
            ("seed", "seed"),
            ("version", "greensched"),
        )
    )
