"""The fewest machines with which batch meets its objectives, found by runs of the jobs alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.engine.simulate import Simulation
from greensched.experiment.filling import differ, kinds, largest_first
from greensched.experiment.lateness import late, late_needed, missed
from greensched.experiment.levels import batch_level
from greensched.model import NONE, ROLE_CODES
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greensched.experiment.world import Shared
    from greensched.model import IntArray, Jobs

WAIT_P95_ASSUMED_MS: Final = 900_000  # where a scenario sets no objective for its batch
SIZING_MARGIN: Final = 0.9  # of an allowed wait: what just meets a limit misses it by noise
STEPS: Final = 10  # that a bisection typically takes; for what is told of it only
_BATCH = ROLE_CODES["batch"]


def no_objective(shared: Shared) -> bool:
    """Say whether the scenario says nothing of how soon its jobs have to run."""
    return shared.scenario.slo.batch_wait_p95 is None and shared.scenario.slo.deadline_miss is None


def orders(shared: Shared, jobs: Jobs, rest: IntArray) -> dict[tuple[int, ...], IntArray]:
    """Return the orders in which batch takes `rest`, by machine types as they come in them.

    The first holds the types in proportion in every prefix, and has no such order of types. In
    the other, which machines with equal room do not have, the largest types come first: where
    jobs want GPUs those with most of them, else those with none.
    """
    fleet, kind = shared.fleet, kinds(shared.fleet)[rest]
    found: dict[tuple[int, ...], IntArray] = {(): _in_proportion(rest, kind)}
    if differ(fleet, np.isin(np.arange(len(fleet)), kind)):
        wanted = [int(jobs.tasks @ size) for size in (jobs.cpu_m, jobs.memory_mib)]
        types = largest_first(fleet, wanted, gpus_first=bool(jobs.gpu_m.any()))
        found[types] = rest[np.argsort(np.argsort(types)[kind], kind="stable")]
    return found


def _in_proportion(rest: IntArray, kind: IntArray) -> IntArray:
    """Return machines in an order whose every prefix holds their kinds in proportion."""
    place = np.empty(len(rest))
    for one in np.unique(kind):
        rows = np.flatnonzero(kind == one)
        place[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    order: IntArray = rest[np.lexsort((kind, place))]
    return order


def fewest_for_batch(
    shared: Shared, jobs: Jobs, order: IntArray, tell: Callable[[float], None]
) -> int | None:
    """Return how many of the first machines of `order` keep batch's objectives; None: not all do.

    Bisection: it takes it that more machines never make waits worse.
    """
    low, high = _least(shared, jobs, order), len(order)
    if low < high and _meets(shared, jobs, order[:low]):
        return low
    if not high or not _meets(shared, jobs, order):
        return None
    step = 0
    while high - low > 1:
        middle = (low + high) // 2
        if _meets(shared, jobs, order[:middle]):
            high = middle
        else:
            low = middle
        step += 1
        tell(min(1.0, step / STEPS))
    return high


def _least(shared: Shared, jobs: Jobs, order: IntArray) -> int:
    """Return a number of machines that is too few or just enough: mean demand over capacity."""
    room_m = np.array([k.cpu_m - k.reserved_cpu_m for k in shared.fleet])
    cpu_m = room_m[kinds(shared.fleet)[order]]
    inside = np.minimum(jobs.duration_ms, shared.scenario.window_ms)
    work = float((inside * jobs.cpu_m.astype(np.float64) * jobs.tasks).sum())
    mean_m = work / shared.scenario.window_ms / 2  # half of it may well drain after the window
    least = int(np.searchsorted(np.cumsum(cpu_m), mean_m))
    return min(len(order), max(1, least))


class _Stop(Exception):  # noqa: N818 not an error: a run that has told enough
    """Ends a run that can no longer meet the objectives."""


class _Objectives:
    """What batch has to keep; called as a run goes on, it stops one that is beyond repair."""

    def __init__(self, shared: Shared, jobs: Jobs) -> None:
        """Work out once what is allowed."""
        self.simulation: Simulation | None = None
        self._jobs = jobs
        self._drains = shared.scenario.spec.end == "drain"
        limit_ms = shared.scenario.slo.batch_wait_p95
        if no_objective(shared):
            limit_ms = WAIT_P95_ASSUMED_MS
        self._wait_ms = None if limit_ms is None else SIZING_MARGIN * limit_ms
        self._missed_share = shared.scenario.slo.deadline_miss
        self._due = int((jobs.deadline_ms != NONE).sum())

    def __call__(self, _share: float) -> None:
        """Look at the run; raises `_Stop` where an objective is out of reach."""
        assert self.simulation is not None
        world = self.simulation.world
        now_ms = int(world.w[0]["now_ms"])
        if self._wait_ms is not None:
            rows = late(self._jobs, world, now_ms, self._wait_ms)
            if len(rows) >= late_needed(len(self._jobs)):
                raise _Stop
        if self._missed_share is not None and self._due:
            share = len(missed(self._jobs, world, now_ms)) / self._due
            if share > self._missed_share:
                raise _Stop

    def kept(self, level: Mapping[str, Any]) -> bool:
        """Say whether a run that has ended kept them."""
        wait_ms = (level["wait_p95_s"] or 0.0) * MS_PER_S
        share = level["deadline_miss_share"] or 0.0
        return (
            not (level["unfinished"] and self._drains)
            and (self._missed_share is None or share <= self._missed_share)
            and (self._wait_ms is None or wait_ms <= self._wait_ms)
        )


def _meets(shared: Shared, jobs: Jobs, chosen: IntArray) -> bool:
    """Say whether batch meets its objectives on the chosen machines alone."""
    roles = np.full(shared.machines, NONE, np.int8)
    roles[chosen] = _BATCH
    setting = shared.setting("sizing", roles=roles)
    # nobody asks when energy was used: one interval for all, which spares thousands of cuts
    whole = np.array([0, setting.window_ms, int(setting.edges_ms[-1])])
    setting = replace(setting, services=None, edges_ms=np.unique(whole))
    objectives = _Objectives(shared, jobs)
    objectives.simulation = simulation = Simulation(setting, objectives)
    try:
        return objectives.kept(batch_level(shared, simulation.finish().result()))
    except _Stop:
        return False
