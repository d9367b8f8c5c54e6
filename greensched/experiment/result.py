"""`Result`: what a run gives, as numbers, as tables and as a page of a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

import greensched
from greensched.accounting import ROLES, Baseline, Check, rows, savings, until
from greensched.experiment.databases import fewest_for_databases
from greensched.experiment.outcome import TOTALS, Outcome
from greensched.experiment.parts import (
    distinct,
    factors_table,
    job_columns,
    parts_table,
    replicas_table,
)
from greensched.experiment.utilisation import utilisation_share
from greensched.model import NONE
from greensched.scenario.calibration import stamp_of
from greensched.units import CPU_M_PER_CORE, J_PER_KWH, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from greensched.experiment.assumed import AtShare
    from greensched.experiment.attributed import Attributed
    from greensched.experiment.run_bound import Bounds
    from greensched.experiment.size_document import Sizing
    from greensched.experiment.world import Shared
    from greensched.scenario import Scenario

SCHEMA = "greensched/summary/v1"
IN_WINDOW = ("energy_facility_kwh", "scope2_location_kg")
_DIFFERENCES = {
    "service": (
        "latency_factor_p99",
        "shortage_share",
        "violation_min",
        "replicas_mean",
        "energy_kwh",
    ),
    "batch": (
        "completed",
        "unfinished",
        "deadline_miss_share",
        "wait_mean_s",
        "wait_p95_s",
        "start_p95_s",
        "held",
        "pauses",
        "evictions",
        "wasted_core_h",
        "backlog_core_h",
        "backlog_energy_kwh",
        "backlog_scope2_kg",
        "energy_kwh",
    ),
    "databases": ("shortage_share", "violation_min", "machines_on_mean", "energy_kwh"),
}

# What is held against an objective -> whether it is held.
_VERDICTS = {
    "latency_factor_p99": "latency_factor_p99_ok",
    "shortage_share": "shortage_share_ok",
    "deadline_miss_share": "deadline_miss_ok",
    "wait_p95_s": "wait_p95_ok",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """A scenario against its baseline; tables are made when they are asked for."""

    scenario: Scenario
    shared: Shared
    baseline_id: Baseline
    baseline: Outcome
    static_peak: Outcome
    outcome: Outcome
    interference: dict[str, Any]
    forecasts: dict[str, Any]  # that policies used, of services and of intensity
    findings: tuple[str, ...] = ()
    bounds: Bounds | None = None  # not asked for, or none
    attribution: Attributed | None = None  # not asked for
    sizing: Sizing | None = None  # not asked for
    assumed_shares: tuple[AtShare, ...] = ()  # where which jobs may wait is assumed

    @property
    def runs(self) -> dict[str, Outcome]:
        """Return the three runs by name."""
        return {
            "baseline": self.baseline,
            "static_peak": self.static_peak,
            "scenario": self.outcome,
        }

    @property
    def checks(self) -> dict[str, tuple[Check, ...]]:
        """Return the balance checks of each run; one that fails is a bug of greensched."""
        return {name: one.checks(self.shared.fleet) for name, one in self.runs.items()}

    @property
    def summary(self) -> dict[str, Any]:
        """Return `summary.json` as a dict."""
        scenario, runs = self.scenario, {k: r.summary for k, r in self.runs.items()}
        bound = fewest_for_databases(self.shared)
        needed = {} if self.sizing is None else self.sizing.needed
        for name, one in runs.items():
            one["machines_needed"] = needed.get(name)
            one["databases"]["machines_bound"] = bound
        identity = {
            "kind": self.baseline_id.kind,
            "text": self.baseline_id.text,
            "id": self.baseline_id.id,
            "sha256": self.baseline_id.sha256,
        }
        return {
            "schema": SCHEMA,
            "name": scenario.name,
            "scenario_sha256": scenario.hash,
            "seed": scenario.seed,
            "version": greensched.__version__,
            "stamp": {
                "data": "synthetic" if self._synthetic else "measured",
                "result": self.shared.kind_of_result,
                "calibration": stamp_of(scenario.spec),
            },
            "window": {
                "start": scenario.spec.window.start.isoformat(),
                "start_utc": _utc(scenario.start_utc_ms),
                "length_s": scenario.window_ms / MS_PER_S,
                "end_s": self.outcome.run.end_ms / MS_PER_S,
            },
            "demand": self._demand(),
            "baseline": {**identity, **runs["baseline"]},
            "static_peak": runs["static_peak"],
            "scenario": {"policies": [p.kind for p in scenario.policies], **runs["scenario"]},
            "savings": self._savings(runs["baseline"], runs["scenario"]),
            "currency": self.shared.prices.currency or None,
            "interference": self.interference,
            "forecasts": self.forecasts,
            "balance": _worst(self.checks),
            "bounds": self._bounds(runs["baseline"], runs["scenario"]),
            "attribution": None if self.attribution is None else self.attribution.summary,
            "sizing": None if self.sizing is None else self.sizing.summary,
            "assumed_shares": [one.summary for one in self.assumed_shares],
        }

    @property
    def _synthetic(self) -> bool:
        """Say whether any of the inputs was made rather than measured."""
        labels = [series.labels.synthetic for series in self.shared.intensity.values()]
        return self.shared.workload.synthetic or any(labels)

    def _demand(self) -> dict[str, Any]:
        """Return the size of the demand and of the fleet."""
        work = self.shared.workload
        surplus = [g.role == "surplus" for g in self.outcome.run.usage.groups]
        machine_ms = self.outcome.run.usage.machine_ms[:, surplus].sum()
        return {
            "services": 0 if work.services is None else len(work.services),
            "jobs": 0 if work.jobs is None else len(work.jobs),
            "databases": 0 if work.databases is None else len(work.databases),
            "machines": self.shared.machines,
            "machines_surplus": round(int(machine_ms) / self.outcome.run.end_ms),
            "findings": list(self.findings),
        }

    def _savings(self, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
        """Return the savings in the summary's form: baseline less scenario."""
        pair = self.baseline.entries, self.outcome.entries
        saved = savings(self.baseline_id, *pair).totals()
        cut = [until(one, self.scenario.window_ms) for one in pair]
        in_window = savings(self.baseline_id, *cut).totals()
        share = {
            name: saved[name] / before[name]
            for name in TOTALS
            if before[name] and saved[name] is not None
        }
        parts = {
            part: {
                name: None
                if before[part][name] is None or after[part][name] is None
                else before[part][name] - after[part][name]
                for name in names
            }
            for part, names in _DIFFERENCES.items()
        }
        return {
            "baseline_id": self.baseline_id.id,
            "baseline_sha256": self.baseline_id.sha256,
            **{name: None if before[name] is None else saved[name] for name in TOTALS},
            "share": share,
            "in_window": {name: in_window[name] for name in IN_WINDOW},
            **parts,
        }

    def _bounds(self, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any] | None:
        """Return what no policy could beat, and how much of what it leaves was saved."""
        if self.bounds is None:
            return None
        return {**self.bounds.totals, "captured": self.bounds.captured(before, after)}

    @property
    def series(self) -> pd.DataFrame:
        """Return one row an interval and run: machines by role, power, intensity, load."""
        import pandas as pd

        return pd.concat(
            [_series(self, name, one) for name, one in self.runs.items()], ignore_index=True
        )

    @property
    def jobs(self) -> pd.DataFrame:
        """Return one row a job: when it ran in the scenario and in the baseline."""
        import pandas as pd

        table = self.shared.workload.jobs
        if table is None:
            return pd.DataFrame({"job": []})
        ids = np.arange(len(table)).astype(str) if table.ids is None else np.asarray(table.ids)
        run = self.outcome.run.jobs
        columns = {
            "job": ids,
            "submit_s": table.submit_ms / MS_PER_S,
            "cores": table.cpu_m / CPU_M_PER_CORE,
            "tasks": table.tasks,
            "duration_s": table.duration_ms / MS_PER_S,
            "deadline_s": _seconds(table.deadline_ms),
            "wait_s": _seconds(run.start_ms) - table.submit_ms / MS_PER_S,
        }
        suffixes = {"scenario": "", "baseline": "_baseline", "static_peak": "_static_peak"}
        runs = distinct(self.runs)
        for name, suffix in suffixes.items():
            if name not in runs:
                continue
            one, own = runs[name], runs[name].run.jobs
            columns[f"start{suffix}_s"] = _seconds(own.start_ms)
            columns[f"end{suffix}_s"] = _seconds(own.end_ms)
            columns |= job_columns(one, suffix)
        return pd.DataFrame(columns)

    @property
    def entries(self) -> pd.DataFrame:
        """Return the account's entries of each run, a static-peak that is the baseline once."""
        import pandas as pd

        parts = []
        for name, one in distinct(self.runs).items():
            frame = pd.DataFrame(rows(one.entries))
            frame.insert(0, "run", name)
            parts.append(frame)
        return pd.concat(parts, ignore_index=True)

    @property
    def parts(self) -> pd.DataFrame:
        """Return what service, counts and machine time of each run are made of."""
        return parts_table(self.shared, self.runs)

    @property
    def factors(self) -> pd.DataFrame:
        """Return the factors that the account used, by step of time."""
        return factors_table(self.static_peak.entries)

    @property
    def charts(self) -> Any:
        """Return the charts by name: `result.charts.tide()` is an altair chart."""
        return greensched.charts(self)

    @property
    def replicas(self) -> pd.DataFrame:
        """Return the replicas of each service in the scenario, by hour."""
        return replicas_table(self.shared, self.outcome)

    def _repr_html_(self) -> str:
        """Return the difference as a table, for notebooks; no saving without its service."""
        summary = self.summary
        before, after, saved = (summary[k] for k in ("baseline", "scenario", "savings"))
        cells = [(name, before[name], after[name], saved[name], None) for name in TOTALS]
        within = saved["in_window"].items()
        cells += [(f"{name}, saved in the window", None, None, v, None) for name, v in within]
        for part, names in _DIFFERENCES.items():
            for name in names:
                values = (before[part][name], after[part][name], saved[part][name])
                verdict = after[part].get(_VERDICTS.get(name, ""))
                cells.append((f"{part}.{name}", *values, verdict))
        known = [row for row in cells if any(value is not None for value in row[1:4])]
        lines = "".join(_html_row(*row, held=held) for *row, held in known)
        stamp = " · ".join(summary["stamp"].values())
        return (
            f"<table><caption>{escape(greensched.headline(summary))} ({stamp})</caption>"
            "<tr><th></th>"
            f"<th>{escape(before['kind'])}</th><th>scenario</th><th>saved</th><th>objective</th>"
            f"</tr>{lines}</table>"
        )


