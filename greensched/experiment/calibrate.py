"""`calibrate`: is the power model right? As-recorded beside meters, fitted within limits.

Idle and peak power of the fleet's entries and the sites' PUE are fitted on some days and judged
on others: every third day that has readings is held out. What the readings cannot tell apart is
not fitted, and said so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from greensched.accounting.factors import PUE_LIMIT
from greensched.errors import DataError, Finding
from greensched.experiment.calibrate_basis import recorded
from greensched.experiment.calibrate_fit import Values, confounded, fit, predicted, slopes, spread
from greensched.experiment.calibrate_rows import Joined, joined
from greensched.experiment.world import shared
from greensched.units import J_PER_KWH, MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from greensched.experiment.calibrate_basis import Recorded
    from greensched.experiment.world import Shared
    from greensched.model import BoolArray, FloatArray
    from greensched.readers.meter import Metered
    from greensched.scenario import Scenario

SCHEMA: Final = "greensched/calibration/v1"
HELD_OUT_EVERY: Final = 3  # days
DAYS_MIN: Final = 2  # one to fit, one to judge
TOO_WIDE: Final = 0.25  # relative standard error beyond which a value is no finding
AT_LIMIT: Final = 1e-6  # relative
Quantity: TypeAlias = Literal["idle", "peak", "pue"]
QUANTITIES: Final[tuple[Quantity, ...]] = ("idle", "peak", "pue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One value of the model: given by the scenario, fitted or held, with its standard error."""

    quantity: Quantity
    of: str
    given: float
    fitted: float
    standard_error: float  # at least so much; 0 where held
    is_fitted: bool
    limits: tuple[float, float]

    @property
    def name(self) -> str:
        """Return what it is called."""
        return f"PUE of {self.of}" if self.quantity == "pue" else f"{self.quantity} of {self.of}"

    @property
    def is_at_limit(self) -> bool:
        """Say whether the fit would have gone on beyond a limit."""
        low, high = self.limits
        close = (abs(self.fitted - end) <= AT_LIMIT * max(abs(end), 1.0) for end in (low, high))
        return self.is_fitted and any(close)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How far the model is off the readings of one group of meters, on days held out."""

    label: str
    meters: int
    periods: int
    period_h: float  # the longest
    measured_kwh: float
    mape_before_share: float
    bias_before_share: float
    mape_share: float
    bias_share: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """The model beside the meters; `refused` says why nothing was fitted, empty where it was."""

    scenario: Scenario
    parameters: tuple[Parameter, ...]
    groups: tuple[Quality, ...]
    total: Quality
    days_fitted: int
    days_held_out: int
    meter_sha256: str
    findings: tuple[str, ...]
    refused: tuple[Finding, ...]
    hours: dict[str, Any]  # columns of a table: one row a group and period

    @property
    def is_fitted(self) -> bool:
        """Say whether there are fitted values."""
        return not self.refused and any(p.is_fitted for p in self.parameters)

    @property
    def document(self) -> dict[str, Any]:
        """Return all of it but the hours as plain values (docs/reference/calibration.md)."""
        from dataclasses import asdict

        return {
            "schema": SCHEMA,
            "name": self.scenario.name,
            "scenario_sha256": self.scenario.hash,
            "meter_sha256": self.meter_sha256,
            "fitted": self.is_fitted,
            "days_fitted": self.days_fitted,
            "days_held_out": self.days_held_out,
            "parameters": [
                {**asdict(p), "limits": list(p.limits), "at_limit": p.is_at_limit}
                for p in self.parameters
            ],
            "meters": [asdict(g) for g in self.groups],
            "total": asdict(self.total),
            "findings": list(self.findings),
            "refused": [str(f) for f in self.refused],
        }


def calibrate(
    scenario: Scenario,
    metered: Metered,
    *,
    hold: Collection[Quantity] = (),
    within: float = 2.0,
    progress: Callable[[str, float], None] | None = None,
) -> Calibration:
    """Return the scenario's power model beside what meters read, and fitted to it.

    Watts stay within 1 / `within` .. `within` times the scenario's, PUE within 1 .. 3; what is in
    `hold` is not fitted. Raises ScenarioError and DataError for what cannot be run or compared.
    """
    world = shared(scenario, forecasts=False)
    run = recorded(world, progress)
    rows = joined(world, run, metered.meters)
    held_out = _held_out(rows)
    first = _given(world, run)
    low, high = _limits(first, within)
    free = _free(rows, first, hold)
    fitting = _chosen(rows, ~held_out)
    refused = _refusals(world, run, slopes(fitting, first), free)
    last, error = first, np.zeros(len(free))
    if free.any() and not refused:
        last = fit(fitting, first, free, low, high)
        error = spread(fitting, last, free)
        refused = _doubts(world, run, last, error)
    if refused:
        last, error, free = first, np.zeros(len(free)), np.zeros_like(free)
    quality, total = _judged(rows, held_out, first, last)
    return Calibration(
        scenario=scenario,
        parameters=_parameters(world, run, (first, last), error, free, (low, high)),
        groups=quality,
        total=total,
        days_fitted=len(np.unique(rows.day[~held_out])),
        days_held_out=len(np.unique(rows.day[held_out])),
        meter_sha256=metered.checksum,
        findings=(*metered.findings, *_said(rows, quality)),
        refused=tuple(refused),
        hours=_hours(world, rows, held_out, (first, last)),
    )


def _held_out(rows: Joined) -> BoolArray:
    """Return which rows are of days that are held out; raises DataError for too few days."""
    days = np.unique(rows.day)
    if len(days) < DAYS_MIN:
        what = "readings of one day, or one that spans all: a fit is judged on days that it has"
        remedy = "give readings of two days or more, and leave out what spans all of them"
        raise DataError(Finding(where="--meter", what=f"{what} not seen", remedy=remedy))
    kept = days[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
    chosen: BoolArray = np.isin(rows.day, kept if len(kept) else days[-1:])
    return chosen


def _given(world: Shared, run: Recorded) -> Values:
    """Return the scenario's own values."""
    return Values(
        idle_w=np.array([w.idle_w for w in run.given]),
        peak_w=np.array([w.peak_w for w in run.given]),
        pue=np.array([site.pue_slope for site in world.sites]),
    )


