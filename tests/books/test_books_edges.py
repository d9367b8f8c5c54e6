"""What mutants of the books showed that no test saw: limits met exactly, one of several sites."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from greensched.accounting.books import (
    Cooling,
    Measures,
    OnSite,
    SiteTerms,
    Terms,
    Year,
    by_site,
    cooled,
    indicators,
    of_activities,
    part_mg,
    priced,
    sci_mg,
    supplied,
    year_books,
)
from greensched.accounting.books.inverse import (
    Reported,
    fleet_for,
    reconciled,
    utilisation_for,
    yearly_t,
)
from greensched.accounting.books.market import match
from greensched.accounting.books.metered import metered
from greensched.accounting.books.targets import contributions, progress
from greensched.errors import DataError
from greensched.units import MS_PER_H
from tests.books.cases import activity, factor, table
from tests.books.test_books_metered import FREE, NONE, START_MS, YEAR, entry, told
from tests.books.test_books_supply import contract, ints
from tests.books.test_books_told import REPORTED, band, target
from tests.books.test_books_year import MWH, SITE, TABLE, hourly, known, terms, tonnes, wind
from tests.books.test_books_year import priced as by_account

SH = SiteTerms(name="sh", market="cn", grid_factor="grid", grid_cfe=Fraction("0.4"))


def test_what_follows_a_measure_is_priced() -> None:
    """A measure emits nothing, and the genset after it does."""
    water = activity(kind="water", unit="l", factor_id="")
    assert 3 == len(priced([water, activity()], table(), "AR6"))


def test_an_activity_without_a_place_is_told_by_its_factor() -> None:
    """What is wrong with an activity of no file is told without an empty place before it."""
    with pytest.raises(DataError) as refused:
        priced([activity(origin="", factor_id="coal")], table(), "AR6")
    assert "factor coal" == refused.value.findings[0].where


def test_at_most_three_factors_are_near() -> None:
    """Of four ids that are alike three are named."""
    rows = table(*(factor(id=f"grid-{n}") for n in range(4)))
    with pytest.raises(DataError) as refused:
        rows.at("grid-x", 2023)
    assert 2 == str(refused.value.findings[0].remedy).count(",")


def test_electricity_is_its_own_sites_and_kinds() -> None:
    """Quality and origin are of the site's electricity; other sites and kinds have none."""
    bill = {"kind": "electricity", "unit": "MWh", "quantity": Fraction(1), "factor_id": ""}
    given = [
        activity(site="xx"),
        activity(site="sh", quality="assumed", origin="row 1", **bill),
        activity(kind="it_energy", unit="kWh", quality="assumed", origin="row 2", factor_id=""),
        activity(quality="measured", origin="row 3", **bill),
    ]
    found = {one.site: (one.quality, one.origin) for one in of_activities(given)}
    assert {"sh": ("assumed", "row 1"), "hz": ("measured", "row 3")} == found


def test_a_sites_grid_factor_comes_before_its_account() -> None:
    """Where both a grid factor and an account price a site, the factor does: 100 t, not 160."""
    one = hourly(100, 100, priced=by_account(80, 80))
    books = year_books(terms(), TABLE, known(one))
    assert 100 == tonnes(books.inventory.scopes("location", 2))[1]


def test_a_residual_mix_of_the_year_itself_is_taken() -> None:
    """A residual mix that begins with the year is known in it: 0.6 kg/kWh, no flag."""
    rows = table(
        factor(mid_kg=Fraction("0.5")), factor(id="residual", year=2023, mid_kg=Fraction("0.6"))
    )
    books = year_books(terms(), rows, known(hourly(100)))
    assert 60 == tonnes(books.inventory.scopes("market", 2))[1]


def test_utilisation_of_half_a_core_hour_needs_some_held() -> None:
    """Half a core-hour of none held is refused, five of five taken; one unit's SCI is its mass."""
    with pytest.raises(DataError, match="none held"):
        Measures(
            energy_it_mwh=1, energy_facility_mwh=1, emissions_mg=1, core_h_used=Fraction(1, 2)
        )
    whole = Measures(
        energy_it_mwh=1,
        energy_facility_mwh=1,
        emissions_mg=1,
        core_h_used=Fraction(5),
        core_h_held=Fraction(5),
    )
    assert 1 == indicators(whole)["utilisation_share"]
    assert 5 == sci_mg(3, 2, Fraction(1))


def test_what_may_just_be_inverted() -> None:
    """A rise to 100 %, and idle power that is another bound's peak, are taken; no rise is not."""
    fields = {n: getattr(REPORTED, n) for n in Reported.__dataclass_fields__}
    assert 1 == Reported(**fields | {"utilisation_after_share": 1}).utilisation_after_share
    Reported(**fields | {"idle_w": band(80, 110, 250)})
    for before, after in ((0.08, 1.5), (0.08, 0.08), (0.0, 0.3)):
        shares = {"utilisation_before_share": before, "utilisation_after_share": after}
        with pytest.raises(DataError, match="no rise within"):
            Reported(**fields | shares)


