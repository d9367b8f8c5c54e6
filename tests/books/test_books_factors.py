"""Gases, factors and activities: what is emitted by so much of what."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from greensched.accounting.books import (
    GASES,
    GWP_SETS,
    KINDS,
    FactorTable,
    Range,
    group_of,
    gwp_of,
    in_unit,
    measured,
    priced,
)
from greensched.accounting.books.factors import ghg_per_kwh
from greensched.accounting.books.gases import GROUPS
from greensched.errors import DataError
from tests.books.cases import activity, factor, table


@pytest.mark.parametrize(
    ("gas", "ar4", "ar5", "ar6"),
    [
        ("CO2", 1, 1, 1),
        ("CH4", 25, 28, 27.9),
        ("CH4-fossil", 25, 30, 29.8),
        ("CH4-biogenic", 25, 28, 27.0),
        ("N2O", 298, 265, 273),
        ("HFC-134a", 1_430, 1_300, 1_530),
        ("PFC-14", 7_390, 6_630, 7_380),
        ("SF6", 22_800, 23_500, 25_200),
        ("NF3", 17_200, 16_100, 17_400),
    ],
)
def test_gwp_of_the_assessment_reports(gas: str, ar4: float, ar5: float, ar6: float) -> None:
    """GWP over 100 years is that of IPCC AR4, AR5 and AR6."""
    assert [ar4, ar5, ar6] == [float(gwp_of(gas, name)) for name in GWP_SETS]


def test_all_seven_gases_are_known() -> None:
    """Every gas is reported as one of the seven, and each of the seven has one."""
    assert set(GROUPS) == {group_of(name) for name in GASES}
    assert "CO2e" == group_of("CO2e")
    assert 1 == gwp_of("CO2e", "AR6")


@pytest.mark.parametrize(
    ("gas", "gwp", "what"), [("CO3", "AR6", "unknown gas"), ("CO2", "SAR", "unknown GWP set")]
)
def test_unknown_gas_or_set_is_refused(gas: str, gwp: str, what: str) -> None:
    """A gas or set that is not known is refused, with those that are."""
    with pytest.raises(DataError, match=f"{what}.*one of"):
        gwp_of(gas, gwp)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"gas": "CO3"}, "unknown gas 'CO3'"),
        ({"per": "kwh"}, "unknown unit 'kwh'"),
        ({"gwp": "SAR"}, "unknown GWP set 'SAR'"),
        ({"low_kg": Fraction(1)}, "do not rise from 0"),
        ({"mid_kg": Fraction(-1)}, "do not rise from 0"),
    ],
)
def test_a_factor_that_cannot_be_is_refused(changes: dict[str, Any], what: str) -> None:
    """A factor of an unknown gas, unit or set, or whose bounds do not rise, is refused."""
    with pytest.raises(DataError, match=what):
        factor(**changes)


def test_a_table_has_one_row_of_a_kind() -> None:
    """Two rows of one id, year and gas are refused, and two units of one id."""
    with pytest.raises(DataError, match="factor grid 2022: two rows of CO2"):
        table(factor(), factor())
    with pytest.raises(DataError, match="is per MWh, in another row per kWh"):
        table(factor(), factor(year=2023, per="MWh"))


def test_a_year_takes_the_last_row_before_it() -> None:
    """A year without a row takes the last one before it, never a later one."""
    both = table(factor(), factor(year=2024, mid_kg=Fraction(1)))
    assert [2022, 2022, 2024] == [both.at("grid", year)[0].year for year in (2022, 2023, 2030)]
    with pytest.raises(DataError, match="begins with 2022, none is known for 2021"):
        both.at("grid", 2021)


def test_an_unknown_factor_names_what_is_near() -> None:
    """An id that is in no table is refused, with the nearest there are."""
    with pytest.raises(DataError, match="factor grids: is in no factor file; near: grid"):
        table().at("grids", 2023)
    with pytest.raises(DataError, match="add it to a factor file"):
        table().at("xyz", 2023)


def test_own_factors_override_by_id() -> None:
    """A user's file replaces all rows of the ids that it has, and adds its own."""
    own = FactorTable(factors=(factor(year=2020), factor(id="mine")))
    merged = table().overridden(own)
    assert ("diesel", "grid", "mine") == merged.ids
    assert 2020 == merged.at("grid", 2023)[0].year
    assert (2020, None) == (merged.begins("grid"), merged.begins("none"))
    assert 2019 == table(factor(year=2019), factor(year=2023)).begins("grid")


@pytest.mark.parametrize(
    ("quantity", "unit", "per", "expected"),
    [
        (2, "MWh", "kWh", 2_000),
        (1, "GJ", "kWh", Fraction(2_500, 9)),
        (1, "gal", "l", Fraction("3.785411784")),
        (500, "g", "kg", Fraction(1, 2)),
        (3, "km", "km", 3),
    ],
)
def test_units_convert_exactly(quantity: int, unit: str, per: str, expected: Fraction) -> None:
    """Units of one kind convert by exact rational numbers."""
    assert expected == in_unit(Fraction(quantity), unit, per)


def test_units_of_two_kinds_do_not_convert() -> None:
    """Litres are not kilograms, and an unknown unit is none."""
    with pytest.raises(DataError, match="'l' cannot be made 'kg'"):
        in_unit(Fraction(1), "l", "kg")
    with pytest.raises(DataError, match="unknown unit 'litre'"):
        in_unit(Fraction(1), "litre", "l")


