"""The statement of a year as plain values: what `statement.json` holds.

Emissions are tonnes of CO2e with their range; lines are whole milligrams. Offsets and avoided
emissions have places of their own and lower no figure of the inventory.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from greensched.accounting.books import METHODS, equivalents, group_of
from greensched.ledger.note import encoded
from greensched.report.disclosure.notes import notes
from greensched.report.disclosure.paths import change, path_of, targets
from greensched.report.disclosure.suppliers import coolings, suppliers
from greensched.units import KG_PER_T, MG_PER_KG

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.accounting.books import (
        EmissionFactor,
        Inventory,
        Line,
        Offset,
        Range,
        Saved,
    )
    from greensched.report.disclosure.gather import Gathered
    from greensched.report.disclosure.operated import Operated

SCHEMA: Final = "greensched/disclosure/v1"
MG_PER_T: Final = KG_PER_T * MG_PER_KG


def statement(gathered: Gathered, ledger: Operated) -> dict[str, Any]:
    """Return the statement of `gathered.year`, resting on a verified ledger."""
    spec, now = gathered.company.spec, gathered.now
    inventory = now.inventory
    total = inventory.total("location").mid_mg
    return {
        "schema": SCHEMA,
        "company": spec.name,
        "year": gathered.year,
        "boundary": spec.boundary,
        "gwp": spec.gwp,
        "matching": spec.matching,
        "base_year": {"year": spec.base_year.year, "recalculated": spec.base_year.recalculated},
        "benchmark": None
        if spec.benchmark is None
        else {"pue": spec.benchmark.pue, "source": spec.benchmark.source},
        "version": version("greensched"),
        "ledger": _ledger(ledger),
        "inputs": [{"file": p.name, "sha256": sha} for p, sha in _inputs(gathered)],
        "inventory": totals(inventory),
        "categories": _categories(inventory),
        "gases_scope1": _gases(inventory),
        "indicators": {k: None if v is None else float(v) for k, v in now.told.items()},
        "sci_g_per_unit": None if now.sci_mg is None else float(now.sci_mg) / 1_000,
        "embodied_time_linear": tonnes(now.embodied),
        "sites": suppliers(gathered),
        "coolings": coolings(gathered),
        "targets": targets(gathered),
        "path": path_of(gathered),
        "change": change(gathered),
        "avoided": [_saved(saved) for saved in gathered.avoided.savings],
        "offsets": _offsets(gathered),
        "equivalents": [
            {"count": float(e.count), "what": e.what, "constants": e.constants}
            for e in equivalents(total)
        ],
        "factors": [_factor(f, gathered) for f in used_factors(gathered)],
        "notes": notes(gathered),
        "lines": [line_values(line) for line in inventory.lines],
    }


def tonnes(found: Range) -> dict[str, float]:
    """Return a range in tonnes."""
    return {
        "low_t": found.low_mg / MG_PER_T,
        "mid_t": found.mid_mg / MG_PER_T,
        "high_t": found.high_mg / MG_PER_T,
    }


def totals(inventory: Inventory) -> dict[str, dict[str, float]]:
    """Return the scopes and totals of an inventory, by both methods where they differ."""
    return {
        "scope1": tonnes(inventory.scopes("location", 1)),
        "scope2_location": tonnes(inventory.scopes("location", 2)),
        "scope2_market": tonnes(inventory.scopes("market", 2)),
        "scope3_location": tonnes(inventory.scopes("location", 3)),
        "scope3_market": tonnes(inventory.scopes("market", 3)),
        "total_location": tonnes(inventory.total("location")),
        "total_market": tonnes(inventory.total("market")),
    }


def _inputs(gathered: Gathered) -> list[tuple[Any, str]]:
    company = gathered.company
    return [(company.folder / company.source.name, company.sha256), *gathered.inputs]


def _ledger(ledger: Operated) -> dict[str, Any]:
    verified = ledger.verified
    return {
        "origin": verified.origin,
        "kind": verified.kind,
        "rows": ledger.size,
        "root": encoded(verified.checkpoint.checkpoint.root),
        "key": verified.key.text,
        "checkpoint": verified.checkpoint.text,
    }


def _categories(inventory: Inventory) -> list[dict[str, Any]]:
    """Return the sums of each category of each scope, by both methods."""
    names = dict.fromkeys((line.scope, line.category) for line in inventory.lines)
    return [
        {
            "scope": scope,
            "category": category,
            **{m: tonnes(inventory.total(m, _is_of(scope, category))) for m in METHODS},
        }
        for scope, category in sorted(names)
    ]


def _is_of(scope: int, category: str) -> Callable[[Line], bool]:
    return lambda line: (line.scope, line.category) == (scope, category)


def _gases(inventory: Inventory) -> list[dict[str, Any]]:
    """Return scope 1 by the seven gases; what is only known in CO2e is told as that."""
    groups = dict.fromkeys(group_of(line.gas) for line in inventory.lines if line.scope == 1)
    return [
        {"gas": group, **tonnes(inventory.total("location", _is_gas(group)))}
        for group in sorted(groups)
    ]


def _is_gas(group: str) -> Callable[[Line], bool]:
    return lambda line: line.scope == 1 and group_of(line.gas) == group


def _offsets(gathered: Gathered) -> dict[str, Any]:
    book = gathered.offsets
    return {
        "counted_t": book.counted_mg / MG_PER_T,
        "listed": [_offset(one, book.why_not(one)) for one in book.offsets],
    }


def _saved(saved: Saved) -> dict[str, Any]:
    return {
        "technology": saved.name,
        "baseline": saved.baseline,
        "signal": saved.signal,
        "saved_t": saved.mid_mg / MG_PER_T,
        "low_t": saved.low_mg / MG_PER_T,
        "high_t": saved.high_mg / MG_PER_T,
        "origin": saved.origin,
    }


def _offset(one: Offset, reason: str) -> dict[str, Any]:
    return {
        "registry": one.registry,
        "serial": one.serial,
        "kind": one.kind,
        "vintage": one.vintage,
        "owner": one.owner,
        "mass_t": one.mass_mg / MG_PER_T,
        "retired_for": one.retired,
        "counted": not reason,
        "reason": reason,
    }


def used_factors(gathered: Gathered) -> list[EmissionFactor]:
    """Return the factors that the year's lines are by."""
    used = {(line.factor_id, line.factor_vintage) for line in gathered.now.inventory.lines}
    return [f for f in gathered.table.factors if (f.id, str(f.year)) in used]


