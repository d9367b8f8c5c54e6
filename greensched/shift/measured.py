"""A case as policies run it: without a cap on cores and with one, beside its baseline.

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
    checkpoints_g,
    core_tick_kwh,
    peak_cpu_m,
    running,
    usual_cpu_m,
    waits,
)
from greensched.shift.outcome import Outcome, figures
from greensched.shift.replay import beside_reserved, capped
from greensched.shift.study import CALENDAR_MS
from greensched.units import CPU_M_PER_CORE, MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.model import BoolArray, IntArray
    from greensched.shift.study import Case, Terms
    from greensched.ticks import Schedule, TickIntensity, TickJobs

BASELINE: Final = "no-wait"
COLUMNS_MAX: Final = 250_000  # of the linear program: seconds
ROUNDING: Final = 1e-9  # of the solver, relative


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ran:
    """A schedule as it ran, and the jobs with the latest starts that it had to keep.

    `patience` is how many ticks each job may wait: `jobs.latest` is earlier near the data's end.
    """

    schedule: Schedule
    jobs: TickJobs
    patience: IntArray
    reserved: BoolArray | None = None  # which pieces run on reserved cores


def policy_named(name: str, terms: Terms) -> Any:
    """Return the policy of that name, with the settings that the study has for it."""
    kind = registry.load("shifting policy", name)
    settings = {
        "step_ms": terms.step_ms,
        "solver": terms.solver,
        "checkpoint_ms": terms.checkpoint_ms,
    }
    known = kind.__dataclass_fields__
    return kind(**{key: value for key, value in settings.items() if key in known})


class Study:
    """A case with its baseline, without a cap and with one."""

    def __init__(self, case: Case) -> None:
        """Run the baseline."""
        self.case = case
        self.tick_h = case.intensity.tick_ms / MS_PER_H
        self._proven_g: dict[bytes, float] = {}
        policy = policy_named(BASELINE, case.terms)
        planned = policy.plan(case.jobs, case.signal)
        self.horizon_h = _horizon_h(case, planned)
        cap = case.terms.capacity_cpu_m
        self.cap = cap if cap != NONE else usual_cpu_m(planned, case.jobs.cpu_m, P95)
        self.fits = fits = case.jobs.cpu_m <= self.cap
        if not fits.any():
            what = f"all jobs want more than {self.cap / CPU_M_PER_CORE:g} cores"
            raise DataError(Finding(where="--capacity", what=what, remedy="give more cores"))
        self.small = case.jobs if fits.all() else case.jobs.taken(fits)
        self.base, self.base_capped = (
            self.ran(policy, oracle=True, under_cap=k) for k in (False, True)
        )

    def row(self, name: str, run: Callable[..., Outcome]) -> dict[str, Any]:
        """Return the row of what `run(oracle=, under_cap=)` comes to."""
        row: dict[str, Any] = {"policy": name}
        for under_cap, base in ((False, self.base), (True, self.base_capped)):
            ran = base if name == BASELINE else run(oracle=False, under_cap=under_cap)
            oracle = ran
            if self.case.signal is not self.case.intensity and name != BASELINE:
                oracle = run(oracle=True, under_cap=under_cap)
            found = figures(ran, base, self.tick_h) | {"oracle_g": oracle.emitted_g}
            if under_cap:
                cores, refused = self.cap / CPU_M_PER_CORE, int((~self.fits).sum())
                found = {"capacity": {"cores": cores, **found, "refused": refused}}
            row |= found
        return row

    def ran(self, policy: Any, *, oracle: bool, under_cap: bool) -> Outcome:
        """Return what a policy comes to; `oracle`: it knows what came."""
        signal = self.case.intensity if oracle else self.case.signal
        if not under_cap:
            return self._measured(self._free(policy, signal))
        knows_cap = "cpu_m" in policy.__dataclass_fields__
        return self._measured(self._capped(policy, signal), planned_under_cap=knows_cap)

    def _free(self, policy: Any, signal: TickIntensity) -> _Ran:
        """Return how a policy's schedule runs without a cap, beside reserved cores if any."""
        jobs, reserved = policy.window(self.case.jobs, signal), None
        schedule = policy.plan(self.case.jobs, signal)
        if self.case.terms.reserved_cpu_m:
            ran = beside_reserved(schedule, jobs, self.case.terms.reserved_cpu_m)
            schedule, reserved = ran.schedule, ran.reserved
        patience = _patience(policy, self.case.jobs, self.case.patience, signal)
        return _Ran(schedule=schedule, jobs=jobs, patience=patience, reserved=reserved)

    def _capped(self, policy: Any, signal: TickIntensity) -> _Ran:
        """Return how it runs under the cap; a policy that knows the cap plans with it."""
        jobs, reserved = policy.window(self.small, signal), None
        if "cpu_m" in policy.__dataclass_fields__:
            policy = replace(policy, cpu_m=self.cap)
        ran = capped(policy.plan(self.small, signal), jobs, self.cap)
        if self.case.terms.reserved_cpu_m:
            cores = self.case.terms.reserved_cpu_m
            reserved = beside_reserved(ran, jobs, cores, fixed=True).reserved
        patience = _patience(policy, self.small, self.case.patience[self.fits], signal)
        return _Ran(schedule=ran, jobs=jobs, patience=patience, reserved=reserved)

    def cost(
        self, schedule: Schedule, cpu_m: IntArray, reserved: BoolArray | None
    ) -> float | None:
        """Return what cores cost, those on demand by use and the reserved ones by the horizon."""
        terms = self.case.terms
        if terms.price_per_core_h is None:
            return None
        used = (schedule.stop - schedule.start) * cpu_m[schedule.job]
        on_demand = int(used.sum() if reserved is None else used[~reserved].sum())
        core_h = on_demand / CPU_M_PER_CORE * self.tick_h
        paid_h = terms.reserved_cpu_m / CPU_M_PER_CORE * self.horizon_h
        return terms.price_per_core_h * (core_h + (1.0 - terms.reserved_discount) * paid_h)

    def _least_divided_g(self, jobs: TickJobs, series: TickIntensity) -> float:
        """Return the bound of work under the cap [g] that may be divided; 0 for a large study."""
        key = jobs.latest.tobytes()
        if key not in self._proven_g:
            slots = series.slot(jobs.latest + jobs.length - 1) - series.slot(jobs.arrival) + 1
            least = 0.0
            if int(slots.sum()) <= COLUMNS_MAX:
                flow = Transport(jobs, series, self.cap).solve(series)
                least = flow.least * (1.0 - ROUNDING) if flow.late.sum() < ROUNDING else 0.0
            self._proven_g[key] = least * core_tick_kwh(series, self.case.terms.core_w)
        return self._proven_g[key]

    def _measured(self, ran: _Ran, *, planned_under_cap: bool | None = None) -> Outcome:
        """Return the account of one run; `planned_under_cap` is None for one without a cap."""
        core_w, jobs = self.case.terms.core_w, ran.jobs
        # Under a cap work may run past the data.
        series = self.case.intensity.held_until(int(ran.schedule.stop.max()))
        waited = waits(ran.schedule, jobs)
        beyond = waited > jobs.latest - jobs.arrival  # late, or past the data's end
        reached = replace(jobs, latest=np.maximum(jobs.latest, jobs.arrival + waited))
        emitted_g = self._emitted_g(ran, series)
        bound_g = carbon_g(least_emissions(reached, series), jobs, series, core_w)
        more: dict[str, Any] = {}
        if planned_under_cap or (planned_under_cap is not None and not beyond.any()):
            divided_g = self._least_divided_g(reached, series)
            bound_g = max(bound_g, divided_g)
            if planned_under_cap:
                more["above_lp"] = emitted_g / divided_g - 1.0 if divided_g else None
        other = self.case.marginal
        return Outcome(
            emitted_g=emitted_g,
            bound_g=bound_g,
            waited=waited,
            late=int((waited > ran.patience).sum()),
            peak_cpu_m=peak_cpu_m(ran.schedule, jobs.cpu_m),
            cost=self.cost(ran.schedule, jobs.cpu_m, ran.reserved),
            marginal_g=None
            if other is None
            else self._emitted_g(ran, other.held_until(series.length)),
            more=more,
        )

    def _emitted_g(self, ran: _Ran, series: TickIntensity) -> float:
        """Return what a run emits [g], with what going on after pauses takes."""
        terms = self.case.terms
        given = (ran.schedule, ran.jobs, series, terms.core_w)
        return carbon_g(*given) + checkpoints_g(*given, terms.checkpoint_ms / series.tick_ms)


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