def _limits(first: Values, within: float) -> tuple[FloatArray, FloatArray]:
    """Return the least and the most of each parameter."""
    watts = np.concatenate([first.idle_w, first.peak_w])
    ones = np.ones(len(first.pue))
    return (
        np.concatenate([watts / within, ones]),
        np.concatenate([watts * within, PUE_LIMIT * ones]),
    )


def _free(rows: Joined, first: Values, hold: Collection[Quantity]) -> BoolArray:
    """Return which parameters are to be fitted: those under a meter, but for what is held."""
    entries = len(first.idle_w)
    metered = (rows.rows.idle + rows.rows.peak).any(axis=0) & (first.peak_w > first.idle_w)
    sites = np.isin(np.arange(len(first.pue)), rows.rows.site)
    free: BoolArray = np.concatenate([metered, metered, sites])
    for i, quantity in enumerate(QUANTITIES):
        if quantity in hold:
            free[i * entries : (i + 1) * entries if i + 1 < len(QUANTITIES) else None] = False
    return free


def _chosen(rows: Joined, which: BoolArray) -> Any:
    """Return some of the rows."""
    from dataclasses import replace

    names = rows.rows.__dataclass_fields__
    return replace(rows.rows, **{name: getattr(rows.rows, name)[which] for name in names})


def _names(world: Shared, run: Recorded) -> list[str]:
    """Return the parameters' names in the order of their row."""
    watts = [f"{q} watts of {w.entry}" for q in ("idle", "peak") for w in run.given]
    return watts + [f"PUE of {site.name}" for site in world.sites]


def _refusals(world: Shared, run: Recorded, matrix: FloatArray, free: BoolArray) -> list[Finding]:
    """Return what the readings cannot tell apart, each group with the way out."""
    names = _names(world, run)
    found = []
    for group in confounded(matrix, free):
        told = [names[i] for i in group]
        if len(told) == 1:
            what = f"{told[0]}: no reading changes with it"
            remedy = "hold it, or give readings while it matters"
        else:
            what = f"cannot tell apart {', '.join(told[:-1])} and {told[-1]}"
            remedy = "give readings that differ in them"
            if any(name.startswith("PUE") for name in told):
                remedy = "hold what is known (--hold pue), or give an IT meter beside the site's"
        found.append(Finding(where="--meter", what=what, remedy=remedy))
    return found


