"""What is told beside the books: indicators, equivalents, cooling, targets, the inverse."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from greensched.accounting.books import (
    Band,
    Cooling,
    Measures,
    Reported,
    Target,
    contributions,
    equivalents,
    facility_mwh,
    fleet_for,
    indicators,
    progress,
    reconciled,
    sci_mg,
    utilisation_for,
)
from greensched.errors import DataError

MEASURES: dict[str, Any] = {
    "energy_it_mwh": 1_000_000,
    "energy_facility_mwh": 1_250_000,
    "emissions_mg": 670_750,
    "renewable_mwh": 250_000,
    "reused_mwh": 125_000,
    "water_l": Fraction(2),
    "core_h_used": Fraction(30),
    "core_h_held": Fraction(100),
}


def test_indicators_by_hand() -> None:
    """PUE 1.25, 20 % renewable, 10 % reused, 0.67075 kg and 2 l for a kWh of IT, 30 % used."""
    assert {
        "pue": Fraction("1.25"),
        "renewable_share": Fraction("0.2"),
        "reused_share": Fraction("0.1"),
        "cue_kg_per_kwh": Fraction("0.67075"),
        "wue_l_per_kwh": Fraction(2),
        "utilisation_share": Fraction("0.3"),
    } == indicators(Measures(**MEASURES))


def test_what_was_not_measured_is_none() -> None:
    """An indicator without its measure, or of a site without energy, is None and not 0."""
    bare = indicators(Measures(energy_it_mwh=0, energy_facility_mwh=0, emissions_mg=0))
    assert {None} == set(bare.values())


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"energy_it_mwh": 1_250_001}, "PUE: IT energy is above facility energy"),
        ({"core_h_used": Fraction(101)}, "more core-hours used than held"),
        ({"core_h_held": None}, "more core-hours used than held, or none held"),
        ({"renewable_mwh": 1_250_001}, "more energy is renewable or reused"),
        ({"reused_mwh": 1_250_001}, "more energy is renewable or reused"),
    ],
)
def test_measures_that_cannot_be_are_refused(changes: dict[str, Any], what: str) -> None:
    """A PUE below 1 and shares above 1 are refused."""
    with pytest.raises(DataError, match=what):
        Measures(**(MEASURES | changes))


def test_sci_by_hand() -> None:
    """900 mg of operation and 100 mg embodied over 4 units are 250 mg a unit."""
    assert 250 == sci_mg(900, 100, Fraction(4))
    with pytest.raises(DataError, match="no work was completed"):
        sci_mg(900, 100, Fraction(0))


def test_car_years_of_the_published_total() -> None:
    """29,591.48 t are 12,147.6 car-years of 2,436 kg, and 394 t are 59,035 car-days."""
    years, _ = equivalents(29_591_480_000_000)
    assert 12_147.6 == pytest.approx(float(years.count), abs=0.05)
    assert "12,000 km a year x 0.203 kg/km = 2,436 kg a car-year" == years.constants
    _, days = equivalents(394_000_000_000)
    assert 59_035 == round(days.count)


FREE = Cooling(
    name="free",
    temperatures_c=np.array([0.0, 20.0, 40.0]),
    load_shares=np.array([0.2, 1.0]),
    pue=np.array([[1.2, 1.1], [1.3, 1.2], [1.6, 1.5]]),
)


def test_pue_between_the_points_is_bilinear() -> None:
    """PUE at the table's points is the table's, half-way between four of them their mean."""
    found = FREE.at(np.array([0.0, 40.0, 10.0, 20.0]), np.array([0.2, 1.0, 0.6, 0.6]))
    assert [1.2, 1.5, 1.2, 1.25] == pytest.approx(found.tolist())


def test_cooling_of_one_point_is_a_constant() -> None:
    """A table of one temperature and one load holds there."""
    one = Cooling(
        name="one",
        temperatures_c=np.array([20.0]),
        load_shares=np.array([0.5]),
        pue=np.array([[1.4]]),
    )
    assert [1.4] == one.at(np.array([20.0]), np.array([0.5])).tolist()
    assert 3.0 == replace(one, pue=np.array([[3.0]])).pue.max()


def test_facility_energy_of_a_cooling() -> None:
    """Half of full load at 10 C, of 1,000 mWh, takes the PUE between the points."""
    found = facility_mwh(FREE, np.array([600], np.int64), np.array([10.0]), 1_000)
    assert [720] == found.tolist()


@pytest.mark.parametrize(
    ("temperature", "load", "what"),
    [(41.0, 0.5, "outdoor C: 41 is beyond the table"), (10.0, 0.1, "load share: 0.1 is beyond")],
)
def test_cooling_beyond_its_table_is_refused(temperature: float, load: float, what: str) -> None:
    """A temperature or load that the table does not have is not guessed."""
    with pytest.raises(DataError, match=what):
        FREE.at(np.array([temperature]), np.array([load]))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"pue": np.array([[1.2]])}, "a table of shape"),
        ({"pue": np.full((3, 2), 0.9)}, "a PUE is not in 1 .. 3"),
        ({"temperatures_c": np.array([0.0, 0.0, 1.0])}, "temperatures or loads do not rise"),
    ],
)
def test_a_cooling_that_cannot_be_is_refused(changes: dict[str, Any], what: str) -> None:
    """A table of another shape, a PUE below 1 and axes that do not rise are refused."""
    fields = {n: getattr(FREE, n) for n in ("temperatures_c", "load_shares", "pue")}
    with pytest.raises(DataError, match=f"cooling free: {what}"):
        Cooling(name="free", **(fields | changes))


def target(**changes: Any) -> Target:
    """Return 30 % less of scopes 1 and 2 by 2025 against 2020."""
    fields: dict[str, Any] = {
        "name": "-30 %",
        "quantity": "scopes12",
        "method": "absolute",
        "scope2": "market",
        "base_year": 2020,
        "year": 2025,
        "level": Fraction("0.3"),
    }
    return Target(**(fields | changes))


def test_progress_by_hand() -> None:
    """From 1,000 to 850 in three years: 150 to go, 75 a year needed, 50 a year made, in 2026."""
    found = progress(target(), {2020: Fraction(1_000), 2023: Fraction(850)}, 2023)
    assert [700, 820, 150] == [found.goal, found.path, found.distance]
    assert [50, 75, 2026] == [found.pace, found.pace_needed, found.reached]
    assert "behind" == found.state


@pytest.mark.parametrize(
    ("year", "now", "state", "reached"),
    [
        (2023, 820, "on path", 2025),
        (2023, 700, "met", 2023),
        (2025, 701, "missed", 2026),
        (2026, 690, "met", 2026),
        (2023, 1_100, "behind", None),
        (2020, 1_000, "on path", None),
    ],
)
def test_states_of_a_target(year: int, now: int, state: str, reached: int | None) -> None:
    """A target is met, on its path, behind or missed; without pace no year is promised."""
    found = progress(target(), {2020: Fraction(1_000), year: Fraction(now)}, year)
    assert (state, reached) == (found.state, found.reached)
    assert (found.pace_needed is None) == (year >= 2025)


def test_a_share_rises_to_its_target() -> None:
    """A renewable share of 18 % on the way from 0 to 30 % in five years is on its path."""
    share = target(quantity="renewable_share", method="share")
    found = progress(share, {2020: Fraction(0), 2023: Fraction("0.18")}, 2023)
    assert ("on path", Fraction("0.12"), Fraction("0.06")) == (
        found.state,
        found.distance,
        found.pace,
    )
    assert 2025 == found.reached


def test_net_zero_leaves_a_residual() -> None:
    """Net zero with a residual of 10 % is reached at 10 % of the base year, offsets apart."""
    zero = target(quantity="scopes123", method="net_zero", year=2030, level=Fraction("0.1"))
    assert 100 == progress(zero, {2020: Fraction(1_000)}, 2020).goal


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"year": 2020}, "2020 is not after its base year 2020"),
        ({"level": Fraction(30)}, "30 is not a share in 0 .. 1"),
        ({"method": "share"}, "method share is not one of scopes12"),
        ({"quantity": "renewable_share"}, "method absolute is not one of renewable_share"),
    ],
)
def test_a_target_that_cannot_be_is_refused(changes: dict[str, Any], what: str) -> None:
    """A target without time, above 100 % or of another method than its quantity is refused."""
    with pytest.raises(DataError, match=what):
        target(**changes)


def test_progress_needs_its_years() -> None:
    """Without a value of the base year or of this one nothing is told."""
    with pytest.raises(DataError, match="no value of 2020"):
        progress(target(), {2023: Fraction(1)}, 2023)
    with pytest.raises(DataError, match="2019 is before its base year"):
        progress(target(), {2019: Fraction(1), 2020: Fraction(1)}, 2019)


def test_contributions_are_shares_of_the_way() -> None:
    """A technology that avoids 60 of a way of 300 covers a fifth of it; no way has no shares."""
    found = progress(target(), {2020: Fraction(1_000)}, 2020)
    assert {"tidal": Fraction("0.2")} == contributions(found, {"tidal": 60})
    still = progress(target(level=Fraction(0)), {2020: Fraction(1_000)}, 2020)
    assert {"tidal": None} == contributions(still, {"tidal": 60})


def band(low: float, mid: float, high: float) -> Band:
    """Return a range."""
    return Band(low=low, mid=mid, high=high)


REPORTED = Reported(
    saved_t=29_591.48,
    utilisation_before_share=0.08,
    utilisation_after_share=0.30,
    idle_w=band(80, 110, 150),
    peak_w=band(250, 320, 450),
    pue=band(1.1, 1.25, 1.5),
    intensity_g_per_kwh=band(536.6, 556.8, 581.0),
)


def test_the_fleet_of_a_reported_saving_by_hand() -> None:
    """29,591 t need S / (110 W x 11/15 x 1.25 x 8,760 h x 556.8 g/kWh) = 60,167 machines."""
    fleet = fleet_for(REPORTED)
    one_t = 0.110 * (1 - 0.08 / 0.30) * 1.25 * 8_760 * 556.8 / 1e6
    assert 29_591.48 / one_t == pytest.approx(fleet.machines)
    assert 60_167 == round(fleet.machines)
    assert fleet.machines * 8 / 30 == pytest.approx(fleet.machines_after)
    assert 29_591.48 / 0.5568 == pytest.approx(fleet.saved_mwh_year)
    assert fleet.emitted_t - 29_591.48 == pytest.approx(fleet.emitted_after_t)


def test_high_factors_give_the_smallest_fleet() -> None:
    """Machines that idle at more watts in a worse building save as much with fewer of them."""
    low, mid, high = (fleet_for(REPORTED, at).machines for at in ("low", "mid", "high"))
    assert high < mid < low


def test_utilisation_is_the_inverse_of_the_fleet() -> None:
    """The fleet that the rise 8 -> 30 % needs, needs that rise; for a tiny one none is enough."""
    machines = fleet_for(REPORTED).machines
    assert 0.30 == pytest.approx(utilisation_for(REPORTED, machines))
    assert utilisation_for(REPORTED, machines / 10) is None
    assert utilisation_for(REPORTED, machines * 0.78) is None
    assert 0.08 < (utilisation_for(REPORTED, 1e9) or 0) < 0.081


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"utilisation_after_share": 0.08}, "0.08 -> 0.08 is no rise"),
        ({"utilisation_after_share": 30}, "0.08 -> 30 is no rise within 0 .. 1"),
        ({"idle_w": band(1, 2, 251)}, "a machine may idle above its peak"),
        ({"saved_t": 0}, "0 t is not above 0"),
    ],
)
def test_an_inverse_that_cannot_be_is_refused(changes: dict[str, Any], what: str) -> None:
    """No rise, percent for a share, idle above peak and nothing saved are refused."""
    fields = {n: getattr(REPORTED, n) for n in Reported.__dataclass_fields__}
    with pytest.raises(DataError, match=what):
        Reported(**(fields | changes))


def test_a_range_has_to_rise() -> None:
    """A range that falls, or begins at 0, is refused."""
    with pytest.raises(DataError, match="do not rise from above 0"):
        band(2, 1, 3)
    with pytest.raises(DataError, match="do not rise from above 0"):
        band(0, 1, 3)


def test_published_totals_that_do_not_reconcile() -> None:
    """No sum of the published parts is 37,909.87 t; one that adds up is found."""
    parts = {"a": 29_591.48, "b": 23_159.54, "c": 21_883.63, "d": 1_668.60}
    assert () == reconciled(37_909.87, parts, 0.01)
    assert ("b", "d") == reconciled(24_828.14, parts, 0.01)
