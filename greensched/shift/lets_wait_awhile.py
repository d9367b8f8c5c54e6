"""Let's Wait Awhile, computed again: ours against the numbers of the authors' code.

Source: Wiesner, Behnke, Scheinert, Gontarska and Thamsen, Middleware 2021, sections 5.1 and 5.2,
doi 10.1145/3464298.3493399; their experiments without forecast errors, on their data of 2020.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched import registry
from greensched.bounds.shifting import least_emissions
from greensched.carbon import Fill
from greensched.errors import DataError, Finding
from greensched.providers import files
from greensched.shift.account import carbon_g
from greensched.ticks import TickJobs, on_ticks
from greensched.units import CPU_M_PER_CORE, G_PER_KG, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from greensched.model import IntArray
    from greensched.ticks import TickIntensity

FOLDER: Final = "carbon/lets-wait-awhile"
FILES: Final = {"DE": "ger_ci.csv", "GB": "gb_ci.csv", "FR": "fr_ci.csv"}
TICK_MS: Final = 30 * MS_PER_MIN
TICKS_PER_DAY: Final = 48
ZERO_MS: Final = round(datetime(2020, 1, 1, tzinfo=UTC).timestamp()) * MS_PER_S
DAYS: Final = 365  # of nightly jobs, in a year of 366: as the authors have it
SATURDAY: Final = 5  # of a week from Monday, 0
JOBS: Final = 3_387
POWER_W: Final = 2_036.6
NIGHTLY: Final = {  # k half hours to either side -> g/kWh
    "DE": {0: 305.32801, 4: 296.78548, 8: 293.21699, 12: 282.36010, 16: 263.30920},
    "GB": {0: 184.09593, 16: 164.92441},
    "FR": {0: 52.12106, 16: 48.06036},
}
BASELINE_T: Final = {"DE": 100.8300, "GB": 68.5205, "FR": 18.0108}
ENERGY_MWH: Final = 316.9479
SAVED: Final = {  # (policy, interruptible) -> % by zone
    ("next-workday", False): {"DE": 5.9262, "GB": 6.5708, "FR": 4.7896},
    ("next-workday", True): {"DE": 8.1557, "GB": 9.2294, "FR": 6.2191},
    ("semi-weekly", False): {"DE": 14.1302, "GB": 14.7510, "FR": 11.1531},
    ("semi-weekly", True): {"DE": 18.4978, "GB": 20.0048, "FR": 13.8615},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One published number and ours; they agree where both are the same to `digits` decimals."""

    name: str
    zone: str
    unit: str
    theirs: float
    ours: float
    digits: int

    def row(self) -> dict[str, Any]:
        """Return the figure as plain values."""
        return {
            "figure": self.name,
            "zone": self.zone,
            "unit": self.unit,
            "theirs": self.theirs,
            "ours": self.ours,
            "difference": self.ours - self.theirs,
            "tolerance": 10.0**-self.digits,
            "agrees": abs(self.ours - self.theirs) <= 10.0**-self.digits,
        }


def reproduce(data: Path) -> list[dict[str, Any]]:
    """Return every figure, from the files below `data`; raises DataError for unreadable ones."""
    missing = [data / FOLDER / file for file in FILES.values()]
    missing = [file for file in missing if not file.is_file()]
    if missing:
        remedy = "name the folder of the studies' data with --data DIR"
        raise DataError(
            *(Finding(where=str(f), what="no such file", remedy=remedy) for f in missing)
        )
    arrival, length = ml_jobs()
    ticks = int(length.sum())
    energy_mwh = ticks * POWER_W / 2 / 1e6
    figures = [_figure("ML jobs, energy", "all", "MWh", ENERGY_MWH, energy_mwh, 4)]
    for zone, file in FILES.items():
        intensity = read(data / FOLDER / file, zone)
        figures += _nightly(zone, intensity)
        figures += _ml(zone, intensity, arrival, length)
    return [figure.row() for figure in figures]


def _figure(name: str, zone: str, unit: str, theirs: float, ours: float, digits: int) -> Figure:
    return Figure(name=name, zone=zone, unit=unit, theirs=theirs, ours=ours, digits=digits)


