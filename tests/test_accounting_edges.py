"""What mutants showed that no test saw: remainders, units, tables, limits met exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from greensched.accounting import account, savings, total, totals
from greensched.accounting.attribution import attribute, interaction_sentence
from greensched.accounting.books.activities import KINDS
from greensched.accounting.books.cooling import Cooling
from greensched.accounting.books.factors import UNITS
from greensched.accounting.books.inverse import reconciled
from greensched.accounting.entries import rows
from greensched.accounting.rounding import spread
from greensched.accounting.savings import baseline_of
from greensched.accounting.settlement import Segment, counterfactual, is_actual, settle
from greensched.carbon import CarbonIntensity, Labels
from greensched.errors import DataError, InternalError
from greensched.units import MS_PER_H
from tests.accounting_cases import OFF, ONLINE, factors_of, machine_of, site_of, usage_of
from tests.books.cases import offset, offsets


def test_spread_gives_to_the_largest_remainder() -> None:
    """5 by weights 7 and 4 is 3.18 and 1.82: the unit that is missing goes to the second."""
    found = spread(np.array([5]), np.array([[7, 4]]), [0, 1])
    assert [[3, 2]] == found.tolist()


def test_totals_are_in_kilograms_and_kilowatt_hours() -> None:
    """Every total is its whole units over a million; money too."""
    site = site_of(price_per_kwh=0.25)
    entries = account(usage_of((ONLINE,), [[100.0], [100.0]], [[1], [1]]), factors_of(site))
    whole, shown = total(entries), totals(entries)
    for name in ("embodied", "embodied_low", "embodied_high", "scope2_location"):
        assert getattr(whole, f"{name}_mg") == pytest.approx(1e6 * (shown[f"{name}_kg"] or 0))
        assert (shown[f"{name}_kg"] or 0) > 0
    assert 0.2 == shown["energy_it_kwh"]
    assert 0.05 == shown["cost_energy"] == shown["cost"]


def test_a_machine_that_embodies_nothing_still_costs() -> None:
    """Its hours on are rows of the account, so that the rows' costs sum to the total."""
    machine = machine_of(
        embodied_kg=0.0, embodied_low_kg=0.0, embodied_high_kg=0.0, price_per_machine_h=2.0
    )
    usage = usage_of((ONLINE, OFF), [[100.0, 5.0], [100.0, 5.0]], [[1, 1], [1, 1]])
    entries = account(usage, factors_of(site_of(price_per_kwh=0.25), machine))
    table = rows(entries)
    assert 4_000_000 == total(entries).cost_machines_micro
    assert total(entries).cost_micro == table["cost_micro"].sum()
    assert {"online"} == set(table["role"][table["scope"] == "scope 3"])


def test_only_a_high_bound_is_a_row_too() -> None:
    """Embodied emissions with a range from 0 keep their high bound in the rows."""
    machine = machine_of(embodied_kg=0.0, embodied_low_kg=0.0, embodied_high_kg=100.0)
    entries = account(usage_of((ONLINE,), [[1.0], [1.0]], [[1], [1]]), factors_of(machine=machine))
    assert total(entries).embodied_high_mg == rows(entries)["emissions_high_mg"].sum() - (
        rows(entries)["emissions_mg"].sum()
    )
    assert total(entries).embodied_high_mg > 0


def test_whole_numbers_of_a_baseline_are_exact_beyond_what_json_keeps() -> None:
    """2^53 - 1 is a number of the canonical JSON, what is larger a text: hashes differ."""
    ids = {baseline_of("x", "", {"n": n}).sha256 for n in (2**53 - 1, 2**53, 2**53 + 1)}
    assert 3 == len(ids)


def test_two_that_do_neither_are_no_interaction() -> None:
    """Values that add up have no interaction; what competes and what reinforces is told apart."""

    def game(both: int) -> str:
        nothing, a, b = frozenset[str](), frozenset({"a"}), frozenset({"b"})
        return interaction_sentence(attribute({nothing: 0, a: 1, b: 1, a | b: both}))

    assert "No two technologies interact." == game(2)
    assert "compete" in game(1)
    assert "reinforce" in game(3)


def test_scopes_of_activities_are_those_of_their_categories() -> None:
    """Categories with a number are scope 3, measures 0, heat 2, fuels and leaks 1."""
    for kind in KINDS.values():
        if kind.category[0].isdigit():
            assert 3 == kind.scope
        elif kind.category in {"measure", "purchased electricity"}:
            assert 0 == kind.scope
        else:
            assert (2 if "heat" in kind.category else 1) == kind.scope


