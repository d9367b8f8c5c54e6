"""A model of the cluster's own controllers: Jobs start when they may, and end in their time."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from greensched.providers.points import instant_ms, utc
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from tests.controller.store import Change, Json, Key, Store

ACTUAL = "test/actual-s"  # annotation: how long the Job really takes
FAILS = "test/fails"
WHO = "job-controller"


class Runner:
    """Starts, pauses and ends the Jobs of a store at `step`."""

    def __init__(self, store: Store) -> None:
        """Listen to a store."""
        self.store = store
        self.touched: set[Key] = set()
        self.ends: list[tuple[int, Key, str]] = []
        self.done_ms: dict[str, int] = {}  # work that was kept, by UID
        store.hooks.append(self._hear)

    def _hear(self, change: Change) -> None:
        if change.key[0] == "jobs" and change.after is not None and change.who != WHO:
            self.touched.add(change.key)

    def step(self, now_ms: int) -> None:
        """Do what the cluster would have done by now."""
        for key in sorted(self.touched):
            job = self.store.objects.get(key)
            if job is not None:
                self._follow(key, job, now_ms)
        self.touched.clear()
        while self.ends and self.ends[0][0] <= now_ms:
            end_ms, key, started = heapq.heappop(self.ends)
            job = self.store.objects.get(key)
            if job is not None and (job.get("status") or {}).get("startTime") == started:
                self._end(key, job, end_ms)

    def next_ms(self) -> int | None:
        """Return when the next Job ends."""
        return self.ends[0][0] if self.ends else None

    def _follow(self, key: Key, job: Json, now_ms: int) -> None:
        status, uid = job.get("status") or {}, job["metadata"]["uid"]
        if status.get("conditions"):
            return
        notes = job["metadata"].get("annotations") or {}
        started = status.get("startTime")
        if not job["spec"].get("suspend") and started is None:
            left_ms = int(notes[ACTUAL]) * MS_PER_S - self.done_ms.get(uid, 0)
            start = utc(now_ms)
            heapq.heappush(self.ends, (now_ms + max(MS_PER_S, left_ms), key, start))
            self.store.write(key, {**job, "status": {"startTime": start, "active": 1}}, WHO)
        elif job["spec"].get("suspend") and started is not None:
            ran_ms = now_ms - instant_ms(started)
            self.done_ms[uid] = self.done_ms.get(uid, 0) + ran_ms // 600_000 * 600_000
            self.store.write(key, {**job, "status": {"active": 0}}, WHO)

    def _end(self, key: Key, job: Json, end_ms: int) -> None:
        notes = job["metadata"].get("annotations") or {}
        kind = "Failed" if FAILS in notes else "Complete"
        at = utc(end_ms)
        condition = {"type": kind, "status": "True", "lastTransitionTime": at}
        status = {**job["status"], "active": 0, "conditions": [condition]}
        if kind == "Complete":
            status |= {"completionTime": at, "succeeded": 1}
        self.store.write(key, {**job, "status": status}, WHO)
