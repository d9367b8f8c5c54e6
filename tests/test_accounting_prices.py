"""Prices over time, types that are released, and rows that are worth next to nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from greensched.accounting import (
    Factors,
    Group,
    Pue,
    SiteFactors,
    Usage,
    account,
    constant_pue,
    rows,
    total,
    until,
)
from greensched.accounting.factors import PriceSteps
from greensched.errors import InternalError, ScenarioError
from greensched.units import MS_PER_H
from tests.accounting_cases import HOURS, OFF, ONLINE, factors_of, machine_of, site_of, usage_of

USAGE = usage_of((ONLINE,), [[100.0], [200.0]], [[1], [1]])


def steps(*per_kwh: float) -> PriceSteps:
    """Return prices by the hour."""
    edges_ms = np.arange(len(per_kwh) + 1, dtype=np.int64) * MS_PER_H
    return PriceSteps(edges_ms=edges_ms, per_kwh=np.array(per_kwh, np.float64))


def priced(*per_kwh: float, site: str = "hz") -> SiteFactors:
    """Return a site with prices by the hour."""
    return site_of(site=site, price_steps=steps(*per_kwh))


@pytest.mark.parametrize(
    ("per_kwh", "expected"),
    [
        ((0.5, 0.25), [50_000, 50_000]),
        ((0.5, -0.25), [50_000, -50_000]),
        ((-0.5, -0.25), [-50_000, -50_000]),
        ((0.0, -0.25), [0, -50_000]),
        ((0.0, 0.0), [0, 0]),
    ],
)
def test_each_hour_has_its_price(per_kwh: tuple[float, float], expected: list[int]) -> None:
    """0.1 and 0.2 kWh are paid at their own hour's price, and earn where it is below zero."""
    entries = account(USAGE, factors_of(priced(*per_kwh)))
    assert entries.cost_energy_micro is not None
    assert [[cost] for cost in expected] == entries.cost_energy_micro.tolist()
    assert sum(expected) == total(entries).cost_micro == rows(entries)["cost_micro"].sum()


def test_one_site_earns_and_another_pays() -> None:
    """A price below zero at one site leaves what is paid at the other as it is."""
    usage = usage_of((ONLINE, replace(ONLINE, site="sh")), [[100, 100], [100, 100]], [[1, 1]] * 2)
    sites = (priced(0.5, 0.5), priced(-0.25, 0.75, site="sh"))
    entries = account(usage, Factors(sites=sites, machine_types=(machine_of(),)))
    assert entries.cost_energy_micro is not None
    assert [[50_000, -25_000], [50_000, 75_000]] == entries.cost_energy_micro.tolist()


@pytest.mark.parametrize(
    ("edges_ms", "per_kwh", "what"),
    [
        ([0, 1], [0.1, 0.2], "edges do not fit the prices"),
        ([0, 1, 2], [0.1], "edges do not fit the prices"),
        ([0, 1, 1], [0.1, 0.2], "edges do not fit the prices"),
        ([0, 2, 1], [0.1, 0.2], "edges do not fit the prices"),
        ([0, 1, 2], [0.1, np.nan], "a price is not finite"),
        ([0, 1, 2], [np.inf, 0.1], "a price is not finite"),
    ],
)
def test_prices_that_are_none(edges_ms: list[int], per_kwh: list[float], what: str) -> None:
    """Prices that do not fit their edges, or that are no numbers, are refused."""
    with pytest.raises(ScenarioError, match=what):
        PriceSteps(edges_ms=np.array(edges_ms, np.int64), per_kwh=np.array(per_kwh, np.float64))


def test_the_last_price_is_held_until_the_end() -> None:
    """Prices that end before the window are held; those that reach it are as they were."""
    two = steps(0.5, 0.25)
    assert two is two.until(2 * MS_PER_H)
    held = two.until(5 * MS_PER_H)
    assert [0, MS_PER_H, 5 * MS_PER_H] == held.edges_ms.tolist()
    assert [0.5, 0.25] == held.per_kwh.tolist()


def test_checksums_of_factors() -> None:
    """Each value and label has a part in the checksum, which no version of greensched changes."""
    every = [
        factors_of(),
        factors_of(priced(0.5, 0.25)),
        factors_of(priced(0.5, 0.26)),
        factors_of(site_of(price_steps=steps(0.5, 0.25).until(3 * MS_PER_H))),
        factors_of(site_of(pue=constant_pue(1.1))),
        factors_of(machine=machine_of(is_released=True)),
    ]
    assert len(every) == len({one.checksum for one in every})
    # results keep them, so no version may make others of the same factors
    assert ["534c87b0", "2f3b0eba"] == [every[0].checksum[:8], every[-1].checksum[:8]]


