"""The exact integral of step functions: the kernel's slow twin, in rational arithmetic.

The batch runner and the controller measure themselves with it, and tests compare the compiled
kernel with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from greensched.accounting.usage import Group, Usage
from greensched.errors import InternalError
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from greensched.accounting.usage import GroupRole
    from greensched.model import IntArray, MachineType


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one machine did in `[start_ms, end_ms)`: a role, and its use of CPU and GPUs [0, 1]."""

    machine_type: str
    role: GroupRole
    start_ms: int
    end_ms: int
    utilisation: float = 0.0
    gpu_utilisation: float = 0.0


def step_watts(step: Step, machine_type: MachineType) -> float:
    """Return the power [W] of a machine of `machine_type` during `step`."""
    if step.role == "booting":
        return machine_type.boot_w
    if step.role == "sleeping":
        return machine_type.sleep_w
    if step.role in ("off", "surplus", "out"):
        return machine_type.off_w
    span_w = machine_type.gpu_peak_w - machine_type.gpu_idle_w
    gpu_w = machine_type.gpus * (machine_type.gpu_idle_w + span_w * step.gpu_utilisation)
    return machine_type.power.watts(step.utilisation) + gpu_w


def integrate(
    steps: Iterable[Step], power: Mapping[str, MachineType], edges_ms: IntArray
) -> Usage:
    """Return the usage of `steps` (any order, one or many machines) on the grid `edges_ms`.

    Power is exact in each step, time is whole, and sums are rational: the only rounding is that
    of the result to float64. Raises InternalError for a step that ends before it starts or
    leaves the grid, KeyError for a machine type that `power` does not have.
    """
    edges = [int(e) for e in edges_ms]
    energy_j: dict[tuple[int, Group], Fraction] = {}
    time_ms: dict[tuple[int, Group], int] = {}
    for step in steps:
        if not edges[0] <= step.start_ms <= step.end_ms <= edges[-1]:
            message = f"{step} ends before it starts or leaves {edges[0]} to {edges[-1]} ms"
            raise InternalError(message)
        machine_type = power[step.machine_type]
        group = Group(site=machine_type.site, machine_type=step.machine_type, role=step.role)
        watts = Fraction(step_watts(step, machine_type))
        for k in range(len(edges) - 1):
            overlap_ms = min(edges[k + 1], step.end_ms) - max(edges[k], step.start_ms)
            if overlap_ms <= 0:
                continue
            at = (k, group)
            energy_j[at] = energy_j.get(at, Fraction(0)) + watts * overlap_ms / MS_PER_S
            time_ms[at] = time_ms.get(at, 0) + overlap_ms
    groups = tuple(sorted({group for _, group in time_ms}))
    shape = (len(edges) - 1, len(groups))
    energy, machine_ms = np.zeros(shape, np.float64), np.zeros(shape, np.int64)
    for (k, group), joules in energy_j.items():
        energy[k, groups.index(group)] = float(joules)
        machine_ms[k, groups.index(group)] = time_ms[k, group]
    return Usage(
        edges_ms=np.array(edges, np.int64), groups=groups, energy_j=energy, machine_ms=machine_ms
    )
