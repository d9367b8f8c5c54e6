"""Savings: baseline less scenario, each from its own rows, and why they differ (LMDI)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from greensched.accounting import energy_factors
from greensched.accounting import explain as lmdi
from greensched.report.explain import served, totals, worked
from greensched.report.explain.figure import Figure, Part, shown
from greensched.units import G_PER_KG, MG_PER_KG, MS_PER_H, MS_PER_S, MWH_MILLI_PER_KWH

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.report.explain.source import Source

    Chain = dict[str, float]

WORK: Final = "work"
NAMES: Final = {
    WORK: ("CPU work carried out", "core-h"),
    "machine_h_per_work": ("machine-hours per work", "machine-h/core-h"),
    "it_kwh_per_machine_h": ("kWh per machine-hour", "kWh/machine-h"),
    "pue": ("PUE", ""),
    "intensity_g_per_kwh": ("intensity of the grid", "g/kWh"),
}
# What is explained -> its whole unit, how many of them make one of the figure's, and how many
# factors of the chain lead to it.
CHAINS: Final = {
    "machines_on_mean": (MS_PER_H, 2),
    "energy_it_kwh": (MWH_MILLI_PER_KWH, 3),
    "energy_facility_kwh": (MWH_MILLI_PER_KWH, 4),
    "scope2_location_kg": (MG_PER_KG // G_PER_KG, 5),
}
# What is told of the window alone -> its column, how many of that make one, its unit.
WITHIN: Final = {
    "energy_facility_kwh": ("energy_facility_mwh", MWH_MILLI_PER_KWH, "kWh"),
    "scope2_location_kg": ("emissions_mg", MG_PER_KG, "kgCO2e"),
}
PARTS: Final[dict[str, dict[str, Callable[[Source, str], Figure]]]] = {
    "service": served.SERVICE,
    "batch": worked.BATCH,
    "databases": served.DATABASES,
}


def saving(source: Source, path: list[str]) -> Figure | None:
    """Return a saving by its path below `savings`; None where there is no such figure."""
    if path[0] == "share" and len(path) > 1:
        return _share(source, path[1])
    if path[0] == "in_window" and len(path) > 1:
        return _in_window(source, path[1])
    figures = PARTS.get(path[0], totals.FIGURES)
    function = figures.get(path[-1])
    if function is None or len(path) > 1 + (path[0] in PARTS):
        return None
    before, after = (function(source, run) for run in ("baseline", "scenario"))
    if before.value is None or after.value is None:
        return Figure(value=None, notes=(*before.notes, *after.notes))
    assert isinstance(before.value, int | float)
    assert isinstance(after.value, int | float)
    parts = lmdi_parts(source, path[0]) if path[0] in CHAINS else ()
    return Figure(
        value=before.value - after.value,
        unit=before.unit,
        formula="baseline - scenario",
        with_values=f"{shown(before.value)} - {shown(after.value)}",
        factors=after.factors,
        rows=(*before.rows, *after.rows),
        parts=parts,
        notes=(
            f"baseline: {before.formula}: {before.with_values}",
            f"scenario: {after.formula}: {after.with_values}",
        ),
        terms={"baseline": before.value, "scenario": after.value},
    )


def _share(source: Source, name: str) -> Figure | None:
    whole = saving(source, [name])
    if whole is None or whole.value is None or not whole.terms["baseline"]:
        return None
    assert isinstance(whole.value, int | float)
    return Figure(
        value=whole.value / whole.terms["baseline"],
        unit="share",
        formula="(baseline - scenario) / baseline",
        with_values=f"({whole.with_values}) / {shown(whole.terms['baseline'])}",
        factors=whole.factors,
        rows=whole.rows,
        parts=tuple(replace(p, value=p.value / whole.terms["baseline"]) for p in whole.parts),
        notes=whole.notes,
        terms=whole.terms,
    )


def _in_window(source: Source, name: str) -> Figure:
    """Return what of a saving lies before the window's end, where jobs no longer arrive."""
    column, per, unit = WITHIN[name]
    end_ms = round(source.summary["window"]["length_s"] * MS_PER_S)
    sums = []
    for run in ("baseline", "scenario"):
        rows = source.entries(run, "scope 2")
        sums.append(int(rows[rows["end_ms"] <= end_ms][column].sum()) / per)
    return Figure(
        value=sums[0] - sums[1],
        unit=unit,
        formula="baseline - scenario, of the entries that end within the window",
        with_values=f"{shown(sums[0])} - {shown(sums[1])}",
    )


def lmdi_parts(source: Source, name: str) -> tuple[Part, ...]:
    """Return what each factor of the chain adds to a saving; they sum to it.

    C = work x machine-h/work x kWh/machine-h x PUE x intensity, as far as the figure goes.
    Empty where a run has no such factors (machine-hours without work).
    """
    scale, length = CHAINS[name]
    before, after = (_chain(source, run) for run in ("baseline", "scenario"))
    if before is None or after is None:
        return ()
    kept = list(NAMES)[:length]
    pairs: list[dict[str, float]] = []
    for chain in (before, after):
        one = {key: chain[key] for key in kept}
        one[kept[-1]] *= scale  # so that the product is in whole units
        pairs.append(one)
    whole = [_product(source, run, name, scale) for run in ("baseline", "scenario")]
    effects = lmdi(whole[0], whole[1], *pairs)
    per = scale * (source.end_ms("scenario") / MS_PER_H if name == "machines_on_mean" else 1)
    per *= G_PER_KG if name == "scope2_location_kg" else 1
    return tuple(
        Part(
            name=NAMES[key][0],
            value=-effects[key] / per,
            before=before[key],
            after=after[key],
            unit=NAMES[key][1],
        )
        for key in kept
    )


def _product(source: Source, run: str, name: str, scale: int) -> int:
    """Return a figure of a run in whole units: machine-ms, mWh or mg."""
    if name == "machines_on_mean":
        return round(float(totals.on_ms(source, run)["value"].sum()))
    found: Any = totals.FIGURES[name](source, run).value
    whole: int = round(found * (MG_PER_KG if name == "scope2_location_kg" else scale))
    return whole


def _chain(source: Source, run: str) -> Chain | None:
    """Return the factors of a run's emissions; None where it has hours without work."""
    work: list[Any] = [
        served.SERVICE["work_core_h"](source, run).value,
        worked.BATCH["work_core_h"](source, run).value,
        served.DATABASES["work_core_h"](source, run).value,
    ]
    hours = float(totals.on_ms(source, run)["value"].sum()) / MS_PER_H
    figures: list[Any] = [
        totals.FIGURES[name](source, run).value
        for name in ("energy_it_kwh", "energy_facility_kwh", "scope2_location_kg")
    ]
    if not sum(work) or not hours:
        return None
    return energy_factors(
        work=sum(work),
        machine_h=hours,
        it_kwh=figures[0],
        facility_kwh=figures[1],
        emitted_g=G_PER_KG * figures[2],
    )
