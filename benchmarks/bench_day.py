"""A million one-core jobs in a day, against the clock and against SimPy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import Figures, benchmark, best_of, best_times, cold_s
from benchmarks.worlds import day, day_jobs, tiny
from greensched.engine.simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import simpy

    from greensched.model import Jobs

CORES = 6_400  # 100 machines of 64
PART = 0.1  # of the day, for SimPy


@benchmark("day", limit_s=120, at_most={"replay_s": 0.5})
def one_day() -> Figures:
    """Replay 1,000,000 one-core jobs (exponential, 300 s) of a day on 100 machines of 64 cores."""
    tiny()
    setting = day(day_jobs())
    wall_s, cpu_s = best_times(lambda: simulate(setting), repeats=7)
    return {
        "replay_s": wall_s,
        "replay_cpu_s": cpu_s,
        "cpu_us_per_job": cpu_s,  # a million jobs
        "cold_s": cold_s("benchmarks.worlds", "day"),
    }


@benchmark("day-memory", limit_s=60, at_most={"peak_rss_mib": 286})
def one_day_once() -> Figures:
    """Replay that day once in a fresh process: what it takes in memory, numba's own included."""
    return {"completed": simulate(day(day_jobs())).counts["completed"]}


@benchmark("simpy", limit_s=180, at_least={"over_container": 30.0})
def against_simpy() -> Figures:
    """Replay the first tenth of that day, SimPy alone and greensched in turn.

    SimPy's model is one pool of 6,400 cores without machines or energy: a `Container`, and a
    `Resource` of that capacity.
    """
    tiny()
    setting = day(day_jobs(), share=PART)
    table = setting.jobs
    if table is None or day_jobs().submit_ms[-1] < setting.window_ms:
        raise ValueError("the part must end before the day does")
    completed = simulate(setting).counts["completed"]
    for model in (container, resource):
        if (seen := pooled(table, model)) != completed:
            raise ValueError(f"{model.__name__} completed {seen} jobs, greensched {completed}")
    own_s, own_cpu_s = best_times(lambda: simulate(setting), repeats=7)
    container_s, container_cpu_s = best_times(lambda: pooled(table, container))
    resource_s = best_of(lambda: pooled(table, resource), repeats=2)
    return {
        "jobs": len(table),
        "own_s": own_s,
        "container_s": container_s,
        "resource_s": resource_s,
        "over_container": container_s / own_s,
        "over_container_cpu": container_cpu_s / own_cpu_s,
        "over_resource": resource_s / own_s,
    }


def pooled(table: Jobs, model: Callable[[simpy.Environment, list[int]], Model]) -> int:
    """Run SimPy over all jobs of `table` to the last's end and return how many completed."""
    import simpy

    done: list[int] = []
    environment = simpy.Environment()
    take = model(environment, done)
    environment.process(
        arrivals(environment, table.submit_ms.tolist(), table.duration_ms.tolist(), take)
    )
    environment.run()
    return len(done)


if TYPE_CHECKING:
    Model = Callable[[int], Generator[simpy.Event, object, None]]


def arrivals(
    environment: simpy.Environment, submit_ms: list[int], duration_ms: list[int], take: Model
) -> Generator[simpy.Event, object, None]:
    """Start a process a job at its submit."""
    now = 0
    for submit, duration in zip(submit_ms, duration_ms, strict=True):
        if submit > now:
            yield environment.timeout(submit - now)
            now = submit
        environment.process(take(duration))


def container(environment: simpy.Environment, done: list[int]) -> Model:
    """Return the process of a job that takes a core from a `Container`."""
    import simpy

    pool = simpy.Container(environment, CORES, CORES)

    def run(duration_ms: int) -> Generator[simpy.Event, object, None]:
        yield pool.get(1)
        yield environment.timeout(duration_ms)
        yield pool.put(1)
        done.append(1)

    return run


def resource(environment: simpy.Environment, done: list[int]) -> Model:
    """Return the process of a job that holds one of a `Resource`."""
    import simpy

    pool = simpy.Resource(environment, CORES)

    def run(duration_ms: int) -> Generator[simpy.Event, object, None]:
        with pool.request() as request:
            yield request
            yield environment.timeout(duration_ms)
        done.append(1)

    return run
