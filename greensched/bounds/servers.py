"""Fewest machines: what the load of services and the work of jobs need of any fleet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.bounds.linear import Program, certificate, certified, solve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.model import FloatArray, IntArray

RESOURCES: Final = ("cpu", "memory", "gpu")  # [millicores], [MiB], [thousandths of a GPU]
STARTS: Final = 200  # instants from which the work that comes later is summed
_SAFE: Final = 1.0 - 1e-9  # sums of floats may be too large by less


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What has to be served and done: S services, T steps of load, J jobs.

    Loads are [millicores], held for `length_ms` [T]. `size` [3, S] is what a replica takes of each
    of `RESOURCES`. A job may run from `submit_ms` [J] on and takes `work` [3, J] of each resource
    until `end_ms` ([millicore ms], [MiB ms], [thousandth-GPU ms]). Of the services' work
    `shortage_allowed` [millicore ms] may find no CPU.
    """

    load_cpu_m: IntArray
    length_ms: IntArray
    size: IntArray
    shortage_allowed: int
    submit_ms: IntArray
    work: FloatArray
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Capacity that any fleet needs: of machines that serve, and of all; [3] by resource."""

    online: tuple[int, ...]
    total: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """A machine type: how many there are, what one has of each resource, and if it may serve."""

    name: str
    count: int
    size: tuple[int, ...]
    serves: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The bound: machines in all and of each type, with certificates; None: no fleet will do."""

    machines: int | None
    by_type: tuple[int, ...]
    certificate: dict[str, Any]


def server_need(demand: Demand) -> Need:
    """Return the capacity that any fleet needs, for each resource alone.

    Services: the least level L with sum_t (need_t - L)+ x length_t <= the shortage allowed; for
    memory and GPUs need_t is what the replicas that serve the load take at least, and what is
    given up first is what takes most per core. All: the largest over a of (the work of jobs
    submitted from a on + the services' from a on - the shortage allowed) / (end - a).

    Source: the load bounds of simulation.md ("tidal": max over time, and total work over
    capacity), interval form after Hall. Loose because replicas are split at will among machines
    and follow the load at once, each resource is looked at alone, jobs run at any speed once they
    are submitted, may use what services have reserved, and nothing is evicted or interfered with.
    """
    online = [_level(demand)]
    online += [_level_of(demand, r) for r in (1, 2)]
    total = [max(online[r], _throughput(demand, r)) for r in range(3)]
    return Need(online=tuple(online), total=tuple(total))


def _level(demand: Demand) -> int:
    """Return the least whole CPU level [millicores] whose shortage is allowed, exactly."""
    need = demand.load_cpu_m.sum(axis=0).tolist()
    length = demand.length_ms.tolist()
    low, high = -1, max(need, default=0)
    while high - low > 1:
        level = (low + high) // 2
        short = sum((n - level) * t for n, t in zip(need, length, strict=True) if n > level)
        low, high = (low, level) if short <= demand.shortage_allowed else (level, high)
    return max(0, high)


def _level_of(demand: Demand, resource: int) -> int:
    """Return the least level of memory or GPUs, as `_level`."""
    ratio = demand.size[resource] / np.maximum(demand.size[0], 1)
    order = np.argsort(ratio, kind="stable")  # what takes least per core is served first
    ratio, load = ratio[order], demand.load_cpu_m[order].astype(np.float64)
    if not ratio.any():
        return 0
    filled = np.cumsum(ratio[:, None] * load, axis=0)
    length = demand.length_ms.astype(np.float64)
    allowed = float(demand.shortage_allowed)
    low, high = 0.0, float(filled[-1].max())
    for _ in range(60):
        level = (low + high) / 2
        room = np.clip(level - (filled - ratio[:, None] * load), 0.0, ratio[:, None] * load)
        served = np.where(
            ratio[:, None] > 0, room / np.where(ratio > 0, ratio, 1.0)[:, None], load
        )
        short = float(((load - served) * length).sum())
        low, high = (low, level) if short <= allowed else (level, high)
    return math.ceil(low * _SAFE)


