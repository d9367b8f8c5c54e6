"""Who plans, and when: after a change and with each new outlook, never for long at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from greensched.batch.job import PAUSED, RUNNING, WAITING
from greensched.batch.outlook import outlook_of
from greensched.batch.submission import capacity_m
from greensched.units import MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.batch.job import Slip
    from greensched.batch.outlook import Outlook
    from greensched.batch.planning import Jobs
    from greensched.batch.queue import Queue
    from greensched.ticks import TickIntensity

PLAN_MS: Final = 5 * MS_PER_MIN  # at the latest a plan is looked at again
ASKING_MS: Final = MS_PER_MIN  # that sources on the network may take to answer, or not to
PLANNING_SHARE: Final = 0.05  # of the time, at most, is spent on planning many jobs
MANY: Final = 100
AT_A_TIME: Final = 1_000  # jobs are placed in one pass


class Planner:
    """Remembers what was placed; after a restart every job is placed once more."""

    def __init__(self, queue: Queue) -> None:
        """Begin with nothing placed."""
        self._queue = queue
        self._placed: set[int] = set()
        self._outlook = -1  # the number of the one that all plans were held to
        self._after_id = 0  # up to here, jobs were looked at that may move
        self._looks = True  # for those, as cores or clean hours may have become free
        self._again_ms = 0
        self._rest_until_s = 0.0
        self._is_due = True
        self.has_more = False  # to place than one pass did

    def is_time(self, now_ms: int, *, is_changed: bool) -> bool:
        """Tell whether to plan now."""
        self._is_due |= is_changed or self.has_more or now_ms >= self._again_ms
        self._looks |= is_changed
        return self._is_due and time.monotonic() >= self._rest_until_s

    def forget(self) -> None:
        """Place every job anew: how long some take is taken for something else by now."""
        self._placed.clear()

    def plan(self, now_ms: int, next_due_ms: int | None = None) -> None:
        """Make one pass; what is left over is done in the next.

        Shortly before the next start the sources are not asked: they may not answer for a while.
        """
        self._is_due, self.has_more, self._again_ms = False, False, now_ms + PLAN_MS
        states = (WAITING, RUNNING, PAUSED)
        if not self._queue.has(states):
            self._placed.clear()
            return
        began_s = time.monotonic()
        slips = self._queue.slips(states)
        self._placed.intersection_update(s.id for s in slips)
        asking_s = time.monotonic()
        in_haste = next_due_ms is not None and next_due_ms < now_ms + ASKING_MS
        outlook = self._asked(slips, now_ms, in_haste=in_haste)
        began_s += time.monotonic() - asking_s  # what others take is no work of ours
        changed = self._changed(slips, outlook, now_ms)
        before = {s.id: s for s in slips}
        with self._queue.transaction():
            self._queue.announce(s for s in changed if s != before[s.id])
        if len(slips) > MANY:
            spent_s = time.monotonic() - began_s
            self._rest_until_s = time.monotonic() + spent_s / PLANNING_SHARE

    def _asked(self, slips: Sequence[Slip], now_ms: int, *, in_haste: bool) -> Outlook | None:
        """Return the outlook on all that may run, None where nothing can move."""
        waiting = [s for s in slips if s.state == WAITING or s.interruptible]
        if not waiting:
            return None
        until_ms = max(s.latest_start_ms + s.duration_ms for s in waiting)
        until_ms = max(until_ms, now_ms + MS_PER_MIN)
        return outlook_of(self._queue, until_ms, now_ms, in_haste=in_haste)

    def _changed(
        self, slips: Sequence[Slip], outlook: Outlook | None, now_ms: int
    ) -> Sequence[Slip]:
        """Return jobs as they are planned now, or those of which the plan is another."""
        from greensched.batch import planning
        from greensched.policies.shifting.beside import Beside
        from greensched.ticks.seconds import on_seconds

        if outlook is None:
            return ()
        active_ms = _active_ms(self._queue, slips, now_ms)
        if not outlook.covers(now_ms, now_ms + MS_PER_S):
            return planning.blind(slips, active_ms, now_ms)
        series = outlook.series(str(self._queue.setting("zone")))
        forecast = on_seconds(series, now_ms // MS_PER_S * MS_PER_S)
        every = planning.Jobs.of(slips, active_ms)
        jobs = every.moving()
        is_new, self._outlook = outlook.id != self._outlook, outlook.id
        self._looks |= is_new
        chosen = self._chosen(jobs, forecast, now_ms)
        stay = set(range(len(jobs.slips))) - set(chosen)
        cpu_m = capacity_m(self._queue)
        stays = [
            (piece, min(slip.cpu_m, cpu_m))
            for slip in (jobs.slips[i] for i in sorted(stay))
            if slip.id in self._placed
            for piece in slip.pieces
        ]
        stays += every.fixed(now_ms, cpu_m)
        beside = Beside(cpu_m=cpu_m, stays=tuple(stays), hysteresis=planning.HYSTERESIS)
        found = planning.placed_anew(jobs, chosen, forecast, beside) if chosen else []
        self._placed.update(slip.id for slip in found)
        if is_new:
            found += [jobs.slips[i] for i in sorted(stay)]
        return planning.told_of(found, series, now_ms)

    def _chosen(self, jobs: Jobs, forecast: TickIntensity, now_ms: int) -> list[int]:
        """Return the rows that this pass places: first what must be, then what may be better."""
        from greensched.batch import planning

        must = planning.must_move(jobs, now_ms, self._placed)
        room = AT_A_TIME - len(must)
        if room <= 0:
            self.has_more = room < 0
            return must[:AT_A_TIME]
        if not self._looks:
            return must
        skip = set(must)
        may = [i for i in planning.may_move(jobs, forecast) if i not in skip]
        later = [i for i in may if jobs.slips[i].id > self._after_id]
        self.has_more = self._looks = len(later) > room
        self._after_id = jobs.slips[later[room - 1]].id if self.has_more else 0
        return [*must, *later[:room]]


def _active_ms(queue: Queue, slips: Sequence[Slip], now_ms: int) -> dict[int, int]:
    """Return how long each job that has begun has run in the attempt that counts."""
    found: dict[int, int] = {}
    for slip in slips:
        if slip.started_ms is None:
            continue
        attempt = queue.job(slip.id).attempt
        found[slip.id] = sum(
            max(0, (now_ms if run.end_ms is None else run.end_ms) - run.start_ms)
            for run in queue.runs(slip.id)
            if run.attempt == attempt
        )
    return found
