"""The laws of accounting, continued: embodied emissions, flat grids, exact sums."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from greensched.accounting import (
    Factors,
    Group,
    MachineFactors,
    Pue,
    SiteFactors,
    Step,
    Usage,
    account,
    apportion,
    baseline_of,
    constant_pue,
    integrate,
    rows,
    savings,
    total,
)
from greensched.accounting.rounding import meter, settle, spread
from greensched.errors import ScenarioError
from greensched.power import Linear
from tests.properties.accounts import accounts, gen8, usages, with_sites

BASELINE = baseline_of("static-peak", "All machines always on.", {"switches": []})


# ------------------------------------------------------------------------------------------
# I-13 to I-26: embodied, flat intensity, determinism
# ------------------------------------------------------------------------------------------


@given(accounts())
def test_i13_switching_off_saves_no_embodied(pair: tuple[Usage, Factors]) -> None:
    """All machine time moved to `off`, at no energy, leaves embodied emissions as they were."""
    usage, factors = pair
    places = sorted({(g.site, g.machine_type) for g in usage.groups})
    held = np.zeros((len(usage.edges_ms) - 1, len(places)), np.int64)
    for g, group in enumerate(usage.groups):
        held[:, places.index((group.site, group.machine_type))] += usage.machine_ms[:, g]
    off = Usage(
        edges_ms=usage.edges_ms,
        groups=tuple(Group(site=s, machine_type=t, role="off") for s, t in places),
        energy_j=np.zeros(held.shape),
        machine_ms=held,
    )
    saved = savings(BASELINE, account(usage, factors), account(off, factors))
    assert (0, 0, 0) == (saved.embodied_mg, saved.embodied_low_mg, saved.embodied_high_mg)
    assert saved.scope2_location_mg >= 0


@given(
    embodied_mg=st.integers(0, 10**13),
    cuts=st.lists(st.integers(1, 10**11), min_size=1, max_size=12, unique=True),
    data=st.data(),
)
def test_i13_a_lifetime_sums_to_the_whole(embodied_mg: int, cuts: list[int], data: Any) -> None:
    """Held for its lifetime in any roles, a machine is charged all it embodies and no more."""
    edges = [0, *sorted(cuts)]
    groups = tuple(Group(site="hz", machine_type="gen8", role=r) for r in ("online", "off"))
    held = np.zeros((len(edges) - 1, 2), np.int64)
    for k in range(len(edges) - 1):
        held[k, data.draw(st.integers(0, 1))] = edges[k + 1] - edges[k]
    usage = Usage(
        edges_ms=np.array(edges, np.int64),
        groups=groups,
        energy_j=np.zeros(held.shape),
        machine_ms=held,
    )
    kg = embodied_mg / 1_000_000
    machine = MachineFactors(
        machine_type="gen8",
        embodied_kg=kg,
        embodied_low_kg=kg,
        embodied_high_kg=kg,
        lifetime_ms=edges[-1],
    )
    site = SiteFactors(
        site="hz",
        edges_ms=np.array([0, edges[-1]], np.int64),
        intensity_g_per_kwh=np.array([500.0]),
    )
    entries = account(usage, Factors(sites=(site,), machine_types=(machine,)))
    assert round(kg * 1_000_000) == total(entries).embodied_mg


@given(st.integers(-(10**9), 0))
def test_i13_zero_lifetime_is_refused(lifetime_ms: int) -> None:
    """A machine without a lifetime is refused."""
    with pytest.raises(ScenarioError, match="lifetime"):
        MachineFactors(
            machine_type="gen8",
            embodied_kg=1.0,
            embodied_low_kg=1.0,
            embodied_high_kg=1.0,
            lifetime_ms=lifetime_ms,
        )


@given(
    uses=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=24),
    grams=st.floats(1.0, 2_000.0),
    pue=st.floats(1.0, 3.0),
    data=st.data(),
)
def test_i15_shifting_on_a_flat_grid_saves_nothing(
    uses: list[float], grams: float, pue: float, data: Any
) -> None:
    """With flat intensity and linear power, work at another hour emits the same."""
    edges = np.arange(len(uses) + 1, dtype=np.int64) * 300_000
    power = gen8(Linear(idle_w=32.0, peak_w=180.0))
    shifted = data.draw(st.permutations(uses))
    site = SiteFactors(
        site="hz",
        edges_ms=edges[[0, -1]],
        intensity_g_per_kwh=np.array([grams]),
        pue=constant_pue(pue),
    )
    machine = MachineFactors(
        machine_type="gen8",
        embodied_kg=0.0,
        embodied_low_kg=0.0,
        embodied_high_kg=0.0,
        lifetime_ms=1,
    )
    factors = Factors(sites=(site,), machine_types=(machine,))

    def run(order: list[float]) -> Any:
        steps = [
            Step(
                machine_type="gen8",
                role="online",
                start_ms=int(edges[k]),
                end_ms=int(edges[k + 1]),
                utilisation=use,
            )
            for k, use in enumerate(order)
        ]
        return account(integrate(steps, power, edges), factors)

    saved = savings(BASELINE, run(uses), run(shifted))
    assert (0, 0, 0) == (
        saved.energy_it_mwh,
        saved.energy_facility_mwh,
        saved.scope2_location_mg,
    )


def test_i26_same_bytes_in_every_process() -> None:
    """Two processes with different hash seeds write the same entries to the byte."""
    code = (
        "import hashlib, numpy as np\n"
        "from tests.properties.test_laws_accounting_sums import example_entries\n"
        "from greensched.accounting import rows\n"
        "from greensched.accounting.savings import canonical_json\n"
        "columns = {k: v.tolist() for k, v in rows(example_entries()).items()}\n"
        "print(hashlib.sha256(canonical_json(columns)).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
        ).stdout
        for seed in ("1", "2")
    }
    assert 1 == len(digests)
    assert 65 == len(digests.pop())


def example_entries() -> Any:
    """Return the entries of a small account with awkward remainders."""
    groups = tuple(Group(site="hz", machine_type=t, role="online") for t in ("a", "b", "c"))
    edges_ms = np.array([0, 1_000, 2_000], np.int64)
    usage = Usage(
        edges_ms=edges_ms,
        groups=groups,
        energy_j=np.full((2, 3), 1.0),
        machine_ms=np.full((2, 3), 1_000, np.int64),
    )
    machines = tuple(
        MachineFactors(
            machine_type=t,
            embodied_kg=1_000.0,
            embodied_low_kg=900.0,
            embodied_high_kg=2_100.0,
            lifetime_ms=126_144_000_000,
        )
        for t in ("a", "b", "c")
    )
    site = SiteFactors(site="hz", edges_ms=edges_ms, intensity_g_per_kwh=np.array([300.0, 700.0]))
    return account(usage, Factors(sites=(site,), machine_types=machines))


# ------------------------------------------------------------------------------------------
# Sums: parts and totals, to the last unit
# ------------------------------------------------------------------------------------------


@given(usages())
def test_parts_sum_to_the_exact_total(usage: Usage) -> None:
    """IT energy of all parts is the exact sum of the joules, rounded once."""
    site_names = sorted({g.site for g in usage.groups})
    type_names = sorted({g.machine_type for g in usage.groups})
    factors = Factors(
        sites=tuple(
            SiteFactors(
                site=name,
                edges_ms=usage.edges_ms[[0, -1]],
                intensity_g_per_kwh=np.array([1_000.0]),
            )
            for name in site_names
        ),
        machine_types=tuple(
            MachineFactors(
                machine_type=name,
                embodied_kg=0.0,
                embodied_low_kg=0.0,
                embodied_high_kg=0.0,
                lifetime_ms=1,
            )
            for name in type_names
        ),
    )
    entries = account(usage, factors)
    exact_uj = sum(round(j * 1e6) for j in usage.energy_j.ravel().tolist())
    assert round(Fraction(exact_uj, 3_600_000)) == int(entries.energy_it_mwh.sum())
    assert entries.energy_it_mwh.tolist() == entries.energy_facility_mwh.tolist()
    assert int(entries.energy_it_mwh.sum()) == int(entries.scope2_location_mg.sum())


@given(pair=accounts())
def test_i23_a_machine_is_on_once(pair: tuple[Usage, Factors]) -> None:
    """Machine time on, lent time in it once, and in the other roles is all machine time."""
    usage, factors = pair
    sums = total(account(usage, factors))
    rests = [group.role in {"sleeping", "off", "surplus", "out"} for group in usage.groups]
    resting_ms = int(usage.machine_ms[:, rests].sum())
    assert int(usage.machine_ms.sum()) == sums.machine_on_ms + resting_ms
    busiest = usage.machine_ms.sum(axis=1) / np.diff(usage.edges_ms)
    assert sums.machines_on_peak <= math.ceil(busiest.max())


@given(accounts())
def test_rows_sum_to_totals(pair: tuple[Usage, Factors]) -> None:
    """The long table's columns sum to the totals to the last unit, zeros left out."""
    entries = account(*pair)
    whole, columns = total(entries), rows(entries)
    assert whole.energy_it_mwh == int(columns["energy_it_mwh"].sum())
    assert whole.energy_facility_mwh == int(columns["energy_facility_mwh"].sum())
    assert whole.scope2_location_mg + whole.embodied_mg == int(columns["emissions_mg"].sum())
    assert whole.scope2_location_mg + whole.embodied_low_mg == int(
        columns["emissions_low_mg"].sum()
    )
    assert whole.cost_micro == int(columns["cost_micro"].sum())
    assert 1 == len({len(column) for column in columns.values()})


