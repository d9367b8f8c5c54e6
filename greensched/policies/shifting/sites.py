"""Where jobs run: allowed sites, the energy and time of moving their data, and leakage.

Shifting in space beside time, as in Sukprasert et al., On the Limitations of Carbon-Aware
Temporal and Spatial Workload Shifting in the Cloud, EuroSys 2024, section 4, doi
10.1145/3627703.3629560; with what moving takes, which that study leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from greensched.bounds.shifting import least_within
from greensched.errors import Finding, UsageError
from greensched.model import NONE
from greensched.policies.shifting.greedy import best_free_start, cheapest_free
from greensched.policies.shifting.room import Room
from greensched.ticks import Schedule, merged
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

    def running_g(self, jobs: TickJobs, site: int, schedule: Schedule) -> FloatArray:
        """Return what each job emits [g] at `site`; the last value is held beyond the data."""
        series = self.series[site].held_until(int(schedule.stop.max(initial=0)))
        emitted = series.emitted(schedule.start, schedule.stop).astype(float)
        sums = np.bincount(schedule.job, weights=emitted, minlength=len(jobs))
        found: FloatArray = sums / series.scale * self.core_kwh(site) * jobs.cpu_m / CPU_M_PER_CORE
        return found

    def core_kwh(self, site: int) -> float:
        """Return the energy [kWh] of a core for a tick."""
        return self.core_w / G_PER_KG * self.series[site].tick_ms / MS_PER_H


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where each job runs, and when."""

    site: IntArray
    schedule: Schedule

    @property
    def start(self) -> IntArray:
        """Return the first tick of each job."""
        return self.schedule.begins()

    def at(self, site: int) -> Schedule:
        """Return the pieces of the jobs at one site."""
        here = self.site[self.schedule.job] == site
        return Schedule(
            job=self.schedule.job[here],
            start=self.schedule.start[here],
            stop=self.schedule.stop[here],
        )


def placed(jobs: TickJobs, places: Places) -> Placement:
    """Return the site and time of least emissions for each job, what moving takes included.

    Of equal ones the home, then the first site. Data must have come by the latest start. Under
    caps jobs choose in order of arrival; one that finds no room in time stays at home, late.
    """
    if places.cpu_m is not None:
        return _placed_under_caps(jobs, places)
    best = at_home(jobs, places)
    least_g = emitted_g(jobs, places, best)
    for s in range(len(places.series)):
        first = jobs.arrival + places.delay(s)
        may_move = places.allowed[:, s] & (places.home != s) & (first <= jobs.latest)
        there = _best_at(jobs, places, s, np.flatnonzero(may_move), first)
        there_g = places.running_g(jobs, s, there) + places.transfer_g(jobs, s)
        better = may_move & (there_g < least_g)
        best = _replaced(best, s, better, there)
        least_g = np.where(better, there_g, least_g)
    return best


def at_home(jobs: TickJobs, places: Places) -> Placement:
    """Return each job's best time at home."""
    found = Placement(site=np.full(len(jobs), NONE), schedule=Schedule.none())
    for s in range(len(places.series)):
        mine = places.home == s
        there = _best_at(jobs, places, s, np.flatnonzero(mine), jobs.arrival)
        found = _replaced(found, s, mine, there)
    return found


def _best_at(
    jobs: TickJobs, places: Places, site: int, rows: IntArray, first: IntArray
) -> Schedule:
    """Return the least emissions of some jobs at a site, from the tick `first` of each on."""
    found = least_within(
        places.series[site],
        first[rows],
        jobs.latest[rows],
        jobs.length[rows],
        jobs.interruptible[rows],
    )
    return replace(found, job=rows[found.job])


