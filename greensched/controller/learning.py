"""What is known of a Job from others: how long its program ran, when its CronJob runs next."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from greensched.controller.api import CRON_JOBS, ApiError
from greensched.controller.terms import Defaults
from greensched.policies.shifting.times import expected_ms
from greensched.providers.points import instant_ms
from greensched.units import MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from greensched.controller.api import Cluster
    from greensched.controller.deferral import Deferral
    from greensched.controller.job import Job
    from greensched.controller.policy import Learnt, Policy

log = logging.getLogger("greensched")
RUNS_MAX: Final = 20  # that are kept of each program
GATHERED_MS: Final = 5 * MS_PER_MIN
PROGRAMS_MAX: Final = 200  # of each policy, the last that ended


class Learning:
    """Durations are kept in the status of policies, schedules asked for once a Job."""

    def __init__(self, cluster: Cluster) -> None:
        """Begin with what the policies' status says."""
        self._cluster = cluster
        self._news: dict[str, Learnt] = {}  # policy -> program -> run -> seconds
        self._written_ms: dict[str, int] = {}
        self._next_ms: dict[str, int | None] = {}  # of a Job's CronJob

    def defaults(self, job: Job, policy: Policy | None) -> Defaults:
        """Return what holds for a Job where it does not say."""
        if policy is None or policy.spec is None:
            return Defaults()
        return Defaults(
            max_delay_ms=policy.spec.defaults.max_delay,
            duration_ms=policy.spec.defaults.duration,
            learnt_ms=_learnt_ms(tuple(policy.learnt.get(job.learning_key, {}).values())),
            next_run_ms=self._next_run_ms(job) if job.is_of_cron else None,
        )

    def learn(self, job: Job, ended: Deferral, policy: Policy) -> None:
        """Note how long a Job ran that succeeded."""
        if ended.has_failed or not ended.runs:
            return
        seconds = sum(b - a for a, b, _ in ended.runs) // MS_PER_S
        news = self._news.setdefault(policy.uid, {})
        news.setdefault(job.learning_key, {})[job.uid] = seconds

    def learnt(self, policy: Policy, now_ms: int) -> Learnt:
        """Return what a policy's status should say: a run counts once, the oldest go.

        Runs are gathered for some minutes: each time many Jobs may have to be planned anew.
        """
        news = self._news.get(policy.uid, {})
        if now_ms < self._written_ms.get(policy.uid, 0) + GATHERED_MS:
            return policy.learnt
        every = {k: v for k, v in policy.learnt.items() if k not in news}
        for program, runs in news.items():
            both = {**policy.learnt.get(program, {}), **runs}
            every[program] = dict(list(both.items())[-RUNS_MAX:])
        return dict(list(every.items())[-PROGRAMS_MAX:])

    def written(self, policy: Policy, learnt: Learnt, now_ms: int) -> None:
        """Forget what the policy's status says by now."""
        if learnt != policy.learnt:
            self._news.pop(policy.uid, None)
            self._written_ms[policy.uid] = now_ms

    def _next_run_ms(self, job: Job) -> int | None:
        """Return when the CronJob of a Job runs next after it, None where that is not known."""
        if job.uid not in self._next_ms:
            try:
                assert job.owner is not None
                raw = self._cluster.get(CRON_JOBS, job.namespace, job.owner[1])
                self._next_ms[job.uid] = next_run_ms(
                    raw["spec"]["schedule"],
                    raw["spec"].get("timeZone") or "UTC",
                    instant_ms(job.scheduled_at) if job.scheduled_at else job.created_ms,
                )
            except ApiError as error:
                if error.is_passing:
                    raise
                self._next_ms[job.uid] = None
            except (KeyError, ValueError) as error:
                log.warning("schedule of %s: %s", job.key, error)
                self._next_ms[job.uid] = None
        return self._next_ms[job.uid]


@lru_cache(maxsize=1_024)
def _learnt_ms(runs_s: tuple[int, ...]) -> int | None:
    return expected_ms([s * MS_PER_S for s in runs_s])


def next_run_ms(schedule: str, time_zone: str, after_ms: int) -> int:
    """Return when a schedule (five fields, or @daily and the like) comes next [ms]."""
    from zoneinfo import ZoneInfo

    from cronsim import CronSim, CronSimError

    after = datetime.fromtimestamp(after_ms / MS_PER_S, UTC).astimezone(ZoneInfo(time_zone))
    try:
        found: datetime = next(CronSim(_ALIASES.get(schedule, schedule), after))
    except (CronSimError, StopIteration):
        message = f"{schedule!r} is no schedule that can be read"
        raise ValueError(message) from None
    return round(found.timestamp() * MS_PER_S)


_ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
