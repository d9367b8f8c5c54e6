"""The one kernel that prices usage: joules and machine time in, whole-number entries out.

    energy_it         E / 3.6                                    [mWh]
    energy_facility   s x E_IT + F dt                            [mWh]
    scope2_location   (s x E_IT + F dt) x average intensity      [mg CO2e]
    embodied          TE x machine time / lifetime               [mg CO2e]
    cost_energy       (s x E_IT + F dt) x price                  [1e-6 currency]
    cost_machines     machine time on x price                    [1e-6 currency]

with `s` and `F` the slope and fixed power of the site's PUE. Each column is rounded once, from
exact values (`rounding.settle`), never from another rounded column but the ledger's own
energy_it. Fixed power is metered for the site and shared by its groups in proportion to their IT
energy in the interval, else to their machine time, else evenly. See docs/reference/accounting.md.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.accounting.entries import MICRO, Entries
from greensched.accounting.rounding import NANO, meter, settle, spread, times
from greensched.accounting.usage import ROLES_ON, ROLES_RELEASED
from greensched.errors import Finding, InternalError, ScenarioError
from greensched.units import MG_PER_KG, MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.accounting.factors import Factors, SiteFactors
    from greensched.accounting.usage import Usage
    from greensched.model import FloatArray, IntArray

UJ_PER_J: Final = 1e6
UJ_PER_MWH: Final = 3_600_000  # microjoules in a milliwatt-hour
CELL_LIMIT_J: Final = 9e12  # 2.5 GWh: more does not fit int64 microjoules, nor any building
MW_PER_W: Final = 1_000.0  # milliwatts: times milliseconds they are microjoules


def account(usage: Usage, factors: Factors) -> Entries:
    """Return the entries of `usage` priced by `factors`; a pure function.

    Raises ScenarioError for marginal intensity (GHG Protocol Scope 2 Guidance: not in an
    inventory) and prices that some sites or types lack; InternalError where usage names what
    factors do not have, or an interval crosses a breakpoint.
    """
    _check(usage, factors)
    by_site = {site.site: site for site in factors.sites}
    columns = [by_site[group.site] for group in usage.groups]
    steps = {site.site: _steps(usage, site) for site in factors.sites}
    keys = sorted(range(len(usage.groups)), key=lambda g: usage.groups[g])
    rank = [0] * len(keys)
    for place, g in enumerate(keys):
        rank[g] = place
    it_mwh = settle(_whole_uj(usage), [UJ_PER_MWH] * len(rank), rank)
    pricer = _Pricer(usage=usage, it_mwh=it_mwh, columns=columns, steps=steps, rank=rank)
    low_mg, mid_mg, high_mg = _embodied(usage, factors, rank)
    return Entries(
        edges_ms=usage.edges_ms,
        groups=usage.groups,
        factors=factors,
        factors_sha256=factors.checksum,
        machine_ms=usage.machine_ms,
        energy_it_mwh=it_mwh,
        energy_facility_mwh=pricer.price(dict.fromkeys(steps, _ONE), 1),
        scope2_location_mg=pricer.price({name: s.intensity for name, s in steps.items()}, 1_000),
        embodied_mg=mid_mg,
        embodied_low_mg=low_mg,
        embodied_high_mg=high_mg,
        cost_energy_micro=_cost_energy(pricer, usage, factors),
        cost_machines_micro=_cost_machines(usage, factors, rank),
    )


def _whole_uj(usage: Usage) -> IntArray:
    """Return the energy as whole microjoules, the only place where a float is rounded."""
    if float(usage.energy_j.max()) > CELL_LIMIT_J:
        message = f"a group used more than {CELL_LIMIT_J:g} J in one interval"
        raise InternalError(message)
    return np.rint(usage.energy_j * UJ_PER_J).astype(np.int64)


_ONE: Final = np.ones(1)


class _Steps:
    """A site's factors on the usage's intervals: slope, fixed power [mW], intensity [g/kWh]."""

    __slots__ = ("fixed_mw", "intensity", "slope")

    def __init__(self, slope: FloatArray, fixed_mw: IntArray, intensity: FloatArray) -> None:
        self.slope = slope
        self.fixed_mw = fixed_mw
        self.intensity = intensity


def _steps(usage: Usage, site: SiteFactors) -> _Steps:
    at = _at(usage, site.edges_ms, f"intensity of {site.site}")
    pue_at = _at(usage, site.pue.edges_ms, f"PUE of {site.site}")
    return _Steps(
        slope=site.pue.slope[pue_at],
        fixed_mw=np.rint(site.pue.fixed_w * MW_PER_W).astype(np.int64)[pue_at],
        intensity=site.intensity_g_per_kwh[at],
    )


def _at(usage: Usage, edges_ms: IntArray, what: str) -> IntArray:
    """Return the step that holds in each interval; InternalError where it is not one step."""
    starts, ends = usage.edges_ms[:-1], usage.edges_ms[1:]
    at = np.searchsorted(edges_ms, starts, side="right") - 1
    if starts[0] < edges_ms[0] or ends[-1] > edges_ms[-1]:
        message = (
            f"{what} covers {edges_ms[0]} to {edges_ms[-1]} ms, usage {starts[0]} to {ends[-1]} ms"
        )
        raise InternalError(message)
    crossing = np.flatnonzero(ends > edges_ms[at + 1])
    if len(crossing):
        k = int(crossing[0])
        message = f"interval {starts[k]} to {ends[k]} ms crosses a breakpoint of {what}"
        raise InternalError(message)
    return at


class _Pricer:
    """Prices facility energy at a rate per kWh, exactly."""

    __slots__ = ("_columns", "_it_mwh", "_rank", "_steps", "_usage")

    def __init__(
        self,
        *,
        usage: Usage,
        it_mwh: IntArray,
        columns: Sequence[SiteFactors],
        steps: dict[str, _Steps],
        rank: Sequence[int],
    ) -> None:
        self._usage = usage
        self._it_mwh = it_mwh
        self._columns = columns
        self._steps = steps
        self._rank = rank

    def price(self, rates: dict[str, FloatArray], divisor: int) -> IntArray:
        """Return int64[K, G]: facility energy [mWh] x the site's rate / `divisor`, settled.

        A rate [K] or [1] is taken to its ninth decimal, as is slope x rate.
        """
        ratios = {
            name: np.rint(steps.slope * rates[name] * NANO).astype(np.int64)
            for name, steps in self._steps.items()
        }
        table = np.stack([ratios[site.site] for site in self._columns], axis=1)
        cells = settle(self._it_mwh, [divisor] * len(self._rank), self._rank, table)
        for name, steps in self._steps.items():
            if steps.fixed_mw.any():
                self._add_fixed(cells, name, rates[name], divisor)
        return cells

    def _add_fixed(self, cells: IntArray, name: str, rate: FloatArray, divisor: int) -> None:
        """Add the site's fixed power to the cells of its groups."""
        lengths_ms = np.diff(self._usage.edges_ms).tolist()
        fixed_mw = self._steps[name].fixed_mw.tolist()
        amounts_uj = [mw * ms for mw, ms in zip(fixed_mw, lengths_ms, strict=True)]
        whole_rates = np.rint(rate * NANO).astype(np.int64)
        rates_nano = np.broadcast_to(whole_rates, len(amounts_uj)).tolist()
        units = meter(amounts_uj, rates_nano, UJ_PER_MWH * NANO * divisor)
        own = [g for g, site in enumerate(self._columns) if site.site == name]
        weights = self._it_mwh[:, own].copy()
        for fallback in (self._usage.machine_ms[:, own], np.ones_like(weights)):
            empty = weights.sum(axis=1) == 0
            weights[empty] = fallback[empty]
        shares = spread(np.array(units, np.int64), weights, [self._rank[g] for g in own])
        cells[:, own] += shares


