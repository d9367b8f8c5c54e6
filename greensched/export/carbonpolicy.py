"""`carbonpolicy`: a CarbonPolicy (greensched.io/v1alpha1) for each zone, of our own controller."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.errors import Finding, UsageError
from greensched.export.decided import Export
from greensched.scenario.calibration import power_of
from greensched.scenario.convert import curve_of
from greensched.scenario.fleetspec import CorePower, MachineSpec, TypedMachine
from greensched.scenario.spec import AffinePue
from greensched.units import MS_PER_H, MS_PER_MIN

if TYPE_CHECKING:
    from greensched.export.decided import Decided
    from greensched.scenario.fleetspec import FleetEntry
    from greensched.scenario.spec import SiteSpec

PUE_MAX: Final = 3.0


def made(decided: Decided) -> Export:
    """Return the policies of a run with `shifting`; raises UsageError without a provider."""
    policy = decided.policy("shifting")
    if not decided.provider:
        what = "a CarbonPolicy names a source of intensity, which a result does not know"
        remedy = "give the name that the controller was started with, such as great-britain"
        raise UsageError(Finding(where="--provider", what=what, remedy=remedy))
    sites = decided.scenario.spec.sites
    lost = [
        f"policy '{policy.policy}': the controller plans, with the delay as its limit"
        if policy.policy != "plan"
        else "hysteresis, step and solver of the plan: the controller has its own",
        "classes of jobs: a Job says its own deadline and delay by annotations",
        *decided.others("shifting"),
    ]
    if any(isinstance(site.pue, AffinePue) for site in sites):
        lost.append("what a site takes whatever its load is: its PUE here is the slope alone")
    if len(sites) > 1:
        lost.insert(0, "which namespaces are at which site: fill in namespaces, one policy each")
    notes = ("capacity is the most cores that jobs of this run held at a time",)
    return Export(
        target="carbonpolicy",
        documents=tuple(_document(decided, policy, site) for site in sites),
        not_expressed=tuple(lost),
        notes=notes,
    )


def _document(decided: Decided, policy: Any, site: SiteSpec) -> dict[str, Any]:
    """Return the policy of one site."""
    scenario = decided.scenario
    spec: dict[str, Any] = {"zone": site.zone, "provider": decided.provider}
    cores = peak_cores(decided)
    if cores:
        spec["capacity"] = {"cpu": cores}
    if policy.max_delay_ms:
        spec["defaults"] = {"maxDelay": _span(policy.max_delay_ms)}
    pue = site.pue.slope if isinstance(site.pue, AffinePue) else site.pue
    spec["energy"] = {"pue": min(PUE_MAX, pue), **_watts(decided, site.name)}
    several = len(scenario.spec.sites) > 1
    if several:
        spec["namespaces"] = [f"fill-in-{site.name}".lower()[:63].strip("-")]
    return {
        "apiVersion": "greensched.io/v1alpha1",
        "kind": "CarbonPolicy",
        "metadata": {
            "name": f"greensched-{site.name}".lower() if several else "greensched",
            "annotations": {"greensched.io/result": scenario.result_name},
        },
        "spec": spec,
    }


def peak_cores(decided: Decided) -> int:
    """Return the most cores that jobs held at a time in the run, rounded up."""
    jobs = decided.jobs
    if not len(jobs) or "start_s" not in jobs:
        return 0
    ran = jobs[jobs["start_s"].notna() & jobs["end_s"].notna()]
    cores = (ran["cores"] * ran["tasks"]).to_numpy(np.float64)
    times = np.concatenate([ran["start_s"].to_numpy(), ran["end_s"].to_numpy()])
    change = np.concatenate([cores, -cores])
    # What ends frees its cores before what begins at the same instant takes them.
    order = np.lexsort((change > 0, times))
    return math.ceil(float(np.cumsum(change[order]).max(initial=0.0)) - 1e-9)


def _span(delay_ms: int) -> str:
    """Return a span as the controller reads it: whole hours, else minutes."""
    if delay_ms % MS_PER_H == 0:
        return f"{delay_ms // MS_PER_H}h"
    return f"{max(1, delay_ms // MS_PER_MIN)}m"


def _of_a_core(entry: FleetEntry) -> tuple[float, float]:
    """Return the idle and peak power of a machine [W], by the core."""
    power = power_of(entry)
    if isinstance(power, CorePower):
        return power.per_core * power.idle_share, power.per_core
    cores = entry.known.cores if isinstance(entry, TypedMachine) else _cores(entry)
    curve = curve_of(power)
    return curve.watts(0.0) / cores, curve.watts(1.0) / cores


def _cores(entry: FleetEntry) -> float:
    """Return the cores of a machine that was typed by hand."""
    assert isinstance(entry, MachineSpec)
    return entry.cores


def _watts(decided: Decided, site: str) -> dict[str, Any]:
    """Return what a core takes at this site: from its dynamic power to all of a full machine."""
    lows, highs = [], []
    for entry in decided.scenario.spec.fleet:
        if entry.site != site or entry.role == "database":
            continue
        idle_w, peak_w = _of_a_core(entry)
        lows.append(peak_w - idle_w)
        highs.append(peak_w)
    if not lows:
        return {}
    low, high = round(min(lows), 3), round(max(highs), 3)
    middle = round((low + high) / 2, 3)
    return {"wattsPerCore": {"low": low, "mid": middle, "high": high}}
