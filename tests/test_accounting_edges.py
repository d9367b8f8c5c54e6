"""What mutants showed that no test saw: remainders, units, tables, limits met exactly."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from greensched.accounting import (
    Factors,
    Group,
    Step,
    Usage,
    account,
    constant_pue,
    embodied_share_kg,
    integrate,
    savings,
    total,
    totals,
    usage_edges,
)
from greensched.accounting.attribution import attribute, interaction_sentence, sampled_sets
from greensched.accounting.books.activities import KINDS
from greensched.accounting.books.cooling import Cooling
from greensched.accounting.books.factors import UNITS
from greensched.accounting.books.inverse import reconciled
from greensched.accounting.entries import rows
from greensched.accounting.rounding import spread
from greensched.accounting.savings import baseline_of, canonical_json
from greensched.accounting.settlement import Segment, counterfactual, is_actual, settle
from greensched.carbon import CarbonIntensity, Labels
from greensched.errors import DataError, InternalError, ScenarioError
from greensched.model import MachineType
from greensched.power import Linear
from greensched.units import MS_PER_H, MS_PER_YEAR
from tests.accounting_cases import HOURS, OFF, ONLINE, factors_of, machine_of, site_of, usage_of
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


def test_units_are_what_they_are_of_another() -> None:
    """A unit that is not converted is 1 of itself; the others are as their definitions say."""
    own = {name: one[1] for name, one in UNITS.items() if one[0] == name}
    assert {Fraction(1)} == set(own.values())
    assert {
        "MWh": 1_000,
        "GWh": 1_000_000,
        "GJ": Fraction(10**9, 3_600_000),
        "m3": 1_000,
        "gal": Fraction("3.785411784"),
        "g": Fraction(1, 1_000),
        "t": 1_000,
        "mi": Fraction("1.609344"),
        "pmi": Fraction("1.609344"),
    } == {name: one[1] for name, one in UNITS.items() if name not in own}


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
    assert settle(early + late, 0, 100.0, series) is None
    empty = settle([Segment(start_ms=0, end_ms=0)], 0, 100.0, series)
    assert empty is not None
    assert (0, 0) == (empty.actual_mg, empty.counterfactual_mg)


def test_what_was_only_foretold_is_not_actual() -> None:
    """A segment is actual where every step it meets is; an empty one always."""
    hour = Segment(start_ms=0, end_ms=MS_PER_H)
    assert is_actual(_series(300.0), hour)
    assert not is_actual(_series(300.0, status=2), hour)
    assert is_actual(_series(300.0, status=2), Segment(start_ms=0, end_ms=0))
    half = replace(_series(300.0, 200.0), status=np.array([0, 2], np.int8))
    assert not is_actual(half, Segment(start_ms=0, end_ms=2 * MS_PER_H))


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


def test_a_cell_at_its_limit_is_taken() -> None:
    """The most that an interval may use is used: 2.5 GWh, not half a joule more."""
    usage = usage_of((ONLINE,), [[1.0], [2.5e9]], [[1], [1]])
    assert 25 * 10**11 == account(usage, factors_of()).energy_it_mwh[1, 0]
    with pytest.raises(InternalError, match="more than"):
        account(replace(usage, energy_j=np.array([[1.0], [9e12 + 0.5]])), factors_of())


def test_fixed_power_and_prices_are_their_own_sites_and_types() -> None:
    """A building's fixed power is no other building's; a machine for nothing costs nothing."""
    there = Group(site="sh", machine_type="gen8", role="online")
    usage = usage_of((ONLINE, there), [[100.0, 100.0]] * 2, [[1, 1]] * 2)
    sites = (site_of(pue=constant_pue(1.0, 1_000.0)), site_of(site="sh"))
    given = Factors(sites=sites, machine_types=(machine_of(price_per_machine_h=0.0),))
    entries = account(usage, given)
    assert [2_200_000, 200_000] == entries.energy_facility_mwh.sum(axis=0).tolist()
    assert 0 == total(entries).cost_machines_micro


def test_money_without_energy_is_a_row() -> None:
    """A milliwatt of a building costs before a whole milliwatt-hour is used, and rows tell it."""
    edges_ms = np.arange(6, dtype=np.int64) * MS_PER_H // 5
    usage = Usage(
        edges_ms=edges_ms,
        groups=(ONLINE,),
        energy_j=np.zeros((5, 1)),
        machine_ms=np.diff(edges_ms)[:, None],
    )
    site = site_of(edges_ms=edges_ms[[0, -1]], intensity_g_per_kwh=np.array([500.0]))
    site = replace(site, pue=constant_pue(1.0, 0.001), price_per_kwh=5.0)
    table = rows(account(usage, factors_of(site)))
    electric = table["method"] == "location"
    assert [0, 0, 1, 0, 0] == table["energy_facility_mwh"][electric].tolist()
    assert [1] * 5 == table["cost_micro"][electric].tolist()


@pytest.mark.parametrize(
    ("lengths_s", "bounds_mg", "lifetime_s"),
    [
        ((1, 5, 5, 1, 5, 3), (2, 4, 5), 7),
        ((2, 1, 3, 1, 1, 3), (1, 2, 5), 7),
        ((2, 1, 3, 1, 5, 5), (2, 2, 3), 11),
    ],
)
def test_a_milligram_of_one_bound_is_a_row(
    lengths_s: tuple[int, ...], bounds_mg: tuple[int, int, int], lifetime_s: int
) -> None:
    """Where an interval has a milligram of one bound alone, the rows still sum to the totals."""
    edges_ms = np.cumsum((0, *lengths_s)) * 1_000
    usage = Usage(
        edges_ms=edges_ms,
        groups=(ONLINE,),
        energy_j=np.ones((len(lengths_s), 1)),
        machine_ms=np.diff(edges_ms)[:, None],
    )
    low, mid, high = (mg / 1e6 for mg in bounds_mg)
    machine = machine_of(
        embodied_low_kg=low,
        embodied_kg=mid,
        embodied_high_kg=high,
        lifetime_ms=lifetime_s * 1_000,
    )
    entries = account(usage, factors_of(machine=machine))
    table = rows(entries)
    own = table["method"] == "time-linear"
    assert (entries.embodied_low_mg.sum(), entries.embodied_mg.sum()) == (
        table["emissions_low_mg"][own].sum(),
        table["emissions_mg"][own].sum(),
    )
    assert entries.embodied_high_mg.sum() == table["emissions_high_mg"][own].sum()


def test_whole_numbers_have_their_form_up_to_the_last() -> None:
    """2^53 - 1 is written as a number, 2^53 as a text, either sign."""
    assert b'{"n":9007199254740991}' == canonical_json({"n": 2**53 - 1})
    assert b'{"n":"-9007199254740992"}' == canonical_json({"n": -(2**53)})


@pytest.mark.parametrize("edges_h", [(0, 1, 3), (0.5, 1, 2)])
def test_runs_of_other_windows_are_not_compared(edges_h: tuple[float, ...]) -> None:
    """Another end or another beginning is another window."""
    before = usage_of((ONLINE,), [[100.0], [100.0]], [[1], [1]])
    edges_ms = (np.array(edges_h) * MS_PER_H).astype(np.int64)
    after = replace(before, edges_ms=edges_ms)
    wide = site_of(edges_ms=np.array([0, MS_PER_H, 9 * MS_PER_H]))
    pair = [account(usage, factors_of(wide)) for usage in (before, after)]
    with pytest.raises(InternalError, match="baseline covers"):
        savings(baseline_of("x", "", {}), *pair)


def test_a_type_that_was_never_held_is_no_part_of_a_fleet() -> None:
    """A group without machine time changes no fleet."""
    one = usage_of((ONLINE,), [[100.0], [100.0]], [[1], [1]])
    spare = Group(site="hz", machine_type="spare", role="off")
    two = usage_of((ONLINE, spare), [[90.0, 0.0]] * 2, [[1, 0]] * 2)
    given = replace(factors_of(), machine_types=(machine_of(), machine_of(machine_type="spare")))
    saved = savings(baseline_of("x", "", {}), account(one, given), account(two, given))
    assert 20_000 == saved.energy_it_mwh


def test_a_step_of_no_time_is_no_group() -> None:
    """A step that ends as it starts, at any edge, is taken and adds nothing; idle is default."""
    machine = MachineType(
        name="gen8",
        site="hz",
        count=1,
        cpu_m=1_000,
        memory_mib=1,
        power=Linear(idle_w=100.0, peak_w=300.0),
    )
    steps = [
        Step(machine_type="gen8", role="online", start_ms=0, end_ms=2 * MS_PER_H),
        Step(machine_type="gen8", role="batch", start_ms=MS_PER_H, end_ms=MS_PER_H),
    ]
    found = integrate(steps, {"gen8": machine}, HOURS)
    assert (Group(site="hz", machine_type="gen8", role="online"),) == found.groups
    assert [[360_000.0], [360_000.0]] == found.energy_j.tolist()
    short = Step(machine_type="gen8", role="online", start_ms=5, end_ms=6)
    assert [[1], [0]] == integrate([short], {"gen8": machine}, HOURS).machine_ms.tolist()


def test_limits_of_factors_are_met_exactly() -> None:
    """A gigawatt of fixed power is taken, more is not; what has no end is no price or mass."""
    assert 1e9 == constant_pue(fixed_w=1e9).fixed_w[0]
    assert (1.0, 0.0) == (constant_pue().slope[0], constant_pue().fixed_w[0])
    for wrong in (
        lambda: constant_pue(fixed_w=1e9 + 0.5),
        lambda: site_of(price_per_kwh=math.inf),
        lambda: site_of(edges_ms=np.array([0, 2, 1])),
        lambda: site_of(edges_ms=np.array([0, 1, 1])),
        lambda: machine_of(embodied_high_kg=math.inf),
        lambda: machine_of(price_per_machine_h=math.inf),
        lambda: embodied_share_kg(1.0, 1, 0),
    ):
        with pytest.raises(ScenarioError):
            wrong()
    assert 0.25 == embodied_share_kg(1.0, MS_PER_YEAR)
    assert 7.0 == embodied_share_kg(7.0, 1, 1)


def test_sets_of_one_order() -> None:
    """One sampled order asks for its own sets; an exact attribution has no orders."""
    assert 4 == len(sampled_sets([("b", "a")]))
    nothing, a = frozenset[str](), frozenset({"a"})
    assert 0 == attribute({nothing: 0, a: 1}).orders


def test_a_window_is_as_long_as_its_intervals() -> None:
    """A usage that begins later than zero is two hours long; released machines are a factor."""
    usage = usage_of((ONLINE,), [[1.0], [1.0]], [[1], [1]])
    later = replace(usage, edges_ms=HOURS + 5 * MS_PER_H)
    entries = account(later, factors_of(site_of(edges_ms=HOURS + 5 * MS_PER_H)))
    assert 2 * MS_PER_H == later.window_ms == total(entries).window_ms
    table = rows(entries)
    assert {MS_PER_H} == set((table["end_ms"] - table["start_ms"]).tolist())
    released = factors_of(machine=machine_of(is_released=True))
    assert factors_of().checksum != released.checksum


def test_intervals_are_at_most_five_minutes() -> None:
    """A window without breakpoints is cut every 300 s."""
    assert [0, 300_000, 600_000] == usage_edges(600_000, []).tolist()
