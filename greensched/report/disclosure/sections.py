"""The statement as sections of a title, a table and notes: what text and Markdown have alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import plural
from greensched.report.words import number, ranged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Values = Mapping[str, Any]


METHODS: Final = {
    "absolute": "absolute contraction",
    "net_zero": "net zero: a residual that removals match, offsets last",
    "share": "a share to be reached",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the statement; `cells` are rows of text, the first column a name."""

    title: str
    heads: tuple[str, ...] = ()
    cells: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


def sections(values: Values) -> Iterator[Section]:
    """Yield the parts of a statement in the order in which they are read."""
    yield _inventory(values)
    yield _categories(values)
    yield _gases(values)
    yield _sites(values)
    yield _coolings(values)
    yield _targets(values)
    yield _technologies(values)
    yield _path(values)
    yield _change(values)
    yield _offsets(values)
    yield _avoided(values)
    yield _indicators(values)
    yield _factors(values)
    yield _basis(values)


def tonnes(found: Values) -> str:
    """Return a range in tonnes, with no more digits than it allows: `1,230 (1,000 .. 1,500)`.

    The range is told only where there is one; what is exact has one decimal.
    """
    low, mid, high = (found[name] for name in ("low_t", "mid_t", "high_t"))
    text = ranged(mid, low, high, 1)
    if low == high:
        return text
    return f"{text} ({ranged(low, low, high, 1)} .. {ranged(high, low, high, 1)})"


def share(value: float | None) -> str:
    """Return a share as a percentage."""
    return number(None if value is None else 100 * value, 1) + ("" if value is None else " %")


def _inventory(values: Values) -> Section:
    names = (
        ("scope 1", "scope1", "scope1"),
        ("scope 2", "scope2_location", "scope2_market"),
        ("scope 3", "scope3_location", "scope3_market"),
        ("total, gross", "total_location", "total_market"),
    )
    inventory = values["inventory"]
    return Section(
        title=f"Inventory {values['year']}, tCO2e",
        heads=("", "location-based", "market-based"),
        cells=tuple(
            (name, tonnes(inventory[first]), tonnes(inventory[second]))
            for name, first, second in names
        ),
        notes=("Gross: no offset lowers a figure.",),
    )


def _categories(values: Values) -> Section:
    return Section(
        title="By category, tCO2e",
        heads=("category", "location-based", "market-based"),
        cells=tuple(
            (f"scope {c['scope']}, {c['category']}", tonnes(c["location"]), tonnes(c["market"]))
            for c in values["categories"]
        ),
    )


def _gases(values: Values) -> Section:
    return Section(
        title=f"Scope 1 by gas, tCO2e by {values['gwp']}",
        heads=("gas", "tCO2e"),
        cells=tuple((g["gas"], tonnes(g)) for g in values["gases_scope1"]),
    )


