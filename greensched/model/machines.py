"""Machines as a policy sees them: read-only columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from greensched.model.codes import BoolArray, FloatArray, IntArray

TABLED: Final = (
    "state",
    "role",
    "lending",
    "cpu_m",
    "memory_mib",
    "gpu_m",
    "online_cpu_m",
    "online_memory_mib",
    "batch_cpu_m",
    "batch_memory_mib",
    "gpu_free_m",
    "replicas",
    "jobs",
    "empty_since_ms",
)  # columns of machines that compiled loops take together, in this order


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineView:
    """Machines in a snapshot, one row each; use is measured since the policy's last wake."""

    state: IntArray  # OFF .. OUT
    role: IntArray  # ROLE_CODES
    lending: IntArray  # OWN .. WARM
    machine_type: IntArray
    rack: IntArray  # machines of one number fail together
    cpu_m: IntArray  # capacity less what the system keeps
    memory_mib: IntArray
    online_cpu_m: IntArray  # reserved by replicas
    online_memory_mib: IntArray
    online_use_cpu_m: FloatArray  # mean since the last wake
    batch_cpu_m: IntArray  # reserved by jobs
    batch_memory_mib: IntArray
    batch_use_cpu_m: FloatArray  # now
    batch_limit_cpu_m: IntArray
    batch_limit_memory_mib: IntArray
    replicas: IntArray
    jobs: IntArray
    gpu_m: IntArray  # capacity of its devices
    gpu_free_m: IntArray
    empty_since_ms: IntArray  # NONE while anything runs on it; counts from when it came on
    surplus: BoolArray  # not part of this run's fleet, or for databases; never to be switched
    table: IntArray | None = None  # where columns are rows of one: those of TABLED

    def __post_init__(self) -> None:
        """See that the table is that of the columns."""
        assert self.table is None or all(
            np.may_share_memory(row, getattr(self, name))
            for name, row in zip(TABLED, self.table, strict=True)
        )
