"""What no policy could beat in a run: least machines on, energy and emissions for its demand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.bounds.operation import Least, Load, Plant, Price, least, lower_hull
from greensched.experiment.databases import always_on
from greensched.experiment.size_bound import work_of
from greensched.units import CPU_M_PER_CORE, G_PER_KG, GPU_M_PER_GPU, MIB_PER_GIB, MS_PER_H

if TYPE_CHECKING:
    from greensched.accounting import Factors
    from greensched.engine.result import RunResult
    from greensched.experiment.outcome import Outcome
    from greensched.experiment.world import Shared
    from greensched.model import FloatArray, IntArray, MachineType, Services

STEPS_MAX: Final = 400  # of a certificate; of finer grids of intensity the least is taken
UNITS: Final = np.array([[CPU_M_PER_CORE], [MIB_PER_GIB], [GPU_M_PER_GPU]]) * MS_PER_H
W_PER_KW: Final = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Least totals of a run by the names of its summary, with the certificates behind them.

    A total is the sum of its certificates' values and constants.
    """

    totals: dict[str, float]
    certificates: dict[str, list[dict[str, Any]]]

    def captured(self, before: dict[str, Any], after: dict[str, Any]) -> dict[str, float | None]:
        """Return the share of what could be saved that was: (baseline - run) / (baseline - bound).

        None where the bound leaves nothing to save.
        """
        share: dict[str, float | None] = {}
        for name, bound in self.totals.items():
            room = before[name] - bound
            share[name] = (before[name] - after[name]) / room if room > 0 else None
        return share


def run_bounds(shared: Shared, one: Outcome, factors: Factors) -> Bounds | None:
    """Return the bounds of a run's totals at the work that it did and the shortage it had.

    Shortage may be that of the scenario's objective where that is more. None where not even a
    fluid finds room, as for a run that leaves services without it.
    """
    end_ms = one.run.end_ms
    whole, steps = np.array([0, end_ms]), _steps(factors, end_ms)
    pools = _pools(shared, one)
    by_site = {site.name: i for i, site in enumerate(shared.sites)}
    slope = np.array([[site.pue_slope] for site in shared.sites])
    fixed_kw = np.array([[site.fixed_w / W_PER_KW] for site in shared.sites])
    grams = _intensity(shared, factors, steps) / G_PER_KG
    # name -> steps, price of a machine-hour, price of a kWh and fixed power by site and step
    asked: dict[str, tuple[IntArray, float, FloatArray | None, FloatArray]] = {
        "machines_on_mean": (whole, MS_PER_H / end_ms, None, 0 * fixed_kw),
        "energy_it_kwh": (whole, 0.0, np.ones_like(slope), 0 * fixed_kw),
        "energy_facility_kwh": (whole, 0.0, slope, fixed_kw),
        "scope2_location_kg": (steps, 0.0, slope * grams, fixed_kw * grams),
    }
    totals: dict[str, float] = {}
    certificates: dict[str, list[dict[str, Any]]] = {}
    for name, (edges_ms, machine_h, kwh, fixed) in asked.items():
        rest = float((fixed * np.diff(edges_ms) / MS_PER_H).sum())
        parts = [Least(value=rest, constant=rest, certificate={})] if rest else []
        for pool in pools:
            types = [by_site[site] for site in pool.sites]
            price = Price(machine_h=machine_h, kwh=None if kwh is None else kwh[types])
            part = least(pool.plants, pool.load(edges_ms), price)
            if part is None:
                return None
            parts.append(part)
        totals[name] = sum(part.value for part in parts)
        certificates[name] = [{"constant": p.constant, **p.certificate} for p in parts]
    return Bounds(totals=totals, certificates=certificates)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    """Machines that may stand in for each other, and what they have to do.

    `level` [3, K] is what must be held at once from `level_ms` on; `work` [3, jobs] what may wait
    from `submit_ms` on; both in cores, GiB and GPUs, the latter times hours.
    """

    plants: tuple[Plant, ...]
    sites: tuple[str, ...]
    level_ms: IntArray
    level: FloatArray
    submit_ms: IntArray
    work: FloatArray
    shed_share: float = 0.0
    shed_per_core: tuple[float, float, float] = (1.0, 0.0, 0.0)
    least_on: int = 0

    def load(self, edges_ms: IntArray) -> Load:
        """Return it by the steps between `edges_ms`."""
        held = np.array([_integral(self.level_ms, row, edges_ms) for row in self.level])
        step = np.searchsorted(edges_ms, self.submit_ms, side="right") - 1
        step = np.clip(step, 0, len(edges_ms) - 2)
        came = [np.bincount(step, row, len(edges_ms) - 1) for row in self.work]
        return Load(
            hours=np.diff(edges_ms) / MS_PER_H,
            online=held,
            submitted=np.array(came),
            shed_core_h=self.shed_share * float(held[0].sum()),
            shed_per_core=self.shed_per_core,
            least_on=self.least_on,
        )


def _integral(from_ms: IntArray, level: FloatArray, edges_ms: IntArray) -> FloatArray:
    """Return the integral [level x h] between edges of a step function, 0 before it begins."""
    if not len(from_ms):
        return np.zeros(len(edges_ms) - 1)
    last_ms = max(int(from_ms[-1]), int(edges_ms[-1])) + 1
    at_ms = np.append(from_ms, last_ms)
    until = np.append(0.0, np.cumsum(level * np.diff(at_ms)))
    done: FloatArray = np.diff(np.interp(edges_ms, at_ms, until)) / MS_PER_H
    return done


