"""A study in space: our plan where jobs may also run at other sites, and what that does there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.errors import Finding, UsageError
from greensched.model import NONE
from greensched.policies.shifting.sites import Placement, Places, emitted_g, leakage, placed
from greensched.shift.account import peak_cpu_m, waits
from greensched.shift.outcome import Outcome
from greensched.shift.replay import beside_reserved
from greensched.ticks import Schedule, contiguous
from greensched.units import CPU_M_PER_CORE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greensched.model import BoolArray
    from greensched.shift.measured import Study
    from greensched.ticks import TickIntensity, TickJobs

KIND: Final = "plan-sites"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A zone, its intensity and what policies see of it; `cpu_m` (NONE: as at home) caps it."""

    zone: str
    intensity: TickIntensity
    signal: TickIntensity
    cpu_m: int = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """What each job's data is and takes on its way, and to which zones jobs of a queue may go.

    A queue that `allowed` does not name may go anywhere.
    """

    data_gib: float = 0.0
    kwh_per_gib: float = 0.0
    ms_per_gib: float = 0.0
    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The home, where all jobs' data lies, and other sites; all on the grid of the study."""

    home: str
    others: tuple[Site, ...]
    moving: Moving = field(default_factory=Moving)


def space_row(study: Study, space: Space) -> dict[str, Any]:
    """Return the row of the plan over all sites; raises UsageError for queues that are none."""
    names = [queue.name for queue in study.case.terms.queues]
    unknown = sorted(set(space.moving.allowed) - set(names))
    if unknown:
        what, remedy = f"no queue {', '.join(unknown)}", f"queues: {', '.join(names)}"
        raise UsageError(Finding(where="--allowed", what=what, remedy=remedy))
    return study.row(KIND, partial(_ran, study, space))


def _ran(study: Study, space: Space, *, oracle: bool, under_cap: bool) -> Outcome:
    """Return what the plan over all sites comes to, without caps or under them."""
    jobs = study.small if under_cap else study.case.jobs
    patience = study.case.patience[study.fits] if under_cap else study.case.patience
    actual = _places(study, space, under_cap=under_cap)
    seen = actual if oracle else _places(study, space, under_cap=under_cap, foreseen=True)
    found = placed(jobs, seen)
    waited = waits(found.schedule, jobs)
    reached = replace(jobs, latest=np.maximum(jobs.latest, jobs.arrival + waited))
    longest = int(found.schedule.stop.max())
    held = replace(actual, series=tuple(s.held_until(longest) for s in actual.series))
    free = replace(held, cpu_m=None)
    return Outcome(
        emitted_g=float(emitted_g(jobs, held, found).sum()),
        bound_g=float(emitted_g(jobs, free, placed(reached, free)).sum()),
        waited=waited,
        late=int((waited > patience).sum()),
        peak_cpu_m=peak_cpu_m(found.schedule, jobs.cpu_m),
        cost=study.cost(found.schedule, jobs.cpu_m, _reserved(study, jobs, found)),
        more=_told(jobs, space, held, found),
    )


def _places(study: Study, space: Space, *, under_cap: bool, foreseen: bool = False) -> Places:
    """Return the sites as the planner takes them."""
    case, moving = study.case, space.moving
    jobs = study.small if under_cap else case.jobs
    queue = case.queue[study.fits] if under_cap else case.queue
    home = case.signal if foreseen else case.intensity
    others = tuple(site.signal if foreseen else site.intensity for site in space.others)
    caps = (study.cap, *(s.cpu_m if s.cpu_m != NONE else study.cap for s in space.others))
    return Places(
        series=(home, *others),
        home=np.zeros(len(jobs), np.int64),
        allowed=_allowed(case.terms.queues, space)[queue],
        data_gib=np.full(len(jobs), moving.data_gib),
        kwh_per_gib=moving.kwh_per_gib,
        ticks_per_gib=moving.ms_per_gib / case.intensity.tick_ms,
        core_w=case.terms.core_w,
        cpu_m=caps if under_cap else None,
    )


def _allowed(queues: tuple[Any, ...], space: Space) -> BoolArray:
    """Return whether jobs of each queue may run at each site, the home being the first."""
    zones = [site.zone for site in space.others]
    named = space.moving.allowed
    return np.array([[True, *(z in named.get(q.name, zones) for z in zones)] for q in queues])


def _reserved(study: Study, jobs: TickJobs, found: Placement) -> BoolArray | None:
    """Return which pieces run on reserved cores; these are at home."""
    if not study.case.terms.reserved_cpu_m:
        return None
    flags = np.zeros(len(found.schedule.job), np.bool_)
    here = found.site[found.schedule.job] == 0
    home = found.at(0)
    if here.any():
        cores = study.case.terms.reserved_cpu_m
        flags[here] = beside_reserved(home, jobs, cores, fixed=True).reserved
    return flags


def _told(jobs: TickJobs, space: Space, places: Places, found: Placement) -> dict[str, Any]:
    """Return what is moved, and by how much each site's emissions change against no-wait."""
    before = Placement(site=places.home, schedule=contiguous(jobs, jobs.arrival))
    told = leakage(jobs, places, before, found)
    sites = []
    for s, zone in enumerate((space.home, *(site.zone for site in space.others))):
        there: Schedule = found.at(s)
        sites.append(
            {
                "zone": zone,
                "jobs": int((found.site == s).sum()),
                "carbon_g": float(told.after_g[s]),
                "change_g": float(told.after_g[s] - told.before_g[s]),
                "peak_cores": peak_cpu_m(there, jobs.cpu_m) / CPU_M_PER_CORE,
            }
        )
    return {"moved": int((found.site != 0).sum()), "moving_g": told.moving_g, "sites": sites}
