"""How sure: what the saving becomes as inputs go from low to high, the strongest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.report.charts import chart as c
from greensched.report.charts.scopes import scale
from greensched.report.words import number, ranged

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

FIGURE: Final = "savings.scope2_and_embodied_kg"


def tornado(sensitivity: Mapping[str, Any], summary: Mapping[str, Any]) -> c.Chart | None:
    """Return a bar an input of the document of `sensitivity`; None where there is none.

    In the unit and with the decimals that the emissions of `summary` have.
    """
    import pandas as pd

    if not sensitivity["axes"]:
        return None
    found = sensitivity["figures"][FIGURE]
    divisor, unit, digits = scale(summary)
    rows = []
    for axis in sensitivity["axes"]:
        ends = [axis[end]["values"][FIGURE] / divisor for end in ("low", "high")]
        # with a minus sign: a hyphen begins a formula, which data as CSV have a quote before
        settings = [axis[end]["setting"].replace("-", "\u2212") for end in ("low", "high")]
        rows.append((axis["name"], *settings, *ends, abs(ends[1] - ends[0]), axis["basis"]))
    columns = ["input", "low", "high", f"at_low_{unit}", f"at_high_{unit}", "swing", "basis"]
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.sort_values(["swing", "input"], ascending=[False, True], ignore_index=True)
    return c.Chart(
        name="tornado",
        title="What moves the saving",
        sees=_sees(frame, found, divisor, unit, digits),
        caption=(
            "Saving of scope 2 and embodied emissions with one input low (hollow) or high (full) "
            "at a time; the line is the figure of this report. The range of the saving has all "
            "factors low and all high together too."
        ),
        data=frame.drop(columns="swing"),
        definition=_definition(frame, found["mid"] / divisor, unit),
    )


def _sees(
    frame: pd.DataFrame, found: Mapping[str, float], divisor: float, unit: str, digits: int
) -> str:
    """Return the range of the saving, whether it can vanish, and what moves it most."""
    low, mid, high = (found[k] / divisor for k in ("least", "mid", "most"))
    shown = [number(mid, digits), *(ranged(v, low, high, digits) for v in (low, high))]
    first = frame.iloc[0]
    held = "it stays a saving in all that was tried" if low > 0 else "it may not be a saving"
    moved = f"{first['input']} moves it most" if first["swing"] > 0 else "no input moves it"
    return f"Saved: {shown[0]} {unit}CO2e, between {shown[1]} and {shown[2]}; {held}; {moved}."


def _definition(frame: pd.DataFrame, middle: float, unit: str) -> Any:
    import altair as alt

    low, high = f"at_low_{unit}", f"at_high_{unit}"
    y = alt.Y("input:N", title=None, sort=frame["input"].tolist())
    tips = [
        alt.Tooltip("input:N"),
        alt.Tooltip("low:N"),
        alt.Tooltip(f"{low}:Q", title=f"saved at low, {unit}CO2e", format=",.4~g"),
        alt.Tooltip("high:N"),
        alt.Tooltip(f"{high}:Q", title=f"saved at high, {unit}CO2e", format=",.4~g"),
        alt.Tooltip("basis:N"),
    ]
    title = f"saved, {unit}CO2e"
    x = alt.X(f"{low}:Q", title=title, scale=alt.Scale(zero=False, padding=16))
    bars = (
        alt.Chart()
        .mark_rule(color=c.SKY, strokeWidth=14)
        .encode(y=y, x=x, x2=f"{high}:Q", tooltip=tips)
    )
    ends = [
        alt.Chart()
        .mark_point(size=110, color=c.SCENARIO, filled=filled, opacity=1, strokeWidth=2)
        .encode(y=y, x=alt.X(f"{field}:Q", title=title), tooltip=tips)
        for field, filled in ((low, False), (high, True))
    ]
    at = alt.Chart(alt.InlineData(values=[{"x": middle}]))
    rule = at.mark_rule(color=c.INK, strokeDash=[6, 3]).encode(x="x:Q")
    made = alt.layer(bars, *ends, rule, data=alt.NamedData(name=c.ROWS))
    return made.properties(width=c.WIDTH, height=34 * len(frame))
