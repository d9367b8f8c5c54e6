"""One seed, one history: Jobs, people and faults around the controller under a virtual clock.

`python -m tests.controller.simulate SEED` repeats one, with what was done.
"""

from __future__ import annotations

import heapq
import sys
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from greensched.controller.api import ApiError
from greensched.controller.main import Clocks, Controller
from greensched.controller.names import CRON_TIME, DEFER_LABEL, KUEUE_QUEUE, PREFIX
from greensched.controller.overdue import release_overdue
from greensched.providers.points import utc
from greensched.units import MS_PER_H, MS_PER_MIN, MS_PER_S
from tests.controller.cases import START_MS, job_body, policy_body
from tests.controller.client import Clock, CrashError, FakeCluster, Faults, drawn_faults
from tests.controller.grid import drawn_grid, sources
from tests.controller.monitor import HUMAN, OURS, Monitor, ViolationError
from tests.controller.runner import Runner
from tests.controller.store import RefusedError, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.controller.planner import Foresight
    from tests.controller.store import Change

JOBS: Final = "/apis/batch/v1/namespaces/jobs/jobs"
POLICIES: Final = "/apis/greensched.io/v1alpha1/carbonpolicies"
FAULTY_MS: Final = 12 * MS_PER_H  # then all faults cease
SPAN_MS: Final = 34 * MS_PER_H
CRON_MS: Final = 5 * MS_PER_MIN
RETRY_MS: Final = 2 * MS_PER_S


class Patient(Controller):
    """The controller; idle for longer, since nothing sets this clock."""

    idle_ms = 5 * MS_PER_MIN


Factory = type[Controller]


@dataclass
class Replica:
    """One process: a controller with its reflectors; `wake_ms` None: it is down."""

    name: str
    cluster: FakeCluster
    controller: Controller
    reflectors: tuple[Any, ...]
    wake_ms: int


