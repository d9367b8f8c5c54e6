"""Machines, energy, emissions and cost of a run, from its entries and parts."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.accounting import ROLES_ON, ROLES_RELEASED
from greensched.report.explain.figure import Figure, Rows, shown
from greensched.report.explain.source import Source, grouped
from greensched.units import G_PER_KG, MG_PER_KG, MS_PER_H, MWH_MILLI_PER_KWH

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

MICRO: Final = 1_000_000
BY: Final = ("site", "machine_type", "role")
ENERGY: Final = ("energy_it_mwh", "energy_facility_mwh", "emissions_mg")
MW_PER_W: Final = 1_000  # milliwatts
NANO: Final = 1_000_000_000


def on_ms(source: Source, run: str, part: str = "machine") -> pd.DataFrame:
    """Return a run's machine time in the roles that count as on."""
    rows = source.parts(run, part, "machine_ms")
    return rows[rows["role"].isin(ROLES_ON)]


def _machines_on_mean(source: Source, run: str) -> Figure:
    rows, end_ms = on_ms(source, run), source.end_ms(run)
    held_ms = rows["value"].sum()
    return Figure(
        value=held_ms / end_ms,
        unit="machines",
        formula="machine time on / length of the run",
        with_values=f"{shown(held_ms / MS_PER_H)} machine-h / {shown(end_ms / MS_PER_H)} h",
        rows=(grouped("parts.parquet", _where(run, "machine_ms"), rows, ("role",), ("value",)),),
    )


def _machines_on_peak(source: Source, run: str) -> Figure:
    series = source.table("series")
    own = series[series["run"] == run]
    # a mean of whole machine-milliseconds over an interval: what is left of floats is rounding
    held = own[[f"machines_{role}" for role in sorted(ROLES_ON)]].sum(axis=1)
    whole = np.ceil(held.round(6))
    at = whole.idxmax()
    row = own.loc[[at]]
    return Figure(
        value=int(whole.max()),
        unit="machines",
        formula="highest mean of machines on over an interval, rounded up",
        with_values=f"{shown(float(held[at]))} machines from {row['time_utc'].iloc[0]} UTC on",
        rows=(Rows(file="series.parquet", where=f"run = {run}", rows=own, groups=row),),
    )


def _energy_it(source: Source, run: str) -> Figure:
    rows = source.entries(run, "scope 2")
    kwh = int(rows["energy_it_mwh"].sum()) / MWH_MILLI_PER_KWH
    return Figure(
        value=kwh,
        unit="kWh",
        formula="sum of the IT energy of all entries: the integral of each machine's power",
        with_values=f"{shown(kwh)} kWh over {len(rows):,} entries",
        rows=(grouped("entries.parquet", _where(run, "scope 2"), rows, BY, ENERGY[:1]),),
    )


def _energy_facility(source: Source, run: str) -> Figure:
    rows = source.entries(run, "scope 2")
    it_kwh, kwh = (int(rows[name].sum()) / MWH_MILLI_PER_KWH for name in ENERGY[:2])
    again, fixed = facility_again(source, run, rows)
    return Figure(
        value=kwh,
        unit="kWh",
        formula="sum over sites and intervals of IT energy x PUE" + (" + fixed" if fixed else ""),
        with_values=f"{shown(it_kwh)} kWh x {shown(kwh / it_kwh if it_kwh else 1.0)} (PUE)",
        factors=source.uses(("pue", "fixed_w"), rows),
        rows=(grouped("entries.parquet", _where(run, "scope 2"), rows, BY, ENERGY[:2]),),
        notes=(_again("IT energy and PUE", float(again / MWH_MILLI_PER_KWH), kwh, "kWh"),),
    )


def facility_again(source: Source, run: str, rows: pd.DataFrame) -> tuple[Fraction, Fraction]:
    """Return facility energy [mWh] by IT energy and PUE alone, exactly, and what of it is fixed.

    As in the account slopes are taken to their ninth decimal, fixed power to the milliwatt.
    """
    it_mwh, slopes = rows["energy_it_mwh"].to_numpy(), source.at("pue", rows)
    moving = sum(
        (round(float(s) * NANO) * int(it_mwh[slopes == s].sum()) for s in np.unique(slopes)), 0
    )
    fixed_mw_ms = 0
    for site in rows["site"].unique():
        steps = source.factor("fixed_w", site=site)
        lengths = steps["end_ms"].clip(upper=source.end_ms(run)) - steps["start_ms"]
        fixed_mw_ms += sum(
            round(watts * MW_PER_W) * int(ms)
            for watts, ms in zip(steps["value"].tolist(), lengths.clip(lower=0), strict=True)
        )
    fixed = Fraction(fixed_mw_ms, MS_PER_H)
    return Fraction(moving, NANO) + fixed, fixed


def _scope2(source: Source, run: str) -> Figure:
    rows = source.entries(run, "scope 2")
    facility_kwh = rows["energy_facility_mwh"].to_numpy() / MWH_MILLI_PER_KWH
    kg = int(rows["emissions_mg"].sum()) / MG_PER_KG
    grams = source.at("intensity_g_per_kwh", rows)
    whole = float(facility_kwh.sum())
    mean = G_PER_KG * kg / whole if whole else 0.0
    again = float((facility_kwh * grams).sum()) / G_PER_KG
    return Figure(
        value=kg,
        unit="kgCO2e",
        formula="sum over sites and intervals of facility energy x average intensity of the grid",
        with_values=f"{shown(whole)} kWh x {shown(mean)} g/kWh (mean, by energy) / 1,000",
        factors=source.uses(("intensity_g_per_kwh", "pue", "fixed_w"), rows),
        rows=(grouped("entries.parquet", _where(run, "scope 2"), rows, BY, ENERGY),),
        notes=(_again("facility energy and intensity", again, kg, "kg"),),
    )


