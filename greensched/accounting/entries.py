"""Entries: what an account says, in whole mWh, mg CO2e and millionths of the currency."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.accounting.usage import ROLES_ON, Group
from greensched.units import MG_PER_KG, MWH_MILLI_PER_KWH

if TYPE_CHECKING:
    from greensched.accounting.factors import Factors, SiteFactors
    from greensched.carbon import Basis
    from greensched.model import IntArray

MICRO: Final = 1_000_000
SCOPE2_LABELS: Final[dict[Basis, str]] = {
    "direct": "scope 2",
    "lifecycle": "scope 2 (life-cycle factor)",
    "unstated": "scope 2 (basis of factor unstated)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """The account of one run: integer tables int64[K, G] over `edges_ms` and `groups`.

    Scope 2 is location-based. Embodied emissions (scope 3, category 2) are time-linear and have
    a low, a middle and a high value. Costs are None where no price is known.
    """

    edges_ms: IntArray
    groups: tuple[Group, ...]
    factors: Factors
    factors_sha256: str
    machine_ms: IntArray
    energy_it_mwh: IntArray
    energy_facility_mwh: IntArray
    scope2_location_mg: IntArray
    embodied_mg: IntArray
    embodied_low_mg: IntArray
    embodied_high_mg: IntArray
    cost_energy_micro: IntArray | None = None
    cost_machines_micro: IntArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Whole-number sums of entries; `machines_on_peak` is the peak interval mean, rounded up."""

    window_ms: int
    machine_on_ms: int
    machines_on_peak: int
    energy_it_mwh: int
    energy_facility_mwh: int
    scope2_location_mg: int
    embodied_mg: int
    embodied_low_mg: int
    embodied_high_mg: int
    cost_energy_micro: int | None
    cost_machines_micro: int | None

    @property
    def cost_micro(self) -> int | None:
        """Return energy and machine cost together, None where neither has a price."""
        known = [c for c in (self.cost_energy_micro, self.cost_machines_micro) if c is not None]
        return sum(known) if known else None


def scope2_label(basis: Basis) -> str:
    """Return how scope 2 is to be printed where its factor has `basis`."""
    return SCOPE2_LABELS[basis]


