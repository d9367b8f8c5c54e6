"""What it takes beyond a job's own power where a machine has to be woken for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from greensched.policies.settings import check

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """Machines of `machine_cpu_m` [thousandths of a core], of which `machines_on` are on anyway.

    One that is woken takes `idle_w` [W] beside the `core_w` [W] of each core that works.
    Jobs are taken to fill machines without gaps.
    """

    machine_cpu_m: int
    machines_on: int = 0
    idle_w: float
    core_w: float

    def __post_init__(self) -> None:
        """Refuse settings that cannot be, all at once."""
        check(
            self,
            positive=("machine_cpu_m", "core_w"),
            natural=("machines_on", "idle_w"),
        )

    def factor(self, used_cpu_m: IntArray, need_cpu_m: int) -> FloatArray:
        """Return power with woken machines over that of the job alone, for each use before it."""
        before = np.maximum(self.machines_on, -(-used_cpu_m // self.machine_cpu_m))
        after = np.maximum(self.machines_on, -(-(used_cpu_m + need_cpu_m) // self.machine_cpu_m))
        own_w = need_cpu_m / 1_000 * self.core_w
        factor: FloatArray = 1.0 + (after - before) * self.idle_w / own_w
        return factor
