"""Power of a Job: from a meter's query where the policy has one, else assumed from requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from greensched.units import CPU_M_PER_CORE

if TYPE_CHECKING:
    from greensched.controller.job import Job
    from greensched.controller.policy import Energy

MEASURED: Final = "measured"
ASSUMED: Final = "assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """What a Job takes while it runs [W], at the facility's meter; its range where assumed."""

    low_w: float
    mid_w: float
    high_w: float
    quality: str


def assumed_power(job: Job, energy: Energy, instance_type: str = "") -> Power:
    """Return requests x watts by the instance type of its nodes x PUE; of all its Pods."""
    watts = energy.instance_types.get(instance_type, energy)
    cores, gpus = job.pods * job.cpu_m / CPU_M_PER_CORE, job.pods * job.gpus
    low_w, mid_w, high_w = (
        energy.pue * (cores * core + gpus * gpu)
        for core, gpu in zip(watts.watts_per_core.all, watts.watts_per_gpu.all, strict=True)
    )
    return Power(low_w=low_w, mid_w=mid_w, high_w=high_w, quality=ASSUMED)


def measured_power(energy_j: float, active_ms: int, pue: float) -> Power:
    """Return the mean power of a Job whose energy [J] was metered, x PUE."""
    mean_w = energy_j * 1_000.0 / max(1, active_ms) * pue
    return Power(low_w=mean_w, mid_w=mean_w, high_w=mean_w, quality=MEASURED)
