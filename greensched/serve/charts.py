"""The live page's own charts: intensity ahead, with what is planned in it, and savings by day."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from greensched.report.charts import chart as c
from greensched.report.words import number
from greensched.serve.board import Board, local
from greensched.serve.words import clock, mass
from greensched.units import MS_PER_DAY, MS_PER_MIN

if TYPE_CHECKING:
    from datetime import tzinfo

    import pandas as pd

WIDTHS: Final = {"wide": 860, "narrow": 330}  # of a screen and of a telephone
AXIS_WIDTH: Final = 70
HEIGHT: Final = 190
# A picture is set out by one font and read in another, whose words are up to a fifth wider.
LABEL_SEPARATION, LEGEND_SEPARATION = 18, 30
LEGEND_COLUMN: Final = 130
STEP_MS: Final = 5 * MS_PER_MIN  # after it the chart begins later
AHEAD_MS: Final = 2 * MS_PER_DAY
COLUMNS: Final = {  # of each chart's data
    "intensity": ["begin_local", "end_local", "intensity_g_per_kwh"],
    "saved": ["day_local", "saved_g", "jobs"],
}
PLANNED_MAX: Final = 100  # runs that are shaded
OPACITY, OPACITY_MIN = 0.4, 0.1  # of one run alone, and of each among many


def charts(board: Board, zone: tzinfo | None) -> dict[str, c.Chart]:
    """Return the charts by name; what there is nothing of is left out."""
    made = {}
    if board.ahead is not None and (steps := intensity_steps(board, zone)):
        made["intensity"] = _intensity(board, steps, planned_runs(board, zone), zone)
    if board.has_books and any(day.jobs for day in board.days):
        made["saved"] = _saved(board)
    return made


def intensity_steps(board: Board, zone: tzinfo | None) -> list[tuple[str, str, float]]:
    """Return local begin and end (ISO 8601) and intensity [g/kWh] of each step from now on."""
    ahead = board.ahead
    if ahead is None:
        return []
    now_ms = board.at_ms // STEP_MS * STEP_MS
    steps = []
    for begin, end, value in zip(
        ahead.edges_ms, ahead.edges_ms[1:], ahead.values_g_per_kwh, strict=False
    ):
        first, last = max(begin, now_ms), min(end, now_ms + AHEAD_MS)
        if first < last:
            steps.append((_wall(first, zone), _wall(last, zone), value))
    return steps


def planned_runs(board: Board, zone: tzinfo | None) -> list[tuple[str, str]]:
    """Return local begin and end (ISO 8601) of runs planned within the hours that are shown."""
    ahead = board.ahead
    if ahead is None:
        return []
    last_ms = min(ahead.edges_ms[-1], board.at_ms // STEP_MS * STEP_MS + AHEAD_MS)
    spans = [(t.start_ms, t.end_ms) for t in board.tasks if t.state == "waiting"]
    return [
        (_wall(begin, zone), _wall(min(end, last_ms), zone))
        for begin, end in spans
        if end is not None and board.at_ms < begin < last_ms
    ][:PLANNED_MAX]


def _wall(at_ms: int, zone: tzinfo | None) -> str:
    """Return local time without its offset: charts show it as it is."""
    return local(at_ms, zone).replace(tzinfo=None).isoformat(timespec="minutes")


def _times(rows: list[Any], columns: list[str], of: list[str]) -> pd.DataFrame:
    """Return rows as columns, those named in `of` as times."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(**{name: pd.to_datetime(frame[name]) for name in of})


def _intensity(
    board: Board,
    steps: list[tuple[str, str, float]],
    planned: list[tuple[str, str]],
    zone: tzinfo | None,
) -> c.Chart:
    """Return intensity from now on as steps, the planned runs of jobs that wait shaded."""
    import altair as alt

    assert board.ahead is not None
    data = _times(
        [*steps, (steps[-1][1], steps[-1][1], steps[-1][2])],  # the last is drawn to its end
        COLUMNS["intensity"],
        ["begin_local", "end_local"],
    )
    axis = alt.Axis(format="%a %H:%M", grid=False, labelOverlap=True)
    along = alt.X("begin_local:T", title=None, scale=alt.Scale(type="utc"), axis=axis)
    level = alt.Y("intensity_g_per_kwh:Q", title="gCO2e/kWh", scale=alt.Scale(zero=True))
    area = alt.Chart().mark_area(
        interpolate="step-after", color=c.GREEN, fillOpacity=0.2, line={"color": c.GREEN}
    )
    layers: list[Any] = [area.encode(x=along, y=level)]
    if planned:
        parse = dict.fromkeys(("begin_local", "end"), "utc:'%Y-%m-%dT%H:%M'")
        runs = alt.InlineData(
            values=[{"begin_local": begin, "end": end} for begin, end in planned],
            format=alt.JsonDataFormat(type="json", parse=parse),
        )
        opacity = max(OPACITY_MIN, OPACITY / len(planned))  # where many run it is darker
        shade = alt.Chart(runs).mark_rect(color=c.ORANGE, opacity=opacity)
        layers.insert(0, shade.encode(x=along, x2="end:T"))
    asked = clock(board.ahead.asked_ms, board.at_ms, zone)
    shaded = f" Shaded: planned runs of jobs that wait ({len(planned)})." if planned else ""
    return c.Chart(
        name="intensity",
        title="Intensity, now and next",
        sees=_trend(board, zone),
        caption=f"{board.ahead.zone}, by {board.ahead.source}, asked {asked}.{shaded}",
        data=data,
        definition=alt.layer(*layers, data=alt.NamedData(name=c.ROWS)),
    )


