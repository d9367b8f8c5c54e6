"""Bounds from their certificates, attributions from their runs, balances from all rows."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from greensched.accounting import attribute
from greensched.bounds import certified
from greensched.errors import DataError, Finding
from greensched.report.explain import totals
from greensched.report.explain.figure import Figure, shown
from greensched.report.outputs import BOUNDS
from greensched.units import MG_PER_KG, MS_PER_H, MS_PER_S, MWH_MILLI_PER_KWH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greensched.report.explain.source import Source

UNITS: Final = {
    "machines_on_mean": "machines",
    "energy_it_kwh": "kWh",
    "energy_facility_kwh": "kWh",
    "scope2_location_kg": "kgCO2e",
}
RUNS: Final = ("baseline", "static_peak", "scenario")
FORMULAS: Final = {
    "alone": "v({i}) - v(none)",
    "last_in": "v(all) - v(all without i)",
    "shapley": "mean over all orders of v(S + i) - v(S), rounded by largest remainder",
    "standard_error": "0: exact, nothing was sampled",
}


def bound(source: Source, path: list[str]) -> Figure | None:
    """Return a bound from its certificate, or the share of what it leaves that was saved."""
    if path[0] == "captured" and len(path) > 1:
        return _captured(source, path[1])
    file = source.stored.folder / BOUNDS
    if path[0] not in UNITS:
        return None
    try:
        parts = json.loads(file.read_text(encoding="utf-8"))[path[0]]
    except (OSError, ValueError, KeyError):
        raise DataError(Finding(where=str(file), what="damaged", remedy="run it again")) from None
    values = [float(p["constant"]) + (float(certified(p)) if "dual" in p else 0.0) for p in parts]
    return Figure(
        value=sum(values),
        unit=UNITS[path[0]],
        formula="sum over pools of machines of constant + y b - sum of u max(0, A'y - c)",
        with_values=" + ".join(shown(v) for v in values) or "0",
        notes=(
            f"{BOUNDS} has the linear programs and their dual values y: any y >= 0 proves a bound",
        ),
    )


def _captured(source: Source, name: str) -> Figure | None:
    least = bound(source, [name])
    if least is None:
        return None
    before, after = (totals.FIGURES[name](source, run) for run in ("baseline", "scenario"))
    a, b, c = (one.value for one in (before, after, least))
    assert isinstance(a, int | float)
    assert isinstance(b, int | float)
    assert isinstance(c, int | float)
    return Figure(
        value=(a - b) / (a - c) if a > c else None,
        unit="share",
        formula="(baseline - scenario) / (baseline - bound)",
        with_values=f"({shown(a)} - {shown(b)}) / ({shown(a)} - {shown(c)})",
        rows=(*before.rows, *after.rows),
    )


def attributed(source: Source, path: list[str]) -> Figure | None:
    """Return a number of the attribution from the savings of its combinations."""
    told = source.summary["attribution"]
    if path[0] == "combinations":
        return Figure(
            value=_below(told, path),
            formula="baseline less the run with these switches on",
            notes=("the run of a combination keeps no rows of its own but these sums",),
            known=False,
        )
    if path[0] != "quantities" or len(path) < 3:  # noqa: PLR2004 quantities, name, figure
        return None
    if told["method"] != "exact":
        what = "sampled: the orders that were drawn are not kept, only the sets' savings"
        return Figure(value=_below(told, path), notes=(what,), known=False)
    players = {
        one["name"]: frozenset(one["switches"])
        for one in told["quantities"][path[1]]["technologies"]
        if one["switches"]
    }
    values = {
        frozenset(n for n, kinds in players.items() if kinds <= frozenset(c["switches"])): c[
            "saved"
        ][path[1]]
        for c in told["combinations"]
    }
    return _shapley(values, told["quantities"][path[1]], path[2:])


def _shapley(
    values: dict[frozenset[str], int], quantity: Mapping[str, Any], path: list[str]
) -> Figure | None:
    found = attribute(values)
    everything, nothing = max(values, key=len), frozenset[str]()
    sets = "; ".join(f"{' + '.join(sorted(s)) or 'none'}: {v:,}" for s, v in values.items())
    base: dict[str, Any] = {"unit": quantity["unit"], "notes": (f"v(S): {sets}",)}
    if path == ["total"]:
        words = f"{shown(values[everything])}"
        return Figure(value=values[everything], formula="v(all)", with_values=words, **base)
    if path[0] == "interactions" and path[-1] == "together":
        one = found.interactions[int(path[1])]
        formula = "Shapley interaction index over all sets of the others"
        return Figure(value=one.together, formula=formula, with_values=str(one.together), **base)
    if path[0] != "technologies" or path[-1] not in FORMULAS:
        return None
    told = quantity["technologies"][int(path[1])]
    formula = FORMULAS[path[-1]]
    if not told["switches"]:
        value = 0 if path[-1] == "standard_error" else values[nothing]
        return Figure(value=value, formula="v(none)", with_values=shown(value), **base)
    one_of = {c.name: c for c in found.technologies}[told["name"]]
    value = getattr(one_of, path[-1])
    return Figure(value=value, formula=formula, with_values=shown(value), **base)


def balance(source: Source, number: int) -> Figure:
    """Return a balance check anew: left less right, in the run in which it is farthest off."""
    check = source.summary["balance"][number]
    name, unit = check["check"], check["unit"]
    found = {run: _sides(source, run, name) for run in RUNS}
    run, (left, right) = max(found.items(), key=lambda p: abs(p[1][0] - p[1][1]))
    return Figure(
        value=left - right,
        unit=unit,
        formula=f"left - right of: {name}",
        with_values=f"{shown(left)} - {shown(right)} ({run}, the run that is farthest off)",
    )


def _sides(source: Source, run: str, name: str) -> tuple[int, int]:
    """Return both sides of a check of a run, in whole units."""
    told: Any = source.summary[run]
    rows = source.entries(run, "scope 2")
    if name.endswith("= machines"):
        parts = sum(told[p]["energy_kwh"] for p in ("service", "batch", "databases"))
        parts += told["energy_unallocated_kwh"]
        return round(parts * MWH_MILLI_PER_KWH), int(rows["energy_it_mwh"].sum())
    if name == "facility = IT x PUE":
        again, _ = totals.facility_again(source, run, rows)
        return int(rows["energy_facility_mwh"].sum()), round(again)
    if name == "sum of entries = facility energy":
        total = round(told["energy_facility_kwh"] * MWH_MILLI_PER_KWH)
        return int(rows["energy_facility_mwh"].sum()), total
    if name == "sum of entries = emissions":
        total = round(told["scope2_location_kg"] * MG_PER_KG)
        total += round((told["embodied_kg"] or 0.0) * MG_PER_KG)
        return int(source.entries(run, "scope")["emissions_mg"].sum()), total
    held = source.parts(run, "machine", "machine_ms")["value"].sum()
    return round(held), source.summary["demand"]["machines"] * source.end_ms(run)


def counted(source: Source, path: list[str]) -> Figure | None:
    """Return the size of demand and fleet, and the window, from the rows."""
    parts = source.table("parts")
    end_ms = source.end_ms("scenario")
    held = source.parts("scenario", "machine", "machine_ms")
    roles = Counter(dict(held.groupby("role")["value"].sum()))
    own = parts[(parts["run"] == "scenario") & (parts["quantity"] == "energy_mwh")]
    found: dict[str, tuple[float, str, str]] = {
        "services": (int((own["part"] == "service").sum()), "count", "services in parts.parquet"),
        "databases": (int((own["part"] == "database").sum()), "count", "databases there"),
        "jobs": (len(source.table("jobs")), "count", "rows of jobs.parquet"),
        "machines": (
            round(sum(roles.values()) / end_ms),
            "count",
            f"{shown(sum(roles.values()) / MS_PER_H)} machine-h / {shown(end_ms / MS_PER_H)} h",
        ),
        "machines_surplus": (
            round(roles["surplus"] / end_ms),
            "count",
            f"{shown(roles['surplus'] / MS_PER_H)} machine-h / {shown(end_ms / MS_PER_H)} h",
        ),
        "end_s": (end_ms / MS_PER_S, "s", "end of the scenario's run"),
    }
    if len(path) != 1 or path[0] not in found:
        return None
    value, unit, words = found[path[0]]
    return Figure(value=value, unit=unit, formula=words, with_values=shown(value))


def _below(value: Any, path: list[str]) -> Any:
    for step in path:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value
