"""What the account refuses, and how it says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from greensched.accounting import (
    Factors,
    Group,
    Pue,
    Usage,
    account,
    constant_pue,
    total,
)
from greensched.errors import InternalError, ScenarioError
from greensched.units import MS_PER_H
from tests.accounting_cases import (
    DAY,
    HOURS,
    ONLINE,
    factors_of,
    machine_of,
    site_of,
    usage_of,
)

# ------------------------------------------------------------------------------------------
# What it refuses
# ------------------------------------------------------------------------------------------


def test_interval_across_a_breakpoint_is_a_bug() -> None:
    """An interval that crosses a change of intensity or PUE is refused."""
    edges = np.array([0, MS_PER_H // 2, 2 * MS_PER_H], np.int64)
    with pytest.raises(InternalError, match="crosses a breakpoint of intensity of hz"):
        account(DAY, factors_of(site_of(edges_ms=edges)))
    pue = Pue(slope=np.array([1.0, 2.0]), fixed_w=np.zeros(2), edges_ms=edges)
    with pytest.raises(InternalError, match="crosses a breakpoint of PUE of hz"):
        account(DAY, factors_of(site_of(pue=pue)))


@pytest.mark.parametrize("edges", [[1, MS_PER_H, 2 * MS_PER_H], [0, MS_PER_H, 2 * MS_PER_H - 1]])
def test_factors_that_do_not_cover_usage_are_a_bug(edges: list[int]) -> None:
    """Factors that begin after the usage or end before it are refused."""
    with pytest.raises(InternalError, match="intensity of hz covers"):
        account(DAY, factors_of(site_of(edges_ms=np.array(edges, np.int64))))


def test_marginal_intensity_is_refused() -> None:
    """Marginal factors have no place in a location-based inventory."""
    with pytest.raises(ScenarioError, match="marginal factors are not allowed"):
        account(DAY, factors_of(site_of(signal="marginal")))


def test_missing_and_double_factors_are_a_bug() -> None:
    """All sites and types that factors lack or name twice are told at once."""
    strange = usage_of(
        (Group(site="sh", machine_type="gen9", role="off"),), [[0], [0]], [[1], [1]]
    )
    twice = Factors(sites=(site_of(),) * 2, machine_types=(machine_of(),) * 2)
    with pytest.raises(InternalError) as caught:
        account(strange, twice)
    assert [
        "no factors for site 'sh'",
        "no factors for machine type 'gen9'",
        "factors name 'hz' twice",
        "factors name 'gen8' twice",
    ] == [f.what for f in caught.value.findings]


def test_fixed_power_is_never_lost() -> None:
    """Fixed power of a site without machines in the usage is refused, not dropped."""
    empty = site_of(site="sh", pue=constant_pue(1.0, 5.0))
    with pytest.raises(InternalError, match="site 'sh' has fixed power but no machines"):
        account(DAY, Factors(sites=(site_of(), empty), machine_types=(machine_of(),)))
    dark = site_of(site="sh")
    lit = total(account(DAY, Factors(sites=(site_of(), dark), machine_types=(machine_of(),))))
    assert total(account(DAY, factors_of())) == lit


def test_usage_without_groups_is_a_bug() -> None:
    """Usage of nothing is refused."""
    with pytest.raises(InternalError, match="no groups"):
        account(usage_of((), [[], []], [[], []]), factors_of())


def test_prices_for_some_are_refused() -> None:
    """A price for one site but not for another is refused: the bill would lack a part."""
    sites = (site_of(price_per_kwh=0.1), site_of(site="sh"))
    with pytest.raises(ScenarioError, match="price of sh: no price per kWh"):
        account(DAY, Factors(sites=sites, machine_types=(machine_of(),)))


@pytest.mark.parametrize("joules", [-1.0, np.nan, np.inf])
def test_impossible_energy_is_a_bug(joules: float) -> None:
    """Energy that is negative or not a number is refused with its group and interval."""
    with pytest.raises(InternalError, match=r"role='online'.* in interval 1"):
        replace(usage_of((ONLINE,), [[0], [0]], [[1], [1]]), energy_j=np.array([[0.0], [joules]]))


def test_usage_of_wrong_shape_is_a_bug() -> None:
    """Tables that do not match, edges that do not rise and groups named twice are refused."""
    good = usage_of((ONLINE,), [[0], [0]], [[1], [1]])
    assert 2 * MS_PER_H == good.window_ms
    with pytest.raises(InternalError, match="2 intervals and 1 groups"):
        replace(good, energy_j=np.zeros((2, 2)))
    with pytest.raises(InternalError, match="do not rise"):
        replace(good, edges_ms=np.array([0, 0, 1], np.int64))
    with pytest.raises(InternalError, match="do not rise"):
        Usage(
            edges_ms=np.array([0], np.int64),
            groups=(),
            energy_j=np.zeros((0, 0)),
            machine_ms=np.zeros((0, 0), np.int64),
        )
    with pytest.raises(InternalError, match="twice"):
        usage_of((ONLINE, ONLINE), [[0, 0], [0, 0]], [[1, 1], [1, 1]])
    with pytest.raises(InternalError, match="negative"):
        replace(good, machine_ms=np.array([[1], [-1]], np.int64))


def test_bad_factors_are_refused() -> None:
    """Intensities, prices, PUEs and embodied ranges that cannot be are refused by name."""
    with pytest.raises(ScenarioError, match="not above 0") as caught:
        site_of(intensity_g_per_kwh=np.array([0.0, 1.0]), edges_ms=HOURS[::-1], price_per_kwh=-1.0)
    assert 3 == len(caught.value.findings)
    with pytest.raises(ScenarioError, match="do not rise from 0") as caught:
        machine_of(embodied_low_kg=2_000.0, price_per_machine_h=np.inf, lifetime_ms=0)
    assert 3 == len(caught.value.findings)
    with pytest.raises(ScenarioError, match=r"0\.9 is below 1\.0; PUE is facility energy"):
        constant_pue(0.9)
    with pytest.raises(ScenarioError, match=r"125 is not in 1 \.\. 3"):
        constant_pue(125.0)
    with pytest.raises(ScenarioError, match=r"-1\.0 W is not in 0"):
        constant_pue(1.0, -1.0)
    with pytest.raises(ScenarioError, match="edges do not match"):
        Pue(slope=np.ones(1), fixed_w=np.zeros(2))
