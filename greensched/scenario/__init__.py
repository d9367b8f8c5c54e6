"""A scenario: a file that says fleet, demand, switches and baseline, checked as one.

load(path), loads(text)     -> Scenario, or ScenarioError with every finding of the file
schema()                    the JSON Schema of the file
init_text(trace)            a scenario that runs as it is
build_workload(scenario)    its traces in window time
fleet_types, sites, edges   its world, as the engine takes it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greensched.scenario.loading import Scenario, load, loads
    from greensched.scenario.reference import reference_text, schema
    from greensched.scenario.template import init_text
    from greensched.scenario.workload import Workload, build_trace, build_workload
    from greensched.scenario.world import edges, fleet_types, intensities, policies, sites

_PLACES = {
    "Scenario": "loading",
    "load": "loading",
    "loads": "loading",
    "reference_text": "reference",
    "schema": "reference",
    "init_text": "template",
    "Workload": "workload",
    "build_trace": "workload",
    "build_workload": "workload",
    "edges": "world",
    "fleet_types": "world",
    "intensities": "world",
    "policies": "world",
    "sites": "world",
}

__all__ = [
    "Scenario",
    "Workload",
    "build_trace",
    "build_workload",
    "edges",
    "fleet_types",
    "init_text",
    "intensities",
    "load",
    "loads",
    "policies",
    "reference_text",
    "schema",
    "sites",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: checking a file needs little of all."""
    if name not in _PLACES:
        raise AttributeError(name)
    import importlib

    return getattr(importlib.import_module(f"greensched.scenario.{_PLACES[name]}"), name)