@given(
    amounts=st.lists(st.lists(st.integers(0, 10**16), min_size=3, max_size=3), min_size=1),
    ratio=st.integers(0, 6 * 10**12),
    divisors=st.lists(st.integers(1, 10**7), min_size=3, max_size=3),
)
def test_settle_is_exact(amounts: list[list[int]], ratio: int, divisors: list[int]) -> None:
    """Settled tables meet their exact sums: rounded once in all, within 1 everywhere."""
    table = np.array(amounts, np.int64)
    exact = [
        [Fraction(x * ratio, d * 10**9) for x, d in zip(row, divisors, strict=True)]
        for row in amounts
    ]
    assume(sum(map(sum, exact)) < 2**62)
    cells = settle(table, divisors, [2, 0, 1], np.full(table.shape, ratio, np.int64))
    assert round(sum(map(sum, exact))) == int(cells.sum())
    for g in range(3):
        running, seen = Fraction(0), 0
        for k in range(len(amounts)):
            running += exact[k][g]
            seen += int(cells[k, g])
            assert abs(running - seen) < 1
    assert 0 <= int(cells.min())


def test_settle_sees_the_smallest_remainders() -> None:
    """Six hundred parts of 0.000999 sum to 0.5994: one of them, the first by rank, is 1."""
    table = np.ones((1, 600), np.int64)
    rank = list(range(600))[::-1]
    cells = settle(table, [1] * 600, rank, np.full(table.shape, 999_000, np.int64))
    assert [0] * 599 + [1] == cells[0].tolist()