def _replaced(old: Placement, site: int, moves: BoolArray, there: Schedule) -> Placement:
    """Return a placement in which some jobs run `there` at `site` instead."""
    stays, goes = ~moves[old.schedule.job], moves[there.job]
    return Placement(
        site=np.where(moves, site, old.site),
        schedule=merged(
            *(
                np.concatenate((getattr(old.schedule, name)[stays], getattr(there, name)[goes]))
                for name in ("job", "start", "stop")
            )
        ),
    )


def emitted_g(jobs: TickJobs, places: Places, placement: Placement) -> FloatArray:
    """Return what each job emits [g] where it runs, moving its data included."""
    total: FloatArray = moved_g(jobs, places, placement)
    for s in range(len(places.series)):
        total = total + places.running_g(jobs, s, placement.at(s))
    return total


def moved_g(jobs: TickJobs, places: Places, placement: Placement) -> FloatArray:
    """Return what moving each job's data to where it runs emits [g]."""
    moving = np.stack([places.transfer_g(jobs, s) for s in range(len(places.series))])
    found: FloatArray = moving[placement.site, np.arange(len(jobs))]
    return found


def _placed_under_caps(jobs: TickJobs, places: Places) -> Placement:
    """Return the same, each site having its cap."""
    assert places.cpu_m is not None
    sites = range(len(places.series))
    rooms = [Room(cap, int(jobs.arrival.min(initial=0))) for cap in places.cpu_m]
    delays = np.stack([places.delay(s) for s in sites])
    moving_g = np.stack([places.transfer_g(jobs, s) for s in sites])
    site = places.home.copy()
    rows: list[tuple[int, int, int]] = []
    for j in range(len(jobs)):
        home, need = int(site[j]), int(jobs.cpu_m[j])
        best: list[tuple[int, int]] = []
        least = np.inf
        for s in (home, *(s for s in sites if s != home and places.allowed[j, s])):
            first = int(jobs.arrival[j] + delays[s, j])
            if s != home and (first > jobs.latest[j] or need > rooms[s].cpu_m):
                continue
            rooms[s].forget(int(jobs.arrival[j]))
            pieces, in_time = _free_pieces(rooms[s], places.series[s], jobs, j, first)
            there_g = _pieces_g(places, s, pieces, need) + moving_g[s, j]
            if s == home or (in_time and there_g < least):
                site[j], best, least = s, pieces, there_g if in_time else np.inf
        for start, stop in best:
            rooms[site[j]].take(start, stop, need)
            rows.append((j, start, stop))
    return Placement(site=site, schedule=merged(*np.array(rows, np.int64).reshape(-1, 3).T))


def _free_pieces(
    room: Room, series: TickIntensity, jobs: TickJobs, j: int, first: int
) -> tuple[list[tuple[int, int]], bool]:
    """Return the best pieces of one job in a site's room, and whether they end in time."""
    latest, length, need = int(jobs.latest[j]), int(jobs.length[j]), int(jobs.cpu_m[j])
    if jobs.interruptible[j]:
        pieces = cheapest_free(room, series, (first, latest + length), length, need)
    else:
        start = best_free_start(room, series, (first, latest), length, need)
        pieces = [(start, start + length)]
    return pieces, pieces[-1][1] <= latest + length


def _pieces_g(places: Places, site: int, pieces: list[tuple[int, int]], need: int) -> float:
    """Return what the pieces of one job emit [g] at a site."""
    start, stop = np.array(pieces, np.int64).T
    series = places.series[site].held_until(pieces[-1][1])
    emitted = int(series.emitted(start, stop).sum()) / series.scale
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


def leakage(jobs: TickJobs, places: Places, before: Placement, after: Placement) -> Leakage:
    """Return each site's emissions under one placement, such as all at home, and under another."""
    sites = range(len(places.series))
    before_g, after_g = (
        np.array([places.running_g(jobs, s, one.at(s)).sum() for s in sites])
        for one in (before, after)
    )
    moving_g = float(moved_g(jobs, places, after).sum())
    return Leakage(before_g=before_g, after_g=after_g, moving_g=moving_g)
