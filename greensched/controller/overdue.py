"""The way out: lets run what is overdue, or everything, with nothing but the API server.

For a CronJob of the chart that works when the controller does not, and for its removal. It asks
the same pure `assess` and keeps no state.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from greensched.controller import patches
from greensched.controller.api import DEFERRALS, JOBS, POLICIES, ApiError, pages
from greensched.controller.deferral import WAITING, read_deferral
from greensched.controller.job import read_job
from greensched.controller.learning import Learning
from greensched.controller.names import SELECTOR
from greensched.controller.policy import policy_of, read_policy
from greensched.controller.reconcile import Assessed, Standing, assess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from greensched.controller.api import Cluster
    from greensched.controller.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Jobs that were let run, each with why, and those that the server refused."""

    released: tuple[tuple[Job, str], ...]
    failed: tuple[tuple[Job, ApiError], ...]


def release_overdue(cluster: Cluster, wall_ms: Callable[[], int], namespace: str = "") -> Outcome:
    """Let run every Job that must not wait any longer."""
    return _released(cluster, wall_ms, namespace, _is_overdue)


def release_all(cluster: Cluster, wall_ms: Callable[[], int], namespace: str = "") -> Outcome:
    """Let run every Job that we keep from running, those of `hold-until` too."""
    return _released(cluster, wall_ms, namespace, _is_kept)


def _is_overdue(found: Assessed) -> str:
    return found.why if found.standing is Standing.RELEASE else ""


def _is_kept(found: Assessed) -> str:
    kept = found.standing is Standing.WAITING or found.until_ms is not None
    return "everything is let run" if kept else _is_overdue(found)


def _released(
    cluster: Cluster, wall_ms: Callable[[], int], namespace: str, why: Callable[[Assessed], str]
) -> Outcome:
    """Let run the Jobs of which `why` has a reason; go on where one is refused."""
    policies = [read_policy(r) for page in pages(cluster, POLICIES) for r in page["items"]]
    learning = Learning(cluster)
    now_ms = wall_ms() + cluster.skew_ms  # the server's time, of which its answers told
    done: list[tuple[Job, str]] = []
    failed: list[tuple[Job, ApiError]] = []
    for job, phase in _jobs(cluster, namespace):
        policy, no_policy = policy_of(policies, job.namespace)
        try:
            found = assess(
                job,
                phase=phase,
                policy=policy,
                no_policy=no_policy,
                defaults=learning.defaults(job, policy),
                now_ms=now_ms,
            )
            told = why(found)
            if told:
                body = patches.released(job, now_ms, f"runs now: {told}")
                cluster.patch_job(job.namespace, job.name, body)
                done.append((job, told))
        except ApiError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                failed.append((job, error))  # a Job that changed just now is looked at next time
    return Outcome(released=tuple(done), failed=tuple(failed))


def _jobs(cluster: Cluster, namespace: str) -> Iterator[tuple[Job, str]]:
    """Yield suspended Jobs that have the label, or had it, each with the phase of its record."""
    listed = [r for page in pages(cluster, DEFERRALS, namespace) for r in page["items"]]
    records = {one.uid: one for one in map(read_deferral, listed)}
    seen = set()
    for page in pages(cluster, JOBS, namespace, SELECTOR):
        for raw in page["items"]:
            job = read_job(raw)
            seen.add(job.uid)
            record = records.get(job.uid)
            if job.is_suspended:
                yield job, "" if record is None else record.phase
    for record in records.values():
        if record.uid not in seen and record.phase == WAITING:
            try:
                job = read_job(cluster.get(JOBS, record.namespace, record.job))
            except ApiError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                continue
            if job.uid == record.uid and job.is_suspended:
                yield job, record.phase
