"""Power before and after, what was moved or added and what was saved, and the grid's carbon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched.report.charts import chart as c
from greensched.report.charts import timeline as t
from greensched.report.words import digits_apart, digits_for, fitted, number, unit_for
from greensched.units import J_PER_KWH

if TYPE_CHECKING:
    import pandas as pd

BEFORE, AFTER = "power_baseline_kw", "power_scenario_kw"
INTENSITY = "intensity_g_per_kwh"
W_PER_KW = 1_000
MORE, LESS = "more than before", "less than before"


def power(
    series: pd.DataFrame,
    offset_ms: int,
    kind: str,
    *,
    length_s: float = 0.0,
    rows_max: int = t.ROWS_MAX,
) -> c.Chart:
    """Return facility power of both runs, and where the scenario takes more and where less.

    `series` as in `series.parquet`, `offset_ms` local time less UTC, `kind` the baseline's name,
    `length_s` the window's, 0: not marked.
    """
    parts = {run: t.local(series[series["run"] == run], offset_ms) for run in RUNS}
    both = parts["baseline"][[t.TIME, "interval_s", "power_facility_w", INTENSITY]].merge(
        parts["scenario"][[t.TIME, "power_facility_w", INTENSITY]],
        on=t.TIME,
        suffixes=("_baseline", ""),
    )
    both[BEFORE] = both["power_facility_w_baseline"] / 1000
    both[AFTER] = both["power_facility_w"] / 1000
    rows = t.closed(both)
    drawn = t.thinned(rows, [BEFORE, AFTER], rows_max)
    left_out = t.thinning(rows, drawn, [BEFORE, AFTER], rows_max, "power of either run")
    data = drawn[[t.TIME, BEFORE, AFTER]].reset_index(drop=True)
    return c.Chart(
        name="power",
        title="Power, and what was moved",
        sees=_sees(both, kind),
        caption=(
            f"Facility power of {kind} (dashed) and of the scenario. Filled where the scenario "
            f"takes more (work moved here, or added) and where it takes less.{left_out}"
        ),
        data=data,
        definition=_power(data, kind, length_s),
    )


RUNS = ("baseline", "scenario")


def _sees(both: pd.DataFrame, kind: str) -> str:
    """Return how much energy is more and less than before, and how dirty those hours are."""
    known = both[(both[INTENSITY] + both[f"{INTENSITY}_baseline"]).notna()]
    kwh = known["interval_s"] * W_PER_KW / J_PER_KWH
    change = (known[AFTER] - known[BEFORE]) * kwh
    first, last = (float((known[name] * kwh).sum()) for name in (BEFORE, AFTER))
    divisor, unit = unit_for("kwh", [first, last])
    first, last = first / divisor, last / divisor
    digits = digits_apart(first, last, digits_for((first, last)))
    ways = [(change.clip(lower=0), "more"), ((-change).clip(lower=0), "less")]
    # The signed parts sum to the net, as shown.
    more, less = (float(of.sum()) / divisor for of, _ in ways)
    net = last - first
    shown = fitted([more, -less], net, digits)
    texts = []
    for (of, word), value in zip(ways, shown, strict=True):
        if not of.sum() > 0:
            texts.append(f"never {word} than {kind}")
            continue
        grams = (of * known[INTENSITY]).sum() / of.sum()
        texts.append(
            f"{number(abs(value), digits)} {unit} {word} than {kind} at {number(grams, 0)} g/kWh "
            "on average"
        )
    whole = f"{number(abs(net), digits)} {unit} {'more' if net > 0 else 'less'} in all"
    return f"The scenario takes {texts[0]}, and {texts[1]}: {whole}."


def _power(rows: pd.DataFrame, kind: str, length_s: float) -> Any:
    """Return both lines, what lies between them by its sign, nights and hovering."""
    import altair as alt

    runs = f"{{'{BEFORE}': '{kind}', '{AFTER}': 'scenario'}}"
    fills = []
    for label, top in ((MORE, AFTER), (LESS, BEFORE)):
        fills.append(
            alt.Chart()
            .transform_calculate(least=f"min(datum.{BEFORE}, datum.{AFTER})", label=f"'{label}'")
            .mark_area(interpolate="step-after", opacity=0.55, clip=True)
            .encode(
                x=t.axis(alt) if label == MORE else t.along(alt),
                y=alt.Y("least:Q", title="facility power, kW", scale=alt.Scale(zero=True)),
                y2=f"{top}:Q",
                fill=alt.Fill(
                    "label:N",
                    title=None,
                    scale=alt.Scale(domain=[MORE, LESS], range=[c.ORANGE, c.SKY]),
                ),
            )
        )
    lines = (
        alt.Chart()
        .transform_fold([BEFORE, AFTER], as_=["column", "power"])
        .transform_calculate(run=f"{runs}[datum.column]")
        .mark_line(interpolate="step-after", strokeWidth=1.4, clip=True)
        .encode(
            x=t.along(alt),
            y=alt.Y("power:Q"),
            **c.both_runs(kind),
        )
    )
    tips = t.hover(alt, {BEFORE: f"{kind}, kW", AFTER: "scenario, kW"})
    return t.framed(alt, rows, (*fills, lines, tips), length_s=length_s)


def intensity(
    series: pd.DataFrame, offset_ms: int, *, rows_max: int = t.ROWS_MAX
) -> c.Chart | None:
    """Return the grid's carbon intensity; None where no energy was taken."""
    scenario = t.local(series[series["run"] == "scenario"], offset_ms)
    known = scenario.dropna(subset=[INTENSITY])
    if len(known) < 2:  # noqa: PLR2004 a step needs two ends
        return None
    rows = t.closed(known)
    # Intensity changes by the hour: where it stays the same nothing is lost.
    changed = rows[INTENSITY].round(2).diff().fillna(1.0) != 0
    changed.iloc[-1] = True
    steps = rows[changed]
    drawn = t.thinned(steps, [INTENSITY], rows_max)[[t.TIME, INTENSITY]].reset_index(drop=True)
    left_out = t.thinning(steps, drawn, [INTENSITY], rows_max, "intensity")
    return c.Chart(
        name="intensity",
        title="Carbon intensity of the grid",
        sees=_grid_sees(known),
        caption=(
            "Average intensity, weighted by the energy that the scenario takes at each "
            f"site.{left_out}"
        ),
        data=drawn,
        definition=_intensity(drawn),
    )


