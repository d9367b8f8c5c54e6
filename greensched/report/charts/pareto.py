"""The points of a sweep: emissions against service and cost, and the front that none beats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.errors import plural
from greensched.report.charts import chart as c
from greensched.report.words import number
from greensched.units import S_PER_H

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

DRAWN_MAX: Final = 2_000  # points beside those of the front
# key of a row -> label, factor
MEASURES: Final = {
    "scenario.service.violation_min": ("services in violation, min", 1.0),
    "scenario.service.latency_factor_p99": ("p99 latency of services, factor", 1.0),
    "scenario.batch.wait_p95_s": ("wait of jobs for room, p95, min", 1 / 60),
    "scenario.batch.start_p95_s": ("jobs' time to start, p95, h", 1 / S_PER_H),
    "scenario.batch.deadline_miss_share": ("missed deadlines, %", 100.0),
    "scenario.cost": ("cost", 1.0),
}
EMISSIONS: Final = ("scenario.scope2_location_kg", "scenario.embodied_kg")
SAVED: Final = ("savings.scope2_location_kg", "savings.embodied_kg")
END: Final = "window.end_s"
END_SHARE: Final = 0.001  # by which ends may differ and emissions be of one length all the same
OWN: Final = "scope 2 and embodied, kgCO2e"
AGAINST: Final = "scope 2 and embodied less the baseline's, kgCO2e"


def points(rows: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Return a row a point and measure of a sweep: emissions, value, whether on the front.

    `rows` as in `points.parquet`. Points that could not be run, and measures that no point has,
    are left out. `broken` counts objectives that a point breaks. Where runs end at different times
    emissions and cost are those less the baseline's, which is priced to the same end.
    """
    import pandas as pd

    done = _done(rows)
    measures, emitted = dict(MEASURES), done.reindex(columns=list(EMISSIONS)).sum(axis=1)
    if ends_h(rows):
        emitted = -done[list(SAVED)].sum(axis=1)
        del measures["scenario.cost"]
        measures["savings.cost"] = ("cost less the baseline's", -1.0)
    verdicts = [n for n in rows.columns if n.startswith("scenario.") and n.endswith("_ok")]
    parts = []
    for key, (label, factor) in measures.items():
        if key not in done or done[key].isna().all():
            continue
        own = done[done[key].notna()]
        part = pd.DataFrame(
            {
                "point": own["point"],
                "setting": own[list(axes)].apply(_setting, axis=1),
                "measure": label,
                "emissions_kg": emitted[own.index],
                "value": own[key] * factor,
                "broken": (own[verdicts] == 0).sum(axis=1) if verdicts else 0,
            }
        )
        parts.append(part.assign(front=on_front(part)))
    columns = ["point", "setting", "measure", "emissions_kg", "value", "broken", "front"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _done(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the points that could be run."""
    if EMISSIONS[0] not in rows:  # where all have failed
        return rows.iloc[:0]
    return rows[rows["error"].isna() & rows[EMISSIONS[0]].notna()]


def ends_h(rows: pd.DataFrame) -> tuple[float, float] | None:
    """Return the first and the last end of the runs of a sweep [h]; None where they are one.

    A run that ends later is priced for longer: what it emits is then no measure of it.
    """
    if END not in rows or not len(done := _done(rows)):
        return None
    first, last = (float(one) / S_PER_H for one in (done[END].min(), done[END].max()))
    return (first, last) if last - first > END_SHARE * first else None


def _setting(values: pd.Series[Any]) -> str:
    return ", ".join(f"{name}={plain(value)}" for name, value in values.items())


def plain(value: Any) -> Any:
    """Return a cell as a scenario takes it: whole numbers without a fraction."""
    if hasattr(value, "item"):
        value = value.item()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def on_front(found: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows no other beats: none has less of both emissions and value, or equal.

    Of rows that are equal in both the first stands for all.
    """
    order = found.sort_values(["emissions_kg", "value"], kind="stable")
    best = order["value"].cummin().shift(fill_value=float("inf"))
    front: pd.Series[bool] = (order["value"] < best).reindex(found.index)
    return front


def pareto(rows: pd.DataFrame, axes: Sequence[str]) -> c.Chart | None:
    """Return the points with their front, one measure at a time; None where there is none."""
    import pandas as pd

    found = points(rows, axes)
    if found.empty:
        return None
    rest = found[~found["front"]]
    step = -(-len(rest) // (DRAWN_MAX * found["measure"].nunique())) if len(rest) else 1
    drawn = pd.concat([rest.iloc[::step], found[found["front"]]], ignore_index=True)
    left_out = f" Every {step}th of the other points is drawn." if step > 1 else ""
    failed = len(rows) - found["point"].nunique()
    lost = f" {plural(failed, 'point')} could not be run." if failed else ""
    ends = ends_h(rows)
    differ = (
        f" Runs end after {number(ends[0], 1)} to {number(ends[1], 1)} h, so that each counts "
        "against its own baseline, which is priced to the same end."
        if ends
        else ""
    )
    return c.Chart(
        name="pareto",
        title="Carbon against service and cost",
        sees=_sees(found),
        caption=(
            "Each mark is a point of the sweep: further left emits less (scope 2 and embodied), "
            "further down serves better or costs less. Points on the line are beaten by none in "
            f"both; crosses break an objective. A click shows a point's scenario below.{differ}"
            f"{left_out}{lost}"
        ),
        data=drawn,
        definition=_definition(found["measure"].unique().tolist(), AGAINST if ends else OWN),
    )


def _sees(found: pd.DataFrame) -> str:
    """Return how large the fronts are."""
    parts = []
    for measure in dict.fromkeys(found["measure"].tolist()):
        front = found[(found["measure"] == measure) & found["front"]]
        parts.append(f"{measure.rpartition(',')[0] or measure}: {len(front)}")
    count = plural(found["point"].nunique(), "point")
    return f"Of {count} so many are on the front, by emissions and {'; '.join(parts)}."


def least(rows: pd.DataFrame, axes: Sequence[str]) -> str:
    """Return which point emits least and keeps its objectives, in a sentence."""
    found = points(rows, axes)
    if found.empty:
        return ""
    kept = found[found["broken"] == 0]
    if kept.empty:
        return "Every point breaks an objective."
    best = kept.sort_values("emissions_kg", kind="stable").iloc[0]
    name = f"point {best['point']} ({best['setting']})"
    kg = float(best["emissions_kg"])
    if ends_h(rows) is None:
        return f"Least emissions with all objectives held: {name}, {number(kg, 2)} kgCO2e."
    way = "less" if kg <= 0 else "more"
    return (
        f"Most saved with all objectives held: {name}, {number(abs(kg), 2)} kgCO2e {way} than "
        "its baseline."
    )


def _definition(measures: list[str], emissions: str) -> Any:
    import altair as alt

    chosen = alt.param(
        name="measure",
        value=measures[0],
        bind=alt.binding_select(options=measures, name="against"),
    )
    base = alt.Chart().transform_filter("datum.measure == measure")
    y = alt.Y("value:Q", title=None, scale=alt.Scale(zero=False, padding=12))
    x = alt.X(
        "emissions_kg:Q",
        title=emissions,
        scale=alt.Scale(zero=False, padding=12),
    )
    on_front = "datum.front === true || datum.front === 'True'"
    line = (
        base.transform_filter(on_front)
        .mark_line(color=c.SCENARIO, interpolate="step-after", strokeWidth=1.5)
        .encode(x=x, y=y, order=alt.Order("emissions_kg:Q"))
    )
    marks = (
        base.transform_calculate(
            kind=f"datum.broken > 0 ? 'breaks an objective' : ({on_front}) ? 'on the front' : "
            "'beaten by another'"
        )
        .mark_point(filled=True, size=90, opacity=0.9, cursor="pointer")
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "kind:N",
                title=None,
                scale=alt.Scale(domain=KINDS, range=[c.SCENARIO, c.GREY, c.BASELINE]),
            ),
            shape=alt.Shape(
                "kind:N",
                title=None,
                scale=alt.Scale(domain=KINDS, range=["diamond", "circle", "cross"]),
            ),
            tooltip=_tips(),
        )
    )
    made = alt.layer(line, marks, data=alt.NamedData(name=c.ROWS)).add_params(chosen)
    return made.properties(width=c.WIDTH, height=c.HEIGHT)


def _tips() -> list[Any]:
    """Return what a pointer is told of a point."""
    import altair as alt

    return [
        alt.Tooltip("point:Q"),
        alt.Tooltip("setting:N"),
        alt.Tooltip("emissions_kg:Q", title="kgCO2e", format=",.4~g"),
        alt.Tooltip("measure:N"),
        alt.Tooltip("value:Q", format=",.4~g"),
        alt.Tooltip("broken:Q", title="objectives broken"),
    ]


KINDS: Final = ["on the front", "beaten by another", "breaks an objective"]
