"""The page of a sweep: its front, its best points with their scenarios to copy, all its rows."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import plural
from greensched.report.charts.pareto import ends_h, least, pareto, plain, points
from greensched.report.page.document import document
from greensched.report.page.html import Section, facts, figure, listed, paragraph, table, text
from greensched.report.words import number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

SHOWN_MAX: Final = 40  # points whose scenarios can be copied, and failures that are listed


def swept_page(
    rows: pd.DataFrame, about: Mapping[str, Any], scenario_of: Callable[[dict[str, Any]], str]
) -> str:
    """Return the page of `points.parquet` and `sweep.json`.

    `scenario_of` gives the text of the scenario at a point's values, by path.
    """
    axes = [axis["path"] for axis in about["axes"]]
    made = pareto(rows, axes)
    charts = {} if made is None else {made.name: made}
    found = points(rows, axes)
    front = paragraph("No point could be run.") if made is None else figure(made, heading=False)
    sections = [
        Section(key="front", title="Carbon against service and cost", parts=(front,)),
        Section(
            key="points",
            title="Points of the front, and their scenarios",
            parts=_points(found, rows, axes, scenario_of),
        ),
        Section(key="grid", title="What was swept", parts=(_grid(about, rows),)),
    ]
    header = (
        f"<header><h1>{text(about['name'])}: {text(plural(len(rows), 'point'))}</h1>"
        f"{paragraph(least(rows, axes), 'lead')}</header>"
    )
    return document(f"{about['name']}, swept", header, sections, charts)


def _points(
    found: pd.DataFrame,
    rows: pd.DataFrame,
    axes: list[str],
    scenario_of: Callable[[dict[str, Any]], str],
) -> tuple[str, ...]:
    """Return the table of the front's points, and each one's scenario to copy."""
    best = found[found["front"]] if len(found) else found
    order = best.sort_values(["broken", "emissions_kg"])["point"].drop_duplicates().tolist()
    if not order:
        return (paragraph("There is none."),)
    kept = order[:SHOWN_MAX]
    by_point = rows.set_index("point")
    measures = list(dict.fromkeys(found["measure"]))
    values = found.set_index(["point", "measure"])
    cells, texts = [], []
    for point in kept:
        own = found[found["point"] == point].iloc[0]
        shown = [
            f"{values.loc[(point, m), 'value']:,.4g}" if (point, m) in values.index else "–"
            for m in measures
        ]
        held = (
            "held" if own["broken"] == 0 else f"{plural(int(own['broken']), 'objective')} BROKEN"
        )
        cells.append([f"{point}: {own['setting']}", number(own["emissions_kg"], 2), *shown, held])
        given = {axis: plain(by_point.loc[point, axis]) for axis in axes}
        texts.append(_scenario(int(point), str(own["setting"]), scenario_of(given)))
    more = f"The first {SHOWN_MAX} of {len(order)}." if len(order) > SHOWN_MAX else ""
    marks = ["" if row[-1] == "held" else "bad" for row in cells]
    kg = "kgCO2e less the baseline's" if ends_h(rows) else "kgCO2e"
    heads = ["point", kg, *measures, "objectives"]
    title = "Points on a front, those that keep their objectives first"
    shown_table = table(title, heads, cells, words=(len(heads) - 1,), marks=marks)
    return (paragraph(more), shown_table, *texts)


def _scenario(point: int, setting: str, scenario: str) -> str:
    """Return a point's scenario, folded, with a button that copies it."""
    title = f"Scenario of point {point}: {setting}"
    return (
        f'<details id="point-{point}"><summary>{text(title)}</summary>'
        f'<p class="screen"><button type="button" data-copies="scenario-{point}">Copy</button></p>'
        f'<pre id="scenario-{point}" tabindex="0">{escape(scenario)}</pre></details>'
    )


def _grid(about: Mapping[str, Any], rows: pd.DataFrame) -> str:
    """Return the axes, what could not be run, and how to repeat it."""
    axes = [
        [axis["path"], plural(len(axis["values"]), "value"), ", ".join(map(str, axis["values"]))]
        for axis in about["axes"]
    ]
    failed = rows[rows["error"].notna()]
    errors = [f"point {r.point}: {r.error}" for r in failed.head(SHOWN_MAX).itertuples()]
    told = [
        ("to repeat", about["command"]),
        ("scenario, SHA-256", about["scenario_sha256"]),
        ("seed", str(about["seed"])),
        ("all rows", "points.parquet, beside this page"),
    ]
    return table("Axes", ["path", "", "values"], axes, words=(1, 2)) + listed(errors) + facts(told)
