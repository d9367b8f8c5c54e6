"""Why two results emit differently: by work, machines, power, PUE and intensity (LMDI)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from greensched.accounting import energy_factors, explain
from greensched.accounting.usage import ROLES_ON
from greensched.report.charts import chart as c
from greensched.report.words import (
    digits_apart,
    digits_for,
    fitted,
    number,
    signed,
    unit_for,
)
from greensched.units import G_PER_KG, MG_PER_KG

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

EMBODIED: Final = "embodied_kg"
LABELS: Final = {
    "work": "work done",
    "machine_h_per_work": "machine-hours for it",
    "it_kwh_per_machine_h": "power of a machine",
    "pue": "PUE",
    "intensity_g_per_kwh": "intensity of the grid",
    EMBODIED: "embodied share of machines",
}
MG_PER_G: Final = MG_PER_KG // G_PER_KG


def effects_kg(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, float] | None:
    """Return what each cause adds to emissions from outcome `a` to `b` [kgCO2e]; they sum to it.

    Emissions are scope 2 (location), by additive LMDI-I over work x machine-hours/work x
    kWh/machine-hour x PUE x g/kWh, and the embodied share, a cause of its own. None where one of
    them took hours or energy for no work.
    """
    factors = []
    for one in (a, b):
        made = _factors(one)
        if made is None:
            return None
        factors.append(made)
    before, after = (round(one["scope2_location_kg"] * MG_PER_KG) for one in (a, b))
    found = explain(before, after, *factors)
    effects = {name: value / MG_PER_KG for name, value in found.items()}
    return effects | {EMBODIED: (b[EMBODIED] or 0.0) - (a[EMBODIED] or 0.0)}


def emissions_kg(outcome: Mapping[str, Any]) -> float:
    """Return scope 2 (location) and the embodied share, where it is known [kgCO2e]."""
    both: float = outcome["scope2_location_kg"] + (outcome[EMBODIED] or 0.0)
    return both


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """What leads from one result's emissions to the other's, in one unit and rounding.

    `effects` are exact, `shown` have `digits` decimals and sum to the difference shown.
    """

    unit: str
    digits: int
    ends: tuple[float, float]
    effects: dict[str, float]
    shown: dict[str, float]


def bridge(a: Mapping[str, Any], b: Mapping[str, Any]) -> Bridge | None:
    """Return what leads from outcome `a` to `b`; None without causes."""
    effects = effects_kg(a, b)
    if effects is None:
        return None
    divisor, unit = unit_for("kg", [emissions_kg(a), emissions_kg(b)])
    first, last = (emissions_kg(one) / divisor for one in (a, b))
    digits = digits_apart(first, last, digits_for((first, last)))
    scaled = {name: value / divisor for name, value in effects.items()}
    shown = fitted(list(scaled.values()), last - first, digits)
    return Bridge(
        unit=unit,
        digits=digits,
        ends=(first, last),
        effects=scaled,
        shown=dict(zip(scaled, shown, strict=True)),
    )


def causes(a: Mapping[str, Any], b: Mapping[str, Any], titles: tuple[str, str]) -> c.Chart | None:
    """Return the bridge from the emissions of outcome `a` to `b`'s; None without causes."""
    import pandas as pd

    found = bridge(a, b)
    if found is None:
        return None
    (at, last), unit = found.ends, found.unit
    rows = [(titles[0], "whole", 0.0, at, round(at, found.digits), found.digits)]
    for name, label in LABELS.items():
        effect, shown = found.effects[name], found.shown[name]
        kind = "more" if effect > 0 else "less"
        rows.append((label, kind, at, at + effect, shown, found.digits))
        at += effect
    rows.append((titles[1], "whole", 0.0, last, round(last, found.digits), found.digits))
    columns = ["cause", "kind", f"begin_{unit}", f"end_{unit}", f"shown_{unit}", "digits"]
    frame = pd.DataFrame(rows, columns=columns)
    return c.Chart(
        name="causes",
        title="Difference by cause",
        sees=_sees(found, titles),
        caption=(
            f"Scope 2 (location) and embodied share of both, {unit}CO2e, and what leads from one "
            "to the other: each cause is what its change alone explains, and they sum exactly "
            "(additive LMDI; embodied beside it)."
        ),
        data=frame,
        definition=_definition(frame, unit),
    )


def _sees(found: Bridge, titles: tuple[str, str]) -> str:
    """Return the difference and its largest cause."""
    first, last = found.ends
    change, unit, digits = last - first, found.unit, found.digits
    of = "(scope 2 and embodied)"
    if not change:
        whole = f"{number(first, digits)} {unit}CO2e"
        return f"{titles[1]} emits what {titles[0]} does: {whole} {of}."
    share = f", {signed(100 * change / first, 1)} %" if first else ""
    name = max(found.effects, key=lambda key: abs(found.effects[key]))
    return (
        f"{titles[1]} emits {number(abs(change), digits)} {unit}CO2e "
        f"{'more' if change > 0 else 'less'} than {titles[0]} {of}{share}; largest "
        f"cause: {LABELS[name]}, {signed(found.shown[name], digits)} {unit}."
    )


def _definition(frame: pd.DataFrame, unit: str) -> Any:
    import altair as alt

    begin, end, shown = f"begin_{unit}", f"end_{unit}", f"shown_{unit}"
    names = frame["cause"].tolist()
    base = (
        alt.Chart()
        .transform_calculate(
            change=f"datum.{end} - datum.{begin}",
            text=f"datum.{shown} == 0 ? '0' : "
            f"format(datum.{shown}, (datum.kind == 'whole' ? ',.' : '+,.') + datum.digits + 'f')",
            right=f"max(datum.{begin}, datum.{end})",
        )
        .encode(y=alt.Y("cause:N", title=None, sort=names))
    )
    colours = alt.Scale(domain=["whole", "more", "less"], range=[c.GREEN, c.RED, c.BLUE])
    bars = base.mark_bar(height=alt.RelativeBandSize(0.62)).encode(
        x=alt.X(f"{begin}:Q", title=f"scope 2 and embodied, {unit}CO2e"),
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
