"""What is done to the cluster, each a call that may fail, and what a failure means."""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from greensched.controller import patches
from greensched.controller.api import DEFERRALS, EVENTS, JOBS, POLICIES, ApiError, Json
from greensched.controller.deferral import body_of, read_deferral
from greensched.controller.job import read_job
from greensched.controller.policy import read_policy
from greensched.units import MS_PER_H, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.controller.api import Cluster
    from greensched.controller.cache import Cache
    from greensched.controller.deferral import Deferral
    from greensched.controller.job import Job
    from greensched.controller.policy import Policy

log = logging.getLogger("greensched")
TOLD_AGAIN_MS: Final = MS_PER_H  # Events expire, by default after an hour
AGAIN_EACH_MS: Final = 6 * MS_PER_S  # so often, at most, one of all is told again
FIRST_MS, LAST_MS = 2 * MS_PER_S, 5 * MS_PER_MIN  # between tries of what the rights forbid
JITTER: Final = 0.25  # of such a wait, up or down: not all Jobs at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an Event said of a Job, and when."""

    reason: str
    sentence: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden:
    """A Job that we have no right to patch: how often that was tried, when it is again."""

    tries: int
    until_ms: int


def forbidden(uid: str, before: Forbidden | None, now_ms: int) -> Forbidden:
    """Return when to try again: after twice as long each time, up to five minutes."""
    tries = 1 if before is None else before.tries + 1
    share = zlib.crc32(f"{uid}/{tries}".encode()) / 2**32  # of its own for each Job and try
    wait_ms = min(LAST_MS, FIRST_MS * 2 ** min(tries - 1, 10))
    return Forbidden(
        tries=tries, until_ms=now_ms + round(wait_ms * (1 + JITTER * (2 * share - 1)))
    )