def test_settle_rounds_a_tie_to_even() -> None:
    """A total of 1.5 becomes 2 and one of 2.5 stays 2, however the parts are."""
    assert [[2, 0]] == settle(np.array([[5, 1]]), [4, 4], [0, 1]).tolist()
    assert [[2]] == settle(np.array([[5]]), [2], [0]).tolist()


def test_spread_gives_ties_by_rank() -> None:
    """An odd unit between equals goes to the first by rank, wherever it stands."""
    assert [[0, 1]] == spread(np.array([1]), np.ones((1, 2), np.int64), [1, 0]).tolist()


@given(
    totals=st.lists(st.integers(0, 10**15), min_size=1, max_size=4),
    weights=st.lists(st.integers(0, 10**12), min_size=5, max_size=5).filter(any),
)
def test_spread_is_exact(totals: list[int], weights: list[int]) -> None:
    """Divided integers sum to their totals, and no part is 1 or more from its share."""
    table = np.tile(np.array(weights, np.int64), (len(totals), 1))
    parts = spread(np.array(totals, np.int64), table, [4, 3, 2, 1, 0])
    assert totals == parts.sum(axis=1).tolist()
    for k, whole in enumerate(totals):
        for g, weight in enumerate(weights):
            assert abs(Fraction(whole * weight, sum(weights)) - int(parts[k, g])) < 1


@given(
    amounts=st.lists(st.integers(0, 10**15), min_size=1, max_size=6),
    rate=st.integers(0, 10**12),
    divisor=st.integers(1, 10**19),
)
def test_meter_reads_the_running_sum(amounts: list[int], rate: int, divisor: int) -> None:
    """A meter's units sum to its exact running sum, rounded half up."""
    units = meter(amounts, [rate] * len(amounts), divisor)
    assert math.floor(Fraction(sum(amounts) * rate, divisor) + Fraction(1, 2)) == sum(units)
    assert 0 <= min(units)


@given(
    parts=st.lists(st.floats(0.0, 1e9, allow_subnormal=False), max_size=40),
    spare_mwh=st.integers(0, 10**9),
)
def test_parts_of_machines_and_unallocated_sum(parts: list[float], spare_mwh: int) -> None:
    """Energy of services and jobs plus `unallocated` is the machines' to the last mWh."""
    total_mwh = math.floor(math.fsum(p / 3.6 for p in parts)) + spare_mwh
    shares, unallocated = apportion(np.array(parts, np.float64), total_mwh)
    assert total_mwh == int(shares.sum()) + unallocated
    assert 0 <= unallocated
    assert 0 <= int(shares.min(initial=0))
    worst = np.abs(shares - np.array(parts) / 3.6).max(initial=0.0)
    assert worst < 1.0 + 1e-6


@given(accounts(), st.floats(1.0, 3.0))
def test_pue_table_of_one_value_is_the_constant(pair: tuple[Usage, Factors], pue: float) -> None:
    """A PUE given as steps of one value gives the entries of the constant."""
    usage, factors = pair
    n = len(usage.edges_ms) - 1
    steps = Pue(slope=np.full(n, pue), fixed_w=np.full(n, 50.0), edges_ms=usage.edges_ms)
    table = with_sites(factors, lambda s: replace(s, pue=steps))
    constant = with_sites(factors, lambda s: replace(s, pue=constant_pue(pue, 50.0)))
    assert total(account(usage, constant)) == total(account(usage, table))
