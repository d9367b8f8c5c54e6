"""What services and databases got in a run, and what was counted, from its parts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from greensched.report.explain.figure import Figure, Rows, shown
from greensched.report.explain.source import Source, grouped
from greensched.report.explain.totals import on_ms
from greensched.units import MS_PER_H, MS_PER_MIN, MWH_MILLI_PER_KWH, S_PER_H

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

COUNTED: Final = "counted by the engine as it happened; no row is kept of each"


def _rows(run: str, part: str, rows: pd.DataFrame) -> Rows:
    what = f"run = {run}, part = {part}, quantity = {', '.join(sorted(set(rows['quantity'])))}"
    return grouped("parts.parquet", what, rows, ("name",), ("value",))


def _sum(
    source: Source,
    run: str,
    *,
    part: str,
    quantity: str,
    divisor: float,
    unit: str,
    what: str,
) -> Figure:
    """Return the sum of one quantity over services or databases."""
    rows = source.parts(run, part, quantity)
    whole = float(rows["value"].sum())
    return Figure(
        value=whole / divisor,
        unit=unit,
        formula=f"sum over {part}s of {what}",
        with_values=f"{shown(whole)} / {shown(divisor)}" if divisor != 1 else shown(whole),
        rows=(_rows(run, part, rows),),
    )


def _shortage(source: Source, run: str, *, part: str) -> Figure:
    short = source.parts(run, part, "shortage_core_s")
    work = source.parts(run, part, "work_core_s")
    a, b = (float(one["value"].sum()) for one in (short, work))
    return Figure(
        value=a / b if b > 0 else 0.0,
        unit="share",
        formula="work that found no CPU / work wanted",
        with_values=f"{shown(a / S_PER_H)} core-h / {shown(b / S_PER_H)} core-h",
        rows=(_rows(run, part, short), _rows(run, part, work)),
    )


def _latency(source: Source, run: str) -> Figure:
    own = source.parts(run, "service", "response_ms")
    base = source.parts(run, "service", "response_baseline_ms")
    a, b = (float(one["value"].sum()) for one in (own, base))
    if b <= 0:
        return Figure(value=None, notes=("no service is stable in this run and the baseline",))
    return Figure(
        value=a / b,
        unit="factor",
        formula="sum of requests x 99th-percentile response / the same with the baseline's",
        with_values=f"{shown(a)} / {shown(b)} request-ms, where both runs are stable",
        rows=(_rows(run, "service", own), _rows(run, "service", base)),
        notes=("responses are modelled (M/M/c), or measured points where the scenario has some",),
    )


def _replicas(source: Source, run: str, *, quantity: str, what: str) -> Figure:
    held = source.parts(run, "service", quantity)
    return _mean(source, run, "service", held, "replica", f"time that replicas {what}")


def _databases_on(source: Source, run: str) -> Figure:
    held, what = on_ms(source, run, "database machine"), "time on of machines for databases"
    return _mean(source, run, "database machine", held, "machine", what)


def _mean(source: Source, run: str, part: str, held: pd.DataFrame, unit: str, what: str) -> Figure:
    """Return how much was held on average [ms of it over those of the run]."""
    end_ms, whole = source.end_ms(run), float(held["value"].sum())
    return Figure(
        value=whole / end_ms,
        unit=f"{unit}s",
        formula=f"{what} / length of the run",
        with_values=f"{shown(whole / MS_PER_H)} {unit}-h / {shown(end_ms / MS_PER_H)} h",
        rows=(_rows(run, part, held),),
    )


def violation_of(source: Source, run: str, part: str, name: str) -> Figure:
    """Return the minutes of one service or database in violation."""
    rows = source.parts(run, part, "violated_ms")
    rows = rows[rows["name"] == name]
    whole = float(rows["value"].sum())
    return Figure(
        value=whole / MS_PER_MIN,
        unit="min",
        formula="time short of CPU or above the latency limit",
        with_values=f"{shown(whole)} ms / {MS_PER_MIN:,}",
        rows=(_rows(run, part, rows),),
    )


def _count(source: Source, run: str, *, part: str) -> Figure:
    rows = source.parts(run, part, "energy_mwh")
    return Figure(
        value=len(rows),
        unit="count",
        formula=f"number of {part}s",
        with_values=shown(len(rows)),
        rows=(_rows(run, part, rows),),
    )


def _counted(
    source: Source, run: str, *, quantity: str, divisor: float = 1, unit: str = "count"
) -> Figure:
    """Return what the engine counted."""
    rows = source.parts(run, "run", quantity)
    whole = float(rows["value"].sum())
    value = int(whole) if divisor == 1 else whole / divisor
    return Figure(
        value=value,
        unit=unit,
        formula="events of the run" if divisor == 1 else f"events of the run / {divisor:,}",
        with_values=shown(value),
        rows=(_rows(run, "run", rows),),
        notes=(COUNTED,),
    )


def _out_h(source: Source, run: str) -> Figure:
    rows = source.parts(run, "machine", "machine_ms")
    rows = rows[rows["role"] == "out"]
    return Figure(
        value=rows["value"].sum() / MS_PER_H,
        unit="h",
        formula="sum over machine types of the time that machines were out",
        with_values=f"{shown(float(rows['value'].sum()))} machine-ms / {MS_PER_H:,}",
        rows=(_rows(run, "machine", rows),),
    )


def _two(part: str) -> dict[str, Callable[[Source, str], Figure]]:
    """Return the figures that services and databases share."""
    energy: dict[str, Any] = {"divisor": MWH_MILLI_PER_KWH, "unit": "kWh", "what": "IT energy"}
    work: dict[str, Any] = {"divisor": S_PER_H, "unit": "core-h", "what": "work wanted"}
    late: dict[str, Any] = {"divisor": MS_PER_MIN, "unit": "min", "what": "time in violation"}
    return {
        "energy_kwh": partial(_sum, part=part, quantity="energy_mwh", **energy),
        "work_core_h": partial(_sum, part=part, quantity="work_core_s", **work),
        "violation_min": partial(_sum, part=part, quantity="violated_ms", **late),
        "shortage_share": partial(_shortage, part=part),
    }


SERVICE: Final[dict[str, Callable[[Source, str], Figure]]] = {
    **_two("service"),
    "latency_factor_p99": _latency,
    "replicas_mean": partial(_replicas, quantity="replica_ms", what="served"),
    "replicas_cutoff_mean": partial(_replicas, quantity="replica_cutoff_ms", what="were cut off"),
    "replicas_standby_mean": partial(_replicas, quantity="replica_standby_ms", what="stood by"),
}
_REPLICAS: Final[dict[str, Any]] = {"part": "database", "divisor": 1, "unit": "replicas"}
DATABASES: Final[dict[str, Callable[[Source, str], Figure]]] = {
    **_two("database"),
    "databases": partial(_count, part="database"),
    "replicas": partial(_sum, quantity="replicas", what="replicas", **_REPLICAS),
    "unplaced": partial(_sum, quantity="unplaced", what="replicas nowhere", **_REPLICAS),
    "machines_on_mean": _databases_on,
}
COUNTS: Final[dict[str, Callable[[Source, str], Figure]]] = {
    "moves": partial(_counted, quantity="moves"),
    "power_cycles": partial(_counted, quantity="power_cycles"),
    "actions_rejected": partial(_counted, quantity="rejected"),
}
OUTAGES: Final[dict[str, Callable[[Source, str], Figure]]] = {
    **{
        name: partial(_counted, quantity=name)
        for name in ("outages", "machines_peak", "replicas_lost", "jobs_lost")
    },
    "machine_h": _out_h,
    "lost_core_h": partial(_counted, quantity="lost_core_s", divisor=S_PER_H, unit="core-h"),
    "database_replica_min": partial(
        _counted, quantity="database_out_ms", divisor=MS_PER_MIN, unit="min"
    ),
}
