"""The replica rule of the Kubernetes horizontal pod autoscaler (HPA), for all services at once.

Source: Kubernetes documentation "Horizontal Pod Autoscaling", algorithm details and
`behavior`: n = ceil(n x metric / target), no change within the tolerance, scale-down to the
highest recommendation of the stabilisation window, limits on the step of a change.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from greensched.model import NONE, BoolArray, IntArray, Scale, ServiceView, Snapshot
from greensched.policies.kernels import services as kernels
from greensched.policies.memory import changed, frozen

NEVER_MS = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class HpaRule:
    """The settings of the rule; see the policies that use it for their meanings."""

    target: float
    tolerance: float
    stabilisation_ms: int
    up_factor: float
    up_step: int
    down_share: float
    down_window_ms: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HpaMemory:
    """Recent recommendations and replica counts: one row a change, one column a service.

    `times_ms`: when each row was last seen; `settled_ms`: when nothing was to change, nor will be
    until `until_ms` unless a load or a count does.
    """

    times_ms: IntArray = field(default_factory=lambda: frozen(np.empty(0, np.int64)))
    recommended: IntArray = field(default_factory=lambda: frozen(np.empty((0, 0), np.int64)))
    present: IntArray = field(default_factory=lambda: frozen(np.empty((0, 0), np.int64)))
    settled_ms: int = NONE
    until_ms: int = NONE


def present(view: ServiceView) -> IntArray:
    """Return the replicas of each service that exist or are on their way, without standby."""
    return view.online + view.starting + view.pending


def recommended(view: ServiceView, rule: HpaRule, *, measured: bool) -> IntArray:
    """Return what the load of now asks for: ceil(n x metric / target), within min and max.

    The metric is mean use of request by the n replicas that serve or start, so n x metric is
    load / request, whatever n. A starting replica counts as present: it is not asked for twice.
    """
    if not measured:
        return within_limits(view, present(view))
    asked = np.empty(len(view.online), np.int64)
    kernels.recommend(
        view.load_cpu_m,
        view.online,
        view.starting,
        view.pending,
        view.replica_cpu_m,
        view.replicas_min,
        view.replicas_max,
        rule.target,
        rule.tolerance,
        asked,
    )
    return asked


def is_settled(snapshot: Snapshot, memory: HpaMemory) -> bool:
    """Say whether the rule, asked now, would change nothing and remember nothing new."""
    return memory.settled_ms != NONE and (
        snapshot.steady_since_ms <= memory.settled_ms and snapshot.now_ms <= memory.until_ms
    )


def unsettled(snapshot: Snapshot, memory: HpaMemory) -> HpaMemory:
    """Return the memory of one who is to be asked anew, who was settled until the last wake."""
    if memory.settled_ms == NONE:
        return memory
    times_ms = memory.times_ms.copy()
    times_ms[-1] = snapshot.now_ms - snapshot.period_ms  # for so long its last row held
    return changed(memory, times_ms=frozen(times_ms), settled_ms=NONE)


def wanted_replicas(
    snapshot: Snapshot, memory: HpaMemory, rule: HpaRule, follows: BoolArray | None = None
) -> tuple[IntArray, HpaMemory]:
    """Return the replicas each service is to have, and the memory for the next wake.

    Only services that `follows` tells (None: all) count when it says that nothing is to change.
    """
    view, now = snapshot.services, snapshot.now_ms
    current = present(view)
    if is_settled(snapshot, memory):
        return current, memory
    asked = recommended(view, rule, measured=snapshot.period_ms > 0)
    memory = _remembered(memory, snapshot, asked, current, rule)
    times = memory.times_ms
    limited = np.empty_like(current)
    kernels.step(
        current,
        asked,
        memory.recommended,
        memory.present,
        times.searchsorted([now - window for window in _windows(rule)]),
        view.replicas_min,
        view.replicas_max,
        rule.up_factor,
        rule.up_step,
        rule.down_share,
        limited,
    )
    steady = snapshot.steady_since_ms <= now - snapshot.period_ms < now
    stays = limited == current if follows is None else (limited == current) | ~follows
    if steady and stays.all() and not view.pending.any():
        # Until a row but the last leaves one of the windows.
        rows = [times[times.searchsorted(now - w) :] for w in _windows(rule)]
        until_ms = min(
            (int(row[0]) + w for row, w in zip(rows, _windows(rule), strict=True) if len(row) > 1),
            default=NEVER_MS,
        )
        memory = changed(memory, settled_ms=now, until_ms=until_ms)
    return limited, memory


def _windows(rule: HpaRule) -> tuple[int, int]:
    return rule.stabilisation_ms, rule.down_window_ms


def scale_actions(current: IntArray, wanted: IntArray) -> tuple[Scale, ...]:
    """Return one `Scale` of the services whose `current` count is to change, or none."""
    changed = (wanted != current).nonzero()[0]
    if not changed.size:
        return ()
    return (Scale(services=frozen(changed), replicas=frozen(wanted[changed])),)


def scaled(
    view: ServiceView, present: IntArray, wanted: IntArray
) -> tuple[tuple[Scale, ...], bool]:
    """Return `scale_actions`, and whether any service lacks replicas: wanted, or without room."""
    rows = np.empty(len(present), np.int64)
    count, lack = kernels.changes(present, wanted, view.pending, rows)
    if not count:
        return (), lack
    rows = rows[:count]
    return (Scale(services=frozen(rows), replicas=frozen(wanted[rows])),), lack


def within_limits(view: ServiceView, replicas: IntArray) -> IntArray:
    """Return the replicas within each service's minimum and maximum."""
    # Not np.clip: its overhead is several times that of the two calls.
    limited: IntArray = np.minimum(np.maximum(replicas, view.replicas_min), view.replicas_max)
    return limited


def _remembered(
    memory: HpaMemory, snapshot: Snapshot, asked: IntArray, current: IntArray, rule: HpaRule
) -> HpaMemory:
    now_ms, memory = snapshot.now_ms, unsettled(snapshot, memory)
    times, rows, counts = memory.times_ms, memory.recommended, memory.present
    if rows.shape[1] != len(asked):  # first wake, or the services are others
        times, rows, counts = times[:0], asked[None][:0], current[None][:0]
    if len(times) and np.array_equal(rows[-1], asked) and np.array_equal(counts[-1], current):
        seen = times.copy()
        seen[-1] = now_ms
        return HpaMemory(times_ms=frozen(seen), recommended=rows, present=counts)
    oldest = times.searchsorted(now_ms - max(rule.stabilisation_ms, rule.down_window_ms))
    return HpaMemory(
        times_ms=frozen(np.concatenate([times[oldest:], [now_ms]])),
        recommended=frozen(np.concatenate([rows[oldest:], asked[None]])),
        present=frozen(np.concatenate([counts[oldest:], current[None]])),
    )
