"""What the figures of a summary are made of, as long tables: parts of each run, and factors.

With `entries`, `jobs` and `series` these are the rows that `explain` computes a figure from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.experiment.levels import step_lengths_ms
from greensched.model import NONE
from greensched.units import MS_PER_H, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pandas as pd

    from greensched.accounting import Entries, SiteFactors
    from greensched.experiment.outcome import Outcome
    from greensched.experiment.world import Shared
    from greensched.model import Databases, IntArray

    Row = tuple[str, str, str, str, float]

COUNTED: Final = ("moves", "power_cycles", "rejected")


def distinct(runs: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Return `runs` without a static-peak that is the baseline's run."""
    same = runs["static_peak"].run is runs["baseline"].run
    return {name: one for name, one in runs.items() if not same or name != "static_peak"}


def parts_table(shared: Shared, runs: Mapping[str, Outcome]) -> pd.DataFrame:
    """Return one row a run, part, name and quantity (docs/reference/outputs.md)."""
    import pandas as pd

    rows = [(run, *row) for run, one in distinct(runs).items() for row in _parts(shared, one)]
    return pd.DataFrame(rows, columns=["run", "part", "name", "role", "quantity", "value"])


def _parts(shared: Shared, one: Outcome) -> Iterator[Row]:
    run = one.run
    yield "run", "", "", "end_ms", run.end_ms
    yield "run", "", "", "energy_unallocated_mwh", one.unallocated_mwh
    for name in COUNTED:
        yield "run", "", "", name, run.counts[name]
    if run.outages.outages:
        yield from _outages(one)
    own = {kind.name for kind in shared.fleet if kind.role == "database"}
    for group, column in zip(run.usage.groups, run.usage.machine_ms.T, strict=True):
        part = "database machine" if group.machine_type in own else "machine"
        yield part, group.machine_type, group.role, "machine_ms", int(column.sum())
    if one.service_parts is not None:
        yield from _services(one)
    databases = shared.workload.databases
    if databases is not None and len(run.databases.names):
        yield from _databases(one, databases)


def _outages(one: Outcome) -> Iterator[Row]:
    told = one.run.outages
    for name in ("outages", "machines_peak", "replicas_lost", "jobs_lost", "lost_core_s"):
        yield "run", "", "", name, getattr(told, name)
    yield "run", "", "", "database_out_ms", told.database_ms


def _services(one: Outcome) -> Iterator[Row]:
    out, judged = one.run.services, one.service_parts
    assert judged is not None
    columns: dict[str, Any] = {
        "energy_mwh": one.service_mwh,
        "work_core_s": out.work_core_s,
        "shortage_core_s": out.shortage_core_s,
        "violated_ms": judged.violated_ms,
        "replica_ms": out.online_ms.sum(axis=0),
        "replica_cutoff_ms": out.cutoff_ms,
        "replica_standby_ms": out.standby_ms,
        "response_ms": judged.own_ms,
        "response_baseline_ms": judged.reference_ms,
    }
    yield from _columns("service", out.names, columns)


def _databases(one: Outcome, given: Databases) -> Iterator[Row]:
    out = one.run.databases
    owner = np.repeat(np.arange(len(given)), given.replicas)
    columns: dict[str, Any] = {
        "energy_mwh": one.database_mwh,
        "work_core_s": out.work_core_s,
        "shortage_core_s": out.shortage_core_s,
        "violated_ms": out.short_ms,
        "replicas": given.replicas,
        "unplaced": np.bincount(owner[out.machine == NONE], minlength=len(given)),
    }
    yield from _columns("database", out.names, columns)


def _columns(part: str, names: Iterable[str], columns: Mapping[str, Any]) -> Iterator[Row]:
    for i, name in enumerate(names):
        for quantity, column in columns.items():
            yield part, name, "", quantity, float(column[i])


def job_columns(one: Outcome, suffix: str) -> dict[str, Any]:
    """Return a run's columns of the table of jobs, named with `suffix` before their unit."""
    out = one.run.jobs
    return {
        f"held{suffix}_s": out.held_ms / MS_PER_S,
        f"pauses{suffix}": out.pauses,
        f"evictions{suffix}": out.evictions,
        f"wasted{suffix}_s": out.wasted_ms / MS_PER_S,
        f"left{suffix}_s": out.left_ms / MS_PER_S,
        f"energy{suffix}_mwh_milli": one.job_mwh,
    }


