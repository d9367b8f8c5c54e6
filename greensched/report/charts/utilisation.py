"""How full the machines are that are on, by day and hour, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.report.charts import chart as c
from greensched.report.charts import timeline as t
from greensched.report.words import number

if TYPE_CHECKING:
    import pandas as pd

USE: Final = "utilisation_share"
DAYS_MAX: Final = 15  # more are shown as the mean of each day of the week
WEEK: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def utilisation(series: pd.DataFrame, offset_ms: int, kind: str) -> c.Chart | None:
    """Return the heat map of both runs; None where the series does not tell utilisation."""
    if USE not in series:
        return None
    rows = t.local(series[series["run"].isin(("baseline", "scenario"))], offset_ms)
    known = rows.dropna(subset=[USE])
    if set(known["run"]) != {"baseline", "scenario"}:
        return None  # in one of them no machine is ever on
    by_week = (known[t.TIME].iloc[-1] - known[t.TIME].iloc[0]).days > DAYS_MAX
    frame = _hours(known, kind, by_week=by_week)
    over = "days of the week (means)" if by_week else "days"
    return c.Chart(
        name="utilisation",
        title="How full the machines are",
        sees=_sees(known, kind),
        caption=(
            f"Mean CPU use of the machines that are on, by hour and {over}, local time: the "
            "darker, the fuller. It is read from their mean power through their power curve."
        ),
        data=frame,
        definition=_definition(frame, kind),
    )


def _hours(rows: pd.DataFrame, kind: str, *, by_week: bool) -> pd.DataFrame:
    """Return the mean by run, day and hour, intervals weighted by their length."""
    import pandas as pd

    time = rows[t.TIME]
    day = time.dt.dayofweek.map(dict(enumerate(WEEK))) if by_week else time.dt.strftime("%Y-%m-%d")
    shown = rows["run"].map({"baseline": f"before: {kind}", "scenario": "after: scenario"})
    keys = {"run": shown, "day": day, "hour": time.dt.hour}
    table = pd.DataFrame(
        {**keys, "weight": rows["interval_s"], "sum": rows["interval_s"] * rows[USE]}
    )
    sums = table.groupby(["run", "day", "hour"], sort=False)[["weight", "sum"]].sum()
    return (100 * sums["sum"] / sums["weight"]).rename("utilisation_percent").reset_index()


def _sees(rows: pd.DataFrame, kind: str) -> str:
    """Return the mean before and after, and the fullest hour after."""
    means = {}
    for run, own in rows.groupby("run"):
        means[run] = 100 * (own[USE] * own["interval_s"]).sum() / own["interval_s"].sum()
    before, after = means["baseline"], means["scenario"]
    verb = "rises" if after > before else "falls"
    change = (
        f"stays at {number(after, 1)} %"
        if round(after, 1) == round(before, 1)
        else f"{verb} from {number(before, 1)} % under {kind} to {number(after, 1)} %"
    )
    most = 100 * rows[rows["run"] == "scenario"][USE].max()
    return f"Mean use of machines that are on {change}; at most {number(most, 0)} % at any time."


def _definition(frame: pd.DataFrame, kind: str) -> Any:
    import altair as alt

    order = [f"before: {kind}", "after: scenario"]
    days = list(dict.fromkeys(frame["day"]))
    label = "datum.value.length > 3 ? utcFormat(toDate(datum.value), '%a %e %b') : datum.value"
    panel = (
        alt.Chart(alt.NamedData(name=c.ROWS))
        .mark_rect()
        .encode(
            x=alt.X(
                "hour:O",
                title="hour",
                axis=alt.Axis(labelAngle=0, values=list(range(0, 24, 3))),
            ),
            y=alt.Y("day:O", title=None, sort=days, axis=alt.Axis(labelExpr=label)),
            color=alt.Color(
                "utilisation_percent:Q",
                title="CPU use, %",
                # not down to the darkest, which a dark page would swallow
                scale=alt.Scale(
                    scheme=alt.SchemeParams(name="cividis", extent=[0.2, 1.0]),
                    reverse=True,
                    zero=False,
                ),
                legend=alt.Legend(orient="top", gradientLength=180, title="CPU use, %"),
            ),
            tooltip=[
                alt.Tooltip("run:N"),
                alt.Tooltip("day:N"),
                alt.Tooltip("hour:O"),
                alt.Tooltip("utilisation_percent:Q", title="CPU use, %", format=".1f"),
            ],
        )
        .properties(width=c.WIDTH // 2 - 60, height=22 * len(days))
    )
    return panel.facet(facet=alt.Facet("run:N", title=None, sort=order), columns=2)