def _throughput(demand: Demand, resource: int) -> int:
    """Return the capacity that all work takes which cannot be done before an instant."""
    starts = np.unique(np.linspace(0, demand.end_ms, STARTS, endpoint=False).astype(np.int64))
    ratio = demand.size[resource] / np.maximum(demand.size[0], 1)
    edges = np.append(0, np.cumsum(demand.length_ms))
    load = (ratio[:, None] * demand.load_cpu_m).sum(axis=0)
    done = np.append(0.0, np.cumsum(load * demand.length_ms))
    online = done[-1] - np.interp(starts, edges, done)
    spared = demand.shortage_allowed * float(ratio.max(initial=0.0))
    order = np.argsort(demand.submit_ms, kind="stable")
    behind = np.append(np.cumsum(demand.work[resource][order][::-1])[::-1], 0.0)
    jobs = behind[np.searchsorted(demand.submit_ms[order], starts, side="left")]
    rate = (jobs + np.maximum(0.0, online - spared)) / (demand.end_ms - starts)
    return math.ceil(float(rate.max(initial=0.0)) * _SAFE)


def fewest_machines(need: Need, types: Sequence[Capacity]) -> Fleet:
    """Return the fewest machines that have the capacity needed, over all types and of each.

    Of all: min sum_i N_i with sum_i N_i size_ir >= need_r, 0 <= N_i <= count_i, rounded up; with
    one type this is ceil(need / size). Of each: the fewest of it when all others are kept whole.
    `certificate` has the dual values behind `machines`; its exact value is `certified`.

    Source: the vector lower bound as a linear program, as in Caprara and Toth, Discrete Applied
    Mathematics 111 (2001) 231. Loose because machines of a type are shared out in fractions
    and the number of replicas and jobs that a machine may hold is not seen.
    """
    rows, least, names = _rows(need, types)
    program = Program(
        names=tuple(kind.name for kind in types),
        cost=(1.0,) * len(types),
        most=tuple(float(kind.count) for kind in types),
        rows=rows,
        least=least,
        row_names=names,
    )
    value, _, dual = solve(program)
    if math.isinf(value):
        return Fleet(machines=None, by_type=tuple(k.count for k in types), certificate={})
    proof = certificate(program, dual)
    return Fleet(
        machines=max(0, math.ceil(certified(proof))),
        by_type=tuple(_fewest_of(i, rows, least, types) for i in range(len(types))),
        certificate=proof,
    )


def _rows(
    need: Need, types: Sequence[Capacity]
) -> tuple[tuple[tuple[tuple[int, float], ...], ...], tuple[float, ...], tuple[str, ...]]:
    """Return the rows, their right-hand sides and names: for services, and for all."""
    rows, least, names = [], [], []
    for part, wanted in (("services", need.online), ("all", need.total)):
        for r, resource in enumerate(RESOURCES):
            if wanted[r] <= 0:
                continue
            rows.append(
                tuple(
                    (i, float(kind.size[r]))
                    for i, kind in enumerate(types)
                    if kind.size[r] and (kind.serves or part == "all")
                )
            )
            least.append(float(wanted[r]))
            names.append(f"{part}: {resource}")
    return tuple(rows), tuple(least), tuple(names)


def _fewest_of(
    own: int,
    rows: Sequence[Sequence[tuple[int, float]]],
    least: Sequence[float],
    types: Sequence[Capacity],
) -> int:
    """Return the fewest machines of one type when all others are kept whole (whole numbers)."""
    fewest = 0
    for row, wanted in zip(rows, least, strict=True):
        others = sum(int(size) * types[i].count for i, size in row if i != own)
        size = next((int(size) for i, size in row if i == own), 0)
        if size:
            fewest = max(fewest, -(-(int(wanted) - others) // size))
    return max(0, fewest)
