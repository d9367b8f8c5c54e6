"""Balance checks of an account: equalities that hold for every run, or there is a bug.

    services + jobs + databases + unallocated = IT energy
    facility energy = sum of s x IT energy + F dt      within a unit for each site's rounding
    sums of the entries' rows = totals
    machine time in all roles = machines x time        in every interval, by site and type

All are whole numbers, recomputed from the run's usage and the account's own entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.accounting.entries import rows, total

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greensched.accounting.entries import Entries
    from greensched.accounting.factors import SiteFactors

UJ_PER_MWH: Final = 3_600_000  # microjoules in a milliwatt-hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Two sides that have to be equal, in whole units of `unit`, within `tolerance`."""

    name: str
    left: int
    right: int
    unit: str
    tolerance: int = 0

    @property
    def difference(self) -> int:
        """Return left less right."""
        return self.left - self.right

    @property
    def ok(self) -> bool:
        """Tell whether it holds."""
        return abs(self.difference) <= self.tolerance


def balance(
    entries: Entries, parts_mwh: Mapping[str, int], fleet: Mapping[tuple[str, str], int]
) -> tuple[Check, ...]:
    """Return the checks of an account.

    `parts_mwh` is IT energy by who used it, what is unallocated included; `fleet` the machines
    by site and type.
    """
    sums = total(entries)
    return (
        Check(
            name=f"{' + '.join(parts_mwh)} = machines",
            left=sum(parts_mwh.values()),
            right=sums.energy_it_mwh,
            unit="mWh",
        ),
        _facility(entries),
        *_rows(entries),
        _fleet(entries, fleet),
    )


def _facility(entries: Entries) -> Check:
    sites = entries.factors.sites
    expected = sum((_of_site(entries, site) for site in sites), Fraction(0))
    return Check(
        name="facility = IT x PUE",
        left=int(entries.energy_facility_mwh.sum()),
        right=round(expected),
        unit="mWh",
        tolerance=sum(1 for site in sites if site.pue.fixed_w.any()),
    )


def _of_site(entries: Entries, site: SiteFactors) -> Fraction:
    """Return the facility energy [mWh] of a site, exactly, slopes taken to their ninth decimal."""
    own = [g for g, group in enumerate(entries.groups) if group.site == site.site]
    at = np.searchsorted(site.pue.edges_ms, entries.edges_ms[:-1], side="right") - 1
    lengths_ms = np.diff(entries.edges_ms).tolist()
    it_mwh = entries.energy_it_mwh[:, own].sum(axis=1).tolist()
    energy = Fraction(0)
    for step in np.unique(at).tolist():
        inside = np.flatnonzero(at == step).tolist()
        slope = Fraction(round(float(site.pue.slope[step]) * 10**9), 10**9)
        fixed_mw = round(float(site.pue.fixed_w[step]) * 1_000)
        energy += slope * sum(it_mwh[k] for k in inside)
        energy += Fraction(fixed_mw * sum(lengths_ms[k] for k in inside), UJ_PER_MWH)
    return energy if own else Fraction(0)


def _rows(entries: Entries) -> tuple[Check, ...]:
    table, sums = rows(entries), total(entries)
    emitted = sums.scope2_location_mg + sums.embodied_mg
    return (
        Check(
            name="sum of entries = facility energy",
            left=int(table["energy_facility_mwh"].sum()),
            right=sums.energy_facility_mwh,
            unit="mWh",
        ),
        Check(
            name="sum of entries = emissions",
            left=int(table["emissions_mg"].sum()),
            right=emitted,
            unit="mg",
        ),
    )


def _fleet(entries: Entries, fleet: Mapping[tuple[str, str], int]) -> Check:
    """Return the check that no machine is in two roles or in none, at its worst interval."""
    lengths_ms = np.diff(entries.edges_ms)
    worst = Check(name="machines of all roles = fleet", left=0, right=0, unit="machine-ms")
    for (site, machine_type), count in sorted(fleet.items()):
        own = [
            g
            for g, group in enumerate(entries.groups)
            if (group.site, group.machine_type) == (site, machine_type)
        ]
        held = entries.machine_ms[:, own].sum(axis=1)
        k = int(np.argmax(np.abs(held - count * lengths_ms)))
        found = Check(
            name=worst.name,
            left=int(held[k]),
            right=count * int(lengths_ms[k]),
            unit=worst.unit,
        )
        if abs(found.difference) >= abs(worst.difference):
            worst = found
    return worst
