"""The tide: machines by what they do over time, before and after, and the strip to brush."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.report.charts import chart as c
from greensched.report.charts import timeline as t
from greensched.report.words import digits_apart, digits_for, number

if TYPE_CHECKING:
    import pandas as pd

ROLES: Final = (
    ("machines_online", "services", c.BLUE),
    ("machines_shared", "services and batch", c.GREEN),
    ("machines_lent", "lent to batch", c.ORANGE),
    ("machines_batch", "batch", c.PURPLE),
    ("machines_database", "databases", c.SKY),
    ("machines_booting", "booting", c.RED),
    ("machines_sleeping", "sleeping", c.GREY),
    ("machines_off", "off", c.PALE),
    ("machines_out", "out of service", c.YELLOW),
)
ON: Final = tuple(column for column, _, _ in ROLES[:6])
ON_COLUMN: Final = "machines_on"
OVERVIEW_ROWS: Final = 800
OVERVIEW_HEIGHT: Final = 60


def tide(
    series: pd.DataFrame,
    offset_ms: int,
    kind: str,
    *,
    length_s: float = 0.0,
    rows_max: int = t.ROWS_MAX,
) -> c.Chart:
    """Return machines by role of baseline and scenario; the baseline's that are on as a line.

    `series` as in `series.parquet`, `offset_ms` local time less UTC, `kind` the baseline's name,
    `length_s` the window's, 0: not marked.
    """
    import pandas as pd

    runs = {name: _rows(series, offset_ms, name) for name in ("scenario", "baseline")}
    drawn = {name: t.thinned(rows, [ON_COLUMN], rows_max) for name, rows in runs.items()}
    both = pd.concat(drawn.values(), ignore_index=True)
    shown = [role for role in ROLES if both[role[0]].max() > 0]
    columns = ["run", t.TIME, *(column for column, _, _ in shown), ON_COLUMN]
    left_out = t.thinning(
        runs["scenario"], drawn["scenario"], [ON_COLUMN], rows_max, "machines that are on"
    )
    return c.Chart(
        name="tide",
        title="Machines by what they do",
        sees=_sees(runs, kind),
        caption=(
            "Machines by role, stacked; the dashed line is the number that is on under "
            f"{kind}. Nights (22:00 to 06:00 local) are shaded; where the window ends, runs go on "
            f"until their last jobs have ended.{left_out}"
        ),
        data=both[columns],
        definition=_definition(both[columns], shown, kind, length_s),
    )


def overview(series: pd.DataFrame, offset_ms: int) -> c.Chart:
    """Return the strip over all time on which a brush chooses what the other charts show."""
    import altair as alt

    rows = t.thinned(_rows(series, offset_ms, "scenario"), [ON_COLUMN], OVERVIEW_ROWS)
    brush = alt.selection_interval(name="brush", encodings=["x"])
    strip = (
        alt.Chart()
        .mark_area(interpolate="step-after", color=c.SCENARIO, opacity=0.6)
        .encode(x=t.axis(alt), y=alt.Y(f"{ON_COLUMN}:Q", title=None, axis=None))
        .add_params(brush)
    )
    layered = alt.layer(*t.nights(alt, rows), strip, data=alt.NamedData(name=c.ROWS))
    return c.Chart(
        name="overview",
        title="Choose the time shown",
        sees=_overview_sees(rows),
        caption=(
            "Machines that are on in the scenario. Drag over the strip to look closer; all "
            "charts over time follow."
        ),
        data=rows[[t.TIME, ON_COLUMN]].reset_index(drop=True),
        definition=layered.properties(width=c.WIDTH, height=OVERVIEW_HEIGHT).add_params(
            *t.limits(alt, rows)
        ),
    )


def _overview_sees(rows: pd.DataFrame) -> str:
    """Return what time the series covers, and when fewest machines are on."""
    form = "%a %-d %b %Y, %H:%M"
    least = int(rows[ON_COLUMN].to_numpy().argmin())
    fewest, at = float(rows[ON_COLUMN].iloc[least]), rows[t.TIME].iloc[least]
    first, last = (rows[t.TIME].iloc[i] for i in (0, -1))
    return (
        f"From {first:{form}} to {last:{form}} local time; fewest machines are on "
        f"{at:{form}} ({number(fewest, 0)})."
    )


def _rows(series: pd.DataFrame, offset_ms: int, run: str) -> pd.DataFrame:
    """Return one run's rows in local time, with the sum of machines that are on."""
    rows = t.closed(t.local(series[series["run"] == run], offset_ms))
    return rows.assign(**{ON_COLUMN: rows[list(ON)].sum(axis=1)})


