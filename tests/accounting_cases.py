"""Two hours of one site and one machine type, from which tests of accounting start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from greensched.accounting import (
    Factors,
    Group,
    MachineFactors,
    SiteFactors,
    Usage,
)
from greensched.units import MS_PER_H, MS_PER_YEAR

HOURS = np.array([0, MS_PER_H, 2 * MS_PER_H], np.int64)
ONLINE = Group(site="hz", machine_type="gen8", role="online")
BATCH = Group(site="hz", machine_type="gen8", role="batch")
OFF = Group(site="hz", machine_type="gen8", role="off")


def usage_of(groups: tuple[Group, ...], watts: Any, machines: Any) -> Usage:
    """Return two hours of usage at `watts` [W] with `machines` held."""
    return Usage(
        edges_ms=HOURS,
        groups=groups,
        energy_j=np.array(watts, np.float64) * 3_600.0,
        machine_ms=np.array(machines, np.int64) * MS_PER_H,
    )


def site_of(**changes: Any) -> SiteFactors:
    """Return a site at 400 g/kWh, then 600."""
    grams = np.array([400.0, 600.0])
    site = SiteFactors(site="hz", edges_ms=HOURS, intensity_g_per_kwh=grams)
    return replace(site, **changes)


def machine_of(**changes: Any) -> MachineFactors:
    """Return a type that embodies 1,000 kg (800 .. 1,500) over four years."""
    machine = MachineFactors(
        machine_type="gen8",
        embodied_kg=1_000.0,
        embodied_low_kg=800.0,
        embodied_high_kg=1_500.0,
        lifetime_ms=4 * MS_PER_YEAR,
    )
    return replace(machine, **changes)


def factors_of(site: SiteFactors | None = None, machine: MachineFactors | None = None) -> Factors:
    """Return the factors of one site and one type."""
    return Factors(
        sites=(site or site_of(),), machine_types=(machine or machine_of(),), currency="EUR"
    )


DAY = usage_of((ONLINE, BATCH, OFF), [[1_000, 500, 5], [2_000, 0, 10]], [[3, 2, 1], [4, 0, 2]])
