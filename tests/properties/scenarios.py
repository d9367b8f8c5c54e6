"""Hypothesis strategy: small random scenarios, with services, jobs and databases, and switches."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

import greensched as gs

if TYPE_CHECKING:
    from greensched.scenario import Scenario

# A scenario reads its files when it is run; they go when the process ends.
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
SWITCHES = ("elastic", "tidal", "colocation", "consolidation")
HOURS = 6
START = "2024-01-02T00:00Z"
TEXT = """\
apiVersion: greensched/v1
kind: Scenario
name: drawn
window: {{start: {start}, hours: {hours}}}
seed: {seed}
sites: [{{name: here, zone: A, pue: {pue}, intensity: {{source: grid.csv, basis: direct}}}}]
fleet:
  - {{name: old, site: here, count: 5, cores: 16, memory: 64 GiB,
     power: {{idle: 90 W, peak: 250 W}},
     embodied: {{kgco2e: 1000, range: [800, 1300], lifetime: 5 y}}}}
  - {{name: new, site: here, count: 4, cores: 32, memory: 128 GiB,
     power: {{idle: 60 W, peak: 300 W}}, sleep: {{power: 12 W, wake: 30 s}}, boot: {{time: 60 s}}}}
  - {{name: data, site: here, role: database, count: 4, cores: 8, memory: 64 GiB, disk: 400 GiB,
     iops: 4000, racks: 2, power: {{idle: 50 W, peak: 150 W}}}}
traces:
  services: {{file: services.csv}}
  jobs: {{file: jobs.csv}}
  databases: databases.csv
slo: {{latency_factor_p99: 1.5, shortage_share: 0.01, deadline_miss: 0.2}}
baseline: {{kind: {baseline}}}
end: {end}
prices: {{energy: 0.12 EUR/kWh}}
policies: [{policies}]
"""


@st.composite
def scenarios(draw: st.DrawFn, *, switches: tuple[str, ...] = SWITCHES) -> Scenario:
    """Draw a scenario of six hours with some of the switches, all of its contents by one seed."""
    on = draw(st.sets(st.sampled_from(switches))) if switches else set()
    return drawn(
        draw(st.integers(0, 2**32 - 1)),
        switches=tuple(kind for kind in switches if kind in on),
        pue=draw(st.sampled_from([1.0, 1.2, 1.7])),
        baseline=draw(st.sampled_from(["autoscaled", "static-peak"])),
        end=draw(st.sampled_from(["drain", "cut"])),
    )


def drawn(
    seed: int,
    *,
    switches: tuple[str, ...] = SWITCHES,
    pue: float = 1.7,
    baseline: str = "autoscaled",
    end: str = "cut",
) -> Scenario:
    """Return the scenario of this seed."""
    hours = {"tidal": ", start: 01:00, end: 05:00"}
    _FOLDERS.append(tempfile.TemporaryDirectory(prefix="drawn-"))
    folder = Path(_FOLDERS[-1].name)
    _write(folder, np.random.default_rng(seed))
    (folder / "drawn.yaml").write_text(
        TEXT.format(
            start=START,
            hours=HOURS,
            seed=seed % 1_000,
            pue=pue,
            baseline=baseline,
            end=end,
            policies=", ".join(f"{{kind: {kind}{hours.get(kind, '')}}}" for kind in switches),
        ),
        encoding="utf-8",
    )
    return gs.load(folder / "drawn.yaml")


def _write(folder: Path, rng: np.random.Generator) -> None:
    """Write the traces and the intensity into a folder."""
    rows = ["zone,timestamp,carbon_intensity_g_per_kwh"]
    rows += [
        f"A,2024-01-{1 + h // 24:02}T{h % 24:02}:00:00Z,{rng.integers(20, 900)}"
        for h in range(30 * 24)
    ]
    _put(folder / "grid.csv", rows)
    rows = ["service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib"]
    steps = range(0, HOURS * 3_600, 600)
    for name in ("shop", "web"):
        least, span = rng.integers(500, 6_000), rng.integers(1, 20_000)
        rows += [
            f"{name},{s},{least + int(span * abs(np.sin(s / 7_000)))},2000,2048" for s in steps
        ]
    _put(folder / "services.csv", rows)
    rows = ["job,submit_s,duration_s,cpu_m,memory_mib,deadline_s"]
    at_s = 0
    for i in range(int(rng.integers(1, 40))):
        at_s += int(rng.integers(1, 900))
        length_s = int(rng.integers(10, 6_000))
        due_s = at_s + length_s + int(rng.integers(0, 3_600))
        cpu_m = rng.choice([1_000, 4_000, 12_000])
        rows.append(f"j{i},{at_s},{length_s},{cpu_m},{rng.integers(100, 9_000)},{due_s}")
    _put(folder / "jobs.csv", rows)
    rows = ["database,time,cpu_m,iops,memory_mib,disk_gib,replicas,apart"]
    for name in ("a", "b"):
        cpu_m = rng.integers(200, 2_500)
        rows += [
            f"{name},2024-01-0{1 + h // 24}T{h % 24:02}:00Z,{cpu_m + rng.integers(0, 900)},"
            f"{rng.integers(1, 900)},1024,40,2,rack"
            for h in range(48)
        ]
    _put(folder / "databases.csv", rows)


def _put(path: Path, rows: list[str]) -> None:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
