"""Emissions by scope before and after: electricity by location, and machines' embodied share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.report import difference, difference_rows
from greensched.report.charts import chart as c
from greensched.report.charts.causes import emissions_kg
from greensched.report.words import digits_apart, digits_for, number, unit_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

SCOPE2: Final = "scope 2, electricity, location-based"
SCOPE3: Final = "scope 3, embodied share of machines"


def scale(summary: Mapping[str, Any]) -> tuple[float, str, int]:
    """Return divisor, unit and decimals of the sums of both scopes.

    Scope 2 has no fewer decimals than the table of differences gives it.
    """
    runs = (summary["baseline"], summary["scenario"])
    sums = [emissions_kg(run) for run in runs]
    divisor, unit = unit_for("kg", sums)
    before, after = (v / divisor for v in sums)
    own = difference.by_key(summary)[difference_rows.SCOPE2]
    least = own.digits if own.unit == unit else 0
    return divisor, unit, digits_apart(before, after, max(least, digits_for((before, after))))


def scopes(summary: Mapping[str, Any]) -> c.Chart:
    """Return a bar a run, stacked by scope, with the range of embodied emissions."""
    import pandas as pd

    kind = summary["baseline"]["kind"]
    outcomes = {kind: summary["baseline"], "scenario": summary["scenario"]}
    known = summary["scenario"]["embodied_kg"] is not None
    sums = [emissions_kg(one) for one in outcomes.values()]
    divisor, unit, digits = scale(summary)
    column = f"emissions_{unit}"
    rows = []
    for run, own in outcomes.items():
        scope2 = own["scope2_location_kg"] / divisor
        rows.append((run, SCOPE2, scope2, scope2, scope2))
        if known:
            keys = ("embodied_kg", "embodied_low_kg", "embodied_high_kg")
            rows.append((run, SCOPE3, *(own[k] / divisor for k in keys)))
    frame = pd.DataFrame(rows, columns=["run", "scope", column, f"low_{unit}", f"high_{unit}"])
    change = (sums[0] - sums[1]) / divisor
    word = "less" if change >= 0 else "more"
    return c.Chart(
        name="scopes",
        title="Emissions by scope",
        sees=(
            f"{number(sums[1] / divisor, digits)} {unit}CO2e in the scenario, "
            f"{number(abs(change), digits)} {unit} {word} than under {kind}; "
            + _share(summary, sums[1])
        ),
        caption="Whiskers: embodied emissions with the low and the high factors of the machines."
        if known
        else "",
        data=frame,
        definition=_definition(frame, unit, kind),
    )


def _share(summary: Mapping[str, Any], whole_kg: float) -> str:
    """Return what part of the emissions is of the machines' making, in words."""
    before, after = (summary[run]["embodied_kg"] for run in ("baseline", "scenario"))
    if after is None:
        return "the machines' embodied share is not known, and not counted."
    share = after / whole_kg if whole_kg else 0.0
    told = f"{number(100 * share, 0)} % of them are the machines' embodied share"
    if before == after:
        return f"{told}, which switching off does not lower."
    return f"{told}, of which a cloud's machines have theirs only while they are held."


def _definition(frame: pd.DataFrame, unit: str, kind: str) -> Any:
    import altair as alt

    column, names = frame.columns[2], [kind, "scenario"]
    bars = (
        alt.Chart()
        .transform_calculate(order=f"datum.scope == '{SCOPE2}' ? 0 : 1")
        .mark_bar()
        .encode(
            y=alt.Y("run:N", title=None, sort=names),
            x=alt.X(f"{column}:Q", title=f"{unit}CO2e", stack="zero"),
            color=alt.Color(
                "scope:N",
                title=None,
                scale=alt.Scale(domain=[SCOPE2, SCOPE3], range=[c.GREEN, c.PURPLE]),
            ),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("run:N"),
                alt.Tooltip("scope:N"),
                alt.Tooltip(f"{column}:Q", title=f"{unit}CO2e", format=",.3f"),
                alt.Tooltip(f"low_{unit}:Q", title="low", format=",.3f"),
                alt.Tooltip(f"high_{unit}:Q", title="high", format=",.3f"),
            ],
        )
    )
    whiskers = (
        alt.Chart()
        .transform_aggregate(low=f"sum(low_{unit})", high=f"sum(high_{unit})", groupby=["run"])
        .mark_errorbar(ticks=True, color=c.INK)
        .encode(y=alt.Y("run:N", sort=names), x=alt.X("low:Q", title=f"{unit}CO2e"), x2="high:Q")
    )
    made = alt.layer(bars, whiskers, data=alt.NamedData(name=c.ROWS))
    return made.properties(width=c.WIDTH, height=44 * len(names))
