"""What makes requests slow besides their own load: batch beside them; and what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.engine.result import RunResult
    from greensched.experiment.world import Shared
    from greensched.model import FloatArray


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
