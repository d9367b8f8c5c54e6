"""Machines for the databases of a trace, which lists none for them: for `init`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from greensched.model import BY_MACHINE
from greensched.units import CPU_M_PER_CORE, MIB_PER_GIB

if TYPE_CHECKING:
    from greensched.model import Databases

CORES, MEMORY_GIB, DISK_GIB, IOPS = 16, 128, 8_192, 40_000  # of the bundled week's
WATTS_PER_CORE, IDLE_SHARE = 10.0, 0.34
FILL: Final = 0.5  # of the scarcest resource, were all at their peak at once
HOLDS: Final = 0.6  # of a machine the largest replica may take


def data_fleet(databases: Databases | None) -> str:
    """Return the fleet entry of machines that hold all replicas; empty without databases.

    Equal machines that hold the largest replica, twice as many as their peaks in sum need, each
    in a rack of its own: `racks` says otherwise.
    """
    if databases is None or not len(databases):
        return ""
    peaks = (
        databases.cpu_m.max(axis=1) / CPU_M_PER_CORE,
        databases.memory_mib / MIB_PER_GIB,
        databases.disk_gib.astype(float),
        databases.iops.max(axis=1).astype(float),
    )
    least = (CORES, MEMORY_GIB, DISK_GIB, IOPS)
    sizes = [
        most * 2 ** max(0, math.ceil(math.log2(max(peak.max() / HOLDS, 1e-9) / most)))
        for peak, most in zip(peaks, least, strict=True)
    ]
    full = max(
        float(peak @ databases.replicas) / size for peak, size in zip(peaks, sizes, strict=True)
    )
    count = max(int(databases.replicas.max()), math.ceil(full / FILL), 2)
    cores, memory_gib, disk_gib, iops = sizes
    peak_w = cores * WATTS_PER_CORE
    apart = "" if (databases.apart == BY_MACHINE).all() else "; replicas are kept apart by more"
    return f"""\
  - name: data                        # ASSUMED: for databases alone, the trace lists none
    site: here
    role: database
    count: {count}
    cores: {cores}
    memory: {memory_gib} GiB
    disk: {disk_gib} GiB
    iops: {iops}
    racks: 0                          # ASSUMED: each machine its own{apart}
    power: {{idle: {peak_w * IDLE_SHARE:g} W, peak: {peak_w:g} W}}  # ASSUMED: linear in between
    boot: {{time: 180 s}}               # ASSUMED; it draws peak power while booting
    off: {{power: 6 W}}                 # ASSUMED
    embodied: {{kgco2e: 900, range: [600, 1500], lifetime: 5 y}}  # ASSUMED
"""
