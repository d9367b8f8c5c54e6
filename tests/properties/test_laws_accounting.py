"""The laws of accounting: what holds for every usage and all factors."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.accounting import (
    Factors,
    Group,
    SiteFactors,
    Step,
    Usage,
    account,
    baseline_of,
    constant_pue,
    integrate,
    savings,
    total,
)
from greensched.accounting.usage import ROLES
from greensched.errors import ScenarioError
from greensched.power import Square
from tests.properties.accounts import COLUMNS, accounts, gen8, tables, with_sites

BASELINE = baseline_of("static-peak", "All machines always on.", {"switches": []})


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


def _watts_by_hand(step: Step) -> float:
    if step.role in ("booting", "sleeping", "off", "surplus", "out"):
        return 80.0 if step.role == "booting" else 5.0
    return 32.0 + 148.0 * step.utilisation**2


@given(_days())
def test_i05_integral_equals_brute_force(steps: list[Step]) -> None:
    """The exact integral equals a sum over every second, by role, to 1e-9."""
    end_ms = steps[-1].end_ms
    usage = integrate(
        steps, gen8(Square(idle_w=32.0, peak_w=180.0)), np.array([0, end_ms], np.int64)
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
    usage, factors = draw(accounts(whole_j=True))
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


@given(accounts(most_j=1e5, whole_j=True))
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


@given(accounts(least_j=1e6))
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