def _html_row(
    name: str, before: float, after: float | None, saved: float | None, *, held: bool | None
) -> str:
    """Return a row of a notebook's table; `held` says whether an objective is."""
    cells = "".join(
        f"<td>{'–' if value is None else f'{value:,.6g}'}</td>" for value in (before, after, saved)
    )
    verdict = "" if held is None else "ok" if held else "<b>VIOLATED</b>"
    return f"<tr><th scope=row>{name}</th>{cells}<td>{verdict}</td></tr>"


def _worst(checks: Mapping[str, tuple[Check, ...]]) -> list[dict[str, Any]]:
    """Return each check once, of the run in which it is farthest from holding."""
    found: dict[str, Check] = {}
    for check in (one for run in checks.values() for one in run):
        known = found.setdefault(check.name, check)
        if abs(check.difference) > abs(known.difference):
            found[check.name] = check
    return [
        {"check": c.name, "difference": c.difference, "unit": c.unit, "ok": c.ok}
        for c in found.values()
    ]


def _utc(time_ms: int) -> str:
    """Return an instant as ISO 8601 in UTC."""
    return f"{np.datetime64(time_ms, 'ms').astype('datetime64[s]')}Z"


def _seconds(time_ms: Any) -> Any:
    """Return times as seconds, NaN where there is none."""
    return np.where(time_ms == NONE, np.nan, time_ms / MS_PER_S)


