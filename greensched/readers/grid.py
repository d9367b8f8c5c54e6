"""Long tables of load (one row a service and time) to `Services` on one uniform grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.errors import DataError, Finding, plural
from greensched.model import NONE, Services
from greensched.readers.columns import frozen

if TYPE_CHECKING:
    import duckdb

    from greensched.model import IntArray
    from greensched.readers.options import ReadOptions

SERVICE_TIME_MS = 50.0  # where nothing is known, flagged assumed
STEPS_MAX = 50_000_000  # services x steps: 400 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """The columns of `Services` that hold for all time, in the order of the names."""

    names: tuple[str, ...]
    replica_cpu_m: IntArray
    replica_memory_mib: IntArray
    replica_gpu_m: IntArray
    replicas: IntArray
    replicas_min: IntArray
    replicas_max: IntArray
    startup_ms: IntArray
    service_time_ms: Any  # [ms] float; NaN: not known


def default_attributes(names: tuple[str, ...], options: ReadOptions) -> Attributes:
    """Return the attributes of services of which only the load is known, from `options`."""
    ones = np.ones(len(names), np.int64)
    return Attributes(
        names=names,
        replica_cpu_m=ones * options.replica_cpu_m,
        replica_memory_mib=ones * options.replica_memory_mib,
        replica_gpu_m=ones * (1_000 if options.gpu_s_per_request else 0),
        replicas=ones * NONE,
        replicas_min=ones * options.replicas_min,
        replicas_max=ones * NONE,
        startup_ms=ones * options.startup_ms,
        service_time_ms=np.full(len(names), options.service_time_ms or np.nan),
    )


def services_of(
    attributes: Attributes, start_ms: int, step_ms: int, load_cpu_m: IntArray
) -> Services:
    """Return the services; an unknown service time becomes 50 ms, flagged assumed."""
    assumed = np.isnan(attributes.service_time_ms)
    known = {
        name: frozen(np.array(getattr(attributes, name), np.int64))
        for name in (
            "replica_cpu_m",
            "replica_memory_mib",
            "replica_gpu_m",
            "replicas",
            "replicas_min",
            "replicas_max",
            "startup_ms",
        )
    }
    return Services(
        names=attributes.names,
        start_ms=start_ms,
        step_ms=step_ms,
        load_cpu_m=frozen(np.ascontiguousarray(load_cpu_m, np.int64)),
        service_time_ms=frozen(np.where(assumed, SERVICE_TIME_MS, attributes.service_time_ms)),
        service_time_assumed=frozen(assumed),
        **known,
    )


def assumptions(services: Services, label: str) -> list[str]:
    """Return, in words, what was assumed of `services`."""
    count = int(services.service_time_assumed.sum())
    if not count:
        return []
    noun = "service" if count == 1 else "services"
    return [f"{label}: mean service time of {count:,} {noun} assumed: {SERVICE_TIME_MS:g} ms"]


def uniform_load(
    con: duckdb.DuckDBPyConnection,
    table: str,
    label: str,
    options: ReadOptions,
    *,
    dropped: int = 0,
) -> tuple[tuple[str, ...], int, int, IntArray, list[str]]:
    """Return names, start [ms], step [ms], load [services, steps] and findings of `table`.

    `table` has service, time_ms, load_cpu_m, no duplicates. All times must be on one uniform
    grid; a missing cell is an error unless `fill` is hold (the last value) or zero. Where so many
    rows were `dropped` that each second time may be gone the step must be given. Raises
    DataError.
    """
    sql = f"SELECT DISTINCT time_ms FROM {table} ORDER BY 1"
    times = [int(r[0]) for r in con.execute(sql).fetchall()]
    start_ms = times[0]
    names = tuple(
        str(r[0])
        for r in con.execute(f"SELECT DISTINCT service FROM {table} ORDER BY 1").fetchall()
    )
    sure = dropped < (len(times) - 1) * len(names)
    step_ms = options.step_ms or _step_ms(times, dropped, label, sure=sure)
    off_grid = [t for t in times if (t - start_ms) % step_ms]
    if off_grid:
        raise DataError(
            Finding(
                where=label,
                what=f"{plural(len(off_grid), 'time')} not on the uniform grid of {step_ms:,} ms "
                f"from {start_ms:,} ms, the first {off_grid[0]:,} ms",
                remedy="resample it with the reader 'series', or give the right --step",
            )
        )
    steps = (times[-1] - start_ms) // int(step_ms) + 1
    check_size(len(names), steps, label)
    rows = con.execute(
        f"SELECT s.row, (time_ms - {start_ms}) // {step_ms} AS step, load_cpu_m FROM {table} "
        f"JOIN (SELECT service, row_number() OVER (ORDER BY service) - 1 AS row FROM "
        f"(SELECT DISTINCT service FROM {table})) s USING (service)"
    ).fetchnumpy()
    load = np.full((len(names), steps), NONE, np.int64)
    row, step = (np.asarray(rows[n], np.int64) for n in ("row", "step"))
    load[row, step] = rows["load_cpu_m"]
    findings = _fill(load, names, label, options)
    return names, start_ms, int(step_ms), load, findings


def _step_ms(times: list[int], dropped: int, label: str, *, sure: bool) -> int:
    """Return the least distance of `times`; raise DataError where it may not be the step."""
    if len(times) > 1 and sure:
        return int(min(np.diff(times)))
    what = "only one time: the step cannot be known"
    if len(times) > 1:
        what = f"rows dropped: {dropped:,}, times left: {len(times):,}: the step is not sure"
    raise DataError(Finding(where=label, what=what, remedy="give it with --step"))


def check_size(services: int, steps: int, label: str) -> None:
    """Raise DataError where a grid of `services` x `steps` would be absurdly large."""
    if services * steps > STEPS_MAX:
        what = f"{services:,} services x {steps:,} steps are more than {STEPS_MAX:,} values"
        raise DataError(Finding(where=label, what=what, remedy="give a larger --step"))


def _fill(load: IntArray, names: tuple[str, ...], label: str, options: ReadOptions) -> list[str]:
    missing = load == NONE
    count = int(missing.sum())
    if not count:
        return []
    row, step = (int(i) for i in np.argwhere(missing)[0])
    what = (
        f"{count:,} of {load.size:,} values are missing, "
        f"the first of {names[row]!r}, step {step:,}"
    )
    if options.fill not in ("hold", "zero") or (options.fill == "hold" and missing[:, 0].any()):
        remedy = "fill them with --fill hold (the last value) or --fill zero"
        raise DataError(Finding(where=label, what=what, remedy=remedy))
    if options.fill == "zero":
        load[missing] = 0
    else:
        last = np.maximum.accumulate(np.where(missing, 0, np.arange(load.shape[1])), axis=1)
        load[:] = np.take_along_axis(load, last, axis=1)
    return [f"{label}: {what}; filled: {options.fill}"]
