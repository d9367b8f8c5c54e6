"""Which technology saved what, by the runs of all combinations of the switches that are on.

v(S) is what the baseline takes less what the scenario takes with the set S of switches on, in
whole units. v of no switch is not 0 where the baseline has rules of its own (autoscaled): these
give way to switches, so a scenario without any has none. That difference is a part of its own,
`without autoscaled`, and the parts sum to the saving that the table shows
(docs/decisions/0012-attribution.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from greensched.accounting import attribute as exact
from greensched.accounting import interaction_sentence, sample
from greensched.experiment.combinations import Combination, Sets, same_demand
from greensched.units import MG_PER_KG, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from greensched.accounting import Attribution, Totals
    from greensched.accounting.attribution import Switches

MILLI: Final = 1_000
QUANTITIES: Final = {
    "machines_on_mean_milli": "milli-machines",
    "energy_facility_mwh": "mWh",
    "scope2_location_mg": "mg CO2e",
}
MWH_PER_KWH: Final = 1_000_000
SHOWN: Final = ("violation_min", "latency_factor_p99"), ("deadline_miss_share", "unfinished")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a saving, in the quantity's whole units; `why` where it saves no energy.

    `switches` is empty for the part that is no switch: the baseline's own rules given up.
    """

    name: str
    switches: tuple[str, ...]
    alone: int
    last_in: int
    shapley: int
    standard_error: float
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributed:
    """The saving of a scenario by technology, for each of `QUANTITIES`.

    `parts[quantity]` sum to `totals[quantity]`, the table's saving, exactly.
    """

    attributions: Mapping[str, Attribution]
    totals: Mapping[str, int]
    parts: Mapping[str, tuple[Part, ...]]
    combinations: tuple[tuple[Combination, Mapping[str, int]], ...]
    demand_sha256: str
    sentence: str

    @property
    def summary(self) -> dict[str, Any]:
        """Return it as `summary.json` has it (docs/reference/attribution.md)."""
        one = next(iter(self.attributions.values()))
        return {
            "method": one.method,
            "orders": one.orders,
            "demand_sha256": self.demand_sha256,
            "quantities": {name: self._quantity(name) for name in QUANTITIES},
            "sentence": self.sentence,
            "combinations": [_combination(c, saved) for c, saved in self.combinations],
        }

    def _quantity(self, name: str) -> dict[str, Any]:
        return {
            "unit": QUANTITIES[name],
            "total": self.totals[name],
            "technologies": [
                {
                    "name": part.name,
                    "switches": list(part.switches),
                    "alone": part.alone,
                    "last_in": part.last_in,
                    "shapley": part.shapley,
                    "standard_error": part.standard_error,
                    "why": part.why or None,
                }
                for part in self.parts[name]
            ],
            "interactions": [
                {"first": i.first, "second": i.second, "together": i.together}
                for i in self.attributions[name].interactions
            ],
        }

    @property
    def table(self) -> pd.DataFrame:
        """Return one row a quantity and part, in whole units, with the totals."""
        import pandas as pd

        rows = [
            {
                "quantity": name,
                "unit": QUANTITIES[name],
                "technology": part.name,
                "alone": part.alone,
                "last_in": part.last_in,
                "shapley": part.shapley,
                "standard_error": part.standard_error,
            }
            for name in QUANTITIES
            for part in self.parts[name]
        ]
        columns = ["unit", "alone", "last_in", "shapley", "standard_error"]
        keys = ["quantity", "technology"]
        return pd.DataFrame(rows, columns=[*keys, *columns]).set_index(keys)

    def _repr_html_(self) -> str:
        """Return the table with the strongest interaction, for notebooks."""
        from html import escape

        return f"{self.table.to_html()}<p>{escape(self.sentence)}</p>"


def saved(before: Totals, after: Totals, window_ms: int) -> dict[str, int]:
    """Return `before` less `after` in `QUANTITIES`; machine time is spread over `window_ms`."""
    on_ms = before.machine_on_ms - after.machine_on_ms
    return {
        "machines_on_mean_milli": (2 * MILLI * on_ms + window_ms) // (2 * window_ms),
        "energy_facility_mwh": before.energy_facility_mwh - after.energy_facility_mwh,
        "scope2_location_mg": before.scope2_location_mg - after.scope2_location_mg,
    }


