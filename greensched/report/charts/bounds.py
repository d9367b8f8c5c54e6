"""How near to the best possible: what is taken, against what no policy could beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.report.charts import chart as c
from greensched.report.words import number

if TYPE_CHECKING:
    from collections.abc import Mapping

# key -> label, unit of its value
LABELS: Final = {
    "machines_on_mean": ("machines on, mean", "machines"),
    "energy_facility_kwh": ("facility energy", "kWh"),
    "scope2_location_kg": ("scope 2", "kgCO2e"),
}


def bounds(summary: Mapping[str, Any]) -> c.Chart | None:
    """Return baseline, scenario and bound of each quantity; None where there is no bound."""
    import pandas as pd

    given = summary.get("bounds")
    if not given:
        return None
    kind = summary["baseline"]["kind"]
    rows = []
    for key, (label, unit) in LABELS.items():
        before = summary["baseline"][key]
        if not before:
            continue
        for name, value in (
            (kind, before),
            ("scenario", summary["scenario"][key]),
            ("bound", given[key]),
        ):
            rows.append((label, name, value, unit, 100 * value / before))
    frame = pd.DataFrame(rows, columns=["quantity", "run", "value", "unit", "of_baseline_percent"])
    if frame.empty:
        return None
    return c.Chart(
        name="bounds",
        title="How near to the best possible",
        sees=_sees(summary),
        caption=(
            f"All as a share of {kind}. The bound is proved, and out of reach: it knows the "
            "future, moves work for nothing and lets jobs wait."
        ),
        data=frame,
        definition=_definition(kind),
    )


def _sees(summary: Mapping[str, Any]) -> str:
    """Return the share captured of each quantity."""
    captured = summary["bounds"].get("captured", {})
    parts = [
        f"{number(100 * captured[key], 0)} % of {label.partition(',')[0]}"
        for key, (label, _) in LABELS.items()
        if captured.get(key) is not None
    ]
    if not parts:
        return "The bounds leave nothing to save: the baseline is already there."
    return f"Of what the bounds leave to save the scenario saves {', '.join(parts)}."


def _definition(kind: str) -> Any:
    import altair as alt

    names = [kind, "scenario", "bound"]
    y = alt.Y("quantity:N", title=None, sort=[label for label, _ in LABELS.values()])
    span = (
        alt.Chart()
        .mark_line(color="#808080", strokeWidth=3)
        .encode(y=y, x=alt.X("of_baseline_percent:Q"), detail="quantity:N")
    )
    points = (
        alt.Chart()
        .mark_point(filled=True, size=190, opacity=1)
        .encode(
            y=y,
            x=alt.X(
                "of_baseline_percent:Q",
                title=f"of {kind}, %",
                scale=alt.Scale(zero=False, padding=24),
            ),
            color=alt.Color(
                "run:N",
                title=None,
                scale=alt.Scale(domain=names, range=[c.BASELINE, c.SCENARIO, c.GREEN]),
            ),
            shape=alt.Shape(
                "run:N",
                title=None,
                scale=alt.Scale(domain=names, range=["circle", "diamond", "triangle-left"]),
            ),
            tooltip=[
                alt.Tooltip("quantity:N"),
                alt.Tooltip("run:N"),
                alt.Tooltip("value:Q", format=",.5~g"),
                alt.Tooltip("unit:N"),
                alt.Tooltip("of_baseline_percent:Q", title=f"of {kind}, %", format=".1f"),
            ],
        )
    )
    made = alt.layer(span, points, data=alt.NamedData(name=c.ROWS))
    return made.properties(width=c.WIDTH, height=44 * len(LABELS))
