"""The laws of the books: scopes, offsets, contracts, supply on site, targets, the inverse."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from greensched.accounting.books import (
    METHODS,
    Avoided,
    Band,
    Contract,
    Cooling,
    Inventory,
    Line,
    Offset,
    Offsets,
    Range,
    Reported,
    Saved,
    Target,
    by_control,
    by_site,
    cfe_annual,
    cfe_hourly,
    facility_mwh,
    fleet_for,
    match,
    part_mg,
    priced,
    progress,
    supplied,
    utilisation_for,
)
from tests.books.cases import activity, factor, inventory, line, table

SITES = ("hz", "sh", "gz")
MODES = ("operational", "leased_cat8", "cloud_cat1")
AMOUNTS = st.integers(0, 10**13)
SHARES = st.fractions(0, 1, max_denominator=100)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """Return a line of any scope, site and method."""
    scope = draw(st.sampled_from((1, 2, 3)))
    low, mid, high = sorted(draw(st.lists(AMOUNTS, min_size=3, max_size=3)))
    return line(
        scope=scope,
        site=draw(st.sampled_from(SITES)),
        category={1: "stationary combustion", 2: "purchased electricity", 3: "2 capital goods"}[
            scope
        ],
        method=draw(st.sampled_from(METHODS)) if scope == 2 else "",
        emissions=Range(low_mg=low, mid_mg=mid, high_mg=high),
    )


inventories = st.lists(lines(), max_size=12).map(lambda given: inventory(*given))


@st.composite
def hours(draw: st.DrawFn, series: int, largest: int = 10**10) -> list[Any]:
    """Return `series` columns of one length."""
    count = draw(st.integers(1, 24))
    column = st.lists(st.integers(0, largest), min_size=count, max_size=count)
    return [np.array(draw(column), np.int64) for _ in range(series)]


@st.composite
def offset_books(draw: st.DrawFn) -> Offsets:
    """Return offsets of some owner, retired or not, with serials of their own."""
    count = draw(st.integers(0, 5))
    years = st.integers(2018, 2024)
    return Offsets(
        owner="acme",
        year=2023,
        offsets=tuple(
            Offset(
                registry="CCER",
                serial=str(i),
                kind=draw(st.sampled_from(("forest", "CCER", "CCUS"))),
                vintage=draw(years),
                owner=draw(st.sampled_from(("acme", "users"))),
                mass_mg=draw(AMOUNTS),
                retired=draw(st.none() | years),
            )
            for i in range(count)
        ),
    )


@given(inventories, st.permutations(range(12)))
def test_i07_order_of_lines_changes_no_total(books: Inventory, order: list[int]) -> None:
    """Lines in another order have the same totals."""
    shuffled = tuple(books.lines[i] for i in order if i < len(books.lines))
    for method in METHODS:
        assert books.total(method) == replace(books, lines=shuffled).total(method)


@given(inventories)
def test_i08_renamed_sites_change_no_total(books: Inventory) -> None:
    """Sites of other names have the same totals."""
    renamed = tuple(replace(one, site=f"x-{one.site}") for one in books.lines)
    for method in METHODS:
        assert books.total(method) == replace(books, lines=renamed).total(method)


@given(st.fractions(0, 10**6, max_denominator=1_000), st.fractions(0, 10, max_denominator=10**4))
def test_i09_units_do_not_matter(mwh: Fraction, kg_per_kwh: Fraction) -> None:
    """The same energy in MWh, kWh or GJ, or the factor per MWh, gives the same milligrams."""
    per_kwh = table(factor(mid_kg=kg_per_kwh))
    per_mwh = table(factor(per="MWh", mid_kg=kg_per_kwh * 1_000))
    ways = {
        priced([activity(kind="heat", factor_id="grid", quantity=q, unit=u)], rows, "AR6")[
            0
        ].emissions.mid_mg
        for rows in (per_kwh, per_mwh)
        for q, u in (
            (mwh, "MWh"),
            (mwh * 1_000, "kWh"),
            (mwh / 1_000, "GWh"),
            (mwh * Fraction("3.6"), "GJ"),
        )
    }
    assert {round(mwh * 1_000 * kg_per_kwh * 10**6)} == ways


@given(inventories, st.integers(-(10**12), 10**12))
def test_i11_only_what_is_avoided_may_be_negative(books: Inventory, saved_mg: int) -> None:
    """No total of an inventory is below zero, and a negative saving is kept as it is."""
    for method in METHODS:
        whole = books.total(method)
        assert 0 <= whole.low_mg <= whole.mid_mg <= whole.high_mg
    saved = Saved(
        year=2023,
        name="tidal",
        baseline="b",
        signal="average",
        low_mg=saved_mg,
        mid_mg=saved_mg,
        high_mg=saved_mg,
    )
    assert saved_mg == Avoided(savings=(saved,)).total_mg("average")


@given(
    hours(1),
    st.floats(1.0, 3.0),
    st.floats(0.0, 1.0),
)
def test_i12_a_worse_cooling_never_takes_less(given: list[Any], pue: float, more: float) -> None:
    """A cooling whose PUE is higher everywhere takes at least as much energy in every hour."""
    assume(pue + more <= 3.0)
    it_mwh = given[0]
    cool = np.full(len(it_mwh), 20.0)
    found = []
    for value in (pue, pue + more):
        cooling = Cooling(
            name="c",
            temperatures_c=np.array([-20.0, 45.0]),
            load_shares=np.array([0.0, 1.0]),
            pue=np.full((2, 2), value),
        )
        found.append(facility_mwh(cooling, it_mwh, cool, 10**10))
    assert bool(np.all(found[0] <= found[1]))
    assert bool(np.all(it_mwh <= found[0]))


@given(offset_books())
def test_i14_somebody_elses_offset_never_counts(book: Offsets) -> None:
    """What others own, or was not retired for the year, changes nothing of what counts."""
    own = tuple(o for o in book.offsets if o.owner == "acme" and o.retired == 2023)
    assert book.counted_mg == replace(book, offsets=own).counted_mg


@given(inventories, st.lists(st.sampled_from(MODES), min_size=3, max_size=3))
def test_i20_control_modes_leave_the_total(books: Inventory, modes: list[Any]) -> None:
    """Whoever controls a site, lines move between scopes and each stands in exactly one."""
    moved = by_control(books, dict(zip(SITES, modes, strict=True)))
    assert len(books.lines) == len(moved.lines)
    for method in METHODS:
        assert books.total(method) == moved.total(method)
        scopes = [moved.scopes(method, number).mid_mg for number in (1, 2, 3)]
        assert moved.total(method).mid_mg == sum(scopes)
    left = {one.site for one in moved.lines if one.scope < 3}
    assert left <= {s for s, m in zip(SITES, modes, strict=True) if m == "operational"}


@st.composite
def contracts(draw: st.DrawFn) -> tuple[Any, list[Contract]]:
    """Return hours of load and contracts that deliver in each of them."""
    load, *deliveries = draw(st.integers(1, 4).flatmap(lambda k: hours(1 + k)))
    return load, [
        Contract(
            name=str(k),
            market="cn",
            year=2023,
            factor_id="zero",
            amount_mwh=int(delivered.sum()),
            retirement="r",
            delivered_mwh=delivered,
        )
        for k, delivered in enumerate(deliveries)
    ]


@given(contracts(), st.sampled_from(("annual", "hourly")))
def test_i21_no_more_is_matched_than_bought_or_used(
    pair: tuple[Any, list[Contract]], matching: Any
) -> None:
    """What is matched is at most each contract's amount and, in each hour, the load."""
    load, bought = pair
    matched = match(load, bought, matching)
    assert bool(np.all(matched.by_contract_mwh >= 0))
    assert load.tolist() == (matched.matched_mwh + matched.unmatched_mwh).tolist()
    assert bool(np.all(matched.unmatched_mwh >= 0))
    for k, contract in enumerate(bought):
        column = matched.by_contract_mwh[:, k]
        assert int(column.sum()) <= contract.amount_mwh
        if matching == "hourly":
            assert contract.delivered_mwh is not None
            assert bool(np.all(column <= contract.delivered_mwh))