class Writes:
    """Writes of one controller; what an answer shows goes into the cache at once.

    A refusal that may pass is raised (ApiError); any other is told, and the Job is looked at again
    when it changes.
    """

    def __init__(self, cluster: Cluster, cache: Cache, instance: str) -> None:
        """Begin with nothing told."""
        self._cluster, self._cache, self._instance = cluster, cache, instance
        self._told: dict[str, Told] = {}  # the longest ago first
        self._refused: dict[str, str] = {}  # UID -> version whose patch cannot be
        self._forbidden: dict[str, Forbidden] = {}

    @property
    def forbidden(self) -> int:
        """Return how many Jobs we have no right to patch, as last tried."""
        return len(self._forbidden)

    def try_ms(self, job: Job) -> int | None:
        """Return from when on a Job may be patched (0: now), None where it has to change first."""
        if self._refused.get(job.uid) == job.version:
            return None
        return self._forbidden[job.uid].until_ms if job.uid in self._forbidden else 0

    def patch(self, job: Job, body: Json, now_ms: int) -> bool:
        """Patch a Job; return whether it was. A stale version is read anew, to decide again."""
        try_ms = self.try_ms(job)
        if try_ms is None or now_ms < try_ms:
            return False
        try:
            raw = self._cluster.patch_job(job.namespace, job.name, body)
        except ApiError as error:
            if error.is_passing:
                raise
            self._refuse(job, error, now_ms)
            return False
        self._forbidden.pop(job.uid, None)
        self._cache.put_job(read_job(raw))
        return True

    def _refuse(self, job: Job, error: ApiError, now_ms: int) -> None:
        if error.status == HTTPStatus.NOT_FOUND:
            self._cache.departed.add(job.uid)
        elif error.status == HTTPStatus.CONFLICT:
            self.refresh(job.namespace, job.name, job.uid)
        else:
            # A server that has just started does not know the roles yet, and roles can be mended.
            if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                before = self._forbidden.get(job.uid)
                self._forbidden[job.uid] = forbidden(job.uid, before, now_ms)
            else:
                self._refused[job.uid] = job.version
            log.error("job %s: %s", job.key, error)
            self.tell(job, "Refused", f"cannot be patched: {error.findings[0].what}", now_ms)

    def refresh(self, namespace: str, name: str, uid: str) -> bool:
        """Read a Job anew; return whether it is still there, not another of its name."""
        try:
            found = read_job(self._cluster.get(JOBS, namespace, name))
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self._cache.departed.add(uid)
            return False
        if found.uid != uid:
            self._cache.departed.add(uid)
            return False
        self._cache.put_job(found)
        return True

    def record(self, wanted: Deferral) -> None:
        """Make or replace a record; one that somebody changed is read anew."""
        body = body_of(wanted)
        try:
            if wanted.version:
                raw = self._cluster.replace(DEFERRALS, wanted.namespace, wanted.name, body)
            else:
                raw = self._cluster.create(DEFERRALS, wanted.namespace, body)
        except ApiError as error:
            if error.is_passing:
                raise
            self._reread(wanted, error)
            return
        self._cache.put_record(read_deferral(raw))

    def _reread(self, wanted: Deferral, error: ApiError) -> None:
        if error.status == HTTPStatus.NOT_FOUND:
            self._cache.records.pop(wanted.uid, None)  # or its namespace is gone
            self._cache.dirty.add(wanted.uid)
        elif error.status == HTTPStatus.CONFLICT:
            raw = self._cluster.get(DEFERRALS, wanted.namespace, wanted.name)
            self._cache.records[wanted.uid] = read_deferral(raw)
            self._cache.dirty.add(wanted.uid)
        else:
            log.error("record of %s/%s: %s", wanted.namespace, wanted.job, error)

    def policy_status(self, policy: Policy, status: Json) -> bool:
        """Replace the status of a policy, and tell whether it was: not if somebody changed it."""
        body = {
            "apiVersion": POLICIES.api_version,
            "kind": POLICIES.name,
            "metadata": {"name": policy.name, "resourceVersion": policy.version},
            "status": status,
        }
        try:
            raw = self._cluster.replace(POLICIES, "", policy.name, body, part="status")
        except ApiError as error:
            if error.is_passing:
                raise
            if error.status != HTTPStatus.CONFLICT:  # then a later version is on its way to us
                log.warning("status of policy %s: %s", policy.name, error)
            return False
        self._cache.put_policy(read_policy(raw))
        return True

    def tell(self, job: Job, reason: str, sentence: str, now_ms: int) -> bool:
        """Send an Event, unless the same was told within the hour; tell whether it is told.

        That it fails is no harm.
        """
        before = self._told.get(job.uid)
        is_same = before is not None and before.sentence == sentence
        if before is not None and is_same and 0 <= now_ms - before.at_ms < TOLD_AGAIN_MS:
            return True
        body = patches.event(job, reason, sentence, now_ms, self._instance)
        try:
            self._cluster.create(EVENTS, job.namespace, body)
        except ApiError as error:
            log.info("event of %s: %s", job.key, error)
            return False
        self.note_told(job, reason, sentence, now_ms)
        return True

    def note_told(self, job: Job, reason: str, sentence: str, now_ms: int) -> None:
        """Remember that something is told, or was by who acted before us."""
        self._told.pop(job.uid, None)
        self._told[job.uid] = Told(reason=reason, sentence=sentence, at_ms=now_ms)

    def is_told(self, job: Job) -> bool:
        """Tell whether anything was told of a Job."""
        return job.uid in self._told

    def told_long_ago(self, now_ms: int) -> Iterator[tuple[str, Told]]:
        """Yield Jobs (UID) and what was told of them so long ago that it is to be told again.

        Hourly; where they are many, so much later that there is one in six seconds. Who asks
        tells it, or hushes, before the next.
        """
        again_ms = max(TOLD_AGAIN_MS, len(self._told) * AGAIN_EACH_MS)
        while self._told:
            uid, told = next(iter(self._told.items()))
            if now_ms - told.at_ms < again_ms:
                return
            yield uid, told

    def hush(self, uid: str) -> None:
        """Tell no more what was told of a Job."""
        self._told.pop(uid, None)

    def forget(self, uid: str) -> None:
        """Drop what is remembered of a Job that is gone."""
        for memory in (self._told, self._refused, self._forbidden):
            memory.pop(uid, None)