@dataclass
class World:
    """A cluster, its people, a grid, one or two controllers, and the way out."""

    seed: int
    factory: Factory = Patient
    log: list[str] = field(default_factory=list)
    queue: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    made: int = 0

    def __post_init__(self) -> None:
        """Draw everything from the seed."""
        self.random = Random(self.seed)  # noqa: S311 - no secret
        self.clock = Clock(START_MS)
        self.store = Store(self.clock.now_ms)
        self.runner = Runner(self.store)
        self.grid = drawn_grid(self.random, START_MS, faulty=self.random.random() < 0.7)
        self.monitor = Monitor(self.store, self.grid)
        self.store.hooks.append(self.monitor.hear)
        self.foresight: Foresight = sources(self.grid)
        self.faults = drawn_faults(self.random)
        self.has_way_out = self.random.random() < 0.7
        self.replicas: list[Replica | None] = [None] * (2 if self.random.random() < 0.3 else 1)

    # -- the run -------------------------------------------------------------------------------

    def run(self) -> World:
        """Run to the end; raises ViolationError with the line that repeats it."""
        try:
            self._fill()
            while self.clock.time_ms < START_MS + SPAN_MS:
                self._step()
            self._at_rest()
        except ViolationError as broken:
            again = f"repeat it: python -m tests.controller.simulate {self.seed}"
            if self.factory is not Patient:
                again += f" {self.factory.__name__}"
            raise ViolationError(f"seed {self.seed}: {broken}\n{again}") from None
        return self

    def _step(self) -> None:
        """Go on to what comes next."""
        at_ms, _, act = heapq.heappop(self.queue)
        ends = self.runner.next_ms()
        if ends is not None and ends < at_ms:
            self.clock.time_ms = max(self.clock.time_ms, ends)
            self.runner.step(self.clock.time_ms)
        self.clock.time_ms = max(self.clock.time_ms, at_ms)
        act()
        self.runner.step(self.clock.time_ms)
        self.monitor.look()

    def at(self, time_ms: int, act: Callable[[], None]) -> None:
        """Do something at an instant."""
        self.made += 1
        heapq.heappush(self.queue, (time_ms, self.made, act))

    def say(self, text: str) -> None:
        """Note what happens, for who repeats a seed."""
        self.log.append(f"{utc(self.clock.time_ms)} {text}")

    def _fill(self) -> None:
        """Draw who does what when."""
        r = self.random
        self._do("POST", POLICIES, policy_body(**self._drawn_policy()))
        cron = {"metadata": {"name": "nightly"}, "spec": {"schedule": "0 */8 * * *"}}
        self._do("POST", "/apis/batch/v1/namespaces/jobs/cronjobs", cron)
        for i in range(r.randrange(3, 14)):
            at_ms = START_MS + r.choice((0, r.randrange(8 * MS_PER_H)))
            self.at(at_ms, partial(self._new_job, f"job-{i}"))
            for _ in range(r.choice((0, 0, 0, 1, 1, 2, 3))):
                later_ms = at_ms + r.randrange(6 * MS_PER_H)
                self.at(later_ms, partial(self._meddle, f"job-{i}"))
        for _ in range(r.randrange(3)):
            self.at(START_MS + r.randrange(FAULTY_MS), self._govern)
        for _ in range(r.randrange(4)):
            self.at(START_MS + r.randrange(FAULTY_MS), self.store.compact)
        for k in range(len(self.replicas)):
            self.at(START_MS, partial(self._start, k))
            if r.random() < 0.4 and self.has_way_out:
                down_ms = START_MS + r.randrange(FAULTY_MS)
                self.at(down_ms, partial(self._stop, k, r.randrange(4 * MS_PER_H)))
        self.at(START_MS, self._way_out)
        self.at(START_MS + FAULTY_MS, self._calm)

    def _drawn_policy(self) -> dict[str, Any]:
        r = self.random
        spec: dict[str, Any] = {"defaults": r.choice(({}, {"maxDelay": "6h"}))}
        if r.random() < 0.4:
            spec["capacity"] = {"cpu": str(r.choice((2, 4, 8)))}
        return spec

    # -- our processes -------------------------------------------------------------------------

    def _nudge(self) -> None:
        """Wake the controllers for news soon, as their watches would."""
        for k, replica in enumerate(self.replicas):
            if replica is not None:
                soon_ms = self.clock.time_ms + self.random.randrange(90 * MS_PER_S)
                self.at(soon_ms, partial(self._turn, k, replica, again=False))

    def _start(self, k: int) -> None:
        cluster = FakeCluster(self.store, self.clock, f"{OURS}-{k}", self.faults)
        cluster.meddle = self._meddle
        cluster.local_skew_ms = self.random.choice((0, 0, -MS_PER_H, 2 * MS_PER_H, 90_000))
        clocks = Clocks(wall_ms=cluster.wall_ms, steady_s=lambda: self.clock.time_ms / MS_PER_S)
        controller = self.factory(cluster, self.foresight, clocks, f"{OURS}-{k}")
        replica = Replica(f"{OURS}-{k}", cluster, controller, controller.reflectors(), 0)
        self.replicas[k] = replica
        self.at(self.clock.time_ms, lambda: self._turn(k, replica))

    def _stop(self, k: int, span_ms: int) -> None:
        self.say(f"replica {k} is down for {span_ms // MS_PER_MIN} min")
        self.replicas[k] = None
        self.at(self.clock.time_ms + span_ms, lambda: self._start(k))

    def _turn(self, k: int, replica: Replica, *, again: bool = True) -> None:
        if self.replicas[k] is not replica:
            return  # it was stopped
        next_ms = self.clock.time_ms + RETRY_MS
        try:
            for reflector in replica.reflectors:
                try:
                    reflector.turn()
                except ApiError as error:
                    self.say(f"{replica.name}: {error}")
                    replica.cluster.is_behind = True
            next_ms = replica.controller.turn() - replica.cluster.skew_ms
            next_ms -= replica.cluster.local_skew_ms
            if replica.cluster.is_behind:  # who watches does so again at once
                replica.cluster.is_behind = False
                soon_ms = self.clock.time_ms + RETRY_MS
                self.at(soon_ms, partial(self._turn, k, replica, again=False))
        except ApiError as error:
            self.say(f"{replica.name}: {error}")
        except CrashError as crash:
            self.say(f"{replica.name} dies at {crash}")
            self.replicas[k] = None
            self.at(
                self.clock.time_ms + self.random.randrange(60 * MS_PER_S), lambda: self._start(k)
            )
            return
        if again:
            next_ms = max(self.clock.time_ms + MS_PER_S, next_ms)
            self.at(next_ms, lambda: self._turn(k, replica))

    def _way_out(self) -> None:
        """Run the independent CronJob, if there is one."""
        self.at(self.clock.time_ms + CRON_MS, self._way_out)
        if not self.has_way_out:
            return
        for _ in range(3):  # its Job is tried again
            cluster = FakeCluster(self.store, self.clock, f"{OURS}-overdue", self.faults)
            try:
                done = release_overdue(cluster, cluster.wall_ms)
            except (ApiError, CrashError) as error:
                self.say(f"release-overdue: {error}")
                continue
            for job, why in done.released:
                self.say(f"release-overdue: {job.name}: {why}")
            if not done.failed:
                return

    def _calm(self) -> None:
        """End all faults."""
        self.say("all faults end")
        replaced = Faults(random=self.faults.random)
        self.faults.__dict__.update(replaced.__dict__)
        for k, replica in enumerate(self.replicas):
            if replica is None:
                self._start(k)

    # -- people --------------------------------------------------------------------------------

    def _do(self, method: str, path: str, body: Any = None) -> Any:
        self._nudge()
        try:
            return self.store.handle(method, path, {}, body, HUMAN)
        except RefusedError:
            return None

    def _new_job(self, name: str) -> None:
        r = self.random
        hours = r.choice((1, 1, 2, 4))
        words: dict[str, str] = {"duration": f"{hours}h"}
        by = r.random()
        if by < 0.6:
            words["max_delay"] = r.choice(("1m", "30m", "2h", "6h", "12h", "10h30m"))
        elif by < 0.8:
            end_ms = self.clock.time_ms + hours * MS_PER_H + r.randrange(12 * MS_PER_H)
            words["deadline"] = utc(end_ms)
        if r.random() < 0.3:
            words |= {"interruptible": "true", "checkpoint_interval": r.choice(("10m", "30m"))}
        if r.random() < 0.1:
            words |= dict([r.choice((("max_delay", "soon"), ("deadline", "2026-03-11T00:00")))])
        actual_s = int(hours * 3_600 * r.uniform(0.5, 1.5))
        body = job_body(name, actual_s=actual_s, suspend=r.random() < 0.93, **words)
        self._odd(body)
        self.say(f"{name} is made: {words}")
        self._do("POST", JOBS, body)

    def _odd(self, body: Any) -> None:
        """Make a Job one that is not ours, sometimes."""
        meta, kind = body["metadata"], self.random.random()
        if kind < 0.05:
            del meta["labels"][DEFER_LABEL]
        elif kind < 0.08:
            meta["labels"][KUEUE_QUEUE] = "main"
        elif kind < 0.11:
            body["spec"]["managedBy"] = "example.org/other"
        elif kind < 0.14:
            owner = {"kind": "JobSet", "name": "set", "uid": "x", "controller": True}
            meta["ownerReferences"] = [owner]
        elif kind < 0.24:
            owner = {"kind": "CronJob", "name": "nightly", "uid": "y", "controller": True}
            meta["ownerReferences"] = [owner]
            meta["annotations"][CRON_TIME] = utc(self.clock.time_ms)

    def _meddle(self, name: str) -> None:
        """Let a person do something with a Job."""
        job = self.store.objects.get(("jobs", "jobs", name))
        if job is None:
            return
        what = self.random.choice(MEDDLING)
        self.say(f"a human: {what} {name}")
        path, labels = f"{JOBS}/{name}", {"metadata": {"labels": {DEFER_LABEL: None}}}
        if what == "lets run":
            self._do("PATCH", path, {"spec": {"suspend": False}})
        elif what == "suspends":
            if not job["spec"].get("suspend"):
                self._do("PATCH", path, {"spec": {"suspend": True}})
                if self.random.random() < 0.5:
                    until_ms = self.clock.time_ms + self.random.randrange(3 * MS_PER_H)
                    again = {"spec": {"suspend": False}}
                    self.at(until_ms, partial(self._do, "PATCH", path, again))
        elif what == "unlabels":
            self._do("PATCH", path, labels)
        elif what == "deletes":
            self._do("DELETE", path)
        elif what == "makes anew":
            self._do("DELETE", path)
            self._new_job(name)
        else:
            self._do("PATCH", path, self._edit(what))

    def _edit(self, what: str) -> Any:
        r = self.random
        hold = utc(self.clock.time_ms + r.randrange(6 * MS_PER_H))
        name, value = {
            "edits": ("max-delay", r.choice(("1h", "8h", "20h"))),
            "spoils": ("max-delay", "whenever"),
            "runs now": ("run-now", r.choice(("true", "yes"))),
            "holds": ("hold-until", hold),
        }[what]
        return {"metadata": {"annotations": {f"{PREFIX}{name}": value}}}

    def _govern(self) -> None:
        """Let a person do something with policies."""
        what = self.random.choice(("pause", "delete", "overlap", "break"))
        self.say(f"a human: policy {what}")
        path, undo_ms = f"{POLICIES}/default", self.clock.time_ms + self.random.randrange(MS_PER_H)
        if what == "pause":
            self._do("PATCH", path, {"spec": {"paused": True}})
            self.at(undo_ms, lambda: self._do("PATCH", path, {"spec": {"paused": False}}))
        elif what == "delete":
            self._do("DELETE", path)
            self.at(undo_ms, lambda: self._do("POST", POLICIES, policy_body()))
        elif what == "overlap":
            self._do("POST", POLICIES, policy_body("other"))
            self.at(undo_ms, lambda: self._do("DELETE", f"{POLICIES}/other"))
        else:
            self._do("PATCH", path, {"spec": {"defaults": {"maxDelay": "never"}}})
            self.at(undo_ms, lambda: self._do("PATCH", path, {"spec": {"defaults": None}}))

    # -- the end -------------------------------------------------------------------------------

    def _at_rest(self) -> None:
        """All that may run has run and is closed, and nothing is written any more."""
        for key, job in self.store.objects.items():
            if key[0] != "jobs":
                continue
            one = self.monitor.seen[job["metadata"]["uid"]]
            ended = bool((job.get("status") or {}).get("conditions"))
            if one.starts and not one.held and not ended:
                raise ViolationError(f"{key[2]} never ended")
        for key, record in self.store.objects.items():
            spec = record.get("spec") or {}
            if key[0] == "deferrals" and spec["phase"] == "Ended" and not spec["isFinal"]:
                raise ViolationError(f"the record of {spec['job']} is never closed")
        written: list[Change] = []  # but for Events, which are told again every hour
        self.store.hooks.append(lambda c: None if c.key[0] == "events" else written.append(c))
        for k, replica in enumerate(self.replicas):
            assert replica is not None
            self._turn(k, replica)
        if written:
            raise ViolationError("it still writes, with nothing to do")


MEDDLING: Final = (
    "lets run",
    "suspends",
    "unlabels",
    "deletes",
    "makes anew",
    "edits",
    "spoils",
    "runs now",
    "holds",
)


def main(seed: str, *bug: str) -> None:
    """Repeat one seed and tell what was done."""
    from tests.controller.bugs import BUGS

    world = World(int(seed), BUGS[bug[0]] if bug else Patient)
    try:
        world.run()
    finally:
        for line in world.log:
            sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
