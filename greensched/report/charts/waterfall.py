"""The waterfall: what each technology adds to the saving, by Shapley values that sum to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.report.charts import chart as c
from greensched.report.words import digits_for, number, unit_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

TOTAL: Final = "saved in all"
QUANTITIES: Final = {
    # key of an attribution -> label, ladder of units, whole units in the ladder's first
    "energy_facility_mwh": ("facility energy", "kwh", 1_000_000),
    "scope2_location_mg": ("scope 2, CO2e", "kg", 1_000_000),
    "machines_on_mean_milli": ("machines on", "", 1_000),
}


def waterfall(attribution: Mapping[str, Any]) -> c.Chart | None:
    """Return the steps of an attribution's quantities; None where no technology is on."""
    frame = steps(attribution)
    if frame.empty:
        return None
    return c.Chart(
        name="waterfall",
        title="What each technology saves",
        sees=_sees(frame),
        caption=(
            "Bars go on where the one before ends and sum exactly to the last: each is the mean "
            "of what a technology adds over every order of switching them on (Shapley value). "
            "To the left of zero: it costs more than it saves."
        ),
        data=frame,
        definition=_definition(frame),
    )


def steps(attribution: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a quantity and technology: `begin` and `end` of its bar, the total last."""
    import pandas as pd

    rows = []
    for key, (label, ladder, whole) in QUANTITIES.items():
        found = attribution["quantities"][key]
        parts = found["technologies"]
        divisor, unit = unit_for(ladder, [found["total"] / whole]) if ladder else (1.0, "machines")
        scale, at = whole * divisor, 0
        quantity = f"{label}, {unit}" if ladder else label
        digits = digits_for([found["total"] / scale])
        for i, part in enumerate(parts):
            after = at + part["shapley"]
            rows.append((quantity, i, part["name"], at / scale, after / scale, digits))
            at = after
        if parts:
            rows.append((quantity, len(parts), TOTAL, 0.0, found["total"] / scale, digits))
    columns = ["quantity", "step", "technology", "begin", "end", "digits"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(saved=frame["end"] - frame["begin"])


def _sees(frame: pd.DataFrame) -> str:
    """Return which technology saves most of the first quantity, and which cost."""
    quantity = frame["quantity"].iloc[0]
    rows = frame[frame["quantity"] == quantity]
    parts, total = rows[rows["technology"] != TOTAL], rows["saved"].iloc[-1]
    unit = quantity.rpartition(", ")[2]
    best = parts.loc[parts["saved"].idxmax()]
    said = [
        f"{number(total, 2)} {unit} are saved in all"
        + (
            f"; {best['technology']} brings most ({number(best['saved'], 2)} {unit})"
            if best["saved"] > 0
            else "; no technology saves any"
        )
    ]
    costs = parts[parts["saved"] < 0]
    said += [
        f"{row.technology} takes {number(-row.saved, 2)} {unit}" for row in costs.itertuples()
    ]
    nothing = parts[parts["saved"] == 0]["technology"].tolist()
    if nothing:
        said.append(f"{', '.join(nothing)}: nothing")
    return "; ".join(said) + "."


def _definition(frame: pd.DataFrame) -> Any:
    """Return bars, what they hand on, and their values, of the quantity that is chosen."""
    import altair as alt

    quantities = list(dict.fromkeys(frame["quantity"]))
    chosen = alt.param(
        name="quantity",
        value=quantities[0],
        bind=alt.binding_radio(options=quantities, name="show"),
    )
    names = list(dict.fromkeys(frame["technology"]))
    kind = f"datum.technology == '{TOTAL}' ? 'all' : datum.saved < 0 ? 'costs' : 'saves'"
    base = (
        alt.Chart()
        .transform_filter("datum.quantity == quantity")
        .transform_calculate(
            kind=kind,
            text="datum.saved == 0 ? '0' : format(datum.saved, '+,.' + datum.digits + 'f')",
            right="max(datum.begin, datum.end)",
        )
        .encode(y=alt.Y("technology:N", title=None, sort=names))
    )
    colours = alt.Scale(domain=["saves", "costs", "all"], range=[c.BLUE, c.RED, c.GREEN])
    tips = [
        alt.Tooltip("technology:N"),
        alt.Tooltip("quantity:N"),
        alt.Tooltip("saved:Q", title="saved", format="+,.4~r"),
    ]
    bars = base.mark_bar(height=alt.RelativeBandSize(0.62)).encode(
        x=alt.X("begin:Q", title=None),
        x2="end:Q",
        color=alt.Color("kind:N", title=None, scale=colours, legend=None),
        tooltip=tips,
    )
    zero = alt.Chart(alt.InlineData(values=[{"x": 0}])).mark_rule(color=c.INK).encode(x="x:Q")
    texts = base.mark_text(align="left", dx=5, color=c.INK, fontSize=13).encode(
        x="right:Q", text="text:N"
    )
    space = c.room("begin", "end", "datum.quantity == quantity")
    made = alt.layer(bars, zero, texts, space, data=alt.NamedData(name=c.ROWS)).add_params(chosen)
    return made.properties(width=c.WIDTH, height=38 * len(names))
