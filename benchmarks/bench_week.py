"""A generated week with every switch on."""

from __future__ import annotations

from dataclasses import replace

from benchmarks import Figures, benchmark, best_times, cold_s
from benchmarks.worlds import tiny, week
from greensched.engine.simulate import simulate


@benchmark("week", limit_s=420, at_most={"replay_s": 3.0})
def one_week() -> Figures:
    """Replay 1,000,000 generated jobs (gangs; lengths a tenth) and 100 services for 7 days.

    On 1,000 machines of 64 cores, 600 for services and 400 for batch, with elastic capacity,
    tidal scheduling and co-location awake every 60 s; `without_switches_s` is the same without
    policies, the data plane alone.
    """
    tiny()
    setting = week()
    jobs = setting.jobs
    run = simulate(setting)
    wall_s, cpu_s = best_times(lambda: simulate(setting), repeats=3)
    bare = replace(setting, policies=())
    bare_s, bare_cpu_s = best_times(lambda: simulate(bare), repeats=3)
    decisions = sum(run.end_ms // policy.period_ms for policy in setting.policies)
    return {
        "tasks": 0 if jobs is None else int(jobs.tasks.sum()),
        "completed": run.counts["completed"],
        "evictions": run.counts["evictions"],
        "replay_s": wall_s,
        "replay_cpu_s": cpu_s,
        "without_switches_s": bare_s,
        "without_switches_cpu_s": bare_cpu_s,
        "decisions": decisions,
        "cpu_ms_per_decision": (cpu_s - bare_cpu_s) * 1e3 / decisions,
        "cold_s": cold_s("benchmarks.worlds", "week", repeats=1),
    }