def _sees(runs: dict[str, pd.DataFrame], kind: str) -> str:
    """Return what there is to see: how many are on, and when fewest are."""
    means, spans = {}, {}
    for name, rows in runs.items():
        held = rows.iloc[:-1]
        means[name] = (held[ON_COLUMN] * held["interval_s"]).sum() / held["interval_s"].sum()
        spans[name] = (held[ON_COLUMN].min(), held[ON_COLUMN].max())
    low, high = spans["scenario"]
    scenario, baseline = means["scenario"], means["baseline"]
    digits = digits_apart(baseline, scenario, digits_for((baseline, scenario)))
    fewer = number(abs(baseline - scenario), digits)
    by = f"{fewer} {'fewer than' if scenario <= baseline else 'more than'}"
    if fewer == number(0.0, digits):
        by = "as many as"
    return (
        f"On average {number(scenario, digits)} machines are on, {by} under {kind} "
        f"({number(baseline, digits)}); between {number(low, 0)} and {number(high, 0)} over time, "
        f"{kind} between {number(spans['baseline'][0], 0)} and {number(spans['baseline'][1], 0)}."
    )


def _definition(
    rows: pd.DataFrame, shown: list[tuple[str, str, str]], kind: str, length_s: float
) -> Any:
    """Return the stacked areas of the run that is chosen, the line, nights and hovering."""
    import altair as alt

    colours = alt.Scale(domain=[s[1] for s in shown], range=[s[2] for s in shown])
    areas = (
        alt.Chart()
        .transform_filter("datum.run == run")
        .transform_fold([column for column, _, _ in shown], as_=["column", "machines"])
        .transform_calculate(
            role=_by_column({column: f"'{label}'" for column, label, _ in shown}),
            order=_by_column({column: str(i) for i, (column, _, _) in enumerate(shown)}),
        )
        .mark_area(interpolate="step-after", opacity=0.9, clip=True)
        .encode(
            x=t.axis(alt),
            y=alt.Y("machines:Q", title="machines", stack="zero"),
            color=alt.Color("role:N", title=None, scale=colours, sort=[s[1] for s in shown]),
            order=alt.Order("order:Q"),
        )
    )
    tips = t.hover(
        alt,
        {ON_COLUMN: "on, machines"} | {column: f"{label}, machines" for column, label, _ in shown},
        "datum.run == run",
    )
    made = t.framed(alt, rows, (areas, _line(kind), tips), length_s=length_s)
    return made.resolve_scale(strokeDash="independent").add_params(_run(kind))


def _by_column(values: dict[str, str]) -> str:
    """Return the expression that gives a folded column's value."""
    return "{" + ", ".join(f"'{k}': {v}" for k, v in values.items()) + "}[datum.column]"


def _run(kind: str) -> Any:
    """Return the choice of the run whose roles are shown."""
    import altair as alt

    labels = ["after: scenario", f"before: {kind}"]
    buttons = alt.binding_radio(options=["scenario", "baseline"], labels=labels, name="show")
    return alt.param(name="run", value="scenario", bind=buttons)


def _line(kind: str) -> Any:
    """Return the number of machines that are on in the baseline."""
    import altair as alt

    legend = alt.Legend(symbolType="stroke", symbolStrokeColor=c.INK)
    dash = alt.Scale(range=[[4, 2]])
    return (
        alt.Chart()
        .transform_filter("datum.run == 'baseline'")
        .transform_calculate(line=f"'on under {kind}'")
        .mark_line(interpolate="step-after", color=c.INK, strokeWidth=1.6, clip=True)
        .encode(
            x=t.along(alt),
            y=alt.Y(f"{ON_COLUMN}:Q"),
            strokeDash=alt.StrokeDash("line:N", title=None, scale=dash, legend=legend),
        )
    )
