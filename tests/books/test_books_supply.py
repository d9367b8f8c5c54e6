"""A site's electricity by hand: on-site supply, contracts, control mode."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from greensched.accounting.books import (
    Contract,
    by_control,
    by_site,
    cfe_annual,
    cfe_hourly,
    match,
    part_mg,
    supplied,
)
from greensched.errors import DataError
from tests.books.cases import inventory, kg, line


def ints(*values: int) -> Any:
    """Return whole numbers as a column."""
    return np.array(values, np.int64)


def contract(**changes: Any) -> Contract:
    """Return a contract of 100 mWh that was retired in market `cn` for 2023."""
    fields: dict[str, Any] = {
        "name": "wind",
        "market": "cn",
        "year": 2023,
        "factor_id": "zero",
        "amount_mwh": 100,
        "retirement": "R-1",
    }
    return Contract(**(fields | changes))


def test_import_is_what_nothing_on_site_covers() -> None:
    """Import is load and charge less genset, discharge and the PV that is used, hour by hour."""
    day = supplied(
        ints(100, 100, 100),
        pv_mwh=ints(30, 150, 0),
        genset_mwh=ints(0, 0, 40),
        discharge_mwh=ints(0, 0, 10),
        charge_mwh=ints(0, 20, 0),
    )
    assert [70, 0, 50] == day.import_mwh.tolist()
    assert [30, 120, 0] == day.pv_used_mwh.tolist()
    assert [0, 30, 0] == day.pv_surplus_mwh.tolist()


def test_pv_is_priced_hour_by_hour() -> None:
    """PV at noon saves the noon's intensity; its surplus lowers no other hour."""
    day = supplied(ints(100, 100), pv_mwh=ints(0, 150))
    assert 50_000 == part_mg(day.import_mwh, day.load_mwh, ints(50_000, 20_000))
    half = supplied(ints(100, 100), pv_mwh=ints(0, 50))
    assert 60_000 == part_mg(half.import_mwh, half.load_mwh, ints(50_000, 20_000))


def test_emissions_of_a_part_are_rounded_once() -> None:
    """Two intervals of half a unit each are one unit, not none."""
    day = supplied(ints(2, 2), pv_mwh=ints(1, 1))
    assert 1 == part_mg(day.import_mwh, day.load_mwh, ints(1, 1))


def test_without_supply_on_site_everything_is_imported() -> None:
    """A site that makes nothing imports its load, and emits what the account priced."""
    day = supplied(ints(0, 7))
    assert [0, 7] == day.import_mwh.tolist()
    assert 3 == part_mg(day.import_mwh, day.load_mwh, ints(0, 3))


@pytest.mark.parametrize(
    ("series", "what"),
    [
        ({"genset_mwh": ints(101, 0)}, "more than is used, first in interval 0"),
        ({"pv_mwh": ints(1)}, "supply, PV: is negative, or of another length"),
        ({"charge_mwh": ints(-1, 0)}, "supply, charge: is negative"),
    ],
)
def test_supply_that_cannot_be_is_refused(series: dict[str, Any], what: str) -> None:
    """More from gensets than is used, negative series and other lengths are refused."""
    with pytest.raises(DataError, match=what):
        supplied(ints(100, 100), **series)


def test_an_intensity_that_nothing_tells_is_refused() -> None:
    """A battery that charges while nothing runs has no intensity, and is not guessed one."""
    night = supplied(ints(0, 10), charge_mwh=ints(5, 0))
    with pytest.raises(DataError, match="interval 0, which has no load"):
        part_mg(night.import_mwh, night.load_mwh, ints(0, 10))


def test_hourly_matching_carries_no_surplus() -> None:
    """A contract that delivers at noon covers noon; annual matching covers both hours."""
    load = ints(100, 100)
    noon = contract(delivered_mwh=ints(0, 150), amount_mwh=150)
    assert [0, 100] == match(load, [noon], "hourly").matched_mwh.tolist()
    assert [75, 75] == match(load, [noon], "annual").matched_mwh.tolist()


def test_supply_above_the_load_is_scaled_pro_rata() -> None:
    """Two contracts that offer twice the load cover half of what each offers."""
    load = ints(90)
    two = [
        contract(delivered_mwh=ints(60), amount_mwh=60),
        contract(name="sun", delivered_mwh=ints(120), amount_mwh=120),
    ]
    for matching in ("hourly", "annual"):
        matched = match(load, two, matching)
        assert [[30, 60]] == matched.by_contract_mwh.tolist()
        assert [0] == matched.unmatched_mwh.tolist()


