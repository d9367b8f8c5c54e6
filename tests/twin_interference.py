"""The twin's interference: how batch and services on one machine slow each other."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greensched.model import Interference
    from tests.twin import Machine

ONE = 1 << 20  # progress of an undisturbed job in a millisecond


def on_curve(harm: Interference, pressure: float) -> float:
    """Return the slow-down of one that counts 1 at this pressure."""
    for (x, y), (x_next, y_next) in pairwise(harm.curve):
        if x <= pressure < x_next:
            return y + (pressure - x) / (x_next - x) * (y_next - y)
    return harm.curve[-1][1]


def pressure(m: Machine) -> float:
    """Return batch's use, weighted by the pressure of its classes, over the machine's CPU."""
    of_class = dict(m.harm.pressure)
    pressed = sum(t.use_m() * round(1000 * of_class.get(t.job.group.name, 1.0)) for t in m.tasks)
    return m.share() / ONE * pressed / (1000 * m.kind.cpu_m)


def stretch(m: Machine, use_m: float) -> float:
    """Return how much longer threads take when more are busy than there are cores."""
    cores_m = m.kind.cpu_m / 2
    if m.kind.smt_factor == 1.0 or use_m <= cores_m:
        return 1.0
    return use_m / (cores_m + m.kind.smt_factor * (use_m - cores_m))


def slowed(m: Machine) -> tuple[float, float]:
    """Return by how much services are slowed on machine m: by pressure, by shared cores."""
    if not m.serving or not m.tasks:
        return 0.0, 0.0
    online_m = m.online_use_m()
    both_m = online_m + m.share() / ONE * m.batch_use_m()
    return on_curve(m.harm, pressure(m)), stretch(m, both_m) / stretch(m, online_m) - 1


def rate(m: Machine) -> int:
    """Return the progress of each task in a millisecond: its share, slowed by services."""
    share = m.share()
    if not m.serving or not m.tasks:
        return share
    batch_m = share / ONE * m.batch_use_m()
    both_m = m.online_use_m() + batch_m
    slow = 1 + m.harm.batch_sensitivity * on_curve(m.harm, m.online_use_m() / m.kind.cpu_m)
    return int(share / (slow + (stretch(m, both_m) / stretch(m, batch_m) - 1)))


def tell(m: Machine, dt_ms: int) -> None:
    """Add up how services are slowed on machine m; who has no requests is not."""
    pressed, by_smt = slowed(m)
    for r in m.replicas:
        if r.use_m() > 0:
            r.service.pressed_ms += pressed * dt_ms
            r.service.smt_ms += by_smt * dt_ms