def _embodied(usage: Usage, factors: Factors, rank: Sequence[int]) -> list[IntArray]:
    """Return low, middle and high embodied emissions [mg] of all machines, on or off.

    Those that are released count while they are held.
    """
    by_type = {m.machine_type: m for m in factors.machine_types}
    types = [by_type[group.machine_type] for group in usage.groups]
    held_ms = usage.machine_ms * np.array(
        [
            not (m.is_released and group.role in ROLES_RELEASED)
            for m, group in zip(types, usage.groups, strict=True)
        ],
        np.int64,
    )
    bounds = (
        [m.embodied_low_kg for m in types],
        [m.embodied_kg for m in types],
        [m.embodied_high_kg for m in types],
    )
    tables = []
    for kg in bounds:
        rates = [
            Fraction(round(value * MG_PER_KG), m.lifetime_ms)
            for value, m in zip(kg, types, strict=True)
        ]
        amounts = times(held_ms, [rate.numerator for rate in rates])
        tables.append(settle(amounts, [rate.denominator for rate in rates], rank))
    return tables


def _cost_energy(pricer: _Pricer, usage: Usage, factors: Factors) -> IntArray | None:
    prices = {
        site.site: 0.0 if site.price_steps is not None else site.price_per_kwh
        for site in factors.sites
    }
    if not _all_priced(prices, "per kWh"):
        return None
    rates = {site.site: _prices(usage, site) for site in factors.sites}
    # currency per kWh is also 1e-6 currency per mWh
    paid = pricer.price({name: np.maximum(rate, 0.0) for name, rate in rates.items()}, 1)
    if all(bool(np.all(rate >= 0.0)) for rate in rates.values()):
        return paid
    earned = pricer.price({name: np.maximum(-rate, 0.0) for name, rate in rates.items()}, 1)
    return paid - earned