def _series(result: Result, name: str, one: Outcome) -> pd.DataFrame:
    """Return one run's rows of the series."""
    import pandas as pd

    usage, entries = one.run.usage, one.entries
    lengths_ms = np.diff(usage.edges_ms)
    start_ms = result.scenario.start_utc_ms
    columns: dict[str, Any] = {
        "run": np.full(len(lengths_ms), name),
        "time_utc": (usage.edges_ms[:-1] + start_ms).astype("datetime64[ms]"),
        "interval_s": lengths_ms / MS_PER_S,
    }
    for role in ROLES:
        own = [g.role == role for g in usage.groups]
        columns[f"machines_{role}"] = usage.machine_ms[:, own].sum(axis=1) / lengths_ms
    facility_kwh = entries.energy_facility_mwh.sum(axis=1) / 1e6
    columns["power_it_w"] = usage.energy_j.sum(axis=1) / (lengths_ms / MS_PER_S)
    columns["power_facility_w"] = facility_kwh * J_PER_KWH / (lengths_ms / MS_PER_S)
    scope2_kg = entries.scope2_location_mg.sum(axis=1) / 1e6
    with np.errstate(invalid="ignore", divide="ignore"):
        columns["intensity_g_per_kwh"] = np.where(
            facility_kwh > 0, scope2_kg * 1000 / facility_kwh, np.nan
        )
    columns["scope2_location_kg"] = scope2_kg
    columns["utilisation_share"] = utilisation_share(usage, result.shared.fleet)
    columns["load_cores"] = _load_cores(result, usage.edges_ms)
    return pd.DataFrame(columns)


def _load_cores(result: Result, edges_ms: Any) -> Any:
    """Return the services' load [cores] at the start of each interval."""
    services = result.shared.workload.services
    if services is None:
        return np.zeros(len(edges_ms) - 1)
    at = (edges_ms[:-1] - services.start_ms) // services.step_ms
    total = services.load_cpu_m.sum(axis=0)
    return total[np.clip(at, 0, len(total) - 1)] / 1000
