"""One row a policy: what it emits, makes wait and costs, without a cap on cores and with one.

A cap is what a machine park is: a saving that many jobs in one clean hour would make together may
need more cores than there are. So no row goes without its result under one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched import registry
from greensched.bounds.shifting import least_emissions
from greensched.bounds.transport import Transport
from greensched.errors import DataError, Finding
from greensched.model import NONE
from greensched.shift.account import (
    P95,
    carbon_g,
    core_tick_kwh,
    peak_cpu_m,
    running,
    usual_cpu_m,
    waits,
)
from greensched.shift.replay import beside_reserved, capped
from greensched.units import CPU_M_PER_CORE, MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from greensched.model import BoolArray, IntArray
    from greensched.shift.study import Case, Terms
    from greensched.ticks import Schedule, TickIntensity, TickJobs

BASELINE: Final = "no-wait"
ORDER: Final = (
    *("no-wait", "lowest-slot", "lowest-window", "carbon-time", "next-workday", "semi-weekly"),
    *("wait-awhile", "ecovisor", "plan"),
)
COLUMNS_MAX: Final = 100_000  # of the linear program: a second
CALENDAR_MS: Final = 7 * MS_PER_DAY  # beyond a job's end no calendar's deadline lies later
ROUNDING: Final = 1e-9  # of the solver, relative


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ran:
    """A schedule as it ran, the jobs with the latest starts that it had to keep, its cost.

    `patience` is how many ticks each job may wait: `jobs.latest` is earlier near the data's end.
    """

    schedule: Schedule
    jobs: TickJobs
    patience: IntArray
    cost: float | None
    under_cap: bool = False


def rows(
    case: Case, names: Sequence[str], *, told: Callable[[str, float], None] | None = None
) -> list[dict[str, Any]]:
    """Return one row for each policy of `names`, in the keys of `docs/reference/outputs.md`.

    `told` hears (policy, share done). Raises UsageError for an unknown name.
    """
    policies = [(name, _policy(name, case.terms)) for name in names]
    tell = told or (lambda _name, _share: None)
    study = _Study(case)
    found = []
    for i, (name, policy) in enumerate(policies):
        tell(name, i / len(policies))
        found.append(study.row(name, policy))
    return found


def registered() -> Iterator[str]:
    """Yield the names of all policies, in the order in which they are shown."""
    known = registry.names("shifting policy")
    yield from (name for name in ORDER if name in known)
    yield from (name for name in known if name not in ORDER)


def _policy(name: str, terms: Terms) -> Any:
    """Return the policy of that name, with the settings that the study has for it."""
    kind = registry.load("shifting policy", name)
    settings = {"step_ms": terms.step_ms, "solver": terms.solver}
    known = kind.__dataclass_fields__
    return kind(**{key: value for key, value in settings.items() if key in known})


class _Study:
    """A case with its baseline, without a cap and with one."""

    def __init__(self, case: Case) -> None:
        """Run the baseline."""
        self.case = case
        self.proven: dict[bytes, float] = {}
        policy = _policy(BASELINE, case.terms)
        planned = policy.plan(case.jobs, case.signal)
        self.horizon_h = _horizon_h(case, planned)
        self.base = self._free(policy, case.signal)
        cap = case.terms.capacity_cpu_m
        self.cap = cap if cap != NONE else usual_cpu_m(planned, case.jobs.cpu_m, P95)
        self.fits = fits = case.jobs.cpu_m <= self.cap
        if not fits.any():
            what = f"all jobs want more than {self.cap / CPU_M_PER_CORE:g} cores"
            raise DataError(Finding(where="--capacity", what=what, remedy="give more cores"))
        self.refused = int((~fits).sum())
        self.small = case.jobs if fits.all() else select(case.jobs, fits)
        self.base_capped = self._capped(policy, case.signal)

    def row(self, name: str, policy: Any) -> dict[str, Any]:
        """Return the row of one policy."""
        row: dict[str, Any] = {"policy": name}
        for run, base in ((self._free, self.base), (self._capped, self.base_capped)):
            ran = base if name == BASELINE else run(policy, self.case.signal)
            found = self._outcome(ran, base)
            found["oracle_g"] = found["carbon_g"]
            if self.case.signal is not self.case.intensity:
                oracle = run(policy, self.case.intensity)
                found["oracle_g"] = self._outcome(oracle, base)["carbon_g"]
            if run == self._free:
                row |= found
            else:
                cores = self.cap / CPU_M_PER_CORE
                row["capacity"] = {"cores": cores, **found, "refused": self.refused}
        return row

    def _free(self, policy: Any, signal: TickIntensity) -> _Ran:
        """Return how a policy's schedule runs without a cap, beside reserved cores if any."""
        jobs, reserved = policy.window(self.case.jobs, signal), None
        schedule = policy.plan(self.case.jobs, signal)
        if self.case.terms.reserved_cpu_m:
            ran = beside_reserved(schedule, jobs, self.case.terms.reserved_cpu_m)
            schedule, reserved = ran.schedule, ran.reserved
        cost = self._cost(schedule, jobs, reserved)
        patience = _patience(policy, self.case.jobs, self.case.patience, signal)
        return _Ran(schedule=schedule, jobs=jobs, patience=patience, cost=cost)

    def _capped(self, policy: Any, signal: TickIntensity) -> _Ran:
        """Return how it runs under the cap; a policy that knows the cap plans with it."""
        jobs = policy.window(self.small, signal)
        if "cpu_m" in policy.__dataclass_fields__:
            policy = replace(policy, cpu_m=self.cap)
        ran = capped(policy.plan(self.small, signal), jobs, self.cap)
        reserved = None
        if self.case.terms.reserved_cpu_m:
            reserved = beside_reserved(
                ran, jobs, self.case.terms.reserved_cpu_m, fixed=True
            ).reserved
        cost = self._cost(ran, jobs, reserved)
        patience = _patience(policy, self.small, self.case.patience[self.fits], signal)
        return _Ran(schedule=ran, jobs=jobs, patience=patience, cost=cost, under_cap=True)

    def _cost(
        self, schedule: Schedule, jobs: TickJobs, reserved: BoolArray | None
    ) -> float | None:
        """Return what cores cost, those on demand by use and the reserved ones by the horizon."""
        terms = self.case.terms
        if terms.price_per_core_h is None:
            return None
        used = (schedule.stop - schedule.start) * jobs.cpu_m[schedule.job]
        on_demand = int(used.sum() if reserved is None else used[~reserved].sum())
        core_h = on_demand / CPU_M_PER_CORE * self.case.intensity.tick_ms / MS_PER_H
        paid_h = terms.reserved_cpu_m / CPU_M_PER_CORE * self.horizon_h
        return terms.price_per_core_h * (core_h + (1.0 - terms.reserved_discount) * paid_h)

    def _transport_g(self, jobs: TickJobs) -> float:
        """Return the bound of work under the cap [g] that may be divided; 0 for a large study."""
        series, key = self.case.intensity, jobs.latest.tobytes()
        if key not in self.proven:
            slots = series.slot(jobs.latest + jobs.length - 1) - series.slot(jobs.arrival) + 1
            least = 0.0
            if int(slots.sum()) <= COLUMNS_MAX:
                flow = Transport(jobs, series, self.cap).solve(series)
                least = flow.least * (1.0 - ROUNDING) if flow.late.sum() < ROUNDING else 0.0
            self.proven[key] = least * core_tick_kwh(series, self.case.terms.core_w)
        return self.proven[key]

    def _outcome(self, ran: _Ran, base: _Ran) -> dict[str, Any]:
        """Return the figures of one run."""
        power_w = self.case.terms.core_w
        last = max(int(one.schedule.stop.max()) for one in (ran, base))
        intensity = self.case.intensity.held_until(last)  # under a cap work may run past the data
        waited = waits(ran.schedule, ran.jobs)
        beyond = waited > ran.jobs.latest - ran.jobs.arrival  # late, or past the data's end
        allowed = replace(ran.jobs, latest=np.maximum(ran.jobs.latest, ran.jobs.arrival + waited))
        emitted, without, bound = (
            carbon_g(schedule, ran.jobs, intensity, power_w)
            for schedule in (ran.schedule, base.schedule, least_emissions(allowed, intensity))
        )
        if ran.under_cap and not beyond.any():
            bound = max(bound, self._transport_g(ran.jobs))
        waited_h = waited * (intensity.tick_ms / MS_PER_H)
        found = {
            "carbon_g": emitted,
            "normalised": _ratio(emitted, without),
            "mean_wait_h": float(waited_h.mean()),
            "p95_wait_h": float(np.quantile(waited_h, P95)),
            "peak_cores": peak_cpu_m(ran.schedule, ran.jobs.cpu_m) / CPU_M_PER_CORE,
            "late": int((waited > ran.patience).sum()),
            "cost": ran.cost,
            "bound_g": bound,
            "share_captured": _ratio(without - emitted, without - bound),
        }
        if self.case.marginal is not None:
            series = self.case.marginal.held_until(last)
            other, other_without = (
                carbon_g(one.schedule, one.jobs, series, power_w) for one in (ran, base)
            )
            found["marginal_carbon_g"] = other
            found["marginal_normalised"] = _ratio(other, other_without)
            found["signs_differ"] = (other_without - other) * (without - emitted) < 0
        return found


def select(jobs: TickJobs, keep: BoolArray) -> TickJobs:
    """Return some of the jobs."""
    names = ("arrival", "length", "latest", "expected", "cpu_m", "interruptible")
    return replace(jobs, **{name: getattr(jobs, name)[keep] for name in names})


def _patience(policy: Any, jobs: TickJobs, wait: IntArray, signal: TickIntensity) -> IntArray:
    """Return how many ticks each job may wait under a policy, were the data endless."""
    endless = replace(jobs, latest=jobs.arrival + wait)
    last = int((endless.latest + jobs.length).max()) + CALENDAR_MS // signal.tick_ms
    allowed: IntArray = policy.window(endless, signal.held_until(last)).latest - jobs.arrival
    return allowed


def _horizon_h(case: Case, baseline: Schedule) -> float:
    """Return for how long reserved cores are paid."""
    if case.terms.horizon_ms != NONE:
        return case.terms.horizon_ms / MS_PER_H
    last = int(running(baseline, case.jobs.cpu_m)[0][-1])
    return last * case.intensity.tick_ms / MS_PER_H


def _ratio(part: float, whole: float) -> float | None:
    """Return a ratio, None for that of nothing to nothing."""
    return None if whole == 0 else part / whole
