"""Where jobs run: allowed sites, the energy and time of moving their data, and leakage.

Shifting in space beside time, as in Sukprasert et al., On the Limitations of Carbon-Aware
Temporal and Spatial Workload Shifting in the Cloud, EuroSys 2024, section 4, doi
10.1145/3627703.3629560; with what moving takes, which that study leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from greensched.bounds.shifting import best_starts
from greensched.errors import Finding, UsageError
from greensched.policies.shifting.greedy import best_free_start
from greensched.policies.shifting.room import Room
from greensched.units import CPU_M_PER_CORE, G_PER_KG, MS_PER_H

if TYPE_CHECKING:
    from greensched.model import BoolArray, FloatArray, IntArray
    from greensched.ticks import TickIntensity, TickJobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Sites with one series each on one grid of ticks, and where each job may go.

    `home[j]` is where the data of job j lies; `allowed[j, s]` says whether it may run at site s;
    `data_gib[j]` goes with it, at `kwh_per_gib` and so many ticks a GiB, paid half at either
    site with the intensity at arrival. `cpu_m` caps the sites (None: no caps). A core takes
    `core_w`. Raises UsageError where a job may not run at home.
    """

    series: tuple[TickIntensity, ...]
    home: IntArray
    allowed: BoolArray
    data_gib: FloatArray
    kwh_per_gib: float = 0.0
    ticks_per_gib: float = 0.0
    core_w: float = 1.0
    cpu_m: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse jobs without a place to stay."""
        lost = np.flatnonzero(~self.allowed[np.arange(len(self.home)), self.home])
        if len(lost):
            what = f"not allowed at home: {len(lost):,} of the jobs, the first in row {lost[0]:,}"
            raise UsageError(Finding(where="allowed", what=what, remedy="allow the home site"))

    def delay(self, site: int) -> IntArray:
        """Return after how many ticks each job's data has come to `site`."""
        ticks = np.ceil(self.data_gib * self.ticks_per_gib).astype(np.int64)
        return np.where(self.home == site, 0, ticks)

    def transfer_g(self, jobs: TickJobs, site: int) -> FloatArray:
        """Return what moving each job's data to `site` emits [g]."""
        here = np.stack([s.values_g_per_kwh[s.slot(jobs.arrival)] for s in self.series])
        mean = (here[self.home, np.arange(len(jobs))] + here[site]) / 2.0
        return np.where(self.home == site, 0.0, self.data_gib * self.kwh_per_gib * mean)

    def running_g(self, jobs: TickJobs, site: int, start: IntArray) -> FloatArray:
        """Return what each job emits [g] when it runs at `site` from `start` on."""
        series = self.series[site]
        emitted = series.emitted(start, start + jobs.length) / series.scale
        found: FloatArray = emitted * self.core_kwh(site) * jobs.cpu_m / CPU_M_PER_CORE
        return found

    def core_kwh(self, site: int) -> float:
        """Return the energy [kWh] of a core for a tick."""
        return self.core_w / G_PER_KG * self.series[site].tick_ms / MS_PER_H


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Site and start of each job, and what it emits [g] there, moving included."""

    site: IntArray
    start: IntArray
    emitted_g: FloatArray


def placed(jobs: TickJobs, places: Places) -> Placement:
    """Return the site and start of least emissions for each job, without pauses.

    Of equal ones the home, then the first site. Data must have come by the latest start. Under
    caps jobs choose in order of arrival; one that finds no room in time stays at home, late.
    """
    if places.cpu_m is not None:
        return _placed_under_caps(jobs, places)
    home = _at_home(jobs, places)
    site, start, emitted_g = places.home.copy(), home.start.copy(), home.emitted_g.copy()
    for s, series in enumerate(places.series):
        first = jobs.arrival + places.delay(s)
        rows = np.flatnonzero(places.allowed[:, s] & (places.home != s) & (first <= jobs.latest))
        begin = jobs.latest.copy()
        begin[rows] = best_starts(series, first[rows], jobs.latest[rows], jobs.length[rows])
        there_g = places.running_g(jobs, s, begin) + places.transfer_g(jobs, s)
        better = np.zeros(len(jobs), np.bool_)
        better[rows] = there_g[rows] < emitted_g[rows]
        site[better], start[better], emitted_g[better] = s, begin[better], there_g[better]
    return Placement(site=site, start=start, emitted_g=emitted_g)


def _at_home(jobs: TickJobs, places: Places) -> Placement:
    """Return each job's best start at home."""
    start = jobs.arrival.copy()
    emitted_g = np.zeros(len(jobs))
    for s, series in enumerate(places.series):
        mine = places.home == s
        start[mine] = best_starts(series, jobs.arrival[mine], jobs.latest[mine], jobs.length[mine])
        emitted_g[mine] = places.running_g(jobs, s, start)[mine]
    return Placement(site=places.home.copy(), start=start, emitted_g=emitted_g)


