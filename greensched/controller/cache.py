"""What was seen of the cluster: Jobs, policies and records, and which of them changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greensched.controller.api import DEFERRALS, JOBS, POLICIES
from greensched.controller.names import DURATION
from greensched.controller.policy import policy_of
from greensched.controller.reflector import Changed, Listed

if TYPE_CHECKING:
    from greensched.controller.deferral import Deferral
    from greensched.controller.job import Job
    from greensched.controller.policy import Policy


@dataclass(slots=True)
class Cache:
    """By UID: of a record that of its Job. `dirty` are Jobs to be looked at again.

    `departed` are Jobs that were deleted or lost their label, which nobody has asked about yet;
    `gone` those of them that a watch told of as that happened.
    """

    jobs: dict[str, Job] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    records: dict[str, Deferral] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    departed: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)  # plurals that were listed at least once
    _covering: dict[str, tuple[Policy | None, str]] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Tell whether all kinds were listed: before, too little is known to decide anything."""
        return self.listed >= {JOBS.plural, POLICIES.plural, DEFERRALS.plural}

    def policy_of(self, namespace: str) -> tuple[Policy | None, str]:
        """Return the one policy of a namespace, or None and why there is none."""
        if namespace not in self._covering:
            self._covering[namespace] = policy_of(self.policies.values(), namespace)
        return self._covering[namespace]

    def take(self, news: Listed | Changed) -> None:
        """Take in what a reflector tells."""
        if isinstance(news, Listed):
            self._take_list(news)
        elif news.kind == JOBS:
            self._take_job(news)
        elif news.kind == POLICIES:
            if news.is_gone:
                self.policies.pop(news.uid, None)
                self._covering.clear()
            else:
                self.put_policy(news.value)
                return
            self.dirty |= self.jobs.keys()
        else:
            self._take_record(news.value, is_gone=news.is_gone)
            if not (news.is_gone or news.value.is_final or news.value.uid in self.jobs):
                self.departed.add(news.value.uid)  # it lost its label before we knew of its record

    def put_job(self, job: Job) -> None:
        """Keep a Job as an answer showed it, unless a later one was seen."""
        known = self.jobs.get(job.uid)
        if known is None or not _is_older(job.version, known.version):
            self.departed.discard(job.uid)
            self.gone.discard(job.uid)
            if known is None or known.version != job.version:
                self.jobs[job.uid] = job
                self.dirty.add(job.uid)

    def put_policy(self, policy: Policy) -> None:
        """Keep a policy; Jobs are looked at again where what it says to them changed."""
        before = self.policies.get(policy.uid)
        self.policies[policy.uid] = policy
        self._covering.clear()
        if before is None or before.spec != policy.spec:
            self.dirty |= self.jobs.keys()
        elif before.learnt != policy.learnt:
            every = before.learnt.keys() | policy.learnt.keys()
            news = {k for k in every if before.learnt.get(k) != policy.learnt.get(k)}
            self.dirty |= {u for u, job in self.jobs.items() if _learns(job, news)}

    def put_record(self, record: Deferral) -> None:
        """Keep a record as an answer showed it."""
        self._take_record(record, is_gone=False)

    def forget(self, uid: str) -> None:
        """Drop a Job that is gone."""
        self.jobs.pop(uid, None)
        self.departed.discard(uid)
        self.gone.discard(uid)
        self.dirty.discard(uid)

    def _take_list(self, news: Listed) -> None:
        self.listed.add(news.kind.plural)
        if news.kind == JOBS:
            missing = self.jobs.keys() - news.objects.keys()
            self.departed |= missing
            for uid, job in news.objects.items():
                known = self.jobs.get(uid)
                if known is None or known.version != job.version or uid in self.departed:
                    self.put_job(job)
        elif news.kind == POLICIES:
            if self.policies.keys() - news.objects.keys():
                self.dirty |= self.jobs.keys()
            self.policies = {u: p for u, p in self.policies.items() if u in news.objects}
            self._covering.clear()
            for policy in news.objects.values():
                self.put_policy(policy)
        else:
            there = {record.uid: record for record in news.objects.values()}
            changed = there.keys() ^ self.records.keys()
            changed |= {
                u
                for u in there.keys() & self.records.keys()
                if there[u].version != self.records[u].version
            }
            self.records = there
            # A record whose Job is not listed: deleted, or its label removed, while none watched.
            self.departed |= {uid for uid in there if uid not in self.jobs}
            self.dirty |= changed

    def _take_job(self, news: Changed) -> None:
        if news.is_gone:
            known = self.jobs.get(news.uid)
            if known is None or not _is_older(news.value.version, known.version):
                self.departed.add(news.uid)
                self.gone.add(news.uid)
        else:
            self.put_job(news.value)

    def _take_record(self, record: Deferral, *, is_gone: bool) -> None:
        known = self.records.get(record.uid)
        if known is not None and _is_older(record.version, known.version):
            return
        if is_gone:
            self.records.pop(record.uid, None)
        else:
            self.records[record.uid] = record
        self.dirty.add(record.uid)


def _learns(job: Job, programs: set[str]) -> bool:
    """Tell whether a Job is taken to be as long as earlier runs of one of these programs."""
    return job.is_suspended and DURATION not in job.notes and job.learning_key in programs


def _is_older(version: str, known: str) -> bool:
    """Tell whether a version came before another; what cannot be compared did not."""
    return version.isdecimal() and known.isdecimal() and int(version) < int(known)
