"""Sites side by side, as if each were a supplier; and the ways to cool one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched.accounting.books import cooled
from greensched.units import KG_PER_T, MG_PER_KG, MWH_MILLI_PER_KWH

if TYPE_CHECKING:
    from fractions import Fraction

    from greensched.accounting.books import SiteYear
    from greensched.report.disclosure.gather import Gathered
    from greensched.scenario.company import CompanySite

MG_PER_T = KG_PER_T * MG_PER_KG
CAPITAL = "2 capital goods"


def suppliers(gathered: Gathered) -> list[dict[str, Any]]:
    """Return what tells sites apart: PUE, grid, renewables, water, embodied, their own targets."""
    specs = {site.name: site for site in gathered.company.spec.sites}
    return [_supplier(gathered, site, specs[site.book.terms.name]) for site in gathered.now.sites]


def _supplier(gathered: Gathered, site: SiteYear, spec: CompanySite) -> dict[str, Any]:
    book, scores, told = site.book, site.scores, site.told
    lines = [ln for ln in gathered.now.inventory.lines if ln.site == spec.name]
    imported = int(book.supply.import_mwh.sum())
    load = int(book.supply.load_mwh.sum())
    by_method = {
        method: sum(line.emissions.mid_mg for line in book.lines() if line.method == method)
        for method in ("location", "market")
    }
    embodied = sum(line.emissions.mid_mg for line in lines if line.category == CAPITAL)
    share = scores.renewable_mwh / load if load else None
    benchmark = gathered.company.spec.benchmark
    pue = _plain(told["pue"])
    return {
        "site": spec.name,
        "control": spec.control,
        "market": spec.market,
        "energy_facility_kwh": load / MWH_MILLI_PER_KWH,
        "import_kwh": imported / MWH_MILLI_PER_KWH,
        "pv_used_kwh": int(book.supply.pv_used_mwh.sum()) / MWH_MILLI_PER_KWH,
        "pv_surplus_kwh": int(book.supply.pv_surplus_mwh.sum()) / MWH_MILLI_PER_KWH,
        "pue": pue,
        "pue_over_benchmark": pue / benchmark.pue - 1 if pue and benchmark else None,
        "grid_kg_per_kwh": by_method["location"] / imported if imported else None,
        "electricity_location_t": by_method["location"] / MG_PER_T,
        "electricity_market_t": by_method["market"] / MG_PER_T,
        "renewable_share": share,
        "renewable_hourly_share": _plain(scores.renewable_hourly_share),
        "cfe_hourly_share": _plain(scores.cfe_hourly_share),
        "cfe_annual_share": _plain(scores.cfe_annual_share),
        "wue_l_per_kwh": _plain(told["wue_l_per_kwh"]),
        "cue_kg_per_kwh": _plain(told["cue_kg_per_kwh"]),
        "reused_share": _plain(told["reused_share"]),
        "utilisation_share": _plain(told["utilisation_share"]),
        "embodied_bought_t": embodied / MG_PER_T,
        "pue_target": spec.pue_target,
        "pue_target_ok": None if not (pue and spec.pue_target) else pue <= spec.pue_target,
        "renewable_target": spec.renewable_target,
        "renewable_target_ok": None
        if share is None or spec.renewable_target is None
        else share >= spec.renewable_target,
    }


def _plain(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def coolings(gathered: Gathered) -> list[dict[str, Any]]:
    """Return, for each site with alternatives, what each would have taken, the least first."""
    books = {site.book.terms.name: site.book for site in gathered.now.sites}
    found = []
    for ways in gathered.ways:
        book = books.get(ways.site)
        if book is None:
            continue
        made = [cooled(book, c, ways.temperatures_c, ways.capacity_w) for c in ways.coolings]
        found += [
            {
                "site": ways.site,
                "cooling": one.name,
                "energy_facility_kwh": one.facility_mwh / MWH_MILLI_PER_KWH,
                "pue": one.pue,
                "electricity_location_t": one.scope2_location.mid_mg / MG_PER_T,
            }
            for one in sorted(made, key=lambda one: (one.facility_mwh, one.name))
        ]
    return found
