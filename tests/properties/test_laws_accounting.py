"""The laws of accounting: what holds for every usage and all factors."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

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
from greensched.accounting.usage import ROLES
from greensched.errors import ScenarioError
from greensched.model import MachineType
from greensched.power import Linear, Square
from tests.properties.accounts import COLUMNS, accounts, tables, usages, with_sites

if TYPE_CHECKING:
    from greensched.model import PowerModel

BASELINE = baseline_of("static-peak", "All machines always on.", {"switches": []})
WHOLE_JOULES = st.integers(0, 10**8).map(float)


# ------------------------------------------------------------------------------------------
# I-04 to I-07: nothing saved by nothing, exact integrals, any cut, any order
# ------------------------------------------------------------------------------------------


@given(accounts())
def test_i04_same_run_saves_nothing(pair: tuple[Usage, Factors]) -> None:
    """A scenario equal to its baseline saves exactly 0 of everything."""
    saved = savings(BASELINE, account(*pair), account(*pair))
    assert {0} == {getattr(saved, name) for name in ("machine_on_ms", *COLUMNS)}


@st.composite
def _days(draw: Any) -> list[Step]:
    """Return what one machine did in consecutive steps of whole seconds."""
    lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    steps, at = [], 0
    for seconds in lengths:
        role = draw(st.sampled_from(ROLES))
        use = draw(st.floats(0.0, 1.0))
        steps.append(
            Step(
                machine_type="gen8",
                role=role,
                start_ms=at * 1_000,
                end_ms=(at + seconds) * 1_000,
                utilisation=use,
            )
        )
        at += seconds
    return steps


def _gen8(power: PowerModel) -> dict[str, MachineType]:
    return {
        "gen8": MachineType(
            name="gen8", site="hz", count=1, cpu_m=1_000, memory_mib=1, power=power, boot_w=80.0
        )
    }


def _watts_by_hand(step: Step) -> float:
    if step.role in ("booting", "sleeping", "off", "surplus"):
        return 80.0 if step.role == "booting" else 5.0
    return 32.0 + 148.0 * step.utilisation**2


@given(_days())
def test_i05_integral_equals_brute_force(steps: list[Step]) -> None:
    """The exact integral equals a sum over every second, by role, to 1e-9."""
    end_ms = steps[-1].end_ms
    usage = integrate(
        steps, _gen8(Square(idle_w=32.0, peak_w=180.0)), np.array([0, end_ms], np.int64)
    )
    second_j: dict[str, list[float]] = {}
    for second in range(end_ms // 1_000):
        (step,) = (s for s in steps if s.start_ms <= second * 1_000 < s.end_ms)
        second_j.setdefault(step.role, []).append(_watts_by_hand(step))
    measured = {group.role: usage.energy_j[0, g] for g, group in enumerate(usage.groups)}
    assert {role: math.fsum(j) for role, j in second_j.items()} == pytest.approx(
        measured, rel=1e-9
    )
    assert end_ms == int(usage.machine_ms.sum())


@st.composite
def _cuts(draw: Any) -> tuple[Usage, Factors, Usage]:
    """Return an account's usage and the same with one interval cut in two."""
    usage, factors = draw(accounts(joules=WHOLE_JOULES))
    lengths = np.diff(usage.edges_ms)
    k = draw(st.integers(0, len(lengths) - 1))
    at = int(usage.edges_ms[k]) + draw(st.integers(1, int(lengths[k]) - 1))
    share = draw(st.integers(0, 1_000))

    def cut(table: Any) -> Any:
        first = table[k] * share // 1_000
        return np.insert(np.delete(table, k, 0), k, np.stack([first, table[k] - first]), 0)

    edges_ms = np.insert(usage.edges_ms, k + 1, at)
    split = replace(
        usage,
        edges_ms=edges_ms,
        energy_j=cut(usage.energy_j),
        machine_ms=cut(usage.machine_ms),
    )
    return usage, factors, split


@given(_cuts())
def test_i06_cutting_an_interval_changes_no_sum(case: tuple[Usage, Factors, Usage]) -> None:
    """C([a, c)) = C([a, b)) + C([b, c)) to the last unit, for every old interval."""
    usage, factors, split = case
    at = np.searchsorted(usage.edges_ms, split.edges_ms[:-1], side="right") - 1
    whole, parts = tables(account(usage, factors)), tables(account(split, factors))
    for name in COLUMNS:
        joined = np.zeros(len(usage.edges_ms) - 1, np.int64)
        np.add.at(joined, at, parts[name].sum(axis=1))
        assert whole[name].sum(axis=1).tolist() == joined.tolist(), name


@given(pair=accounts(), data=st.data())
def test_i07_order_of_groups_changes_nothing(pair: tuple[Usage, Factors], data: Any) -> None:
    """Reordering groups, sites and types reorders the entries and changes none of them."""
    usage, factors = pair
    order = data.draw(st.permutations(range(len(usage.groups))))
    mixed = replace(
        usage,
        groups=tuple(usage.groups[g] for g in order),
        energy_j=usage.energy_j[:, order],
        machine_ms=usage.machine_ms[:, order],
    )
    turned = replace(factors, sites=factors.sites[::-1], machine_types=factors.machine_types[::-1])
    before, after = account(usage, factors), account(mixed, turned)
    for name in COLUMNS:
        assert tables(before)[name][:, order].tolist() == tables(after)[name].tolist(), name
    assert total(before) == total(after)
    assert before.factors_sha256 == after.factors_sha256


# ------------------------------------------------------------------------------------------
# I-08 to I-12: names, units, time, signs, PUE
# ------------------------------------------------------------------------------------------


