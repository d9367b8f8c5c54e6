"""What makes requests slow besides their own load: batch beside them; and what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import Finding
from greensched.scenario.words import near

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from greensched.engine.result import RunResult
    from greensched.experiment.world import Shared
    from greensched.model import FloatArray
    from greensched.scenario import Scenario, Workload


def slowdowns(shared: Shared, run: RunResult, strength: float | None = None) -> FloatArray:
    """Return how much longer requests take because of batch [steps + 1, services], from 1 on.

    The mean over a service's replicas and a load step; `strength` times as much as pressure does
    by the scenario's model (None: as it says), and what shared cores do.
    """
    harm = shared.scenario.spec.interference.value
    strength = harm.strength if strength is None else strength
    out = run.services
    own = dict(harm.sensitivity)
    sensitivity = np.array([own.get(name, 1.0) for name in out.names])
    served_ms = np.maximum(out.online_ms, 1)
    slow: FloatArray = 1.0 + (strength * sensitivity * out.pressed_ms + out.smt_ms) / served_ms
    return slow


def measured(shared: Shared) -> Iterator[tuple[int, FloatArray, FloatArray]]:
    """Yield services (rows) whose latency was measured: points of utilisation [1], p99 [ms]."""
    services, entries = shared.workload.services, shared.scenario.spec.latency
    names = () if services is None else services.names
    by_name = {name: entry for entry in entries for name in entry.services or ()}
    others = next((entry for entry in entries if entry.services is None), None)
    for s, name in enumerate(names):
        entry = by_name.get(name, others)
        if entry is not None:
            yield (
                s,
                np.array([p.utilisation for p in entry.points]),
                np.array([p.p99 for p in entry.points], np.float64),
            )


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
