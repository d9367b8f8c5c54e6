"""Hypothesis strategies: valid random usage and factors, small enough to check by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from greensched.accounting import (
    Factors,
    Group,
    MachineFactors,
    Pue,
    SiteFactors,
    Usage,
)
from greensched.accounting.usage import ROLES
from greensched.model import MachineType

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.accounting import Entries
    from greensched.model import PowerModel

SITES = ("hz", "sh")
TYPES = ("gen7", "gen8", "gen9")
COLUMNS = (
    "energy_it_mwh",
    "energy_facility_mwh",
    "scope2_location_mg",
    "embodied_mg",
    "embodied_low_mg",
    "embodied_high_mg",
    "cost_energy_micro",
    "cost_machines_micro",
)


def tables(entries: Entries) -> dict[str, np.ndarray[Any, np.dtype[np.int64]]]:
    """Return the entries' tables by name."""
    return {name: getattr(entries, name) for name in COLUMNS}


@st.composite
def usages(draw: Callable[..., Any], *, joules: st.SearchStrategy[float] | None = None) -> Usage:
    """Return usage of one to six groups in one to five intervals."""
    if joules is None:
        joules = st.floats(0.0, 1e8, allow_subnormal=False)
    lengths = draw(st.lists(st.integers(1_000, 300_000), min_size=1, max_size=5))
    places = st.tuples(st.sampled_from(SITES), st.sampled_from(TYPES), st.sampled_from(ROLES))
    keys = draw(st.lists(places, min_size=1, max_size=6, unique=True))
    shape = (len(lengths), len(keys))
    cells = shape[0] * shape[1]
    energy = draw(st.lists(joules, min_size=cells, max_size=cells))
    held = draw(st.lists(st.integers(0, 10**8), min_size=cells, max_size=cells))
    return Usage(
        edges_ms=np.cumsum([0, *lengths], dtype=np.int64),
        groups=tuple(Group(site=s, machine_type=t, role=r) for s, t, r in keys),
        energy_j=np.array(energy, np.float64).reshape(shape),
        machine_ms=np.array(held, np.int64).reshape(shape),
    )


@st.composite
def factors_for(draw: Callable[..., Any], usage: Usage, *, most_g: float = 2_000.0) -> Factors:
    """Return factors whose steps are the usage's intervals."""
    n = len(usage.edges_ms) - 1

    def row(low: float, high: float) -> np.ndarray[Any, np.dtype[np.float64]]:
        values = st.floats(low, high, allow_subnormal=False)
        return np.array(draw(st.lists(values, min_size=n, max_size=n)), np.float64)

    sites = tuple(
        SiteFactors(
            site=name,
            edges_ms=usage.edges_ms,
            intensity_g_per_kwh=row(1.0, most_g),
            pue=Pue(
                slope=row(1.0, 3.0),
                fixed_w=row(0.0, 1e5),
                edges_ms=usage.edges_ms,
            ),
            price_per_kwh=draw(st.floats(0.0, 2.0, allow_subnormal=False)),
            factor_id=f"test:{name}",
        )
        for name in sorted({group.site for group in usage.groups})
    )
    types = tuple(draw(_types(name)) for name in sorted({g.machine_type for g in usage.groups}))
    return Factors(sites=sites, machine_types=types, currency="EUR")


@st.composite
def _types(draw: Callable[..., Any], name: str) -> MachineFactors:
    kg = st.floats(0.0, 5_000.0, allow_subnormal=False)
    low, mid, high = sorted(draw(st.tuples(kg, kg, kg)))
    return MachineFactors(
        machine_type=name,
        embodied_kg=mid,
        embodied_low_kg=low,
        embodied_high_kg=high,
        lifetime_ms=draw(st.integers(1, 10 * 365 * 86_400_000)),
        price_per_machine_h=draw(st.floats(0.0, 10.0, allow_subnormal=False)),
    )


@st.composite
def accounts(
    draw: Callable[..., Any],
    *,
    joules: st.SearchStrategy[float] | None = None,
    most_g: float = 2_000.0,
) -> tuple[Usage, Factors]:
    """Return usage and factors that fit it."""
    usage = draw(usages(joules=joules))
    return usage, draw(factors_for(usage, most_g=most_g))


def with_sites(factors: Factors, change: Callable[[SiteFactors], SiteFactors]) -> Factors:
    """Return `factors` with every site changed."""
    return replace(factors, sites=tuple(change(site) for site in factors.sites))


def gen8(power: PowerModel) -> dict[str, MachineType]:
    """Return one machine type by its name."""
    return {
        "gen8": MachineType(
            name="gen8", site="hz", count=1, cpu_m=1_000, memory_mib=1, power=power, boot_w=80.0
        )
    }
