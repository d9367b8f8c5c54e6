"""Why two results emit differently: by work, machines, power, PUE and intensity (LMDI)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.accounting import energy_factors, explain
from greensched.accounting.usage import ROLES_ON
from greensched.report.charts import chart as c
from greensched.report.words import digits_for, number, signed, unit_for
from greensched.units import G_PER_KG, MG_PER_KG

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

LABELS: Final = {
    "work": "work done",
    "machine_h_per_work": "machine-hours for it",
    "it_kwh_per_machine_h": "power of a machine",
    "pue": "PUE",
    "intensity_g_per_kwh": "intensity of the grid",
}
MG_PER_G: Final = MG_PER_KG // G_PER_KG


def effects_kg(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, float] | None:
    """Return what each cause adds to scope 2 from outcome `a` to `b` [kgCO2e]; they sum to it.

    Additive LMDI-I over work x machine-hours/work x kWh/machine-hour x PUE x g/kWh. None where
    one of them took hours or energy for no work.
    """
    factors = []
    for one in (a, b):
        made = _factors(one)
        if made is None:
            return None
        factors.append(made)
    before, after = (round(one["scope2_location_kg"] * MG_PER_KG) for one in (a, b))
    found = explain(before, after, *factors)
    return {name: value / MG_PER_KG for name, value in found.items()}


def _factors(outcome: Mapping[str, Any]) -> dict[str, float] | None:
    """Return the factors whose product is scope 2 in whole mg; None where work is not all."""
    parts = [outcome.get(k, {}).get("work_core_h") for k in ("service", "batch", "databases")]
    work = sum(part or 0.0 for part in parts)
    hours = sum(outcome["machine_h"].get(role, 0.0) for role in ROLES_ON)
    if not work or not hours:
        return None
    emitted_mg = round(outcome["scope2_location_kg"] * MG_PER_KG)
    return energy_factors(
        work=work,
        machine_h=hours,
        it_kwh=outcome["energy_it_kwh"],
        facility_kwh=outcome["energy_facility_kwh"],
        emitted_g=emitted_mg / MG_PER_G,
    ) | {
        "intensity_g_per_kwh": emitted_mg / outcome["energy_facility_kwh"]
        if outcome["energy_facility_kwh"]
        else 0.0
    }


def causes(a: Mapping[str, Any], b: Mapping[str, Any], titles: tuple[str, str]) -> c.Chart | None:
    """Return the bridge from the scope 2 of outcome `a` to that of `b`; None without causes."""
    import pandas as pd

    effects = effects_kg(a, b)
    if effects is None:
        return None
    first, last = (one["scope2_location_kg"] for one in (a, b))
    divisor, unit = unit_for("kg", [first, last])
    rows = [(titles[0], "whole", 0.0, first / divisor)]
    at = first
    for name, label in LABELS.items():
        after = at + effects[name]
        kind = "more" if effects[name] > 0 else "less"
        rows.append((label, kind, at / divisor, after / divisor))
        at = after
    rows.append((titles[1], "whole", 0.0, last / divisor))
    frame = pd.DataFrame(rows, columns=["cause", "kind", f"begin_{unit}", f"end_{unit}"])
    return c.Chart(
        name="causes",
        title="Difference by cause",
        sees=_sees(effects, first, last, titles),
        caption=(
            f"Scope 2 (location) of both, {unit}CO2e, and what leads from one to the other: each "
            "cause is what its change alone explains, and they sum exactly (additive LMDI)."
        ),
        data=frame,
        definition=_definition(frame, unit),
    )


def _sees(effects: Mapping[str, float], first: float, last: float, titles: tuple[str, str]) -> str:
    """Return the difference and its largest cause."""
    change = last - first
    digits = digits_for([first, last])
    if not change:
        return f"{titles[1]} emits what {titles[0]} does: {number(first, digits)} kgCO2e."
    share = f" ({signed(100 * change / first, 1)} %)" if first else ""
    name = max(effects, key=lambda key: abs(effects[key]))
    return (
        f"{titles[1]} emits {signed(change, digits)} kgCO2e{share} against {titles[0]}; most of "
        f"it by {LABELS[name]}: {signed(effects[name], digits)} kg."
    )


def _definition(frame: pd.DataFrame, unit: str) -> Any:
    import altair as alt

    begin, end = f"begin_{unit}", f"end_{unit}"
    names = frame["cause"].tolist()
    base = (
        alt.Chart()
        .transform_calculate(
            change=f"datum.{end} - datum.{begin}",
            text="datum.kind == 'whole' ? format(datum.change, ',.4~r') : "
            "format(datum.change, '+,.3~r')",
            right=f"max(datum.{begin}, datum.{end})",
        )
        .encode(y=alt.Y("cause:N", title=None, sort=names))
    )
    colours = alt.Scale(domain=["whole", "more", "less"], range=[c.GREEN, c.RED, c.BLUE])
    bars = base.mark_bar(height=alt.RelativeBandSize(0.62)).encode(
        x=alt.X(f"{begin}:Q", title=f"scope 2, {unit}CO2e"),
        x2=f"{end}:Q",
        color=alt.Color("kind:N", title=None, scale=colours, legend=None),
        tooltip=[
            alt.Tooltip("cause:N"),
            alt.Tooltip("change:Q", title=f"{unit}CO2e", format="+,.4~r"),
        ],
    )
    texts = base.mark_text(align="left", dx=5, color=c.INK, fontSize=13).encode(
        x="right:Q", text="text:N"
    )
    made = alt.layer(bars, texts, c.room(begin, end), data=alt.NamedData(name=c.ROWS))
    return made.properties(width=c.WIDTH, height=38 * len(names))
