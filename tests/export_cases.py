"""A run that decided something of everything, made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from greensched.export.decided import Decided
from greensched.scenario import loads

SCENARIO = """\
apiVersion: greensched/v1
kind: Scenario
name: everything
window: {start: 2024-01-01T00:00+08:00, days: 7}
sites: [{name: hz, zone: CN-EAST, pue: 1.25, intensity: 500 g/kWh}]
fleet:
  - name: gen8
    site: hz
    count: 8
    cores: 64
    memory: 256 GiB
    power: {idle: 110 W, peak: 320 W}
traces: {services: services.csv, jobs: jobs.csv}
policies:
  - {kind: elastic, target: 0.55}
  - {kind: colocation, max_cpu: 0.8, reclaim_cpu_share: 0.7}
  - {kind: shifting, max_delay: 90 min}
"""


def decided(**changes: object) -> Decided:
    """Return a week in which `shop` follows the day, less on weekends, and `on` never changes."""
    hours = np.arange(24 * 7)
    day, hour = hours // 24, hours % 24
    shop = np.where((hour >= 8) & (hour < 20), np.where(day < 5, 9.4, 6.0), 2.0)
    frames = [
        pd.DataFrame(
            {
                "service": name,
                "start_s": 3600.0 * hours,
                "replicas_mean": values,
                "replicas_max": values,
            }
        )
        for name, values in (
            ("team/shop", shop),
            ("on", np.full(len(hours), 3.0)),
            ("Not_A_Name", shop),
        )
    ]
    jobs = pd.DataFrame(
        {
            "cores": [2.0, 4.0, 8.0, 1.0],
            "tasks": [1, 2, 1, 1],
            "start_s": [0.0, 10.0, 20.0, np.nan],
            "end_s": [20.0, 30.0, 40.0, np.nan],
        }
    )
    settings = {
        "scenario": loads(SCENARIO),
        "replicas": pd.concat(frames),
        "jobs": jobs,
        "provider": "china",
    }
    return Decided(**(settings | changes))  # type: ignore[arg-type]