@given(contracts(), st.sampled_from(("annual", "hourly")), st.data())
def test_i21_sites_share_what_their_market_covers(
    pair: tuple[Any, list[Contract]], matching: Any, data: Any
) -> None:
    """Shared among sites, contracts cover as much as of one, and nowhere more than is used."""
    load, bought = pair
    here = np.array([data.draw(st.integers(0, int(x))) for x in load], np.int64)
    whole = match(load, bought, matching)
    sites = by_site([here, load - here], bought, matching)
    for site, use in zip(sites, (here, load - here), strict=True):
        assert use.tolist() == (site.matched_mwh + site.unmatched_mwh).tolist()
        assert bool(np.all(site.by_contract_mwh >= 0))
        assert bool(np.all(site.unmatched_mwh >= 0))
    totals = sum(site.by_contract_mwh.sum(axis=0) for site in sites)
    assert whole.by_contract_mwh.sum(axis=0).tolist() == totals.tolist()


@given(hours(2), SHARES)
def test_i22_cfe_is_a_share_and_hourly_at_most_annual(given: list[Any], grid: Fraction) -> None:
    """The hourly score is within 0 and 1 and never above the annual one."""
    load, free = given
    assume(load.sum() > 0)
    hourly, annual = cfe_hourly(load, free, [grid]), cfe_annual(load, free, grid)
    assert hourly is not None
    assert annual is not None
    assert 0 <= hourly <= annual <= 1


