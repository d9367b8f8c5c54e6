"""Which machines may be switched, and how many of them a need takes."""

from __future__ import annotations

from typing import Literal

import numpy as np

from greensched.model import (
    OFF,
    ON,
    OWN,
    ROLE_CODES,
    SLEEPING,
    BoolArray,
    IntArray,
    MachineView,
    Power,
    Snapshot,
)
from greensched.policies.memory import frozen

ONLINE, BATCH, ANY = ROLE_CODES["online"], ROLE_CODES["batch"], ROLE_CODES["any"]
NOTHING: IntArray = frozen(np.empty(0, np.int64))


def ours(view: MachineView) -> BoolArray:
    """Return the machines that a power switch may touch: in the run's fleet and not lent."""
    free: BoolArray = (view.lending == OWN) & ~view.surplus
    return free


def last_not_on_ms(view: MachineView, before: IntArray, now_ms: int) -> IntArray:
    """Return when each machine was last seen not on; `before` is the answer of the last wake.

    A machine that was woken counts as idle from then, not from when it fell asleep.
    """
    if len(before) != len(view.state):
        before = np.full(len(view.state), -1, np.int64)
    not_on = view.state != ON
    return frozen(np.where(not_on, now_ms, before) if not_on.any() else before)


def idle_for(snapshot: Snapshot, not_on_ms: IntArray, least_ms: int) -> BoolArray:
    """Return the machines that are on, ours, and have been empty for at least `least_ms`."""
    view = snapshot.machines
    since_ms = np.maximum(view.empty_since_ms, not_on_ms)
    empty = (view.replicas == 0) & (view.jobs == 0) & (view.empty_since_ms >= 0)
    long_enough = since_ms <= snapshot.now_ms - least_ms
    idle: BoolArray = (view.state == ON) & ours(view) & empty & long_enough
    return idle


def online_room(view: MachineView) -> tuple[IntArray, IntArray]:
    """Return the CPU [millicores] and memory [MiB] that each machine has left for replicas.

    Services come before co-located batch on CPU, so that counts only on machines of role
    `any` that batch holds whole; memory is held by whoever has it.
    """
    whole = (view.role == ANY) & (view.replicas == 0)
    cpu = view.cpu_m - view.online_cpu_m - np.where(whole, view.batch_cpu_m, 0)
    memory = view.memory_mib - view.online_memory_mib - view.batch_memory_mib
    return np.maximum(cpu, 0), np.maximum(memory, 0)


def to_wake(
    view: MachineView, among: BoolArray, need_cpu_m: float, need_memory_mib: float
) -> IntArray:
    """Return the fewest first machines of `among` that are asleep or off and cover the need.

    Sleeping ones come before those that are off, then the order of the fleet. All of them when
    they do not suffice; none when neither need is above 0.
    """
    if need_cpu_m <= 0 and need_memory_mib <= 0:
        return NOTHING
    able = among & ours(view)
    asleep = np.flatnonzero(able & (view.state == SLEEPING))
    off = np.flatnonzero(able & (view.state == OFF))
    order = np.concatenate([asleep, off])
    count = 0
    for need, size in ((need_cpu_m, view.cpu_m), (need_memory_mib, view.memory_mib)):
        if need > 0:
            count = max(count, int(np.cumsum(size[order]).searchsorted(need)) + 1)
    return order[:count]


def power_actions(
    machines: IntArray, to: Literal["on", "sleep", "off"], moves_max: int = 0
) -> tuple[Power, ...]:
    """Return one `Power` for `machines` in the order of the fleet, or none when empty."""
    if not machines.size:
        return ()
    rows = np.unique(machines).astype(np.int64, copy=False)
    return (Power(machines=frozen(rows), to=to, moves_max=moves_max),)
