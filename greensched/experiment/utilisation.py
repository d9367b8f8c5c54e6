"""How full machines are that are on, read from the power that they took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.accounting.usage import ROLES_ON
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.accounting import Usage
    from greensched.model import FloatArray, MachineType

WORKING: Final = ROLES_ON - {"booting"}
STEPS: Final = 101  # of the curve that is read backwards


def utilisation_share(usage: Usage, fleet: Sequence[MachineType]) -> FloatArray:
    """Return the mean CPU use of machines that are on, in each of K intervals [share].

    Mean power of each type and role, read backwards through its power curve and weighted by
    cores: exact for straight curves; for bent ones it is the use at the mean power. NaN where no
    machine is on whose power tells its use (one with GPUs, or with a flat curve, does not).
    """
    cores_ms = np.zeros(len(usage.energy_j))
    used_ms = np.zeros(len(usage.energy_j))
    kinds = {(kind.site, kind.name): kind for kind in fleet}
    loads = np.linspace(0.0, 1.0, STEPS)
    for g, group in enumerate(usage.groups):
        kind = kinds[group.site, group.machine_type]
        watts = np.array([kind.power.watts(float(u)) for u in loads])
        if group.role not in WORKING or kind.gpus or np.any(np.diff(watts) <= 0):
            continue
        time_ms = usage.machine_ms[:, g]
        is_on = time_ms > 0
        mean_w = usage.energy_j[is_on, g] * MS_PER_S / time_ms[is_on]
        weight = time_ms[is_on] * kind.cpu_m
        cores_ms[is_on] += weight
        used_ms[is_on] += weight * np.interp(mean_w, watts, loads)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(cores_ms > 0, used_ms / cores_ms, np.nan)