def test_three_gases_of_a_genset() -> None:
    """A thousand litres of diesel are three lines of scope 1, weighed by the named set."""
    lines = priced([activity()], table(), "AR6")
    assert {"CO2": 2_700_000_000, "CH4": 2_790_000, "N2O": 5_460_000} == {
        line.gas: line.emissions.mid_mg for line in lines
    }
    assert {(1, "", "AR6", "2022")} == {
        (line.scope, line.method, line.gwp, line.factor_vintage) for line in lines
    }
    assert (
        2_500_000
        == {line.gas: line.emissions.mid_mg for line in priced([activity()], table(), "AR4")}[
            "CH4"
        ]
    )


def test_refrigerant_and_switchgear_leaks() -> None:
    """Top-ups of 10 kg HFC-134a and 1 kg SF6 are 15.3 t and 25.2 t by AR6."""
    gases = (("r134a", "HFC-134a", "refrigerant", 10), ("sf6", "SF6", "switchgear", 1))
    rows = [factor(id=n, gas=gas, per="kg", mid_kg=Fraction(1)) for n, gas, _, _ in gases]
    leaks = [
        activity(kind=kind, factor_id=n, quantity=Fraction(mass), unit="kg")
        for n, _, kind, mass in gases
    ]
    masses = [line.emissions.mid_mg for line in priced(leaks, table(*rows), "AR6")]
    assert [15_300_000_000, 25_200_000_000] == masses


def test_purchased_heat_is_in_both_methods() -> None:
    """Purchased heat has no contracts: both methods of scope 2 have the same line of it."""
    heat = activity(kind="heat", unit="MWh", factor_id="grid", quantity=Fraction(2))
    lines = priced([heat], table(), "AR6")
    assert ["location", "market"] == [line.method for line in lines]
    assert {Range(low_mg=1_000_000_000, mid_mg=1_073_200_000, high_mg=1_200_000_000)} == {
        line.emissions for line in lines
    }


def test_a_factor_in_co2e_keeps_the_set_it_was_made_with() -> None:
    """A line in CO2e carries its factor's own set, so that a total can refuse it."""
    rows = table(factor(id="flight", gas="CO2e", per="pkm", gwp="AR5", mid_kg=Fraction("0.1")))
    trip = activity(kind="business_travel", unit="pkm", factor_id="flight")
    assert ["AR5"] == [line.gwp for line in priced([trip], rows, "AR6")]


def test_what_is_measured_emits_nothing_by_itself() -> None:
    """Water, core-hours and a site's electricity have no line of their own."""
    water = activity(kind="water", unit="m3", factor_id="", quantity=Fraction(2))
    assert () == priced([water, activity(kind="electricity", unit="MWh")], table(), "AR6")
    assert 2_000 == measured([water], "water")
    assert 2_000 == measured([water], "water", "hz")
    assert None is measured([water], "water", "sh")


def test_all_wrong_activities_are_told_at_once() -> None:
    """Unknown factors and units that do not fit are told together, each with its place."""
    wrong = [activity(factor_id="x"), activity(unit="kg", origin="activities.csv row 3")]
    with pytest.raises(DataError) as refused:
        priced(wrong, table(), "AR6")
    assert [
        "activities.csv row 2, factor x: is in no factor file; add it to a factor file",
        "activities.csv row 3, unit: 'kg' cannot be made 'l'",
    ] == list(dict.fromkeys(map(str, refused.value.findings)))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"kind": "rocket"}, "unknown kind 'rocket'; one of genset"),
        ({"quantity": Fraction(-1)}, "-1 l is below zero"),
        ({"factor_id": ""}, "genset without a factor; name its factor_id"),
        ({"kind": "water", "unit": "kg"}, "'kg' cannot be made 'l'"),
    ],
)
def test_an_activity_that_cannot_be_is_refused(changes: dict[str, Any], what: str) -> None:
    """An unknown kind, a negative quantity, a missing factor and a wrong unit are refused."""
    with pytest.raises(DataError, match=f"activities.csv row 2: {what}"):
        activity(**changes)


def test_an_unknown_kind_without_a_place_names_itself() -> None:
    """An activity that nobody read from a file is named by its kind."""
    with pytest.raises(DataError, match="rocket: unknown kind"):
        activity(kind="rocket", origin="")


def test_kinds_cover_the_scopes() -> None:
    """Kinds of activity reach scopes 1, 2 and 3 and every category that the statement names."""
    assert {0, 1, 2, 3} == {kind.scope for kind in KINDS.values()}
    assert {"6 business travel", "7 employee commuting", "8 upstream leased assets"} <= {
        kind.category for kind in KINDS.values()
    }


def test_a_kilowatt_hour_of_several_gases() -> None:
    """The gases of a factor add up to one range for a kilowatt-hour, per MWh or per kWh."""
    rows = [factor(per="MWh"), factor(gas="CH4", per="MWh", mid_kg=Fraction(1))]
    weights = [Fraction(1), Fraction("27.9")]
    assert (
        Fraction("0.0284"),
        Fraction("0.0284366"),
        Fraction("0.0285"),
    ) == ghg_per_kwh(rows, weights)