def _doubts(world: Shared, run: Recorded, last: Values, error: FloatArray) -> list[Finding]:
    """Return why fitted values are none: too uncertain, or less power at load than at rest."""
    names = _names(world, run)
    remedy = "give more days, or hold it (--hold)"
    found = [
        Finding(where="--meter", what=f"{names[i]}: ± {error[i]:.0%}, too little", remedy=remedy)
        for i in np.flatnonzero(error > TOO_WIDE)
    ]
    found += [
        Finding(
            where="--meter",
            what=f"{run.given[e].entry}: readings fall as load rises",
            remedy="check which machines the meter measures, and its times and time zone",
        )
        for e in np.flatnonzero(last.peak_w < last.idle_w)
    ]
    return found


def _parameters(
    world: Shared,
    run: Recorded,
    values: tuple[Values, Values],
    error: FloatArray,
    free: BoolArray,
    limits: tuple[FloatArray, FloatArray],
) -> tuple[Parameter, ...]:
    """Return every parameter, before and after."""
    entries = [w.entry for w in run.given]
    owners: list[tuple[Quantity, str]] = [
        *(("idle", name) for name in entries),
        *(("peak", name) for name in entries),
        *(("pue", site.name) for site in world.sites),
    ]
    first, last = (v.all for v in values)
    return tuple(
        Parameter(
            quantity=quantity,
            of=of,
            given=float(first[i]),
            fitted=float(last[i]),
            standard_error=float(error[i] * last[i]),
            is_fitted=bool(free[i]),
            limits=(float(limits[0][i]), float(limits[1][i])),
        )
        for i, (quantity, of) in enumerate(owners)
    )


def _judged(
    rows: Joined, held_out: BoolArray, first: Values, last: Values
) -> tuple[tuple[Quality, ...], Quality]:
    """Return how far off each group is on days held out, and all together."""
    before, after = (predicted(rows.rows, v) for v in (first, last))

    def quality(label: str, own: BoolArray, meters: int) -> Quality:
        true = rows.rows.energy_j[own]
        lengths_ms = (rows.until_ms - rows.from_ms)[own]
        figures = {}
        for name, told in (("before_share", before[own]), ("share", after[own])):
            figures[f"mape_{name}"] = _mape(told, true)
            figures[f"bias_{name}"] = float(told.sum() / true.sum() - 1.0) if true.any() else 0.0
        return Quality(
            label=label,
            meters=meters,
            periods=int(own.sum()),
            period_h=float(lengths_ms.max(initial=0)) / MS_PER_H,
            measured_kwh=float(true.sum()) / J_PER_KWH,
            **figures,
        )

    groups = tuple(
        quality(g.label, held_out & (rows.group == i), g.meters) for i, g in enumerate(rows.groups)
    )
    return groups, quality("all", held_out, sum(g.meters for g in rows.groups))


def _said(rows: Joined, judged: tuple[Quality, ...]) -> list[str]:
    """Return what is to be said of meters, and which of them are not judged."""
    unjudged = [q.label for q in judged if not q.periods]
    said = [finding for group in rows.groups for finding in group.findings]
    return [*said, *(f"{label}: no reading on days held out, not judged" for label in unjudged)]


def _mape(told: FloatArray, true: FloatArray) -> float:
    """Return the mean absolute error relative to what was measured, where that is not 0."""
    some = true > 0.0
    return float(np.abs(told[some] / true[some] - 1.0).mean()) if some.any() else 0.0


def _hours(
    world: Shared, rows: Joined, held_out: BoolArray, values: tuple[Values, Values]
) -> dict[str, Any]:
    """Return a table of every period: measured, simulated before and after."""
    labels = np.array([g.label for g in rows.groups], object)
    before, after = (predicted(rows.rows, v) for v in values)
    start_ms = world.scenario.start_utc_ms
    return {
        "meter": labels[rows.group],
        "from_utc": (rows.from_ms + start_ms).astype("datetime64[ms]"),
        "until_utc": (rows.until_ms + start_ms).astype("datetime64[ms]"),
        "held_out": held_out,
        "measured_kwh": rows.rows.energy_j / J_PER_KWH,
        "simulated_kwh": before / J_PER_KWH,
        "calibrated_kwh": after / J_PER_KWH,
    }
