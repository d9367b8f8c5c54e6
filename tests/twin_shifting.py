"""The twin's shifting: jobs that a policy holds, pauses and lets go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched.model import DRAINING, NONE, Hold, Release, Resume, Suspend
from tests.twin_outages import Outages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.model import Action, Setting
    from tests.twin import Job, Task

MARGIN_MS = 300_000


def latest_ms(setting: Setting, job: Job) -> int:
    """Return when a job joins the queue at the latest; NONE: it may not be held."""
    assert setting.jobs is not None
    policies: tuple[Any, ...] = setting.policies
    deadline_ms = int(setting.jobs.deadline_ms[job.row])
    longest_ms = [p.max_delay_ms for p in policies if getattr(p, "shifts", False)]
    if not longest_ms or not job.group.deferrable:
        return NONE
    own_ms = job.group.max_delay_ms
    found = job.submit_ms + (longest_ms[0] if own_ms == NONE else min(own_ms, longest_ms[0]))
    if deadline_ms != NONE:
        if job.given_ms == NONE:
            return NONE
        tenth = (job.given_ms + 9) // 10
        found = min(found, deadline_ms - job.given_ms - max(MARGIN_MS, tenth))
    return found if found >= job.submit_ms else NONE


class Shifting(Outages):
    """What is held, and what is due before the policy wakes again."""

    def __init__(self) -> None:
        """Begin with nothing held."""
        super().__init__()
        self.holds = False
        self.wake_ms: float = 0  # of the policy that shifts: the next
        self.due: list[tuple[int, bool, list[int]]] = []  # at, whether to suspend, jobs

    def hold_back(self, job: Job) -> bool:
        """Hold a job that arrives, if that is asked for and the policy wakes in time for it."""
        job.held = self.holds and job.latest_ms != NONE and job.latest_ms >= self.wake_ms
        return job.held

    def plan_ahead(self, told: Sequence[Action]) -> None:
        """Note what a policy that shifts decided at its wake, and what it would be late for."""
        shifting: list[Any] = [p for p in self.setting.policies if getattr(p, "shifts", False)]
        if not shifting:
            self.wake_ms = float("inf")
            return
        if self.now < self.wake_ms:
            return
        self.wake_ms = self.now + shifting[0].period_ms
        self.holds = any(isinstance(action, Hold) for action in told)
        self.due = []
        tick_ms = self.setting.carbon.tick_ms if self.setting.carbon else 60_000
        for action in told:
            if isinstance(action, Release | Suspend | Resume):
                stops = isinstance(action, Suspend)
                for row, at_ms in zip(action.jobs.tolist(), action.at_ms.tolist(), strict=True):
                    self.due.append((max(at_ms, self.now), stops, [row]))
        for job in self.jobs:
            last_ms = job.latest_ms + job.done_ms
            if job.held and last_ms < self.wake_ms:
                ticks = (last_ms - self.now) // tick_ms
                self.due.append((max(self.now, self.now + ticks * tick_ms), False, [job.row]))
        self.due = [one for one in self.due if one[0] < self.wake_ms]

    def shift(self) -> None:
        """Carry out what is due now: first who stops, then who goes."""
        now = [one for one in self.due if one[0] == self.now]
        self.due = [one for one in self.due if one[0] > self.now]
        stops = {row for _, stop, rows in now if stop for row in rows}
        for m in self.machines:
            marked = [t.job.row for t in m.tasks if t.job.row in stops]
            for row in dict.fromkeys(marked):
                self.suspend(next(t for t in m.tasks if t.job.row == row))
        self.look_again |= bool(stops)
        for job in self.jobs:
            if job.held and any(job.row in rows for _, stop, rows in now if not stop):
                self.release(job)

    def suspend(self, task: Task) -> None:
        """Take a job off its machines, its work kept but for what a checkpoint costs."""
        job, ring = task.job, self.ring(task)
        done = [t.done >> 20 for t in ring]
        kept = max(job.done_ms, min(done) - job.group.checkpoint_cost_ms)
        if not job.group.interruptible or job.latest_ms + kept < self.wake_ms:
            return
        ended = (job.count - len(ring)) * job.duration_ms
        job.wasted_ms += sum(done) + ended - kept * job.count
        for t in ring:
            self.leave(t)
            self.look_for_replicas |= not t.machine.tasks
            self.file(t.machine)
            if t.machine.state == DRAINING:
                self.rest_if_empty(t.machine)
        job.done_ms, job.held = kept, True
        job.pauses += 1

    def release(self, job: Job) -> None:
        """Let a held job wait for machines."""
        job.held = False
        if job.start_ms == NONE:
            job.held_ms = self.now - job.submit_ms
        self.wait(job, job.done_ms)
        self.queue(job)
        self.look_again = True


def is_shift(action: Action) -> bool:
    """Say whether an action is one of shifting."""
    return isinstance(action, Hold | Release | Suspend | Resume)