def _prices(usage: Usage, site: SiteFactors) -> FloatArray:
    """Return the price of each interval [K], or of all of them [1]."""
    if site.price_steps is None:
        return np.array([site.price_per_kwh], np.float64)
    at = _at(usage, site.price_steps.edges_ms, f"price of {site.site}")
    return site.price_steps.per_kwh[at]


def _cost_machines(usage: Usage, factors: Factors, rank: Sequence[int]) -> IntArray | None:
    prices = {m.machine_type: m.price_per_machine_h for m in factors.machine_types}
    if not _all_priced(prices, "per machine-hour"):
        return None
    micros = [round((prices[g.machine_type] or 0.0) * MICRO) for g in usage.groups]
    on = np.array([group.role in ROLES_ON for group in usage.groups], np.int64)
    amounts = times(usage.machine_ms * on, micros)
    return settle(amounts, [MS_PER_H] * len(rank), rank)


def _all_priced(prices: dict[str, float | None], unit: str) -> bool:
    """Return whether there are prices; ScenarioError where only some have one."""
    missing = [name for name, price in prices.items() if price is None]
    if missing and len(missing) < len(prices):
        raise ScenarioError(
            *(
                Finding(where=f"price of {name}", what=f"no price {unit}, but others have one")
                for name in missing
            )
        )
    return bool(prices) and not missing


def _check(usage: Usage, factors: Factors) -> None:
    marginal = [site for site in factors.sites if site.signal == "marginal"]
    if marginal:
        raise ScenarioError(
            *(
                Finding(
                    where=f"intensity of {site.site}",
                    what="marginal factors are not allowed in a location-based inventory",
                    remedy="give average intensity (GHG Protocol Scope 2 Guidance)",
                )
                for site in marginal
            )
        )
    sites = [site.site for site in factors.sites]
    types = [m.machine_type for m in factors.machine_types]
    used_sites = {group.site for group in usage.groups}
    used_types = {group.machine_type for group in usage.groups}
    found = [f"no factors for site {name!r}" for name in sorted(used_sites - set(sites))]
    found += [f"no factors for machine type {n!r}" for n in sorted(used_types - set(types))]
    found += [
        f"factors name {n!r} twice" for n in sorted({n for n in sites if sites.count(n) > 1})
    ]
    found += [
        f"factors name {n!r} twice" for n in sorted({n for n in types if types.count(n) > 1})
    ]
    found += [
        f"site {site.site!r} has fixed power but no machines to charge it to"
        for site in factors.sites
        if site.site not in used_sites and bool(site.pue.fixed_w.any())
    ]
    if not usage.groups:
        found.append("usage has no groups")
    if found:
        raise InternalError(*found)
