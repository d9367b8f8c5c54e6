"""Large worlds, and many runs of a small one."""

from __future__ import annotations

from benchmarks import Figures, benchmark, best_times, peak_rss_mib
from benchmarks.worlds import ROOT, tiny, week
from greensched.engine.simulate import simulate
from greensched.experiment import Processes, Question, run
from greensched.experiment.size import size
from greensched.scenario import load

ALIBABA_JOBS, ALIBABA_MACHINES, ALIBABA_DAYS = 14_300_000, 4_034, 8
ALIBABA_SHORTER = 50  # lengths are divided by this: half of the batch machines are then in use
WORKERS = 2
WEEK = ROOT / "simulations" / "tidal-week.yaml"


@benchmark("alibaba", limit_s=300, at_most={"replay_s": 10.0, "peak_rss_mib": 2_048})
def alibaba_size() -> Figures:
    """Replay a generated trace of Alibaba 2018's size with all switches.

    14.3 million jobs (gangs among them) and 100 services on 4,034 machines for 8 days; elastic
    capacity, tidal scheduling and co-location, once, after the kernels are loaded.
    """
    tiny()
    setting = week(
        job_count=ALIBABA_JOBS,
        machines=ALIBABA_MACHINES,
        days=ALIBABA_DAYS,
        shorter=ALIBABA_SHORTER,
    )
    generated_mib = peak_rss_mib()
    runs = []
    wall_s, cpu_s = best_times(lambda: runs.append(simulate(setting)), repeats=1)
    return {
        "completed": runs[0].counts["completed"],
        "replay_s": wall_s,
        "replay_cpu_s": cpu_s,
        "us_per_job": 1e6 * cpu_s / ALIBABA_JOBS,
        "generated_rss_mib": generated_mib,
    }


@benchmark("combinations", limit_s=300, at_most={"all_s": 5.0})
def all_combinations() -> Figures:
    """Attribute the bundled week: all 32 combinations of its five switches on two processes."""
    tiny()
    scenario = load(WEEK)
    with Processes(WORKERS) as executor:
        run(scenario, attribution=Question(), bounds=False, executor=executor)
        wall_s, _ = best_times(
            lambda: run(scenario, attribution=Question(), bounds=False, executor=executor),
            repeats=1,
        )
    return {"all_s": wall_s, "runs": 2 ** len(scenario.policies) + 2}


@benchmark("size", limit_s=600, at_most={"size_s": 10.0})
def sizing() -> Figures:
    """Size the bundled week: scenario, baseline and static-peak, on two processes."""
    tiny()
    scenario = load(WEEK)
    found = []
    with Processes(WORKERS) as executor:
        wall_s, _ = best_times(lambda: found.append(size(scenario, executor=executor)), repeats=1)
    return {"size_s": wall_s, **{f"{k}_machines": n or 0 for k, n in found[0].needed.items()}}