def test_contracts_without_load_or_amount_match_nothing() -> None:
    """No contract, no load or no amount: nothing is matched."""
    assert [5] == match(ints(5), [], "annual").unmatched_mwh.tolist()
    assert [0, 0] == match(ints(0, 0), [contract()], "annual").matched_mwh.tolist()
    assert [5] == match(ints(5), [contract(amount_mwh=0)], "annual").unmatched_mwh.tolist()
    assert [1] == match(ints(1), [contract(amount_mwh=1)], "annual").matched_mwh.tolist()


def test_contracts_of_a_market_cover_all_its_sites() -> None:
    """What is matched in an hour is shared by what sites import, over the year by all hours."""
    here, there = ints(100, 0), ints(50, 60)
    noon = contract(delivered_mwh=ints(60, 60), amount_mwh=105)
    hourly = by_site([here, there], [noon], "hourly")
    assert [[40, 0], [20, 60]] == [one.matched_mwh.tolist() for one in hourly]
    assert [[60, 0], [30, 0]] == [one.unmatched_mwh.tolist() for one in hourly]
    annual = by_site([here, there], [noon], "annual")
    assert [[50, 0], [25, 30]] == [one.matched_mwh.tolist() for one in annual]
    assert [[[5], [0]]] == [
        one.by_contract_mwh.tolist()
        for one in by_site([ints(5, 0)], [contract(amount_mwh=5)], "annual")
    ]
    assert [[0, 1]] == [one.unmatched_mwh.tolist() for one in by_site([ints(0, 1)], [], "hourly")]


def test_hourly_matching_needs_hours() -> None:
    """A contract of which only the year is known cannot be matched by the hour."""
    with pytest.raises(DataError, match="contract wind: has no delivery for each hour"):
        match(ints(5), [contract()], "hourly")
    with pytest.raises(DataError, match="or a negative one"):
        match(ints(5), [contract(delivered_mwh=ints(-1))], "hourly")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"retirement": ""}, "not retired"),
        ({"market": "eu"}, "of market eu, in which no site is"),
        ({"year": 2022}, "of 2022"),
    ],
)
def test_a_contract_has_to_be_retired_here_and_for_the_year(
    changes: dict[str, Any], reason: str
) -> None:
    """An unretired contract, one of another market and one of another year match nothing."""
    assert reason == contract(**changes).why_not({"cn"}, 2023)


def test_cfe_by_hand() -> None:
    """Half of two hours matched and a grid that is 40 % carbon-free score 70 %."""
    load, free = ints(100, 100), ints(150, 0)
    assert Fraction("0.7") == cfe_hourly(load, free, [Fraction("0.4")])
    assert Fraction("0.6") == cfe_hourly(load, free, [Fraction(1), Fraction("0.2")])
    assert Fraction("0.85") == cfe_annual(load, free, Fraction("0.4"))
    assert cfe_hourly(ints(0), ints(1), [Fraction(1)]) is None


@pytest.mark.parametrize(
    ("mode", "scope", "category"),
    [
        ("operational", 2, "purchased electricity"),
        ("leased_cat8", 3, "8 upstream leased assets"),
        ("cloud_cat1", 3, "1 purchased goods and services"),
    ],
)
def test_control_mode_moves_lines(mode: Any, scope: int, category: str) -> None:
    """A leased site's electricity stands in scope 3 category 8, a bought one's in category 1."""
    servers = line(scope=3, method="", category="2 capital goods", emissions=kg(5))
    moved = by_control(inventory(line(), servers), {"hz": mode})
    assert (scope, category) == (moved.lines[0].scope, moved.lines[0].category)
    assert servers == moved.lines[1]
    assert kg(6) == moved.total("location")
    assert kg(5) == moved.total("market")


@pytest.mark.parametrize(
    ("mode", "note", "told"),
    [
        ("leased_cat8", "", "purchased electricity of a site that is leased"),
        (
            "cloud_cat1",
            "no_residual",
            "no_residual; purchased electricity of a site that is bought",
        ),
    ],
)
def test_control_mode_keeps_what_is_noted(mode: Any, note: str, told: str) -> None:
    """A line that is moved says what it was, after what was flagged of it before."""
    assert told == by_control(inventory(line(note=note)), {"hz": mode}).lines[0].note


def test_a_site_without_a_mode_is_operational() -> None:
    """A site of which no control mode is told stays where it is."""
    books = inventory(line())
    assert books == by_control(books, {"sh": "cloud_cat1"})