def test_emissions_of_the_fleet_that_was_inverted_by_hand() -> None:
    """N machines at 110 + 210 x 0.08 W, a year of 8,760 h, PUE 1.25 and 556.8 g/kWh."""
    fleet = fleet_for(REPORTED)
    kwh = fleet.machines * (110 + 210 * 0.08) / 1e3 * 1.25 * 8_760
    assert kwh * 0.5568 / 1e3 == pytest.approx(fleet.emitted_t)


def test_utilisation_that_is_just_enough() -> None:
    """From 50 % a fleet whose idle power is twice the saving has to reach 100 %; less cannot."""
    half = replace(
        REPORTED, utilisation_before_share=0.5, utilisation_after_share=1.0, saved_t=1.0
    )
    one_t = 0.110 * 1.25 * 8_760 * 0.5568 / 1e3
    assert 1.0 == pytest.approx(utilisation_for(half, 2.0000001 / one_t))
    assert utilisation_for(half, 0.7 / one_t) is None
    all_t = yearly_t(half, "mid", 8 * 110.0)
    assert 1.0 == utilisation_for(replace(half, saved_t=all_t / 2), 8.0)
    assert utilisation_for(replace(half, saved_t=all_t), 8.0) is None


def test_parts_reconcile_within_the_tolerance_itself() -> None:
    """A difference that is the tolerance reconciles."""
    assert ("a",) == reconciled(2.0, {"a": 1.5}, 0.5)


def test_one_negative_hour_of_a_contract_is_refused() -> None:
    """A contract whose other hours are right is refused for the one that is not."""
    with pytest.raises(DataError, match="or a negative one"):
        match(ints(5, 5), [contract(delivered_mwh=ints(3, -1))], "hourly")


def test_a_year_ends_after_its_hours() -> None:
    """A year's end is its start and its hours; a job created then is of the next one."""
    assert 1_000 + 24 * MS_PER_H == Year(year=2023, start_ms=1_000, hours=24).end_ms
    years = [YEAR, Year(year=2024, start_ms=YEAR.end_ms, hours=4)]
    settled = {
        "type": "settlement",
        "key": "batch/q/1",
        "created_utc_ms": YEAR.end_ms,
        "saved_mg": 7,
        "intensity": {"signal": "average"},
    }
    found = metered([settled], years, superseded=NONE, priced_elsewhere=NONE)
    assert [0, 7] == [one.avoided.total_mg("average") for one in found.values()]


def test_a_baseline_alone_is_avoided_to_the_milligram() -> None:
    """Low, middle and high of a run that emitted nothing are the baseline's own."""
    (saved,) = told(entry(0, 1, 14, run="baseline")).avoided.savings
    assert (14, 14, 42) == (saved.low_mg, saved.mid_mg, saved.high_mg)


def test_hours_without_emissions_have_energy() -> None:
    """Hours of a clean grid are no hours without energy."""
    clean = {"emissions_low_mg": 0, "emissions_mg": 0, "emissions_high_mg": 0}
    assert () == told(*(entry(h, 1, 5, **clean) for h in range(4))).notes


def test_clean_but_not_renewable_is_told_apart() -> None:
    """A nuclear contract counts for the carbon-free shares, not for the renewable ones."""
    nuclear = wind(60, 60, name="nuclear", is_renewable=False)
    books = year_books(terms(nuclear), TABLE, known(hourly(100, 100)))
    scores = books.sites[0].scores
    assert [0, 0] == [scores.renewable_mwh, scores.renewable_hourly_share]
    share = Fraction("0.6") + Fraction("0.4") * Fraction("0.4")
    assert (share, share) == (scores.cfe_hourly_share, scores.cfe_annual_share)


def test_what_is_told_has_scope_1_and_no_share_above_all() -> None:
    """CUE has the genset's emissions, not a flight's; PV for a battery makes no share above 1."""
    rows = table(*TABLE.factors, factor(id="diesel", per="l", mid_kg=Fraction(10)))
    sun = OnSite(pv_mwh=ints(80, 80) * MWH, charge_mwh=ints(30, 30) * MWH)
    trip = activity(kind="business_travel", site="", factor_id="diesel")
    given = known(hourly(50, 50), activities=(activity(), trip), on_site={"hz": sun})
    books = year_books(terms(), rows, given)
    assert Fraction(10_000, 80_000) == books.told["cue_kg_per_kwh"]
    assert 1 == books.told["renewable_share"]


def test_the_first_hour_with_too_much_supply_is_named() -> None:
    """An hour in which supply is just what is used comes before the one that has more."""
    with pytest.raises(DataError, match="first in interval 1"):
        supplied(ints(10, 10), genset_mwh=ints(10, 11))


def test_a_target_is_missed_in_its_year_and_not_before() -> None:
    """A year before it a target that is not met is behind."""
    found = progress(target(), {2020: Fraction(1_000), 2024: Fraction(900)}, 2024)
    assert ["behind", 200] == [found.state, found.pace_needed]