def test_what_is_released_embodies_nothing() -> None:
    """A released type's machines embody while they are on; others of the fleet always do."""
    usage = usage_of((ONLINE, OFF), [[100, 0], [100, 0]], [[2, 3], [2, 3]])
    kept = account(usage, factors_of())
    released = account(usage, factors_of(machine=machine_of(is_released=True)))
    assert (kept.embodied_mg[:, 1] > 0).all()
    assert not released.embodied_mg[:, 1].any()
    online = account(usage_of((ONLINE,), [[100], [100]], [[2], [2]]), factors_of())
    assert total(online).embodied_mg == total(released).embodied_mg > 0


def test_one_known_price_is_the_cost() -> None:
    """Where machines have no price the cost is the energy's; where nothing has one, none."""
    known = total(account(USAGE, factors_of(site_of(price_per_kwh=0.5))))
    assert 150_000 == known.cost_energy_micro == known.cost_micro
    assert known.cost_machines_micro is None
    assert total(account(USAGE, factors_of())).cost_micro is None


def test_entries_until_an_edge() -> None:
    """Of two hours the first alone is left, with all that it cost and emitted."""
    whole = account(USAGE, factors_of(priced(0.5, 0.25)))
    first = until(whole, MS_PER_H)
    assert [0, MS_PER_H] == first.edges_ms.tolist()
    assert (100_000, 50_000) == (total(first).energy_it_mwh, total(first).cost_micro)
    assert 40_000 == total(first).scope2_location_mg
    assert total(whole) == total(until(whole, 2 * MS_PER_H))


def test_a_milliwatt_hour_is_a_row() -> None:
    """Facility energy that emits no whole milligram is in the rows, which sum to the total."""
    usage = usage_of((OFF,), [[0.0], [0.0]], [[1], [1]])
    entries = account(usage, factors_of(site_of(pue=constant_pue(1.0, 0.001))))
    assert [[1], [1]] == entries.energy_facility_mwh.tolist()
    assert 0 == entries.scope2_location_mg[0, 0]
    found = rows(entries)
    assert 2 == found["energy_facility_mwh"].sum() == total(entries).energy_facility_mwh


def test_a_milligram_is_a_row() -> None:
    """Emissions of less energy than a milliwatt-hour are in the rows: 0.4 mWh at 2 kg/kWh."""
    edges_ms = np.array([0, 2 * MS_PER_H // 5], np.int64)
    usage = Usage(
        edges_ms=edges_ms,
        groups=(OFF,),
        energy_j=np.zeros((1, 1)),
        machine_ms=edges_ms[np.newaxis, 1:],
    )
    grams = np.array([2_000.0])
    site = site_of(edges_ms=edges_ms, intensity_g_per_kwh=grams, pue=constant_pue(1.0, 0.001))
    entries = account(usage, factors_of(site, machine_of(embodied_low_kg=0.0, embodied_kg=0.0)))
    assert (0, 1) == (total(entries).energy_facility_mwh, total(entries).scope2_location_mg)
    assert 1 == rows(entries)["emissions_mg"].sum()


def test_power_that_is_fixed_in_one_hour_alone_needs_machines() -> None:
    """Fixed power of a site without machines is refused though it is zero at times."""
    pue = Pue(slope=np.ones(2), fixed_w=np.array([0.0, 5.0]), edges_ms=HOURS)
    sites = (site_of(), site_of(site="sh", pue=pue))
    with pytest.raises(InternalError, match="site 'sh' has fixed power but no machines"):
        account(USAGE, Factors(sites=sites, machine_types=(machine_of(),)))


def test_groups_are_told_apart_by_site() -> None:
    """Two sites' groups of one role are two columns, each priced by its own site."""
    other = Group(site="sh", machine_type="gen8", role="online")
    usage = usage_of((ONLINE, other), [[100, 100], [100, 100]], [[1, 1], [1, 1]])
    sites = (site_of(), site_of(site="sh", intensity_g_per_kwh=np.array([100.0, 100.0])))
    entries = account(usage, Factors(sites=sites, machine_types=(machine_of(),)))
    assert [[40_000, 10_000], [60_000, 10_000]] == entries.scope2_location_mg.tolist()
