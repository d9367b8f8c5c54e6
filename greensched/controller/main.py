"""The loop: takes in what was watched, asks what becomes of each Job, and does it.

One turn after the other, each from what is known now (level-triggered): whatever was missed,
refused or half done is found again. Time, cluster and intensity are given.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from greensched.controller import patches, words
from greensched.controller.alarms import Alarms
from greensched.controller.api import DEFERRALS, JOBS, POLICIES
from greensched.controller.cache import Cache
from greensched.controller.deferral import ENDED, Deferral, new_deferral, read_deferral
from greensched.controller.job import read_job
from greensched.controller.learning import Learning
from greensched.controller.metering import Metering
from greensched.controller.names import SELECTOR, STATUS
from greensched.controller.outlook import outlook_text
from greensched.controller.planner import Foresight, Planner, is_unplanned, leaves_room
from greensched.controller.policy import conflicts, read_policy, status_of
from greensched.controller.reconcile import Assessed, Standing, assess
from greensched.controller.records import departed, recorded
from greensched.controller.reflector import Reflector
from greensched.controller.settler import Settler
from greensched.controller.snapshot import Candidate, Intention
from greensched.controller.terms import resumed_by_ms
from greensched.controller.writes import Writes
from greensched.units import MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from greensched.controller.api import Cluster, Json
    from greensched.controller.job import Job
    from greensched.controller.policy import Policy, Spec
    from greensched.controller.reflector import Changed, Listed
    from greensched.controller.terms import Terms

log = logging.getLogger("greensched")
LASTING: Final = (Standing.WAITING, Standing.HELD, Standing.FOREIGN)  # told of again and again


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Our wall clock [ms since 1970 UTC], and one that is never set [s]."""

    wall_ms: Callable[[], int]
    steady_s: Callable[[], float]