def read(path: Path, zone: str) -> TickIntensity:
    """Return a series of 2020 on: the values of each full and half hour.

    Raises DataError where one of these is missing; the German file lacks two quarters.
    """
    fill = Fill(kind="hold")
    series = files.read(path, zone, time_zone="UTC", fill=fill)
    half_hours = np.flatnonzero(series.edges_ms[:-1] % TICK_MS == 0)
    if series.filled[half_hours].any():
        raise DataError(Finding(where=path.name, what="lacks full or half hours"))
    edges_ms = np.append(series.edges_ms[half_hours], series.edges_ms[half_hours[-1]] + TICK_MS)
    values = series.values_g_per_kwh[half_hours]
    kept = replace(series, edges_ms=edges_ms, values_g_per_kwh=values, filled=series.filled[:0])
    return on_ticks(kept, zero_ms=ZERO_MS, tick_ms=TICK_MS)


def ml_jobs() -> tuple[IntArray, IntArray]:
    """Return arrivals and lengths [half hours from 2020-01-01] of the study's ML jobs.

    3,387 jobs of 4 to 90 h that arrive from 9 to 17 h on workdays; no holidays.
    """
    draw = np.random.default_rng(0)
    first = date(2020, 1, 1)
    workdays = [d for d in range(366) if (first + timedelta(days=d)).weekday() < SATURDAY]
    counts = draw.multinomial(JOBS, [1 / len(workdays)] * len(workdays))
    arrival = [
        day * TICKS_PER_DAY + minute // 30
        for day, count in zip(workdays, counts, strict=True)
        for minute in np.sort(draw.choice(range(540, 1_020, 30), size=count)).tolist()
    ]
    length = draw.choice(range(240, 5_400, 30), JOBS) // 30
    return np.array(arrival, np.int64), length.astype(np.int64)


def _jobs(arrival: IntArray, length: IntArray, wait: int, *, pauses: bool = False) -> TickJobs:
    """Return jobs of one core that may wait `wait` ticks."""
    return TickJobs(
        arrival=arrival,
        length=length,
        latest=arrival + wait,
        expected=length,
        cpu_m=np.full(len(arrival), CPU_M_PER_CORE),
        interruptible=np.full(len(arrival), pauses),
    )


def _nightly(zone: str, intensity: TickIntensity) -> Iterator[Figure]:
    """Yield the mean intensity of a job of half an hour at 01:00 that may move k half hours.

    A job whose window would begin before the data is not run and counts in the mean all the same,
    as in the authors' code: the first night, from k = 3 on.
    """
    for k, theirs in NIGHTLY[zone].items():
        first = np.arange(DAYS, dtype=np.int64) * TICKS_PER_DAY + 2 - k
        first = first[first >= 0]
        jobs = _jobs(first, np.ones_like(first), 2 * k)
        # At 2 kW a core half an hour is 1 kWh.
        ours = carbon_g(least_emissions(jobs, intensity), jobs, intensity, 2_000.0) / DAYS
        yield _figure(f"nightly, ± {k / 2:g} h", zone, "g/kWh", theirs, ours, 5)


def _ml(
    zone: str, intensity: TickIntensity, arrival: IntArray, length: IntArray
) -> Iterator[Figure]:
    """Yield the ML jobs' baseline, the better of two starts, and what policies save of it."""
    jobs = _jobs(arrival, length, 1)
    base_g = carbon_g(least_emissions(jobs, intensity), jobs, intensity, POWER_W)
    base_t = base_g / G_PER_KG / G_PER_KG
    yield _figure("ML jobs, baseline", zone, "t", BASELINE_T[zone], base_t, 4)
    for (name, pauses), theirs in SAVED.items():
        policy = registry.load("shifting policy", name)()
        mine = _jobs(arrival, length, 0, pauses=pauses)
        emitted_g = carbon_g(policy.plan(mine, intensity), mine, intensity, POWER_W)
        what = f"ML jobs, {name}, {'interruptible' if pauses else 'contiguous'}"
        saved = 100 * (1 - emitted_g / base_g)
        yield _figure(what, zone, "% saved", theirs[zone], saved, 4)
