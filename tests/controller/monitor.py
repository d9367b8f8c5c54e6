"""What must hold whatever fails: watched from outside, by rules of its own.

It hears of every write and knows who made it. When a Job has to start it works out anew from the
user's words, not with the controller's code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greensched.controller.deferral import HELD, OVERRIDDEN
from greensched.controller.names import DEFER_LABEL, KUEUE_QUEUE, PREFIX
from greensched.providers.points import instant_ms, utc
from greensched.units import MS_PER_H, MS_PER_MIN, MS_PER_S
from tests.controller.runner import WHO

if TYPE_CHECKING:
    from tests.controller.grid import Grid
    from tests.controller.store import Change, Json, Store

OURS = "greensched"  # how the names of our own actors begin
HUMAN = "human"
GRACE_MS = 10 * MS_PER_MIN
BLUR_MS = 30 * MS_PER_S  # a call that is slow takes effect later than it was decided
SPAN = re.compile(r"(\d+)([dhms])")
UNIT_MS = {"d": 24 * MS_PER_H, "h": MS_PER_H, "m": MS_PER_MIN, "s": MS_PER_S}


class ViolationError(AssertionError):
    """A promise was broken."""


def note(job: Json, name: str) -> str | None:
    """Return one of our annotations."""
    found: str | None = (job["metadata"].get("annotations") or {}).get(PREFIX + name)
    return found


def span(text: str) -> int:
    """Return a span [ms]; raises ValueError."""
    parts = SPAN.findall(text)
    if "".join(a + b for a, b in parts) != text or not parts:
        raise ValueError(text)
    return sum(int(a) * UNIT_MS[b] for a, b in parts)


@dataclass
class Watched:
    """What was seen of one Job."""

    touched: bool = False  # by us
    phase: str = ""  # of its record
    overridden: bool = False
    held: bool = False  # a human suspended it after it was let run, as all can see
    starts: int = 0  # by us
    since_ms: int | None = None  # it runs, because of us
    kept_ms: int = 0  # work that its runs kept
    must_ms: int | None = None  # since when it should run


@dataclass
class Monitor:
    """Checks every write as it comes, and waits at `look`."""

    store: Store
    grid: Grid
    seen: dict[str, Watched] = field(default_factory=dict)
    releases: int = 0
    waits: int = 0
    pauses: int = 0

    def hear(self, change: Change) -> None:
        """Check one write."""
        before, after, who = change.before, change.after, change.who
        if change.key[0] == "deferrals" and after is not None:
            one = self.seen.setdefault(after["spec"]["uid"], Watched())
            one.touched, one.phase = True, after["spec"]["phase"]
        if change.key[0] != "jobs":
            return
        ours = who.startswith(OURS)
        if ours and (before is None or after is None):
            raise ViolationError(f"{change.key}: made or deleted by us")
        if before is None or after is None or who == WHO:
            return
        uid = after["metadata"]["uid"]
        one = self.seen.setdefault(uid, Watched())
        was, now = bool(before["spec"].get("suspend")), bool(after["spec"].get("suspend"))
        if ours:
            self._ours(before, after, one, was=was, now=now)
        elif was != now:
            self._human(before, one, suspends=now)

    def _human(self, before: Json, one: Watched, *, suspends: bool) -> None:
        """Follow a human as far as anything can tell of it later: our note, or the record."""
        is_ours = note(before, "released-at") is not None
        if suspends:
            one.held = is_ours or one.phase == OVERRIDDEN
            one.overridden &= one.held
        else:
            one.overridden = not is_ours or one.phase in (HELD, OVERRIDDEN)
            one.held = False

    def _ours(self, before: Json, after: Json, one: Watched, *, was: bool, now: bool) -> None:
        name = before["metadata"]["name"]
        labels = before["metadata"].get("labels") or {}
        if labels.get(DEFER_LABEL) != "true" and not one.touched:
            raise ViolationError(f"{name}: touched without the label")
        if _foreign(before):
            raise ViolationError(f"{name}: is somebody else's")
        one.touched = True
        pausable = note(before, "interruptible") == "true"
        if was and not now:
            self._started(before, one, pausable=pausable)
        elif now and not was:
            self._paused(name, before, one, pausable=pausable)
        elif was and (planned := note(after, "planned-start")) is not None:
            self._announced(before, name, planned)

    def _started(self, job: Json, one: Watched, *, pausable: bool) -> None:
        name = job["metadata"]["name"]
        self.releases += 1
        one.starts += 1
        if one.starts > 1 and not pausable:
            raise ViolationError(f"{name}: started twice")
        if one.held:
            raise ViolationError(f"{name}: a human holds it, and we let it run")
        hold = note(job, "hold-until")
        if hold and not note(job, "run-now") and _instant(hold) > self.store.now_ms() + MS_PER_MIN:
            raise ViolationError(f"{name}: let run before hold-until")
        one.since_ms, one.must_ms = self.store.now_ms(), None

    def _paused(self, name: str, job: Json, one: Watched, *, pausable: bool) -> None:
        self.pauses += 1
        if not pausable:
            raise ViolationError(f"{name}: paused though it is not interruptible")
        if one.overridden or (job["metadata"].get("labels") or {}).get(DEFER_LABEL) != "true":
            raise ViolationError(f"{name}: paused though a human let it run, or took its label")
        assert one.since_ms is not None
        step = span(note(job, "checkpoint-interval") or "")
        ran_ms = self.store.now_ms() - one.since_ms + BLUR_MS
        one.kept_ms += ran_ms // step * step
        one.since_ms = None

    def _announced(self, job: Json, name: str, planned: str) -> None:
        """A wait is for hours of which something was told, not for those that nobody knows."""
        self.waits += 1
        if note(job, "planned-start") == planned:
            return
        start = (_instant(planned) - self.grid.zero_ms) // MS_PER_H
        for_room = any("capacity" in p["spec"] for p in self._policies())
        if start not in self.grid.known and not for_room:
            raise ViolationError(f"{name}: waits for {planned}, of which no source told")

    # -- waits ---------------------------------------------------------------------------------

    def look(self) -> None:
        """Check that nothing waits that must not."""
        now_ms = self.store.now_ms()
        for key, job in self.store.objects.items():
            if key[0] != "jobs":
                continue
            one = self.seen.setdefault(job["metadata"]["uid"], Watched())
            why = self._must(job, one, now_ms)
            if not why:
                one.must_ms = None
            elif one.must_ms is None:
                one.must_ms = now_ms
            elif now_ms - one.must_ms > GRACE_MS:
                since = utc(one.must_ms)
                raise ViolationError(f"{key[2]}: waits since {since} though {why} ({utc(now_ms)})")

    def _must(  # noqa: PLR0911 - one rule after the other
        self, job: Json, one: Watched, now_ms: int
    ) -> str:
        """Return why a Job has to run now, empty where it need not."""
        labels = job["metadata"].get("labels") or {}
        is_ours = labels.get(DEFER_LABEL) == "true" or one.touched
        if not job["spec"].get("suspend") or one.held or _foreign(job) or not is_ours:
            return ""
        if (job.get("status") or {}).get("conditions"):
            return ""
        hold = note(job, "hold-until")
        if note(job, "run-now") is not None:
            return "run-now"
        try:
            if hold is not None and instant_ms(hold) > now_ms:
                return ""
            latest_ms = self._latest(job, one)
        except ValueError as error:
            return f"{error} cannot be read"
        if labels.get(DEFER_LABEL) != "true":
            return "its label is gone"
        if latest_ms is None:
            return "nothing says by when"
        return f"its latest start was {utc(latest_ms)}" if latest_ms <= now_ms else ""

    def _policies(self) -> list[Json]:
        kinds = self.store.objects.items()
        return [o for k, o in kinds if k[0] == "carbonpolicies" and _covers(o)]

    def _latest(self, job: Json, one: Watched) -> int | None:
        """Return when a Job has to start by the user's words."""
        policies = self._policies()
        if len(policies) != 1:
            return 0
        created_ms = instant_ms(job["metadata"]["creationTimestamp"])
        words = {n: note(job, n) for n in ("deadline", "max-delay", "duration")}
        cron = any(o["kind"] == "CronJob" for o in job["metadata"].get("ownerReferences") or [])
        step, duration = note(job, "checkpoint-interval"), words["duration"]
        length_ms = span(duration) if duration else MS_PER_H
        delay_ms = span(words["max-delay"]) if words["max-delay"] else None
        end_ms = instant_ms(words["deadline"]) if words["deadline"] else None
        end_ms = None if cron else end_ms
        if step:
            span(step)
        if note(job, "interruptible") not in (None, "true", "false"):
            raise ValueError(note(job, "interruptible"))
        if delay_ms is None and end_ms is None:
            default = (policies[0]["spec"].get("defaults") or {}).get("maxDelay")
            delay_ms = span(default) if default else None
        ends = [] if delay_ms is None else [created_ms + delay_ms]
        ends += [] if end_ms is None else [end_ms - length_ms - _margin(length_ms)]
        if not ends:
            return None
        latest_ms = min(ends)
        if not one.starts:
            return latest_ms
        left_ms = max(MS_PER_S, length_ms - one.kept_ms)
        last_ms = latest_ms + length_ms if end_ms is None else end_ms
        return last_ms - left_ms - _margin(left_ms)


def _margin(length_ms: int) -> int:
    return max(5 * MS_PER_MIN, length_ms // 10)


def _instant(text: str) -> int:
    try:
        return instant_ms(text)
    except ValueError:
        return 0


def _covers(policy: Json) -> bool:
    """Tell whether a policy is meant for the Jobs; one that nobody can read is for none."""
    spaces = policy["spec"].get("namespaces") or []
    is_read = (policy["spec"].get("defaults") or {}).get("maxDelay") != "never"
    return is_read and (not spaces or "jobs" in spaces)


def _foreign(job: Json) -> bool:
    meta, manager = job["metadata"], job["spec"].get("managedBy")
    owners = [o for o in meta.get("ownerReferences") or [] if o["kind"] != "CronJob"]
    queued = KUEUE_QUEUE in (meta.get("labels") or {})
    return bool(owners) or queued or manager not in (None, "kubernetes.io/job-controller")