class Controller:
    """Defers the Jobs of one cluster: after news, and when it said, it takes a `turn`."""

    idle_ms = MS_PER_MIN  # between turns, at most: clocks may be set

    def __init__(
        self,
        cluster: Cluster,
        foresight: Foresight,
        clocks: Clocks,
        instance: str = "",
        ledger: Path | None = None,
        *,
        dry_run: bool = False,
        prometheus: str = "",
    ) -> None:
        """Begin with nothing known: all state is in the cluster."""
        self.cluster, self.foresight, self.clocks = cluster, foresight, clocks
        self.dry_run = dry_run  # every Job runs at once, and what would have been is settled
        self.cache = Cache()
        self.writes = Writes(cluster, self.cache, instance)
        self.learning = Learning(cluster)
        self.planner = Planner(foresight, clocks.steady_s)
        self.metering = Metering(cluster, clocks.steady_s, prometheus)
        self.settler = Settler(foresight, self.metering, self.writes, ledger, dry_run=dry_run)
        self.standing: dict[str, Assessed] = {}
        self._alarms = Alarms()
        self._ready: set[str] = set()  # to be let run at once
        self._unrecorded: set[str] = set()
        self._unapplied: set[str] = set()  # what the plan says of them was not looked at

    def reflectors(
        self, sink: Callable[[Listed | Changed], None] | None = None, namespace: str = ""
    ) -> tuple[Reflector, ...]:
        """Return who tells `sink` (by default the cache at once) of Jobs, policies and records."""
        kinds = (
            (POLICIES, read_policy, "", ""),
            (DEFERRALS, read_deferral, namespace, ""),
            (JOBS, read_job, namespace, SELECTOR),
        )
        return tuple(
            Reflector(
                self.cluster,
                kind,
                read,
                sink or self.cache.take,
                self.now_ms,
                namespace=space,
                label=label,
            )
            for kind, read, space, label in kinds
        )

    def now_ms(self) -> int:
        """Return the API server's time: whose clock is wrong does not matter then."""
        return self.clocks.wall_ms() + self.cluster.skew_ms

    def turn(self) -> int:
        """Do what is to be done now; return when to look again [ms].

        Raises ApiError where the server refuses for now; the rest is done another time.
        """
        now_ms = self.now_ms()
        if not self.cache.is_whole:
            return now_ms + MS_PER_S
        self._assess(now_ms)
        self._release(now_ms)
        self._follow_departed(now_ms)
        self._record(now_ms)
        self._plan(now_ms)
        self._apply(now_ms)
        self._record(now_ms)
        self._tell_policies(now_ms)
        self._settle(now_ms)
        self._tell_again(now_ms)
        return self._next_ms(now_ms)

    # -- what stands where ---------------------------------------------------------------------

    def _assess(self, now_ms: int) -> None:
        """Look at Jobs that changed, and at those whose time has come."""
        self.cache.dirty.update(self._alarms.due(now_ms))
        for uid in list(self.cache.dirty):
            job = self.cache.jobs.get(uid)
            if job is not None:
                self._look(job, now_ms)
        self.cache.dirty.clear()

    def _look(self, job: Job, now_ms: int) -> None:
        policy, why = self.cache.policy_of(job.namespace)
        record = self.cache.records.get(job.uid)
        found = assess(
            job,
            phase="" if record is None else record.phase,
            policy=policy,
            no_policy=why,
            defaults=self.learning.defaults(job, policy),
            now_ms=now_ms,
        )
        before = self.standing.get(job.uid)
        self.planner.has_room |= leaves_room(before, found, job, now_ms)
        if is_unplanned(before, found):
            self.planner.unplanned.add(job.uid)
        self.standing[job.uid] = found
        (self._ready.add if found.standing is Standing.RELEASE else self._ready.discard)(job.uid)
        self._unrecorded.add(job.uid)
        self._unapplied.add(job.uid)
        self._alarms.drop(job.uid)
        if found.until_ms is not None:
            self._alarms.put(job.uid, found.until_ms)
        elif found.standing is Standing.WAITING and found.terms is not None:
            planned_ms = patches.planned_ms(job)
            ends = [found.terms.latest_start_ms]
            ends += [] if planned_ms is None else [max(now_ms, planned_ms)]
            self._alarms.put(job.uid, min(ends))
        if found.standing in (Standing.FOREIGN, Standing.OVERRIDDEN, Standing.HELD):
            self.writes.tell(job, found.standing.value.capitalize(), found.why, now_ms)

    # -- what is done --------------------------------------------------------------------------

    def _release(self, now_ms: int) -> None:
        """Let run what must not wait: what is overdue first, then what cannot be deferred."""
        every = ((uid, self.standing[uid]) for uid in self._ready)
        ready = [(a.terms.latest_start_ms if a.terms else now_ms, uid, a.why) for uid, a in every]
        for _, uid, why in sorted(ready):
            self._let_run(self.cache.jobs[uid], f"runs now: {why}", now_ms)

    def _let_run(
        self, job: Job, sentence: str, now_ms: int, planned_ms: int | None = None
    ) -> None:
        """Let a Job run; `planned_ms` is when it would have, in a dry run."""
        if self._patch(job, patches.released(job, now_ms, sentence, planned_ms), now_ms):
            self._look(self.cache.jobs[job.uid], now_ms)
            self.writes.tell(job, "Released", sentence, now_ms)

    def _patch(self, job: Job, body: Json, now_ms: int) -> bool:
        """Patch a Job; tell whether it was. What the rights forbid is tried again later."""
        if self.writes.patch(job, body, now_ms):
            return True
        again_ms = self.writes.try_ms(job)
        if again_ms:
            self._alarms.put(job.uid, again_ms)
        return False

    def _follow_departed(self, now_ms: int) -> None:
        """Ask about Jobs that are no longer selected: deleted, or without their label."""
        for uid in sorted(self.cache.departed):
            job, record = self.cache.jobs.get(uid), self.cache.records.get(uid)
            is_open = record is not None and not record.is_final
            one = record if is_open else job
            if one is not None and (is_open or patches.planned_ms(self.cache.jobs[uid])):
                name = one.job if isinstance(one, Deferral) else one.name
                if self.writes.refresh(one.namespace, name, uid):
                    self.cache.departed.discard(uid)
                    self._look(self.cache.jobs[uid], now_ms)
                    continue
            found = self.standing.get(uid)
            if job is not None and found is not None and found.standing is Standing.ENDED:
                self._record_one(job, found, now_ms)  # how it ended was seen before it went
            elif record is not None and is_open and record.phase != ENDED:
                is_seen = uid in self.cache.gone
                self.writes.record(departed(record, now_ms, is_seen=is_seen))
                self.settler.ended.add(uid)
            self._forget(uid)

    def _forget(self, uid: str) -> None:
        self.cache.forget(uid)
        self.writes.forget(uid)
        self._alarms.drop(uid)
        self._ready.discard(uid)
        if self.standing.pop(uid, None) is not None:
            self.planner.has_room = True

    def _record(self, now_ms: int) -> None:
        """Bring the records of Jobs that were looked at up to date, and learn from what ended."""
        for uid in sorted(self._unrecorded):
            found, job = self.standing.get(uid), self.cache.jobs.get(uid)
            if found is not None and job is not None:
                self._record_one(job, found, now_ms)
            self._unrecorded.discard(uid)

    def _record_one(self, job: Job, found: Assessed, now_ms: int) -> None:
        record = self.cache.records.get(job.uid)
        policy, _ = self.cache.policy_of(job.namespace)
        if found.standing in (Standing.FOREIGN, Standing.IGNORED):
            return
        if record is None:
            never_ours = found.standing in (Standing.OVERRIDDEN, Standing.ENDED)
            if policy is None or policy.spec is None or never_ours:
                return
            if found.standing is Standing.WAITING and job.uid not in self.planner.intended:
                return  # it is recorded together with the forecast that it is planned by
            record = new_deferral(job, policy.name, policy.spec, dry_run=self.dry_run)
            record = replace(record, outlook=self._outlook(job, found.terms, policy))
        wanted = recorded(record, job, found, policy.spec if policy else None, now_ms)
        has_ended = wanted.phase == ENDED and record.phase != ENDED
        if has_ended and policy is not None and policy.spec is not None:
            self.learning.learn(job, wanted, policy)
            wanted = self.metering.on_nodes(wanted, job, policy.spec.energy)
        if has_ended:
            self.settler.ended.add(job.uid)
        if wanted != record or not record.version:
            self.writes.record(wanted)

    def _outlook(self, job: Job, terms: Terms | None, policy: Policy) -> str:
        """Return what is foretold of the time in which a Job may run, however it is run."""
        series = self.planner.outlook(policy.uid)
        if series is None or terms is None:
            return ""
        return outlook_text(series, job.created_ms, terms.end_ms + terms.duration_ms)

    # -- the plan ------------------------------------------------------------------------------

    def _plan(self, now_ms: int) -> None:
        """Plan anew, if that is due."""
        self.planner.heed(self.cache.policies)
        if now_ms < self.planner.next_ms(now_ms):
            return
        groups: dict[str, list[Candidate]] = {}
        for uid, found in self.standing.items():
            if found.terms is not None and found.standing in (Standing.WAITING, Standing.RUNNING):
                job = self.cache.jobs[uid]
                policy, _ = self.cache.policy_of(job.namespace)
                if policy is not None:
                    groups.setdefault(policy.uid, []).append(_candidate(job, found.terms))
        planned = self.planner.plan(groups, self.cache.policies, now_ms)
        self._unapplied |= planned
        self._unrecorded |= {uid for uid in planned if uid not in self.cache.records}

    def _apply(self, now_ms: int) -> None:
        """Let run what is due, pause what is to go on later, announce what moved."""
        for uid in sorted(self._unapplied):
            found, job = self.standing.get(uid), self.cache.jobs.get(uid)
            if found is not None and job is not None and found.terms is not None:
                self._apply_one(job, found.standing, found.terms, now_ms)
            self._unapplied.discard(uid)

    def _apply_one(self, job: Job, standing: Standing, terms: Terms, now_ms: int) -> None:
        intention = self.planner.intended.get(job.uid)
        policy, _ = self.cache.policy_of(job.namespace)
        if policy is None or policy.spec is None:
            return
        if standing is Standing.WAITING:
            self._apply_waiting(job, terms, policy, intention, now_ms)
        elif intention is not None and self._may_pause(job, terms):
            self._pause(job, terms, policy.spec, intention, now_ms)

    def _apply_waiting(
        self, job: Job, terms: Terms, policy: Policy, intention: Intention | None, now_ms: int
    ) -> None:
        announced_ms = patches.planned_ms(job)
        if intention is None:
            if announced_ms is not None and announced_ms <= now_ms:
                self._let_run(job, "runs as planned", now_ms)
            return
        if not intention.pieces:
            self._let_run(job, f"runs now: {words.unknown(self.planner.told[policy.uid])}", now_ms)
            return
        start_ms = intention.pieces[0][0]
        if start_ms <= now_ms:
            self._let_run(job, words.runs(intention, is_planned=announced_ms is not None), now_ms)
        elif self.dry_run:
            assert policy.spec is not None
            sentence = words.waits(job, policy.spec, intention, terms, now_ms)
            self._let_run(job, words.DRY_RUN + sentence, now_ms, start_ms)
        elif patches.is_announced(job, terms, start_ms):
            if not self.writes.is_told(job):  # but by who acted before us
                self.writes.note_told(job, "Deferred", job.notes.get(STATUS, ""), now_ms)
        else:
            assert policy.spec is not None
            sentence = words.waits(job, policy.spec, intention, terms, now_ms)
            if self._patch(job, patches.announced(job, terms, start_ms, sentence), now_ms):
                self._look(self.cache.jobs[job.uid], now_ms)
                self.writes.tell(job, "Deferred", sentence, now_ms)

    def _may_pause(self, job: Job, terms: Terms) -> bool:
        return not self.dry_run and _candidate(job, terms).may_pause

    def _pause(
        self, job: Job, terms: Terms, spec: Spec, intention: Intention, now_ms: int
    ) -> None:
        """Pause a Job that is to go on later, if it then still ends in time."""
        since_ms, interval_ms = patches.released_ms(job), terms.checkpoint_ms
        later = [a for a, _ in intention.pieces if a > now_ms]
        ends = [b for a, b in intention.pieces if a <= now_ms < b]
        if ends:
            self._alarms.put(job.uid, ends[0])  # its piece is over then
        if spec.paused or ends or not later or since_ms is None or interval_ms is None:
            return
        kept_from_ms = since_ms + interval_ms + MS_PER_MIN
        if now_ms < kept_from_ms:  # nothing of this run would be kept yet
            self._alarms.put(job.uid, kept_from_ms)
            return
        sentence = words.pauses(intention, later[0], now_ms)
        body = patches.paused(job, now_ms, later[0], sentence)
        resumes_by_ms = resumed_by_ms(terms, patches.runs_with(job, now_ms), interval_ms)
        if later[0] <= resumes_by_ms and self._patch(job, body, now_ms):
            self._look(self.cache.jobs[job.uid], now_ms)
            self.writes.tell(job, "Paused", sentence, now_ms)

    def _tell_policies(self, now_ms: int) -> None:
        """Write conditions and what was learnt into the status of policies, where that changed."""
        overlaps = conflicts(self.cache.policies.values())
        for policy in list(self.cache.policies.values()):
            learnt = self.learning.learnt(policy, now_ms)
            status = status_of(policy, overlaps.get(policy.name, ""), learnt, now_ms)
            if status is not None and self.writes.policy_status(policy, status):
                self.learning.written(policy, learnt, now_ms)

    def _settle(self, now_ms: int) -> None:
        """Settle what ended, as actual intensity comes."""
        if now_ms < self.settler.next_ms():
            return
        specs = {p.name: p.spec for p in self.cache.policies.values() if p.spec is not None}
        for one in self.settler.turn(self.cache.records, specs, now_ms):
            job = self.cache.jobs.get(one.uid)
            if job is not None and one.settled is not None:
                self.writes.tell(job, "Settled", words.settled(one.settled), now_ms)

    def _tell_again(self, now_ms: int) -> None:
        """Tell again why Jobs wait: Events expire."""
        for uid, told in self.writes.told_long_ago(now_ms):
            found, job = self.standing.get(uid), self.cache.jobs.get(uid)
            if found is None or job is None or found.standing not in LASTING:
                self.writes.hush(uid)
            elif not self.writes.tell(job, told.reason, told.sentence, now_ms):
                return

    def _next_ms(self, now_ms: int) -> int:
        """Return when something is due, at the latest after a while."""
        tried_ms = (self.writes.try_ms(self.cache.jobs[uid]) for uid in self._ready)
        if self.cache.dirty or self.cache.departed or 0 in tried_ms:
            return now_ms + MS_PER_S  # something was refused or came in between
        ends = [self.planner.next_ms(now_ms), self.settler.next_ms(), self._alarms.first_ms()]
        soon_ms = (max(at_ms, now_ms + MS_PER_S) for at_ms in ends if at_ms is not None)
        return min(now_ms + self.idle_ms, *soon_ms)


def _candidate(job: Job, terms: Terms) -> Candidate:
    return Candidate(
        job=job,
        terms=terms,
        released_ms=None if job.is_suspended else patches.released_ms(job),
        planned_ms=patches.planned_ms(job),
    )