def factors_table(entries: Entries) -> pd.DataFrame:
    """Return one row a factor and step of time (docs/reference/outputs.md)."""
    import pandas as pd

    factors, end_ms = entries.factors, int(entries.edges_ms[-1])
    rows: list[tuple[Any, ...]] = []
    for site in factors.sites:
        rows += _site(site, end_ms)
    for m in factors.machine_types:
        source = m.factor_id, m.checksum, m.vintage
        own = f"scenario:{m.machine_type}", "", ""
        values = {
            "embodied_low_kg": m.embodied_low_kg,
            "embodied_kg": m.embodied_kg,
            "embodied_high_kg": m.embodied_high_kg,
            "lifetime_ms": m.lifetime_ms,
            "price_per_machine_h": m.price_per_machine_h,
            "is_released": 1.0 if m.is_released else None,
        }
        known = {name: value for name, value in values.items() if value is not None}
        for name, value in known.items():  # lifetime and price are the scenario's, as ever
            about = source if name.startswith("embodied") else own
            rows.append(("", m.machine_type, *about, m.quality, name, 0, end_ms, float(value)))
    names = ["site", "machine_type", "factor_id", "factor_sha256", "factor_vintage", "quality"]
    return pd.DataFrame(rows, columns=[*names, "quantity", "start_ms", "end_ms", "value"])


def _site(site: SiteFactors, end_ms: int) -> list[tuple[Any, ...]]:
    about = (site.site, "", site.factor_id, site.checksum, site.vintage)
    own = (site.site, "", f"scenario:{site.site}", "", "")
    filled = site.filled if len(site.filled) else np.zeros(len(site.edges_ms) - 1, np.bool_)
    quality = np.where(filled, "filled", site.quality)
    rows: list[tuple[Any, ...]] = []
    for i, start_ms, until_ms in _steps(site.edges_ms, end_ms):
        value = float(site.intensity_g_per_kwh[i])
        rows.append((*about, quality[i], "intensity_g_per_kwh", start_ms, until_ms, value))
    for i, start_ms, until_ms in _steps(site.pue.edges_ms, end_ms):
        for name, values in (("pue", site.pue.slope), ("fixed_w", site.pue.fixed_w)):
            rows.append((*own, "assumed", name, start_ms, until_ms, float(values[i])))
    if site.price_steps is not None:
        for i, start_ms, until_ms in _steps(site.price_steps.edges_ms, end_ms):
            price = float(site.price_steps.per_kwh[i])
            rows.append((*own, "measured", "price_per_kwh", start_ms, until_ms, price))
    elif site.price_per_kwh is not None:
        rows.append((*own, "assumed", "price_per_kwh", 0, end_ms, site.price_per_kwh))
    return rows


def _steps(edges_ms: IntArray, end_ms: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number, start and end [ms] of each step, cut to what was priced."""
    for i, (start_ms, until_ms) in enumerate(
        zip(edges_ms[:-1].tolist(), edges_ms[1:].tolist(), strict=True)
    ):
        if start_ms < end_ms and until_ms > 0:
            yield i, max(start_ms, 0), min(until_ms, end_ms)


def replicas_table(shared: Shared, one: Outcome) -> pd.DataFrame:
    """Return the replicas of each service in the scenario, by hour (docs/reference/outputs.md)."""
    import pandas as pd

    services, window_ms = shared.workload.services, shared.scenario.window_ms
    names = ["service", "start_s", "replicas_mean", "replicas_max"]
    if services is None or not len(services):
        return pd.DataFrame({name: [] for name in names})
    lengths = step_lengths_ms(services, one.run.end_ms)[:-1]  # the last is the drain
    begin = np.maximum(services.start_ms + services.step_ms * np.arange(len(lengths)), 0)
    inside = (lengths > 0) & (begin < window_ms)
    online, lengths, begin = (
        one.run.services.online_ms[:-1][inside],
        lengths[inside],
        begin[inside],
    )
    hours, first = np.unique(begin // MS_PER_H, return_index=True)
    span = np.add.reduceat(lengths, first)[:, None]
    mean = np.add.reduceat(online, first, axis=0) / span
    most = np.maximum.reduceat(online / lengths[:, None], first, axis=0)
    return pd.DataFrame(
        {
            "service": np.repeat(np.array(services.names, object), len(hours)),
            "start_s": np.tile(hours * MS_PER_H / MS_PER_S, len(services)),
            "replicas_mean": mean.T.ravel(),
            "replicas_max": most.T.ravel(),
        }
    )
