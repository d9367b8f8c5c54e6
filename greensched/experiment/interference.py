"""How much batch slowed services, and how much more would break their latency objective.

The break-even needs no other run: a run records, for each service and load step, the slow-down by
batch's pressure. With it multiplied by k responses are worked out anew, and k is where the latency
factor meets its limit. Placements and jobs' own slow-down stay those of the run.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.experiment.latency import measured, slowdowns
from greensched.experiment.levels import requests, responses_ms, step_lengths_ms
from greensched.units import CPU_M_PER_CORE

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.engine.result import RunResult
    from greensched.experiment.world import Shared
    from greensched.model import FloatArray

PRECISION: Final = 1e-6  # of the break-even
RISE_PRECISION: Final = 1e-4  # or of what the factor rises by
TRIES_MAX: Final = 40
NEARNESS_MAX: Final = 32.0  # to overload: the last bits of a number


def interference(shared: Shared, run: RunResult, reference_ms: FloatArray) -> dict[str, Any]:
    """Return how services were slowed in a run and at which interference its objective breaks.

    `reference_ms`: the baseline's responses. Without services, or where batch was never beside
    them, nothing was slowed and nothing would break.
    """
    harm = shared.scenario.spec.interference.value
    told: dict[str, Any] = {
        "model": harm.model,
        "slowdown_mean": None,
        "break_even_slope": None,
        "break_even_factor": None,
        "limited_by": None,
    }
    services = shared.workload.services
    if services is None or not len(services):
        return told
    weight = requests(services, run.end_ms)
    slow = slowdowns(shared, run)
    if weight.any():  # a mean of what is added: where nothing is, it is exactly 1
        told["slowdown_mean"] = 1.0 + float((weight * (slow - 1.0)).sum() / weight.sum())
    limit = shared.scenario.slo.latency_factor_p99
    if limit is None or not run.services.pressed_ms.any():
        return told
    strength, name = _Question(shared, run, reference_ms, weight).break_even(limit)
    if strength is not None and harm.model != "bubble":
        told["break_even_slope"] = strength * harm.curve[1][1]
    if harm.model != "none":
        told["break_even_factor"] = strength
    return {**told, "limited_by": name}


class _Question:
    """A run's responses as a function of the strength of interference."""

    def __init__(
        self, shared: Shared, run: RunResult, reference_ms: FloatArray, weight: FloatArray
    ) -> None:
        """Work out once what strength does not change."""
        self._shared, self._run = shared, run
        self._calm = slowdowns(shared, run, 0.0)
        self._each = slowdowns(shared, run, 1.0) - self._calm
        self._own_ms = responses_ms(shared, run, self._calm)
        stable = np.isfinite(self._own_ms) & np.isfinite(reference_ms) & (reference_ms > 0)
        self._weight = np.where(stable, weight, 0.0)
        self._pressed = (self._each > 0) & (self._weight > 0)
        self._base = float((self._weight * np.where(stable, reference_ms, 0.0)).sum())

    def break_even(self, limit: float) -> tuple[float | None, str | None]:
        """Return the strength at which the factor meets `limit`, and whose requests make it so.

        0 where the limit is broken without any. Near the strength that overloads a service the
        factor rises as 1 / distance, so its logarithm is looked for in that of the distance.
        """
        if not self._pressed.any():
            return None, None
        calm = self._factor(0.0)
        if calm >= limit:
            return 0.0, None
        pole = self._overload()

        def excess(nearness: float) -> float:
            risen = self._factor(pole * -math.expm1(-nearness)) - calm
            return math.log(max(risen, math.ulp(0.0)) / (limit - calm))

        strength = pole * -math.expm1(-_root(excess))
        return strength, self._worst(strength)

    def _overload(self) -> float:
        """Return the least strength at which some service's load reaches its capacity."""
        services = self._shared.workload.services
        assert services is not None
        load = np.vstack([services.load_cpu_m.T, services.load_cpu_m[:, -1]])
        lengths = np.maximum(step_lengths_ms(services, self._run.end_ms), 1)[:, None]
        served_m = self._run.services.online_ms * services.replica_cpu_m / lengths
        most = np.maximum(served_m // CPU_M_PER_CORE, 1) * CPU_M_PER_CORE
        for s, utilisation, _ in measured(self._shared):
            most[:, s] = utilisation[-1] * served_m[:, s]
        rows = self._pressed
        room: FloatArray = most[rows] / load[rows] - self._calm[rows]
        return float((room / self._each[rows]).min())

    def _responses(self, strength: float) -> FloatArray:
        """Return the responses at `strength` [ms], worked out anew where batch presses."""
        slow = np.where(self._pressed, self._calm + strength * self._each, 0.0)
        found_ms = responses_ms(self._shared, self._run, slow)
        return np.where(self._pressed, found_ms, np.where(self._weight > 0, self._own_ms, 0.0))

    def _factor(self, strength: float) -> float:
        """Return the latency factor at `strength`."""
        return float((self._weight * self._responses(strength)).sum()) / self._base

    def _worst(self, strength: float) -> str | None:
        """Return the service whose requests raise the factor most."""
        calm_ms = np.where(self._weight > 0, self._own_ms, 0.0)
        rise = (self._weight * (self._responses(strength) - calm_ms)).sum(axis=0)
        return self._run.services.names[int(rise.argmax())] if rise.any() else None


def _root(of: Callable[[float], float]) -> float:
    """Return where a function of nearness that rises from below 0 is 0, by regula falsi."""
    low, high = 0.0, 1.0
    below, above = -math.inf, of(high)
    while above < 0.0 and high < NEARNESS_MAX:
        low, below, high = high, above, 2.0 * high
        above = of(high)
    while below == -math.inf:
        low = high / 4.0
        below = of(low)
        if below > 0.0:
            high, above, below = low, below, -math.inf
    at = high
    for _ in range(TRIES_MAX):
        at = (low * above - high * below) / (above - below)
        value = of(at)
        if abs(value) < RISE_PRECISION or math.exp(-low) - math.exp(-high) < PRECISION:
            break
        if value < 0.0:
            low, below, above = at, value, above / 2.0
        else:
            high, above, below = at, value, below / 2.0
    return at