@given(accounts())
def test_i08_renaming_changes_nothing(pair: tuple[Usage, Factors]) -> None:
    """Names that keep their order can be replaced without any entry changing."""
    usage, factors = pair
    renamed = replace(
        usage,
        groups=tuple(
            Group(site=f"x-{g.site}", machine_type=f"y-{g.machine_type}", role=g.role)
            for g in usage.groups
        ),
    )
    other = Factors(
        sites=tuple(replace(s, site=f"x-{s.site}") for s in factors.sites),
        machine_types=tuple(
            replace(m, machine_type=f"y-{m.machine_type}") for m in factors.machine_types
        ),
    )
    before, after = tables(account(usage, factors)), tables(account(renamed, other))
    assert all(before[name].tolist() == after[name].tolist() for name in COLUMNS)


@given(pair=accounts(most_g=100.0), times=st.integers(1, 20))
def test_i09_intensity_scales_scope_2(pair: tuple[Usage, Factors], times: int) -> None:
    """Intensity times k is k times scope 2, but for the rounding of each total."""
    usage, factors = pair
    more = with_sites(
        factors, lambda s: replace(s, intensity_g_per_kwh=s.intensity_g_per_kwh * times)
    )
    once, scaled = total(account(usage, factors)), total(account(usage, more))
    sites = len(factors.sites) + 1  # totals that are rounded: all groups, each fixed power
    slack_mg = sites * (times + 1) / 2 + 1e-9 * scaled.scope2_location_mg
    assert abs(scaled.scope2_location_mg - times * once.scope2_location_mg) <= slack_mg


@given(accounts(joules=WHOLE_JOULES))
def test_i09_units_of_energy_give_the_same_entries(pair: tuple[Usage, Factors]) -> None:
    """Energy metered in watt-hours or in kilowatt-hours gives the same integers."""
    usage, factors = pair
    watt_hours = replace(usage, energy_j=usage.energy_j * 3_600.0)
    kilowatt_hours = replace(usage, energy_j=usage.energy_j / 1_000.0 * 3_600_000.0)
    assert total(account(watt_hours, factors)) == total(account(kilowatt_hours, factors))


@given(pair=accounts(), shift_ms=st.integers(-(10**12), 10**12))
def test_i10_shifting_time_changes_nothing(pair: tuple[Usage, Factors], shift_ms: int) -> None:
    """Usage, intensity and PUE moved by the same time give the same entries."""
    usage, factors = pair
    later = with_sites(
        factors,
        lambda s: replace(
            s,
            edges_ms=s.edges_ms + shift_ms,
            pue=replace(s.pue, edges_ms=s.pue.edges_ms + shift_ms),
        ),
    )
    before = account(usage, factors)
    after = account(replace(usage, edges_ms=usage.edges_ms + shift_ms), later)
    assert all(tables(before)[name].tolist() == tables(after)[name].tolist() for name in COLUMNS)


@given(accounts())
def test_i11_no_entry_is_negative(pair: tuple[Usage, Factors]) -> None:
    """Energy, emissions and costs of every interval and group are at least 0."""
    for name, table in tables(account(*pair)).items():
        assert 0 <= int(table.min()), name


@given(accounts(joules=st.floats(1e6, 1e8)))
def test_i11_a_loss_is_shown(pair: tuple[Usage, Factors]) -> None:
    """A scenario that uses twice the energy has a negative saving, equal to its excess."""
    usage, factors = pair
    before = account(usage, factors)
    after = account(replace(usage, energy_j=usage.energy_j * 2), factors)
    saved = savings(BASELINE, before, after)
    assert saved.energy_it_mwh < 0
    assert total(before).energy_it_mwh - total(after).energy_it_mwh == saved.energy_it_mwh
    assert saved.scope2_location_mg <= 0


@given(pair=accounts(), data=st.data())
def test_i12_pue_monotone(pair: tuple[Usage, Factors], data: Any) -> None:
    """A PUE that is nowhere lower never gives less facility energy, emissions or cost."""
    usage, factors = pair

    def worse(site: SiteFactors) -> SiteFactors:
        more = data.draw(st.floats(0.0, 1.0))
        slope = np.minimum(site.pue.slope + more, 3.0)
        fixed_w = site.pue.fixed_w + data.draw(st.floats(0.0, 1e4))
        return replace(site, pue=replace(site.pue, slope=slope, fixed_w=fixed_w))

    low, high = total(account(usage, factors)), total(account(usage, with_sites(factors, worse)))
    assert low.energy_it_mwh == high.energy_it_mwh
    assert low.energy_facility_mwh <= high.energy_facility_mwh
    assert low.scope2_location_mg <= high.scope2_location_mg
    assert (low.cost_energy_micro or 0) <= (high.cost_energy_micro or 0)


@given(accounts())
def test_i12_facility_is_never_less_than_it(pair: tuple[Usage, Factors]) -> None:
    """The facility uses at least what its machines use."""
    whole = total(account(*pair))
    assert whole.energy_it_mwh <= whole.energy_facility_mwh


@given(st.floats(0.0, 1.0, exclude_max=True))
def test_i12_pue_below_one_is_refused(pue: float) -> None:
    """A PUE below 1 is refused: a facility cannot use less than its machines."""
    with pytest.raises(ScenarioError, match="PUE is facility energy / IT energy"):
        constant_pue(pue)


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
    power = _gen8(Linear(idle_w=32.0, peak_w=180.0))
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
        "from tests.properties.test_laws_accounting import example_entries\n"
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
