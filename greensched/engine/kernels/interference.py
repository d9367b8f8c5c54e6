"""How much batch and services on one machine slow each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.engine.kernels.layout import PRESS_ONE
from greensched.engine.kernels.memory import mach_of, press_curve_of, w_of

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages, Table


@inner
def _on_curve(curve: Table, pressure: float) -> float:
    """Return the slow-down at a pressure: straight lines between points, the last one beyond."""
    last = curve.shape[1] - 1
    if pressure >= curve[0, last]:
        return curve[1, last]
    i = 1
    while curve[0, i] <= pressure:
        i += 1
    part = (pressure - curve[0, i - 1]) / (curve[0, i] - curve[0, i - 1])
    return curve[1, i - 1] + part * (curve[1, i] - curve[1, i - 1])


@inner
def _stretch(use_m: float, cpu_m: float, factor: float) -> float:
    """Return how much longer threads take that keep `use_m` of `cpu_m` hyperthreads busy.

    Half of them are cores; what exceeds these shares a core and is worth `factor` of one.
    """
    beyond = use_m - 0.5 * cpu_m
    if beyond <= 0.0:
        return 1.0
    return use_m / (0.5 * cpu_m + factor * beyond)


@inner
def slow_down(world: Pages, m: int) -> None:
    """Set how machine m's services are slowed by batch, and the progress of its jobs by them.

    Its share of the CPU is known; a slowed job holds it as before and gets less done.
    """
    r, curve = mach_of(world)[m], press_curve_of(world)
    r.pressed, r.smt_slowed = 0.0, 0.0
    if r.n_jobs == 0 or r.n_reps == 0:
        return
    batch_m = r.rate_f * r.batch_use_m
    r.pressed = _on_curve(curve, r.rate_f * r.batch_press / (PRESS_ONE * r.full_cpu_m))
    slow = 1.0
    if w_of(world)[0].batch_sensitivity > 0.0:
        slow += w_of(world)[0].batch_sensitivity * _on_curve(curve, r.online_use_m / r.full_cpu_m)
    if r.smt_factor < 1.0:
        both = _stretch(r.online_use_m + batch_m, r.full_cpu_m, r.smt_factor)
        r.smt_slowed = both / _stretch(r.online_use_m, r.full_cpu_m, r.smt_factor) - 1.0
        slow += both / _stretch(batch_m, r.full_cpu_m, r.smt_factor) - 1.0
    if slow > 1.0:
        r.rate = int(r.rate / slow)
