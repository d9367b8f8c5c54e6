"""What charts over time have in common: local time, nights, down-sampling, the axis, hovering.

Times are local and passed as if they were UTC, so that a picture does not depend on where it is
drawn. The axis runs between the parameters `from_ms` and `to_ms`, by which a page zooms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.report.charts.chart import HEIGHT, HOVER, INK, ROWS, WIDTH
from greensched.units import S_PER_H

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

ROWS_MAX: Final = 6_000  # of a run on a page; 20 days of five minutes are drawn in full
PICTURE_ROWS: Final = 500  # of a run in a picture, which nobody can look into closer
NIGHT_FROM_H, NIGHT_TO_H = 22, 6
NIGHTS_DAYS_MAX: Final = 31  # more would be stripes
TIME: Final = "time_local"


def local(series: pd.DataFrame, offset_ms: int) -> pd.DataFrame:
    """Return the series with `time_local` [local time] before the other columns."""
    import pandas as pd

    times = (series["time_utc"] + pd.Timedelta(offset_ms, "ms")).astype("datetime64[ms]")
    made = series.drop(columns="time_utc")
    made.insert(0, TIME, times)
    return made


def closed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the last repeated where it ends, so that steps are drawn to their end."""
    import pandas as pd

    last = rows.iloc[[-1]].copy()
    last[TIME] = last[TIME] + pd.to_timedelta(last["interval_s"], "s")
    return pd.concat([rows, last], ignore_index=True)


