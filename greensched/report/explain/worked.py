"""What jobs got in a run, from the table of jobs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.report.explain.figure import Figure, Rows, shown
from greensched.units import G_PER_KG, MS_PER_S, MWH_MILLI_PER_KWH, S_PER_H

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from greensched.report.explain.source import Source

EXAMPLES: Final = 5  # rows that are shown of a table of jobs
P95: Final = 95


def _rows(table: pd.DataFrame, where: str, columns: tuple[str, ...]) -> Rows:
    """Return rows of jobs with an example of them."""
    return Rows(
        file="jobs.parquet",
        where=where,
        rows=table,
        groups=table[["job", *columns]].head(EXAMPLES),
    )


def _no_jobs(value: float | None) -> Figure:
    return Figure(value=value, formula="there are no jobs", with_values="0")


def _count(source: Source, run: str, *, what: str) -> Figure:
    """Return how many jobs there are, have ended, have not, or have a deadline."""
    table, suffix = source.jobs(run)
    if not len(table):
        return _no_jobs(0)
    columns = (f"end{suffix}_s", "deadline_s")
    ended, due = (table[name].notna() for name in columns)
    chosen = {
        "jobs": ended | True,
        "completed": ended,
        "unfinished": ~ended,
        "deadlines": due,
    }[what]
    rows = table[chosen]
    words = {
        "jobs": "all of them",
        "completed": f"those with an {columns[0]}",
        "unfinished": f"those without an {columns[0]}",
        "deadlines": "those with a deadline_s",
    }[what]
    return Figure(
        value=len(rows),
        unit="count",
        formula=f"number of jobs: {words}",
        with_values=f"{len(rows):,} of {len(table):,}",
        rows=(_rows(rows, words, columns),),
    )


def _missed(source: Source, run: str) -> Figure:
    table, suffix = source.jobs(run)
    if not len(table) or not table["deadline_s"].notna().any():
        return Figure(value=None, notes=("no job has a deadline",))
    due = table[table["deadline_s"].notna()]
    end = f"end{suffix}_s"
    missed = due[due[end].isna() | (due[end] > due["deadline_s"])]
    return Figure(
        value=len(missed) / len(due),
        unit="share",
        formula="jobs that end after their deadline, or not at all / jobs with a deadline",
        with_values=f"{len(missed):,} / {len(due):,}",
        rows=(_rows(missed, "those that missed it", (end, "deadline_s")),),
    )


def _waits_s(source: Source, run: str) -> tuple[pd.DataFrame, Any, tuple[str, ...]]:
    table, suffix = source.jobs(run)
    start, held = f"start{suffix}_s", f"held{suffix}_s"
    begun = table[start].fillna(source.end_ms(run) / MS_PER_S)
    return table, begun - table["submit_s"] - table[held], ("submit_s", held, start)


def _wait(source: Source, run: str, *, mean: bool) -> Figure:
    if not len(source.jobs(run)[0]):
        return _no_jobs(None)
    table, waits_s, columns = _waits_s(source, run)
    value = float(waits_s.mean()) if mean else float(np.percentile(waits_s, P95))
    what = "mean" if mean else "95th percentile"
    total = f"{shown(float(waits_s.sum()))} s / {len(table):,} jobs"
    return Figure(
        value=value,
        unit="s",
        formula=f"{what} over jobs of first start (or the run's end) - submission - held",
        with_values=total if mean else f"{shown(value)} s of {len(table):,} waits",
        rows=(_rows(table, "all jobs", columns),),
    )


def _start(source: Source, run: str) -> Figure:
    """Return within what time of their submission 95 of 100 jobs begin."""
    if not len(source.jobs(run)[0]):
        return _no_jobs(None)
    table, waits_s, (submit, held, start) = _waits_s(source, run)
    value = float(np.percentile(waits_s + table[held], P95))
    return Figure(
        value=value,
        unit="s",
        formula="95th percentile over jobs of first start (or the run's end) - submission",
        with_values=f"{shown(value)} s of {len(table):,} jobs",
        rows=(_rows(table, "all jobs", (submit, start)),),
    )


def _held(source: Source, run: str, *, how: str) -> Figure:
    """Return how many jobs a switch held at arrival, or for how long."""
    table, suffix = source.jobs(run)
    if not len(table):
        return _no_jobs(0 if how == "count" else None)
    column = f"held{suffix}_s"
    rows = table[table[column] > 0]
    listed = (_rows(rows, f"{column} > 0", (column,)),)
    words = f"jobs of {column}, those above 0"
    with_values = f"{len(rows):,} of {len(table):,} jobs"
    if how == "count":
        formula = f"number of {words}"
        return Figure(
            value=len(rows), unit="count", formula=formula, with_values=with_values, rows=listed
        )
    if not len(rows):
        return Figure(value=None, notes=("no job was held",))
    value = rows[column].mean() if how == "mean" else np.percentile(rows[column], P95)
    what = "mean" if how == "mean" else "95th percentile"
    return Figure(
        value=float(value),
        unit="s",
        formula=f"{what} over {words}",
        with_values=with_values,
        rows=listed,
    )


def _counts(source: Source, run: str, *, what: str) -> Figure:
    table, suffix = source.jobs(run)
    if not len(table):
        return _no_jobs(0)
    column = f"{what}{suffix}"
    rows = table[table[column] > 0]
    return Figure(
        value=int(rows[column].sum()),
        unit="count",
        formula=f"sum over jobs of their {what}",
        with_values=f"{int(rows[column].sum()):,} of {len(rows):,} jobs",
        rows=(_rows(rows, f"{column} > 0", (column,)),),
    )


def _core_h(source: Source, run: str, *, column: str, what: str) -> Figure:
    """Return task-seconds of a column as core-hours."""
    table, suffix = source.jobs(run)
    if not len(table):
        return _no_jobs(0.0)
    name = f"{column}{suffix}_s"
    rows = table[table[name] > 0]
    whole = float((rows[name] * rows["cores"]).sum())
    return Figure(
        value=whole / S_PER_H,
        unit="core-h",
        formula=f"sum over jobs of task-seconds {what} x cores / 3,600",
        with_values=f"{shown(whole)} core-s / 3,600, {len(rows):,} jobs",
        rows=(_rows(rows, f"{name} > 0", (name, "cores")),),
    )


def _work(source: Source, run: str) -> Figure:
    table, suffix = source.jobs(run)
    if not len(table):
        return _no_jobs(0.0)
    end = f"end{suffix}_s"
    rows = table[table[end].notna()]
    whole = float((rows["duration_s"] * rows["cores"] * rows["tasks"]).sum())
    return Figure(
        value=whole / S_PER_H,
        unit="core-h",
        formula="sum over completed jobs of duration x cores x tasks / 3,600",
        with_values=f"{shown(whole)} core-s / 3,600, {len(rows):,} jobs",
        rows=(_rows(rows, f"with an {end}", ("duration_s", "cores", "tasks")),),
    )


def _energy(source: Source, run: str) -> Figure:
    table, suffix = source.jobs(run)
    if not len(table):
        return _no_jobs(0.0)
    column = f"energy{suffix}_mwh_milli"
    whole = int(table[column].sum())
    return Figure(
        value=whole / MWH_MILLI_PER_KWH,
        unit="kWh",
        formula="sum over jobs of their IT energy",
        with_values=f"{shown(whole)} mWh / {MWH_MILLI_PER_KWH:,}",
        rows=(_rows(table[table[column] > 0], f"{column} > 0", (column,)),),
    )


def _backlog(source: Source, run: str, *, emitted: bool) -> Figure:
    """Return what the unfinished work would take, at the last PUE and intensity of each site."""
    table, suffix = source.jobs(run)
    if not len(table):
        return _no_jobs(0.0)
    cores = table["cores"]
    left = float((table[f"left{suffix}_s"] * cores).sum())
    ran = table["duration_s"] * table["tasks"] - table[f"left{suffix}_s"]
    ran_core_s = float(((ran + table[f"wasted{suffix}_s"]) * cores).sum())
    if left and ran_core_s <= 0:
        return Figure(value=None, notes=("no job has run, so nothing is known of what they take",))
    job_kwh = int(table[f"energy{suffix}_mwh_milli"].sum()) / MWH_MILLI_PER_KWH
    it_kwh = left / ran_core_s * job_kwh if left else 0.0
    entries = source.entries(run, "scope 2")
    value = 0.0
    for site, mwh in entries.groupby("site")["energy_it_mwh"].sum().items():
        last = {
            name: float(source.factor(name, site=str(site))["value"].iloc[-1])
            for name in ("pue", "intensity_g_per_kwh")
        }
        kwh = it_kwh * mwh / entries["energy_it_mwh"].sum() * last["pue"]
        value += kwh * last["intensity_g_per_kwh"] / G_PER_KG if emitted else kwh
    return Figure(
        value=value,
        unit="kgCO2e" if emitted else "kWh",
        formula=f"left / done x energy of jobs x PUE{' x last intensity' if emitted else ''}: "
        "facility energy of the work left undone",
        with_values=f"{shown(left / S_PER_H)} core-h / {shown(ran_core_s / S_PER_H)} core-h "
        f"x {shown(job_kwh)} kWh, at the last factors of each site",
        factors=source.uses(("pue", "intensity_g_per_kwh"), entries),
        rows=(_rows(table[table[f"left{suffix}_s"] > 0], "left undone", (f"left{suffix}_s",)),),
    )


BATCH: Final[dict[str, Callable[[Source, str], Figure]]] = {
    **{
        name: partial(_count, what=name)
        for name in ("jobs", "completed", "unfinished", "deadlines")
    },
    "deadline_miss_share": _missed,
    "wait_mean_s": partial(_wait, mean=True),
    "wait_p95_s": partial(_wait, mean=False),
    "start_p95_s": _start,
    "held": partial(_held, how="count"),
    "held_mean_s": partial(_held, how="mean"),
    "held_p95_s": partial(_held, how="p95"),
    "pauses": partial(_counts, what="pauses"),
    "evictions": partial(_counts, what="evictions"),
    "wasted_core_h": partial(_core_h, column="wasted", what="done and lost"),
    "backlog_core_h": partial(_core_h, column="left", what="left undone"),
    "backlog_energy_kwh": partial(_backlog, emitted=False),
    "backlog_scope2_kg": partial(_backlog, emitted=True),
    "work_core_h": _work,
    "energy_kwh": _energy,
}
