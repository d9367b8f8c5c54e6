"""The Kubernetes controller with ten thousand waiting Jobs: a plan, memory, calls, a whole day."""

from __future__ import annotations

import gc
import json
import math
import resource
import tracemalloc
from random import Random
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

from benchmarks import MIB, Figures, benchmark
from greensched.controller.main import Clocks, Controller
from greensched.units import MS_PER_DAY
from tests.controller.cases import START_MS, job_body, policy_body
from tests.controller.client import Clock, FakeCluster
from tests.controller.grid import HOURS, Grid, sources
from tests.controller.runner import Runner
from tests.controller.store import Store

if TYPE_CHECKING:
    from greensched.controller.api import Json, Kind
    from greensched.controller.reflector import Reflector

JOBS = 10_000
CORES = 4_000  # that Jobs of 2 cores may use together: the whole day is needed


class Decoded(FakeCluster):
    """The fake server, each answer decoded anew as from a wire: for memory, not for time."""

    def page(self, kind: Kind, *, namespace: str = "", label: str = "", more: str = "") -> Json:
        """Return a page, decoded."""
        found = super().page(kind, namespace=namespace, label=label, more=more)
        decoded: Json = json.loads(json.dumps(found))
        return decoded


class Cluster:
    """A fake API server with Jobs that wait, and a controller of it."""

    def __init__(self) -> None:
        """Make the Jobs; nobody looks yet."""
        self.clock = Clock(START_MS)
        self.store = Store(self.clock.now_ms)
        self.runner = Runner(self.store)
        self.cluster = FakeCluster(self.store, self.clock, "greensched")
        policy = policy_body(capacity={"cpu": str(CORES)})
        self._make("/apis/greensched.io/v1alpha1/carbonpolicies", policy)
        random = Random(7)  # noqa: S311 - no secret
        for i in range(JOBS):
            run_min, delay_min = random.randrange(20, 100), random.randrange(6 * 60, 22 * 60)
            words: dict[str, Any] = {"duration": f"{run_min}m", "max_delay": f"{delay_min}m"}
            body = job_body(f"job-{i:05}", actual_s=60 * run_min, **words)
            self._make("/apis/batch/v1/namespaces/jobs/jobs", body)
        self.runner.step(self.clock.time_ms)
        self.store.calls.clear()

    def _make(self, path: str, body: Any) -> None:
        self.store.handle("POST", path, {}, body, "human")

    def controller(
        self, cluster: FakeCluster | None = None
    ) -> tuple[Controller, tuple[Reflector, ...]]:
        """Return a controller that has seen nothing."""
        values = tuple(300 + 150 * math.sin(h * math.pi / 12) for h in range(HOURS))
        clocks = Clocks(wall_ms=self.cluster.wall_ms, steady_s=lambda: 0.0)
        grid = sources(Grid(START_MS, values))
        found = Controller(cluster or self.cluster, grid, clocks, "greensched")
        return found, found.reflectors()

    def day(self, found: Controller, reflectors: tuple[Reflector, ...]) -> int:
        """Let 24 hours pass; return how many turns that took."""
        turns, end_ms = 0, START_MS + MS_PER_DAY
        while self.clock.time_ms < end_ms:
            for one in reflectors:
                one.turn()
            next_ms = found.turn()
            turns += 1
            self.runner.step(self.clock.time_ms)
            next_ms = min(next_ms, self.runner.next_ms() or next_ms)
            self.clock.time_ms = max(self.clock.time_ms + 1_000, next_ms)
            self.runner.step(self.clock.time_ms)
        return turns


@benchmark(
    "controller",
    limit_s=200,
    at_most={"plan_cpu_s": 1.0, "growth_mib": 80, "day_cpu_s": 60, "calls_per_job": 12},
    at_least={"ended": JOBS},
)
def controller() -> Figures:
    """Ten thousand waiting Jobs: one plan, the memory of knowing them, and 24 virtual hours.

    One process does all of it, so what it computes is what it takes on a machine at rest.
    Watches are not among the calls: the fake's last a turn, a server's five minutes.
    """
    world = Cluster()
    found, reflectors = world.controller()
    for one in reflectors:
        one.turn()
    found._assess(START_MS)  # noqa: SLF001 - the plan alone is timed
    began_s, began_cpu_s = perf_counter(), process_time()
    found._plan(START_MS)  # noqa: SLF001
    plan_s, plan_cpu_s = perf_counter() - began_s, process_time() - began_cpu_s
    growth = _growth(world)
    world.store.calls.clear()
    began_s, began_cpu_s = perf_counter(), process_time()
    turns = world.day(found, reflectors)
    day_s, day_cpu_s = perf_counter() - began_s, process_time() - began_cpu_s
    ended = [o for k, o in world.store.objects.items() if k[0] == "deferrals"]
    writes = sum(n for call, n in world.store.calls.items() if call.split()[0] in WRITES)
    return {
        "jobs": JOBS,
        "plan_s": plan_s,
        "plan_cpu_s": plan_cpu_s,
        "growth_mib": growth / MIB,
        "day_s": day_s,
        "day_cpu_s": day_cpu_s,
        "turns": turns,
        "calls_per_job": sum(world.store.calls.values()) / JOBS,
        "writes_per_job": writes / JOBS,
        "ended": sum(o["spec"]["phase"] == "Ended" for o in ended),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024 / MIB,
    }


WRITES = ("POST", "PUT", "PATCH")


def _growth(world: Cluster) -> int:
    """Return the bytes that a controller comes to hold that knows and has planned all Jobs."""
    gc.collect()
    tracemalloc.start()
    found, reflectors = world.controller(Decoded(world.store, world.clock, "greensched"))
    before, _ = tracemalloc.get_traced_memory()
    for one in reflectors:
        one.turn()
    found._assess(START_MS)  # noqa: SLF001
    found._plan(START_MS)  # noqa: SLF001
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak - before
