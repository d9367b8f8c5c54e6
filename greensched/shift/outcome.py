"""What a policy comes to in a study, and its figures beside those of the baseline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.shift.account import P95
from greensched.units import CPU_M_PER_CORE

if TYPE_CHECKING:
    from greensched.model import IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Emissions [g CO2e] of all jobs, their bound, each job's wait [ticks], what else is told.

    `marginal_g` is the account under the marginal series, None without one; `more` has keys of
    this policy alone.
    """

    emitted_g: float
    bound_g: float
    waited: IntArray
    late: int
    peak_cpu_m: int
    cost: float | None
    marginal_g: float | None = None
    more: dict[str, Any] = field(default_factory=dict)


def figures(ran: Outcome, base: Outcome, tick_h: float) -> dict[str, Any]:
    """Return the figures of one outcome, in the keys of `docs/reference/outputs.md`."""
    waited_h = ran.waited * tick_h
    found: dict[str, Any] = {
        "carbon_g": ran.emitted_g,
        "normalised": _ratio(ran.emitted_g, base.emitted_g),
        "mean_wait_h": float(waited_h.mean()),
        "p95_wait_h": float(np.quantile(waited_h, P95)),
        "peak_cores": ran.peak_cpu_m / CPU_M_PER_CORE,
        "late": ran.late,
        "cost": ran.cost,
        "bound_g": ran.bound_g,
        "share_captured": _ratio(base.emitted_g - ran.emitted_g, base.emitted_g - ran.bound_g),
    }
    if ran.marginal_g is not None and base.marginal_g is not None:
        saved = base.emitted_g - ran.emitted_g
        found["marginal_carbon_g"] = ran.marginal_g
        found["marginal_normalised"] = _ratio(ran.marginal_g, base.marginal_g)
        found["signs_differ"] = (base.marginal_g - ran.marginal_g) * saved < 0
    return found | ran.more


def _ratio(part: float, whole: float) -> float | None:
    """Return a ratio, None for that of nothing to nothing."""
    return None if whole == 0 else part / whole
