"""What is done to the cluster, each a call that may fail, and what a failure means."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from greensched.controller import patches
from greensched.controller.api import DEFERRALS, EVENTS, JOBS, POLICIES, ApiError, Json
from greensched.controller.deferral import body_of, read_deferral
from greensched.controller.job import read_job
from greensched.controller.policy import read_policy
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from greensched.controller.api import Cluster
    from greensched.controller.cache import Cache
    from greensched.controller.deferral import Deferral
    from greensched.controller.job import Job
    from greensched.controller.policy import Policy

log = logging.getLogger("greensched")
TOLD_AGAIN_MS: Final = MS_PER_H  # Events expire, by default after an hour


class Writes:
    """Writes of one controller; what an answer shows goes into the cache at once.

    A refusal that may pass is raised (ApiError); any other is told, and the Job is looked at again
    when it changes.
    """

    def __init__(self, cluster: Cluster, cache: Cache, instance: str) -> None:
        """Begin with nothing told."""
        self._cluster, self._cache, self._instance = cluster, cache, instance
        self._told: dict[str, tuple[str, int]] = {}
        self.refused: dict[str, str] = {}  # UID -> version whose patch cannot be

    def patch(self, job: Job, body: Json) -> bool:
        """Patch a Job; return whether it was. A stale version is read anew, to decide again."""
        if self.refused.get(job.uid) == job.version:
            return False
        try:
            raw = self._cluster.patch_job(job.namespace, job.name, body)
        except ApiError as error:
            if error.is_passing:
                raise
            self._refused(job, error)
            return False
        self._cache.put_job(read_job(raw))
        return True

    def _refused(self, job: Job, error: ApiError) -> None:
        if error.status == HTTPStatus.NOT_FOUND:
            self._cache.departed.add(job.uid)
        elif error.status == HTTPStatus.CONFLICT:
            self.refresh(job.namespace, job.name, job.uid)
        else:
            # A server that has just started does not know the roles yet, and roles can be mended.
            if error.status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                self.refused[job.uid] = job.version
            log.error("job %s: %s", job.key, error)

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

    def tell(self, job: Job, reason: str, sentence: str, now_ms: int) -> None:
        """Send an Event, unless the same was told within the hour; that it fails is no harm."""
        before, when_ms = self._told.get(job.uid, ("", 0))
        if before == sentence and 0 <= now_ms - when_ms < TOLD_AGAIN_MS:
            return
        body = patches.event(job, reason, sentence, now_ms, self._instance)
        try:
            self._cluster.create(EVENTS, job.namespace, body)
        except ApiError as error:
            log.info("event of %s: %s", job.key, error)
            return
        self._told[job.uid] = (sentence, now_ms)

    def forget(self, uid: str) -> None:
        """Drop what is remembered of a Job that is gone."""
        self._told.pop(uid, None)
        self.refused.pop(uid, None)