def _counted(source: Source, run: str) -> pd.DataFrame:
    """Return the time of machines whose making counts: not of what is released meanwhile."""
    rows = source.parts(run, "machine", "machine_ms")
    factors = source.table("factors")
    released = factors.loc[factors["quantity"] == "is_released", "machine_type"]
    gone = rows["name"].isin(released) & rows["role"].isin(ROLES_RELEASED)
    return rows[~gone]


def _embodied(source: Source, run: str, *, column: str, factor: str) -> Figure:
    if source.summary[run]["embodied_kg"] is None:
        return Figure(value=None, notes=("the scenario gives 'embodied' for no machine type",))
    rows = source.entries(run, "scope 3")
    kg = int(rows[column].sum()) / MG_PER_KG
    again, terms = 0.0, []
    for name, held in _counted(source, run).groupby("name")["value"]:
        one_kg, lifetime_ms = (
            float(source.factor(quantity, machine_type=str(name))["value"].iloc[0])
            for quantity in (factor, "lifetime_ms")
        )
        again += held.sum() / lifetime_ms * one_kg
        terms.append(
            f"{shown(held.sum() / MS_PER_H)} h / {shown(lifetime_ms / MS_PER_H)} h "
            f"x {shown(one_kg)} kg"
        )
    more = f" + ... ({len(terms)} machine types)" if len(terms) > 1 else ""
    return Figure(
        value=kg,
        unit="kgCO2e",
        formula="sum over machine types of machine time / lifetime x embodied, on or off; a "
        "cloud's while it is held",
        with_values=(terms[0] if terms else "0") + more,
        factors=source.uses((factor, "lifetime_ms"), rows),
        rows=(grouped("entries.parquet", _where(run, "scope 3"), rows, BY, (column,)),),
        notes=(_again("machine time and lifetime", again, kg, "kg"),),
    )


def _cost(source: Source, run: str) -> Figure:
    rows = source.entries(run, "scope")
    if source.summary["currency"] is None:
        return Figure(value=None, notes=("the scenario gives no price",))
    value = int(rows["cost_micro"].sum()) / MICRO
    return Figure(
        value=value,
        unit=source.summary["currency"],
        formula="facility energy x price per kWh + machine-hours on x price per machine-hour",
        with_values=f"{shown(value)} over {len(rows):,} entries",
        factors=source.uses(("price_per_kwh", "price_per_machine_h"), rows),
        rows=(grouped("entries.parquet", _where(run, "every scope"), rows, BY, ("cost_micro",)),),
    )


def _unallocated(source: Source, run: str) -> Figure:
    it_mwh = int(source.entries(run, "scope 2")["energy_it_mwh"].sum())
    jobs, suffix = source.jobs(run)
    column = f"energy{suffix}_mwh_milli"
    used = {
        "services": source.parts(run, "service", "energy_mwh")["value"].sum(),
        "jobs": jobs[column].sum() if column in jobs else 0,
        "databases": source.parts(run, "database", "energy_mwh")["value"].sum(),
    }
    kwh = {name: int(value) / MWH_MILLI_PER_KWH for name, value in used.items()}
    minus = " - ".join(f"{shown(value)} ({name})" for name, value in kwh.items())
    return Figure(
        value=(it_mwh - sum(int(v) for v in used.values())) / MWH_MILLI_PER_KWH,
        unit="kWh",
        formula="IT energy - services - jobs - databases",
        with_values=f"{shown(it_mwh / MWH_MILLI_PER_KWH)} - {minus}",
        rows=(
            grouped(
                "entries.parquet",
                _where(run, "scope 2"),
                source.entries(run, "scope 2"),
                BY,
                ENERGY[:1],
            ),
        ),
    )


def machine_h(source: Source, run: str, role: str) -> Figure:
    """Return the machine-hours of a run in one role."""
    rows = source.parts(run, "machine", "machine_ms")
    rows = rows[rows["role"] == role]
    return Figure(
        value=rows["value"].sum() / MS_PER_H,
        unit="h",
        formula=f"sum over machine types of the time that machines were {role}",
        with_values=f"{shown(rows['value'].sum())} machine-ms / 3,600,000",
        rows=(grouped("parts.parquet", _where(run, "machine_ms"), rows, ("name",), ("value",)),),
    )


def _where(run: str, what: str) -> str:
    return f"run = {run}, {what}"


def _again(of: str, again: float, value: float, unit: str) -> str:
    difference = again - value
    return f"priced again from {of} alone: {shown(again)} {unit}, {difference:+.2g} by rounding"


FIGURES: Final[dict[str, Callable[[Source, str], Figure]]] = {
    "machines_on_mean": _machines_on_mean,
    "machines_on_peak": _machines_on_peak,
    "energy_it_kwh": _energy_it,
    "energy_facility_kwh": _energy_facility,
    "scope2_location_kg": _scope2,
    "embodied_kg": partial(_embodied, column="emissions_mg", factor="embodied_kg"),
    "embodied_low_kg": partial(_embodied, column="emissions_low_mg", factor="embodied_low_kg"),
    "embodied_high_kg": partial(_embodied, column="emissions_high_mg", factor="embodied_high_kg"),
    "cost": _cost,
    "energy_unallocated_kwh": _unallocated,
}
