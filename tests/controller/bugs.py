"""Bugs that others had, each planted in a subclass: the simulation has to find every one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from greensched.carbon import CarbonIntensity
from greensched.controller.names import TERMS
from greensched.controller.writes import Writes
from greensched.units import MS_PER_H
from tests.controller.simulate import Patient

if TYPE_CHECKING:
    from greensched.controller.api import Cluster, Json
    from greensched.controller.job import Job
    from greensched.controller.main import Clocks
    from greensched.controller.planner import Foresight


class _BlindWrites(Writes):
    """Writes without saying which version was seen."""

    def patch(self, job: Job, body: Json, now_ms: int) -> bool:
        """Patch whatever is there by now."""
        del body["metadata"]["resourceVersion"]
        return super().patch(job, body, now_ms)


class WithoutPrecondition(Patient):
    """Lets a Job run although somebody changed it meanwhile."""

    def __init__(
        self, cluster: Cluster, foresight: Foresight, clocks: Clocks, instance: str = ""
    ) -> None:
        """Write blindly."""
        super().__init__(cluster, foresight, clocks, instance)
        self.writes = _BlindWrites(cluster, self.cache, instance)


class OnlyInMemory(Patient):
    """Counts the delay from when it first saw a Job, which it remembers in its memory alone."""

    def __init__(
        self, cluster: Cluster, foresight: Foresight, clocks: Clocks, instance: str = ""
    ) -> None:
        """Have seen nothing."""
        super().__init__(cluster, foresight, clocks, instance)
        self._first_ms: dict[str, int] = {}

    def _look(self, job: Job, now_ms: int) -> None:
        first_ms = self._first_ms.setdefault(job.uid, now_ms)
        notes = {n: v for n, v in job.notes.items() if n != TERMS}
        super()._look(replace(job, created_ms=first_ms, notes=notes), now_ms)


class _ZeroForesight:
    """Takes an hour of which nothing is known for a clean one."""

    def __init__(self, inner: Foresight) -> None:
        self._inner = inner

    def ask(
        self, provider: str, zone: str, from_ms: int, until_ms: int, now_ms: int
    ) -> tuple[CarbonIntensity | None, str]:
        """Return what is known, and next to 0 where nothing is."""
        series, told = self._inner.ask(provider, zone, from_ms, until_ms, now_ms)
        starts = np.arange(from_ms // MS_PER_H * MS_PER_H, until_ms + MS_PER_H, MS_PER_H)
        known = [None if series is None else series.at(max(int(s), from_ms)) for s in starts[:-1]]
        values = np.array([1e-6 if g is None else g for g in known])
        return CarbonIntensity(zone=zone, edges_ms=starts, values_g_per_kwh=values), told


class MissingIsZero(Patient):
    """Reads a missing intensity as 0."""

    def __init__(
        self, cluster: Cluster, foresight: Foresight, clocks: Clocks, instance: str = ""
    ) -> None:
        """Ask optimistically."""
        super().__init__(cluster, _ZeroForesight(foresight), clocks, instance)


BUGS: dict[str, type[Patient]] = {
    one.__name__: one for one in (WithoutPrecondition, OnlyInMemory, MissingIsZero)
}
