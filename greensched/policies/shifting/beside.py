"""The plan of some jobs beside others that stay where they are: new ones, while many wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from greensched.policies.shifting.greedy import greedy
from greensched.policies.shifting.room import Room

if TYPE_CHECKING:
    from greensched.model import IntArray
    from greensched.ticks import Schedule, TickIntensity, TickJobs

Stay = tuple[tuple[int, int], int]  # begin and end [ms], and the cores taken [thousandths]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """`plan` on what is left of `cpu_m` by pieces that are not to move."""

    cpu_m: int
    stays: tuple[Stay, ...]
    hysteresis: float

    def plan(self, jobs: TickJobs, intensity: TickIntensity, held: IntArray) -> Schedule:
        """Return the schedule of `jobs`, in order of submission."""
        begin_ms, end_ms, cpu_m = (
            np.array(column, np.int64)
            for column in (
                [piece[0] for piece, _ in self.stays],
                [piece[1] for piece, _ in self.stays],
                [need for _, need in self.stays],
            )
        )
        start = np.maximum(0, (begin_ms - intensity.zero_ms) // intensity.tick_ms)
        stop = -((intensity.zero_ms - end_ms) // intensity.tick_ms)
        room = Room.beside(self.cpu_m, start, np.maximum(start, stop), cpu_m)
        return greedy(
            jobs, intensity, self.cpu_m, held=held, hysteresis=self.hysteresis, room=room
        )
