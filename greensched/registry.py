"""Names to policies, readers, providers, power models and baselines, imported when asked for."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import Finding, UsageError

if TYPE_CHECKING:
    from greensched.providers.points import Provider, Settings

POLICIES: Final = {
    "autoscaled": "greensched.policies.autoscaled:Autoscaled",
    "colocation": "greensched.policies.colocation_max:Colocation",
    "colocation-nsigma": "greensched.policies.colocation:ColocationNsigma",
    "colocation-oracle": "greensched.policies.colocation_max:ColocationOracle",
    "consolidation": "greensched.policies.consolidation:Consolidation",
    "consolidation-oracle": "greensched.policies.consolidation:ConsolidationOracle",
    "consolidation-peaks": "greensched.policies.consolidation:ConsolidationPeaks",
    "elastic": "greensched.policies.elastic_predictive:ElasticPredictive",
    "elastic-oracle": "greensched.policies.elastic_predictive:ElasticOracle",
    "elastic-predictive": "greensched.policies.elastic_predictive:ElasticPredictive",
    "elastic-reactive": "greensched.policies.elastic:ElasticReactive",
    "shifting": "greensched.policies.shifting.switch:CarbonShifting",
    "shifting-oracle": "greensched.policies.shifting.switch:CarbonShiftingOracle",
    "tidal": "greensched.policies.tidal_forecast:TidalForecast",
    "tidal-oracle": "greensched.policies.tidal_forecast:TidalOracle",
    "tidal-timetable": "greensched.policies.tidal:TidalTimetable",
}
SHIFTING: Final = {
    "carbon-time": "greensched.policies.shifting.starts:CarbonTime",
    "ecovisor": "greensched.policies.shifting.suspended:Ecovisor",
    "lowest-slot": "greensched.policies.shifting.starts:LowestSlot",
    "lowest-window": "greensched.policies.shifting.starts:LowestWindow",
    "next-workday": "greensched.policies.shifting.calendar:NextWorkday",
    "no-wait": "greensched.policies.shifting.starts:NoWait",
    "plan": "greensched.policies.shifting.plan:Plan",
    "semi-weekly": "greensched.policies.shifting.calendar:SemiWeekly",
    "wait-awhile": "greensched.policies.shifting.suspended:WaitAwhile",
}
READERS: Final = {
    "alibaba-2017": "greensched.readers.alibaba:read_2017",
    "alibaba-2018": "greensched.readers.alibaba:read_2018",
    "azure-2017": "greensched.readers.azure:read_2017",
    "azure-2019": "greensched.readers.azure:read_2019",
    "canonical": "greensched.readers.canonical:read",
    "google-2011": "greensched.readers.google:read_2011",
    "google-2019": "greensched.readers.google:read_2019",
    "jobs": "greensched.readers.jobs:read",
    "kubernetes": "greensched.readers.kubernetes:read",
    "openb": "greensched.readers.openb:read",
    "opendc": "greensched.readers.opendc:read",
    "planetlab": "greensched.readers.planetlab:read",
    "prometheus": "greensched.readers.prometheus:read",
    "sacct": "greensched.readers.sacct:read",
    "series": "greensched.readers.series:read",
    "swf": "greensched.readers.swf:read",
}
PROVIDERS: Final = {
    "carbon-aware-sdk": "greensched.providers.carbon_aware_sdk:CarbonAwareSdk",
    "constant": "greensched.providers.constant:Constant",
    "electricity-maps": "greensched.providers.electricity_maps:ElectricityMaps",
    "files": "greensched.providers.files:Files",
    "profile": "greensched.providers.profile:Profile",
    "prometheus": "greensched.providers.prometheus:Prometheus",
    "uk-carbon-intensity": "greensched.providers.uk_carbon_intensity:UkCarbonIntensity",
    "watttime": "greensched.providers.watttime:WattTime",
}
POWER_MODELS: Final = {
    "asymptotic": "greensched.power:Asymptotic",
    "cubic": "greensched.power:Cubic",
    "linear": "greensched.power:Linear",
    "mse": "greensched.power:Mse",
    "piecewise": "greensched.power:Piecewise",
    "sqrt": "greensched.power:Sqrt",
    "square": "greensched.power:Square",
}
BASELINES: Final = {
    "as-recorded": "greensched.policies.baselines:AS_RECORDED",
    "autoscaled": "greensched.policies.baselines:AUTOSCALED",
    "static-peak": "greensched.policies.baselines:STATIC_PEAK",
}
KINDS: Final = {
    "policy": POLICIES,
    "shifting policy": SHIFTING,
    "reader": READERS,
    "provider": PROVIDERS,
    "power model": POWER_MODELS,
    "baseline": BASELINES,
}


def load(kind: str, name: str) -> Any:
    """Return what is registered as `name`; `kind` is a key of `KINDS`.

    Raises `UsageError`, naming the nearest registered name, where there is none.
    """
    import importlib

    module, _, attribute = _entry(kind, name).partition(":")
    return getattr(importlib.import_module(module), attribute)


def names(kind: str) -> tuple[str, ...]:
    """Return the registered names of `kind`, sorted."""
    return tuple(sorted(KINDS[kind]))


def source(text: str, settings: Settings) -> Provider:
    """Return the source of intensity that `text` names: `NAME`, `NAME:ARGUMENT`, or a path.

    `bundled:NAME` is a sample of ours and `data:PATH` a file below $GREENSCHED_DATA. Raises
    UsageError where it is none of these.
    """
    name, _, rest = text.partition(":")
    if name in PROVIDERS and name != "files":
        found: Provider = load("provider", name).named(rest, settings)
        return found
    path = text
    if name == "bundled":
        from greensched.readers.bundled import bundled_path

        path = str(bundled_path(rest))
        settings = replace(settings, synthetic=True)
    elif name == "data":
        path = str(_below_data(text, rest))
    files: Provider = load("provider", "files").named(path, settings)
    return files


def _below_data(text: str, rest: str) -> Path:
    """Return the path below $GREENSCHED_DATA; raises UsageError without it, or outside."""
    value = os.environ.get("GREENSCHED_DATA", "")
    path = (Path(value) / rest).resolve()
    if not value:
        what, remedy = "needs $GREENSCHED_DATA, which is not set", "set it to the data's folder"
    elif not path.is_relative_to(Path(value).resolve()):
        what, remedy = "lies outside $GREENSCHED_DATA", "name the file itself"
    else:
        return path
    raise UsageError(Finding(where=text, what=what, remedy=remedy))


def _entry(kind: str, name: str) -> str:
    entries = KINDS[kind]
    if name in entries:
        return entries[name]
    import difflib

    near = difflib.get_close_matches(name, entries, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names(kind))}"
    raise UsageError(Finding(where="", what=f"unknown {kind} {name!r}", remedy=remedy))