def _trend(board: Board, zone: tzinfo | None) -> str:
    """Return whether waiting pays, and until when."""
    now_g = None if board.ahead is None else board.ahead.at(board.at_ms)
    best = board.cleanest()
    if now_g is None or best is None:
        return "Intensity is not known now."
    at_ms, best_g = best
    if best_g >= now_g:
        return f"No hour of the next 24 is cleaner than now ({number(now_g)} g/kWh)."
    share = number(100 * (now_g - best_g) / now_g)
    when = clock(at_ms, board.at_ms, zone)
    return f"It falls from {number(now_g)} to {number(best_g)} g/kWh ({share} % less) {when}."


def _saved(board: Board) -> c.Chart:
    """Return savings by day as bars, what cost below zero, with the target as a line."""
    import altair as alt

    rows = [(day.day.isoformat(), day.saved_g, day.jobs) for day in board.days]
    axis = alt.Axis(format="%d %b", labelOverlap=True, grid=False)
    bars = (
        alt.Chart()
        .mark_bar(width={"band": 0.8})
        .encode(
            x=alt.X("day_local:O", timeUnit="utcyearmonthdate", title=None, axis=axis),
            y=alt.Y("saved_g:Q", title="g CO2e saved"),
            color=alt.condition("datum.saved_g < 0", alt.value(c.RED), alt.value(c.BLUE)),
        )
    )
    layers: list[Any] = [bars]
    if board.target_g is not None:
        rule = alt.Chart().mark_rule(color=c.PURPLE, strokeDash=[5, 3], strokeWidth=2)
        layers.append(rule.encode(y=alt.datum(board.target_g)))
    total_g, jobs = sum(day.saved_g for day in board.days), sum(day.jobs for day in board.days)
    lost = " Days below zero cost more than they saved."
    return c.Chart(
        name="saved",
        title="Saved by day",
        sees=f"{mass(total_g)} CO2e in {len(rows)} days, {jobs:,} jobs.{_reached(board)}",
        caption="Against the same work at once when it was queued, on the day that it ended."
        + (lost if any(day.saved_g < 0 for day in board.days) else ""),
        data=_times(rows, COLUMNS["saved"], ["day_local"]),
        definition=alt.layer(*layers, data=alt.NamedData(name=c.ROWS)),
    )


def _reached(board: Board) -> str:
    """Return on how many days the target was reached."""
    if board.target_g is None:
        return ""
    days = sum(day.saved_g >= board.target_g for day in board.days)
    return f" The target of {mass(board.target_g)} a day (dashed) was reached on {days} of them."


_last: dict[str, tuple[str, str]] = {}  # by name: what was drawn last, and the picture


def drawn(chart: c.Chart, name: str = "") -> dict[str, str]:
    """Return a chart as SVG in each width, for a page that has others beside it.

    `name` tells it from others of its kind.
    """
    own = name or chart.name
    return {size: _drawn(chart, f"{own}-{size}", width) for size, width in WIDTHS.items()}


def _drawn(chart: c.Chart, name: str, width: int) -> str:
    """Return a chart as SVG; what has not changed is not drawn again, which takes a while."""
    sized = chart.definition.properties(width=width - AXIS_WIDTH, height=HEIGHT)
    one = replace(chart, definition=sized, style=_style(width - AXIS_WIDTH))
    about = json.dumps(one.spec, default=str) + one.csv
    if _last.get(name, ("", ""))[0] != about:
        _last[name] = about, scoped(one.svg, name)
    return _last[name][1]


def _style(width: int) -> dict[str, dict[str, Any]]:
    """Return a style in which words keep apart, legends in as many columns as there is room."""
    legend = {
        "columns": max(2, width // LEGEND_COLUMN),
        "columnPadding": LEGEND_SEPARATION,
        "layout": {"top": {"direction": "vertical", "anchor": "start"}},
    }
    return {"axis": {"labelSeparation": LABEL_SEPARATION}, "legend": legend}


def scoped(svg: str, name: str) -> str:
    """Return an SVG whose ids begin with `name`, so that several may stand on one page."""
    made = re.sub(r'\bid="', f'id="{name}-', svg)
    return re.sub(r"url\(#", f"url(#{name}-", made)
