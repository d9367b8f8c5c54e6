"""The charts of a report, as static SVG: defined in altair, drawn by vl-convert.

Times are shown as the scenario's local time; they are passed as if they were UTC, so that a
picture does not depend on where it is drawn.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

POINTS_MAX: Final = 400  # of a chart: more cannot be seen at its width
WIDTH, HEIGHT = 860, 300
NIGHT_FROM_H, NIGHT_TO_H = 22, 6
NIGHTS_DAYS_MAX: Final = 15  # longer windows would be striped
INK: Final = "#010203"  # replaced by the page's own colour of text
# Okabe and Ito's palette, told apart by the colour-blind; greys for machines that rest.
ROLES: Final = (
    ("machines_online", "services", "#0072B2"),
    ("machines_shared", "services and batch", "#009E73"),
    ("machines_lent", "lent to batch", "#E69F00"),
    ("machines_batch", "batch", "#CC79A7"),
    ("machines_database", "databases", "#56B4E9"),
    ("machines_booting", "booting", "#D55E00"),
    ("machines_sleeping", "sleeping", "#B0B0B0"),
    ("machines_off", "off", "#DCDCDC"),
    ("machines_out", "out of service", "#F0E442"),
)
ON: Final = tuple(column for column, _, _ in ROLES[:6])
COLOURS: Final = {"baseline": "#D55E00", "scenario": "#0072B2"}


def charts(series: pd.DataFrame, offset_ms: int, kind: str) -> dict[str, str]:
    """Return `tide`, `power` and `intensity` as SVG of the result's series.

    `offset_ms` is local time less UTC, `kind` the baseline's name.
    """
    import altair as alt
    import pandas as pd

    local = series.assign(time=series["time_utc"] + pd.Timedelta(offset_ms, "ms"))
    thin = {run: _thinned(local[local["run"] == run]) for run in ("baseline", "scenario")}
    made: dict[str, Any] = {
        "tide": _tide(alt, thin, kind),
        "power": _power(alt, thin, kind),
        "intensity": _intensity(alt, thin["scenario"]),
    }
    return {name: _svg(chart, name) for name, chart in made.items()}


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    """Return means over equal numbers of intervals, weighted by their length, to draw."""
    import numpy as np

    rows = rows.reset_index(drop=True)
    per = max(1, -(-len(rows) // POINTS_MAX))
    bins = np.arange(len(rows)) // per
    weight = rows["interval_s"].to_numpy()
    numbers = [c for c in rows.columns if rows[c].dtype.kind == "f" and c != "interval_s"]
    total = np.bincount(bins, weights=weight)
    result = rows.loc[np.arange(0, len(rows), per), ["time"]].reset_index(drop=True)
    for name in numbers:
        result[name] = np.bincount(bins, weights=rows[name].to_numpy() * weight) / total
    last = result.iloc[[-1]].copy()  # so that the last step is drawn to its end
    last["time"] = rows["time"].iloc[-1] + (rows["time"].iloc[-1] - rows["time"].iloc[-2])
    import pandas as pd

    return pd.concat([result, last], ignore_index=True)


def _time_axis(alt: Any) -> Any:
    return alt.X(
        "time:T",
        title=None,
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(format="%a %H:%M", labelOverlap=True, grid=False, tickCount=14),
    )


def _nights(alt: Any, rows: pd.DataFrame) -> Any | None:
    """Return rectangles from 22:00 to 06:00; None where the window is too long for them."""
    import pandas as pd

    first, last = rows["time"].iloc[0], rows["time"].iloc[-1]
    if (last - first).days > NIGHTS_DAYS_MAX:
        return None
    nights = []
    for day in pd.date_range(first.normalize() - pd.Timedelta(1, "D"), last, freq="D"):
        begin = max(first, day + pd.Timedelta(NIGHT_FROM_H, "h"))
        end = min(last, day + pd.Timedelta(24 + NIGHT_TO_H, "h"))
        if begin < end:
            nights.append({"time": begin, "until": end})
    if not nights:
        return None
    chart = alt.Chart(pd.DataFrame(nights)).mark_rect(color="#808080", opacity=0.16)
    return chart.encode(x=_time_axis(alt), x2="until:T")


def _layers(alt: Any, rows: pd.DataFrame, *parts: Any) -> Any:
    night = _nights(alt, rows)
    layered = alt.layer(*([night] if night is not None else []), *parts)
    return layered.properties(width=WIDTH, height=HEIGHT)


def _tide(alt: Any, thin: dict[str, pd.DataFrame], kind: str) -> Any:
    """Return machines by role, stacked, with the baseline's machines that are on as a line."""
    rows = thin["scenario"]
    shown = [r for r in ROLES if r[0] in rows and rows[r[0]].max() > 0]
    long = rows.melt(
        id_vars="time",
        value_vars=[c for c, _, _ in shown],
        var_name="column",
        value_name="machines",
    )
    names = {c: label for c, label, _ in shown}
    order = {c: i for i, (c, _, _) in enumerate(shown)}
    long = long.assign(role=long["column"].map(names), order=long["column"].map(order))
    areas = (
        alt.Chart(long)
        .mark_area(interpolate="step-after", opacity=0.9)
        .encode(
            x=_time_axis(alt),
            y=alt.Y("machines:Q", title="machines", stack="zero"),
            color=alt.Color(
                "role:N",
                title=None,
                scale=alt.Scale(domain=list(names.values()), range=[c for _, _, c in shown]),
            ),
            order=alt.Order("order:Q"),
        )
    )
    base = thin["baseline"]
    total = base[["time"]].assign(machines=base[list(ON)].sum(axis=1), line=f"on: {kind}")
    line = (
        alt.Chart(total)
        .mark_line(interpolate="step-after", color=INK, strokeWidth=1.6)
        .encode(
            x=_time_axis(alt),
            y="machines:Q",
            strokeDash=alt.StrokeDash(
                "line:N", title=None, scale=alt.Scale(range=[[4, 2]]), legend=_line_legend(alt)
            ),
        )
    )
    return _layers(alt, rows, areas, line).resolve_scale(strokeDash="independent")