def _placed_under_caps(jobs: TickJobs, places: Places) -> Placement:
    """Return the same, each site having its cap."""
    assert places.cpu_m is not None
    sites = range(len(places.series))
    rooms = [Room(cap, int(jobs.arrival.min(initial=0))) for cap in places.cpu_m]
    delays = np.stack([places.delay(s) for s in sites])
    moving_g = np.stack([places.transfer_g(jobs, s) for s in sites])
    site, start = places.home.copy(), jobs.arrival.copy()
    emitted_g = np.zeros(len(jobs))
    for j in range(len(jobs)):
        job, home = _row(jobs, j), int(places.home[j])
        arrival, latest, length, need = job
        least = np.inf
        for s in (home, *(s for s in sites if s != home and places.allowed[j, s])):
            first = arrival + int(delays[s, j])
            if s != home and (first > latest or need > rooms[s].cpu_m):
                continue
            rooms[s].forget(arrival)
            begin = best_free_start(rooms[s], places.series[s], (first, latest), length, need)
            there_g = _one_g(places, s, begin, length, need) + moving_g[s, j]
            if s == home or (begin <= latest and there_g < least):
                site[j], start[j], emitted_g[j] = s, begin, there_g
                least = there_g if begin <= latest else np.inf
        rooms[site[j]].take(int(start[j]), int(start[j]) + length, need)
    return Placement(site=site, start=start, emitted_g=emitted_g)


def _row(jobs: TickJobs, j: int) -> tuple[int, int, int, int]:
    """Return arrival, latest start, length and cores of one job."""
    return int(jobs.arrival[j]), int(jobs.latest[j]), int(jobs.length[j]), int(jobs.cpu_m[j])


def _one_g(places: Places, site: int, start: int, length: int, need: int) -> float:
    """Return what one job emits [g] at a site; the last value is held beyond the data."""
    series = places.series[site].held_until(start + length)
    emitted = series.emitted(np.array([start]), np.array([start + length]))[0] / series.scale
    return float(emitted * places.core_kwh(site) * need / CPU_M_PER_CORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leakage:
    """What shifting in space does to each site [g]: less at one is more at another.

    `before_g - after_g` is the saving of each site's own load; with `moving_g`, of all sites, they
    sum to the saving of all: `before_g.sum() - after_g.sum() - moving_g`.
    """

    before_g: FloatArray
    after_g: FloatArray
    moving_g: float


def leakage(jobs: TickJobs, places: Places, placement: Placement) -> Leakage:
    """Return each site's emissions when all stay at home, best in time, and as they are placed."""
    sites = len(places.series)
    home = _at_home(jobs, places)
    before: FloatArray = np.zeros(sites)
    after: FloatArray = np.zeros(sites)
    np.add.at(before, home.site, home.emitted_g)
    moving = np.stack([places.transfer_g(jobs, s) for s in range(sites)])
    moved = moving[placement.site, np.arange(len(jobs))]
    own = placement.emitted_g - moved
    np.add.at(after, placement.site, own)
    return Leakage(before_g=before, after_g=after, moving_g=float(moved.sum()))