def _factor(factor: EmissionFactor, gathered: Gathered) -> dict[str, Any]:
    return {
        "id": factor.id,
        "year": factor.year,
        "gas": factor.gas,
        "per": factor.per,
        "low_kg": float(factor.low_kg),
        "mid_kg": float(factor.mid_kg),
        "high_kg": float(factor.high_kg),
        "gwp": factor.gwp,
        "basis": factor.basis,
        "source": factor.source,
        "licence": factor.licence,
        "sha256": factor.sha256,
        "own": factor.id in gathered.own_factors,
    }


def line_values(line: Line) -> dict[str, Any]:
    """Return a line as plain values, emissions in whole milligrams."""
    return {
        "scope": line.scope,
        "category": line.category,
        "site": line.site,
        "method": line.method,
        "gas": line.gas,
        "emissions_low_mg": line.emissions.low_mg,
        "emissions_mg": line.emissions.mid_mg,
        "emissions_high_mg": line.emissions.high_mg,
        "gwp": line.gwp,
        "signal": line.signal,
        "basis": line.basis,
        "factor_id": line.factor_id,
        "factor_sha256": line.factor_sha256,
        "factor_vintage": line.factor_vintage,
        "quality": line.quality,
        "origin": line.origin,
        "note": line.note,
    }