def _pools(shared: Shared, one: Outcome) -> list[_Pool]:
    """Return the machines for services and jobs, and those for databases, with their work."""
    surplus = _surplus(shared, one.run)
    kinds = [(k, n) for k, n in zip(shared.fleet, surplus, strict=True) if k.count > n]
    apart = [(k, n) for k, n in kinds if k.role == "database"]
    rest = [(k, n) for k, n in kinds if k.role != "database"]
    pools = []
    if rest:
        pool = _work(shared, one.run, tuple(_plant(k, n) for k, n in rest))
        share = max(shared.scenario.slo.shortage_share or 0.0, one.service["shortage_share"])
        sites = tuple(k.site for k, _ in rest)
        pools.append(replace(pool, sites=sites, shed_share=share))
    if apart:
        pools.append(_databases(shared, one, apart))
    return pools


def _surplus(shared: Shared, run: RunResult) -> list[int]:
    """Return how many machines of each type are no part of the run's fleet."""
    return [
        sum(
            int(column.sum()) // run.end_ms
            for group, column in zip(run.usage.groups, run.usage.machine_ms.T, strict=True)
            if group.role == "surplus" and group.machine_type == kind.name
        )
        for kind in shared.fleet
    ]


def _plant(kind: MachineType, surplus: int) -> Plant:
    """Return machines of a type as bounds take them."""
    idle_w = kind.gpus * kind.gpu_idle_w
    points = lower_hull(
        kind.power.watts,
        (kind.cpu_m - kind.reserved_cpu_m) / kind.cpu_m,
        kind.cpu_m / CPU_M_PER_CORE,
    )
    return Plant(
        name=kind.name,
        count=kind.count - surplus,
        memory_gib=(kind.memory_mib - kind.reserved_memory_mib) / MIB_PER_GIB,
        gpus=kind.gpus,
        points=tuple((cores, watts + idle_w) for cores, watts in points),
        rest_w=min(kind.off_w, kind.sleep_w),
        gpu_span_w=kind.gpu_peak_w - kind.gpu_idle_w,
    )


def _work(shared: Shared, run: RunResult, plants: tuple[Plant, ...]) -> _Pool:
    """Return the work of services, and of the jobs that the run completed."""
    services, jobs = shared.workload.services, shared.workload.jobs
    level_ms, level = np.zeros(0, np.int64), np.zeros((3, 0))
    per_core = (1.0, 0.0, 0.0)
    if services is not None and len(services):
        level_ms = services.start_ms + services.step_ms * np.arange(services.load_cpu_m.shape[1])
        level, per_core = _held(services)
    submit_ms, work = np.zeros(0, np.int64), np.zeros((3, 0))
    if jobs is not None and len(jobs):
        ended = run.jobs.end_ms >= 0
        submit_ms, work = jobs.submit_ms[ended], work_of(jobs)[:, ended] / UNITS
    return _Pool(
        plants=plants,
        sites=(),
        level_ms=level_ms,
        level=level,
        submit_ms=submit_ms,
        work=work,
        shed_per_core=per_core,
    )


def _held(services: Services) -> tuple[FloatArray, tuple[float, float, float]]:
    """Return what services hold [3, K], and the most of each resource that goes with a core."""
    each = np.maximum(services.replica_cpu_m, 1)
    replicas = np.maximum(services.load_cpu_m / each[:, np.newaxis], 0)
    size = np.array([each, services.replica_memory_mib, services.replica_gpu_m]) * MS_PER_H / UNITS
    per_core = (size / size[0]).max(axis=1)
    return size @ replicas, (1.0, float(per_core[1]), float(per_core[2]))


def _databases(shared: Shared, one: Outcome, kinds: list[tuple[MachineType, int]]) -> _Pool:
    """Return the machines for databases, of which some are on always, and the work there."""
    level_ms, level = np.zeros(0, np.int64), np.zeros((3, 0))
    table = shared.workload.databases
    if table is not None and len(table):
        level_ms = table.start_ms + table.step_ms * np.arange(table.cpu_m.shape[1])
        cores = (table.cpu_m * table.replicas[:, np.newaxis]).sum(axis=0) / CPU_M_PER_CORE
        level = np.array([cores, np.zeros(len(cores)), np.zeros(len(cores))])
    return _Pool(
        plants=tuple(_plant(k, n) for k, n in kinds),
        sites=tuple(k.site for k, _ in kinds),
        level_ms=level_ms,
        level=level,
        submit_ms=np.zeros(0, np.int64),
        work=np.zeros((3, 0)),
        shed_share=one.databases["shortage_share"],
        least_on=always_on(shared),
    )


def _steps(factors: Factors, end_ms: int) -> IntArray:
    """Return where the intensity of any site changes until `end_ms`, at most `STEPS_MAX` steps."""
    edges = np.unique(np.concatenate([[0, end_ms], *(site.edges_ms for site in factors.sites)]))
    edges = edges[(edges >= 0) & (edges <= end_ms)].astype(np.int64)
    coarser = -(-(len(edges) - 1) // STEPS_MAX)
    kept: IntArray = np.unique(np.append(edges[::coarser], end_ms))
    return kept


def _intensity(shared: Shared, factors: Factors, edges_ms: IntArray) -> FloatArray:
    """Return the least intensity [g/kWh] of each site in each step [sites, steps]."""
    of = {site.site: site for site in factors.sites}
    least_g = np.empty((len(shared.sites), len(edges_ms) - 1))
    for i, site in enumerate(shared.sites):
        series = of[site.name]
        first = np.searchsorted(series.edges_ms, edges_ms[:-1], side="right") - 1
        last = np.searchsorted(series.edges_ms, edges_ms[1:], side="left")
        values = series.intensity_g_per_kwh
        for t, (a, b) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
            least_g[i, t] = values[max(a, 0) : max(b, a + 1)].min()
    return least_g
