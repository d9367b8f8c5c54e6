"""What deferring would save in a cluster where nothing is installed; only reads.

Each CronJob's runs of the next day and each suspended Job are put at the cleanest time within the
delay that is asked about, each for itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from greensched.bounds.window import best_window
from greensched.controller.api import CRON_JOBS, JOBS, pages
from greensched.controller.energy import assumed_power
from greensched.controller.job import read_job
from greensched.controller.learning import next_run_ms
from greensched.controller.names import CRON_JOB, DEFER_LABEL, PREFIX
from greensched.controller.policy import Energy
from greensched.controller.reconcile import foreign
from greensched.policies.shifting.times import expected_ms
from greensched.units import J_PER_KWH, MS_PER_DAY, MS_PER_H, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.carbon import CarbonIntensity
    from greensched.controller.api import Cluster, Json
    from greensched.controller.job import Job

ROOM_MIN_MS: Final = 15 * MS_PER_MIN  # less is not worth a plan
RUNS_MAX: Final = 200  # of one CronJob in a day that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A Job or CronJob; `why_not` is empty where deferring is possible, `patch` opts it in.

    `saved_g` and `at_once_g` [g CO2e] are over its `runs` in the next day.
    """

    kind: str
    namespace: str
    name: str
    why_not: str = ""
    runs: int = 0
    duration_ms: int = 0
    duration_from: str = ""
    at_once_g: float = 0.0
    saved_g: float = 0.0
    patch: str = ""


def scouted(
    cluster: Cluster, series: CarbonIntensity, now_ms: int, max_delay_ms: int, namespace: str = ""
) -> list[Found]:
    """Return what was found, the largest saving first; raises ApiError."""
    jobs = [read_job(r) for page in pages(cluster, JOBS, namespace) for r in page["items"]]
    crons = [r for page in pages(cluster, CRON_JOBS, namespace) for r in page["items"]]
    asked = _Asked(jobs=jobs, series=series, now_ms=now_ms, max_delay_ms=max_delay_ms)
    found = [asked.cron(raw) for raw in crons]
    found += [asked.job(job) for job in jobs if not job.is_of_cron and job.ended_ms is None]
    return sorted(found, key=lambda f: (bool(f.why_not), -f.saved_g, f.namespace, f.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    jobs: list[Job]
    series: CarbonIntensity
    now_ms: int
    max_delay_ms: int

    def cron(self, raw: Json) -> Found:
        """Return what deferring the runs of a CronJob would save."""
        meta, spec = raw["metadata"], raw["spec"]
        base = Found(kind=CRON_JOB, namespace=meta["namespace"], name=meta["name"])
        template = spec["jobTemplate"]
        body = {**template, "metadata": {**(template.get("metadata") or {}), **_NAMED}}
        like = read_job({**body, "metadata": {**body["metadata"], "namespace": base.namespace}})
        every = list(self._starts(spec))
        starts = [at_ms for at_ms in every if at_ms < self.now_ms + MS_PER_DAY]
        duration_ms, told = self._duration(base)
        gaps = [b - a for a, b in pairwise(every)]
        room_ms = min([self.max_delay_ms, *(gap - duration_ms for gap in gaps)])
        why = self._why_not(spec, like, starts, room_ms)
        if why:
            return _refused(base, why)
        at_once, saved = self._savings(like, starts, duration_ms, room_ms)
        patch = {"spec": {"jobTemplate": _opted(room_ms)}}
        return Found(
            kind=base.kind,
            namespace=base.namespace,
            name=base.name,
            runs=len(starts),
            duration_ms=duration_ms,
            duration_from=told,
            at_once_g=at_once,
            saved_g=saved,
            patch=_command("cronjob", base, patch),
        )

    def job(self, job: Job) -> Found:
        """Return what deferring one Job would save."""
        base = Found(kind="Job", namespace=job.namespace, name=job.name)
        why = foreign(job)
        if not why and not job.is_suspended:
            why = "runs already; create the next one suspended"
        if why:
            return _refused(base, why)
        duration_ms = MS_PER_H
        at_once, saved = self._savings(job, [self.now_ms], duration_ms, self.max_delay_ms)
        marks = _opted(self.max_delay_ms)["metadata"]
        return Found(
            kind=base.kind,
            namespace=base.namespace,
            name=base.name,
            runs=1,
            duration_ms=duration_ms,
            duration_from="assumed",
            at_once_g=at_once,
            saved_g=saved,
            patch="" if job.is_labelled else _command("job", base, {"metadata": marks}),
        )

    def _starts(self, spec: Json) -> Iterator[int]:
        """Yield when a CronJob runs in the next day, and the first time after it."""
        at_ms = self.now_ms
        zone = spec.get("timeZone") or "UTC"
        for _ in range(RUNS_MAX):
            try:
                at_ms = next_run_ms(spec["schedule"], zone, at_ms)
            except (ValueError, KeyError):
                return
            yield at_ms
            if at_ms >= self.now_ms + MS_PER_DAY:
                return

    def _duration(self, cron: Found) -> tuple[int, str]:
        """Return how long a CronJob's runs take, by those that are still there."""
        owner = (CRON_JOB, cron.name)
        past = [
            job.ended_ms - job.started_ms
            for job in self.jobs
            if (job.namespace, job.owner) == (cron.namespace, owner)
            and job.ended_ms is not None
            and job.started_ms is not None
            and not job.has_failed
        ]
        if not past:
            return MS_PER_H, "assumed"
        return expected_ms(past) or max(past), f"its last {len(past)} runs"

    def _why_not(self, spec: Json, like: Job, starts: list[int], room_ms: int) -> str:
        if spec.get("suspend"):
            return "is suspended itself"
        if not starts:
            return "does not run in the next day, or its schedule cannot be read"
        if room_ms < ROOM_MIN_MS:
            return "its runs follow each other too closely to wait"
        return foreign(like)

    def _savings(
        self, job: Job, starts: list[int], duration_ms: int, room_ms: int
    ) -> tuple[float, float]:
        """Return what runs emit at once, and save at the cleanest time [g], where it is known."""
        kwh = assumed_power(job, Energy()).mid_w * duration_ms / MS_PER_S / J_PER_KWH
        at_once = saved = 0.0
        for start_ms in starts:
            last_ms = min(start_ms + room_ms, int(self.series.edges_ms[-1]) - duration_ms)
            if last_ms >= start_ms:
                choice = best_window(self.series, start_ms, duration_ms, last_ms)
                at_once += kwh * choice.now.mean_g_per_kwh
                saved += kwh * choice.saving_g_per_kwh
        return at_once, saved


_NAMED: Final = {"name": "", "uid": ""}  # a template has neither


def _refused(base: Found, why: str) -> Found:
    return Found(kind=base.kind, namespace=base.namespace, name=base.name, why_not=why)


def _opted(room_ms: int) -> Json:
    """Return what makes a Job one that waits for so long."""
    minutes = room_ms // MS_PER_MIN
    delay = f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
    marks = {"labels": {DEFER_LABEL: "true"}, "annotations": {f"{PREFIX}max-delay": delay}}
    return {"metadata": marks, "spec": {"suspend": True}}


def _command(kind: str, base: Found, patch: Json) -> str:
    body = json.dumps(patch, separators=(",", ":"))
    return f"kubectl -n {base.namespace} patch {kind} {base.name} --type merge -p '{body}'"
