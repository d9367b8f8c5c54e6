"""Hypothesis strategies: valid random usage and factors, small enough to check by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
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
from tests.drawn import of_any_size, shares, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.accounting import Entries
    from greensched.model import FloatArray, PowerModel

SITES = ("hz", "sh")
TYPES = ("gen7", "gen8", "gen9")
GROUPS = tuple(Group(site=s, machine_type=t, role=r) for s, t, r in product(SITES, TYPES, ROLES))
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
def usages(
    draw: st.DrawFn,
    *,
    least_j: float = 0.0,
    most_j: float = 1e8,
    whole_j: bool = False,
) -> Usage:
    """Return usage of one to six groups in one to five intervals; of whole joules, if asked."""
    n, count = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    groups = np.argsort(shares(draw, len(GROUPS)), kind="stable")[:count]
    cells = shares(draw, 5, 13)[:n]
    lengths = whole(cells[:, -1], 1_000, 300_000)
    energy_j = of_any_size(cells[:, :count], least_j, most_j)
    return Usage(
        edges_ms=np.cumsum([0, *lengths], dtype=np.int64),
        groups=tuple(GROUPS[at] for at in groups.tolist()),
        energy_j=np.floor(energy_j) if whole_j else energy_j,
        machine_ms=np.asarray(of_any_size(cells[:, 6 : 6 + count], 0, 10**8), np.int64),
    )


@st.composite
def factors_for(draw: st.DrawFn, usage: Usage, *, most_g: float = 2_000.0) -> Factors:
    """Return factors whose steps are the usage's intervals."""
    n = len(usage.edges_ms) - 1
    rows = shares(draw, len(SITES), 4, 5)[:, :, :n]
    sites = tuple(
        SiteFactors(
            site=name,
            edges_ms=usage.edges_ms,
            intensity_g_per_kwh=of_any_size(row[0], 1.0, most_g),
            pue=Pue(
                slope=of_any_size(row[1], 1.0, 3.0),
                fixed_w=of_any_size(row[2], 0.0, 1e5),
                edges_ms=usage.edges_ms,
            ),
            price_per_kwh=2.0 * float(row[3, 0]),
            factor_id=f"test:{name}",
        )
        for name, row in zip(SITES, rows, strict=True)
        if name in {group.site for group in usage.groups}
    )
    used = {group.machine_type for group in usage.groups}
    cells = zip(TYPES, shares(draw, len(TYPES), 5), strict=True)
    types = tuple(_type(name, row) for name, row in cells if name in used)
    return Factors(sites=sites, machine_types=types, currency="EUR")


def _type(name: str, share: FloatArray) -> MachineFactors:
    low, mid, high = np.sort(of_any_size(share[:3], 0.0, 5_000.0)).tolist()
    return MachineFactors(
        machine_type=name,
        embodied_kg=mid,
        embodied_low_kg=low,
        embodied_high_kg=high,
        lifetime_ms=int(of_any_size(share[3], 1, 10 * 365 * 86_400_000)),
        price_per_machine_h=10.0 * float(share[4]),
    )


@st.composite
def accounts(
    draw: st.DrawFn, /, *, most_g: float = 2_000.0, **joules: Any
) -> tuple[Usage, Factors]:
    """Return usage and factors that fit it; `joules` is what `usages` takes."""
    usage = draw(usages(**joules))
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