def attributed(
    sets: Sets,
    found: Mapping[Switches, Combination],
    baselines: Mapping[int, Totals],
    window_ms: int,
    baseline: str,
) -> Attributed:
    """Return the attribution of the runs in `found`, one for each of `sets.wanted`.

    `baselines` has the baseline's totals until each end [ms] of these runs, `window_ms` is the
    table's span, `baseline` the baseline's kind.
    """
    values = {on: saved(baselines[one.end_ms], one.totals, window_ms) for on, one in found.items()}
    attributions, totals, parts = {}, {}, {}
    energy, emitted = (
        _one(sets, {on: v[name] for on, v in values.items()})
        for name in ("energy_facility_mwh", "scope2_location_mg")
    )
    reasons = {p.name: _why(p.name, energy, emitted, found) for p in energy.technologies}
    losing = any(values[frozenset()].values())
    for name in QUANTITIES:
        own = {on: v[name] for on, v in values.items()}
        attributions[name] = _one(sets, own)
        totals[name] = own[frozenset(sets.players)]
        given = [_given(baseline, own[frozenset()])] if losing else []
        by_name = {p.name: p for p in attributions[name].technologies}
        parts[name] = tuple(given) + tuple(
            Part(
                name=player,
                switches=kinds,
                alone=by_name[player].alone,
                last_in=by_name[player].last_in,
                shapley=by_name[player].shapley,
                standard_error=by_name[player].standard_error,
                why=reasons[player],
            )
            for player, kinds in sets.players.items()
        )
    return Attributed(
        attributions=attributions,
        totals=totals,
        parts=parts,
        combinations=tuple((one, values[on]) for on, one in found.items()),
        demand_sha256=same_demand(found.values()),
        sentence=interaction_sentence(energy, idle="machines", amount=_kwh),
    )


def _one(sets: Sets, values: Mapping[Switches, int]) -> Attribution:
    """Return the attribution of one quantity."""
    return sample(values, sets.orders) if sets.orders else exact(values)


def _given(baseline: str, value: int) -> Part:
    """Return the part that is no switch: it is the same whatever else is on."""
    return Part(
        name=f"without {baseline}",
        switches=(),
        alone=value,
        last_in=value,
        shapley=value,
        standard_error=0.0,
        why=f"the switches replace {baseline}'s own rules" if value <= 0 else "",
    )


def _kwh(mwh: int) -> str:
    return f"{mwh / MWH_PER_KWH:,.1f} kWh"


def _why(
    name: str,
    energy: Attribution,
    emitted: Attribution,
    found: Mapping[Switches, Combination],
) -> str:
    """Return why a switch saves no energy, empty where it saves some."""
    part, in_hours = (
        next(p for p in one.technologies if p.name == name) for one in (energy, emitted)
    )
    if part.shapley > 0:
        return ""
    if in_hours.shapley > 0:
        return f"saves {in_hours.shapley / MG_PER_KG:,.1f} kgCO2e by cleaner hours, and no energy"
    nothing, alone = found[frozenset()], found[frozenset({name})]
    cycles, moves = (alone.counts[k] - nothing.counts[k] for k in ("power_cycles", "moves"))
    lost = alone.batch.get("wasted_core_h", 0.0) - nothing.batch.get("wasted_core_h", 0.0)
    did = [f"{cycles:,} power cycles", f"{moves:,} moves"]
    if lost > 0:
        did.append(f"{lost:,.1f} core-h of work lost and done again")
    if (part.alone, part.last_in, part.shapley) == (0, 0, 0):
        refused = alone.counts["rejected"]
        did += [f"{refused:,} actions that could not be carried out"] if refused else []
        return f"changed nothing that machines draw; alone: {', '.join(did)}"
    if part.alone > 0:
        return f"alone it saves {_kwh(part.alone)}; beside the others it costs as much or more"
    return f"takes more than it saves; alone: {', '.join(did)}"


def _combination(one: Combination, values: Mapping[str, int]) -> dict[str, Any]:
    """Return one run's row: what it saves against the baseline, and at which service."""
    service, batch = SHOWN
    return {
        "switches": list(one.switches),
        "saved": dict(values),
        "end_s": one.end_ms / MS_PER_S,
        **{key: one.service[key] for key in service},
        **{key: one.batch[key] for key in batch},
        "power_cycles": one.counts["power_cycles"],
    }