def _sites(values: Values) -> Section:
    rows: tuple[tuple[str, Callable[[Values], str]], ...] = (
        ("control", lambda s: s["control"]),
        ("facility energy, MWh", lambda s: number(s["energy_facility_kwh"] / 1_000, 1)),
        ("of it from the grid, MWh", lambda s: number(s["import_kwh"] / 1_000, 1)),
        ("made on site and used, MWh", lambda s: number(s["pv_used_kwh"] / 1_000, 1)),
        ("made on site, surplus, MWh", lambda s: number(s["pv_surplus_kwh"] / 1_000, 1)),
        ("PUE", lambda s: number(s["pue"], 3)),
        ("PUE over the benchmark", lambda s: share(s["pue_over_benchmark"])),
        ("own PUE target", lambda s: _held(s["pue_target"], s["pue_target_ok"])),
        ("grid, kg/kWh", lambda s: number(s["grid_kg_per_kwh"], 4)),
        ("electricity, t location-based", lambda s: number(s["electricity_location_t"], 1)),
        ("electricity, t market-based", lambda s: number(s["electricity_market_t"], 1)),
        ("renewable share", lambda s: share(s["renewable_share"])),
        ("renewable, hour by hour", lambda s: share(s["renewable_hourly_share"])),
        ("own renewable target", lambda s: _held(s["renewable_target"], s["renewable_target_ok"])),
        ("carbon-free, 24/7 (CFE)", lambda s: share(s["cfe_hourly_share"])),
        ("carbon-free, over the year", lambda s: share(s["cfe_annual_share"])),
        ("water, l/kWh", lambda s: number(s["wue_l_per_kwh"], 2)),
        ("machines bought, t embodied", lambda s: number(s["embodied_bought_t"], 1)),
        ("use of servers", lambda s: share(s["utilisation_share"])),
    )
    benchmark = values["benchmark"]
    return Section(
        title="Sites as suppliers",
        heads=("", *(s["site"] for s in values["sites"])),
        cells=tuple((name, *(shown(s) for s in values["sites"])) for name, shown in rows),
        notes=(f"PUE benchmark {benchmark['pue']:g}: {benchmark['source']}",) if benchmark else (),
    )


def _held(target: float | None, ok: bool | None) -> str:  # noqa: FBT001 a value to show
    if target is None:
        return number(None)
    return f"{target:g} {'unknown' if ok is None else 'held' if ok else 'missed'}"


def _coolings(values: Values) -> Section:
    return Section(
        title="Ways to cool a site, over the year's weather and load",
        heads=("site", "cooling", "PUE", "MWh", "tCO2e, location"),
        cells=tuple(
            (
                c["site"],
                c["cooling"],
                number(c["pue"], 3),
                number(c["energy_facility_kwh"] / 1_000, 1),
                number(c["electricity_location_t"], 1),
            )
            for c in values["coolings"]
        ),
    )


def _targets(values: Values) -> Section:
    return Section(
        title="Targets",
        heads=("target", "base", "now", "path", "goal", "to go", "pace", "needed", "reached", ""),
        cells=tuple(
            (
                t["name"],
                *(_amount(t, key) for key in ("base", "now", "path", "goal", "distance")),
                _amount(t, "pace_per_year"),
                _amount(t, "pace_needed_per_year"),
                "never" if t["reached_at_pace"] is None else str(t["reached_at_pace"]),
                t["state"],
            )
            for t in values["targets"]
        ),
        notes=(
            "tCO2e or percent; pace a year, mean since the base year; reached at that pace.",
            *(f"{t['name']}: {METHODS[t['method']]}, {_scope2(t)}" for t in values["targets"]),
            (
                f"base year {values['base_year']['year']}, reckoned anew "
                f"{values['base_year']['recalculated']}"
            ),
        ),
    )


def _scope2(target: Values) -> str:
    scopes = {"scopes12": "scopes 1 and 2", "scopes123": "scopes 1 to 3"}
    if target["quantity"] not in scopes:
        return "of all electricity"
    return f"{scopes[target['quantity']]}, {target['scope2']}-based"


def _amount(target: Values, key: str) -> str:
    value = target[key]
    return share(value) if target["unit"] == "share" else number(value, 1)


def _technologies(values: Values) -> Section:
    return Section(
        title="What technologies avoided, as a share of the way from base year to goal",
        heads=("target", "technology", "share"),
        cells=tuple(
            (t["name"], one["technology"], share(one["share_of_way"]))
            for t in values["targets"]
            for one in t["technologies"]
        ),
    )


def _path(values: Values) -> Section:
    keys = ("scope1_t", "scope2_location_t", "scope2_market_t", "scope3_t")
    return Section(
        title="The path so far, tCO2e",
        heads=("year", "scope 1", "scope 2 location", "scope 2 market", "scope 3", "renewable"),
        cells=tuple(
            (str(p["year"]), *(number(p[k], 1) for k in keys), share(p["renewable_share"]))
            for p in values["path"]
        ),
    )


