"""The batch runner's queue: what waits, why, until when; what was saved; what it knows ahead."""

from __future__ import annotations

import json
import shlex
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from greensched.batch.folder import DATABASE, WORKER_LOCK, is_locked
from greensched.batch.job import ACTIVE, HELD, WAITING
from greensched.batch.outlook import kept_outlook
from greensched.batch.queue import Queue
from greensched.batch.words import REASONS
from greensched.errors import DataError, Finding
from greensched.serve.look import (
    NO_WORKER,
    OVERDUE,
    STALE,
    Ahead,
    Alarm,
    Look,
    Saving,
    Task,
)
from greensched.units import CPU_M_PER_CORE, MS_PER_DAY, MS_PER_H, MS_PER_MIN

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.batch.job import Job
    from greensched.batch.outlook import Outlook

TASKS_MAX: Final = 200  # jobs that are listed; all are counted
SAVED_DAYS: Final = 31
LATE_MS: Final = MS_PER_MIN  # a start that is this late is overdue: cores may be taken
OLD_MS: Final = MS_PER_H  # a worker asks its sources every quarter of an hour


class QueueWatch:
    """Watches one queue, which need not be there yet."""

    period_s = 2.0
    kind = "queue"

    def __init__(self, folder: Path) -> None:
        """Watch the queue in `folder`."""
        self.folder, self.title = folder, f"queue {folder}"

    def look(self, now_ms: int) -> Look:
        """Return what the queue holds; raises GreenschedError where it cannot be read."""
        if not (self.folder / DATABASE).exists():
            facts = (("state", "empty: `greensched batch submit` makes it"),)
            return Look(title=self.title, kind=self.kind, at_ms=now_ms, facts=facts)
        try:
            with Queue(self.folder, read_only=True) as queue:
                return self._look(queue, now_ms)
        except sqlite3.Error as error:
            raise DataError(
                Finding(where=str(self.folder), what=f"cannot be read: {error}")
            ) from None

    def _look(self, queue: Queue, now_ms: int) -> Look:
        counts = queue.counts()
        waiting = counts.get(WAITING, 0) + counts.get(HELD, 0)
        running = sum(counts.get(state, 0) for state in ACTIVE)
        jobs = [*queue.jobs(ACTIVE), *queue.upcoming(TASKS_MAX), *queue.jobs((HELD,))[:TASKS_MAX]]
        outlook = kept_outlook(queue)
        is_worked = is_locked(self.folder / WORKER_LOCK) if waiting or running else None
        return Look(
            title=self.title,
            kind=self.kind,
            at_ms=now_ms,
            alarms=(*self._alarms(jobs, outlook, is_worked=is_worked, now_ms=now_ms),),
            tasks=tuple(map(_task, jobs[:TASKS_MAX])),
            waiting=waiting,
            running=running,
            savings=_savings(queue, now_ms),
            ahead=_ahead(outlook, str(queue.setting("zone"))),
            facts=(
                *((state, f"{count:,}") for state, count in sorted(counts.items())),
                ("worker", {None: "not needed", True: "runs", False: "none"}[is_worked]),
            ),
        )

    def _alarms(
        self, jobs: list[Job], outlook: Outlook | None, *, is_worked: bool | None, now_ms: int
    ) -> list[Alarm]:
        """Return what somebody has to look at."""
        found = []
        waits = [job for job in jobs if job.state == WAITING]
        late = [job for job in waits if job.latest_start_ms < now_ms - LATE_MS]
        if late:
            first = min(late, key=lambda job: job.latest_start_ms)
            behind = (now_ms - first.latest_start_ms) // MS_PER_MIN
            what = (
                f"{len(late)} waiting beyond the latest start, job {first.id} for {behind:,} min"
            )
            remedy = f"`greensched batch show {first.id}` says why; `batch run --cores` gives room"
            found.append(Alarm(kind=OVERDUE, where=self.title, what=what, remedy=remedy))
        if waits and is_worked is False:
            what, remedy = "jobs wait and no worker runs", "`greensched batch run` starts them"
            found.append(Alarm(kind=NO_WORKER, where=self.title, what=what, remedy=remedy))
        if waits and (why := _stale(outlook, now_ms)):
            remedy = "`greensched carbon show` asks the same source"
            found.append(Alarm(kind=STALE, where=self.title, what=why, remedy=remedy))
        return found


def _stale(outlook: Outlook | None, now_ms: int) -> str:
    """Return why what is known of intensity is not to be relied on; empty: it is."""
    if outlook is None:
        return "no source has been asked yet"
    if not outlook.edges_ms:
        return outlook.told or "nothing is known of the hours to come"
    age_ms = now_ms - outlook.asked_ms
    if age_ms > OLD_MS:
        return f"the outlook is {age_ms / MS_PER_H:.1f} h old"
    if outlook.known_until_ms <= now_ms:
        return "what is known has passed"
    return ""


def _task(job: Job) -> Task:
    """Return what is shown of a job; of its environment and folder nothing."""
    now_g, planned_g = job.now_g_per_kwh, job.planned_g_per_kwh
    share = (now_g - planned_g) / now_g if now_g and planned_g is not None else None
    why = job.reason or REASONS.get(job.state, "")
    if not why and share is not None:
        why = f"{planned_g:.0f} g/kWh then, {now_g:.0f} when it was queued"
    return Task(
        id=str(job.id),
        name=shlex.join(job.argv),
        state=job.state,
        why=why or "waits for its planned start",
        cores=job.cpu_m / CPU_M_PER_CORE,
        start_ms=job.planned_ms if job.started_ms is None else job.started_ms,
        latest_start_ms=job.latest_start_ms,
        end_ms=job.pieces[-1][1] if job.pieces else None,
        saving_share=share,
    )


def _savings(queue: Queue, now_ms: int) -> dict[str, Saving]:
    """Return what was settled of jobs that ended lately, by the key of their first entry."""
    name = queue.setting("queue")
    found = {}
    for number, end_ms, text in queue.settled_since(now_ms - SAVED_DAYS * MS_PER_DAY):
        settled: dict[str, Any] = json.loads(text)
        intensity = settled["intensity"]
        found[f"batch/{name}/{number}"] = Saving(
            end_ms=end_ms,
            saved_mg=int(settled["saved_mg"]),
            by=intensity["status"],
            synthetic=bool(intensity["synthetic"]),
        )
    return found


def _ahead(outlook: Outlook | None, zone: str) -> Ahead | None:
    """Return what the queue knows of intensity, None where that is nothing."""
    if outlook is None or not outlook.edges_ms:
        return None
    return Ahead(
        zone=zone,
        source=str(outlook.labels.get("source", "")),
        asked_ms=outlook.asked_ms,
        edges_ms=tuple(outlook.edges_ms),
        values_g_per_kwh=tuple(outlook.values_g_per_kwh),
        synthetic=bool(outlook.labels.get("synthetic")),
    )
