"""The account against hand-computed and published numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from greensched.accounting import (
    Group,
    Pue,
    Usage,
    account,
    constant_pue,
    embodied_share_kg,
    machine_factors,
    rows,
    scope2_label,
    site_factors,
    total,
    totals,
    usage_edges,
)
from greensched.accounting.usage import GroupRole, machine_on_ms
from greensched.carbon import CarbonIntensity, Fill, Labels, from_samples
from greensched.errors import DataError, InternalError, ScenarioError
from greensched.model import MachineType, Site
from greensched.power import Linear
from greensched.providers.constant import constant
from greensched.units import MS_PER_H, MS_PER_YEAR
from tests.accounting_cases import (
    BATCH,
    DAY,
    HOURS,
    OFF,
    ONLINE,
    factors_of,
    machine_of,
    site_of,
    usage_of,
)

# ------------------------------------------------------------------------------------------
# Numbers
# ------------------------------------------------------------------------------------------


def test_two_hours_by_hand() -> None:
    """Two hours with PUE 1.5 and 100 W fixed: kWh, kg and machines computed by hand."""
    entries = account(DAY, factors_of(site_of(pue=constant_pue(1.5, 100.0))))
    found = totals(entries)
    assert 3.515 == pytest.approx(found["energy_it_kwh"], abs=1e-12)
    # 1.5 x 1.505 + 0.1 = 2.3575 kWh in the first hour, 1.5 x 2.01 + 0.1 = 3.115 in the second
    assert 5.4725 == pytest.approx(found["energy_facility_kwh"], abs=1e-12)
    assert 0.4 * 2.3575 + 0.6 * 3.115 == pytest.approx(found["scope2_location_kg"], abs=1e-12)
    assert (4.5, 5) == (found["machines_on_mean"], found["machines_on_peak"])
    assert (None, None, None) == (found["cost"], found["cost_energy"], found["cost_machines"])


def test_peak_counts_whole_machines() -> None:
    """Two machines and a half on in the mean of an interval are three machines."""
    usage = replace(DAY, machine_ms=DAY.machine_ms // 2)
    assert (3, 2.25) == (
        totals(account(usage, factors_of()))["machines_on_peak"],
        totals(account(usage, factors_of()))["machines_on_mean"],
    )


def test_embodied_of_one_server_hour() -> None:
    """The worked example of SCI 1.1: 1,000 kg over four years is 28.54 g an hour."""
    assert 28.54 == pytest.approx(embodied_share_kg(1_000.0, MS_PER_H) * 1_000, abs=0.005)
    entries = account(usage_of((ONLINE,), [[0], [0]], [[1], [0]]), factors_of())
    whole = total(entries)
    assert 28_539 == whole.embodied_mg
    assert (22_831, 42_808) == (whole.embodied_low_mg, whole.embodied_high_mg)


def test_embodied_is_charged_to_machines_that_are_off() -> None:
    """A machine that is off is charged what it embodies, as one that is on, to the unit."""
    entries = account(usage_of((ONLINE, OFF), [[9, 5], [9, 5]], [[1, 1], [1, 1]]), factors_of())
    # 57,077.6 mg each: the total is rounded once, so one of the two gets the odd unit
    assert [57_077, 57_078] == entries.embodied_mg.sum(axis=0).tolist()


def test_reserved_share_of_embodied() -> None:
    """Half of a server for one hour is half of its embodied share; a lifetime of 0 is refused."""
    assert 14.27 == pytest.approx(
        embodied_share_kg(1_000.0, MS_PER_H, reserved_share=0.5) * 1_000, abs=0.005
    )
    with pytest.raises(ScenarioError, match="lifetime"):
        embodied_share_kg(1.0, 1, lifetime_ms=0)


def test_costs_by_hand() -> None:
    """Prices per kWh of the facility and per machine-hour on give the bill computed by hand."""
    site = site_of(pue=constant_pue(1.5, 100.0), price_per_kwh=0.25)
    entries = account(DAY, factors_of(site, machine_of(price_per_machine_h=0.5)))
    found = totals(entries)
    assert 1.368125 == found["cost_energy"]
    assert 4.5 == found["cost_machines"]  # 3 + 2 + 4 machine-hours on, none that is off
    assert 5.868125 == found["cost"]
    assert 5_868_125 == total(entries).cost_micro


def test_fixed_power_follows_it_energy() -> None:
    """Fixed power is shared in proportion to IT energy, by largest remainder."""
    usage = usage_of((ONLINE, BATCH), [[200, 100], [0, 100]], [[1, 1], [1, 1]])
    entries = account(usage, factors_of(site_of(pue=constant_pue(1.0, 100.0))))
    extra = entries.energy_facility_mwh - entries.energy_it_mwh
    assert [[66_667, 33_333], [0, 100_000]] == extra.tolist()


def test_fixed_power_without_it_energy() -> None:
    """Fixed power of a dark site follows machine time, and is even where there is none."""
    usage = usage_of((ONLINE, BATCH), [[0, 0], [0, 0]], [[1, 3], [0, 0]])
    entries = account(usage, factors_of(site_of(pue=constant_pue(1.0, 100.0))))
    assert [[25_000, 75_000], [50_000, 50_000]] == entries.energy_facility_mwh.tolist()
    assert [[10_000, 30_000], [30_000, 30_000]] == entries.scope2_location_mg.tolist()


def test_pue_steps_hold_where_they_say() -> None:
    """A PUE that changes with the hour prices each hour by its own."""
    pue = Pue(slope=np.array([1.1, 2.0]), fixed_w=np.array([0.0, 1_000.0]), edges_ms=HOURS)
    entries = account(
        usage_of((ONLINE,), [[1_000], [1_000]], [[1], [1]]), factors_of(site_of(pue=pue))
    )
    assert [[1_100_000], [3_000_000]] == entries.energy_facility_mwh.tolist()
    assert [[440_000], [1_800_000]] == entries.scope2_location_mg.tolist()


def test_remainders_go_to_the_largest_and_ties_to_the_first_key() -> None:
    """Three equal thirds of a unit: the total is rounded once, the key decides a tie."""
    groups = (BATCH, ONLINE, OFF)  # by key: batch, off, online
    usage = Usage(
        edges_ms=HOURS,
        groups=groups,
        energy_j=np.array([[1.2, 1.2, 1.2], [0.0, 0.0, 0.0]]),
        machine_ms=np.zeros((2, 3), np.int64),
    )
    assert [[1, 0, 0], [0, 0, 0]] == account(usage, factors_of()).energy_it_mwh.tolist()


def test_huge_fleets_do_not_overflow() -> None:
    """Gigawatts and 10^15 machine-ms, beyond the range of int64 products, are still exact."""
    joules = 2e9 * 3_600.0
    usage = Usage(
        edges_ms=HOURS,
        groups=(ONLINE,),
        energy_j=np.array([[joules], [joules]]),
        machine_ms=np.full((2, 1), 10**15, np.int64),
    )
    whole = total(account(usage, factors_of(site_of(pue=constant_pue(1.25)))))
    assert 4 * 10**12 == whole.energy_it_mwh
    assert 5 * 10**12 == whole.energy_facility_mwh
    assert 25 * 10**11 == whole.scope2_location_mg
    with pytest.raises(InternalError, match="more than 9e\\+12 J in one interval"):
        account(replace(usage, energy_j=usage.energy_j * 2), factors_of())
    assert round(2 * 10**15 * 10**9 / (4 * MS_PER_YEAR)) == whole.embodied_mg


# ------------------------------------------------------------------------------------------
# What entries carry
# ------------------------------------------------------------------------------------------


def test_rows_carry_their_origin() -> None:
    """Each row names scope, method, signal, basis, factor, vintage and quality."""
    site = site_of(
        zone="CN-EAST",
        basis="lifecycle",
        factor_id="three-zones.csv:CN-EAST",
        checksum="ab" * 32,
        vintage="2023",
        quality="synthetic",
        filled=np.array([False, True]),
    )
    table = rows(account(usage_of((ONLINE,), [[1], [1]], [[1], [1]]), factors_of(site)))
    assert ["scope 2 (life-cycle factor)"] * 2 + ["scope 3"] * 2 == table["scope"].tolist()
    assert ["synthetic", "filled", "assumed", "assumed"] == table["quality"].tolist()
    assert ["location", "location", "time-linear", "time-linear"] == table["method"].tolist()
    assert ["average", "average", "", ""] == table["signal"].tolist()
    assert "three-zones.csv:CN-EAST" == table["factor_id"][0]
    assert ("ab" * 32, "2023") == (table["factor_sha256"][0], table["factor_vintage"][0])
    assert [0, MS_PER_H, 0, MS_PER_H] == table["start_ms"].tolist()
    assert (table["emissions_low_mg"] <= table["emissions_mg"]).all()


def test_rows_leave_out_zeros() -> None:
    """An interval in which a group neither used nor held anything makes no row."""
    table = rows(account(usage_of((ONLINE,), [[1], [0]], [[1], [0]]), factors_of()))
    assert ["scope 2 (basis of factor unstated)", "scope 3"] == table["scope"].tolist()


def test_direct_factors_are_plain_scope_2() -> None:
    """Only a direct factor is printed as scope 2 without a remark."""
    assert "scope 2" == scope2_label("direct")


def test_rows_of_machine_cost() -> None:
    """Machine time is billed in the rows of embodied emissions, energy in those of scope 2."""
    site = site_of(price_per_kwh=1.0)
    machine = machine_of(
        price_per_machine_h=2.0, embodied_kg=0.0, embodied_low_kg=0.0, embodied_high_kg=0.0
    )
    table = rows(
        account(usage_of((ONLINE,), [[1_000], [0]], [[1], [0]]), factors_of(site, machine))
    )
    assert [1_000_000, 2_000_000] == table["cost_micro"].tolist()


def test_checksum_tells_factors_apart() -> None:
    """Any change of a factor changes the checksum of all; their order does not."""
    first = factors_of()
    changes = [
        factors_of(site_of(intensity_g_per_kwh=np.array([400.0, 601.0]))),
        factors_of(site_of(pue=constant_pue(1.1))),
        factors_of(site_of(price_per_kwh=0.1)),
        factors_of(None, machine_of(embodied_kg=1_001.0)),
        replace(first, currency="CNY"),
    ]
    assert 6 == len({f.checksum for f in (first, *changes)})
    assert first.checksum == factors_of().checksum


def test_factors_of_a_site_and_its_series() -> None:
    """A site and a series give factors on the window's own clock, with their labels."""
    series = from_samples(
        "CN-EAST",
        np.array([0, MS_PER_H, 2 * MS_PER_H], np.int64),
        np.array([400.0, np.nan, 600.0]),
        fill=Fill(kind="hold"),
        labels=Labels(source="x.csv", checksum="c", vintage="v", synthetic=True, basis="direct"),
    )
    site = Site(name="hz", zone="CN-EAST", pue_slope=1.2, fixed_w=7.0)
    found = site_factors(site, series, MS_PER_H // 2, 2 * MS_PER_H, price_per_kwh=0.3)
    assert [0, MS_PER_H // 2, 3 * MS_PER_H // 2, 2 * MS_PER_H] == found.edges_ms.tolist()
    assert [400.0, 400.0, 600.0] == found.intensity_g_per_kwh.tolist()
    assert [False, True, False] == found.filled.tolist()
    assert ("x.csv:CN-EAST", "c", "v") == (found.factor_id, found.checksum, found.vintage)
    assert ("synthetic", "direct", 0.3) == (found.quality, found.basis, found.price_per_kwh)
    assert (1.2, 7.0) == (found.pue.slope[0], found.pue.fixed_w[0])
    with pytest.raises(DataError, match="not all of"):
        site_factors(site, series, MS_PER_H, 9 * MS_PER_H)


def test_quality_of_intensity() -> None:
    """A series is measured; one value given for all hours is assumed; one made up, synthetic."""
    site = Site(name="hz", zone="CN-EAST", pue_slope=1.2)
    hours, grams = np.arange(3) * MS_PER_H, np.array([400.0, 500.0, 400.0])

    def quality(series: CarbonIntensity) -> str:
        return site_factors(site, series, 0, MS_PER_H).quality

    assert "measured" == quality(from_samples("CN-EAST", hours, grams))
    assert "assumed" == quality(constant("CN-EAST", 500.0))
    assert "synthetic" == quality(constant("CN-EAST", 500.0, Labels(synthetic=True)))


def test_factors_of_a_machine_type() -> None:
    """A type without a range has the middle value for both bounds, a given range is kept."""
    plain = MachineType(
        name="gen8",
        site="hz",
        count=1,
        cpu_m=1,
        memory_mib=1,
        power=Linear(idle_w=1.0, peak_w=2.0),
        embodied_kg=1_300.0,
    )
    found = machine_factors(plain, price_per_machine_h=0.2)
    assert (1_300.0, 1_300.0) == (found.embodied_low_kg, found.embodied_high_kg)
    assert 0.2 == found.price_per_machine_h
    ranged = machine_factors(replace(plain, embodied_low_kg=900.0, embodied_high_kg=2_100.0))
    assert (900.0, 2_100.0) == (ranged.embodied_low_kg, ranged.embodied_high_kg)


def test_edges_of_usage() -> None:
    """Edges are the breakpoints in the window and a grid of five minutes from its start."""
    edges = usage_edges(700_000, [np.array([-5, 400_000, 900_000]), np.array([300_000, 400_000])])
    assert [0, 300_000, 400_000, 600_000, 700_000] == edges.tolist()


def test_machines_on() -> None:
    """Machines that sleep, are off or surplus are not on; one that boots is."""
    roles: tuple[GroupRole, ...] = ("booting", "sleeping", "off", "surplus")
    groups = tuple(Group(site="hz", machine_type="gen8", role=r) for r in roles)
    usage = usage_of(groups, [[0] * 4, [0] * 4], [[1, 2, 4, 8], [1, 2, 4, 8]])
    assert [MS_PER_H, MS_PER_H] == machine_on_ms(usage).tolist()