def _change(values: Values) -> Section:
    found = values["change"] or {}
    names = {
        "it_energy_t": "IT energy",
        "pue_t": "PUE",
        "imported_share_t": "made on site instead of imported",
        "grid_intensity_t": "intensity of the grids",
        "change_t": "together",
    }
    return Section(
        title=f"Why electricity changed since {found.get('from_year')}, tCO2e location-based",
        heads=("", "tCO2e"),
        cells=tuple((name, number(found[key], 1)) for key, name in names.items() if key in found),
    )


def _offsets(values: Values) -> Section:
    offsets = values["offsets"]
    return Section(
        title="Offsets, apart from every total above",
        heads=("registry", "serial", "kind", "vintage", "owner", "t", "counted"),
        cells=tuple(
            (
                o["registry"],
                o["serial"],
                o["kind"],
                str(o["vintage"]),
                o["owner"],
                number(o["mass_t"], 1),
                "yes" if o["counted"] else f"no: {o['reason']}",
            )
            for o in offsets["listed"]
        ),
        notes=(f"Counted for {values['year']}: {number(offsets['counted_t'], 1)} t.",),
    )


def _avoided(values: Values) -> Section:
    return Section(
        title="Avoided against a baseline, no part of the inventory, tCO2e",
        heads=("technology", "baseline", "signal", "avoided"),
        cells=tuple(
            (
                a["technology"],
                a["baseline"],
                a["signal"],
                tonnes({"low_t": a["low_t"], "mid_t": a["saved_t"], "high_t": a["high_t"]}),
            )
            for a in values["avoided"]
        ),
    )


def _indicators(values: Values) -> Section:
    found = values["indicators"]
    rows = [
        ("PUE (ISO/IEC 30134-2)", number(found["pue"], 3)),
        ("renewable energy factor REF (30134-3)", share(found["renewable_share"])),
        ("utilisation of servers ITEUsv (30134-5)", share(found["utilisation_share"])),
        ("energy reuse factor ERF (30134-6)", share(found["reused_share"])),
        ("CUE (30134-8), kg/kWh", number(found["cue_kg_per_kwh"], 4)),
        ("WUE (30134-9), l/kWh", number(found["wue_l_per_kwh"], 2)),
        ("SCI, gCO2e for a functional unit", number(values["sci_g_per_unit"], 3)),
    ]
    likes = values["equivalents"]
    rows += [(f"like so many {e['what']}", number(e["count"], 1)) for e in likes]
    return Section(
        title="Indicators",
        heads=("", str(values["year"])),
        cells=tuple(rows),
        notes=tuple(f"{e['what']}: {e['constants']}" for e in likes),
    )


def _factors(values: Values) -> Section:
    return Section(
        title="Factors",
        heads=("factor", "year", "gas", "per", "kg", "source", "licence", "file SHA-256"),
        cells=tuple(
            (
                f"{f['id']}{' (own)' if f['own'] else ''}",
                str(f["year"]),
                f["gas"],
                f["per"],
                f"{f['mid_kg']:.10g}",
                f["source"],
                f["licence"],
                f["sha256"][:12],
            )
            for f in values["factors"]
        ),
    )


def _basis(values: Values) -> Section:
    ledger = values["ledger"]
    rows = [
        ("boundary", values["boundary"]),
        ("GWP set", f"IPCC {values['gwp']}, 100 years"),
        (
            "contracts are matched",
            "by the hour" if values["matching"] == "hourly" else "by the year",
        ),
        ("ledger", f"{ledger['origin']} ({ledger['kind']}), {plural(ledger['rows'], 'row')}"),
        ("its root", ledger["root"]),
        ("verified with", ledger["key"]),
        ("greensched", values["version"]),
    ]
    return Section(
        title="Basis",
        heads=("", ""),
        cells=tuple(rows),
        notes=tuple(values["notes"]),
    )
