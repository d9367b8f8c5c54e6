"""Names in a scenario that have to be those of its demand: of services and of classes of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.errors import Finding
from greensched.scenario.words import near

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greensched.scenario import Scenario, Workload


def check_names(scenario: Scenario, workload: Workload) -> tuple[Finding, ...]:
    """Return a finding for each name of a service or class that the demand does not have."""
    services = () if workload.services is None else workload.services.names
    classes = () if workload.jobs is None else tuple(c.name for c in workload.jobs.classes)
    harm, entries = scenario.spec.interference, scenario.spec.latency
    found = [
        *_unknown("interference.sensitivity", "service", harm.sensitivity, services),
        *_unknown("interference.pressure", "job class", harm.pressure, classes),
    ]
    named: list[str] = []
    for i, entry in enumerate(entries):
        found += _unknown(f"latency[{i}].services", "service", entry.services or (), services)
        named += entry.services or ("all others",)
    found += [
        Finding(where="latency", what=f"{name} measured twice", remedy="keep one entry")
        for name in sorted({n for n in named if named.count(n) > 1})
    ]
    return tuple(found)


def _unknown(where: str, noun: str, names: Iterable[str], known: tuple[str, ...]) -> list[Finding]:
    """Return a finding for each of `names` that is not `known`."""
    return [
        Finding(where=where, what=f"unknown {noun} '{name}'", remedy=near(name, known))
        for name in names
        if name not in known
    ]
