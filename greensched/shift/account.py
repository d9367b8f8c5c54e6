"""What a schedule emits, makes wait, takes at its peak and costs: integers until the last step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.units import CPU_M_PER_CORE, G_PER_KG, MS_PER_H

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray
    from greensched.ticks import Schedule, TickIntensity, TickJobs

P95: Final = 0.95
W_PER_KW: Final = G_PER_KG


def carbon_g(schedule: Schedule, jobs: TickJobs, intensity: TickIntensity, core_w: float) -> float:
    """Return the emissions [g CO2e] of the cores that run, at `core_w` [W].

    Core-ticks are summed as integers, over the slots of each distinct intensity: what runs under
    one constant intensity emits the same to the last bit, whenever it runs.
    """
    assert int(schedule.stop.max(initial=0)) <= intensity.length  # else: `held_until`
    used = slot_use(schedule, jobs.cpu_m, intensity)
    values, kind = np.unique(intensity.values_g_per_kwh, return_inverse=True)
    by_value = np.bincount(kind, weights=used)
    return math.fsum(values * by_value) * core_tick_kwh(intensity, core_w)


def checkpoints_g(
    schedule: Schedule, jobs: TickJobs, intensity: TickIntensity, core_w: float, ticks: float
) -> float:
    """Return what resuming emits [g CO2e]: `ticks` of work a time, at the tick it goes on."""
    resumes = np.append(False, schedule.job[1:] == schedule.job[:-1])[: len(schedule.job)]
    value = intensity.values_g_per_kwh[intensity.slot(schedule.start[resumes])]
    used = jobs.cpu_m[schedule.job[resumes]] * ticks
    return math.fsum(value * used) * core_tick_kwh(intensity, core_w)


def core_tick_kwh(intensity: TickIntensity, core_w: float) -> float:
    """Return the energy [kWh] of a thousandth of a core for a tick."""
    return core_w / W_PER_KW / CPU_M_PER_CORE * intensity.tick_ms / MS_PER_H


def slot_use(schedule: Schedule, cpu_m: IntArray, intensity: TickIntensity) -> FloatArray:
    """Return the use [thousandths of a core x ticks] of each slot; whole, exact up to 2^53."""
    weight = cpu_m[schedule.job].astype(float)
    return _ramp(schedule.start, weight, intensity) - _ramp(schedule.stop, weight, intensity)


def _ramp(since: IntArray, weight: FloatArray, intensity: TickIntensity) -> FloatArray:
    """Return how much of each slot lies after `since`, times weight, summed."""
    slots = len(intensity.values_g_per_kwh)
    slot = intensity.slot(since)
    rest = intensity.edge(slot + 1) - since
    first = np.bincount(slot, weights=weight * rest, minlength=slots + 1)[:slots]
    begun = np.cumsum(np.bincount(slot, weights=weight, minlength=slots + 1)[:slots])
    later = np.concatenate(([0.0], begun[:-1])) * intensity.width
    total: FloatArray = first + later
    return total


def running(schedule: Schedule, cpu_m: IntArray) -> tuple[IntArray, IntArray]:
    """Return ticks at which the running cores change, and their number [thousandths] from then."""
    ticks = np.concatenate((schedule.start, schedule.stop))
    change = np.concatenate((cpu_m[schedule.job], -cpu_m[schedule.job]))
    at, which = np.unique(ticks, return_inverse=True)
    level = np.cumsum(np.bincount(which, weights=change.astype(float)))
    return at, np.rint(level).astype(np.int64)


def peak_cpu_m(schedule: Schedule, cpu_m: IntArray) -> int:
    """Return the most that runs at once [thousandths of a core]."""
    return int(running(schedule, cpu_m)[1].max(initial=0))


def usual_cpu_m(schedule: Schedule, cpu_m: IntArray, share: float = P95) -> int:
    """Return the level [thousandths of a core] that running cores keep to for `share` of the time.

    Time counts from the first start to the last end.
    """
    at, level = running(schedule, cpu_m)
    span = np.diff(at)
    order = np.argsort(level[:-1], kind="stable")
    upto = np.cumsum(span[order])
    place = int(np.searchsorted(upto, share * upto[-1]))
    return int(level[order[min(place, len(order) - 1)]])


def waits(schedule: Schedule, jobs: TickJobs) -> IntArray:
    """Return how many ticks each job waits in all, before its start and in pauses."""
    return schedule.ends() - jobs.arrival - jobs.length