@given(hours(2), st.integers(0, 23), st.integers(1, 10**9))
def test_i22_a_surplus_stays_in_its_hour(given: list[Any], hour: int, more: int) -> None:
    """More carbon-free supply in an hour that is covered already changes no score."""
    load, free = given
    hour %= len(load)
    free[hour] = max(free[hour], load[hour])
    before = cfe_hourly(load, free, [Fraction(0)])
    free[hour] += more
    assert before == cfe_hourly(load, free, [Fraction(0)])


@given(hours(5))
def test_supply_balances(given: list[Any]) -> None:
    """Load and charge equal import, PV used, genset and discharge, hour by hour, to the mWh."""
    load, pv, charge, genset, discharge = given
    genset = np.minimum(genset // 4, load + charge)
    discharge = np.minimum(discharge // 4, load + charge - genset)
    found = supplied(
        load, pv_mwh=pv, charge_mwh=charge, genset_mwh=genset, discharge_mwh=discharge
    )
    made = found.import_mwh + found.pv_used_mwh + genset + discharge
    assert (load + charge).tolist() == made.tolist()
    assert pv.tolist() == (found.pv_used_mwh + found.pv_surplus_mwh).tolist()
    assert bool(np.all(found.import_mwh >= 0))


def _import_mg(load: Any, pv: Any, mg: Any) -> int:
    """Return what is emitted by the import of a load with this PV."""
    return part_mg(supplied(load, pv_mwh=pv).import_mwh, load, np.where(load > 0, mg, 0))


@given(hours(3))
def test_more_pv_never_emits_more(given: list[Any]) -> None:
    """Import emits at most what the load would, and a PV of twice the size no more than one."""
    load, pv, mg = given
    once = _import_mg(load, pv, mg)
    twice = _import_mg(load, 2 * pv, mg)
    assert 0 <= twice <= once <= int(np.where(load > 0, mg, 0).sum())


@given(
    st.fractions(1, 10**6, max_denominator=100),
    SHARES,
    st.integers(1, 10),
    st.integers(0, 12),
    st.fractions(0, 2, max_denominator=50),
)
def test_a_path_leads_from_base_to_goal(
    base: Fraction, level: Fraction, years: int, passed: int, ratio: Fraction
) -> None:
    """The path leads from base to goal, and who is on it needs no more than its pace."""
    target = Target(
        name="t",
        quantity="scopes12",
        method="absolute",
        scope2="market",
        base_year=2020,
        year=2020 + years,
        level=level,
    )
    values = {2020 + passed: base * ratio, 2020: base}
    found = progress(target, values, 2020 + passed)
    steps = min(passed, years)
    assert base + (found.goal - base) * Fraction(steps, years) == found.path
    assert (found.state == "met") == (found.now <= found.goal)
    if found.state == "on path" and found.pace_needed is not None:
        assert found.pace_needed <= (base - found.goal) / years
    if found.reached is not None and found.pace and found.distance:
        assert found.now - found.pace * (found.reached - 2020 - passed) <= found.goal


bands = st.tuples(st.floats(0.5, 1.0), st.floats(1.0, 2.0)).map(
    lambda pair: (pair[0], 1.0, pair[1])
)


@given(st.floats(1.0, 1e6), st.floats(0.01, 0.5), st.floats(1.05, 2.0), bands)
def test_fleet_and_utilisation_are_each_others_inverse(
    saved_t: float, before: float, rise: float, spread: tuple[float, float, float]
) -> None:
    """The utilisation that a saving's fleet needs is the one that the fleet was found for."""
    low, mid, high = spread
    reported = Reported(
        saved_t=saved_t,
        utilisation_before_share=before,
        utilisation_after_share=min(1.0, before * rise),
        idle_w=Band(low=100 * low, mid=100 * mid, high=100 * high),
        peak_w=Band(low=400, mid=400 * mid, high=400 * high),
        pue=Band(low=1.0, mid=1.2, high=1.5),
        intensity_g_per_kwh=Band(low=300, mid=500, high=700),
    )
    for at in ("low", "mid", "high"):
        fleet = fleet_for(reported, at)
        needed = utilisation_for(reported, fleet.machines * (1 + 1e-9), at)
        assert needed is not None
        assert abs(needed - reported.utilisation_after_share) < 1e-6
        assert fleet.emitted_after_t > 0