def thinned(rows: pd.DataFrame, by: Sequence[str], rows_max: int) -> pd.DataFrame:
    """Return at most about `rows_max` of the rows, in order: peaks and troughs of `by` stay.

    Rows are cut into parts of equal length; of each part the first row stays, and of each
    column of `by` those with its least and its greatest value.
    """
    import numpy as np

    count = len(rows)
    if count <= rows_max:
        return rows
    parts = max(1, rows_max // (2 * len(by) + 1))
    part = np.arange(count) * parts // count
    first = np.searchsorted(part, np.arange(parts))
    kept = [first, np.array([count - 1])]
    for name in by:
        order = np.lexsort((rows[name].to_numpy(), part))
        kept += [order[first], order[np.append(first[1:], count) - 1]]
    return rows.iloc[np.unique(np.concatenate(kept))]


def thinning(
    rows: pd.DataFrame, drawn: pd.DataFrame, by: Sequence[str], rows_max: int, what: str
) -> str:
    """Return what `thinned` left out, in a sentence; empty where nothing was."""
    if len(drawn) >= len(rows):
        return ""
    length_s = (rows[TIME].iloc[-1] - rows[TIME].iloc[0]).total_seconds()
    part_h = length_s / max(1, rows_max // (2 * len(by) + 1)) / S_PER_H
    return (
        f" Drawn of {len(drawn):,} of {len(rows):,} intervals: of every {part_h:.2g} h the first, "
        f"and those with the least and the most {what}, so that peaks stay."
    )


def limits(alt: Any, rows: pd.DataFrame) -> list[Any]:
    """Return the parameters between which the axis of time runs: all of `rows`."""
    first, last = milliseconds(rows[TIME].iloc[0]), milliseconds(rows[TIME].iloc[-1])
    return [alt.param(name="from_ms", value=first), alt.param(name="to_ms", value=last)]


def milliseconds(time: pd.Timestamp) -> int:
    """Return a naive time as milliseconds since 1970."""
    return round(time.timestamp() * 1000)


def along(alt: Any) -> Any:
    """Return time for a layer whose axis is made by another layer."""
    return alt.X(f"{TIME}:T", title=None, scale=alt.Scale(type="utc"))


def axis(alt: Any) -> Any:
    """Return the axis of time, for one layer of a chart: it runs from `from_ms` to `to_ms`."""
    domain = [alt.ExprRef("from_ms"), alt.ExprRef("to_ms")]
    # Days where days are seen, dates over months, hours where they are few.
    labels = (
        "to_ms - from_ms > 50 * 864e5 ? utcFormat(datum.value, '%b %Y') : "
        "to_ms - from_ms > 16 * 864e5 ? utcFormat(datum.value, '%e %b') : "
        "to_ms - from_ms < 2 * 864e5 ? utcFormat(datum.value, '%a %H:%M') : "
        "utcFormat(datum.value, utchours(datum.value) ? '%H:%M' : '%a %e %b')"
    )
    return alt.X(
        f"{TIME}:T",
        title=None,
        scale=alt.Scale(type="utc", domain=domain, nice=False),
        axis=alt.Axis(
            labelExpr=labels,
            labelOverlap=True,
            grid=False,
            tickCount=alt.ExprRef("max(2, width / 90)"),
        ),
    )


def nights(alt: Any, rows: pd.DataFrame) -> list[Any]:
    """Return a layer that shades 22:00 to 06:00; none where the window is too long for it."""
    import pandas as pd

    first, last = rows[TIME].iloc[0], rows[TIME].iloc[-1]
    if (last - first).days > NIGHTS_DAYS_MAX:
        return []
    shaded = []
    for day in pd.date_range(first.normalize() - pd.Timedelta(1, "D"), last, freq="D"):
        begin = max(first, day + pd.Timedelta(NIGHT_FROM_H, "h"))
        end = min(last, day + pd.Timedelta(24 + NIGHT_TO_H, "h"))
        if begin < end:
            shaded.append({TIME: milliseconds(begin), "dawn": milliseconds(end)})
    if not shaded:
        return []
    night = alt.Chart(alt.InlineData(values=shaded)).mark_rect(
        color="#808080", opacity=0.16, clip=True
    )
    return [night.encode(x=along(alt), x2="dawn:T")]


def window_end(alt: Any, rows: pd.DataFrame, length_s: float) -> list[Any]:
    """Return a line where the window ends; none where nothing was waited for after it."""
    import pandas as pd

    first, last = rows[TIME].iloc[0], rows[TIME].iloc[-1]
    end = first + pd.Timedelta(length_s, "s")
    if not length_s or end >= last:
        return []
    values = alt.InlineData(values=[{TIME: milliseconds(end), "words": "window ends"}])
    # What follows is priced too: the time until the last jobs have ended.
    rule = alt.Chart(values).mark_rule(color=INK, strokeDash=[2, 2], clip=True)
    is_late = (last - end) < (last - first) / 3  # words to its right would not fit
    side = {"align": "right", "dx": -4} if is_late else {"align": "left", "dx": 4}
    words = alt.Chart(values).mark_text(**side, y=8, color=INK, fontSize=11, clip=True)
    return [rule.encode(x=along(alt)), words.encode(x=along(alt), text="words:N")]


def framed(
    alt: Any,
    rows: pd.DataFrame,
    shown: Sequence[Any],
    *,
    length_s: float = 0.0,
    height: int = HEIGHT,
) -> Any:
    """Return layers over time with nights behind them, the window's end, and the axis's limits.

    The last of `shown` lies on top: it answers to a pointer.
    """
    *below, tips = shown
    end = window_end(alt, rows, length_s)
    made = alt.layer(*nights(alt, rows), *below, *end, tips, data=alt.NamedData(name=ROWS))
    return made.properties(width=WIDTH, height=height).add_params(*limits(alt, rows))


def hover(alt: Any, shown: Mapping[str, str], where: str = "true") -> Any:
    """Return a layer of unseen columns that tell `shown`: fields with their titles and units."""
    tips = [alt.Tooltip("begins:N", title="from")]
    tips += [alt.Tooltip(f"{f}:Q", title=title, format=",.4~g") for f, title in shown.items()]
    return (
        alt.Chart(name=HOVER)
        .transform_filter(where)
        .transform_window(next=f"lead({TIME})", sort=[{"field": TIME}])
        .transform_filter("datum.next != null")
        .transform_calculate(
            until="datum.next", begins=f"utcFormat(datum.{TIME}, '%a %e %b %H:%M')"
        )
        .mark_rect(opacity=0, fill="#808080", clip=True)
        .encode(x=along(alt), x2="until:T", tooltip=tips)
    )