def total(entries: Entries) -> Totals:
    """Return the sums of `entries` in whole units."""
    on = np.array([group.role in ROLES_ON for group in entries.groups], np.bool_)
    on_ms = entries.machine_ms[:, on].sum(axis=1)
    lengths_ms = np.diff(entries.edges_ms)
    return Totals(
        window_ms=int(entries.edges_ms[-1] - entries.edges_ms[0]),
        machine_on_ms=int(on_ms.sum()),
        machines_on_peak=int((-(-on_ms // lengths_ms)).max()),
        energy_it_mwh=int(entries.energy_it_mwh.sum()),
        energy_facility_mwh=int(entries.energy_facility_mwh.sum()),
        scope2_location_mg=int(entries.scope2_location_mg.sum()),
        embodied_mg=int(entries.embodied_mg.sum()),
        embodied_low_mg=int(entries.embodied_low_mg.sum()),
        embodied_high_mg=int(entries.embodied_high_mg.sum()),
        cost_energy_micro=_sum(entries.cost_energy_micro),
        cost_machines_micro=_sum(entries.cost_machines_micro),
    )


def until(entries: Entries, end_ms: int) -> Entries:
    """Return the entries of the intervals that end by `end_ms`, which is one of their edges."""
    count = int(np.searchsorted(entries.edges_ms, end_ms))
    assert entries.edges_ms[count] == end_ms
    tables: dict[str, Any] = {
        field.name: table[:count]
        for field in fields(entries)
        if isinstance(table := getattr(entries, field.name), np.ndarray)
    }
    return replace(entries, **tables | {"edges_ms": entries.edges_ms[: count + 1]})


def _sum(table: IntArray | None) -> int | None:
    return None if table is None else int(table.sum())


def totals(entries: Entries) -> dict[str, float | int | None]:
    """Return the sums of `entries` in the units people read: machines, kWh, kg and currency."""
    return readable(asdict(total(entries)))


def readable(whole: dict[str, Any]) -> dict[str, float | int | None]:
    """Return sums (or differences of sums) of whole units as machines, kWh, kg and currency."""
    costs = [whole["cost_energy_micro"], whole["cost_machines_micro"]]
    known = [c for c in costs if c is not None]
    return {
        "machines_on_mean": whole["machine_on_ms"] / whole["window_ms"],
        "machines_on_peak": whole["machines_on_peak"],
        "energy_it_kwh": whole["energy_it_mwh"] / MWH_MILLI_PER_KWH,
        "energy_facility_kwh": whole["energy_facility_mwh"] / MWH_MILLI_PER_KWH,
        "scope2_location_kg": whole["scope2_location_mg"] / MG_PER_KG,
        "embodied_kg": whole["embodied_mg"] / MG_PER_KG,
        "embodied_low_kg": whole["embodied_low_mg"] / MG_PER_KG,
        "embodied_high_kg": whole["embodied_high_mg"] / MG_PER_KG,
        "cost": sum(known) / MICRO if known else None,
        "cost_energy": None if costs[0] is None else costs[0] / MICRO,
        "cost_machines": None if costs[1] is None else costs[1] / MICRO,
    }


def rows(entries: Entries) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Return the entries as columns of a long table: interval x group x scope, zeros left out.

    Every row names its method, signal, basis, factor (id, SHA-256, vintage) and quality; the
    columns' units are in their names. Sums of a column equal `total`'s.
    """
    scope2 = _scope2_rows(entries)
    embodied = _embodied_rows(entries)
    return {name: np.concatenate([scope2[name], embodied[name]]) for name in scope2}


def _place(entries: Entries, keep: Any) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    k, g = np.nonzero(keep)
    return {
        "start_ms": entries.edges_ms[k],
        "end_ms": entries.edges_ms[k + 1],
        "site": _taken([group.site for group in entries.groups], g),
        "machine_type": _taken([group.machine_type for group in entries.groups], g),
        "role": _taken([group.role for group in entries.groups], g),
    }


def _taken(values: list[str], at: Any) -> np.ndarray[Any, np.dtype[Any]]:
    column: np.ndarray[Any, np.dtype[Any]] = np.array(values, dtype=object)[at]
    return column


def _scope2_rows(entries: Entries) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    it, facility, mg = (
        entries.energy_it_mwh,
        entries.energy_facility_mwh,
        entries.scope2_location_mg,
    )
    cost = entries.cost_energy_micro
    keep = (facility > 0) | (mg > 0)  # IT energy is within the facility's
    if cost is not None:
        keep |= cost != 0
    by_site = {s.site: s for s in entries.factors.sites}
    sites = [by_site[group.site] for group in entries.groups]
    k, g = np.nonzero(keep)
    quality = _taken([s.quality for s in sites], g)
    filled = np.stack([_filled(entries, s) for s in sites], axis=1) if sites else keep
    quality[filled[k, g]] = "filled"
    n = len(k)
    return _place(entries, keep) | {
        "scope": _taken([SCOPE2_LABELS[s.basis] for s in sites], g),
        "category": np.full(n, "purchased electricity", object),
        "gas": np.full(n, "CO2e", object),
        "method": np.full(n, "location", object),
        "signal": _taken([s.signal for s in sites], g),
        "basis": _taken([s.basis for s in sites], g),
        "factor_id": _taken([s.factor_id for s in sites], g),
        "factor_sha256": _taken([s.checksum for s in sites], g),
        "factor_vintage": _taken([s.vintage for s in sites], g),
        "quality": quality,
        "energy_it_mwh": it[k, g],
        "energy_facility_mwh": facility[k, g],
        "emissions_mg": mg[k, g],
        "emissions_low_mg": mg[k, g],
        "emissions_high_mg": mg[k, g],
        "cost_micro": np.zeros(n, np.int64) if cost is None else cost[k, g],
    }


def _filled(entries: Entries, site: SiteFactors) -> np.ndarray[Any, np.dtype[np.bool_]]:
    at = np.searchsorted(site.edges_ms, entries.edges_ms[:-1], side="right") - 1
    return site.filled[at] if len(site.filled) else np.zeros(len(at), np.bool_)


def _embodied_rows(entries: Entries) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    cost = entries.cost_machines_micro
    # each bound is metered on its own: a cell may have a unit of the middle and none of the high
    keep = (entries.embodied_low_mg > 0) | (entries.embodied_mg > 0)
    keep |= entries.embodied_high_mg > 0
    if cost is not None:
        keep |= cost != 0
    by_type = {m.machine_type: m for m in entries.factors.machine_types}
    types = [by_type[group.machine_type] for group in entries.groups]
    k, g = np.nonzero(keep)
    n = len(k)
    none = np.zeros(n, np.int64)
    return _place(entries, keep) | {
        "scope": np.full(n, "scope 3", object),
        "category": np.full(n, "2 capital goods", object),
        "gas": np.full(n, "CO2e", object),
        "method": np.full(n, "time-linear", object),
        "signal": np.full(n, "", object),
        "basis": np.full(n, "", object),
        "factor_id": _taken([m.factor_id for m in types], g),
        "factor_sha256": _taken([m.checksum for m in types], g),
        "factor_vintage": _taken([m.vintage for m in types], g),
        "quality": _taken([m.quality for m in types], g),
        "energy_it_mwh": none,
        "energy_facility_mwh": none,
        "emissions_mg": entries.embodied_mg[k, g],
        "emissions_low_mg": entries.embodied_low_mg[k, g],
        "emissions_high_mg": entries.embodied_high_mg[k, g],
        "cost_micro": none if cost is None else cost[k, g],
    }