def _line_legend(alt: Any) -> Any:
    return alt.Legend(symbolType="stroke", symbolStrokeColor=INK)


def _power(alt: Any, thin: dict[str, pd.DataFrame], kind: str) -> Any:
    """Return facility power of both runs."""
    import pandas as pd

    parts = []
    for run, label in (("baseline", kind), ("scenario", "scenario")):
        rows = thin[run]
        parts.append(rows[["time"]].assign(power=rows["power_facility_w"] / 1000, run=label))
    colours = alt.Scale(domain=[kind, "scenario"], range=list(COLOURS.values()))
    lines = (
        alt.Chart(pd.concat(parts))
        .mark_line(interpolate="step-after", strokeWidth=1.6)
        .encode(
            x=_time_axis(alt),
            y=alt.Y("power:Q", title="facility power, kW"),
            color=alt.Color("run:N", title=None, scale=colours),
            strokeDash=alt.StrokeDash(
                "run:N",
                title=None,
                scale=alt.Scale(domain=[kind, "scenario"], range=[[5, 3], [1, 0]]),
            ),
        )
    )
    return _layers(alt, thin["scenario"], lines)


def _intensity(alt: Any, rows: pd.DataFrame) -> Any:
    """Return the carbon intensity of the grid."""
    known = rows.dropna(subset=["intensity_g_per_kwh"])
    line = (
        alt.Chart(known[["time", "intensity_g_per_kwh"]])
        .mark_line(interpolate="step-after", color="#009E73", strokeWidth=1.6)
        .encode(
            x=_time_axis(alt),
            y=alt.Y("intensity_g_per_kwh:Q", title="gCO2e/kWh", scale=alt.Scale(zero=True)),
        )
    )
    return _layers(alt, rows, line).properties(height=HEIGHT // 2)


def _svg(chart: Any, name: str) -> str:
    """Return a chart as SVG whose text follows the page's colour and whose ids are its own."""
    import vl_convert

    muted = {"labelColor": INK, "titleColor": INK, "domainColor": INK, "tickColor": INK}
    spec = chart.configure(background="transparent").configure_view(stroke=None)
    spec = spec.configure_axis(**muted, gridOpacity=0.25, labelFontSize=11, titleFontSize=12)
    spec = spec.configure_legend(labelColor=INK, orient="top", labelFontSize=12, labelLimit=300)
    svg: str = vl_convert.vegalite_to_svg(spec.to_json())
    svg = svg.replace(INK, "currentColor")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    return re.sub(r' (aria-[a-z]+|role)="[^"]*"', "", svg)
