"""Which machines may be switched, and how many of them a need takes."""

from __future__ import annotations

from operator import attrgetter
from typing import Literal

import numpy as np

from greensched.model import (
    OWN,
    ROLE_CODES,
    TABLED,
    BoolArray,
    IntArray,
    MachineView,
    Power,
    Snapshot,
)
from greensched.policies.kernels import waking
from greensched.policies.kernels.resting import idle
from greensched.policies.memory import frozen

ONLINE, BATCH, ANY = ROLE_CODES["online"], ROLE_CODES["batch"], ROLE_CODES["any"]
NOTHING: IntArray = frozen(np.empty(0, np.int64))


def columns(view: MachineView) -> IntArray:
    """Return the columns of machines as loops take them: rows of one table [TABLED, machines]."""
    if view.table is not None:
        return view.table
    return frozen(np.stack(attrgetter(*TABLED)(view)))


def ours(view: MachineView) -> BoolArray:
    """Return the machines that a power switch may touch: in the run's fleet and not lent."""
    free: BoolArray = (view.lending == OWN) & ~view.surplus
    return free


def idle_for(snapshot: Snapshot, least_ms: int) -> IntArray:
    """Return the machines that are on, ours, and have been empty for at least `least_ms`."""
    view = snapshot.machines
    rows = np.empty(len(view.state), np.int64)
    return rows[: idle(columns(view), view.surplus, snapshot.now_ms - least_ms, rows)]


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
    view: MachineView,
    among: BoolArray,
    need_cpu_m: float,
    need_memory_mib: float,
    need_gpu_m: float = 0.0,
) -> IntArray:
    """Return the fewest first machines of `among` that are asleep or off and cover the need.

    For GPUs only machines that have some; otherwise those without come first. Within that,
    sleeping ones come before those that are off, then the order of the fleet. All of them when
    they do not suffice; none when no need is above 0.
    """
    if need_cpu_m <= 0 and need_memory_mib <= 0 and need_gpu_m <= 0:
        return NOTHING
    needs = float(need_cpu_m), float(need_memory_mib), float(need_gpu_m)
    return _woken(view, among, needs, NOTHING, (NOTHING, NOTHING, NOTHING))


def to_hold_pending(snapshot: Snapshot, among: BoolArray) -> IntArray:
    """Return the machines of `among` to wake for replicas that found no room.

    One that is asleep or off is empty, so it takes as many replicas as its capacity holds; no
    room on machines that are on is taken off, as the replicas found none. Machines that cannot
    hold a single one are not woken for it, and those that boot already are taken off the need.
    """
    m, services = snapshot.machines, snapshot.services
    if not services.pending.any():
        return NOTHING
    sizes = (services.replica_cpu_m, services.replica_memory_mib, services.replica_gpu_m)
    return _woken(m, among, (0.0, 0.0, 0.0), services.pending, sizes)


def _woken(
    view: MachineView,
    among: BoolArray,
    needs: tuple[float, float, float],
    pending: IntArray,
    sizes: tuple[IntArray, IntArray, IntArray],
) -> IntArray:
    marks, rows = np.empty((waking.MARKS, len(among)), np.bool_), np.empty(len(among), np.int64)
    count = waking.to_wake(
        *(columns(view), view.surplus, among, *needs, pending, sizes, marks, rows)
    )
    return rows[:count]


def power_actions(
    machines: IntArray,
    to: Literal["on", "sleep", "off"],
    moves_max: int = 0,
    others: IntArray = NOTHING,
) -> tuple[Power, ...]:
    """Return one `Power` for `machines` and `others` in the order of the fleet, or none."""
    if not machines.size and not others.size:
        return ()
    both = {*machines.tolist(), *others.tolist()}
    rows = np.array(sorted(both), np.int64)  # np.unique is slow on a few
    return (Power(machines=frozen(rows), to=to, moves_max=moves_max),)