def test_hours_of_a_market_need_all_its_sites() -> None:
    """Where one site of a market has one interval, no hourly score is told of any."""
    both = Terms(gwp="AR6", matching="annual", sites=(SITE, SH), contracts=(wind(60, 60),))
    books = year_books(both, TABLE, known(hourly(100, 100), hourly(100, site="sh")))
    assert [None, None] == [site.scores.cfe_hourly_share for site in books.sites]


def test_cooling_between_three_points() -> None:
    """Between the second and third temperature the first has no part: 1.5 at 30 C, 1.1 at 10."""
    three = Cooling(
        name="three",
        temperatures_c=np.array([0.0, 20.0, 40.0]),
        load_shares=np.array([1.0]),
        pue=np.array([[1.0], [1.2], [1.8]]),
    )
    found = three.at(np.array([10.0, 30.0]), np.array([1.0, 1.0]))
    assert [1.1, 1.5] == pytest.approx(found.tolist())


def test_cooling_takes_pv_that_was_left_over() -> None:
    """What another cooling takes more is covered by PV that was a surplus before."""
    sun = {"hz": OnSite(pv_mwh=ints(130, 0) * MWH)}
    books = year_books(terms(), TABLE, known(hourly(100, 100), on_site=sun))
    found = cooled(books.sites[0].book, FREE, np.array([40.0, 0.0]), 100e6)
    # 80 MWh at PUE 1.5 take 120 of the 130 MWh; at 1.1 they import 88 MWh x 0.5 kg
    assert 44 == tonnes(found.scope2_location)[1]


def test_one_temperature_beyond_the_table_is_refused() -> None:
    """Weather that the table has, but for one hour, is refused."""
    with pytest.raises(DataError, match="41 is beyond the table"):
        FREE.at(np.array([20.0, 41.0]), np.array([0.5, 0.5]))


def test_no_contracts_are_no_columns() -> None:
    """A market without contracts has a table of none."""
    assert [(2, 0)] == [one.by_contract_mwh.shape for one in by_site([ints(5, 5)], [], "hourly")]


def test_heat_that_is_reused_is_a_share_of_energy() -> None:
    """20 MWh of heat of 200 MWh are a tenth."""
    heat = activity(kind="heat_reused", unit="MWh", quantity=Fraction(20), factor_id="")
    books = year_books(terms(), TABLE, known(hourly(100, 100), activities=(heat,)))
    assert Fraction(1, 10) == books.told["reused_share"]


def test_parts_of_an_entry_are_metered_from_its_start() -> None:
    """A unit falls in the hour in which it is whole; a millisecond of the next hour is there."""
    assert [1, 1, 0, 0] == _it(entry(0.25, 0.8, 2))
    late = {**entry(1.5, 0.5, 10), "end_utc_ms": START_MS + 2 * MS_PER_H + 1}
    assert [0, 9, 1, 0] == _it(late)
    bare = entry(3, 1, 5)
    del bare["energy_it_mwh"]
    assert [0, 0, 0, 0] == _it(bare)


def _it(record: dict[str, Any]) -> list[int]:
    found = told(record).electricity[0].it_mwh
    assert found is not None
    whole: list[int] = found.tolist()
    return whole


def test_runs_without_a_baseline_are_passed_over() -> None:
    """A run that nothing is compared with avoids nothing, and the next one does."""
    alone = entry(0, 1, 3, key="alone/1")
    pair = [entry(1, 1, 5), entry(1, 1, 9, run="baseline", key="run/2")]
    (saved,) = told(alone, *pair).avoided.savings
    assert ("run", 4) == (saved.name, saved.mid_mg)


def test_three_factors_are_all_named() -> None:
    """Up to three factors of a line have their names, without more."""
    three = [entry(h, 1, 5, factor_id=f"f{h}") for h in range(3)]
    priced_by = told(*three).electricity[0].priced
    assert priced_by is not None
    assert "f0, f1, f2" == priced_by.factor_id


def test_one_unit_without_an_intensity_is_refused() -> None:
    """A milliwatt-hour that is charged while nothing runs has no intensity."""
    night = supplied(ints(0, 10), charge_mwh=ints(1, 0))
    with pytest.raises(DataError, match="interval 0, which has no load"):
        part_mg(night.import_mwh, night.load_mwh, ints(0, 10))


def test_levels_of_targets_are_shares() -> None:
    """All of it is a level, one and a half is not; what is behind by a little is behind."""
    assert 1 == target(level=Fraction(1)).level
    with pytest.raises(DataError, match="is not a share"):
        target(level=Fraction(3, 2))
    share = target(quantity="renewable_share", method="share")
    found = progress(share, {2020: Fraction(0), 2023: Fraction("0.17")}, 2023)
    assert "behind" == found.state
    begin = progress(share, {2020: Fraction(0)}, 2020)
    assert {"sun": 10} == contributions(begin, {"sun": 3})