def test_units_that_are_their_own_count_one() -> None:
    """A unit that is not converted is 1 of itself; 1 MWh is 1,000 kWh."""
    own = {name: one[1] for name, one in UNITS.items() if one[0] == name}
    assert {Fraction(1)} == set(own.values())
    assert ("kWh", Fraction(1_000)) == UNITS["MWh"]


def test_fewest_parts_reconcile_all_of_them_too() -> None:
    """A total that only all parts together make is found; one that none make is not."""
    parts = {"a": 1.0, "b": 10.0, "c": 100.0}
    assert ("a", "b", "c") == reconciled(111.0, parts, 0.5)
    assert ("b",) == reconciled(10.0, parts, 0.5)
    assert () == reconciled(50.0, parts, 0.5)


def _series(*grams: float, status: int = 0) -> CarbonIntensity:
    edges_ms = np.arange(len(grams) + 1, dtype=np.int64) * MS_PER_H
    return CarbonIntensity(
        zone="A",
        edges_ms=edges_ms,
        values_g_per_kwh=np.array(grams),
        labels=Labels(source="test"),
        status=np.full(len(grams), status, np.int8),
    )


def test_settlement_by_hand() -> None:
    """An hour at 100 W: at 300 g/kWh at once, at 100 in fact, 30 g less 10 g."""
    series = _series(300.0, 200.0, 100.0)
    ran = [Segment(start_ms=2 * MS_PER_H, end_ms=3 * MS_PER_H)]
    found = settle(ran, 0, 100.0, series)
    assert found is not None
    assert (100_000, 100_000) == (found.energy_mwh_milli, found.useful_mwh_milli)
    assert (30_000, 10_000, 20_000) == (found.counterfactual_mg, found.actual_mg, found.saved_mg)
    assert Segment(start_ms=0, end_ms=MS_PER_H) == counterfactual(ran, 0)


def test_settlement_of_what_is_not_known() -> None:
    """None where either time is not covered; an empty segment takes nothing."""
    series = _series(300.0, 200.0)
    late = [Segment(start_ms=2 * MS_PER_H, end_ms=3 * MS_PER_H)]
    assert settle(late, 0, 100.0, series) is None
    early = [Segment(start_ms=0, end_ms=MS_PER_H)]
    assert settle(early, 5 * MS_PER_H, 100.0, series) is None
    empty = settle([Segment(start_ms=0, end_ms=0)], 0, 100.0, series)
    assert empty is not None
    assert (0, 0) == (empty.actual_mg, empty.counterfactual_mg)


def test_what_was_only_foretold_is_not_actual() -> None:
    """A segment is actual where every step it meets is; an empty one always."""
    hour = Segment(start_ms=0, end_ms=MS_PER_H)
    assert is_actual(_series(300.0), hour)
    assert not is_actual(_series(300.0, status=2), hour)
    assert is_actual(_series(300.0, status=2), Segment(start_ms=0, end_ms=0))


def test_one_cell_too_large_is_refused_beside_small_ones() -> None:
    """2.5 GWh in an interval is no building's, whatever the other intervals are."""
    usage = usage_of((ONLINE,), [[1.0], [1e13]], [[1], [1]])
    with pytest.raises(InternalError, match="more than"):
        account(usage, factors_of())


def test_a_fleet_is_the_same_in_whatever_roles() -> None:
    """One machine on and one off, or both on: one fleet, so there is a saving."""
    before = usage_of((ONLINE, OFF), [[100.0, 0.0], [100.0, 0.0]], [[2, 0], [2, 0]])
    after = usage_of((ONLINE, OFF), [[60.0, 5.0], [60.0, 5.0]], [[1, 1], [1, 1]])
    saved = savings(
        baseline_of("x", "", {}), account(before, factors_of()), account(after, factors_of())
    )
    assert 70_000 == saved.energy_it_mwh


def test_one_pue_below_one_in_a_table_is_refused() -> None:
    """A cooling whose other values are right is refused for the one that is not."""
    with pytest.raises(DataError, match="PUE"):
        Cooling(
            name="c",
            temperatures_c=np.array([0.0, 30.0]),
            load_shares=np.array([1.0]),
            pue=np.array([[0.9], [1.3]]),
        )


def test_an_offset_of_the_year_itself_counts() -> None:
    """Vintage and year may be one; a later vintage does not count."""
    assert "" == offsets(offset()).why_not(offset(vintage=2023, retired=2023))
    assert "later" in offsets(offset()).why_not(offset(vintage=2024, retired=2023))
