"""Energy of one job: from the processor's own counters where they can be read, else modelled.

Modelled: the share of idle power that belongs to the reserved cores, and of the power above idle
what the job's CPU time takes on a linear curve. Measured (RAPL, counts of joules by package that
wrap): what the packages took above their idle power times the job's share of all CPU time, and
idle power by reserved cores; what the machine takes beside its packages is modelled as idle.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from greensched.units import CPU_M_PER_CORE, MS_PER_S

if TYPE_CHECKING:
    from greensched.batch.queue import Queue

POWERCAP: Final = Path("/sys/class/powercap")
UJ_PER_J: Final = 1_000_000
SAMPLE_S: Final = 5.0  # counters wrap after minutes at the earliest
# Of a hyperthread in a large fleet: Cloud Carbon Footprint, methodology, AWS (SPECpower).
ASSUMED_IDLE_W: Final = 0.74
ASSUMED_PEAK_W: Final = 3.5
MEASURED: Final = "measured (package)"
MODELLED: Final = "modelled"
ASSUMED: Final = "modelled (assumed power)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What this machine takes [W] when idle and with all of its `cores` at work."""

    cores: int
    idle_w: float
    peak_w: float
    is_assumed: bool

    def energy_j(self, active_s: float, cpu_s: float, cpu_m: int) -> float:
        """Return the modelled energy [J] of a job: `active_s` on `cpu_m`, with `cpu_s` of work."""
        idle_j = self.idle_w * active_s * cpu_m / CPU_M_PER_CORE / self.cores
        return idle_j + (self.peak_w - self.idle_w) * cpu_s / self.cores


def machine_of(queue: Queue) -> Machine:
    """Return this machine as the queue's settings say, or as assumed."""
    cores = os.cpu_count() or 1
    idle_w, peak_w = queue.setting("idle_w"), queue.setting("peak_w")
    is_assumed = idle_w is None or peak_w is None
    return Machine(
        cores=cores,
        idle_w=ASSUMED_IDLE_W * cores if is_assumed else float(idle_w),
        peak_w=ASSUMED_PEAK_W * cores if is_assumed else float(peak_w),
        is_assumed=is_assumed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counters of all packages [uJ], each with its range, and the machine's CPU time so far."""

    counters_uj: tuple[tuple[int, int], ...]
    busy_s: float
    at_s: float


def read_packages(powercap: Path = POWERCAP) -> Reading | None:
    """Return what the counters show now, None where there are none or they cannot be read."""
    import psutil

    try:
        counters = tuple(
            (
                int((zone / "energy_uj").read_text(encoding="ascii")),
                int((zone / "max_energy_range_uj").read_text(encoding="ascii")),
            )
            for zone in sorted(powercap.glob("intel-rapl:[0-9]*"))
            if zone.name.count(":") == 1
        )
    except (OSError, ValueError):
        return None
    if not counters:
        return None
    times = psutil.cpu_times()
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    busy_s = sum(times[: min(len(times), 8)]) - idle_s  # guests are part of user time
    return Reading(counters_uj=counters, busy_s=busy_s, at_s=time.monotonic())


def package_j(before: Reading, after: Reading) -> float:
    """Return the energy [J] between two readings; a counter that went down has wrapped once."""
    pairs = zip(before.counters_uj, after.counters_uj, strict=True)
    return sum((b - a) % (span + 1) for (a, span), (b, _) in pairs) / UJ_PER_J


class Meter:
    """Adds up what the packages take while a job runs; pauses do not count."""

    def __init__(self, machine: Machine, powercap: Path = POWERCAP) -> None:
        """Begin at nothing."""
        self.machine, self._powercap = machine, powercap
        self._last = read_packages(powercap)
        self._measured = self._last is not None
        self._energy_j = self._busy_s = self._span_s = 0.0
        self._idle_w: float | None = None  # the least that the packages took over one sample

    def sample(self, *, was_running: bool, at_once: bool = False) -> None:
        """Read the counters, if it is time; what has passed since counts if the job ran."""
        before = self._last
        if before is None or not (at_once or time.monotonic() - before.at_s >= SAMPLE_S):
            return
        after = read_packages(self._powercap)
        if after is None or len(after.counters_uj) != len(before.counters_uj):
            self._measured, self._last = False, None
            return
        span_s = after.at_s - before.at_s
        if was_running and span_s > 0:
            joules = package_j(before, after)
            self._energy_j += joules
            self._busy_s += after.busy_s - before.busy_s
            self._span_s += span_s
            watts = joules / span_s
            self._idle_w = watts if self._idle_w is None else min(watts, self._idle_w)
        self._last = after

    def result(self, active_s: float, cpu_s: float, cpu_m: int) -> tuple[float, str]:
        """Return the job's energy [J] and how it is known."""
        machine = self.machine
        modelled_j = machine.energy_j(active_s, cpu_s, cpu_m)
        if not self._measured or self._idle_w is None or self._busy_s <= 0:
            return modelled_j, ASSUMED if machine.is_assumed else MODELLED
        idle_w = min(self._idle_w, machine.idle_w)
        above_j = max(0.0, self._energy_j - idle_w * self._span_s)
        share = min(1.0, cpu_s / self._busy_s)
        beside_w = machine.idle_w - idle_w
        reserved = min(1.0, cpu_m / CPU_M_PER_CORE / machine.cores)
        return above_j * share + (idle_w + beside_w) * active_s * reserved, MEASURED


def mean_w(energy_j: float, active_ms: int) -> float:
    """Return the mean power [W] over what a job ran."""
    return energy_j * MS_PER_S / max(1, active_ms)
