"""The replica rule of the Kubernetes horizontal pod autoscaler (HPA), for all services at once.

Source: Kubernetes documentation "Horizontal Pod Autoscaling", algorithm details and
`behavior`: n = ceil(n x metric / target), no change within the tolerance, scale-down to the
highest recommendation of the stabilisation window, limits on the step of a change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from greensched.model import NONE, BoolArray, IntArray, Scale, ServiceView, Snapshot
from greensched.policies.kernels import services as kernels
from greensched.policies.memory import changed, frozen

NOBODY: BoolArray = frozen(np.empty(0, np.bool_))
# Of a service view, as `kernels.follow_rule` takes them.
columns = attrgetter(
    "online", "starting", "pending", "replica_cpu_m", "replicas_min", "replicas_max"
)
counts = attrgetter("online", "starting", "pending", "cutoff")
sizes = attrgetter("replica_cpu_m", "replica_memory_mib", "replica_gpu_m")


class HpaRule(NamedTuple):
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
    """Return the replicas of each service that serve or will, without standby and cut off."""
    return view.online + view.starting + view.pending


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
    snapshot: Snapshot, memory: HpaMemory, rule: HpaRule, others: BoolArray = NOBODY
) -> tuple[IntArray, HpaMemory]:
    """Return the replicas each service is to have, and the memory for the next wake.

    Services that `others` tells (none: all count) say nothing of whether something is to change.
    """
    view, now, count = snapshot.services, snapshot.now_ms, len(snapshot.services.online)
    if is_settled(snapshot, memory):
        return present(view), memory
    before = memory.recommended, memory.present
    if before[0].shape[1] != count:  # first wake, or the services are others
        memory, before = HpaMemory(), (_nothing(count), _nothing(count))
    rows, seen_ms = len(before[0]), now - snapshot.period_ms
    times_ms, wanted = np.empty(rows + 1, np.int64), np.empty(count, np.int64)
    times_ms[:rows] = memory.times_ms
    if memory.settled_ms != NONE:
        times_ms[rows - 1] = seen_ms  # for so long its last row held
    table = np.empty((2, rows + 1, count), np.int64)
    first, end, until_ms = kernels.follow_rule(
        *(view.load_cpu_m, columns(view), others, *rule),
        *(now, snapshot.period_ms > 0, snapshot.steady_since_ms <= seen_ms < now),
        *(before, times_ms, table, wanted),
    )
    recommended, counts = before
    if end > rows:
        frozen(table)  # and with it its parts
        recommended, counts = table[0, first:], table[1, first:]
    return wanted, HpaMemory(
        times_ms=frozen(times_ms[first:end]),
        recommended=recommended,
        present=counts,
        settled_ms=NONE if until_ms == NONE else now,
        until_ms=until_ms,
    )


@cache
def _nothing(services: int) -> IntArray:
    """Return no row of so many services."""
    return frozen(np.empty((0, services), np.int64))


def scaled(view: ServiceView, wanted: IntArray) -> tuple[tuple[Scale, ...], bool]:
    """Return one `Scale` of the services whose count is to change to what is `wanted`, or none.

    And whether any service lacks replicas: wanted, or without room.
    """
    table = np.empty((2, len(wanted)), np.int64)
    count, lack = kernels.changes(counts(view), wanted, table)
    return scale(table, count), lack


def scale(table: IntArray, count: int, **terms_ms: int) -> tuple[Scale, ...]:
    """Return one `Scale` on these terms, or none: the first `count` of a table [2, S].

    It has services and their replicas.
    """
    if not count:
        return ()
    frozen(table)  # and with it its parts
    return (Scale(services=table[0, :count], replicas=table[1, :count], **terms_ms),)
