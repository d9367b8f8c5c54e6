"""The limits of shifting: a folder of zones to the finished document."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks import Figures, benchmark, best_times, cold_s
from greensched.bounds.limits import time_limits

ZONES, HOURS = 123, 8_760
LENGTHS_H = (1, 6, 12, 24, 48, 168)
SLACK_H = 24


@benchmark("carbon-limits", limit_s=120, at_most={"command_s": 2.0})
def limits() -> Figures:
    """Tell the limits of 123 zones, a CSV file of a year each, for six lengths; from the shell."""
    draw = np.random.default_rng(0)
    day = 1.0 + 0.2 * np.cos(np.arange(HOURS) * 2 * np.pi / 24)
    hours = {f"Z{i}": np.round(day * draw.uniform(40, 900, HOURS), 2) for i in range(ZONES)}
    times = (np.datetime64("2022-01-01T00") + np.arange(HOURS)).astype("datetime64[s]").astype(str)
    with tempfile.TemporaryDirectory() as folder:
        for zone, values in hours.items():
            rows = "".join(f"{t}Z,{v}\n" for t, v in zip(times, values.tolist(), strict=True))
            text = f"timestamp,carbon_intensity\n{rows}"
            Path(folder, f"{zone}_2022.csv").write_text(text, encoding="utf-8")
        length = ",".join(f"{h}h" for h in LENGTHS_H)
        command = ("greensched", "carbon", "limits", folder, "--length", length, "-o", "json")
        command_s = cold_s(*command, repeats=3)
    sums_s, sums_cpu_s = best_times(lambda: time_limits(hours, LENGTHS_H, SLACK_H))
    return {"command_s": command_s, "sums_s": sums_s, "sums_cpu_s": sums_cpu_s}
