"""A company's year by hand: sites, methods, contracts, on-site power, what is told beside."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from greensched.accounting.books import (
    Activity,
    Contract,
    Electricity,
    Known,
    OnSite,
    Priced,
    Range,
    SiteTerms,
    Terms,
    of_activities,
    year_books,
)
from greensched.errors import DataError
from tests.books.cases import activity, factor, table
from tests.books.test_books_supply import ints

MWH = 10**9  # milliwatt-hours in a megawatt-hour
SITE = SiteTerms(
    name="hz",
    market="cn",
    grid_factor="grid",
    residual_factor="residual",
    grid_cfe=Fraction("0.4"),
)
TABLE = table(
    factor(mid_kg=Fraction("0.5"), low_kg=Fraction("0.4"), high_kg=Fraction("0.7")),
    factor(id="residual", mid_kg=Fraction("0.6")),
    factor(id="zero", mid_kg=Fraction(0)),
    factor(id="losses", mid_kg=Fraction("0.02")),
    factor(id="upstream", mid_kg=Fraction("0.05"), basis="upstream"),
)


def hourly(*values: int, **changes: Any) -> Electricity:
    """Return a site's hours [MWh], of which four fifths are IT energy."""
    load = ints(*values) * MWH
    one = Electricity(site="hz", load_mwh=load, it_mwh=load * 4 // 5, origin="ledger")
    return replace(one, **changes)


def priced(*masses_t: int, basis: Any = "direct") -> Priced:
    """Return what an account says the hours would emit [t]."""
    mid = ints(*masses_t) * MWH
    return Priced(
        low_mg=mid // 2,
        mid_mg=mid,
        high_mg=mid * 2,
        factor_id="series",
        factor_sha256="ab",
        factor_vintage="2023",
        basis=basis,
    )


def wind(*values: int, **changes: Any) -> Contract:
    """Return a contract that delivers so many MWh in each hour."""
    one = Contract(
        name="wind",
        market="cn",
        year=2023,
        factor_id="zero",
        amount_mwh=sum(values) * MWH,
        retirement="R-1",
        delivered_mwh=ints(*values) * MWH,
    )
    return replace(one, **changes)


def terms(*contracts: Contract, site: SiteTerms = SITE, matching: Any = "hourly") -> Terms:
    """Return a company of one site."""
    return Terms(gwp="AR6", matching=matching, sites=(site,), contracts=contracts)


def known(*electricity: Electricity, **changes: Any) -> Known:
    """Return what is known of 2023."""
    return Known(year=2023, electricity=electricity, **changes)


def tonnes(found: Range) -> list[float]:
    """Return a range in tonnes."""
    return [one / MWH for one in (found.low_mg, found.mid_mg, found.high_mg)]


def test_location_and_market_by_hand() -> None:
    """Of 200 MWh at 0.5 kg/kWh wind covers 60 in one hour: 100 t by location, 84 t by market."""
    books = year_books(terms(wind(60, 0)), TABLE, known(hourly(100, 100)))
    assert [80, 100, 140] == tonnes(books.inventory.scopes("location", 2))
    assert [84, 84, 84] == tonnes(books.inventory.scopes("market", 2))
    notes = [ln.note for ln in books.inventory.lines if ln.method == "market"]
    assert ["wind, retired as R-1", "unmatched"] == notes


def test_annual_matching_takes_the_surplus_of_an_hour() -> None:
    """160 MWh in one hour cover 100 of it by the hour, and 160 of the year's 200 by the year."""
    found = {}
    for matching in ("hourly", "annual"):
        books = year_books(terms(wind(160, 0), matching=matching), TABLE, known(hourly(100, 100)))
        found[matching] = (
            tonnes(books.inventory.scopes("market", 2))[1],
            books.renewable_mwh // MWH,
            books.sites[0].scores.cfe_hourly_share,
            books.sites[0].scores.cfe_annual_share,
            books.sites[0].scores.renewable_hourly_share,
        )
    share = Fraction("0.7")
    assert (60, 100, share, share, Fraction("0.5")) == found["hourly"]
    assert (24, 160, share, Fraction("0.88"), Fraction("0.5")) == found["annual"]


def test_an_accounts_intensity_prices_where_no_factor_does() -> None:
    """Without a grid factor the account's own hours count, of what is imported in each."""
    site = replace(SITE, grid_factor="")
    one = hourly(100, 100, priced=priced(80, 20))
    on_site = {"hz": OnSite(pv_mwh=ints(50, 0) * MWH)}
    books = year_books(terms(site=site), TABLE, known(one, on_site=on_site))
    assert [30, 60, 120] == tonnes(books.inventory.scopes("location", 2))
    assert 90 == tonnes(books.inventory.scopes("market", 2))[1]
    assert 50 == books.renewable_mwh // MWH
    line = books.inventory.lines[0]
    assert ("series", "ab", "2023", "direct", "unstated") == (
        line.factor_id,
        line.factor_sha256,
        line.factor_vintage,
        line.basis,
        line.gwp,
    )


@pytest.mark.parametrize("site", [replace(SITE, residual_factor=""), SITE])
def test_no_residual_mix_is_flagged(site: SiteTerms) -> None:
    """Where there is no residual mix, or not yet, the location factor stands in, flagged."""
    rows = table(*TABLE.at("grid", 2023), factor(id="residual", year=2024))
    books = year_books(terms(site=site), rows, known(hourly(100, 100)))
    assert [100, "no_residual"] == [
        tonnes(books.inventory.scopes("market", 2))[1],
        books.inventory.lines[-1].note,
    ]


def test_an_unknown_residual_factor_is_an_error() -> None:
    """A residual factor that no file has is a mistake, not the lack of a residual mix."""
    site = replace(SITE, residual_factor="residul")
    with pytest.raises(DataError, match="factor residul: is in no factor file; near: residual"):
        year_books(terms(site=site), TABLE, known(hourly(1)))


def test_a_site_that_nothing_prices_is_refused() -> None:
    """Electricity without an account's intensity or a grid factor is not guessed one."""
    with pytest.raises(DataError, match="site hz: nothing prices its electricity of 2023"):
        year_books(terms(site=replace(SITE, grid_factor="")), TABLE, known(hourly(1)))


@pytest.mark.parametrize("basis", ["lifecycle", "upstream", "unstated"])
def test_scope_two_takes_direct_factors(basis: Any) -> None:
    """A grid, residual or heat factor that is not direct is refused, with all there are."""
    rows = table(factor(basis=basis), factor(id="residual", basis=basis))
    with pytest.raises(DataError) as refused:
        year_books(terms(), rows, known(hourly(1)))
    assert [f"factor {n}: is {basis}, and scope 2 is direct" for n in ("grid", "residual")] == [
        str(finding).split(";")[0] for finding in refused.value.findings
    ]


def test_upstream_and_losses_are_of_what_is_imported() -> None:
    """200 MWh lose 4 t on the way and cost 10 t upstream, in scope 3 of both methods."""
    site = replace(SITE, losses_factor="losses", upstream_factor="upstream")
    books = year_books(terms(site=site), TABLE, known(hourly(100, 100)))
    for method in ("location", "market"):
        assert 14 == tonnes(books.inventory.scopes(method, 3))[1]
    assert {"3 fuel- and energy-related"} == {
        ln.category for ln in books.inventory.lines if ln.scope == 3
    }


def test_a_factor_of_several_gases_is_weighed() -> None:
    """A grid factor of CO2 and CH4 gives one line in CO2e, weighed by the named set."""
    rows = table(
        factor(mid_kg=Fraction("0.5")),
        factor(gas="CH4", mid_kg=Fraction("0.001")),
        factor(id="residual", gas="CO2e", gwp="AR6", mid_kg=Fraction("0.6")),
    )
    books = year_books(terms(), rows, known(hourly(1)))
    assert [("CO2e", "AR6"), ("CO2e", "AR6")] == [(n.gas, n.gwp) for n in books.inventory.lines]
    assert 0.5279 == tonnes(books.inventory.scopes("location", 2))[1]


def test_control_mode_and_activities_are_in_one_inventory() -> None:
    """A leased site's electricity and genset stand in scope 3, flights beside them."""
    rows = table(*TABLE.factors, factor(id="diesel", per="l", mid_kg=Fraction(3)))
    trip = activity(kind="business_travel", site="", factor_id="diesel", quantity=Fraction(10))
    books = year_books(
        terms(site=replace(SITE, control="leased_cat8")),
        rows,
        known(hourly(1), activities=(activity(), trip)),
    )
    assert [0, 0] == [books.inventory.scopes("market", n).mid_mg for n in (1, 2)]
    assert 3.63 == tonnes(books.inventory.scopes("market", 3))[1]


def test_what_is_told_of_a_site() -> None:
    """PUE 1.25, CUE 0.625 kg/kWh, 0.5 l/kWh and the SCI of 10 units are by hand."""
    counted = {"water": ("m3", 80), "functional_unit": ("piece", 10)}
    activities = tuple(
        activity(kind=kind, unit=unit, quantity=Fraction(amount), factor_id="")
        for kind, (unit, amount) in counted.items()
    )
    embodied = Range(low_mg=1, mid_mg=10 * MWH, high_mg=20 * MWH)
    books = year_books(
        terms(), TABLE, known(hourly(100, 100), activities=activities, embodied=embodied)
    )
    expected = {"pue": 1.25, "cue_kg_per_kwh": 0.625, "wue_l_per_kwh": 0.5}
    for told in (books.told, books.sites[0].told):
        assert expected == {name: float(told[name] or 0) for name in expected}
    assert 11 * MWH == books.sci_mg


def test_a_pue_needs_all_sites_metered() -> None:
    """Where one site's IT energy is not measured, the company has no PUE; the other site has."""
    both = Terms(gwp="AR6", matching="annual", sites=(SITE, replace(SITE, name="sh")))
    books = year_books(both, TABLE, known(hourly(1), hourly(1, site="sh", it_mwh=None)))
    assert None is books.told["pue"]
    assert [Fraction("1.25"), None] == [site.told["pue"] for site in books.sites]
    assert None is books.sci_mg


def test_contracts_that_cannot_be_matched_are_listed() -> None:
    """An unretired contract of the year is listed with the reason, one of another year is not."""
    left = wind(60, 0, name="later", retirement="")
    other = wind(60, 0, name="old", year=2022)
    books = year_books(terms(left, other), TABLE, known(hourly(100, 100)))
    assert [("later", "not retired")] == [(c.name, reason) for c, reason in books.left_out]
    assert 120 == tonnes(books.inventory.scopes("market", 2))[1]


def test_contracts_cover_their_own_market() -> None:
    """A Chinese contract covers no site in Europe, and each market is matched by itself."""
    europe = replace(SITE, name="fra", market="eu", residual_factor="")
    both = Terms(gwp="AR6", matching="hourly", sites=(SITE, europe), contracts=(wind(100, 100),))
    books = year_books(both, TABLE, known(hourly(100, 100), hourly(10, 10, site="fra")))
    assert [0, 10] == [
        sum(
            ln.emissions.mid_mg
            for ln in books.inventory.lines
            if ln.site == site and ln.method == "market"
        )
        / MWH
        for site in ("hz", "fra")
    ]
    assert [1, 0] == [site.scores.renewable_hourly_share for site in books.sites]


def test_years_without_hours() -> None:
    """A site of which only the year is known has annual scores, and no hourly ones."""
    contract = wind(150, delivered_mwh=None)
    books = year_books(terms(contract, matching="annual"), TABLE, known(hourly(200)))
    assert 30 == tonnes(books.inventory.scopes("market", 2))[1]
    assert (None, Fraction("0.85")) == (
        books.sites[0].scores.cfe_hourly_share,
        books.sites[0].scores.cfe_annual_share,
    )


def test_hours_are_needed_for_contracts_by_the_hour() -> None:
    """Hourly matching of a site without hours is refused with what to do."""
    with pytest.raises(DataError, match=r"site hz: of 2023 only the sum .* or match by the year"):
        year_books(terms(wind(150)), TABLE, known(hourly(200)))


def test_annual_contracts_have_no_hourly_score() -> None:
    """Where a contract's hours are not known the hourly score is not known either."""
    contract = wind(150, delivered_mwh=None)
    books = year_books(terms(contract, matching="annual"), TABLE, known(hourly(100, 100)))
    assert None is books.sites[0].scores.cfe_hourly_share


def test_all_that_cannot_be_is_told_at_once() -> None:
    """Unknown sites, a site told twice and PV without hours are told together."""
    with pytest.raises(DataError) as refused:
        year_books(
            terms(),
            TABLE,
            known(
                hourly(1),
                hourly(2, origin="activities.csv row 9"),
                hourly(1, site="zz", origin=""),
                activities=(activity(site="xx"), activity(site="yy", origin="")),
                on_site={"hz": OnSite()},
            ),
        )
    assert [
        "activities.csv row 2: unknown site 'xx'; there are hz",
        "genset: unknown site 'yy'; there are hz",
        "electricity: unknown site 'zz'; there are hz",
        "site hz: its electricity of 2023 is told twice; by the ledger or by activities, not both",
        (
            "site hz: makes power on site, but of 2023 only the sum of its use is known; "
            "keep its use by the hour in the ledger"
        ),
    ] == list(dict.fromkeys(map(str, refused.value.findings)))


def test_electricity_of_activities() -> None:
    """Bills of a site are summed to one interval, with the IT energy that was metered."""
    bills: list[Activity] = [
        activity(kind="electricity", unit="MWh", quantity=Fraction(2), factor_id=""),
        activity(kind="electricity", unit="kWh", quantity=Fraction(500), factor_id=""),
        activity(kind="it_energy", unit="MWh", quantity=Fraction(2), factor_id=""),
        activity(kind="electricity", unit="MWh", quantity=Fraction(1), site="sh"),
        activity(),
    ]
    first, second = of_activities(bills)
    assert ([25 * MWH // 10], [2 * MWH]) == (
        first.load_mwh.tolist(),
        None if first.it_mwh is None else first.it_mwh.tolist(),
    )
    assert ("sh", None, "activities.csv row 2") == (second.site, second.it_mwh, second.origin)
    with pytest.raises(DataError, match="site hz: it_energy is told, but no electricity"):
        of_activities([bills[2]])


def test_no_electricity_is_an_inventory_of_activities() -> None:
    """A year of which no electricity is known has the lines of its activities, and no scores."""
    rows = table(factor(id="diesel", per="l", mid_kg=Fraction(3)))
    books = year_books(terms(), rows, known(activities=(activity(),)))
    assert 3 == tonnes(books.inventory.total("market"))[1]
    assert () == books.sites
    assert np.all([value is None for value in books.told.values()])