def _grid_sees(known: pd.DataFrame) -> str:
    """Return the mean by time, the range, and the mean by the scenario's energy."""
    by_time = (known[INTENSITY] * known["interval_s"]).sum() / known["interval_s"].sum()
    energy = known["power_facility_w"] * known["interval_s"]
    by_energy = (known[INTENSITY] * energy).sum() / energy.sum()
    low, high = known[INTENSITY].min(), known[INTENSITY].max()
    if high - low < 1:
        return f"The grid stays at {number(high, 0)} g/kWh: no hour is cleaner than another."
    return (
        f"Between {number(low, 0)} and {number(high, 0)} g/kWh, {number(by_time, 1)} on average "
        f"over time; {number(by_energy, 1)} for the energy that the scenario takes."
    )


def _intensity(rows: pd.DataFrame) -> Any:
    """Return the steps of intensity, nights and hovering."""
    import altair as alt

    line = (
        alt.Chart()
        .mark_line(interpolate="step-after", color=c.GREEN, strokeWidth=1.6, clip=True)
        .encode(
            x=t.axis(alt),
            y=alt.Y(f"{INTENSITY}:Q", title="gCO2e/kWh", scale=alt.Scale(zero=True)),
        )
    )
    tips = t.hover(alt, {INTENSITY: "intensity, gCO2e/kWh"})
    return t.framed(alt, rows, (line, tips), height=c.HEIGHT // 2)
