"""The SURF week: 2.3 million measured fragments on 279 machines."""

from __future__ import annotations

from benchmarks import SKIPPED, Figures, benchmark, best_times, cold_s
from benchmarks.worlds import surf, surf_setting
from greensched.engine.simulate import simulate
from greensched.scenario.paths import DATA_VARIABLE, data_root


@benchmark("surf-week", limit_s=180, at_most={"store_and_replay_s": 0.5, "peak_rss_mib": 572})
def surf_week() -> Figures:
    """Open the warm trace store of simulations/surf-week.yaml and replay it on 279 machines.

    Fragments of equal use that follow one another are one step of use.
    """
    if data_root() is None:
        return {SKIPPED: f"needs ${DATA_VARIABLE}"}
    scenario = surf()
    setting = surf_setting(scenario)  # imports the trace where that has not been done
    simulate(setting)
    both_s, both_cpu_s = best_times(lambda: simulate(surf_setting(scenario)), repeats=5)
    replay_s, replay_cpu_s = best_times(lambda: simulate(setting), repeats=5)
    return {
        "use_steps": 0 if setting.jobs is None else len(setting.jobs.use_until_ms),
        "store_and_replay_s": both_s,
        "store_and_replay_cpu_s": both_cpu_s,
        "replay_s": replay_s,
        "replay_cpu_s": replay_cpu_s,
        "cold_s": cold_s("benchmarks.worlds", "surf"),
    }
