"""The waterfall: what each technology adds to the saving, by Shapley values that sum to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.report.attribution import shares
from greensched.report.charts import chart as c
from greensched.report.words import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from greensched.report.attribution import Shares

TOTAL: Final = "saved in all"
QUANTITIES: Final = {
    "energy_facility_mwh": "facility energy, {unit}",
    "scope2_location_mg": "scope 2, {unit}CO2e",
    "machines_on_mean_milli": "machines on",
}


def waterfall(summary: Mapping[str, Any]) -> c.Chart | None:
    """Return the steps of an attribution's quantities; None where no technology is on."""
    found = shares(summary) if summary.get("attribution") else None
    if found is None:
        return None
    frame = steps(found)
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


def steps(found: Shares) -> pd.DataFrame:
    """Return one row a quantity and technology: `begin` and `end` of its bar, the total last.

    `shown` is what it saves with `digits` decimals, as the tables show it.
    """
    import pandas as pd

    rows = []
    quantities = {q.key: q for q in found.quantities}
    for key, label in QUANTITIES.items():
        one, at = quantities[key], 0.0
        name = label.format(unit=one.row.unit)
        for i, (technology, part, shown) in enumerate(
            zip(found.names, one.parts, one.fair, strict=False)
        ):
            after = at + part
            rows.append((name, i, technology, at, after, shown, one.row.digits))
            at = after
        whole = round(one.total, one.row.digits)
        rows.append((name, len(one.parts), TOTAL, 0.0, one.total, whole, one.row.digits))
    columns = ["quantity", "step", "technology", "begin", "end", "shown", "digits"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(saved=frame["end"] - frame["begin"])


def _sees(frame: pd.DataFrame) -> str:
    """Return which technology saves most of the first quantity, and which cost."""
    quantity, digits = frame["quantity"].iloc[0], int(frame["digits"].iloc[0])
    rows = frame[frame["quantity"] == quantity]
    parts, total = rows[rows["technology"] != TOTAL], rows["shown"].iloc[-1]
    unit = quantity.rpartition(", ")[2]
    best = parts.loc[parts["shown"].idxmax()]
    said = [
        f"{number(total, digits)} {unit} are saved in all"
        + (
            f"; {best['technology']} brings most ({number(best['shown'], digits)} {unit})"
            if best["saved"] > 0
            else "; no technology saves any"
        )
    ]
    costs = parts[parts["saved"] < 0]
    said += [
        f"{row.technology} takes {number(-row.shown, digits)} {unit}" for row in costs.itertuples()
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
            text="datum.saved == 0 ? '0' : format(datum.shown, '+,.' + datum.digits + 'f')",
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
