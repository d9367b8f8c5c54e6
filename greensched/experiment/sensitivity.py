"""How sure a result is: what its figures become as inputs go from low to high, one by one.

PUE, intensity and embodied carbon are priced anew, low and high factors through the same account
as the middle ones; idle power, errors of the forecast and the seed take runs of their own. The
range of a figure is from its least to its most over all factors low, all high, and those runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.accounting import Factors, Pue, Totals, account, total
from greensched.accounting.factors import PUE_LIMIT
from greensched.carbon import INTENSITY_LIMIT_G_PER_KWH
from greensched.experiment.run import RUNS, run
from greensched.experiment.tally import Tally
from greensched.experiment.world import shared
from greensched.forecast.erring import erring
from greensched.forecast.error_model import ErrorModel
from greensched.power import Piecewise
from greensched.units import MG_PER_KG, MS_PER_H, MWH_MILLI_PER_KWH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from greensched.experiment.executor import Executor
    from greensched.experiment.result import Result
    from greensched.experiment.tally import Progress
    from greensched.experiment.world import Shared
    from greensched.model import MachineType
    from greensched.scenario import Scenario

    Values = dict[str, float]

SCHEMA: Final = "greensched/sensitivity/v1"
MEMORY_H: Final = 12.0  # of a forecast's error, to 1/e
POINTS: Final = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Spreads:
    """How far inputs go either way, as shares; all but embodied are ours unless told.

    `pue_overhead_share` of PUE - 1; `idle_share` of idle power, peak staying; `intensity_share`
    of every hour; `forecast_share`: standard deviation of the
    error that is added at long leads; `seeds` are the runs with other seeds.
    """

    pue_overhead_share: float = 0.2
    idle_share: float = 0.15
    intensity_share: float = 0.1
    forecast_share: float = 0.1
    seeds: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One end of an input, in words, and the figures there."""

    setting: str
    values: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One input from low to high; `basis` says where its width is from."""

    name: str
    basis: str
    low: Side
    high: Side

    def swing(self, figure: str) -> float:
        """Return how far a figure goes between both ends."""
        return abs(self.high.values[figure] - self.low.values[figure])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sensitivity:
    """The figures in the middle, at all factors low and high, and by input."""

    result: Result
    mid: Values
    low: Values
    high: Values
    axes: tuple[Axis, ...]

    def range_of(self, figure: str) -> tuple[float, float]:
        """Return the least and the most of a figure over everything that was tried."""
        sides = [side.values[figure] for axis in self.axes for side in (axis.low, axis.high)]
        found = [self.mid[figure], self.low[figure], self.high[figure], *sides]
        return min(found), max(found)

    def by_swing(self, figure: str) -> list[Axis]:
        """Return the inputs, the one that moves a figure most first: a tornado."""
        return sorted(self.axes, key=lambda axis: (-axis.swing(figure), axis.name))

    @property
    def document(self) -> dict[str, Any]:
        """Return all of it as plain values (docs/reference/sensitivity.md)."""
        summary = self.result.summary
        keys = ("name", "scenario_sha256", "seed", "version", "stamp")
        return {
            "schema": SCHEMA,
            **{key: summary[key] for key in keys},
            "baseline_id": summary["baseline"]["id"],
            "figures": {
                name: {
                    "mid": self.mid[name],
                    "factors_low": self.low[name],
                    "factors_high": self.high[name],
                    "least": self.range_of(name)[0],
                    "most": self.range_of(name)[1],
                }
                for name in self.mid
            },
            "axes": [
                {
                    "name": axis.name,
                    "basis": axis.basis,
                    "low": {"setting": axis.low.setting, "values": axis.low.values},
                    "high": {"setting": axis.high.setting, "values": axis.high.values},
                }
                for axis in self.axes
            ],
        }


def sensitivity(
    scenario: Scenario,
    spreads: Spreads | None = None,
    *,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Sensitivity:
    """Return how far the figures of `scenario` go with its inputs; raises as `run` does."""
    spreads = spreads or Spreads()
    world = shared(scenario)
    counted = Tally.of(progress)
    each = iter([counted.part(RUNS) for _ in range(1 + _reruns(world, spreads))])

    def ran(told: Shared) -> Result:
        own = next(each)
        return run(told.scenario, bounds=False, progress=own, executor=executor, world=told)

    middle = ran(world)
    priced = middle.static_peak.entries.factors
    mid = _values(middle, priced)
    low = _values(middle, _low(priced, spreads))
    high = _values(middle, _high(priced, spreads))
    axes = [*_priced(middle, priced, spreads), *_rerun(world, mid, spreads, ran)]
    return Sensitivity(result=middle, mid=mid, low=low, high=high, axes=tuple(axes))


def priced_only(result: Result, spreads: Spreads | None = None) -> Sensitivity:
    """Return how far the figures of a result go with the inputs that change factors alone.

    PUE, intensity and embodied carbon: it takes no run, unlike `sensitivity`.
    """
    spreads = spreads or Spreads()
    priced = result.static_peak.entries.factors
    return Sensitivity(
        result=result,
        mid=_values(result, priced),
        low=_values(result, _low(priced, spreads)),
        high=_values(result, _high(priced, spreads)),
        axes=tuple(_priced(result, priced, spreads)),
    )


def _values(result: Result, factors: Factors) -> Values:
    """Return the figures of a result, its runs priced by `factors`."""
    before, after = (
        total(account(one.run.usage, factors)) for one in (result.baseline, result.outcome)
    )
    own, base = (_figures(sums, known=result.outcome.embodied_known) for sums in (after, before))
    saved = {f"savings.{name}": base[name] - value for name, value in own.items()}
    return {**{f"scenario.{name}": value for name, value in own.items()}, **saved}


def _figures(sums: Totals, *, known: bool) -> Values:
    """Return the figures of a run; the embodied share where it is `known`."""
    scope2_kg = sums.scope2_location_mg / MG_PER_KG
    embodied_kg = sums.embodied_mg / MG_PER_KG
    return {
        "machines_on_mean": sums.machine_on_ms / sums.window_ms,
        "energy_facility_kwh": sums.energy_facility_mwh / MWH_MILLI_PER_KWH,
        "scope2_location_kg": scope2_kg,
        **({"embodied_kg": embodied_kg} if known else {}),
        "scope2_and_embodied_kg": scope2_kg + embodied_kg,
    }


def _priced(middle: Result, priced: Factors, spreads: Spreads) -> Iterator[Axis]:
    """Yield the inputs that change factors alone."""
    sides: dict[str, tuple[str, list[tuple[str, Factors]]]] = {
        "PUE": (
            "share of PUE - 1, assumed",
            [
                (f"{k - 1:+.0%} of overhead", _with_pue(priced, k))
                for k in _either_way(spreads.pue_overhead_share)
            ],
        ),
        "carbon intensity": (
            "share of every hour, assumed",
            [
                (f"{k - 1:+.0%}", _with_intensity(priced, k))
                for k in _either_way(spreads.intensity_share)
            ],
        ),
        "embodied": (
            "the range that the scenario gives",
            [
                ("low of the range", _with_embodied(priced, "embodied_low_kg")),
                ("high of the range", _with_embodied(priced, "embodied_high_kg")),
            ],
        ),
    }
    if not middle.outcome.embodied_known:
        sides.pop("embodied")
    for name, (basis, ends) in sides.items():
        low, high = (Side(setting=s, values=_values(middle, f)) for s, f in ends)
        yield Axis(name=name, basis=basis, low=low, high=high)


def _reruns(world: Shared, spreads: Spreads) -> int:
    """Return how often `_rerun` runs the scenario: idle power low and high, forecast, seeds."""
    return 2 + (_foresees(world) and spreads.forecast_share > 0) + spreads.seeds


def _rerun(
    world: Shared, mid: Values, spreads: Spreads, ran: Callable[[Shared], Result]
) -> Iterator[Axis]:
    """Yield the inputs that need runs of their own."""

    def side(setting: str, told: Shared) -> Side:
        found = ran(told)
        return Side(setting=setting, values=_values(found, found.static_peak.entries.factors))

    low, high = (
        side(
            f"{k - 1:+.0%}",
            replace(world, fleet=tuple(_idle(kind, k) for kind in world.fleet)),
        )
        for k in _either_way(spreads.idle_share)
    )
    yield Axis(name="idle power", basis="share of idle watts, assumed", low=low, high=high)
    middle = Side(setting="as forecast", values=mid)
    if _foresees(world) and spreads.forecast_share > 0:
        wrong = side(f"{spreads.forecast_share:.0%} more error", _erring(world, spreads))
        basis = f"AR(1) in time, {MEMORY_H:g} h, growing with the lead; assumed"
        yield Axis(name="forecast error", basis=basis, low=middle, high=wrong)
    if spreads.seeds:
        first = world.scenario.seed + 1
        others = [
            side(f"seed {seed}", shared(world.scenario.with_(seed=seed)))
            for seed in range(first, first + spreads.seeds)
        ]
        ends = [Side(setting=f"seed {world.scenario.seed}", values=mid), *others]
        figure = "savings.scope2_location_kg"
        least, most = (pick(ends, key=lambda s: s.values[figure]) for pick in (min, max))
        basis = f"{len(ends)} seeds of what is drawn"
        yield Axis(name="seed", basis=basis, low=least, high=most)


def _either_way(share: float) -> tuple[float, float]:
    return 1.0 - share, 1.0 + share


def _with_pue(factors: Factors, k: float) -> Factors:
    """Return factors with what is over 1 of each PUE, and fixed power, times `k`."""

    def changed(pue: Pue) -> Pue:
        slope = np.minimum(1.0 + k * (pue.slope - 1.0), PUE_LIMIT)
        return replace(pue, slope=slope, fixed_w=k * pue.fixed_w)

    sites = [replace(site, pue=changed(site.pue)) for site in factors.sites]
    return replace(factors, sites=tuple(sites))


def _with_intensity(factors: Factors, k: float) -> Factors:
    most = INTENSITY_LIMIT_G_PER_KWH
    sites = [
        replace(site, intensity_g_per_kwh=np.minimum(k * site.intensity_g_per_kwh, most))
        for site in factors.sites
    ]
    return replace(factors, sites=tuple(sites))


def _with_embodied(factors: Factors, bound: str) -> Factors:
    types = [replace(m, embodied_kg=getattr(m, bound)) for m in factors.machine_types]
    return replace(factors, machine_types=tuple(types))


def _low(factors: Factors, spreads: Spreads) -> Factors:
    factors = _with_pue(factors, 1.0 - spreads.pue_overhead_share)
    factors = _with_intensity(factors, 1.0 - spreads.intensity_share)
    return _with_embodied(factors, "embodied_low_kg")


def _high(factors: Factors, spreads: Spreads) -> Factors:
    factors = _with_pue(factors, 1.0 + spreads.pue_overhead_share)
    factors = _with_intensity(factors, 1.0 + spreads.intensity_share)
    return _with_embodied(factors, "embodied_high_kg")


def _idle(kind: MachineType, k: float) -> MachineType:
    """Return a machine type whose idle power is `k` times as much, its peak the same."""
    loads = np.linspace(0.0, 1.0, POINTS)
    more_w = (k - 1.0) * kind.power.watts(0.0)
    watts = [kind.power.watts(float(u)) + more_w * (1.0 - float(u)) for u in loads]
    return replace(
        kind,
        power=Piecewise(watts_w=tuple(watts)),
        gpu_idle_w=min(k * kind.gpu_idle_w, kind.gpu_peak_w),
    )


def _foresees(world: Shared) -> bool:
    """Tell whether anything is forecast: load of services, or intensity that changes."""
    loads = world.forecast is not None and world.forecast.predicts
    carbon = world.carbon
    if loads or carbon is None or carbon.series.is_constant:
        return loads
    return any(issued is not None for issued in carbon.early)


def _erring(world: Shared, spreads: Spreads) -> Shared:
    """Return a world whose forecasts of services and of intensity are more wrong."""
    model = ErrorModel(spread_share=spreads.forecast_share, memory_h=MEMORY_H)
    rng = np.random.default_rng([world.scenario.seed, 0])
    if world.forecast is not None:
        hours = int(world.edges_ms[-1]) // MS_PER_H + 48
        rows = len(world.forecast.begin.sums_cpu_m[0])
        wrong: Any = erring(world.forecast, rows, hours, model, rng)
        world = replace(world, forecast=wrong)
    if world.carbon is not None:
        world = replace(world, carbon=world.carbon.erring(model, rng))
    return world
